//! `when` and `repo`: what their patterns mean, and whether they hold.
//!
//! Conditions are in strata, so that none can depend on what it decides: facts about the host and the repository may guard anything; the
//! backend and the agent are chosen by `use` nodes that only those facts guard, and may then guard anything but a `use`.

use std::collections::BTreeSet;

use super::Facts;
use crate::document::{Document, Entry, Node, Value};
use crate::schema::table::CHOSEN;
use crate::schema::{self, Merge};
use crate::source::Span;

/// How much is known when a condition is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stratum {
    /// The backend and the agent are being chosen: what depends on them does not hold yet.
    Choosing,
    /// All is known.
    Chosen,
}

/// Whether a node is a condition with nodes under it.
pub(super) fn is_condition(node: &Node) -> bool {
    schema::find(schema::table::TOP, &node.name).is_some_and(|rule| rule.merge == Merge::Condition)
}

/// Whether any condition of a document waits for the choice of backend and agent.
pub(super) fn any_waits(document: &Document) -> bool {
    let names = dependencies(std::iter::once(document));
    CHOSEN.iter().any(|name| names.contains(name))
}

/// Whether a `when` waits for the choice of backend and agent.
fn waits(node: &Node) -> bool {
    node.entries.iter().any(|entry| entry.name.as_deref().is_some_and(|name| CHOSEN.contains(&name)))
}

/// Whether a `when` or `repo` node holds. `existing` are the patterns of `exists=` in its file that match a file.
pub(super) fn holds(node: &Node, facts: &Facts, existing: &BTreeSet<String>, stratum: Stratum) -> bool {
    if node.name == "repo" {
        return node.text(0).is_some_and(|pattern| is_repository(pattern, facts));
    }
    if stratum == Stratum::Choosing && waits(node) {
        return false;
    }
    node.entries.iter().all(|entry| holds_entry(entry, facts, existing))
}

fn holds_entry(entry: &Entry, facts: &Facts, existing: &BTreeSet<String>) -> bool {
    let Facts { os, arch, host, ci, repo: _, backend, agent } = facts;
    let Some(pattern) = entry.value.as_str() else {
        // Only `ci` is not a text; other values were reported by the check.
        return entry.name.as_deref() == Some("ci") && entry.value == Value::Bool(*ci);
    };
    let is = |word: &str| asked(pattern, |glob| matches(glob, word));
    let other_name = OTHER_NAMES.iter().find(|(name, _)| name == arch).map_or(arch.as_str(), |(_, other)| other);
    match entry.name.as_deref() {
        Some("os") => is(os),
        Some("arch") => asked(pattern, |glob| matches(glob, arch) || matches(glob, other_name)),
        Some("platform") => asked(pattern, |glob| [arch, other_name].into_iter().any(|arch| matches(glob, &format!("{os}/{arch}")))),
        Some("host") => is(host),
        Some("exists") => asked(pattern, |path| existing.contains(path)),
        Some("repo") => asked(pattern, |glob| is_repository(glob, facts)),
        Some("backend") => is(backend.as_deref().unwrap_or("")),
        Some("agent") => is(agent.as_deref().unwrap_or("")),
        // Others were reported by the check.
        Some(_) | None => false,
    }
}

/// What an architecture is called besides, by Docker's name for it.
const OTHER_NAMES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];

/// Whether one of the alternatives of `a|b` is true, or with `!` before them none.
fn asked(pattern: &str, holds: impl Fn(&str) -> bool) -> bool {
    match pattern.strip_prefix('!') {
        Some(positive) => !alternatives(positive).any(holds),
        None => alternatives(pattern).any(holds),
    }
}

fn alternatives(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('|').map(str::trim)
}

/// Whether the pattern of a repository means this one: itself, or with wildcards, or one that it is the beginning of.
fn is_repository(pattern: &str, facts: &Facts) -> bool {
    let Some(repository) = &facts.repo else { return false };
    let pattern = pattern.trim_end_matches('/');
    if pattern.contains(['*', '?']) {
        return matches(&pattern.to_lowercase(), &repository.to_lowercase());
    }
    let (pattern, repository) = (pattern.to_lowercase(), repository.to_lowercase());
    repository.strip_prefix(&pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How much of a repository a pattern says: the segments before its first wildcard. Of two that match one repository, one says as much as
/// the other or more.
pub(super) fn specificity(pattern: &str) -> u16 {
    let fixed = pattern.trim_end_matches('/').split('/').take_while(|segment| !segment.contains(['*', '?'])).count();
    u16::try_from(fixed).unwrap_or(u16::MAX)
}

/// Whether a text matches a pattern: `*` stands for any characters but `/`, `**` for any, `?` for one; everything else for itself.
///
/// Takes time proportional to the product of the lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // `reached[i]`: the pattern up to where we are matches the first i characters of the text.
    let mut reached: Vec<bool> = vec![false; text.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; text.len() + 1];
        if pattern[at] == '*' {
            let deep = pattern.get(at + 1) == Some(&'*');
            for index in 0..=text.len() {
                next[index] = reached[index] || (index > 0 && next[index - 1] && (deep || text[index - 1] != '/'));
            }
            at += if deep { 2 } else { 1 };
            // `**/` may stand for no folder at all.
            if deep && pattern.get(at) == Some(&'/') {
                for index in 0..=text.len() {
                    reached[index] = next[index] && index > 0 && text[index - 1] == '/' || reached[index];
                }
                at += 1;
                continue;
            }
        } else {
            for index in 1..=text.len() {
                next[index] = reached[index - 1] && (pattern[at] == text[index - 1] || (pattern[at] == '?' && text[index - 1] != '/'));
            }
            at += 1;
        }
        reached = next;
    }
    reached[text.len()]
}

/// The paths that the conditions of a document ask for: whether each matches a file of the repository, relative to the document's folder.
pub fn questions(document: &Document) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    let mut open: Vec<&Node> = document.nodes.iter().collect();
    while let Some(node) = open.pop() {
        if !is_condition(node) {
            continue;
        }
        open.extend(node.children());
        if let Some(pattern) = node.property("exists").and_then(|entry| entry.value.as_str()) {
            asked.extend(alternatives(pattern.strip_prefix('!').unwrap_or(pattern)).map(str::to_string));
        }
    }
    asked
}

/// The conditions of some files that look at one of these facts: the fact and its place, each fact once.
pub fn conditions(files: &[super::File], facts: &[&str]) -> Vec<(String, Span)> {
    let mut found: Vec<(String, Span)> = Vec::new();
    let mut open: Vec<&Node> = files.iter().flat_map(|file| &file.document.nodes).rev().collect();
    while let Some(node) = open.pop() {
        if !is_condition(node) {
            continue;
        }
        open.extend(node.children().iter().rev());
        for entry in &node.entries {
            let name = entry.name.as_deref().unwrap_or_default();
            if facts.contains(&name) && !found.iter().any(|(known, _)| known == name) {
                found.push((name.to_string(), entry.span));
            }
        }
    }
    found
}

/// Which facts the conditions of some documents look at, by the name of the property.
pub fn dependencies<'a>(documents: impl Iterator<Item = &'a Document>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    let mut open: Vec<&Node> = documents.flat_map(|document| &document.nodes).collect();
    while let Some(node) = open.pop() {
        if !is_condition(node) {
            continue;
        }
        open.extend(node.children());
        if node.name == "repo" {
            names.insert("repo");
        }
        names.extend(node.entries.iter().filter_map(|entry| entry.name.as_deref()));
    }
    names
}
