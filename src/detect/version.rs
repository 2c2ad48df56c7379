//! `version_file=`: the version of a language or tool stands in a file of the repository.
//!
//! [`questions`] says which files are asked for; the caller reads them. [`VersionFiles::merge`] then merges the configuration as if each
//! `version_file=` were a `version=` that stands in that file, so that everything else (which file wins, contracts, why a value is what it is,
//! the lock) treats it like any other. How a file is read says the definition: its `detect` nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::read::{Hit, Opened, Reader};
use super::rule::{Read, Sign, signs};
use crate::catalog::Catalog;
use crate::document::{self, Document, Entry, Node, Value};
use crate::import::{Wanted, wanted};
use crate::layers::{self, Facts, File, Layered};
use crate::problem::{Code, Edit, Problem, Problems};
use crate::schema::{self, Merge, nearest, surely, table};
use crate::source::{SourceId, Sources, Span};
use crate::template::has_placeholder;

/// The property and the one that it stands for.
const PROPERTY: &str = "version_file";
const VERSION: &str = "version";

/// A file that a `version_file=` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its path as it was written: relative to the folder of the file that says so.
    pub path: String,
    /// Where it was written.
    pub span: Span,
}

/// What the caller found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The file, whose text was added to the sources.
    Text(SourceId),
    /// There is none; the names of other files in that folder.
    Missing(Vec<String>),
    /// The path, or a link in it, leads out of the repository.
    Outside,
    /// It cannot be read: why.
    Unreadable(Box<Problem>),
}

/// A version that a file of the project takes from another file of the repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The file.
    pub file: SourceId,
    /// Of what: `language node`.
    pub of: String,
    /// The version asked for.
    pub version: String,
}

/// Every file that a document asks for, whether or not the conditions around hold.
pub fn questions(document: &Document) -> Vec<Question> {
    let mut found = Vec::new();
    let mut open: Vec<&Node> = document.nodes.iter().rev().collect();
    while let Some(node) = open.pop() {
        match place(node) {
            Place::Around => open.extend(node.children().iter().rev()),
            Place::Asking => found.extend(
                sayings(node)
                    .filter_map(|entry| Some((entry.value.as_str()?, entry.span)))
                    .filter(|(path, _)| !has_placeholder(path))
                    .map(|(path, span)| Question { path: path.to_string(), span }),
            ),
            Place::Other => {}
        }
    }
    found
}

/// What a node has to do with version files.
enum Place {
    /// It is a condition, and what is in it may ask.
    Around,
    /// It may ask.
    Asking,
    /// It does not.
    Other,
}

fn place(node: &Node) -> Place {
    match schema::find(table::TOP, &node.name) {
        Some(rule) if rule.merge == Merge::Condition => Place::Around,
        Some(rule) if rule.properties.iter().any(|property| property.name == PROPERTY) => Place::Asking,
        Some(_) | None => Place::Other,
    }
}

/// The values of `version_file`, written as a property or as a node of the block.
fn sayings(node: &Node) -> impl Iterator<Item = &Entry> {
    let property = node.entries.iter().filter(|entry| entry.name.as_deref() == Some(PROPERTY));
    property.chain(node.named(PROPERTY).flat_map(Node::arguments))
}

/// The answers to every `version_file=` of a configuration, by the place where it was written.
#[derive(Clone, Debug, Default)]
pub struct VersionFiles(BTreeMap<Span, Answer>);

impl VersionFiles {
    /// Adds an answer.
    pub fn answer(&mut self, question: &Question, answer: Answer) {
        self.0.insert(question.span, answer);
    }

    /// As [`layers::merge`], with each `version_file=` as the version that stands in its file. A problem of a file is one of the result where
    /// what it says would have been part of it.
    pub fn merge(&self, files: &[File], facts: &Facts, sources: &mut Sources) -> (Layered, Problems) {
        let settled = self.settle(files, facts, sources);
        let (layered, mut problems) = layers::merge(&settled.files, facts);
        problems.extend(settled.problems(&layered.nodes));
        (layered, problems)
    }

