//! Changes to the text of one file that keep everything else of it: comments, blank lines, spelling.

use super::path::{Found, Path, walk};
use crate::document::{self, Document, Entry, Node};
use crate::schema::{self, Merge, NodeRule, Type, What, table};
use crate::source::{Layer, Source, Sources, Span};

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Gives a path a value, written as people type it.
    Set(Path, String),
    /// Takes a value or a node out.
    Unset(Path),
    /// Adds nodes, written as KDL.
    Add(String),
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

fn refuse<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), help: help.into() })
}

/// The text with the change made. Whether the result makes sense is for the check to say.
pub fn edit(text: &str, change: &Edit) -> Result<String, Refusal> {
    let document = parse(text, "the file")?;
    match change {
        Edit::Set(path, value) => set(text, &document, path, value),
        Edit::Unset(path) => unset(text, &document, path),
        Edit::Add(nodes) => add(text, &document, nodes),
    }
}

fn parse(text: &str, what: &str) -> Result<Document, Refusal> {
    let id = Sources::default().add(Source { name: String::new(), text: text.to_string(), layer: Layer::CommandLine });
    match document::parse(id, text) {
        (Some(document), problems) if !problems.has_errors() => Ok(document),
        (_, problems) => {
            let first = problems.iter().next().map(|problem| problem.message.clone()).unwrap_or_default();
            refuse(format!("{what} is not KDL: {first}"), "`silo check` shows where; a text with spaces needs quotes")
        }
    }
}

fn set(text: &str, document: &Document, path: &Path, value: &str) -> Result<String, Refusal> {
    let found = walk(&document.nodes);
    let Some(topic) = schema::lookup(path.segments()) else {
        return refuse(format!("there is nothing called `{path}`"), "`silo doc` lists what there is");
    };
    let exact: Vec<&Found<'_>> = found.iter().filter(|found| found.path == *path && found.entry.is_some()).collect();
    // A node that is one value is meant by its own path: `env.EDITOR`, `vars.name`.
    let below: Vec<&Found<'_>> = found
        .iter()
        .filter(|found| found.entry.is_some() && found.path.segments().len() == path.segments().len() + 1 && found.path.is_within(path))
        .collect();
    let is_value = match topic.what {
        What::Node(rule) => rule.name == "*" || matches!(rule.merge, Merge::Variables),
        What::Property(_, _) | What::Argument(_, _) => true,
    };
    match (exact.as_slice(), below.as_slice()) {
        ([only], _) => return Ok(replace(text, only, value, kind_of(only, &topic.what))),
        ([], [only]) if is_value => return Ok(replace(text, only, value, kind_of(only, &topic.what))),
        ([_, _, ..], _) => return refuse(format!("`{path}` has several values here"), "`silo config edit` opens the file"),
        ([], _) => {}
    }
    // The deepest node that is there already gets what is missing.
    for length in (1..path.segments().len()).rev() {
        let prefix = path.segments()[..length].iter().fold(Path::default(), |path, segment| path.join(segment));
        let rest = &path.segments()[length..];
        let Some(outer) = found.iter().rev().find(|found| found.path == prefix && found.entry.is_none()) else { continue };
        if outer.node.name != outer.rule.name && outer.rule.name != "*" {
            continue;
        }
        if let Some(new) = insert(text, outer, rest, value) {
            return Ok(new);
        }
    }
    let (Some(first), Some(rule)) = (path.segments().first(), topic.nodes.first()) else {
        return refuse(format!("`{path}` cannot be set like this"), "`silo config edit` opens the file");
    };
    // An `env` that is there takes another variable.
    if rule.merge == Merge::Variables
        && let Some(node) = document.nodes.iter().rev().find(|node| node.name == *first)
        && let Some(words) = variable(&path.segments()[1..], value)
    {
        return Ok(spliced(text, end_of_entries(node), &format!(" {words}")));
    }
    match write(rule, &path.segments()[1..], value) {
        Some(node) => Ok(insert_top(text, document, rule.name, &node)),
        None => refuse(format!("`{path}` cannot be set like this"), "`silo config edit` opens the file, `silo doc` explains the node"),
    }
}

