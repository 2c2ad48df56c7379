//! `let`, `vars` and `%{…}`: names in texts become values.
//!
//! A `let` is a name of its own file, and is put in before the files are merged, since elsewhere the same name may mean something else. All
//! other names are those of merged values, and are put in afterwards, so that whoever overrides a value changes every text that speaks of
//! it. Names that only a later stage knows (the container's places, the architecture, a definition's options) stay as they are.
//!
//! Texts stay in the language of placeholders: `%%{` is still written so for the stages to come.

use std::collections::BTreeMap;

use super::File;
use super::path::{self, Path, walk};
use crate::document::{self, Document, Entry, Node, Value};
use crate::problem::{Code, Edit, Problem, Problems};
use crate::schema::annotation;
use crate::schema::{self, Merge, NodeRule, nearest, surely, table};
use crate::source::Span;
use crate::template::{Part, parts, unclosed};

/// The most bytes a text may have once its placeholders are values.
const MAX_TEXT: usize = 64 * 1024;
/// The most bytes all such texts may have together.
const MAX_TOTAL: usize = 4 * 1024 * 1024;
/// The most names that may stand for each other in a row.
const MAX_HOPS: usize = 64;

/// Names that later stages give a meaning to.
const LATER: [&str; 8] = ["workspace", "home", "user", "os", "arch", "arch.docker", "arch.uname", "arch.protoc"];

/// The names of all `let` nodes, for those who use one in another file.
pub(super) fn names(files: &[File]) -> Vec<String> {
    let lets = files.iter().flat_map(|file| &file.document.nodes).filter(|node| node.name == "let");
    lets.filter_map(|node| node.text(0)).map(str::to_string).collect()
}

/// The files with their own values in place of their names, and with texts that are `(raw)` escaped. `None` when there is nothing to do.
pub(super) fn file_local(files: &[File], problems: &mut Problems) -> Option<Vec<File>> {
    let concerned = |file: &File| file.document.nodes.iter().any(|node| node.name == "let" || has_raw(node));
    files.iter().any(concerned).then(|| {
        let file = |file: &File| File { document: document_local(&file.document, problems), ..file.clone() };
        files.iter().map(file).collect()
    })
}

fn document_local(document: &Document, problems: &mut Problems) -> Document {
    let mut names: BTreeMap<String, &Entry> = BTreeMap::new();
    for node in document.nodes.iter().filter(|node| node.name == "let") {
        let (Some(name), Some(value)) = (node.text(0), node.arguments().nth(1)) else { continue };
        match names.get(name) {
            Some(first) if first.value != value.value => problems.push(
                Problem::new(Code::Conflict, format!("`{name}` is given two values in one file"))
                    .at(first.span, "the first")
                    .at(value.span, "the second")
                    .help("keep one of them; in one file the order of lines means nothing"),
            ),
            Some(_) | None => drop(names.insert(name.to_string(), value)),
        }
    }
    let mut resolver = Resolver::of(Names::File(&names), problems);
    let nodes = document.nodes.iter().map(|node| if node.name == "let" { node.clone() } else { resolver.local(node) }).collect();
    Document { nodes }
}

fn has_raw(node: &Node) -> bool {
    node.entries.iter().any(is_raw) || node.children().iter().any(has_raw)
}

fn is_raw(entry: &Entry) -> bool {
    entry.annotation.as_ref().is_some_and(|annotation| annotation::parse(&annotation.text).0.raw)
}

/// Puts merged values in place of their names. `lets` are the names of all files, for those who wrote one in another file.
pub(super) fn merged(nodes: Vec<Node>, lets: &[String], problems: &mut Problems) -> Vec<Node> {
    if !nodes.iter().any(has_placeholder) {
        return nodes;
    }
    let mut values: BTreeMap<Path, &Entry> = BTreeMap::new();
    for found in walk(&nodes) {
        let Some(entry) = found.entry else { continue };
        // A variable that is passed through has a name for a value.
        let named = found.path.segments().last().is_some_and(|last| last == "from") && entry.name.is_none();
        if !named {
            values.entry(found.path).or_insert(entry);
        }
    }
    let mut resolver = Resolver::of(Names::Merged { values: &values, lets }, problems);
    let node = |node| {
        resolver.defining = false;
        resolver.node(node, schema::find(table::TOP, &node.name))
    };
    nodes.iter().map(node).collect()
}

fn has_placeholder(node: &Node) -> bool {
    node.entries.iter().any(|entry| entry.value.as_str().is_some_and(|text| text.contains("%{")))
        || node.children().iter().any(has_placeholder)
}

/// What names stand for.
enum Names<'a> {
    /// The `let` nodes of a file.
    File(&'a BTreeMap<String, &'a Entry>),
    /// The merged values.
    Merged { values: &'a BTreeMap<Path, &'a Entry>, lets: &'a [String] },
}

