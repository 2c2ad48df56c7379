//! The tree of packages: which version of what lies in which `node_modules`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nodejs_semver::{Range, Version};

use super::packument::Manifest;
use super::{Registry, aliased};
use crate::lock::NpmPackage;
use crate::spec::Arch;

/// A package that is asked for by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// The folder in `node_modules`.
    pub name: String,
    /// Exact version, range, dist-tag or `npm:other@…`; empty for the newest.
    pub spec: String,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Every package, sorted by path.
    pub packages: Vec<NpmPackage>,
    /// What npm would warn about: peers that do not fit.
    pub warnings: Vec<String>,
}

/// Why there is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsolved {
    /// The documents of these packages are needed.
    Need(BTreeSet<String>),
    /// It cannot be solved; one sentence for each reason.
    Failed(Vec<String>),
}

/// No real tree is deeper; packages that need each other in conflicting versions would nest for ever.
const DEPTH: usize = 40;

type Place = Vec<String>;

struct Node<'a> {
    package: String,
    version: String,
    manifest: &'a Manifest,
}

struct Edge {
    /// Where it is needed: a package's place, or the root.
    from: Place,
    name: String,
    spec: String,
    optional: bool,
    peer: bool,
}

struct Solver<'a> {
    registry: &'a Registry,
    arch: Arch,
    nodes: BTreeMap<Place, Node<'a>>,
    queue: VecDeque<Edge>,
    peers: VecDeque<Edge>,
    need: BTreeSet<String>,
    failures: BTreeSet<String>,
    warnings: BTreeSet<String>,
    dropped: BTreeSet<(Place, String)>,
}

/// Solves for each architecture, since platform packages differ. Optional packages that do not fit are left out.
pub fn resolve(roots: &BTreeMap<Arch, Vec<Root>>, registry: &Registry) -> Result<Tree, Unsolved> {
    let solved: Vec<(Arch, Result<Tree, Unsolved>)> =
        roots.iter().map(|(arch, roots)| (*arch, resolve_one(roots, *arch, registry))).collect();
    let (mut need, mut failures) = (BTreeSet::new(), BTreeSet::new());
    let mut places: BTreeMap<NpmPackage, Vec<Arch>> = BTreeMap::new();
    let mut warnings = BTreeSet::new();
    for (arch, result) in solved {
        match result {
            Err(Unsolved::Need(names)) => need.extend(names),
            Err(Unsolved::Failed(reasons)) => failures.extend(reasons),
            Ok(tree) => {
                warnings.extend(tree.warnings);
                tree.packages.into_iter().for_each(|package| places.entry(package).or_default().push(arch));
            }
        }
    }
    if !failures.is_empty() {
        return Err(Unsolved::Failed(failures.into_iter().collect()));
    }
    if !need.is_empty() {
        return Err(Unsolved::Need(need));
    }
    let mut packages: Vec<NpmPackage> = places
        .into_iter()
        .flat_map(|(package, archs)| {
            let everywhere = archs.len() == Arch::ALL.len();
            let only: Vec<Option<Arch>> = if everywhere { vec![None] } else { archs.into_iter().map(Some).collect() };
            only.into_iter().map(move |arch| NpmPackage { arch, ..package.clone() })
        })
        .collect();
    packages.sort();
    Ok(Tree { packages, warnings: warnings.into_iter().collect() })
}

fn resolve_one(roots: &[Root], arch: Arch, registry: &Registry) -> Result<Tree, Unsolved> {
    let mut solver = Solver {
        registry,
        arch,
        nodes: BTreeMap::new(),
        queue: VecDeque::new(),
        peers: VecDeque::new(),
        need: BTreeSet::new(),
        failures: BTreeSet::new(),
        warnings: BTreeSet::new(),
        dropped: BTreeSet::new(),
    };
    let mut sorted: Vec<&Root> = roots.iter().collect();
    sorted.sort();
    sorted.dedup();
    for root in &sorted {
        solver.queue.push_back(Edge { from: Vec::new(), name: root.name.clone(), spec: root.spec.clone(), optional: false, peer: false });
    }
    solver.settle();
    if !solver.failures.is_empty() {
        return Err(Unsolved::Failed(solver.failures.into_iter().collect()));
    }
    if !solver.need.is_empty() {
        return Err(Unsolved::Need(solver.need));
    }
    let mut packages = Vec::new();
    for (place, node) in &solver.nodes {
        let Some(integrity) = node.manifest.integrity() else {
            solver.failures.insert(format!("npm's registry has no checksum for {} {}", node.package, node.version));
            continue;
        };
        let folder = place.last().map(String::as_str).unwrap_or_default();
        packages.push(NpmPackage {
            path: path(place),
            arch: None,
            name: (folder != node.package).then(|| node.package.clone()),
            version: node.version.clone(),
            integrity,
            bin: node.manifest.commands(&node.package),
        });
    }
    if !solver.failures.is_empty() {
        return Err(Unsolved::Failed(solver.failures.into_iter().collect()));
    }
    packages.sort();
    Ok(Tree { packages, warnings: solver.warnings.into_iter().collect() })
}

fn path(place: &[String]) -> String {
    place.iter().map(|name| format!("node_modules/{name}")).collect::<Vec<_>>().join("/")
}

