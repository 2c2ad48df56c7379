//! Holds a document to the table. Every problem of the file is reported at once.

use std::collections::{BTreeMap, btree_map};

use super::annotation::{self, Action, Fault};
use super::contract::Contract;
use super::{ArgumentRule, FileKind, Merge, NodeRule, PropertyRule, Type, find, table, types};
use crate::document::{self, Document, Entry, Node, Value};
use crate::problem::{Code, Edit, Problem, Problems};
use crate::source::Span;
use crate::template::has_placeholder;

/// The problems of a document of its own; what it refers to is looked at later.
pub fn check(document: &Document, kind: FileKind) -> Problems {
    let mut problems = Problems::default();
    check_version(&mut problems, document);
    for node in &document.nodes {
        match find(kind.nodes(), &node.name) {
            Some(rule) => check_node(&mut problems, node, rule, false),
            None => problems.push(unknown_node(node, kind.nodes(), None)),
        }
    }
    problems
}

/// `silo min=`: the oldest silo that can read the file.
fn check_version(problems: &mut Problems, document: &Document) {
    let numbers = |text: &str| text.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u64>>();
    let own = env!("CARGO_PKG_VERSION");
    for entry in document.nodes.iter().filter(|node| node.name == "silo").filter_map(|node| node.property("min")) {
        if let Some(least) = entry.value.as_str().filter(|least| numbers(least) > numbers(own)) {
            let problem = Problem::new(Code::TooNew, format!("this file needs silo {least} or newer, and this is silo {own}"))
                .at(entry.span, "said here")
                .help("upgrade silo");
            problems.push(problem);
        }
    }
}

/// `closed` says that the node stands in something that is taken as a whole: there the merge, which sees what is said twice, does not look.
fn check_node(problems: &mut Problems, node: &Node, rule: &'static NodeRule, closed: bool) {
    check_annotation(problems, node, rule);
    check_arguments(problems, node, rule);
    check_properties(problems, node, rule);
    if rule.merge == Merge::Condition {
        check_condition(problems, node);
    }
    if rule.name == "use" {
        for entry in node.entries.iter().filter(|entry| entry.value.as_str().is_some_and(has_placeholder)) {
            problems.push(
                Problem::new(Code::ConditionMisplaced, "the backend and the agent are chosen before any placeholder has a value")
                    .at(entry.span, "")
                    .help("write the name out"),
            );
        }
    }
    if rule.properties.iter().any(|property| property.name == "version_file") {
        check_one_version(problems, node);
    }
    if std::ptr::eq(rule, &raw const table::CONTRACT) {
        problems.extend(Contract::parse(node).1);
    }
    let Some(children) = &node.children else { return };
    if !rule.takes_block() {
        let problem = Problem::new(Code::UnexpectedChildren, format!("`{}` takes no block", node.name))
            .at(node.name_span, "this node has one")
            .help(example_of(rule, &format!("remove the braces after `{}`", node.name)));
        problems.push(problem);
        return;
    }
    let closed = closed || matches!(rule.merge, Merge::Closed | Merge::List);
    if closed {
        check_twice(problems, children, rule);
    }
    for child in children {
        match rule.child(&child.name) {
            Some(child_rule) => check_node(problems, child, child_rule, closed),
            None => problems.push(unknown_node(child, rule.children, Some(node))),
        }
    }
}

/// A version is written out or stands in a file.
fn check_one_version(problems: &mut Problems, node: &Node) {
    let said = |name: &str| {
        let property = node.property(name).map(|entry| entry.span);
        property.or_else(|| node.named(name).next().map(|child| child.name_span))
    };
    if let (Some(version), Some(file)) = (said("version"), said("version_file")) {
        problems.push(
            Problem::new(Code::BadValue, "`version` and `version_file` both say the version")
                .at(file, "in this file")
                .at(version, "and here")
                .help("keep one of them"),
        );
    }
}

