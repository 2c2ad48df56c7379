//! Modules of Go: what a proxy says of them, the build list that follows from it, and their checksums.
//!
//! [`resolve`] never fetches anything: while it lacks a document it returns what it needs ([`Unsolved::Need`]). Source: go.dev/ref/mod.

mod file;
mod graph;
mod sum;
mod tag;

pub use file::GoMod;
pub use sum::{line, published};
pub use tag::{compare, escaped, is_among, is_path, is_tag};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::graph::Graph;
use self::tag::{begins, candidates, is_exact};
use super::time::{Cutoff, Time};
use super::version::{Request, nearest};

/// How many versions are looked at at once, when the newest does not do.
const AT_ONCE: usize = 8;

/// A version of a module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Module {
    /// Its path: `golang.org/x/tools`.
    pub path: String,
    /// Its version as Go writes it: `v0.20.0`.
    pub version: String,
}

impl Module {
    /// Of a path and a version.
    pub fn new(path: &str, version: &str) -> Module {
        Module { path: path.to_string(), version: version.to_string() }
    }
}

/// What the proxy said so far.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// The versions of modules by path; `None` when there is no such module.
    pub lists: BTreeMap<String, Option<Vec<String>>>,
    /// The newest version of modules that list none: then it stands for a commit.
    pub latest: BTreeMap<String, Option<Version>>,
    /// Versions of modules; `None` when there is no such version.
    pub infos: BTreeMap<Module, Option<Version>>,
    /// What modules need; `None` when there is no such version.
    pub files: BTreeMap<Module, Option<GoMod>>,
}

/// What a proxy says of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The version.
    pub name: String,
    /// When it was made, where the proxy says it.
    pub time: Option<Time>,
}

impl Version {
    /// Reads the JSON document of a version; `None` when it is none.
    pub fn parse(document: &[u8]) -> Option<Version> {
        let document: Value = serde_json::from_slice(document).ok()?;
        let name = document["Version"].as_str().filter(|name| is_tag(name))?;
        Some(Version { name: name.to_string(), time: document["Time"].as_str().and_then(Time::parse) })
    }
}

/// Something that has to be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The versions of a module, by its path.
    List(String),
    /// The newest version of a module, by its path.
    Latest(String),
    /// One version of a module.
    Info(Module),
    /// The `go.mod` of a version of a module.
    File(Module),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsolved {
    /// This has to be asked first.
    Need(BTreeSet<Need>),
    /// It cannot be solved; one sentence for each reason.
    Failed(Vec<String>),
}

impl Unsolved {
    fn need(need: Need) -> Unsolved {
        Unsolved::Need(BTreeSet::from([need]))
    }

    fn failed(reason: String) -> Unsolved {
        Unsolved::Failed(vec![reason])
    }
}

/// A package that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// Its path: `golang.org/x/tools/cmd/goimports`.
    pub package: String,
    /// The version of its module, as people write it.
    pub request: String,
}

/// What versions are chosen for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The version of the tool chain that compiles them, `1.25.3`; `None` when it is not known. Of `1.24` nobody knows the third number.
    pub toolchain: Option<String>,
    /// Which versions are old enough.
    pub cutoff: Cutoff,
}

/// A module that is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// Whether its packages can be in the program; of the others only what they need counts.
    pub source: bool,
    /// Whether a package of it was asked for.
    pub main: bool,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solution {
    /// The module of every package that was asked for, by the package.
    pub roots: BTreeMap<String, Module>,
    /// When those were made, where the proxy says it.
    pub released: BTreeMap<String, Time>,
    /// Every module that is needed.
    pub modules: BTreeMap<Module, Needed>,
}

/// Chooses a version of the module of every package that is asked for, and all modules that a build of it reads. Each package is built by
/// itself, as `go install PACKAGE@VERSION` does, so a module may be there in several versions.
pub fn resolve(roots: &[Root], target: &Target, registry: &Registry) -> Result<Solution, Unsolved> {
    let (mut solution, mut need, mut failures) = (Solution::default(), BTreeSet::new(), Vec::new());
    for root in roots {
        match one(root, target, registry) {
            Ok((main, time, graph)) => {
                let other = solution.roots.values().find(|other| other.path == main.path && other.version != main.version);
                if let Some(other) = other {
                    let (one, two) = (bare(&other.version), bare(&main.version));
                    failures.push(format!(
                        "{} is asked for in two versions, {one} and {two}: put them into definitions of their own",
                        main.path
                    ));
                    continue;
                }
                solution.roots.insert(root.package.clone(), main.clone());
                solution.released.extend(time.map(|time| (root.package.clone(), time)));
                for (module, source) in graph.modules {
                    let known = solution.modules.entry(module).or_insert(Needed { source: false, main: false });
                    known.source |= source;
                }
                solution.modules.insert(main, Needed { source: true, main: true });
            }
            Err(Unsolved::Need(more)) => need.extend(more),
            Err(Unsolved::Failed(reasons)) => failures.extend(reasons),
        }
    }
    match (failures.is_empty(), need.is_empty()) {
        (false, _) => Err(Unsolved::Failed(failures)),
        (true, false) => Err(Unsolved::Need(need)),
        (true, true) => Ok(solution),
    }
}

