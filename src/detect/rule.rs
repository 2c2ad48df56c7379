//! What gives an entry away: the `detect` nodes of definitions.

use crate::catalog::Catalog;
use crate::document::{self, Node};
use crate::problem::Problems;
use crate::schema::types::Pattern;
use crate::source::{Layer, Source, Sources};

/// What there is no entry for.
const UNLISTED: &str = include_str!("../../images/unlisted.kdl");

/// The kinds that can be found, in the order in which they are proposed.
const KINDS: [&str; 5] = ["language", "lsp", "tool", "mcp", "agent"];

/// Everything that can be found.
#[derive(Clone, Debug, Default)]
pub struct Rules(pub(super) Vec<Rule>);

/// What can be found, and by what.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub kind: String,
    pub name: String,
    pub signs: Vec<Sign>,
    pub listing: Listing,
}

/// Whether there is an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// There is one.
    Entry,
    /// There is none; these packages of the distribution stand for it.
    Packages(Vec<String>),
}

/// A `detect` node.
#[derive(Clone, Debug)]
pub(super) struct Sign {
    pub files: Vec<String>,
    pub read: Read,
    pub pattern: Option<Pattern>,
    /// The version that is meant by what is found, in place of how it is written.
    pub version: Option<String>,
    pub language: Option<String>,
}

/// Where in a file the version stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Nowhere: that the file is there is all it says.
    Nothing,
    /// On a line that fits the pattern.
    Lines,
    /// At a path of a JSON file.
    Json(String),
    /// At a path of a TOML file.
    Toml(String),
}

/// Reads the `detect` nodes of a catalog. A regular expression that is none is a problem, and its node does not count.
pub fn rules(catalog: &Catalog, sources: &mut Sources) -> (Rules, Problems) {
    let mut problems = Problems::default();
    let mut rules = Vec::new();
    for kind in KINDS {
        for name in catalog.names(kind) {
            let (definition, found) = catalog.get(kind, name, sources);
            problems.extend(found);
            let Some(definition) = definition else { continue };
            let signs = signs(&definition.node, &mut problems);
            if !signs.is_empty() {
                rules.push(Rule { kind: kind.to_string(), name: name.to_string(), signs, listing: Listing::Entry });
            }
        }
    }
    let source = Source { name: "catalog:unlisted".to_string(), text: UNLISTED.to_string(), layer: Layer::Catalog };
    let (unlisted, found) = document::parse(sources.add(source), UNLISTED);
    problems.extend(found);
    let listed = catalog.elsewhere();
    for node in unlisted.iter().flat_map(|document| &document.nodes) {
        let Some(name) = node.text(0).filter(|name| listed.plain(name).is_none()) else { continue };
        let words = node.named("apt").flat_map(Node::arguments).filter_map(|entry| entry.value.as_str());
        let listing = Listing::Packages(words.map(str::to_string).collect());
        rules.push(Rule { kind: node.name.clone(), name: name.to_string(), signs: signs(node, &mut problems), listing });
    }
    (Rules(rules), problems)
}

/// The `detect` nodes of a definition, in written order.
pub(super) fn signs(definition: &Node, problems: &mut Problems) -> Vec<Sign> {
    let text = |node: &Node, name: &str| node.property(name).and_then(|entry| entry.value.as_str()).map(str::to_string);
    let mut signs = Vec::new();
    for node in definition.named("detect") {
        let pattern = match node.property("match") {
            None => None,
            Some(entry) => match Pattern::parse_at(entry.value.as_str().unwrap_or(""), entry.span) {
                Ok(pattern) => Some(pattern),
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            },
        };
        let read = match (text(node, "json"), text(node, "toml")) {
            (Some(path), _) => Read::Json(path),
            (None, Some(path)) => Read::Toml(path),
            (None, None) if pattern.is_some() => Read::Lines,
            (None, None) => Read::Nothing,
        };
        let files = node.arguments().filter_map(|entry| entry.value.as_str()).map(str::to_string).collect();
        signs.push(Sign { files, read, pattern, version: text(node, "version"), language: text(node, "language") });
    }
    signs
}

impl Rules {
    /// Whether a file of this path says anything at all.
    pub fn knows(&self, path: &str) -> bool {
        self.0.iter().flat_map(|rule| &rule.signs).any(|sign| sign.fits(path))
    }

    /// Whether what is in a file of this path is needed.
    pub fn reads(&self, path: &str) -> bool {
        self.0.iter().flat_map(|rule| &rule.signs).any(|sign| sign.read != Read::Nothing && sign.fits(path))
    }
}

impl Sign {
    /// Whether a file of this path is meant: by its name, or by the whole path when that is written.
    pub(super) fn fits(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.files.iter().any(|file| fits(file, if file.contains('/') { path } else { name }))
    }

    /// Whether a file of this path is meant, wherever the folder lies that the sign's own path starts from.
    pub(super) fn fits_end(&self, path: &str) -> bool {
        let starts = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
        starts.into_iter().any(|start| self.fits(&path[start..]))
    }
}

/// Whether a name fits a pattern in which `*` stands for any part of it.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