/// Nodes of which a block has one, or one of each first argument. What is annotated says itself what it does to another.
fn check_twice(problems: &mut Problems, children: &[Node], rule: &'static NodeRule) {
    let mut seen: BTreeMap<(&str, Option<String>), Span> = BTreeMap::new();
    for child in children.iter().filter(|child| child.annotation.is_none()) {
        let key = match rule.child(&child.name).map(|rule| rule.merge) {
            Some(Merge::Record) => None,
            Some(Merge::Keyed) => child.arguments().next().map(|entry| types::text(&entry.value)),
            Some(Merge::FileLocal | Merge::KeyedByTarget | Merge::List | Merge::Words | Merge::Variables) | None => continue,
            Some(Merge::Closed | Merge::Accumulating | Merge::Condition) => continue,
        };
        match seen.entry((&child.name, key)) {
            btree_map::Entry::Occupied(first) => problems.push(
                Problem::new(Code::DuplicateNode, format!("`{}` is given twice", child.name))
                    .at(child.name_span, "given again here")
                    .at(*first.get(), "given here first")
                    .help("keep one of the two"),
            ),
            btree_map::Entry::Vacant(place) => {
                place.insert(child.name_span);
            }
        }
    }
}

/// What may stand in parentheses before a node of this kind, and before its values.
pub fn annotations(rule: &'static NodeRule) -> (&'static [&'static str], &'static [&'static str]) {
    if std::ptr::eq(rule, &raw const table::PATTERN) {
        return (&["list"], &["default", "priority:N", "force", "raw"]);
    }
    let strength_and_removal = &["default", "priority:N", "force", "remove", "replace"];
    let all = &["default", "priority:N", "force", "remove", "replace", "prepend", "append", "order:N"];
    let strength = &["default", "priority:N", "force", "raw"];
    match rule.merge {
        Merge::FileLocal | Merge::Accumulating => (&[], &["raw"]),
        Merge::Condition => (&["default", "priority:N", "force"], &[]),
        Merge::Record => (strength_and_removal, strength),
        Merge::Closed => (strength_and_removal, &["raw"]),
        Merge::Keyed | Merge::KeyedByTarget | Merge::List => (all, strength),
        Merge::Words => (all, &["default", "priority:N", "force", "remove", "prepend", "append", "order:N", "raw"]),
        Merge::Variables => (strength_and_removal, &["default", "priority:N", "force", "remove", "raw"]),
    }
}

/// Holds the values of a node to their types, once their placeholders have been filled in.
pub fn check_values(problems: &mut Problems, node: &Node, rule: &'static NodeRule) {
    for (index, entry) in node.arguments().enumerate() {
        if let Some(ArgumentRule { name, kind, required: _ }) = rule.arguments.get(index).or(rule.rest.as_ref()) {
            check_value(problems, node, entry, name, *kind);
        }
    }
    for entry in &node.entries {
        let Some(name) = entry.name.as_deref() else { continue };
        if let Some(PropertyRule { name: _, doc: _, kind }) = rule.property(name) {
            check_value(problems, node, entry, name, kind);
        }
    }
}

fn check_annotation(problems: &mut Problems, node: &Node, rule: &'static NodeRule) {
    let (on_node, on_value) = annotations(rule);
    let on_entries = node.entries.iter().filter_map(|entry| entry.annotation.as_ref()).map(|annotation| (annotation, on_value));
    for (annotation, allowed) in node.annotation.iter().map(|annotation| (annotation, on_node)).chain(on_entries) {
        if allowed == ["list"] && annotation.text == "list" {
            continue;
        }
        let (operations, faults) = annotation::parse(&annotation.text);
        let list = allowed.iter().map(|word| format!("`({word})`")).collect::<Vec<_>>().join(", ");
        let known = if allowed.is_empty() { "remove it".to_string() } else { format!("known here: {list}") };
        for fault in faults {
            let (label, help) = match &fault {
                Fault::Unknown(word) => match nearest(word, allowed.iter().copied()) {
                    Some(near) => ("not known", format!("did you mean `({near})`? Known here: {list}")),
                    None => ("not known", known.clone()),
                },
                Fault::Number(_, example) => ("its number is missing or wrong", format!("write {example}")),
                Fault::Both(word) => ("said twice", format!("take `{word}` or the other one out")),
            };
            let edit = match fault {
                Fault::Unknown(word) => surely(word, allowed.iter().copied().filter(|known| !known.contains(':')))
                    .map(|near| Edit::words(annotation.span, word, near)),
                Fault::Number(_, _) | Fault::Both(_) => None,
            };
            let message = format!("`({})` is not an annotation of silo's here", annotation.text);
            problems.push(Problem::new(Code::UnknownAnnotation, message).at(annotation.span, label).help(help).fix_if(edit));
        }
        if let Some(word) = operations.words().into_iter().find(|word| !allowed.contains(word)) {
            let message = format!("`({word})` means nothing before {}", if on_node == allowed { "this node" } else { "this value" });
            problems.push(Problem::new(Code::UnknownAnnotation, message).at(annotation.span, "no effect here").help(known));
        }
    }
}

fn check_arguments(problems: &mut Problems, node: &Node, rule: &'static NodeRule) {
    let removing = node.annotation.as_ref().is_some_and(|annotation| annotation::parse(&annotation.text).0.action == Some(Action::Remove));
    let mut missing: Vec<&ArgumentRule> = Vec::new();
    let mut entries = node.arguments();
    for argument in rule.arguments {
        match entries.next() {
            Some(entry) => check_value(problems, node, entry, argument.name, argument.kind),
            None if argument.required => missing.push(argument),
            None => {}
        }
    }
    // A removal names what it removes: by its `id`, or as a whole.
    let named = matches!(rule.merge, Merge::Words | Merge::List);
    if let Some(argument) = missing.first()
        && !(removing && named)
    {
        let what = if let Type::OneOf(_) = argument.kind { argument.kind.describe() } else { article(argument.name) };
        let problem = Problem::new(Code::MissingArgument, format!("`{}` needs {what}", node.name))
            .at(node.name_span, format!("the {} is missing after this", argument.name))
            .help(example_of(rule, &format!("write it after the name: `{} …`", node.name)));
        problems.push(problem);
    }
    for entry in entries {
        match rule.rest {
            Some(rest) => check_value(problems, node, entry, rest.name, rest.kind),
            None => {
                let count = match rule.arguments.len() {
                    0 => "no argument".to_string(),
                    1 => format!("one argument, the {}", rule.arguments[0].name),
                    n => format!("{n} arguments"),
                };
                let named = entry.value.as_str().and_then(|text| rule.properties.iter().find(|property| property.name == text));
                let help = match named {
                    Some(property) => format!("`{}` is a property: write `{}=…`", property.name, property.name),
                    None => example_of(rule, "remove it"),
                };
                let problem =
                    Problem::new(Code::ExtraArgument, format!("`{}` takes {count}", node.name)).at(entry.span, "one too many").help(help);
                problems.push(problem.fix_if(named.and_then(|_| joined(node, entry))));
            }
        }
    }
}

fn check_properties(problems: &mut Problems, node: &Node, rule: &'static NodeRule) {
    let mut seen: BTreeMap<&str, &Entry> = BTreeMap::new();
    for entry in &node.entries {
        let Some(name) = entry.name.as_deref() else { continue };
        if let Some(first) = seen.insert(name, entry) {
            let problem = Problem::new(Code::DuplicateProperty, format!("`{name}` is given twice"))
                .at(entry.span, "the second time")
                .at(first.span, "the first time")
                .help("keep one of them");
            let told = |entry: &Entry| (entry.value.clone(), entry.annotation.as_ref().map(|annotation| annotation.text.clone()));
            let again = told(first) == told(entry);
            problems.push(problem.fix_if(again.then(|| without(node, entry))));
        }
        match rule.property(name) {
            Some(PropertyRule { name: _, doc: _, kind }) => check_value(problems, node, entry, name, kind),
            None => problems.push(unknown_property(node, entry, name, rule)),
        }
    }
}

/// A condition has something to ask, a pattern that can be kept, and nothing under it that would decide what it asks.
fn check_condition(problems: &mut Problems, node: &Node) {
    if node.entries.is_empty() {
        let help = example_of(find(table::TOP, &node.name).unwrap_or(&table::PATTERN), "give it a condition");
        // Without its pattern, `repo` lacks an argument, which is said elsewhere.
        if node.name != "repo" {
            problems
                .push(Problem::new(Code::MissingArgument, format!("`{}` has no condition", node.name)).at(node.name_span, "").help(help));
        }
    }
    if node.children().is_empty() {
        let message = format!("there is nothing under this `{}`", node.name);
        problems.push(Problem::new(Code::MissingArgument, message).at(node.name_span, "").help("put nodes into braces after it: `{ … }`"));
    }
    for entry in &node.entries {
        let Some(text) = entry.value.as_str() else { continue };
        if has_placeholder(text) {
            problems.push(
                Problem::new(Code::ConditionMisplaced, "a condition is decided before any placeholder has a value")
                    .at(entry.span, "")
                    .help("write the pattern out"),
            );
        }
        if entry.name.as_deref() == Some("exists") && (text.starts_with(['/', '~']) || text.split('/').any(|part| part == "..")) {
            problems.push(
                Problem::new(Code::BadValue, format!("`{text}` leads out of the repository"))
                    .at(entry.span, "")
                    .help("write a path relative to the folder of this file"),
            );
        }
    }
    let chosen = node.entries.iter().find(|entry| entry.name.as_deref().is_some_and(|name| table::CHOSEN.contains(&name)));
    if let Some(chosen) = chosen {
        forbid_use(problems, node, chosen);
    }
}

/// `use` chooses the backend and the agent, so a condition on them cannot guard it, at any depth.
fn forbid_use(problems: &mut Problems, node: &Node, chosen: &Entry) {
    let name = chosen.name.as_deref().unwrap_or_default();
    for child in node.children() {
        if child.name == "use" {
            problems.push(
                Problem::new(Code::ConditionMisplaced, format!("`use` decides what `{name}=` asks, so it cannot depend on it"))
                    .at(child.name_span, "chooses the backend and the agent")
                    .at(chosen.span, "waits for that choice")
                    .help("put the `use` under `os`, `arch`, `platform`, `host`, `ci`, `exists` or `repo`, or under no condition"),
            );
        } else if find(table::CONDITIONAL, &child.name).is_some_and(|rule| rule.merge == Merge::Condition) {
            let own = child.entries.iter().any(|entry| entry.name.as_deref().is_some_and(|name| table::CHOSEN.contains(&name)));
            // With a condition of this kind of its own it is reported for that.
            if !own {
                forbid_use(problems, child, chosen);
            }
        }
    }
}

fn unknown_node(node: &Node, known: &'static [&'static NodeRule], parent: Option<&Node>) -> Problem {
    let place = match parent {
        Some(parent) => format!("inside `{}`", parent.name),
        None => "at the top of a file".to_string(),
    };
    let bare = node.name.trim_end_matches([':', ',']).replace('-', "_");
    let meant = find(known, &bare).map(|rule| rule.name).filter(|name| *name != "*");
    let meant = meant.or_else(|| surely(&bare, known.iter().map(|rule| rule.name)));
    let help = if let Some(rule) = find(known, &bare) {
        format!("write `{}`", rule.name)
    } else if let Some(near) = nearest(&bare, known.iter().map(|rule| rule.name)) {
        format!("did you mean `{near}`?")
    } else if let Some(home) = home_of(&bare) {
        home
    } else if known.is_empty() {
        "remove it".to_string()
    } else {
        let names = known.iter().map(|rule| format!("`{}`", rule.name)).collect::<Vec<_>>().join(", ");
        format!("known here: {names}")
    };
    Problem::new(Code::UnknownNode, format!("there is no node `{}` {place}", node.name))
        .at(node.name_span, "not known here")
        .help(help)
        .fix_if(meant.map(|meant| Edit::whole(node.name_span, meant)))
}

/// Where a node belongs that was written in the wrong place.
fn home_of(name: &str) -> Option<String> {
    if find(table::TOP, name).is_some() {
        return Some(format!("`{name}` belongs at the top of silo.kdl"));
    }
    if find(table::STEPS, name).is_some() {
        return Some(format!("`{name}` belongs inside `base`, `layer` or `install`"));
    }
    let homes: Vec<String> =
        table::TOP.iter().filter(|rule| find(rule.children, name).is_some()).map(|rule| format!("`{}`", rule.name)).collect();
    (!homes.is_empty()).then(|| format!("`{name}` belongs inside {}", homes.join(" or ")))
}

fn unknown_property(node: &Node, entry: &Entry, name: &str, rule: &'static NodeRule) -> Problem {
    let known = rule.properties.iter().map(|property| property.name);
    let help = if let Some(near) = nearest(name, known.clone()) {
        format!("did you mean `{near}`?")
    } else if find(rule.children, name).is_some() {
        format!("`{name}` is a node: write it inside the braces of `{}`", node.name)
    } else if rule.properties.is_empty() {
        format!("`{}` has no properties", node.name)
    } else {
        let names = known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        format!("`{}` has {names}", node.name)
    };
    let free = surely(name, rule.properties.iter().map(|property| property.name)).filter(|near| node.property(near).is_none());
    Problem::new(Code::UnknownProperty, format!("`{}` has no property `{name}`", node.name))
        .at(entry.span, "not known")
        .help(help)
        .fix_if(free.map(|near| Edit::name(entry.span, name, near)))
}

fn check_value(problems: &mut Problems, node: &Node, entry: &Entry, name: &str, kind: Type) {
    let Value::String(text) = &entry.value else {
        return check_other(problems, node, entry, name, kind);
    };
    // What it becomes is known after merging, and looked at then.
    if has_placeholder(text) && !kind.is_text() {
        return;
    }
    match kind {
        Type::OneOf(words) if !words.contains(&text.as_str()) => {
            let help = match nearest(text, words.iter().copied()) {
                Some(near) if words.len() > 1 => format!("did you mean `{near}`? It is {}", kind.describe()),
                Some(_) | None => format!("it is {}", kind.describe()),
            };
            let problem =
                Problem::new(Code::BadValue, format!("`{name}` cannot be `{text}`")).at(entry.span, "not one of its values").help(help);
            let edit = surely(text, words.iter().copied()).filter(|_| words.len() > 1).map(|near| Edit::value(entry.span, near));
            problems.push(problem.fix_if(edit));
        }
        Type::Bool => {
            let meant = meant_as_bool(text);
            let help = match meant {
                Some(word) => format!("write `{}`", written(entry, word)),
                None => format!("`{name}` is `#true` or `#false`"),
            };
            let edit = meant.map(|word| Edit::value(entry.span, word));
            problems.push(wrong_type(node, entry, name, kind, help).fix_if(edit));
        }
        Type::Integer | Type::Number => {
            let bare = format!("write it without quotes: `{}`", written(entry, text));
            let help = if text.parse::<f64>().is_ok() { bare } else { format!("`{name}` is {}", kind.describe()) };
            let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
            let number = text.split_once('.').map_or(plain(text), |(whole, rest)| kind == Type::Number && plain(whole) && plain(rest));
            let edit = number.then(|| Edit::value(entry.span, text));
            problems.push(wrong_type(node, entry, name, kind, help).fix_if(edit));
        }
        Type::Regex => {
            if let Err(problem) = types::Pattern::parse_at(text, entry.span) {
                problems.push(problem);
            }
        }
        Type::Text
        | Type::Version
        | Type::Path
        | Type::Url
        | Type::Name
        | Type::EnvName
        | Type::Script
        | Type::Size
        | Type::Duration
        | Type::Mode
        | Type::Scalar
        | Type::OneOf(_) => {}
    }
}

/// What other languages write for `#true` and `#false`.
fn meant_as_bool(text: &str) -> Option<&'static str> {
    match text {
        "true" | "yes" | "on" | "1" => Some("#true"),
        "false" | "no" | "off" | "0" => Some("#false"),
        _ => None,
    }
}