/// The module of a package, when that was made, and what it needs.
fn one(root: &Root, target: &Target, registry: &Registry) -> Result<(Module, Option<Time>, Graph), Unsolved> {
    let request = Request::parse(&root.request);
    if let Request::Word(word) = &request {
        let help = "write a version such as `1.2.3`, a beginning, a range or `latest`: branches are no versions, since they move";
        return Err(Unsolved::failed(format!("{}: `{word}` is not a version of a module; {help}", root.package)));
    }
    let (path, listed) = module(root, &request, registry)?;
    // What is written out is taken however young it is, and even if its makers took it back.
    if let Some(version) = is_exact(&request, &listed) {
        let module = Module::new(path, &version);
        let time = match registry.infos.get(&module) {
            None => return Err(Unsolved::need(Need::Info(module))),
            Some(info) => info.as_ref().and_then(|info| info.time),
        };
        let file = known_file(&module, registry)?;
        installable(&module, file)?;
        let graph = graph::load(&module, registry)?;
        if let Some((needs, line)) = too_new(&module, file, &graph, target, registry) {
            let here = target.toolchain.as_deref().unwrap_or_default();
            let help =
                format!("ask for an older version of {path}, or put a newer client in its place with `(replace)define client go {{ … }}`");
            return Err(Unsolved::failed(format!("{needs} needs Go {line}, and the client that builds it is Go {here}; {help}")));
        }
        return Ok((module, time, graph));
    }
    let newest = newest(path, &listed, registry)?;
    let retracted = known_file(&Module::new(path, &newest), registry)?;
    let fitting: Vec<String> = match (&request, listed.is_empty()) {
        // Nothing has a tag: the newest commit is the only version.
        (Request::Latest(_), true) => vec![newest.clone()],
        (_, _) => candidates(&request, &listed),
    };
    let sound: Vec<&String> = fitting.iter().filter(|version| !retracted.retracts(version)).collect();
    if sound.is_empty() {
        let known: Vec<&str> = listed.iter().map(|version| bare(version)).collect();
        return Err(Unsolved::failed(match fitting.first() {
            Some(version) => format!("of {path} every version that fits `{}` was retracted, {} among them", request.text(), bare(version)),
            None => format!("of {path} {}", nearest(request.text(), &known, &[])),
        }));
    }
    let (mut refusal, mut wanted) = (None, None);
    let mut seen = 0;
    while let Some(version) = sound.get(seen) {
        let module = Module::new(path, version);
        // The next ones are asked about together: most often the first one does.
        let batch = sound.iter().skip(seen).take(if seen == 0 { 1 } else { AT_ONCE }).map(|version| Module::new(path, version));
        let lacking: BTreeSet<Need> = batch
            .flat_map(|module| {
                let info = (!registry.infos.contains_key(&module)).then(|| Need::Info(module.clone()));
                let file = (!registry.files.contains_key(&module)).then_some(Need::File(module));
                info.into_iter().chain(file)
            })
            .collect();
        let asked = !registry.infos.contains_key(&module) || !registry.files.contains_key(&module);
        if asked {
            return Err(Unsolved::Need(lacking));
        }
        seen += 1;
        let time = registry.infos.get(&module).and_then(Option::as_ref).and_then(|info| info.time);
        if !target.cutoff.allows(time) {
            refusal = refusal.or_else(|| time.map(|time| target.cutoff.refusal(path, bare(version), time)));
            continue;
        }
        let file = known_file(&module, registry)?;
        if let Some(line) = file.go.as_deref().filter(|line| !builds(target, line)) {
            wanted = wanted.or_else(|| Some((format!("{path} {}", bare(version)), line.to_string())));
            continue;
        }
        installable(&module, file)?;
        let graph = graph::load(&module, registry)?;
        match too_new(&module, file, &graph, target, registry) {
            Some(found) => wanted = wanted.or(Some(found)),
            None => return Ok((module, time, graph)),
        }
    }
    Err(Unsolved::failed(match (wanted, refusal) {
        (Some((needs, line)), _) => {
            let here = target.toolchain.as_deref().unwrap_or_default();
            format!("no version of {path} that fits can be built with the client, Go {here}: {needs} needs Go {line}")
        }
        (None, Some(reason)) => reason,
        (None, None) => format!("of {path} no version fits `{}`", request.text()),
    }))
}