/// The type of a value that is there.
fn kind_of(found: &Found<'_>, what: &What) -> Type {
    match what {
        What::Property(_, property) => property.kind,
        What::Argument(_, argument) => argument.kind,
        What::Node(_) => {
            let last = found.path.segments().last().map_or("", String::as_str);
            let argument = found.rule.arguments.iter().chain(found.rule.rest.as_ref()).find(|argument| argument.name == last);
            argument.map_or(Type::Scalar, |argument| argument.kind)
        }
    }
}

/// Puts another value in the place of one that is there; its name and its annotation stay.
fn replace(text: &str, found: &Found<'_>, value: &str, kind: Type) -> String {
    let Some(entry) = found.entry else { return text.to_string() };
    let (start, end) = (entry.span.start as usize, entry.span.end as usize);
    // A variable that was passed through gets a value of its own.
    if found.rule.name == "*" && entry.name.is_none() && found.node.name == "env" {
        let name = found.path.segments().iter().rev().nth(1).cloned().unwrap_or_default();
        return format!("{}{}={}{}", &text[..start], word(&name), literal(value, Type::Text), &text[end..]);
    }
    let from = value_start(text, entry);
    format!("{}{}{}", &text[..from], literal(value, kind), &text[end..])
}

/// Where the value of an entry begins, after its name and its annotation.
fn value_start(text: &str, entry: &Entry) -> usize {
    let (start, end) = (entry.span.start as usize, entry.span.end as usize);
    if let Some(annotation) = &entry.annotation {
        let after = annotation.span.end as usize;
        let from = if text[..after].ends_with(')') { after } else { text[after..end].find(')').map_or(start, |at| after + at + 1) };
        return from + (text[from..end].len() - text[from..end].trim_start().len());
    }
    if entry.name.is_none() {
        return start;
    }
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text[start..end].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '=' if !quoted => {
                let from = start + at + 1;
                return from + (text[from..end].len() - text[from..end].trim_start().len());
            }
            _ => {}
        }
    }
    start
}

/// A value as KDL writes it.
fn literal(value: &str, kind: Type) -> String {
    if value == "#null" {
        return value.to_string();
    }
    match kind {
        Type::Bool => match value {
            "true" | "#true" => "#true".to_string(),
            "false" | "#false" => "#false".to_string(),
            other => document::quote(other),
        },
        Type::Integer | Type::Number if is_number(value) => value.to_string(),
        Type::Scalar if is_number(value) || matches!(value, "#true" | "#false") => value.to_string(),
        Type::OneOf(_) => word(value),
        Type::Text
        | Type::Version
        | Type::Path
        | Type::Url
        | Type::Name
        | Type::EnvName
        | Type::Script
        | Type::Size
        | Type::Duration
        | Type::Regex
        | Type::Mode
        | Type::Integer
        | Type::Number
        | Type::Scalar => document::quote(value),
    }
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits.matches('.').count() <= 1
}

/// A word, bare where nothing can be misread.
fn word(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !matches!(text, "true" | "false" | "null" | "inf" | "nan");
    if plain { text.to_string() } else { document::quote(text) }
}

/// `NAME=value` of a variable, whose path may end in `value`.
fn variable(rest: &[String], value: &str) -> Option<String> {
    match rest {
        [name] => Some(format!("{}={}", word(name), document::quote(value))),
        [name, end] if end == "value" => Some(format!("{}={}", word(name), document::quote(value))),
        [] | [_, _, ..] => None,
    }
}

/// What follows the name of a node, so that the path below it has a value.
fn tail(rule: &'static NodeRule, rest: &[String], value: &str) -> Option<String> {
    if rule.merge == Merge::Variables {
        return variable(rest, value).map(|words| format!(" {words}"));
    }
    let [first, after @ ..] = rest else {
        // The node is a value itself.
        return (rule.name == "*" && !rule.arguments.is_empty()).then(|| format!(" {}", literal(value, rule.arguments[0].kind)));
    };
    if after.is_empty() {
        if let Some(argument) = rule.arguments.iter().find(|argument| argument.name == first) {
            return Some(format!(" {}", literal(value, argument.kind)));
        }
        if let Some(property) = rule.property(first) {
            return Some(format!(" {}={}", word(first), literal(value, property.kind)));
        }
    }
    let child = rule.child(first)?;
    Some(format!(" {{\n    {}\n}}", write_named(child, first, after, value)?.replace('\n', "\n    ")))
}

