//! Several files become one document, node by node, by the policies of the table; every value keeps the place where it was set.
//!
//! Each file is taken apart into [`Definition`]s: a path, what is said of it, and how strongly. For each path the strongest definitions are
//! kept; when two of them disagree and neither is stronger, that is a conflict. The result does not depend on the order of the files.
//!
//! How strong a definition is: `(default)` is weaker than plain, plain weaker than `(force)`. Among equals the stronger file wins, which is the
//! one of the later layer, or within a layer the one that imports the other; among forces it is the other way round, so that a repository
//! cannot force anything upon its user.

mod condition;
mod decompose;
mod edit;
mod evaluate;
mod interpolate;
mod order;
mod path;
mod show;
mod why;
mod worlds;

use std::collections::BTreeSet;

use condition::Stratum;

use crate::document::{Document, Node, Value};
use crate::problem::Problems;
use crate::schema::annotation::Priority;
use crate::source::{Layer, Span};

pub use condition::{conditions, dependencies, matches, questions};
pub use edit::{Edit, Refusal, edit};
pub use path::{Found, Path, walk};
pub use show::{print_with_sources, to_json};
pub use why::{Explanation, Fate, Slot, Told, layer_words, nearest_path, why, why_json};
pub use worlds::{Reach, difference, worlds};

/// One file of the configuration.
#[derive(Clone, Debug)]
pub struct File {
    /// The layer it speaks for; an imported file speaks for the layer of the file that imports it.
    pub layer: Layer,
    /// Its nodes, already checked.
    pub document: Document,
    /// The files it imports, by their index among the files that are merged.
    pub imports: Vec<usize>,
    /// Those of its [`questions`] that are answered with yes.
    pub existing: BTreeSet<String>,
}

impl File {
    /// A file that imports nothing and asks nothing.
    pub fn new(layer: Layer, document: Document) -> File {
        File { layer, document, imports: Vec::new(), existing: BTreeSet::new() }
    }
}

/// The files of the layers that every machine shares, with their imports; `foreign` ones, by index, are on this machine alone.
pub fn shared(files: &[File], foreign: &[usize]) -> Vec<File> {
    only(files, |index| files[index].layer.is_shared() && !foreign.contains(&index))
}

/// The files of the layers that no project has a say in, with their imports.
pub fn own(files: &[File]) -> Vec<File> {
    only(files, |index| files[index].layer.is_operator())
}

fn only(files: &[File], keep: impl Fn(usize) -> bool) -> Vec<File> {
    let kept: Vec<usize> = (0..files.len()).filter(|index| keep(*index)).collect();
    let file = |index: &usize| {
        let File { layer, document, imports, existing } = files[*index].clone();
        let imports = imports.into_iter().filter_map(|import| kept.iter().position(|other| *other == import)).collect();
        File { layer, document, imports, existing }
    };
    kept.iter().map(file).collect()
}

/// What conditions can look at, apart from the files of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The operating system of the host: `linux` or `macos`.
    pub os: String,
    /// The architecture, as Docker calls it: `amd64` or `arm64`.
    pub arch: String,
    /// The name of the host.
    pub host: String,
    /// Whether silo runs in CI.
    pub ci: bool,
    /// The repository, as in `github.com/acme/api`; `None` when it has no remote called `origin`.
    pub repo: Option<String>,
    /// What builds and runs, when that is decided already; otherwise `use backend=` decides.
    pub backend: Option<String>,
    /// The agent whose image is meant, when that is decided already; otherwise `use agent=` decides, or that there is only one.
    pub agent: Option<String>,
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
    pub fn definitions(&self, path: &Path) -> Vec<&Definition> {
        self.definitions.iter().filter(|definition| definition.path == *path).collect()
    }

    /// All that was said of anything.
    pub fn all_definitions(&self) -> &[Definition] {
        &self.definitions
    }
}

/// One thing that one file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Of what.
    pub path: Path,
    /// What.
    pub saying: Saying,
    /// Where.
    pub span: Span,
    /// The layer of the file.
    pub layer: Layer,
    /// Whether it is part of the result.
    pub holds: bool,
    /// The weight that its writer gave to it.
    pub priority: Priority,
    /// The conditions that it stands under, the outermost first: each from its name to its last value.
    pub conditions: Vec<Span>,
    /// Whether one of them does not hold, so that it counts for nothing here; see [`dormant`].
    pub dormant: bool,
    /// Why it has no effect; `None` when it has.
    pub loss: Option<Loss>,
}

