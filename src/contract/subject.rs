//! What a contract can be about: every value of the configuration, every node, and every list.

use std::collections::BTreeMap;

use crate::document::{Entry, Node, Value};
use crate::layers::{self, Found, Path};
use crate::schema::types;
use crate::schema::{Merge, NodeRule, Type, table};
use crate::source::Span;

/// Something that a path leads to.
#[derive(Clone, Debug)]
pub(super) struct Subject<'a> {
    /// The path.
    pub(super) path: Path,
    /// What is there.
    pub(super) content: Content<'a>,
    /// Where it was set; `None` for what is missing.
    pub(super) span: Option<Span>,
    /// What the table says of its values.
    pub(super) kind: Option<Type>,
}

/// What is at a path.
#[derive(Clone, Debug)]
pub(super) enum Content<'a> {
    /// One value.
    One(Item),
    /// A list: of the arguments of a node, or of the nodes of a name.
    Many(Vec<Item>),
    /// A node without values of its own; its properties, by name.
    Record(Vec<(&'a str, Item)>),
    /// Nothing.
    Missing,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Itself.
    pub(super) value: Value,
    /// As text.
    pub(super) text: String,
    /// Where it was set.
    pub(super) span: Span,
    /// Whether nobody should see it.
    pub(super) secret: bool,
}

fn item(entry: &Entry, secret: bool) -> Item {
    Item { value: entry.value.clone(), text: types::text(&entry.value), span: entry.span, secret }
}

/// All that a configuration holds.
pub(super) struct Subjects<'a>(Vec<Subject<'a>>);

/// The nodes that can stand in an agent's block as well as at the top, where they mean the same.
fn is_shared(name: &str) -> bool {
    let agent = table::TOP.iter().find(|rule| rule.name == "agent");
    let inside = agent.map_or(&[][..], |rule| rule.children);
    inside.iter().any(|rule| rule.name == name && table::TOP.iter().any(|top| std::ptr::eq(*top, *rule)))
}

impl<'a> Subjects<'a> {
    pub(super) fn of(nodes: &'a [Node]) -> Subjects<'a> {
        let mut subjects: Vec<Subject<'a>> = layers::walk(nodes).into_iter().map(subject).collect();
        // What a definition of somebody's own mounts or sets is as real as what the configuration itself does.
        for node in nodes.iter().filter(|node| node.name == "define") {
            let inside = layers::walk(node.children()).into_iter();
            subjects.extend(inside.filter(|found| found.path.segments().first().is_some_and(|name| is_shared(name))).map(subject));
        }
        let mut lists: BTreeMap<Path, Subject<'a>> = BTreeMap::new();
        for found in layers::walk(nodes) {
            if let Some(list) = list_of(&found) {
                let Subject { path, content: _, span, kind } = &list;
                let whole = lists.entry(path.clone()).or_insert_with(|| Subject {
                    path: path.clone(),
                    content: Content::Many(Vec::new()),
                    span: *span,
                    kind: *kind,
                });
                if let (Content::Many(all), Content::Many(more)) = (&mut whole.content, list.content) {
                    all.extend(more);
                }
            }
        }
        subjects.extend(lists.into_values());
        Subjects(subjects)
    }

    /// Whatever a pattern means. What agents' blocks say is meant by the names that it has at the top.
    pub(super) fn matching(&self, pattern: &Path) -> Vec<Subject<'a>> {
        self.0
            .iter()
            .filter(|subject| pattern.matches(&subject.path) || inside(&subject.path).is_some_and(|path| pattern.matches(&path)))
            .cloned()
            .collect()
    }

    /// What a pattern wants to be there and is not: for each thing that it means up to its last wildcard, what follows that; without a
    /// wildcard, or at the end of one, the whole.
    pub(super) fn missing(&self, pattern: &Path) -> Vec<Subject<'a>> {
        let segments = pattern.segments();
        let wild = segments.iter().rposition(|segment| segment.contains('*'));
        let absent = |path: Path, span: Option<Span>| Subject { path, content: Content::Missing, span, kind: None };
        let Some(wild) = wild.filter(|wild| wild + 1 < segments.len()) else {
            return if self.matching(pattern).is_empty() { vec![absent(pattern.clone(), None)] } else { Vec::new() };
        };
        let mut found = Vec::new();
        let (outer, rest) = segments.split_at(wild + 1);
        let outer = outer.iter().skip(1).fold(Path::default().join(outer[0].clone()), |path, segment| path.join(segment.clone()));
        for subject in self.matching(&outer).into_iter().filter(|subject| !matches!(subject.content, Content::Missing)) {
            // Only what can have it is asked for it.
            if !subject.may_hold(&rest[0]) {
                continue;
            }
            let wanted = rest.iter().fold(subject.path.clone(), |path, segment| path.join(segment.clone()));
            if !self.0.iter().any(|other| other.path == wanted) {
                found.push(absent(wanted, subject.span));
            }
        }
        found
    }
}

impl Subject<'_> {
    /// Whether a path may go on from here with a name.
    fn may_hold(&self, name: &str) -> bool {
        let known = super::known::rule_at(&self.path);
        known.is_some_and(|rule| {
            rule.property(name).is_some()
                || rule.child(name).is_some()
                || rule.arguments.iter().chain(&rule.rest).any(|argument| argument.name == name)
        })
    }
}

