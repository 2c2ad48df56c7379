//! How long compiling takes: from text to identity, all of `examples/polyglot` with its committed lock. The bar is 10 ms.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a benchmark reads its input, and criterion's macros make functions")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use silo::catalog::Catalog;
use silo::document;
use silo::emit;
use silo::identity::{Identity, identify};
use silo::layers::{self, File};
use silo::lock::{self, Lock};
use silo::plan::{self, Files, Target};
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, Sources};
use silo::spec::Spec;
use silo::spec::decode::decode;

const CONFIGURATION: &str = include_str!("../examples/polyglot/silo.kdl");
const LOCK: &str = include_str!("../examples/polyglot/silo.lock");

fn read(sources: &mut Sources, name: &str, text: &str) -> silo::source::SourceId {
    sources.add(Source { name: name.to_string(), text: text.to_string(), layer: Layer::Project(0) })
}

fn spec(sources: &mut Sources) -> Spec {
    let id = read(sources, "silo.kdl", CONFIGURATION);
    let (document, problems) = document::parse(id, CONFIGURATION);
    assert!(problems.is_empty(), "{problems:?}");
    let document = document.expect("the example parses");
    let problems = schema::check(&document, FileKind::Configuration);
    assert!(problems.is_empty(), "{problems:?}");
    let (layered, problems) = layers::merge(&[File::new(Layer::Project(0), document)], &layers::Facts::default());
    assert!(problems.is_empty(), "{problems:?}");
    let (catalog, problems) = Catalog::new(&layered.nodes);
    assert!(problems.is_empty(), "{problems:?}");
    let (spec, problems) = decode(&layered.nodes, &catalog, sources);
    spec.unwrap_or_else(|| panic!("{problems:?}"))
}

fn lock(sources: &mut Sources) -> Lock {
    let (lock, problems) = lock::parse(read(sources, "silo.lock", LOCK), LOCK);
    lock.unwrap_or_else(|| panic!("{problems:?}"))
}

fn identity(spec: &Spec, lock: &Lock, agents: usize) -> Vec<Identity> {
    let (locked, problems) = lock::apply(&spec.image, lock);
    let locked = locked.unwrap_or_else(|| panic!("{problems:?}"));
    spec.image
        .agents
        .iter()
        .take(agents)
        .map(|agent| {
            let (plan, problems) = plan::plan(&locked, &Target::Agent(agent.name().clone()), &Files::new());
            let plan = plan.unwrap_or_else(|| panic!("{problems:?}"));
            identify(&plan)
        })
        .collect()
}

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("polyglot");
    group.bench_function("one agent: text to identity", |bencher| {
        bencher.iter(|| {
            let mut sources = Sources::default();
            let spec = spec(&mut sources);
            let lock = lock(&mut sources);
            black_box(identity(&spec, &lock, 1))
        });
    });
    group.bench_function("all agents: text to identity", |bencher| {
        bencher.iter(|| {
            let mut sources = Sources::default();
            let spec = spec(&mut sources);
            let lock = lock(&mut sources);
            black_box(identity(&spec, &lock, usize::MAX))
        });
    });
    group.bench_function("text to spec", |bencher| bencher.iter(|| black_box(spec(&mut Sources::default()))));
    group.bench_function("reading the lock", |bencher| bencher.iter(|| black_box(lock(&mut Sources::default()))));
    let mut sources = Sources::default();
    let (spec, lock) = (spec(&mut sources), lock(&mut sources));
    group.bench_function("spec and lock to identity", |bencher| bencher.iter(|| black_box(identity(&spec, &lock, 1))));
    let (locked, _) = lock::apply(&spec.image, &lock);
    let target = Target::Agent(spec.image.agents[0].name().clone());
    let (plan, _) = plan::plan(&locked.expect("the lock fits"), &target, &Files::new());
    let plan = plan.expect("the example plans");
    group.bench_function("plan to Dockerfile", |bencher| bencher.iter(|| black_box(emit::dockerfile(&plan))));
    group.finish();
}

criterion_group!(benches, compile);
criterion_main!(benches);
