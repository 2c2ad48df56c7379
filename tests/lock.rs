//! The lock: its text, its state, the resolvers, and looking things up for real.

mod age;
mod apt;
pub mod bootstrap;
mod cache;
mod crates;
mod edges;
mod go;
mod index;
mod listed;
mod machines;
mod mirrors;
mod npm;
mod offline;
mod overlay;
mod packages;
mod proxy;
mod pypi;
mod registries;
mod registry;
mod server;
mod solve;
mod state;
mod text;
mod update;
mod vendor;
mod wait;

/// The program's own code: what looks things up is part of no library.
#[path = "../src/shell"]
#[allow(
    dead_code,
    unused_imports,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the shell's effects, of which the tests use some"
)]
mod shell {
    pub mod bootstrap;
    pub mod fetch;
}

use silo::catalog::Catalog;
use silo::source::{Layer, Source, Sources};
use silo::spec::ImageSpec;

/// The image of a configuration.
fn image(text: &str) -> ImageSpec {
    let mut sources = Sources::default();
    let id = sources.add(Source { name: "silo.kdl".to_string(), text: text.to_string(), layer: Layer::Project(0) });
    let (document, problems) = silo::document::parse(id, text);
    assert!(problems.is_empty(), "{problems:?}");
    let nodes = document.unwrap().nodes;
    let (catalog, problems) = Catalog::new(&nodes);
    assert!(!problems.has_errors(), "{problems:?}");
    let (spec, problems) = silo::spec::decode::decode(&nodes, &catalog, &mut sources);
    assert!(!problems.has_errors(), "{problems:?}");
    spec.unwrap().image
}
