//! Whether a path can lead to anything, by the table of nodes.

use crate::layers::{self, Path};
use crate::schema::{Merge, NodeRule, nearest, table};

/// What the table says of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Something can be there.
    Yes,
    /// An option or a name of somebody's own could be there, but this is more likely to be meant.
    Perhaps(String),
    /// Nothing can; what to write instead.
    No(String),
}

/// Looks a pattern up.
pub(super) fn find(pattern: &Path) -> Known {
    let segments = pattern.segments();
    let names: Vec<&str> = table::TOP.iter().filter(|rule| is_value(rule)).map(|rule| rule.name).collect();
    let mut best = Known::No(help(pattern, 0, &names));
    let rules = table::TOP.iter().copied().filter(|rule| is_value(rule));
    if segments.first().is_some_and(|first| first == "**") {
        return Known::Yes;
    }
    for rule in rules.filter(|rule| means(&segments[0], rule.name)) {
        best = better(best, node(pattern, 1, rule));
    }
    best
}

/// Nodes that hold values: the others speak of files, of conditions, or of what there could be.
fn is_value(rule: &NodeRule) -> bool {
    match rule.merge {
        Merge::FileLocal | Merge::Closed | Merge::Accumulating | Merge::Condition => false,
        Merge::Record | Merge::Keyed | Merge::KeyedByTarget | Merge::List | Merge::Words | Merge::Variables => true,
    }
}

fn means(segment: &str, name: &str) -> bool {
    segment == name || layers::matches(segment, name)
}

/// The better of two findings.
fn better(a: Known, b: Known) -> Known {
    match (&a, &b) {
        (Known::Yes, _) | (Known::Perhaps(_), Known::No(_)) => a,
        (_, _) => b,
    }
}

/// What is at the segments from `at` on, after the name of a node.
fn node(pattern: &Path, at: usize, rule: &'static NodeRule) -> Known {
    let keyed = match rule.merge {
        Merge::Keyed | Merge::KeyedByTarget | Merge::List | Merge::Words | Merge::Variables => true,
        Merge::Record | Merge::FileLocal | Merge::Closed | Merge::Accumulating | Merge::Condition => false,
    };
    if !keyed {
        return block(pattern, at, rule);
    }
    if pattern.segments().get(at).is_none_or(|segment| segment == "**") {
        return Known::Yes;
    }
    let inner = if rule.merge == Merge::Variables { rule.other_children.unwrap_or(rule) } else { rule };
    block(pattern, at + 1, inner)
}

/// What is at the segments from `at` on, inside a node.
fn block(pattern: &Path, at: usize, rule: &'static NodeRule) -> Known {
    let segments = pattern.segments();
    let Some(segment) = segments.get(at).filter(|segment| *segment != "**") else { return Known::Yes };
    let children: Vec<&'static NodeRule> = rule.children.iter().copied().filter(|child| is_value(child)).collect();
    let values = rule.properties.iter().map(|property| property.name);
    let mut names: Vec<&str> = values.chain(rule.arguments.iter().chain(&rule.rest).map(|argument| argument.name)).collect();
    let is_value_of = names.iter().any(|name| means(segment, name));
    if is_value_of && at + 1 == segments.len() {
        return Known::Yes;
    }
    names.extend(children.iter().map(|child| child.name));
    let mut best = Known::No(match is_value_of {
        true => format!("`{}` is a value, with nothing inside", upto(pattern, at)),
        false => help(pattern, at, &names),
    });
    for child in children.iter().filter(|child| means(segment, child.name)) {
        best = better(best, node(pattern, at + 1, child));
    }
    let open = rule.other_properties.is_some() || rule.other_children.is_some();
    if open && matches!(best, Known::No(_)) && !names.contains(&segment.as_str()) {
        return match nearest(segment, names.into_iter()) {
            Some(near) if !segment.contains('*') => Known::Perhaps(with(pattern, at, near).to_string()),
            Some(_) | None => Known::Yes,
        };
    }
    best
}

fn help(pattern: &Path, at: usize, names: &[&str]) -> String {
    let segment = pattern.segments().get(at).map_or("", String::as_str);
    match nearest(segment, names.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", with(pattern, at, near)),
        None if names.is_empty() => "it has nothing inside".to_string(),
        None => format!("known in place of `{segment}`: {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// The pattern with another name in one place.
fn with(pattern: &Path, at: usize, name: &str) -> Path {
    let segments = pattern.segments().iter().enumerate();
    segments.fold(Path::default(), |path, (index, segment)| path.join(if index == at { name } else { segment.as_str() }))
}

/// The pattern up to one of its segments.
fn upto(pattern: &Path, at: usize) -> Path {
    pattern.segments().iter().take(at + 1).fold(Path::default(), |path, segment| path.join(segment.as_str()))
}

/// The rule of the node that a path leads to, when it leads to one.
pub(super) fn rule_at(path: &Path) -> Option<&'static NodeRule> {
    let mut segments = path.segments().iter();
    let first = segments.next()?;
    let mut rule = table::TOP.iter().copied().find(|rule| rule.name == first)?;
    loop {
        match rule.merge {
            Merge::Keyed | Merge::KeyedByTarget | Merge::List | Merge::Words => drop(segments.next()?),
            Merge::Variables => {
                segments.next()?;
                rule = rule.other_children?;
            }
            Merge::Record | Merge::FileLocal | Merge::Closed | Merge::Accumulating | Merge::Condition => {}
        }
        match segments.next() {
            None => return Some(rule),
            Some(name) => rule = rule.child(name)?,
        }
    }
}