    /// The files with versions in the place of `version_file=`. Those that hold under these facts say which definitions there are.
    pub fn settle(&self, files: &[File], facts: &Facts, sources: &mut Sources) -> Settled {
        if files.iter().all(|file| asks_nothing(&file.document)) {
            return Settled { files: files.to_vec(), taken: BTreeSet::new(), failures: BTreeMap::new() };
        }
        let (catalog, _) = Catalog::new(&layers::merge(files, facts).0.nodes);
        let mut settling = Settling {
            answers: self,
            catalog: &catalog,
            sources,
            reader: Reader::default(),
            asks: Asks::Project,
            taken: BTreeSet::new(),
            failures: BTreeMap::new(),
        };
        let files = files
            .iter()
            .map(|File { layer, document, imports, existing }| {
                settling.asks = if layer.is_operator() { Asks::User } else { Asks::Project };
                let document = Document { nodes: document.nodes.iter().map(|node| settling.node(node)).collect() };
                File { layer: *layer, document, imports: imports.clone(), existing: existing.clone() }
            })
            .collect();
        Settled { files, taken: settling.taken, failures: settling.failures }
    }

    /// Whether a source is a file of the repository that was read for the version in it.
    pub fn is_read(&self, id: SourceId) -> bool {
        self.0.values().any(|answer| *answer == Answer::Text(id))
    }
}

/// Files in which versions stand where `version_file=` stood.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The files, in the order in which they were given.
    pub files: Vec<File>,
    /// What the project's files take, whether or not it holds here. What the user's own files take is theirs.
    pub taken: BTreeSet<Taken>,
    /// What is wrong, by the place of what still asks.
    failures: BTreeMap<Span, Problem>,
}

impl Settled {
    /// What is wrong with files that merged nodes still ask for.
    pub fn problems(&self, nodes: &[Node]) -> Problems {
        let mut problems = Problems::default();
        for entry in nodes.iter().filter(|node| matches!(place(node), Place::Asking)).flat_map(sayings) {
            if let Some(problem) = self.failures.get(&entry.span) {
                problems.push(problem.clone());
            }
        }
        problems
    }
}

fn asks_nothing(document: &Document) -> bool {
    let mut open: Vec<&Node> = document.nodes.iter().collect();
    while let Some(node) = open.pop() {
        match place(node) {
            Place::Around => open.extend(node.children()),
            Place::Asking if sayings(node).next().is_some() => return false,
            Place::Asking | Place::Other => {}
        }
    }
    true
}

/// Whose file asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Project,
    User,
}

struct Settling<'a> {
    answers: &'a VersionFiles,
    catalog: &'a Catalog,
    sources: &'a mut Sources,
    reader: Reader,
    /// Whose file is being settled.
    asks: Asks,
    taken: BTreeSet<Taken>,
    /// What is wrong, by the place of the entry that asks.
    failures: BTreeMap<Span, Problem>,
}

