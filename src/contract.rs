//! Whether the configuration that came of all files keeps its contracts.
//!
//! Contracts of all files hold together, and they are about final values only: a value that a stronger file replaced breaks none, and no
//! contract ever changes a value. What is broken is blamed on both: the value, with whoever set it, and the contract, with whoever wrote it.

mod evaluate;
mod known;
mod place;
mod subject;

use std::collections::BTreeMap;

use crate::document::Node;
use crate::layers::Path;
use crate::problem::{Code, Problem, Problems};
use crate::schema::contract::{Contract, Predicate, Test};
use crate::schema::nearest;
use crate::source::Span;

use evaluate::{Evaluation, Verdict};
use known::Known;
use subject::{Content, Subject, Subjects};

/// The contracts that others refer to, by name. Those of one name in several files hold together.
type Named<'a> = BTreeMap<&'a str, Vec<&'a Contract>>;

/// Checks merged nodes against the contracts among them.
///
/// The nodes are those of [`crate::layers::merge`], which says whose contracts count: of all layers for what is run, of the shared ones alone
/// for the image that everybody builds. What is wrong with a contract in itself was reported when its file was checked.
pub fn check(nodes: &[Node]) -> Problems {
    let contracts: Vec<Contract> = nodes.iter().filter(|node| node.name == "contract").map(|node| Contract::parse(node).0).collect();
    let mut problems = Problems::default();
    if contracts.is_empty() {
        return problems;
    }
    let mut named: Named<'_> = BTreeMap::new();
    for contract in &contracts {
        if let Some((name, _)) = &contract.name {
            named.entry(name).or_default().push(contract);
        }
    }
    for contract in &contracts {
        unknown_names(&contract.predicates, &named, &mut problems);
    }
    let circles = circles(&contracts, &named);
    let circular = !circles.is_empty();
    problems.extend(circles);
    let subjects = Subjects::of(nodes);
    for contract in &contracts {
        let Some((text, span)) = &contract.on else { continue };
        let pattern = match Path::parse(text) {
            Ok(pattern) => pattern,
            Err(reason) => {
                let problem = Problem::new(Code::ContractPath, format!("`{text}` is not a path: {reason}"))
                    .at(*span, "")
                    .help("write the names with dots between them, such as `language.node.version`, and quote a segment that holds dots");
                problems.push(problem);
                continue;
            }
        };
        let found = subjects.matching(&pattern);
        match known::find(&pattern) {
            Known::Yes => {}
            Known::No(help) => {
                problems.push(Problem::new(Code::ContractPath, format!("nothing can be at `{pattern}`")).at(*span, "").help(help));
                continue;
            }
            // Any option may be called anything, but this one looks like a slip.
            Known::Perhaps(near) if found.is_empty() => {
                let message = format!("nothing is at `{pattern}`, so this contract asks nothing");
                problems.push(Problem::new(Code::ContractUnmatched, message).at(*span, "").help(format!("did you mean `{near}`?")));
            }
            Known::Perhaps(_) => {}
        }
        // A circle was reported, and has no meaning.
        if !circular {
            let missing = if asks_presence(&contract.predicates, &named) { subjects.missing(&pattern) } else { Vec::new() };
            judge(contract, found.iter().chain(&missing), &named, &mut problems);
        }
    }
    problems
}

fn judge<'s>(contract: &Contract, subjects: impl Iterator<Item = &'s Subject<'s>>, named: &Named<'_>, problems: &mut Problems) {
    let evaluation = Evaluation { named };
    for subject in subjects {
        for predicate in &contract.predicates {
            let (code, reason) = match evaluation.predicate(predicate, subject, &contract.predicates) {
                Verdict::Holds | Verdict::Silent => continue,
                Verdict::Fails(reason) => (Code::ContractViolated, reason),
                Verdict::Unfit(reason) => (Code::ContractUnfit, reason),
            };
            let mut problem = Problem::new(code, format!("`{}` {}", subject.path, reason.text));
            if let Some(span) = reason.place.or(subject.span) {
                problem = problem.at(span, "the value");
            }
            let by = contract.name.as_ref().map_or_else(|| "the contract".to_string(), |(name, _)| format!("the contract `{name}`"));
            let mut asked = reason.asked.iter();
            if let Some(first) = asked.next() {
                problem = problem.at(*first, if asked.len() == 0 { format!("asked by {by}") } else { "asked here".to_string() });
            }
            for outer in asked {
                problem = problem.at(*outer, format!("which {by} wants kept"));
            }
            problems.push(match &contract.doc {
                Some(doc) => problem.help(doc.trim_end().to_string()),
                None => problem.help(reason.help.unwrap_or_else(|| "change the value; no file can take a contract away".to_string())),
            });
        }
    }
}

