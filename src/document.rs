//! A parsed file: nodes, arguments, properties and annotations, each with the place where it was written.

mod format;
mod mend;
mod plain;
mod print;
mod read;
mod scan;
mod token;
mod words;

use crate::problem::Problems;
use crate::source::{SourceId, Span};

pub use format::{FormatError, format, same};
pub use mend::{Change, Mended, fixes, mend};
pub use print::{one_line, print, print_value, quote};

/// The most bytes a file may have.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most bytes a file may have that silo itself wrote: a lock names every package of every tree.
pub const MAX_GENERATED_BYTES: usize = 4 * 1024 * 1024;
/// The deepest nesting of braces.
pub const MAX_DEPTH: usize = 32;
/// The deepest nesting of `/* */` comments.
pub const MAX_COMMENT_DEPTH: usize = 16;
/// The deepest nesting of blocks that are commented out with `/-`.
pub const MAX_SLASHDASH_DEPTH: usize = 4;
/// The most problems reported for one file.
pub const MAX_PROBLEMS: usize = 20;

/// The nodes and properties whose names have an underscore; with a hyphen they are the same. The schema's tests hold this list to its table.
pub const SNAKE_NAMES: &[&str] = &[
    "pre_build",
    "post_build",
    "pre_run",
    "fetch_packages",
    "release_age",
    "warn_after",
    "not_under",
    "starts_with",
    "any_of",
    "version_file",
    "update_hours",
    "env_ref",
    "github_releases",
    "default_features",
];

/// Reads a text. A scan, linear in its length, refuses what would cost the KDL parser its stack or its time, before the parser sees it.
///
/// The document is `None` when the text is not KDL. All problems of the text are returned, up to [`MAX_PROBLEMS`].
pub fn parse(id: SourceId, text: &str) -> (Option<Document>, Problems) {
    read::parse(id, text)
}

/// Reads a text that silo wrote, which may be longer than one that people write. A long one that is not as silo writes it is refused, since
/// only the fast reader may see it.
pub fn parse_generated(id: SourceId, text: &str) -> (Option<Document>, Problems) {
    read::parse_generated(id, text)
}

/// The name of a node or a property in the spelling of the table.
pub fn canonical(written: &str) -> String {
    if written.contains('-') {
        let snake = written.replace('-', "_");
        if SNAKE_NAMES.contains(&snake.as_str()) {
            return snake;
        }
    }
    written.to_string()
}

/// The files that a document asks for, in written order.
pub fn includes(document: &Document) -> Vec<Include> {
    let import = |node: &Node| {
        let target = node.text(0)?.to_string();
        let optional = node.property("optional").is_some_and(|entry| entry.value == Value::Bool(true));
        let span = node.arguments().next()?.span;
        Some(Include { target, optional, span })
    };
    document.nodes.iter().filter(|node| node.name == "import").filter_map(import).collect()
}

/// What an `import` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The file as it was written, relative to the importing one.
    pub target: String,
    /// Whether the file may be missing.
    pub optional: bool,
    /// Where the target was written.
    pub span: Span,
}

/// A file's nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The top-level nodes in written order.
    pub nodes: Vec<Node>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name in canonical spelling (`pre-build` is `pre_build`).
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// `(default)`, `(force)`, `(remove)`, …: the text between the parentheses.
    pub annotation: Option<Annotation>,
    /// Arguments and properties in written order.
    pub entries: Vec<Entry>,
    /// The block; `None` when there is none, empty when it is `{ }`.
    pub children: Option<Vec<Node>>,
    /// The whole node, block included.
    pub span: Span,
}

/// The text between parentheses before a node or a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// An argument, or a property when it has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The property's name in canonical spelling.
    pub name: Option<String>,
    /// Its annotation.
    pub annotation: Option<Annotation>,
    /// Its value.
    pub value: Value,
    /// The whole entry.
    pub span: Span,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i128),
    /// Another number, as it was written.
    Decimal(String),
    /// `#true` or `#false`.
    Bool(bool),
    /// `#null`.
    Null,
}

impl Node {
    /// The arguments in written order.
    pub fn arguments(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.name.is_none())
    }

    /// The n-th argument as text, when it is text.
    pub fn text(&self, index: usize) -> Option<&str> {
        self.arguments().nth(index).and_then(|entry| entry.value.as_str())
    }

    /// A property.
    pub fn property(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name.as_deref() == Some(name))
    }

    /// The nodes of the block; none when there is no block.
    pub fn children(&self) -> &[Node] {
        self.children.as_deref().unwrap_or(&[])
    }

    /// The nodes of the block that have a name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children().iter().filter(move |node| node.name == name)
    }
}

impl Value {
    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            Value::Integer(_) | Value::Decimal(_) | Value::Bool(_) | Value::Null => None,
        }
    }
}