impl Settling<'_> {
    /// The node with versions in the place of files.
    fn node(&mut self, node: &Node) -> Node {
        let mut settled = node.clone();
        match place(node) {
            Place::Other => {}
            Place::Around => {
                settled.children = node.children.as_ref().map(|children| children.iter().map(|child| self.node(child)).collect())
            }
            Place::Asking => {
                for entry in settled.entries.iter_mut().filter(|entry| entry.name.as_deref() == Some(PROPERTY)) {
                    if self.entry(node, entry) {
                        entry.name = Some(VERSION.to_string());
                    }
                }
                for child in settled.children.iter_mut().flatten().filter(|child| child.name == PROPERTY) {
                    let mut entries = child.entries.iter_mut().filter(|entry| entry.name.is_none());
                    if let Some(entry) = entries.next()
                        && self.entry(node, entry)
                    {
                        child.name = VERSION.to_string();
                    }
                }
            }
        }
        settled
    }

    /// Puts the version into an entry; false when there is none, which is noted.
    fn entry(&mut self, node: &Node, entry: &mut Entry) -> bool {
        // What takes the version of weaker files away does so whichever way these say it.
        if entry.value == Value::Null {
            return true;
        }
        let Some(path) = entry.value.as_str().map(str::to_string) else { return false };
        match self.version(node, &path, entry.span) {
            Ok((version, span)) => {
                if self.asks == Asks::Project {
                    let of = format!("{} {}", node.name, node.text(0).unwrap_or(""));
                    self.taken.insert(Taken { file: span.source, of, version: version.clone() });
                }
                (entry.value, entry.span) = (Value::String(version), span);
                true
            }
            Err(problem) => {
                self.failures.insert(entry.span, *problem);
                false
            }
        }
    }

    fn version(&mut self, node: &Node, path: &str, asked: Span) -> Result<(String, Span), Box<Problem>> {
        let problem = |message: String| Problem::new(Code::VersionFile, message);
        if has_placeholder(path) {
            let message = "the file is read before any placeholder has a value".to_string();
            return Err(Box::new(problem(message).at(asked, "").help("write its path out")));
        }
        let (kind, name) = (node.name.as_str(), node.text(0).unwrap_or(""));
        let what = format!("{kind} {name}");
        let signs = match self.catalog.get(kind, name, self.sources).0 {
            // An expression that is none was reported where it stands.
            Some(definition) => signs(&definition.node, &mut Problems::default()),
            None => Vec::new(),
        };
        let speaking: Vec<&Sign> = signs.iter().filter(|sign| sign.read != Read::Nothing).collect();
        let id = match self.answers.0.get(&asked) {
            Some(Answer::Text(id)) => *id,
            Some(Answer::Missing(beside)) => return Err(Box::new(missing(path, asked, &what, &speaking, beside))),
            Some(Answer::Outside) => {
                let problem = problem(format!("`{path}` leads out of the repository")).at(asked, "");
                return Err(Box::new(problem.help("write a path relative to this file, to a file of the repository")));
            }
            Some(Answer::Unreadable(found)) => {
                let Problem { code, message, labels: _, help, fixes: _ } = found.as_ref().clone();
                return Err(Box::new(Problem { help, ..Problem::new(code, message).at(asked, "asked for here") }));
            }
            None => {
                let problem = problem(format!("`{path}` was not read")).at(asked, "");
                return Err(Box::new(problem.help("only files of the repository can say a version")));
            }
        };
        let fitting: Vec<&Sign> = speaking.iter().copied().filter(|sign| sign.fits_end(path)).collect();
        if fitting.is_empty() {
            return Err(Box::new(unknown(path, asked, &what, &speaking)));
        }
        let text = self.sources.get(id).text.clone();
        let opened = Opened { id, text: &text };
        for sign in &fitting {
            let Some(Hit { version: Some(written), span }) = self.reader.hit(sign, opened) else { continue };
            let shown = document::one_line(&written);
            return match wanted(&written) {
                Wanted::Version(version) => Ok((version, span)),
                Wanted::Newest(why) => Err(Box::new(
                    problem(format!("`{path}` says a version of {what} that cannot be locked: {why}"))
                        .at(span, "this version")
                        .at(asked, "asked for here")
                        .help("write a version, the beginning of one or a range there, or `version=` here"),
                )),
                Wanted::Nothing => Err(Box::new(
                    problem(format!("`{path}` says that {what} is not wanted"))
                        .at(span, format!("`{shown}`"))
                        .at(asked, "asked for here")
                        .help("write a version there, or take this node out"),
                )),
            };
        }
        let broken = self.reader.unread().find(|(other, _)| *other == id).map(|(_, problem)| problem.clone());
        let of_one_format = fitting.iter().all(|sign| sign.read != Read::Lines);
        if let Some(broken) = broken.filter(|_| of_one_format) {
            return Err(Box::new(broken.at(asked, "asked for here")));
        }
        Err(Box::new(silent(path, id, &text, asked, &what, &fitting)))
    }
}