/// Whether a missing value can break it.
fn asks_presence(predicates: &[Predicate], named: &Named<'_>) -> bool {
    let mut seen: Vec<&str> = Vec::new();
    let mut open: Vec<&Predicate> = predicates.iter().collect();
    while let Some(predicate) = open.pop() {
        match &predicate.test {
            Test::Present | Test::Absent => return true,
            Test::Is(name) if !seen.contains(&name.as_str()) => {
                seen.push(name);
                open.extend(named.get(name.as_str()).into_iter().flatten().flat_map(|contract| &contract.predicates));
            }
            Test::Each(inner) | Test::AnyOf(inner) | Test::Not(inner) => open.extend(inner),
            Test::Is(_)
            | Test::Type(_)
            | Test::Enum(_)
            | Test::Matches(_)
            | Test::Min(_)
            | Test::Max(_)
            | Test::Satisfies(_, _)
            | Test::Length { min: _, max: _ }
            | Test::Under(_)
            | Test::NotUnder(_)
            | Test::StartsWith(_) => {}
        }
    }
    false
}

/// Every `is` of some predicates, at any depth.
fn references(predicates: &[Predicate]) -> Vec<(&str, Span)> {
    let mut found = Vec::new();
    let mut open: Vec<&Predicate> = predicates.iter().collect();
    while let Some(predicate) = open.pop() {
        match &predicate.test {
            Test::Is(name) => found.push((name.as_str(), predicate.span)),
            Test::Each(inner) | Test::AnyOf(inner) | Test::Not(inner) => open.extend(inner),
            Test::Type(_)
            | Test::Enum(_)
            | Test::Matches(_)
            | Test::Min(_)
            | Test::Max(_)
            | Test::Satisfies(_, _)
            | Test::Length { min: _, max: _ }
            | Test::Under(_)
            | Test::NotUnder(_)
            | Test::StartsWith(_)
            | Test::Present
            | Test::Absent => {}
        }
    }
    found.sort_by_key(|(_, span)| *span);
    found
}

fn unknown_names(predicates: &[Predicate], named: &Named<'_>, problems: &mut Problems) {
    for (name, span) in references(predicates) {
        if named.contains_key(name) {
            continue;
        }
        let help = match nearest(name, named.keys().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `contract {name} {{ … }}` in this file or in one that it is merged with"),
        };
        problems.push(Problem::new(Code::ContractUnknown, format!("there is no contract `{name}`")).at(span, "").help(help));
    }
}

/// Contracts that ask for themselves, by one `is` after the other. Each circle is reported once.
fn circles(contracts: &[Contract], named: &Named<'_>) -> Problems {
    let mut problems = Problems::default();
    let mut reported: Vec<&str> = Vec::new();
    for start in named.keys() {
        if reported.contains(start) {
            continue;
        }
        // The way on which each contract was reached: by which `is`, from which other.
        let mut reached: BTreeMap<&str, (Span, &str)> = BTreeMap::new();
        let mut open = vec![*start];
        while let Some(name) = open.pop() {
            for contract in contracts.iter().filter(|contract| contract.name.as_ref().is_some_and(|(own, _)| own == name)) {
                for (next, span) in references(&contract.predicates) {
                    if named.contains_key(next) && !reached.contains_key(next) {
                        reached.insert(next, (span, name));
                        open.push(next);
                    }
                }
            }
        }
        let mut hops = Vec::new();
        let mut name = *start;
        while let Some((span, from)) = reached.get(name) {
            hops.push((*span, *from, name));
            name = from;
            if name == *start {
                break;
            }
        }
        if hops.is_empty() || name != *start || hops.last().is_none_or(|(_, from, _)| from != start) {
            continue;
        }
        let mut problem = Problem::new(Code::ContractCycle, format!("the contract `{start}` asks for itself"));
        for (span, from, to) in hops.iter().rev() {
            problem = problem.at(*span, format!("`{from}` asks for `{to}`"));
            reported.push(to);
        }
        problems.push(problem.help("take one of these `is` out"));
    }
    problems
}