/// The path of something in an agent's block, as if it stood at the top.
fn inside(path: &Path) -> Option<Path> {
    let [agent, _, name, rest @ ..] = path.segments() else { return None };
    if agent != "agent" || !is_shared(name) {
        return None;
    }
    Some(rest.iter().fold(Path::default().join(name.clone()), |path, segment| path.join(segment.clone())))
}

fn subject<'a>(found: Found<'a>) -> Subject<'a> {
    let Found { path, node, rule, entry } = found;
    let last = path.segments().last().cloned().unwrap_or_default();
    let secret = node.property("secret").is_some_and(|entry| entry.value == Value::Bool(true));
    if let Some(entry) = entry {
        let kind = kind_of(rule, entry, &last);
        let passed = std::ptr::eq(rule, variable()) && entry.name.is_none() && last == "from";
        // `env A` is short for a variable that is taken from the host.
        let item = if passed { host(entry.span) } else { item(entry, secret) };
        return Subject { path, content: Content::One(item), span: Some(entry.span), kind };
    }
    // Several words and variables can stand in one node, so the node is not what this path is about.
    let words: Vec<&Entry> = match rule.merge {
        Merge::Words => node.arguments().filter(|entry| types::text(&entry.value) == last).take(1).collect(),
        _ if std::ptr::eq(rule, variable()) && node.name != last => {
            node.entries.iter().filter(|entry| entry.name.as_deref() == Some(last.as_str())).collect()
        }
        Merge::FileLocal
        | Merge::Record
        | Merge::Keyed
        | Merge::KeyedByTarget
        | Merge::List
        | Merge::Variables
        | Merge::Closed
        | Merge::Accumulating
        | Merge::Condition => node.arguments().collect(),
    };
    let short = std::ptr::eq(rule, variable()) && node.name != last;
    let span = words.first().map_or(node.name_span, |entry| entry.span);
    let kind = rule.arguments.first().or(rule.rest.as_ref()).map(|argument| argument.kind);
    let several = rule.rest.is_some() && matches!(rule.merge, Merge::Record | Merge::List);
    let content = match words.as_slice() {
        all if several => Content::Many(all.iter().map(|entry| item(entry, secret)).collect()),
        [only] => Content::One(item(only, secret)),
        all if all.len() > 1 => Content::Many(all.iter().map(|entry| item(entry, secret)).collect()),
        _ if short => Content::Record(Vec::new()),
        _ => {
            let properties = node.entries.iter().filter_map(|entry| Some((entry.name.as_deref()?, item(entry, secret))));
            Content::Record(properties.collect())
        }
    };
    // What a block of nodes says of a map is its children.
    let content = match content {
        Content::Many(values) if values.is_empty() && several => {
            let properties = node.entries.iter().filter_map(|entry| Some((entry.name.as_deref()?, item(entry, secret))));
            let children = node.children().iter().filter_map(|child| Some((child.name.as_str(), item(child.arguments().next()?, secret))));
            let named: Vec<(&str, Item)> = properties.chain(children).collect();
            if named.is_empty() { Content::Many(values) } else { Content::Record(named) }
        }
        other => other,
    };
    Subject { path, content, span: Some(span), kind }
}

fn host(span: Span) -> Item {
    let value = Value::String("host".to_string());
    Item { text: types::text(&value), value, span, secret: false }
}

/// The rule of a variable in an `env` block.
fn variable() -> *const NodeRule {
    let env = table::TOP.iter().find(|rule| rule.name == "env").and_then(|rule| rule.other_children);
    env.map_or(std::ptr::null(), std::ptr::from_ref)
}

fn kind_of(rule: &NodeRule, entry: &Entry, last: &str) -> Option<Type> {
    match &entry.name {
        Some(name) if !std::ptr::eq(rule, variable()) => rule.property(name).map(|property| property.kind),
        Some(_) | None => rule.arguments.iter().chain(&rule.rest).find(|argument| argument.name == last).map(|argument| argument.kind),
    }
}

/// The list that a node with a key, or a word, is part of: of what the nodes or words are called.
fn list_of<'a>(found: &Found<'a>) -> Option<Subject<'a>> {
    let Found { path, node, rule, entry: None } = found else { return None };
    let segments = path.segments();
    let (last, outer) = segments.split_last()?;
    let (first, rest) = outer.split_first()?;
    let outer = rest.iter().fold(Path::default().join(first.clone()), |path, segment| path.join(segment.clone()));
    let entry = match rule.merge {
        Merge::Words => node.arguments().find(|entry| types::text(&entry.value) == *last),
        Merge::Keyed | Merge::KeyedByTarget | Merge::List => node.arguments().next(),
        Merge::FileLocal | Merge::Record | Merge::Variables | Merge::Closed | Merge::Accumulating | Merge::Condition => return None,
    };
    let kind = rule.arguments.first().or(rule.rest.as_ref()).map(|argument| argument.kind);
    let items = entry.map(|entry| item(entry, false)).into_iter().collect();
    Some(Subject { path: outer, content: Content::Many(items), span: Some(node.name_span), kind })
}
