//! `define … extends=NAME`: one definition on top of another, node by node, by the policies of the table.
//!
//! What the extending definition says wins value by value; lists are added up, the extended one's first; `(remove)` and `(replace)` do what
//! they do between files.

use crate::document::{Annotation, Entry, Node, Value};
use crate::problem::{Code, Problem, Problems};
use crate::schema::annotation::{self, Action};
use crate::schema::{Merge, NodeRule, table, types};

/// A definition and the one that it extends as one. Both are `define` nodes that passed the check.
pub(super) fn extend(own: &Node, extended: &Node) -> (Node, Problems) {
    let mut problems = Problems::default();
    let node = match table::CATALOG.first() {
        Some(rule) => record(own, extended, rule, 2, &mut problems),
        None => own.clone(),
    };
    let entries = node.entries.into_iter().filter(|entry| entry.name.as_deref() != Some("extends")).collect();
    (Node { entries, ..node }, problems)
}

/// Two nodes that are the same thing; the first `key` arguments say which.
fn record(own: &Node, extended: &Node, rule: &'static NodeRule, key: usize, problems: &mut Problems) -> Node {
    let speaks = own.arguments().count() > key || extended.arguments().count() <= key;
    let (arguments, annotation) = if speaks { (own, &own.annotation) } else { (extended, &extended.annotation) };
    let mut entries: Vec<Entry> = arguments.arguments().cloned().collect();
    let kept = extended.entries.iter().filter(|entry| entry.name.as_deref().is_some_and(|name| own.property(name).is_none()));
    entries.extend(kept.cloned());
    entries.extend(own.entries.iter().filter(|entry| entry.name.is_some() && entry.value != Value::Null).cloned());
    let children = match (&own.children, &extended.children) {
        (None, None) => None,
        (Some(_), _) | (None, Some(_)) => Some(block(own.children(), extended.children(), rule, problems)),
    };
    Node { name: own.name.clone(), name_span: own.name_span, annotation: annotation.clone(), entries, children, span: own.span }
}

