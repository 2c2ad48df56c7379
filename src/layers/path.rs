//! Paths: what people call a value of the merged configuration, such as `language.node.version` or `mount."~/.ssh".source`.
//!
//! A path is the node's name, what tells it from others of that name (its first argument, its `id`, or its contents), and so on inwards; at
//! the end stands the name of a property, or of an argument as the reference calls it.

use std::fmt;

use super::condition;
use crate::document::{self, Entry, Node, Value};
use crate::schema::{self, Merge, NodeRule};

/// A path, or with wildcards a pattern of paths: `*` stands for any one segment, or within a segment for any characters; `**` for any
/// number of segments.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

impl Path {
    /// Reads a path as it is written: segments between dots, quoted where they hold dots or spaces themselves. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Path, String> {
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let (segment, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted_segment(quoted).ok_or("a quotation mark is missing")?,
                None => {
                    let end = rest.find('.').unwrap_or(rest.len());
                    (rest[..end].to_string(), &rest[end..])
                }
            };
            if segment.is_empty() {
                return Err("a segment is empty".to_string());
            }
            segments.push(segment);
            if after.is_empty() {
                break;
            }
            rest = after.strip_prefix('.').ok_or("after a quoted segment there is a dot or nothing")?;
        }
        // Either spelling of the name of a node or a property is the same.
        let last = segments.len() - 1;
        for (index, segment) in segments.iter_mut().enumerate() {
            // The second is what an entry is called.
            if index == 0 || (index == last && index > 1) {
                *segment = document::canonical(segment);
            }
        }
        Ok(Path(segments))
    }

    /// This path and one more segment.
    pub fn join(&self, segment: impl Into<String>) -> Path {
        let mut segments = self.0.clone();
        segments.push(segment.into());
        Path(segments)
    }

    /// Its segments, without quotation marks.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// Whether it holds a wildcard.
    pub fn is_pattern(&self) -> bool {
        self.0.iter().any(|segment| segment.contains('*'))
    }

    /// Whether a path is among those that this pattern means.
    pub fn matches(&self, path: &Path) -> bool {
        matches(&self.0, &path.0)
    }

    /// Whether this path is, or lies below, the other one.
    pub fn is_within(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str(".")?;
            }
            let plain = !segment.is_empty() && segment.chars().all(|c| c.is_alphanumeric() || "_-*@/+".contains(c));
            if plain { out.write_str(segment)? } else { out.write_str(&document::quote(segment))? }
        }
        Ok(())
    }
}

/// A segment up to its closing quotation mark, and what comes after that.
fn quoted_segment(text: &str) -> Option<(String, &str)> {
    let mut segment = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((segment, &text[at + 1..])),
            '\\' => segment.push(characters.next()?.1),
            other => segment.push(other),
        }
    }
    None
}

fn matches(pattern: &[String], path: &[String]) -> bool {
    // `reached[i]`: the pattern so far matches the first i segments.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        for index in 0..=path.len() {
            next[index] = if part == "**" {
                reached[index] || (index > 0 && next[index - 1])
            } else {
                index > 0 && reached[index - 1] && (part == "*" || part == &path[index - 1] || condition::matches(part, &path[index - 1]))
            };
        }
        reached = next;
    }
    reached[path.len()]
}

/// Marks the key of a list's item that has no `id`, and stands between its arguments.
const BETWEEN: char = '\u{1f}';

/// The key of a list's item that has no `id`.
pub(super) fn content_key<'a>(arguments: impl Iterator<Item = &'a Entry>) -> String {
    let mut key = String::new();
    for entry in arguments {
        key.push(BETWEEN);
        key.push_str(&text(&entry.value));
    }
    key
}

/// The segment of a key.
pub(super) fn segment(key: &str) -> String {
    key.trim_start_matches(BETWEEN).replace(BETWEEN, " ")
}

/// A value as text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(_) | Value::Decimal(_) | Value::Bool(_) | Value::Null => {
            let mut text = String::new();
            document::print_value(&mut text, value);
            text
        }
    }
}

/// Something that a path leads to.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The path.
    pub path: Path,
    /// The node that it is, or that the value is written in.
    pub node: &'a Node,
    /// What is known of that node.
    pub rule: &'static NodeRule,
    /// The value; `None` for the node itself.
    pub entry: Option<&'a Entry>,
}

/// Every node and every value of merged nodes, in their order. What definitions and contracts consist of is not among them.
pub fn walk(nodes: &[Node]) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    for node in nodes {
        if let Some(rule) = schema::find(schema::table::TOP, &node.name) {
            walk_node(&mut found, node, rule, &Path::default());
        }
    }
    found
}

fn walk_node<'a>(found: &mut Vec<Found<'a>>, node: &'a Node, rule: &'static NodeRule, outer: &Path) {
    let place = outer.join(&node.name);
    let key = match rule.merge {
        Merge::FileLocal | Merge::Closed | Merge::Accumulating | Merge::Condition => return,
        Merge::Variables => return walk_variables(found, node, rule, &place),
        Merge::Words => {
            let name = argument_name(rule, 0);
            for entry in node.arguments() {
                let path = place.join(text(&entry.value));
                found.push(Found { path: path.clone(), node, rule, entry: None });
                found.push(Found { path: path.join(name), node, rule, entry: Some(entry) });
            }
            return;
        }
        Merge::Record => None,
        Merge::Keyed => node.arguments().next().map(|entry| text(&entry.value)),
        Merge::KeyedByTarget => node.property("to").or(node.arguments().next()).map(|entry| text(&entry.value)),
        Merge::List => match node.property("id") {
            Some(id) => Some(text(&id.value)),
            None => Some(segment(&content_key(node.arguments()))),
        },
    };
    let path = match key {
        Some(key) => place.join(key),
        None => place,
    };
    walk_block(found, node, rule, &path);
}

/// The node itself, its values, and the nodes in its block.
fn walk_block<'a>(found: &mut Vec<Found<'a>>, node: &'a Node, rule: &'static NodeRule, path: &Path) {
    found.push(Found { path: path.clone(), node, rule, entry: None });
    for (index, entry) in node.arguments().enumerate() {
        found.push(Found { path: path.join(argument_name(rule, index)), node, rule, entry: Some(entry) });
    }
    for entry in &node.entries {
        if let Some(name) = &entry.name {
            found.push(Found { path: path.join(name), node, rule, entry: Some(entry) });
        }
    }
    for child in node.children() {
        if let Some(rule) = rule.child(&child.name) {
            walk_node(found, child, rule, path);
        }
    }
}

fn walk_variables<'a>(found: &mut Vec<Found<'a>>, node: &'a Node, rule: &'static NodeRule, place: &Path) {
    let variable = rule.other_children.unwrap_or(&schema::table::PATTERN);
    for entry in &node.entries {
        let path = place.join(entry.name.clone().unwrap_or_else(|| text(&entry.value)));
        found.push(Found { path: path.clone(), node, rule: variable, entry: None });
        // A variable that is passed through has no value here.
        let end = if entry.name.is_some() { argument_name(variable, 0) } else { "from" };
        found.push(Found { path: path.join(end), node, rule: variable, entry: Some(entry) });
    }
    for child in node.children() {
        walk_block(found, child, variable, &place.join(&child.name));
    }
}

/// What the reference calls the n-th argument.
pub(super) fn argument_name(rule: &NodeRule, index: usize) -> &'static str {
    rule.arguments.get(index).or(rule.rest.as_ref()).map_or("value", |argument| argument.name)
}