/// The names of the files that a definition can read, each once.
fn files<'s>(signs: &[&'s Sign]) -> Vec<&'s str> {
    let mut names: Vec<&str> = Vec::new();
    for name in signs.iter().flat_map(|sign| &sign.files).map(String::as_str) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// `.nvmrc`, `.node-version` or `package.json`.
fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn missing(path: &str, asked: Span, what: &str, signs: &[&Sign], beside: &[String]) -> Problem {
    let name = path.rsplit('/').next().unwrap_or(path);
    let folder = &path[..path.len() - name.len()];
    let readable = |other: &&str| signs.iter().any(|sign| sign.fits_end(&format!("{folder}{other}")));
    let there: Vec<&str> = beside.iter().map(String::as_str).filter(readable).collect();
    let help = match nearest(name, there.iter().copied()).or(nearest(name, beside.iter().map(String::as_str))) {
        Some(near) => format!("did you mean `{folder}{near}`?"),
        None if !there.is_empty() => {
            let there: Vec<String> = there.iter().map(|name| format!("{folder}{name}")).collect();
            format!("there {} {}", if there.len() == 1 { "is" } else { "are" }, list(&there.iter().map(String::as_str).collect::<Vec<_>>()))
        }
        None => match files(signs).as_slice() {
            [] => "write `version=` instead".to_string(),
            names => format!("the version of {what} can stand in {}; or write `version=` instead", list(names)),
        },
    };
    let edit = surely(name, there.iter().copied()).map(|near| Edit::words(asked, name, near));
    Problem::new(Code::VersionFile, format!("`{path}` does not exist")).at(asked, "").help(help).fix_if(edit)
}

fn unknown(path: &str, asked: Span, what: &str, signs: &[&Sign]) -> Problem {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (kind, entry) = what.split_once(' ').unwrap_or((what, ""));
    let more = format!("`define {kind} {entry} extends={entry} {{ detect {} match=#\"…\"# }}` adds one", document::quote(name));
    let help = match files(signs).as_slice() {
        [] => format!("write `version=` instead; {more}"),
        names => format!("it reads {}; {more}", list(names)),
    };
    Problem::new(Code::VersionFile, format!("nothing says how the version of {what} stands in `{name}`")).at(asked, "").help(help)
}

/// The problem of a file in which no version was found.
fn silent(path: &str, id: SourceId, text: &str, asked: Span, what: &str, signs: &[&Sign]) -> Problem {
    let sought: Vec<String> = signs
        .iter()
        .map(|sign| {
            let matching = sign.pattern.as_ref().map(|pattern| format!("`{}`", pattern.as_str()));
            match (&sign.read, matching) {
                (Read::Json(at) | Read::Toml(at), None) => format!("`{at}`"),
                (Read::Json(at) | Read::Toml(at), Some(pattern)) => format!("`{at}` that matches {pattern}"),
                (Read::Lines, pattern) => format!("a line that matches {}", pattern.unwrap_or_default()),
                (Read::Nothing, _) => String::new(),
            }
        })
        .collect();
    let mut problem = Problem::new(Code::VersionFile, format!("`{path}` says no version of {what}")).at(asked, "asked for here");
    if signs.iter().any(|sign| sign.read == Read::Lines)
        && let Some((start, line)) = first_line(text)
    {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        problem = problem.at(Span { source: id, start: place(start), end: place(start + line.len()) }, "this is there");
    }
    problem.help(format!("what was looked for: {}", sought.join(", ")))
}

/// The first line that is neither empty nor a comment, and where it starts.
fn first_line(text: &str) -> Option<(usize, &str)> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        if !bare.is_empty() && !bare.starts_with('#') {
            return Some((start + (line.len() - line.trim_start().len()), bare));
        }
        start += line.len();
    }
    None
}