fn block(own: &[Node], extended: &[Node], rule: &'static NodeRule, problems: &mut Problems) -> Vec<Node> {
    let mut result: Vec<Node> = extended.to_vec();
    // Items that want to stand first keep their order among themselves.
    let mut first = 0;
    for node in own {
        let Some(rule) = rule.child(&node.name) else { continue };
        let operations = operations(node.annotation.as_ref());
        let known = |other: &Node| other.name == node.name && key(other, rule) == key(node, rule);
        match operations.action {
            Some(Action::Remove) => {
                let before = result.len();
                // Without anything that says which, all of them.
                if node.entries.is_empty() && node.children().is_empty() {
                    result.retain(|other| other.name != node.name);
                }
                match rule.merge {
                    Merge::Words if !node.entries.is_empty() => {
                        let removed: Vec<&Value> = node.arguments().map(|entry| &entry.value).collect();
                        let mut found = false;
                        for other in result.iter_mut().filter(|other| other.name == node.name) {
                            let count = other.entries.len();
                            other.entries.retain(|entry| !removed.contains(&&entry.value));
                            found |= count != other.entries.len();
                        }
                        result.retain(|other| other.name != node.name || !other.entries.is_empty());
                        if found {
                            continue;
                        }
                    }
                    Merge::Variables if !node.entries.is_empty() || !node.children().is_empty() => {
                        let names = variables(node);
                        let mut found = false;
                        for other in result.iter_mut().filter(|other| other.name == node.name) {
                            found |= variables(other).iter().any(|name| names.contains(name));
                            without(other, &names);
                        }
                        if found {
                            continue;
                        }
                    }
                    Merge::FileLocal
                    | Merge::Record
                    | Merge::Keyed
                    | Merge::KeyedByTarget
                    | Merge::List
                    | Merge::Words
                    | Merge::Variables
                    | Merge::Closed
                    | Merge::Accumulating
                    | Merge::Condition => result.retain(|other| !known(other)),
                }
                if before == result.len() {
                    problems.push(
                        Problem::new(Code::RemovesNothing, "this removal matches nothing")
                            .at(node.name_span, "the extended definition does not say this")
                            .help("remove the line, or compare it with the definition that is extended"),
                    );
                }
                continue;
            }
            Some(Action::Replace) => {
                let whole = matches!(rule.merge, Merge::List | Merge::Words | Merge::Variables);
                result.retain(|other| if whole { other.name != node.name } else { !known(other) });
                result.push(Node { annotation: None, ..node.clone() });
                continue;
            }
            None => {}
        }
        let index = match rule.merge {
            Merge::Words | Merge::Variables | Merge::Record => result.iter().position(|other| other.name == node.name),
            Merge::Keyed | Merge::KeyedByTarget | Merge::List => result.iter().position(known),
            Merge::FileLocal | Merge::Closed | Merge::Accumulating | Merge::Condition => None,
        };
        match (index, rule.merge) {
            (Some(index), Merge::Words) => {
                let words: Vec<Entry> =
                    node.arguments().filter(|entry| !result[index].arguments().any(|other| other.value == entry.value)).cloned().collect();
                result[index].entries.extend(words);
            }
            (Some(index), Merge::Variables) => {
                without(&mut result[index], &variables(node));
                let Node { name: _, name_span: _, annotation: _, entries, children, span: _ } = node.clone();
                result[index].entries.extend(entries);
                if let Some(children) = children {
                    result[index].children.get_or_insert_default().extend(children);
                }
            }
            (Some(index), _) => {
                result[index] = record(node, &result[index].clone(), rule, usize::from(rule.merge == Merge::Keyed), problems)
            }
            (None, _) if operations.order.is_some_and(|order| order < 0) => {
                result.insert(first, node.clone());
                first += 1;
            }
            (None, _) => result.push(node.clone()),
        }
    }
    result
}

fn operations(annotation: Option<&Annotation>) -> annotation::Operations {
    annotation.map(|annotation| annotation::parse(&annotation.text).0).unwrap_or_default()
}

/// What tells a node from others of its name.
fn key(node: &Node, rule: &'static NodeRule) -> Vec<String> {
    let arguments = || node.arguments().map(|entry| types::text(&entry.value));
    match rule.merge {
        // A release has further names, and is known by the first; an `install` without a name has one all the same.
        Merge::Keyed => vec![arguments().next().unwrap_or_else(|| table::DEFAULT_SOURCE.to_string())],
        Merge::KeyedByTarget => node.property("to").map_or_else(|| arguments().collect(), |to| vec![types::text(&to.value)]),
        Merge::List => match node.property("id") {
            Some(id) => vec![types::text(&id.value)],
            None if node.arguments().next().is_none() => node.entries.iter().filter_map(property).collect(),
            None => arguments().collect(),
        },
        Merge::FileLocal | Merge::Record | Merge::Words | Merge::Variables | Merge::Closed | Merge::Accumulating | Merge::Condition => {
            Vec::new()
        }
    }
}

/// Nodes without arguments, such as `requires`, are told by their properties.
fn property(entry: &Entry) -> Option<String> {
    Some(format!("{}={}", entry.name.as_ref()?, types::text(&entry.value)))
}

/// The variables that an `env` speaks of.
fn variables(node: &Node) -> Vec<String> {
    let short = node.entries.iter().map(|entry| entry.name.clone().unwrap_or_else(|| types::text(&entry.value)));
    short.chain(node.children().iter().map(|child| child.name.clone())).collect()
}

fn without(node: &mut Node, names: &[String]) {
    node.entries.retain(|entry| !names.contains(&entry.name.clone().unwrap_or_else(|| types::text(&entry.value))));
    if let Some(children) = &mut node.children {
        children.retain(|child| !names.contains(&child.name));
    }
}