/// What is to be done with a placeholder.
enum Meaning<'a> {
    /// It stands for a value; its name in full.
    Value(String, &'a Entry),
    /// It is left to a later stage.
    Later,
    /// It means nothing.
    Unknown,
}

struct Resolver<'a, 'p> {
    names: Names<'a>,
    /// Values whose own placeholders have been seen to; `None` for those that cannot be.
    known: BTreeMap<String, Option<Value>>,
    /// The names that are being looked at: each with the place of the text that mentions the next.
    open: Vec<(String, Span)>,
    /// Bytes of all texts that were put together.
    total: usize,
    /// Whether it is a definition that is being read, whose names are its own, but for those of `vars`.
    defining: bool,
    problems: &'p mut Problems,
}

impl<'a, 'p> Resolver<'a, 'p> {
    fn of(names: Names<'a>, problems: &'p mut Problems) -> Self {
        Resolver { names, known: BTreeMap::new(), open: Vec::new(), total: 0, defining: false, problems }
    }

    /// A node of a file that is not merged yet: only the file's own names are put in.
    fn local(&mut self, node: &Node) -> Node {
        let entries = node.entries.iter().filter_map(|entry| self.entry(entry)).collect();
        let children = node.children.as_ref().map(|children| children.iter().map(|child| self.local(child)).collect());
        Node { entries, children, ..node.clone() }
    }

    /// An entry with values for its names. When something is wrong with it, which is reported, a property is gone and an argument has no
    /// placeholders, so that nobody complains again.
    fn entry(&mut self, entry: &Entry) -> Option<Entry> {
        let Some(text) = entry.value.as_str().filter(|text| text.contains("%{")) else { return Some(entry.clone()) };
        let escaped = || Value::String(text.replace("%%{", "%{").replace("%{", "%%{"));
        if is_raw(entry) {
            return Some(Entry { value: Value::String(text.replace("%{", "%%{")), ..entry.clone() });
        }
        let value = self.fill(text, entry.span).or_else(|| entry.name.is_none().then(escaped))?;
        Some(Entry { value, ..entry.clone() })
    }

    /// A merged node. A value that a placeholder gave its type is held to the table only now.
    fn node(&mut self, node: &Node, rule: Option<&'static NodeRule>) -> Node {
        self.defining |= rule.is_some_and(|rule| rule.merge == Merge::Closed);
        let entries: Vec<Entry> = node.entries.iter().filter_map(|entry| self.entry(entry)).collect();
        let changed = entries != node.entries;
        let children = node
            .children
            .as_ref()
            .map(|children| children.iter().map(|child| self.node(child, rule.and_then(|rule| rule.child(&child.name)))).collect());
        let result = Node { entries, children, ..node.clone() };
        if let (true, Some(rule)) = (changed, rule) {
            schema::check_values(self.problems, &result, rule);
        }
        result
    }

    /// A text with values for its names; `None` when something is wrong, which is reported. A text that is nothing but one name becomes
    /// that value, be it a number or a boolean.
    fn fill(&mut self, text: &str, span: Span) -> Option<Value> {
        let parts = parts(text);
        if matches!(self.names, Names::Merged { .. }) && !self.defining && unclosed(text) {
            self.problems.push(
                Problem::new(Code::UnknownPlaceholder, "this placeholder has no `}`")
                    .at(span, "")
                    .help("write `%%{` for the characters themselves, or `(raw)` before the text"),
            );
            return None;
        }
        if let [Part::Placeholder(name)] = parts.as_slice() {
            return match self.meaning(name) {
                Meaning::Value(full, entry) => self.value(&full, entry, span),
                Meaning::Later => Some(Value::String(text.to_string())),
                Meaning::Unknown => self.unknown(name, span),
            };
        }
        let mut filled = String::with_capacity(text.len());
        let mut whole = true;
        for part in parts {
            match part {
                // The only text that differs from what is written is that of `%%{`.
                Part::Text("%{") => filled.push_str("%%{"),
                Part::Text(text) => filled.push_str(text),
                Part::Placeholder(name) => match self.meaning(name) {
                    Meaning::Value(full, entry) => match self.value(&full, entry, span) {
                        Some(value) => filled.push_str(&path::text(&value)),
                        None => whole = false,
                    },
                    Meaning::Later => filled.push_str(&format!("%{{{name}}}")),
                    Meaning::Unknown => {
                        self.unknown(name, span);
                        whole = false;
                    }
                },
            }
            self.total += filled.len().min(MAX_TEXT);
            if filled.len() > MAX_TEXT || self.total > MAX_TOTAL {
                self.too_long(span);
                return None;
            }
        }
        whole.then_some(Value::String(filled))
    }

