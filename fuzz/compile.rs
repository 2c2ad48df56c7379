//! Bytes as configurations: read, formatted, checked, mended, merged, held against their contracts, decoded, trusted, locked with made-up
//! answers, planned, printed. Nothing may panic, hang or grow without bound; what is formatted or shown means what it meant; and a Dockerfile
//! holds the instructions of its plan and no others.
//!
//! An input is up to five files, between which stands a byte 0x1f; their layers are those of [`LAYERS`], and the first imports the last.
#![no_main]
#![allow(missing_docs)]

#[path = "../tests/support/answers.rs"]
#[allow(dead_code)]
mod answers;
#[path = "../tests/support/dockerfile.rs"]
#[allow(dead_code)]
mod dockerfile;

use libfuzzer_sys::fuzz_target;
use silo::catalog::Catalog;
use silo::contract;
use silo::document::{self, FormatError};
use silo::emit;
use silo::identity::identify;
use silo::layers::{self, Facts, File};
use silo::lock;
use silo::plan::{self, Target, Tree};
use silo::problem::{Problems, RenderOptions, render};
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, SourceId, Sources};
use silo::spec::decode::decode;
use silo::trust::{self, CommandLine};

const LAYERS: [Layer; 5] = [Layer::Project(4), Layer::User, Layer::Local(4), Layer::CommandLine, Layer::Project(4)];

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        compile(text);
    }
});

fn compile(text: &str) {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let mut files: Vec<File> = Vec::new();
    for (index, (text, layer)) in text.split('\u{1f}').zip(LAYERS).enumerate() {
        let id = sources.add(Source { name: format!("{index}.kdl"), text: text.into(), layer });
        let (document, found) = document::parse(id, text);
        problems.extend(found);
        let Some(document) = document else { continue };
        formatted(id, text);
        problems.extend(schema::check(&document, FileKind::Configuration));
        files.push(File::new(layer, document));
    }
    if let [first, .., last] = files.as_slice()
        && first.layer == last.layer
    {
        let last = files.len() - 1;
        files[0].imports.push(last);
    }
    let facts = Facts { os: "linux".into(), arch: "amd64".into(), repo: Some("github.com/acme/api".into()), ..Facts::default() };
    let (layered, found) = layers::merge(&files, &facts);
    problems.extend_new(found);
    problems.extend_new(contract::check(&layered.nodes));
    let broken = problems.has_errors();
    let (catalog, found) = Catalog::new(&layered.nodes);
    problems.extend_new(found);
    let (spec, found) = decode(&layered.nodes, &catalog, &mut sources);
    problems.extend_new(found);
    let told = render(&problems, &sources, RenderOptions { width: 80, color: false, unicode: true });
    assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "a message commands the terminal: {told:?}");
    document::mend(&problems, &sources, |_| true);
    if !broken {
        // What is shown is read again as the same.
        let shown = layers::print_with_sources(&layered, &sources);
        if shown.len() <= document::MAX_BYTES {
            let id = sources.add(Source { name: "shown".into(), text: shown.clone(), layer: Layer::Project(4) });
            let again = document::parse(id, &shown).0.expect("what is shown is KDL");
            assert_eq!(document::print(&again.nodes), document::print(&layered.nodes), "{shown}");
        }
    }
    let Some(spec) = spec.filter(|_| !problems.has_errors()) else { return };
    let own = CommandLine::default();
    trust::warnings(&trust::requests(&spec, &own, &sources), &sources);
    trust::withhold(&spec.run, &own);
    let pins = answers::lock(&spec.image);
    let written = pins.print();
    let id = sources.add(Source { name: "silo.lock".into(), text: written.clone(), layer: Layer::Project(4) });
    let (read, found) = lock::parse(id, &written);
    assert!(read.is_some() && !found.has_errors(), "silo cannot read its own lock: {found:?}\n{written}");
    let (locked, found) = lock::apply(&spec.image, &pins);
    let Some(locked) = locked.filter(|_| !found.has_errors()) else { return };
    let trees = plan::sources(&locked).into_iter().map(|source| (source, Tree::new())).collect();
    let agents = spec.image.agents.iter().map(|agent| Target::Agent(agent.name().clone()));
    for target in agents.chain([Target::Environment]).take(2) {
        let (Some(plan), _) = plan::plan(&locked, &target, &trees) else { continue };
        let text = emit::dockerfile(&plan);
        assert_eq!(dockerfile::instructions(&text), dockerfile::planned(&plan), "{text}");
        assert_eq!(identify(&plan), identify(&plan.clone()));
        emit::outline(&plan, &sources);
    }
}

/// Formatting changes no meaning, which the formatter sees to itself, and formatting again changes nothing.
fn formatted(id: SourceId, text: &str) {
    match document::format(id, text) {
        Ok(once) => assert_eq!(document::format(id, &once).as_ref(), Ok(&once), "{text}"),
        Err(FormatError::Problems(problems)) => assert!(problems.has_errors(), "{text}"),
        Err(FormatError::Unfaithful) => panic!("formatted, this means something else:\n{text}"),
    }
}
