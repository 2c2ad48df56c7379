//! What a path of the documentation means: `agent`, `agent.env`, `mount.mode`, `language.node.version`.

use crate::document::canonical;

use super::{ArgumentRule, Merge, NodeRule, PropertyRule, find, table};

/// What there is to know something about.
#[derive(Clone, Debug)]
pub struct Topic {
    /// What it is.
    pub what: What,
    /// The nodes that lead to it, itself included when it is one.
    pub nodes: Vec<&'static NodeRule>,
    /// The path of its values, with `*` for what tells nodes of one name apart.
    pub pattern: Vec<String>,
}

/// A node, or one of its values.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// A node.
    Node(&'static NodeRule),
    /// A property of the node.
    Property(&'static NodeRule, PropertyRule),
    /// An argument of the node.
    Argument(&'static NodeRule, ArgumentRule),
}

/// What some segments mean; `None` when they mean nothing.
pub fn lookup(segments: &[String]) -> Option<Topic> {
    let (first, rest) = segments.split_first()?;
    let first = canonical(first);
    if let Some(rule) = find(table::TOP, &first) {
        let topic = Topic { what: What::Node(rule), nodes: vec![rule], pattern: vec![first] };
        return within(rule, rest, false, topic);
    }
    // What stands only in the blocks of others can be asked for by its name alone.
    let nodes = home(&first)?;
    let rule = *nodes.last()?;
    let mut pattern = Vec::new();
    for rule in &nodes {
        pattern.push(rule.name.to_string());
        pattern.extend(is_keyed(rule).then(|| "*".to_string()));
    }
    if is_keyed(rule) {
        pattern.pop();
    }
    within(rule, rest, false, Topic { what: What::Node(rule), nodes, pattern })
}

fn within(rule: &'static NodeRule, segments: &[String], keyed: bool, mut topic: Topic) -> Option<Topic> {
    let Some((segment, rest)) = segments.split_first() else {
        return Some(topic);
    };
    let name = canonical(segment);
    let skip_key = |topic: &mut Topic| {
        if is_keyed(rule) && !keyed {
            topic.pattern.push("*".to_string());
        }
    };
    if let Some(child) = find(rule.children, &name) {
        skip_key(&mut topic);
        topic.pattern.push(name);
        topic.nodes.push(child);
        topic.what = What::Node(child);
        return within(child, rest, false, topic);
    }
    let value = |what: What, mut topic: Topic| {
        skip_key(&mut topic);
        topic.pattern.push(segment.clone());
        topic.what = what;
        Some(topic)
    };
    if rest.is_empty() {
        if let Some(property) = rule.properties.iter().find(|property| property.name == name) {
            return value(What::Property(rule, *property), topic);
        }
        if let Some(argument) = rule.arguments.iter().chain(rule.rest.as_ref()).find(|argument| argument.name == segment) {
            return value(What::Argument(rule, *argument), topic);
        }
    }
    if is_keyed(rule) && !keyed {
        topic.pattern.push(segment.clone());
        return within(rule, rest, true, topic);
    }
    if let Some(other) = rule.other_children {
        topic.pattern.push(segment.clone());
        topic.nodes.push(other);
        topic.what = What::Node(other);
        return within(other, rest, false, topic);
    }
    match rule.other_properties {
        Some(property) if rest.is_empty() => value(What::Property(rule, property), topic),
        Some(_) | None => None,
    }
}

/// Whether several nodes of the name can stand side by side.
fn is_keyed(rule: &NodeRule) -> bool {
    match rule.merge {
        Merge::Keyed | Merge::KeyedByTarget | Merge::List | Merge::Words => true,
        Merge::FileLocal | Merge::Record | Merge::Variables | Merge::Closed | Merge::Accumulating | Merge::Condition => false,
    }
}

/// The nodes that lead to one that does not stand at the top.
fn home(name: &str) -> Option<Vec<&'static NodeRule>> {
    let mut open: std::collections::VecDeque<Vec<&'static NodeRule>> = table::TOP.iter().map(|rule| vec![*rule]).collect();
    while let Some(nodes) = open.pop_front() {
        let last = *nodes.last()?;
        if last.name == name && nodes.len() > 1 {
            return Some(nodes);
        }
        // Under a condition stands what stands at the top.
        if last.merge == Merge::Condition || nodes.len() > 4 {
            continue;
        }
        for child in last.children {
            let mut longer = nodes.clone();
            longer.push(child);
            open.push_back(longer);
        }
    }
    None
}

/// The names that can follow some segments, or begin a path: for those who mistyped one.
pub fn names_after(segments: &[String]) -> Vec<&'static str> {
    if segments.is_empty() {
        let inner = table::TOP.iter().filter(|rule| rule.merge != Merge::Condition).flat_map(|rule| rule.children);
        return table::TOP.iter().chain(inner).map(|rule| rule.name).collect();
    }
    match lookup(segments).map(|topic| topic.what) {
        Some(What::Node(rule)) => {
            let arguments = rule.arguments.iter().map(|argument| argument.name);
            let properties = rule.properties.iter().map(|property| property.name);
            rule.children.iter().map(|child| child.name).chain(properties).chain(arguments).collect()
        }
        Some(What::Property(_, _) | What::Argument(_, _)) | None => Vec::new(),
    }
}
