//! The file that is being written: nodes with the places that they come from, and what could not be said.

use std::collections::BTreeMap;

use crate::document::{self, Entry, Node, Value};
use crate::source::{Sources, Span};

/// The most nodes and notes of one input: more than any configuration has, and few enough to look through.
pub(super) const MOST: usize = 2_000;

/// The parts of the file, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `use` and `base`.
    Base,
    /// Languages, tools and servers.
    Components,
    /// `layer`.
    Layers,
    /// `env`.
    Environment,
    /// `post_build`.
    PostBuild,
    /// `pre_run`.
    PreRun,
    /// `mount` and `cache`.
    Files,
    /// `resources`.
    Resources,
    /// `agent`.
    Agents,
    /// `repo`.
    Repositories,
    /// `define`.
    Definitions,
    /// What only the user may grant; in a project's file a comment.
    Granted,
}

/// A node of the file.
#[derive(Clone, Debug)]
pub struct Line {
    node: Node,
    /// What it was made of.
    from: Vec<Span>,
    children: Vec<Line>,
    /// What the node is about of which there is one, once it has its place.
    subject: Option<String>,
}

/// Why something of the input is not in the output, or not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    /// silo has nothing like it.
    Missing,
    /// It is there, but not quite as it was.
    Changed,
    /// Only the user may grant it.
    Granted,
}

/// Something that the reader of the new file should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it stands in the input.
    pub span: Span,
    /// What kind of note it is.
    pub kind: NoteKind,
    /// What it is about, as it is called in the input.
    pub what: String,
    /// What is to be said about it.
    pub why: String,
}

impl Note {
    /// `file:line: what: why`, on one line.
    pub fn line(&self, sources: &Sources) -> String {
        document::one_line(&format!("{}: {}: {}", sources.place(self.span), self.what, self.why))
    }
}

impl Line {
    /// A node made of what stands at a place.
    pub fn new(name: &str, span: Span) -> Line {
        let node = Node { name: name.to_string(), name_span: span, annotation: None, entries: Vec::new(), children: None, span };
        Line { node, from: vec![span], children: Vec::new(), subject: None }
    }

    /// With another argument.
    pub fn argument(mut self, text: impl Into<String>) -> Line {
        self.push(None, Value::String(text.into()));
        self
    }

    /// With another property.
    pub fn property(mut self, name: &str, value: Value) -> Line {
        self.push(Some(name.to_string()), value);
        self
    }

    /// With another property that is a text.
    pub fn text(self, name: &str, text: impl Into<String>) -> Line {
        self.property(name, Value::String(text.into()))
    }

    /// With another node in its block.
    pub fn child(mut self, child: Line) -> Line {
        self.children.push(child);
        self
    }

    fn push(&mut self, name: Option<String>, value: Value) {
        let span = self.node.span;
        self.node.entries.push(Entry { name, annotation: None, value, span });
    }

    /// What a node is about of which there is one: a variable, a target, a limit.
    fn about(&self) -> Option<String> {
        let node = &self.node;
        let first = node.entries.first()?;
        let text = |entry: &Entry| entry.value.as_str().map(str::to_string);
        let about = match node.name.as_str() {
            "env" | "resources" | "use" => first.name.clone().or_else(|| text(first))?,
            "mount" => node.property("to").and_then(text).or_else(|| text(first))?,
            "cache" | "layer" | "bin" => text(first)?,
            "base" => String::new(),
            _ => return None,
        };
        Some(format!("{} {about}", node.name))
    }

    /// Whether it is the same node, wherever it comes from.
    fn same(&self, other: &Line) -> bool {
        let (a, b) = (&self.node, &other.node);
        let entries = || a.entries.iter().zip(&b.entries).all(|(a, b)| a.name == b.name && a.value == b.value);
        let children = || self.children.iter().zip(&other.children).all(|(a, b)| a.same(b));
        a.name == b.name && (a.entries.len(), self.children.len()) == (b.entries.len(), other.children.len()) && entries() && children()
    }
}

/// A node that cannot be there beside another one.
struct Clash {
    line: Line,
    with: Node,
}

/// Puts a node among its siblings, unless one of them speaks of the same thing.
fn place(siblings: &mut Vec<Line>, mut line: Line) -> Option<Clash> {
    line.subject = line.about();
    if let Some(known) = siblings.iter_mut().find(|known| known.same(&line)) {
        known.from.extend(line.from);
        return None;
    }
    match siblings.iter_mut().find(|known| line.subject.is_some() && known.subject == line.subject) {
        // Of two values of a variable the later one counts, wherever variables are written.
        Some(known) if line.node.name == "env" => {
            let with = line.node.clone();
            Some(Clash { line: std::mem::replace(known, line), with })
        }
        Some(known) => Some(Clash { with: known.node.clone(), line }),
        None => {
            siblings.push(line);
            None
        }
    }
}

/// Everything gathered so far.
#[derive(Debug)]
pub struct Draft<'a> {
    sources: &'a Sources,
    lines: BTreeMap<Section, Vec<Line>>,
    notes: Vec<Note>,
    /// Nodes and notes so far.
    count: usize,
}