/// A new node in which a path has a value.
fn write(rule: &'static NodeRule, rest: &[String], value: &str) -> Option<String> {
    write_named(rule, rule.name, rest, value)
}

fn write_named(rule: &'static NodeRule, name: &str, rest: &[String], value: &str) -> Option<String> {
    match rule.merge {
        Merge::Keyed => {
            let (key, rest) = rest.split_first()?;
            Some(format!("{} {}{}", word(name), word(key), tail(rule, rest, value)?))
        }
        Merge::Record | Merge::Variables => Some(format!("{}{}", word(name), tail(rule, rest, value)?)),
        Merge::KeyedByTarget | Merge::List | Merge::Words | Merge::FileLocal | Merge::Closed | Merge::Accumulating | Merge::Condition => {
            None
        }
    }
}

/// Gives a node that is there what is missing below it.
fn insert(text: &str, outer: &Found<'_>, rest: &[String], value: &str) -> Option<String> {
    let (first, after) = rest.split_first()?;
    let rule = outer.rule;
    if after.is_empty() && schema::find(rule.children, first).is_none() {
        // An inline variable has no room for properties.
        if rule.name == "*" && outer.node.name == "env" {
            return None;
        }
        if let Some(argument) = rule.arguments.iter().find(|argument| argument.name == first) {
            return Some(spliced(text, outer.node.name_span.end as usize, &format!(" {}", literal(value, argument.kind))));
        }
        if let Some(property) = rule.property(first) {
            let words = format!(" {}={}", word(first), literal(value, property.kind));
            return Some(spliced(text, end_of_entries(outer.node), &words));
        }
    }
    let child_rule = rule.child(first)?;
    // A block of variables that is there takes another one.
    if child_rule.merge == Merge::Variables
        && let Some(child) = outer.node.named(first).last()
        && let Some(words) = variable(after, value)
    {
        return Some(spliced(text, end_of_entries(child), &format!(" {words}")));
    }
    let child = write_named(child_rule, first, after, value)?;
    Some(insert_child(text, outer.node, &child))
}

fn end_of_entries(node: &Node) -> usize {
    node.entries.last().map_or(node.name_span.end, |entry| entry.span.end.max(node.name_span.end)) as usize
}

fn spliced(text: &str, at: usize, new: &str) -> String {
    format!("{}{new}{}", &text[..at], &text[at..])
}