/// A value that is not text.
fn check_other(problems: &mut Problems, node: &Node, entry: &Entry, name: &str, kind: Type) {
    let fits = match (&entry.value, kind) {
        // `#null` takes a value away.
        (Value::Null, _) => entry.name.is_some(),
        (Value::Bool(_), Type::Bool | Type::Scalar) => true,
        (Value::Integer(_), Type::Integer | Type::Number | Type::Scalar) => true,
        (Value::Decimal(_), Type::Number | Type::Scalar) => true,
        (Value::Bool(_) | Value::Integer(_) | Value::Decimal(_) | Value::String(_), _) => false,
    };
    if fits {
        return;
    }
    let help = match (&entry.value, kind) {
        (Value::Decimal(number), Type::Version) => {
            let read = number.parse::<f64>().map_or_else(|_| number.clone(), |read| read.to_string());
            format!("write `{}`: without quotes KDL reads the number {read}", written(entry, &document::quote(number)))
        }
        (Value::Integer(number), Type::Mode) => {
            format!(
                "write `{}`: without quotes KDL reads the decimal number {number}",
                written(entry, &document::quote(&format!("0{number}")))
            )
        }
        (Value::Integer(number), Type::Duration) => {
            format!(
                "say of what: `{}` or `{}`",
                written(entry, &document::quote(&format!("{number}h"))),
                written(entry, &document::quote(&format!("{number}d")))
            )
        }
        (Value::Integer(number), Type::Size) => {
            format!(
                "say of what: `{}` or `{}`",
                written(entry, &document::quote(&format!("{number}GiB"))),
                written(entry, &document::quote(&format!("{number}MiB")))
            )
        }
        (Value::Null, _) => "remove it; `#null` takes away a property".to_string(),
        (Value::Bool(_) | Value::Integer(_), Type::Bool | Type::Integer | Type::Number) => format!("`{name}` is {}", kind.describe()),
        (Value::Decimal(_), Type::Bool | Type::Integer) => format!("`{name}` is {}", kind.describe()),
        (value, _) => {
            let mut text = String::new();
            document::print_value(&mut text, value);
            format!("quote it: `{}`", written(entry, &document::quote(text.trim_start_matches('#'))))
        }
    };
    let edit = quoted(entry, kind);
    problems.push(wrong_type(node, entry, name, kind, help).fix_if(edit));
}