/// Why a definition has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Something stronger says otherwise, or takes it away.
    Weaker {
        /// Where that stands.
        than: Span,
        /// The layer of its file.
        layer: Layer,
        /// Its weight.
        priority: Priority,
        /// Whether it takes away.
        removes: bool,
        /// What makes it stronger.
        rule: Rule,
    },
    /// Another one says the same, and stands for both.
    Same {
        /// Where that stands.
        as_at: Span,
    },
    /// Another one disagrees, and neither is stronger.
    Conflict {
        /// Where that stands.
        with: Span,
    },
    /// What it belongs to is gone.
    Gone,
}

/// What makes one definition stronger than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The weight that its writer gave to it.
    Priority,
    /// Its file belongs to a later layer, or lies nearer.
    Layer,
    /// The pattern that it stands under says more of the repository.
    Pattern,
    /// Its file imports the other's.
    Import,
    /// It stands in a block inside of the other's.
    Inner,
    /// It stands beside a `(replace)`, which takes away only what others say.
    Replacement,
    /// Both are forced, and its file is further out.
    Outermost,
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

/// Makes the files one, as far as the conditions in them hold, and fills in the placeholders. The order of the list means nothing.
pub fn merge(files: &[File], facts: &Facts) -> (Layered, Problems) {
    let mut problems = Problems::default();
    let lets = interpolate::names(files);
    let local = interpolate::file_local(files, &mut problems);
    let files = local.as_deref().unwrap_or(files);
    let (Layered { nodes, definitions }, found) = merge_stratum(files, &known(files, facts), Stratum::Chosen);
    problems.extend(found);
    let nodes = interpolate::merged(nodes, &lets, &mut problems);
    (Layered { nodes, definitions }, problems)
}

/// What the files say under conditions that do not hold, for those who ask why something has no effect. Of all it is only said where it
/// stands, not whether it would win.
pub fn dormant(files: &[File], facts: &Facts) -> Vec<Definition> {
    let (layered, _) = merge_stratum(files, &known(files, facts), Stratum::Asking);
    layered.definitions.into_iter().filter(|definition| definition.dormant).collect()
}

/// The facts, with the choice of backend and agent where a condition waits for it.
fn known(files: &[File], facts: &Facts) -> Facts {
    if files.iter().any(|file| condition::any_waits(&file.document)) { choose(files, facts) } else { facts.clone() }
}

/// Which backend and which agent it is, which does not depend on what depends on them.
fn choose(files: &[File], facts: &Facts) -> Facts {
    let (chosen, _) = merge_stratum(files, facts, Stratum::Choosing);
    let uses = |property: &str| {
        let using = chosen.nodes.iter().find(|node| node.name == "use")?;
        using.property(property)?.value.as_str().map(str::to_string)
    };
    let mut agents = chosen.nodes.iter().filter(|node| node.name == "agent").filter_map(|node| node.text(0));
    let only = agents.next().filter(|_| agents.next().is_none()).map(str::to_string);
    Facts {
        backend: facts.backend.clone().or_else(|| uses("backend")).or_else(|| Some(DEFAULT_BACKEND.to_string())),
        agent: facts.agent.clone().or_else(|| uses("agent")).or(only),
        ..facts.clone()
    }
}

/// The backend where nothing else is said.
const DEFAULT_BACKEND: &str = "docker";

fn merge_stratum(files: &[File], facts: &Facts, stratum: Stratum) -> (Layered, Problems) {
    let mut problems = Problems::default();
    let (statements, scopes) = decompose::decompose(files, facts, stratum, &mut problems);
    if problems.has_errors() {
        // There are too many conditions; what they come to is of no use.
        return (Layered::default(), problems);
    }
    let order = order::Order::of(files, scopes);
    let (nodes, definitions) = evaluate::evaluate(&order, statements, &mut problems);
    (Layered { nodes, definitions }, problems)
}