/// The blanks that the line of a byte begins with.
fn indent_of(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[start..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn insert_child(text: &str, node: &Node, child: &str) -> String {
    let indent = indent_of(text, node.name_span.start as usize).to_string();
    let inner = format!("{indent}    ");
    let child = child.replace('\n', &format!("\n{inner}"));
    let end = node.span.end as usize;
    if node.children.is_none() || !text[..end].ends_with('}') {
        return spliced(text, end_of_entries(node), &format!(" {{\n{inner}{child}\n{indent}}}"));
    }
    let close = end - 1;
    let before = &text[..close];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    if before[line_start..].trim().is_empty() && line_start > node.span.start as usize {
        return spliced(text, line_start, &format!("{inner}{child}\n"));
    }
    let body = before.trim_end_matches([' ', '\t']);
    let joint = if body.ends_with(['{', ';', '\n']) { " " } else { "; " };
    format!("{body}{joint}{child} {}", &text[close..])
}

/// Adds a node at the top of a file: after the last one of its name, else where the reference has it.
fn insert_top(text: &str, document: &Document, name: &str, node: &str) -> String {
    let rank = |name: &str| table::TOP.iter().position(|rule| rule.name == name).unwrap_or(usize::MAX);
    let before = |other: &&Node| rank(&other.name) <= rank(name);
    let same = document.nodes.iter().rev().find(|other| other.name == name);
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let node = node.replace('\n', ending);
    match same.or_else(|| document.nodes.iter().rev().find(before)) {
        Some(other) => {
            let end = line_end(text, other.span.end as usize);
            let joint = if text[..end].ends_with('\n') { "" } else { ending };
            spliced(text, end, &format!("{joint}{node}{ending}"))
        }
        None if document.nodes.is_empty() && !text.is_empty() => {
            let joint = if text.ends_with('\n') { "" } else { ending };
            format!("{text}{joint}{node}{ending}")
        }
        // All that is there comes later in the reference: it goes before the first node, below what stands before that.
        None => {
            let start = document.nodes.first().map_or(0, |first| text[..first.span.start as usize].rfind('\n').map_or(0, |at| at + 1));
            spliced(text, start, &format!("{node}{ending}"))
        }
    }
}

/// The byte after the line that a byte is in.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

fn unset(text: &str, document: &Document, path: &Path) -> Result<String, Refusal> {
    let found = walk(&document.nodes);
    let Some(last) = found.iter().rev().find(|found| found.path == *path) else {
        let known: Vec<String> = found.iter().map(|found| found.path.to_string()).collect();
        let help = match schema::nearest(&path.to_string(), known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it may be in another file: `silo config show --why {path}`"),
        };
        return refuse(format!("the file says nothing of `{path}`"), help);
    };
    // A word and a variable of a line are nodes by themselves, and so is the one value that they are.
    let inline = last.entry.is_none()
        && (last.node.name != *path.segments().last().unwrap_or(&String::new()))
        && (last.rule.merge == Merge::Words || (last.rule.name == "*" && last.node.name == "env"));
    let entry = if inline {
        found.iter().rev().find(|other| other.entry.is_some() && other.path.is_within(path)).and_then(|other| other.entry)
    } else {
        last.entry
    };
    let Some(entry) = entry else { return Ok(without_node(text, last.node)) };
    let is_key = entry.name.is_none() && !inline && matches!(last.rule.merge, Merge::Keyed | Merge::KeyedByTarget | Merge::List);
    if is_key || (last.node.entries.len() == 1 && last.node.children.is_none()) {
        return Ok(without_node(text, last.node));
    }
    let start = text[..entry.span.start as usize].trim_end_matches([' ', '\t']).len();
    Ok(format!("{}{}", &text[..start], &text[entry.span.end as usize..]))
}

/// Takes a node out, with its line when nothing else stands there.
fn without_node(text: &str, node: &Node) -> String {
    let Span { source: _, start, end } = node.span;
    let (start, end) = (start as usize, end as usize);
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let rest_end = line_end(text, end);
    let rest = text[end..rest_end].trim_start_matches([' ', '\t', ';']).trim_end();
    if text[line..start].trim().is_empty() && (rest.is_empty() || rest.starts_with("//")) {
        return format!("{}{}", &text[..line], &text[rest_end..]);
    }
    let after = text[end..].trim_start_matches([' ', '\t']);
    match after.strip_prefix(';') {
        Some(after) => format!("{}{}", &text[..start], after.trim_start_matches([' ', '\t'])),
        None => format!("{}{}", text[..start].trim_end_matches([' ', '\t', ';']), &text[end..]),
    }
}

fn add(text: &str, document: &Document, written: &str) -> Result<String, Refusal> {
    let new = parse(written, "what is to be added")?;
    if new.nodes.is_empty() {
        return refuse("there is no node to add", "write one as in silo.kdl: `--add 'tool jq'`");
    }
    let mut text = text.to_string();
    let there: Vec<Path> = walk(&document.nodes).into_iter().filter(|found| found.entry.is_none()).map(|found| found.path).collect();
    for node in &new.nodes {
        let Some(rule) = schema::find(table::TOP, &node.name) else {
            let help = match schema::nearest(&node.name, table::TOP.iter().map(|rule| rule.name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`silo doc` lists the nodes".to_string(),
            };
            return refuse(format!("there is no node `{}` at the top of a file", node.name), help);
        };
        if rule.merge == Merge::Keyed
            && let Some(path) = walk(std::slice::from_ref(node)).first().map(|found| found.path.clone())
            && there.contains(&path)
        {
            return refuse(format!("`{path}` is there already"), format!("`--set {path}.…=…` changes it, `--unset {path}` takes it out"));
        }
        let current = parse(&text, "the file")?;
        let written = written.get(node.span.start as usize..node.span.end as usize).unwrap_or("").trim_end();
        text = insert_top(&text, &current, rule.name, written);
    }
    Ok(text)
}