impl<'a> Draft<'a> {
    /// An empty file.
    pub fn new(sources: &'a Sources) -> Draft<'a> {
        Draft { sources, lines: BTreeMap::new(), notes: Vec::new(), count: 0 }
    }

    /// Adds a node. One that is there already only gets another place; one that says something else about the same thing is noted.
    pub fn add(&mut self, section: Section, line: Line) {
        if self.is_full() {
            return;
        }
        self.count += 1;
        let clash = place(self.lines.entry(section).or_default(), line);
        self.clash(clash);
    }

    /// Whether the input says more than any configuration does; what is added from then on is left out.
    pub fn is_full(&self) -> bool {
        self.count > MOST
    }

    /// Adds a node to the block of a node that has this name and first argument, which is made when it is not there.
    pub fn inside(&mut self, section: Section, name: &str, argument: &str, span: Span, child: Option<Line>) {
        if self.is_full() {
            return;
        }
        self.count += 1;
        let lines = self.lines.entry(section).or_default();
        let known = lines.iter().position(|line| line.node.name == name && line.node.text(0) == Some(argument));
        let index = known.unwrap_or_else(|| {
            lines.push(Line::new(name, span).argument(argument));
            lines.len() - 1
        });
        let clash = child.and_then(|child| place(&mut lines[index].children, child));
        self.clash(clash);
    }

    fn clash(&mut self, clash: Option<Clash>) {
        if let Some(Clash { line, with }) = clash {
            let why = format!("`{}` says something else about it, and counts", document::print(&[with]).trim_end());
            let what = document::print(std::slice::from_ref(&line.node));
            self.missing(line.node.span, what.trim_end(), why);
        }
    }

    /// The first node with a name and a first argument.
    pub fn find(&self, name: &str, argument: &str) -> Option<&Node> {
        self.lines.values().flatten().map(|line| &line.node).find(|node| node.name == name && node.text(0) == Some(argument))
    }

    /// Whether there is a node of a name outside of what only the user may grant.
    pub fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|(section, lines)| *section != Section::Granted && lines.iter().any(|line| line.node.name == name))
    }

    /// Notes something.
    pub fn note(&mut self, kind: NoteKind, span: Span, what: impl Into<String>, why: impl Into<String>) {
        if self.is_full() {
            return;
        }
        self.count += 1;
        self.notes.push(Note { span, kind, what: what.into(), why: why.into() });
    }

    /// Notes that silo has nothing like it.
    pub fn missing(&mut self, span: Span, what: impl Into<String>, why: impl Into<String>) {
        self.note(NoteKind::Missing, span, what, why);
    }

    /// Notes that it is not quite as it was.
    pub fn changed(&mut self, span: Span, what: impl Into<String>, why: impl Into<String>) {
        self.note(NoteKind::Changed, span, what, why);
    }

    /// The text of the file and the notes in the order of the input. `tail` is added after the last node.
    pub fn finish(mut self, heading: &str, tail: &str) -> (String, Vec<Note>) {
        self.notes.sort_by_key(|note| (note.span, note.kind));
        self.notes.dedup();
        let mut out = format!("// {}\nsilo edition=\"2026\"\n", document::one_line(heading));
        for lines in self.lines.iter().filter(|(section, _)| **section != Section::Granted).map(|(_, lines)| lines) {
            out.push('\n');
            for line in lines {
                self.print(&mut out, line, 0);
            }
        }
        if !tail.is_empty() {
            out.push('\n');
            out.push_str(tail);
        }
        let granted = self.lines.get(&Section::Granted).map_or(&[][..], Vec::as_slice);
        if !granted.is_empty() {
            out.push_str("\n// Only you may grant these: they go into your own file, `silo config edit --global`.\n");
            let mut text = String::new();
            for line in granted {
                self.print(&mut text, line, 0);
            }
            out.extend(text.lines().map(|line| format!("// {line}\n")));
        }
        for (kind, title) in [(NoteKind::Missing, "Without an equivalent:"), (NoteKind::Changed, "Not quite as it was:")] {
            let notes: Vec<&Note> = self.notes.iter().filter(|note| note.kind == kind).collect();
            if !notes.is_empty() {
                out.push_str(&format!("\n// {title}\n"));
                out.extend(notes.iter().map(|note| format!("//   {}\n", note.line(self.sources))));
            }
        }
        (out, self.notes)
    }

    /// A node at a depth, with its places: after it when it is one line, before it otherwise.
    fn print(&self, out: &mut String, line: &Line, depth: usize) {
        let mut places: Vec<String> = line.from.iter().map(|span| self.sources.place(*span)).collect();
        places.dedup();
        let places = document::one_line(&places.join(", "));
        let head = document::print(std::slice::from_ref(&line.node));
        let head = head.trim_end_matches('\n');
        let single = !head.contains('\n') && line.children.is_empty();
        let margin = "    ".repeat(depth);
        if !single {
            out.push_str(&format!("{margin}// {places}\n"));
        }
        for (index, text) in head.split('\n').enumerate() {
            if index > 0 {
                out.push('\n');
            }
            if !text.is_empty() {
                out.push_str(&margin);
                out.push_str(text);
            }
        }
        if line.children.is_empty() {
            out.push_str(&if single { format!(" // {places}\n") } else { "\n".to_string() });
            return;
        }
        out.push_str(" {\n");
        for child in &line.children {
            self.print(out, child, depth + 1);
        }
        out.push_str(&format!("{margin}}}\n"));
    }
}