/// A value that was meant as text, in quotes, when it is clear which text.
fn quoted(entry: &Entry, kind: Type) -> Option<Edit> {
    let quote = |written: &str, text: &str| Some(Edit::value_written(entry.span, written, document::quote(text)));
    match (&entry.value, kind) {
        (Value::Integer(number), Type::Mode) => {
            let digits = number.to_string();
            let octal = digits.len() <= 3 && digits.chars().all(|c| matches!(c, '0'..='7'));
            // Written with a leading zero or without.
            octal.then(|| Edit::value(entry.span, document::quote(&format!("0{digits}"))))
        }
        (Value::Integer(number), Type::OneOf(words)) => {
            let text = number.to_string();
            words.contains(&text.as_str()).then(|| quote(&text, &text)).flatten()
        }
        (Value::Integer(_) | Value::Decimal(_) | Value::Bool(_), kind)
            if !kind.is_text() || matches!(kind, Type::Size | Type::Duration | Type::OneOf(_)) =>
        {
            None
        }
        (Value::Integer(number), _) => quote(&number.to_string(), &number.to_string()),
        (Value::Decimal(number), _) => quote(number, number),
        (Value::Bool(value), _) => quote(&format!("#{value}"), &value.to_string()),
        (Value::Null | Value::String(_), _) => None,
    }
}

