//! Which modules a build of one module's packages reads: minimal version selection over its requirements.
//!
//! Go reads, with the module's own `go.mod`, those of everything that it lists, and of those that are older than Go 1.17 everything that
//! they need in turn, in the versions that are written there. For each path the newest of all versions that are asked for is built. Source:
//! go.dev/ref/mod, "Minimal version selection" and "Module graph pruning".

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::tag::compare;
use super::{Module, Need, Registry, Unsolved, known_file};

/// Every module whose `go.mod` is read, and whether its packages can be in the program.
pub(super) struct Graph {
    pub(super) modules: BTreeMap<Module, bool>,
}

/// The graph of a module's build list.
pub(super) fn load(main: &Module, registry: &Registry) -> Result<Graph, Unsolved> {
    let file = known_file(main, registry)?;
    let mut roots: BTreeMap<String, String> = BTreeMap::new();
    for Module { path, version } in &file.requires {
        raise(&mut roots, path, version);
    }
    roots.remove(&main.path);
    loop {
        let (read, selected) = reach(main, &roots, file.is_complete(), registry)?;
        // What is built is the newest that anything asks for, and its own requirements count too.
        let newer: Vec<(String, String)> = roots
            .iter()
            .filter_map(|(path, version)| Some((path.clone(), selected.get(path).filter(|newest| *newest != version)?.clone())))
            .collect();
        if !newer.is_empty() {
            roots.extend(newer);
            continue;
        }
        let is_source = |module: &Module| {
            let built = selected.get(&module.path) == Some(&module.version);
            module == main || built && (!file.is_complete() || roots.contains_key(&module.path))
        };
        let modules = read.into_iter().map(|module| (module.clone(), is_source(&module))).collect();
        return Ok(Graph { modules });
    }
}

/// Reads what some roots need. Returns all modules whose `go.mod` is read, and the newest version of each path that is asked for.
fn reach(
    main: &Module,
    roots: &BTreeMap<String, String>,
    complete: bool,
    registry: &Registry,
) -> Result<(BTreeSet<Module>, BTreeMap<String, String>), Unsolved> {
    let mut need = BTreeSet::new();
    let mut selected = BTreeMap::from([(main.path.clone(), main.version.clone())]);
    let mut read = BTreeSet::from([main.clone()]);
    // A module may be reached first by one that lists everything, and again by one that does not.
    let mut whole: BTreeSet<Module> = BTreeSet::new();
    let mut queue: VecDeque<(Module, bool)> = roots.iter().map(|(path, version)| (Module::new(path, version), !complete)).collect();
    while let Some((module, deep)) = queue.pop_front() {
        if module.path != main.path {
            raise(&mut selected, &module.path, &module.version);
        }
        let again = deep && whole.insert(module.clone());
        if !read.insert(module.clone()) && !again {
            continue;
        }
        let Some(known) = registry.files.get(&module) else {
            need.insert(Need::File(module));
            continue;
        };
        let Some(file) = known else {
            let Module { path, version } = module;
            return Err(Unsolved::failed(format!(
                "the proxy of Go modules has no go.mod of {path} {}, which {} needs",
                super::bare(&version),
                main.path
            )));
        };
        let deep = deep || !file.is_complete();
        for needed in &file.requires {
            if needed.path == main.path {
                continue;
            }
            raise(&mut selected, &needed.path, &needed.version);
            if deep {
                queue.push_back((needed.clone(), true));
            }
        }
    }
    if need.is_empty() { Ok((read, selected)) } else { Err(Unsolved::Need(need)) }
}

fn raise(versions: &mut BTreeMap<String, String>, path: &str, version: &str) {
    let known = versions.entry(path.to_string()).or_insert_with(|| version.to_string());
    if compare(known, version).is_lt() {
        *known = version.to_string();
    }
}