fn edges(place: &Place, manifest: &Manifest) -> Vec<Edge> {
    let edge = |name: &String, spec: &String, optional: bool, peer: bool| {
        let from = if peer { place[..place.len() - 1].to_vec() } else { place.clone() };
        Edge { from, name: name.clone(), spec: spec.clone(), optional, peer }
    };
    let Manifest { dependencies, optional_dependencies, peer_dependencies, peer_dependencies_meta, bundle_dependencies, .. } = manifest;
    let mut list = Vec::new();
    for (name, spec) in dependencies {
        if !optional_dependencies.contains_key(name) && !bundle_dependencies.contains(name) {
            list.push(edge(name, spec, false, false));
        }
    }
    for (name, spec) in optional_dependencies {
        if !bundle_dependencies.contains(name) {
            list.push(edge(name, spec, true, false));
        }
    }
    for (name, spec) in peer_dependencies {
        let known = dependencies.contains_key(name) || bundle_dependencies.contains(name);
        if !known && !peer_dependencies_meta.contains(name) {
            list.push(edge(name, spec, false, true));
        }
    }
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list
}

impl<'a> Solver<'a> {
    /// Places everything; afterwards every package finds what it needs.
    fn settle(&mut self) {
        loop {
            while let Some(edge) = self.queue.pop_front().or_else(|| self.peers.pop_front()) {
                self.follow(edge);
            }
            if !self.need.is_empty() || !self.failures.is_empty() {
                return;
            }
            // A package that was placed later may hide from another one what it had found further up.
            let hidden: Vec<Edge> = self
                .nodes
                .iter()
                .flat_map(|(place, node)| edges(place, node.manifest))
                .filter(|edge| !edge.peer && !self.dropped.contains(&(edge.from.clone(), edge.name.clone())))
                .filter(|edge| !self.find(edge).is_some_and(|found| self.satisfies(&found, edge)))
                .collect();
            if hidden.is_empty() {
                return;
            }
            self.queue.extend(hidden);
        }
    }

    /// The nearest package of that name, as Node.js looks for it.
    fn find(&self, edge: &Edge) -> Option<Place> {
        (0..=edge.from.len()).rev().find_map(|depth| {
            let mut place = edge.from[..depth].to_vec();
            place.push(edge.name.clone());
            self.nodes.contains_key(&place).then_some(place)
        })
    }

    fn satisfies(&self, place: &Place, edge: &Edge) -> bool {
        let (package, spec) = aliased(&edge.name, &edge.spec);
        self.nodes.get(place).is_some_and(|node| {
            node.package == package
                && (spec.is_empty()
                    || spec == "*"
                    || node.version == spec.trim_start_matches(['=', 'v'])
                    || self.tagged(package, spec) == Some(&node.version)
                    || matches!((Range::parse(spec), Version::parse(&node.version)), (Ok(range), Ok(version)) if range.satisfies(&version)))
        })
    }

    fn tagged(&self, package: &str, tag: &str) -> Option<&String> {
        self.registry.get(package)?.as_ref()?.dist_tags.get(tag)
    }

    fn follow(&mut self, edge: Edge) {
        let found = self.find(&edge);
        if found.as_ref().is_some_and(|found| self.satisfies(found, &edge)) {
            return;
        }
        let (package, spec) = aliased(&edge.name, &edge.spec);
        let (package, spec) = (package.to_string(), spec.to_string());
        let who = edge.from.last().map(|name| format!("{name} needs ")).unwrap_or_default();
        if spec.contains('/') || spec.contains(':') {
            return self.refuse(&edge, format!("{who}{package} from `{spec}`, which is not a version of npm's registry"));
        }
        let Some(known) = self.registry.get(&package) else {
            self.need.insert(package);
            return;
        };
        let Some(document) = known else {
            return self.refuse(&edge, format!("{who}{package}, which npm's registry does not have"));
        };
        let picked = document.pick(&spec).and_then(|version| document.manifest(version));
        let Some((version, manifest)) = picked else {
            // That something is too young is no reason to go without it.
            if let Some(reason) = document.refusal(&spec) {
                self.failures.insert(format!("{who}{package}@{spec}: {reason}"));
                return;
            }
            return self.refuse(&edge, format!("{who}{package}@{spec}, and npm's registry has no such version"));
        };
        if !manifest.fits(self.arch) {
            return self
                .refuse(&edge, format!("{who}{package}@{version}, which does not run on Linux with glibc on {}", self.arch.as_str()));
        }
        let place = match found {
            None => vec![edge.name.clone()],
            Some(found) => {
                let mut place = edge.from.clone();
                place.push(edge.name.clone());
                if found == place {
                    if edge.peer {
                        self.warnings.insert(format!("a package beside {package} {} wants it as {spec}", self.nodes[&found].version));
                    } else {
                        let other = &self.nodes[&found].version;
                        self.failures.insert(format!("{package} is asked for as {spec} and is already there as {other}"));
                    }
                    return;
                }
                place
            }
        };
        if place.len() > DEPTH {
            self.failures.insert(format!("packages around {package} need each other in versions that exclude each other"));
            return;
        }
        for next in edges(&place, manifest) {
            if next.peer { self.peers.push_back(next) } else { self.queue.push_back(next) }
        }
        self.nodes.insert(place, Node { package, version: version.clone(), manifest });
    }

    fn refuse(&mut self, edge: &Edge, reason: String) {
        if edge.optional {
            self.dropped.insert((edge.from.clone(), edge.name.clone()));
        } else {
            self.failures.insert(reason);
        }
    }
}
