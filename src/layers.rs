//! Several files become one document, node by node, by the policies of the table; every value keeps the place where it was set.
//!
//! Each file is taken apart into [`Definition`]s: a path, what is said of it, and how strongly. For each path the strongest definitions are
//! kept; when two of them disagree and neither is stronger, that is a conflict. The result does not depend on the order of the files.
//!
//! How strong a definition is: `(default)` is weaker than plain, plain weaker than `(force)`. Among equals the stronger file wins, which is the
//! one of the later layer, or within a layer the one that imports the other; among forces it is the other way round, so that a repository
//! cannot force anything upon its user.

mod decompose;
mod evaluate;
mod order;
mod show;

use crate::document::{Document, Node, Value};
use crate::problem::Problems;
use crate::source::{Layer, Span};

pub use show::{print_with_sources, to_json};

/// One file of the configuration.
#[derive(Clone, Debug)]
pub struct File {
    /// The layer it speaks for; an imported file speaks for the layer of the file that imports it.
    pub layer: Layer,
    /// Its nodes, already checked.
    pub document: Document,
    /// The files it imports, by their index among the files that are merged.
    pub imports: Vec<usize>,
}

/// The files made one.
#[derive(Clone, Debug, Default)]
pub struct Layered {
    /// The nodes that hold. Each keyed node appears once; every entry carries the place of the definition that won. No node and no value
    /// is annotated, but for the `(replace)` of a `define`, and file-local nodes are not among them. A node that names several things
    /// (`mcp a b` in an agent, `mount "a" "b"`) has become one node for each; words that follow each other (`apt "a" "b"`) stand in one node;
    /// of one block's variables there is one `env`, in which `A` stands for `A from=host`, `X="v"` for a plain value, and the block for the
    /// rest.
    pub nodes: Vec<Node>,
    /// All that was said, winners and losers, by path and strongest first.
    definitions: Vec<Definition>,
}

impl Layered {
    /// All that was said of a path such as `language.node.version`, strongest first: what won, and what lost to it.
    pub fn definitions(&self, path: &str) -> Vec<&Definition> {
        self.definitions.iter().filter(|definition| definition.path == path).collect()
    }
}

/// One thing that one file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Of what: names and keys joined with dots.
    pub path: String,
    /// What.
    pub saying: Saying,
    /// Where.
    pub span: Span,
    /// The layer of the file.
    pub layer: Layer,
    /// Whether it is part of the result.
    pub holds: bool,
}

/// What a definition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// The thing exists.
    Present,
    /// It has these values: one, unless it is the arguments of a node.
    Values(Vec<Value>),
    /// It is this node, whole.
    Whole(Node),
    /// Whatever weaker files say of it or of anything below it is gone.
    Remove,
    /// Likewise, but what this file says of it holds.
    Replace,
}

/// Makes the files one. Their order in the list means nothing.
pub fn merge(files: &[File]) -> (Layered, Problems) {
    let order = order::Order::of(files);
    let mut problems = Problems::default();
    let statements = decompose::decompose(files);
    let (nodes, definitions) = evaluate::evaluate(files, &order, statements, &mut problems);
    (Layered { nodes, definitions }, problems)
}