/// The module of a package: the longest beginning of its path that is one, and has the version when one is written out. With the versions
/// that it lists.
fn module<'r>(root: &'r Root, request: &Request, registry: &Registry) -> Result<(&'r str, Vec<String>), Unsolved> {
    let mut other: Option<(&str, Vec<String>)> = None;
    for path in begins(&root.package) {
        let Some(listed) = registry.lists.get(path) else {
            return Err(Unsolved::need(Need::List(path.to_string())));
        };
        let listed = listed.clone().unwrap_or_default();
        let there = match is_exact(request, &listed) {
            Some(version) if listed.contains(&version) => true,
            Some(version) => {
                let module = Module::new(path, &version);
                match registry.infos.get(&module) {
                    None => return Err(Unsolved::need(Need::Info(module))),
                    Some(info) => info.is_some(),
                }
            }
            None if !listed.is_empty() => true,
            None => match registry.latest.get(path) {
                None => return Err(Unsolved::need(Need::Latest(path.to_string()))),
                Some(latest) => latest.is_some(),
            },
        };
        if there {
            return Ok((path, listed));
        }
        if other.is_none() && !listed.is_empty() {
            other = Some((path, listed));
        }
    }
    Err(Unsolved::failed(match other {
        Some((path, listed)) => {
            let known: Vec<&str> = listed.iter().map(|version| bare(version)).collect();
            format!("of {path} {}", nearest(request.text(), &known, &[]))
        }
        None => format!("the proxy of Go modules has no module for {}", root.package),
    }))
}

/// The version that says which versions were taken back: the newest release, else the newest of all.
fn newest(path: &str, listed: &[String], registry: &Registry) -> Result<String, Unsolved> {
    let all = Request::Latest(String::new());
    match candidates(&all, listed).into_iter().next() {
        Some(version) => Ok(version),
        None => match registry.latest.get(path) {
            None => Err(Unsolved::need(Need::Latest(path.to_string()))),
            Some(None) => Err(Unsolved::failed(format!("the proxy of Go modules has no version of {path}"))),
            Some(Some(latest)) => Ok(latest.name.clone()),
        },
    }
}

fn known_file<'r>(module: &Module, registry: &'r Registry) -> Result<&'r GoMod, Unsolved> {
    match registry.files.get(module) {
        None => Err(Unsolved::need(Need::File(module.clone()))),
        Some(None) => Err(Unsolved::failed(format!("the proxy of Go modules has no go.mod of {} {}", module.path, bare(&module.version)))),
        Some(Some(file)) => Ok(file),
    }
}

/// What `go install PACKAGE@VERSION` refuses: what would mean something else if the module were built at home. Source: go.dev/ref/mod, "go install".
fn installable(module: &Module, file: &GoMod) -> Result<(), Unsolved> {
    let word = match (file.replaces, file.excludes) {
        (true, _) => "replace",
        (false, true) => "exclude",
        (false, false) => return Ok(()),
    };
    let name = format!("{} {}", module.path, bare(&module.version));
    Err(Unsolved::failed(format!("the go.mod of {name} has a `{word}` directive, with which Go installs nothing that is not checked out")))
}

/// What needs a newer tool chain than there is, and which.
fn too_new(main: &Module, file: &GoMod, graph: &Graph, target: &Target, registry: &Registry) -> Option<(String, String)> {
    let of = |module: &Module, file: &GoMod| {
        let line = file.go.as_deref().filter(|line| !builds(target, line))?;
        Some((format!("{} {}", module.path, bare(&module.version)), line.to_string()))
    };
    // Also of those that are not compiled: Go itself compares the `go` line of every file that it reads.
    of(main, file).or_else(|| graph.modules.keys().find_map(|module| of(module, registry.files.get(module)?.as_ref()?)))
}

/// Whether the tool chain understands what a `go` line asks for.
fn builds(target: &Target, line: &str) -> bool {
    let Some(toolchain) = &target.toolchain else { return true };
    // `1.21` of a module means the language, and `1.21.0` the first release of it.
    let line = if line.matches('.').count() > 1 { line.strip_suffix(".0").unwrap_or(line) } else { line };
    super::version::compare(line, toolchain).is_le()
}

/// A version as people write it, without its `v`.
pub fn bare(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}
