//! The catalog: what silo knows of distributions, languages, tools, servers and agents.
//!
//! It is data: one file an entry under `images/`, in the language that users write, put into the program by `build.rs`. A configuration's
//! own `define` nodes stand beside them. An entry is read when somebody asks for it, so a start costs what it uses.

mod extend;
mod names;

use std::collections::BTreeMap;

use crate::document::{self, Node};
use crate::problem::{Code, Problem, Problems};
use crate::schema::nearest;
use crate::source::{Layer, Source, SourceId, Sources, Span};

pub use names::Names;

/// `kind/name` and text of every built-in entry, sorted.
static ENTRIES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// The built-in entries and a configuration's own definitions.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    own: BTreeMap<(String, String), Node>,
}

/// One definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its `define` node.
    pub node: Node,
    /// Where its kind and name stand.
    pub span: Span,
}

impl Definition {
    /// Its `install` blocks in written order, those under conditions among them; of several with one name the first.
    pub fn installs(&self) -> Vec<&Node> {
        let mut found: Vec<&Node> = Vec::new();
        let mut open: Vec<&Node> = self.node.children().iter().rev().collect();
        while let Some(node) = open.pop() {
            if node.name == "when" {
                open.extend(node.children().iter().rev());
            } else if node.name == "install" && !found.iter().any(|known| known.text(0) == node.text(0)) {
                found.push(node);
            }
        }
        found
    }
}

impl Catalog {
    /// The built-in entries alone.
    pub fn builtin() -> Catalog {
        Catalog::default()
    }

    /// The built-in entries with the `define` nodes among the given ones. A definition that has a built-in one's name must be
    /// `(replace)define`, or extend another.
    pub fn new(nodes: &[Node]) -> (Catalog, Problems) {
        let mut catalog = Catalog::default();
        let mut problems = Problems::default();
        for node in nodes.iter().filter(|node| node.name == "define") {
            let (Some(kind), Some(name)) = (node.text(0), node.text(1)) else { continue };
            if builtin(kind, name).is_some() && !replaces(node) && node.property("extends").is_none() {
                problems.push(
                    Problem::new(Code::Redefinition, format!("{kind} `{name}` is already defined by silo"))
                        .at(heading(node), "second definition")
                        .help(format!("write `(replace)define {kind} {name}` to put it in the place of silo's, `define {kind} {name} extends={name}` to change parts of it, or choose another name")),
                );
            }
            catalog.own.insert((kind.to_string(), name.to_string()), node.clone());
        }
        problems.extend(catalog.check_extensions());
        (catalog, problems)
    }