    fn too_long(&mut self, span: Span) {
        if !self.problems.iter().any(|problem| problem.code == Code::ValueTooLarge) {
            self.problems.push(
                Problem::new(
                    Code::ValueTooLarge,
                    format!("with its placeholders filled in, this text is longer than {} KiB", MAX_TEXT / 1024),
                )
                .at(span, "")
                .help("write shorter values, or fewer names that stand for each other"),
            );
        }
    }

    /// The value of a name whose own placeholders have been seen to. `span` is the text that mentions it.
    fn value(&mut self, name: &str, entry: &'a Entry, span: Span) -> Option<Value> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let start = self.open.iter().position(|(open, _)| open == name);
        if start.is_some() || self.open.len() >= MAX_HOPS {
            let message = match start {
                Some(_) => format!("`%{{{name}}}` stands for itself in the end"),
                None => format!("more than {MAX_HOPS} names stand for each other here"),
            };
            let mut problem = Problem::new(if start.is_some() { Code::PlaceholderCycle } else { Code::ValueTooLarge }, message);
            let hops: Vec<(String, Span)> = self.open[start.unwrap_or(MAX_HOPS - 2)..].to_vec();
            for ((from, _), at) in hops.iter().zip(hops.iter().skip(1).map(|(_, span)| *span).chain([span])) {
                problem = problem.at(at, format!("the value of `{from}`"));
            }
            self.problems.push(problem.help("give one of them a value of its own"));
            return None;
        }
        let value = match &entry.value {
            Value::String(text) if text.contains("%{") => {
                self.open.push((name.to_string(), span));
                let value = self.fill(text, entry.span);
                self.open.pop();
                value
            }
            other => Some(other.clone()),
        };
        self.known.insert(name.to_string(), value.clone());
        value
    }

    fn meaning(&self, name: &str) -> Meaning<'a> {
        match &self.names {
            // What is none of the file's names is looked at again when the files are one.
            Names::File(names) => names.get(name).map_or(Meaning::Later, |entry| Meaning::Value(name.to_string(), entry)),
            Names::Merged { values, lets: _ } => {
                if LATER.contains(&name) || (self.defining && !name.starts_with("vars.")) {
                    return Meaning::Later;
                }
                match Path::parse(name).ok().and_then(|path| find(values, &path)) {
                    Some((path, entry)) => Meaning::Value(short(&path), entry),
                    None => Meaning::Unknown,
                }
            }
        }
    }

    /// A name that means nothing; never a value.
    fn unknown(&mut self, name: &str, span: Span) -> Option<Value> {
        let Names::Merged { values, lets } = &self.names else { return None };
        let mut known: Vec<String> = values.keys().map(short).collect();
        known.extend(LATER.map(str::to_string));
        let escape = format!("`%%{{{}}}` or `(raw)` before the text stands for the characters themselves", document::one_line(name));
        let plain = |name: &String| name.split('.').next().is_some_and(|first| !first.is_empty());
        let help = if lets.iter().any(|other| other == name) {
            format!("`let {name}` holds in its own file only; put it into `vars` to share it, and write `%{{vars.{name}}}`")
        } else if known.contains(&format!("vars.{name}")) {
            format!("did you mean `%{{vars.{name}}}`? {escape}")
        } else if let Some(near) = nearest(name, known.iter().chain(lets.iter()).filter(|name| plain(name)).map(String::as_str)) {
            format!("did you mean `%{{{near}}}`? {escape}")
        } else if name.split_once('.').is_some_and(|(first, _)| schema::find(table::TOP, first).is_some()) {
            format!("nothing sets `{name}`; {escape}")
        } else {
            format!("a name is one of a `let` of this file, `vars.…`, or the path of a value such as `language.NAME.version`; {escape}")
        };
        let words = || known.iter().chain(lets.iter()).filter(|name| plain(name)).map(String::as_str);
        let meant = if lets.iter().any(|other| other == name) { None } else { surely(name, words()) };
        let edit = meant.map(|meant| Edit::words(span, format!("%{{{name}}}"), format!("%{{{meant}}}")));
        let problem = Problem::new(Code::UnknownPlaceholder, format!("`%{{{name}}}` means nothing here")).at(span, "").help(help);
        self.problems.push(problem.fix_if(edit));
        None
    }
}

/// A path as people write it: `vars.x` for `vars.x.value`.
fn short(path: &Path) -> String {
    match path.segments() {
        [first, name, last] if first == "vars" && last == "value" => format!("{first}.{name}"),
        [..] => path.to_string(),
    }
}

/// The value of a path: what it names, or of a node its first value that is not its name.
fn find<'a>(values: &BTreeMap<Path, &'a Entry>, path: &Path) -> Option<(Path, &'a Entry)> {
    if let Some(entry) = values.get(path) {
        return Some((path.clone(), entry));
    }
    ["value", "image", "source"].iter().find_map(|end| {
        let path = path.join(*end);
        values.get(&path).map(|entry| (path.clone(), *entry))
    })
}
