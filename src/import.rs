//! Configurations of other tools, as a `silo.kdl`.
//!
//! A text goes in, and out come the text of a configuration that compiles, in which every node says where it comes from, and notes on
//! everything that could not be said: nothing of the input is dropped without one. What the formats mean is from their own documentation: the
//! development containers' metadata reference, the Go silo's `silo.schema.json`, asdf's and mise's pages on their configuration.

mod component;
mod devcontainer;
mod draft;
mod image;
mod jsonc;
mod mise;
mod place;
mod script;
mod silo;
mod tables;
mod tool_versions;
pub mod tree;
mod version;

use crate::catalog::Names;
use crate::document;
use crate::problem::{Code, Problem, Problems};
use crate::source::{SourceId, Sources, Span};
use crate::spec::EnvName;
use crate::spec::decode::{OWN_VARIABLES, unsafe_in_line};

use draft::{Draft, Line, Section};
pub use draft::{Note, NoteKind};
use tree::Value;
pub use version::{Wanted, wanted};

/// The most bytes a file may have.
pub const MAX_BYTES: usize = document::MAX_BYTES;

/// What a file is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `devcontainer.json`: development containers.
    Devcontainer,
    /// `silo.jsonc`: the silo that is written in Go.
    Silo,
    /// `.tool-versions`: asdf, and mise.
    ToolVersions,
    /// `mise.toml`: mise.
    Mise,
}

/// Whose file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A repository's, which may not ask for what is the user's.
    Project,
    /// The user's own.
    User,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The text of a `silo.kdl`.
    pub text: String,
    /// What the reader should know, in the order of the input.
    pub notes: Vec<Note>,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Format::Devcontainer, Format::Silo, Format::ToolVersions, Format::Mise];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Devcontainer => "devcontainer",
            Format::Silo => "silo-jsonc",
            Format::ToolVersions => "tool-versions",
            Format::Mise => "mise",
        }
    }

    /// The format of a file with this path, by its last part.
    pub fn of_path(path: &str) -> Option<Format> {
        let mut parts = path.rsplit('/');
        let name = parts.next().unwrap_or(path);
        let folder = parts.next().unwrap_or("");
        match name {
            "devcontainer.json" | ".devcontainer.json" => Some(Format::Devcontainer),
            "silo.jsonc" | "silo.json" => Some(Format::Silo),
            ".tool-versions" => Some(Format::ToolVersions),
            "mise.toml" | ".mise.toml" | "mise.local.toml" | ".mise.local.toml" => Some(Format::Mise),
            "config.toml" if folder == "mise" => Some(Format::Mise),
            _ if (name.starts_with("mise.") || name.starts_with(".mise.")) && name.ends_with(".toml") => Some(Format::Mise),
            _ => None,
        }
    }
}

/// Translates a text. Its source must be among `sources`.
pub fn import(id: SourceId, format: Format, audience: Audience, names: &Names, sources: &Sources) -> Result<Imported, Problems> {
    let source = sources.get(id);
    let mut draft = Draft::new(sources);
    let read = match format {
        Format::Devcontainer => once(id, &source.text, &mut draft).and_then(|root| devcontainer::read(&root, audience, names, &mut draft)),
        Format::Silo => once(id, &source.text, &mut draft).and_then(|root| silo::read(&root, audience, names, &mut draft)),
        Format::ToolVersions => tool_versions::read(id, &source.text, names, &mut draft),
        Format::Mise => tables::parse(id, &source.text).and_then(|root| mise::read(&root, audience, names, &mut draft)),
    };
    read.map_err(|problem| {
        let mut problems = Problems::default();
        problems.push(problem);
        problems
    })?;
    if draft.is_full() {
        let whole = Span { source: id, start: 0, end: 0 };
        let message = format!("{} says more than {} things, and silo reads no more", source.name, draft::MOST);
        let mut problems = Problems::default();
        problems.push(Problem::new(Code::TooLarge, message).at(whole, "").help("no configuration says that much: name the right file"));
        return Err(problems);
    }
    let heading = format!("Made by `silo import` from {}: what stands behind a node is its place there.", source.name);
    let tail = agents(&draft, names);
    let (text, notes) = draft.finish(&heading, &tail);
    Ok(Imported { text, notes })
}

/// A JSON file in which every name stands once; what stands there again later is noted.
fn once(id: SourceId, text: &str, draft: &mut Draft) -> Result<Value, Problem> {
    let mut root = jsonc::parse(id, text)?;
    for field in root.take_doubles() {
        draft.missing(field.name_span, field.name, "it stands there twice, and the last one counts");
    }
    Ok(root)
}

/// Reads a JSON file, with or without comments.
pub fn read_json(id: SourceId, text: &str) -> Result<Value, Problem> {
    jsonc::parse(id, text)
}

/// Reads a TOML file.
pub fn read_toml(id: SourceId, text: &str) -> Result<Value, Problem> {
    tables::parse(id, text)
}

/// A comment with the agents that there are, for a file that names none.
fn agents(draft: &Draft, names: &Names) -> String {
    if draft.has("agent") {
        return String::new();
    }
    let lines: String = names.agents().into_iter().map(|agent| format!("// agent {}\n", document::quote(agent))).collect();
    format!("// Which agent works here? Take one or several.\n{lines}")
}

/// The problem of a file whose top is not an object.
fn not_a_table(root: &Value, what: &str) -> Problem {
    Problem::new(Code::ForeignSyntax, format!("a {what} is an object, and this is {}", root.describe()))
        .at(Span { end: root.span.end.min(root.span.start + 40), ..root.span }, "")
        .help("put it between `{` and `}`")
}

/// A text as silo's `%{…}` leaves it alone.
fn literal(text: &str) -> String {
    text.replace("%{", "%%{")
}

/// Sets a variable, or says why it cannot be set. `value` may hold placeholders.
fn set_variable(draft: &mut Draft, name: &str, value: &str, span: Span, what: &str) -> Option<Line> {
    if let Err(why) = variable_name(name, true) {
        draft.missing(span, what, why);
        return None;
    }
    if !fits_line(value) {
        draft.missing(span, what, "the value has a line break or another control character, which a variable of silo.kdl cannot hold");
        return None;
    }
    Some(Line::new("env", span).text(name, value))
}

/// Passes a variable of the host through. In a project's file that is for the user to grant.
fn pass_variable(draft: &mut Draft, name: &str, span: Span, what: &str, audience: Audience) -> Option<(Section, Line)> {
    if let Err(why) = variable_name(name, false) {
        draft.missing(span, what, why);
        return None;
    }
    Some(grant(draft, Section::Environment, Line::new("env", span).argument(name), span, what, "takes a value of the host", audience))
}

/// Something that is the user's to grant: live in their own file, otherwise noted.
fn grant(draft: &mut Draft, section: Section, line: Line, span: Span, what: &str, why: &str, audience: Audience) -> (Section, Line) {
    match audience {
        Audience::User => (section, line),
        Audience::Project => {
            draft.note(NoteKind::Granted, span, what, format!("{why}, which only you may grant: it goes into your own silo.kdl"));
            (Section::Granted, line)
        }
    }
}

/// Whether a text can stand on one line of a configuration.
fn fits_line(text: &str) -> bool {
    !text.chars().any(unsafe_in_line)
}

fn variable_name(name: &str, set: bool) -> Result<(), String> {
    if EnvName::new(name).is_none() {
        return Err(format!("`{name}` is no name of a variable: letters, digits and `_`"));
    }
    if set && OWN_VARIABLES.contains(&name) {
        return Err(format!("`{name}` is set by silo itself"));
    }
    Ok(())
}