    /// What is extended exists, and nothing extends itself by way of others.
    fn check_extensions(&self) -> Problems {
        let mut problems = Problems::default();
        let mut circular: Vec<&str> = Vec::new();
        for ((kind, name), node) in &self.own {
            let Some((extended, entry)) = extension(node) else { continue };
            let exists = if extended == name { builtin(kind, name).is_some() } else { self.names(kind).contains(&extended) };
            if !exists {
                let help = match nearest(extended, self.names(kind).into_iter().filter(|other| *other != name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("`silo catalog` lists them, and `define {kind} {extended} {{ … }}` adds one"),
                };
                let what = if extended == name { "built into silo" } else { "to extend" };
                let message = format!("there is no {kind} `{extended}` {what}");
                problems.push(Problem::new(Code::UnknownDefinition, message).at(entry, "").help(help));
                continue;
            }
            let mut hops = Vec::new();
            let mut at = (name.as_str(), node);
            while let Some((next, span)) = extension(at.1).filter(|(next, _)| *next != at.0 && hops.len() <= self.own.len()) {
                hops.push((at.0, next, span));
                let Some(node) = self.own.get(&(kind.clone(), next.to_string())) else { break };
                if next == name {
                    break;
                }
                at = (next, node);
            }
            if hops.last().is_none_or(|(_, last, _)| last != name) || circular.contains(&name.as_str()) {
                continue;
            }
            let mut problem = Problem::new(Code::DefinitionCycle, format!("{kind} `{name}` extends itself"));
            for (from, to, span) in hops {
                problem = problem.at(span, format!("`{from}` extends `{to}`"));
                circular.push(to);
            }
            problems.push(problem.help("take one of these `extends=` out"));
        }
        problems
    }

    /// The names of a kind's entries, sorted.
    pub fn names(&self, kind: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self.own.keys().filter(|(of, _)| of == kind).map(|(_, name)| name.as_str()).collect();
        names.extend(entries().filter(|(of, _, _)| *of == kind).map(|(_, name, _)| name));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The configuration's own definitions, sorted by kind and name.
    pub fn own(&self) -> impl Iterator<Item = Definition> {
        self.own.values().map(|node| Definition { node: node.clone(), span: heading(node) })
    }

    /// A definition, with what it extends. A built-in one is read now, and its text added to the sources as `catalog:kind/name`, once.
    ///
    /// The problems are those of a removal that finds nothing in what is extended, and of a text that does not parse, which the tests of the
    /// catalog rule out.
    pub fn get(&self, kind: &str, name: &str, sources: &mut Sources) -> (Option<Definition>, Problems) {
        let mut problems = Problems::default();
        let mut chain: Vec<Node> = Vec::new();
        // The next one's name, and whether one of the configuration's own is meant; its own name means the built-in one.
        let mut next = Some((name.to_string(), true));
        while let Some((name, own)) = next.take() {
            let found = self.own.get(&(kind.to_string(), name.clone())).filter(|_| own);
            let node = match found {
                Some(node) => Some(node.clone()),
                None => {
                    let (node, found) = read(kind, &name, sources);
                    problems.extend(found);
                    node
                }
            };
            let Some(node) = node else { break };
            if found.is_some() && chain.len() <= self.own.len() {
                next = extension(&node).map(|(extended, _)| (extended.to_string(), extended != name));
            }
            chain.push(node);
        }
        let span = chain.first().map(heading);
        let node = chain.into_iter().rev().reduce(|extended, own| {
            let (node, found) = extend::extend(&own, &extended);
            problems.extend(found);
            node
        });
        (node.zip(span).map(|(node, span)| Definition { node, span }), problems)
    }
}

/// The name that a definition extends, and where that stands.
fn extension(node: &Node) -> Option<(&str, Span)> {
    let entry = node.property("extends")?;
    Some((entry.value.as_str()?, entry.span))
}

/// Reads a built-in entry.
fn read(kind: &str, name: &str, sources: &mut Sources) -> (Option<Node>, Problems) {
    let Some(text) = builtin(kind, name) else { return (None, Problems::default()) };
    let id = source(format!("catalog:{}", path(kind, name)), text, sources);
    let (document, problems) = document::parse(id, text);
    let defines = |node: &Node| node.name == "define" && node.text(0) == Some(kind) && node.text(1) == Some(name);
    (document.and_then(|document| document.nodes.into_iter().find(defines)), problems)
}

/// Kind, name and text of every built-in entry, in the order of kind and name.
pub fn entries() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    ENTRIES.iter().filter_map(|(path, text)| {
        let (folder, name) = path.split_once('/').filter(|_| !path.starts_with(STACKS))?;
        Some((if folder == BUILD_FOLDER { BUILD_KIND } else { folder }, name, *text))
    })
}

/// The names of the built-in files that an `import "catalog:…"` can ask for, sorted.
pub fn stacks() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|(path, _)| *path).filter(|path| path.starts_with(STACKS))
}

/// The text of such a file.
pub fn stack(name: &str) -> Option<&'static str> {
    let index = ENTRIES.binary_search_by(|(other, _)| (*other).cmp(name)).ok()?;
    name.starts_with(STACKS).then(|| ENTRIES[index].1)
}

/// Whether silo's own catalog is one that a requirement such as `0.1` or `0.1.0` means: its version begins like that.
pub fn is_version(wanted: &str) -> bool {
    let own = env!("CARGO_PKG_VERSION");
    own == wanted || own.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
}

/// The folder of files to import, which hold no definitions.
const STACKS: &str = "stack/";

/// The kinds of definitions, in the order in which people read about them.
pub const KINDS: [&str; 7] = ["base", "language", "tool", "lsp", "mcp", "agent", BUILD_KIND];

/// Where the files of an `install` block come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Supply {
    /// Package registries and the distribution's archive alone.
    Registries,
    /// A site of the vendor's, or one that publishes for many.
    Vendor,
}