/// An argument that is the name of a property, joined to the value that follows it.
fn joined(node: &Node, entry: &Entry) -> Option<Edit> {
    let next = node.entries.iter().skip_while(|other| other.span != entry.span).nth(1)?;
    let apart = Span { start: entry.span.end, end: next.span.start, ..entry.span };
    // With one byte between them, nothing but a blank is there.
    (next.name.is_none() && next.annotation.is_none() && entry.annotation.is_none() && apart.end == apart.start + 1)
        .then(|| Edit::whole(apart, "="))
}

/// A node without one of its entries.
fn without(node: &Node, entry: &Entry) -> Edit {
    let before = node.entries.iter().rev().find(|other| other.span.end < entry.span.start);
    let start = before.map(|other| other.span.end).filter(|end| end + 1 == entry.span.start).unwrap_or(entry.span.start);
    Edit::whole(Span { start, ..entry.span }, "")
}

fn wrong_type(node: &Node, entry: &Entry, name: &str, kind: Type, help: String) -> Problem {
    let found = match &entry.value {
        Value::String(_) => "text",
        Value::Integer(_) => "a number",
        Value::Decimal(_) if kind == Type::Integer => "a number with decimals",
        Value::Decimal(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Null => "nothing",
    };
    let wanted = if kind.is_text() { "text".to_string() } else { kind.describe() };
    let message = format!("the {name} of `{}` must be {wanted}, not {found}", node.name);
    Problem::new(Code::WrongType, message).at(entry.span, format!("this is {found}")).help(help)
}

/// An entry as it would be written with another value.
fn written(entry: &Entry, value: &str) -> String {
    match &entry.name {
        Some(name) => format!("{name}={value}"),
        None => value.to_string(),
    }
}

fn example_of(rule: &NodeRule, otherwise: &str) -> String {
    match rule.example.lines().next() {
        Some(line) => format!("for example: `{}`", line.trim_end_matches([' ', '{'])),
        None => otherwise.to_string(),
    }
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// The word that was probably meant, when one is near enough.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates(word, known);
    near.iter().min_by_key(|(score, _)| *score).map(|(_, candidate)| *candidate)
}

/// The word that was meant, when one is a slip away and no other is as near.
pub fn surely<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut near = candidates(word, known);
    near.sort();
    near.dedup();
    match near.as_slice() {
        [(score, _), (next, _), ..] if score == next => None,
        [(score, candidate), ..] if *score < HALF => Some(candidate),
        [] | [_, ..] => None,
    }
}

/// The score of half a word, which is worse than any slip.
const HALF: usize = 10;

/// The words that are near, with how far away they are.
fn candidates<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Vec<(usize, &'a str)> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let score = |candidate: &str| {
        let other = candidate.chars().count();
        let most = (length.max(other) / 3).max(1);
        // The difference in length is a part of the distance, and most words differ by more than what is near.
        let near =
            (length > 1 && length.abs_diff(other) <= most).then(|| strsim::osa_distance(&word, candidate)).filter(|found| *found <= most);
        // Half a word is meant as the whole one.
        let begins = word.len() >= 3 && (candidate.starts_with(word.as_str()) || word.starts_with(candidate) && candidate.len() >= 3);
        near.or_else(|| begins.then_some(HALF))
    };
    known.filter(|candidate| *candidate != "*").filter_map(|candidate| Some((score(candidate)?, candidate))).collect()
}