/// What an `install` block needs to be reached: it says so by its steps. A script may fetch anything.
pub fn supply(install: &Node) -> Supply {
    let steps = install.children().iter().any(|step| matches!(step.name.as_str(), "download" | "run"));
    if steps { Supply::Vendor } else { Supply::Registries }
}

/// Whether none of an entry's sources does without a vendor's site. A server that is somewhere else, or a base, has no sources.
pub fn needs_a_vendor(kind: &str, name: &str) -> bool {
    let Some(definition) = Catalog::builtin().get(kind, name, &mut Sources::default()).0 else { return false };
    let installs = definition.installs();
    !installs.is_empty() && installs.into_iter().all(|install| supply(install) == Supply::Vendor)
}

/// `docs/catalog.md`: every built-in entry with its sources.
pub fn reference() -> String {
    let mut sources = Sources::default();
    let mut text = String::from(concat!(
        "# The catalog\n\n",
        "Generated from `images/`; `SILO_BLESS=1 cargo test --test main catalog::` writes it anew. Every entry is a file in the language of `silo.kdl`,\n",
        "and a `define` of yours stands beside them with the same rights. The first source is the preferred one; `source=` chooses another.\n\n",
        "A source in **bold** needs nothing but package registries and the distribution's archive. The others download from a vendor's site; most of\n",
        "those have no list of versions, so they are used where an exact version is asked for. A `remote` server is somewhere else: nothing is installed.\n\n",
        "What came of installing each entry alone is in [catalog-report.md](catalog-report.md).\n",
    ));
    let catalog = Catalog::builtin();
    for kind in KINDS {
        let names = catalog.names(kind);
        text.push_str(&format!(
            "\n## {kind}\n\n{} entries.\n\n| name | what it is | {} |\n|---|---|---|\n",
            names.len(),
            if kind == "base" { "releases" } else { "sources" }
        ));
        for name in names {
            let Some(definition) = catalog.get(kind, name, &mut sources).0 else { continue };
            let doc = definition.node.named("doc").next().and_then(|doc| doc.text(0)).unwrap_or("");
            let words = |node: &Node| node.arguments().filter_map(|entry| entry.value.as_str()).collect::<Vec<_>>().join(" = ");
            let mut list: Vec<String> = definition.node.named("suite").map(words).collect();
            list.extend(definition.installs().into_iter().map(|install| match supply(install) {
                Supply::Registries => format!("**{}**", words(install)),
                Supply::Vendor => words(install),
            }));
            list.extend(definition.node.named("url").filter_map(|url| url.text(0)).map(|url| format!("remote: <{url}>")));
            text.push_str(&format!("| `{name}` | {doc} | {} |\n", list.join(", ")));
        }
    }
    text
}

/// What the build stages use lies in a folder of its own, apart from what an image can hold.
const BUILD_FOLDER: &str = "build";
const BUILD_KIND: &str = "client";

fn path(kind: &str, name: &str) -> String {
    format!("{}/{name}", if kind == BUILD_KIND { BUILD_FOLDER } else { kind })
}

fn builtin(kind: &str, name: &str) -> Option<&'static str> {
    let path = path(kind, name);
    let index = ENTRIES.binary_search_by(|(other, _)| (*other).cmp(path.as_str())).ok()?;
    Some(ENTRIES[index].1)
}

/// The handle of an entry's text, which is added only once.
fn source(name: String, text: &str, sources: &mut Sources) -> SourceId {
    let known = sources.iter().find(|(_, source)| source.layer == Layer::Catalog && source.name == name).map(|(id, _)| id);
    known.unwrap_or_else(|| sources.add(Source { name, text: text.to_string(), layer: Layer::Catalog }))
}

fn replaces(node: &Node) -> bool {
    node.annotation.as_ref().is_some_and(|annotation| annotation.text.split(',').any(|word| word.trim() == "replace"))
}

/// From the node's name to its last argument: what a label underlines.
fn heading(node: &Node) -> Span {
    let end = node.arguments().last().map_or(node.name_span.end, |entry| entry.span.end);
    Span { end: end.max(node.name_span.end), ..node.name_span }
}
