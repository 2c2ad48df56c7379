//! What has to be looked up for a specification, and whether a lock still answers it.

use std::collections::{BTreeMap, BTreeSet};

use super::apt::solve::Role;
use super::complete::lacking;
use super::package::{flaw, of_components};
use super::template::mentions;
use super::{Lock, LockedBase, Package};
use crate::spec::{
    Arch, Base, BaseFrom, Checksum, Component, ComponentId, Distribution, Features, ImageSpec, Install, Name, PackageRequest, Step,
    Template,
};

/// One thing to look up. Two queries that are equal have the same answer on the same day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The digest of the image's root file system.
    Base {
        /// As people write it.
        reference: String,
        /// Where it comes from.
        from: BaseFrom,
    },
    /// The digest of the root file system of the stages that download and unpack.
    Fetch {
        /// As people write it.
        reference: String,
        /// Where it comes from.
        from: BaseFrom,
    },
    /// Versions of the image's packages of the distribution.
    Packages {
        /// The names, or `name=version`; sorted, each once.
        names: Vec<String>,
    },
    /// Versions of the fetch stage's packages of the distribution.
    FetchPackages {
        /// The names; sorted, each once.
        names: Vec<String>,
    },
    /// The artefacts of a `base` or `layer` block.
    Layer {
        /// The layer's name; `None` for the `base` block.
        name: Option<Name>,
        /// Its steps that need looking up.
        steps: Vec<Step>,
    },
    /// The version and the artefacts of a component.
    Component {
        /// Which one.
        id: ComponentId,
        /// The version asked for.
        request: String,
        /// Ways to install it, the preferred one first, with only those steps that need looking up.
        installs: Vec<Install>,
        /// Values of its options that those steps mention.
        options: BTreeMap<String, String>,
    },
}

/// Whether a lock answers a specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockState {
    /// There is no lock.
    Missing,
    /// Some of its answers are to other questions; what changed, in words, in a stable order.
    Stale(Vec<String>),
    /// Every question has its answer.
    Fresh,
}

/// Everything that has to be looked up.
pub fn queries(spec: &ImageSpec) -> Vec<Query> {
    let ImageSpec { base, fetch, layers, components, agents, pre_build: _, post_build: _, env: _ } = spec;
    let Base { reference, from, steps, distribution, origin: _ } = base;
    let Distribution { name: _, suite: _, sections: _, updates: _, fetch_packages: _, packages } = distribution;
    let Distribution { name: _, suite: _, sections: _, updates: _, fetch_packages, packages: _ } = &fetch.distribution;
    let mut names: BTreeSet<String> = packages.iter().cloned().collect();
    for step in steps.iter().chain(layers.iter().flat_map(|layer| layer.steps.iter())) {
        if let Step::Apt { packages } = step {
            names.extend(packages.iter().cloned());
        }
    }
    let mut list = vec![
        Query::Base { reference: reference.clone(), from: *from },
        Query::Fetch { reference: fetch.reference.clone(), from: fetch.from },
        Query::Packages { names: names.into_iter().collect() },
        Query::FetchPackages { names: fetch_packages.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect() },
    ];
    let mut blocks: Vec<(Option<&Name>, &[Step])> = vec![(None, steps)];
    blocks.extend(layers.iter().map(|layer| (Some(&layer.name), layer.steps.as_slice())));
    blocks.sort_by_key(|(name, _)| *name);
    for (name, steps) in blocks {
        let steps: Vec<Step> = lookups(steps).into_iter().filter(|step| !matches!(step, Step::Apt { .. })).collect();
        if !steps.is_empty() {
            list.push(Query::Layer { name: name.cloned(), steps });
        }
    }
    let mut all: Vec<&Component> = components.iter().chain(agents.iter().map(|agent| &agent.component)).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    list.extend(all.into_iter().map(component_query));
    list
}

fn component_query(component: &Component) -> Query {
    let Component { id, request, installs, options, env: _, checks: _, cause: _, origin: _ } = component;
    let installs: Vec<Install> = installs
        .iter()
        .map(|install| {
            // Where versions are listed is how an answer is found, and no part of the question: a lock that has an answer keeps it.
            let Install { source, requires: _, arch, versions: _, steps } = install;
            Install { source: source.clone(), requires: Vec::new(), arch: arch.clone(), versions: None, steps: lookups(steps) }
        })
        .collect();
    let mentioned = |name: &str| {
        let placeholder = format!("%{{option.{name}}}");
        installs.iter().flat_map(|install| &install.steps).flat_map(templates).any(|template| mentions(template, &placeholder))
    };
    let options = options.iter().filter(|(name, _)| mentioned(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    Query::Component { id: id.clone(), request: request.trim().to_string(), installs, options }
}

/// The steps that need looking up, stripped of what has no part in it, in an order that is not the written one.
fn lookups(steps: &[Step]) -> Vec<Step> {
    let mut apt = BTreeSet::new();
    let (mut npm, mut pip, mut go, mut cargo, mut downloads) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Apt { packages } => apt.extend(packages.iter().cloned()),
            Step::Npm { packages } => npm.extend(packages.iter().cloned()),
            Step::Pip { packages } => pip.extend(packages.iter().cloned()),
            Step::Go { packages } => go.extend(packages.iter().cloned()),
            Step::Cargo { packages, features: _ } => cargo.extend(packages.iter().cloned()),
            Step::Download { url, to: _, strip: _, checksum } => {
                downloads.push(Step::Download { url: url.clone(), to: None, strip: 0, checksum: checksum.clone() });
            }
            Step::Copy { .. } | Step::Run(_) | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => {}
        }
    }
    for packages in [&mut npm, &mut pip, &mut go, &mut cargo] {
        packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        packages.dedup();
    }
    downloads.sort_by_key(describe);
    downloads.dedup();
    let mut out = Vec::new();
    if !apt.is_empty() {
        out.push(Step::Apt { packages: apt.into_iter().collect() });
    }
    if !npm.is_empty() {
        out.push(Step::Npm { packages: npm });
    }
    if !pip.is_empty() {
        out.push(Step::Pip { packages: pip });
    }
    if !go.is_empty() {
        out.push(Step::Go { packages: go });
    }
    if !cargo.is_empty() {
        out.push(Step::Cargo { packages: cargo, features: Features::default() });
    }
    out.extend(downloads);
    out
}

fn templates(step: &Step) -> Vec<&Template> {
    match step {
        Step::Npm { packages } | Step::Pip { packages } | Step::Go { packages } | Step::Cargo { packages, features: _ } => {
            packages.iter().flat_map(|package| [&package.name, &package.version]).collect()
        }
        Step::Download { url, to: _, strip: _, checksum } => {
            let mut list = vec![url];
            match checksum {
                Checksum::Published { url } => list.push(url),
                Checksum::Sha256(_) | Checksum::TrustOnFirstUse => {}
            }
            list
        }
        Step::Apt { .. } | Step::Copy { .. } | Step::Run(_) | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => Vec::new(),
    }
}

impl Query {
    /// `sha256:…` over the question. It does not depend on the order in which things were written, nor on how.
    pub fn inputs(&self) -> String {
        let mut words = Vec::new();
        match self {
            Query::Base { reference, from } => words.extend(["base".into(), reference.clone(), from_word(*from).into()]),
            Query::Fetch { reference, from } => words.extend(["fetch".into(), reference.clone(), from_word(*from).into()]),
            Query::Packages { names } => words.extend(["packages".to_string()].into_iter().chain(names.iter().cloned())),
            Query::FetchPackages { names } => words.extend(["fetch-packages".to_string()].into_iter().chain(names.iter().cloned())),
            Query::Layer { name, steps } => {
                words.extend(["layer".to_string(), name.as_ref().map(|name| name.to_string()).unwrap_or_default()]);
                steps.iter().for_each(|step| words.extend(describe(step)));
            }
            Query::Component { id, request, installs, options } => {
                words.extend(["component".to_string(), id.to_string(), request.clone()]);
                for Install { source, requires: _, arch, versions: _, steps } in installs {
                    words.extend(["install".to_string(), source.to_string()]);
                    words.extend(arch.iter().flat_map(|(arch, word)| [arch.as_str().to_string(), word.clone()]));
                    steps.iter().for_each(|step| words.extend(describe(step)));
                }
                words.extend(options.iter().flat_map(|(name, value)| ["option".to_string(), name.clone(), value.clone()]));
            }
        }
        hash(&words)
    }
}

pub(super) fn from_word(from: BaseFrom) -> &'static str {
    match from {
        BaseFrom::Registry => "registry",
        BaseFrom::Bootstrap => "bootstrap",
    }
}

fn describe(step: &Step) -> Vec<String> {
    let named = |word: &str, packages: &[PackageRequest]| {
        packages.iter().flat_map(|package| [word.to_string(), package.name.0.clone(), package.version.0.clone()]).collect()
    };
    match step {
        Step::Apt { packages } => ["apt".to_string()].into_iter().chain(packages.iter().cloned()).collect(),
        Step::Npm { packages } => named("npm", packages),
        Step::Pip { packages } => named("pip", packages),
        Step::Go { packages } => named("go", packages),
        Step::Cargo { packages, features: _ } => named("cargo", packages),
        Step::Download { url, to: _, strip: _, checksum } => {
            let mut words = vec!["download".to_string(), url.0.clone()];
            match checksum {
                Checksum::Sha256(hashes) => {
                    words.extend(hashes.iter().flat_map(|(arch, hash)| [arch.as_str().to_string(), hash.to_lowercase()]))
                }
                Checksum::Published { url } => words.extend(["published".to_string(), url.0.clone()]),
                Checksum::TrustOnFirstUse => words.push("first-use".to_string()),
            }
            words
        }
        Step::Copy { .. } | Step::Run(_) | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => Vec::new(),
    }
}

/// Length-prefixed, so that no two lists of words have the same preimage.
fn hash(words: &[String]) -> String {
    let mut text = String::from("silo-inputs 1\n");
    for word in words {
        text.push_str(&format!("{}:{word}\n", word.len()));
    }
    format!("sha256:{}", crate::digest::sha256_hex(text.as_bytes()))
}

/// `sha256:…` over everything that was asked.
pub fn inputs(spec: &ImageSpec) -> String {
    let mut list: Vec<String> = queries(spec).iter().map(Query::inputs).collect();
    list.sort();
    hash(&list)
}

/// Whether a lock answers a specification, and if not, what changed.
pub fn state(spec: &ImageSpec, lock: Option<&Lock>) -> LockState {
    let Some(lock) = lock else { return LockState::Missing };
    let asked = queries(spec);
    let mut changes: Vec<String> = asked.iter().filter_map(|query| change(query, lock)).collect();
    for locked in &lock.components {
        if !asked.iter().any(|query| matches!(query, Query::Component { id, .. } if *id == locked.id)) {
            changes.push(format!("{} is no longer asked for", locked.id));
        }
    }
    for locked in &lock.layers {
        if !asked.iter().any(|query| matches!(query, Query::Layer { name, .. } if *name == locked.name)) {
            changes.push(format!("{} downloads nothing any more", layer_words(&locked.name)));
        }
    }
    // The first line alone proves nothing: what it was written for may have been taken out since.
    if changes.is_empty() && lock.inputs == inputs(spec) {
        return LockState::Fresh;
    }
    if changes.is_empty() {
        changes.push("its first line does not belong to its contents (a merge of two locks?)".to_string());
    }
    LockState::Stale(changes)
}

/// What the downloads of a block are called: those of a layer, or of the base.
pub fn layer_words(name: &Option<Name>) -> String {
    match name {
        Some(name) => format!("layer {name}"),
        None => "the base block".to_string(),
    }
}

/// What a lock says differently about one query; `None` when it answers it.
pub fn change(query: &Query, lock: &Lock) -> Option<String> {
    match query {
        Query::Base { reference, from } => base_change("base", reference, *from, &lock.base),
        Query::Fetch { reference, from } => base_change("fetch stage", reference, *from, &lock.fetch),
        Query::Packages { names } => packages_change(PACKAGE, names, &lock.packages, lock, false),
        Query::FetchPackages { names } => packages_change(FETCH_PACKAGE, names, &lock.fetch_packages, lock, true),
        Query::Layer { name, steps } => match lock.layers.iter().find(|layer| layer.name == *name) {
            None => Some(format!("downloads of {} are new", layer_words(name))),
            Some(locked) if locked.inputs != query.inputs() => Some(format!("downloads of {} changed", layer_words(name))),
            Some(locked) => lacking(steps, None, &BTreeMap::new(), &BTreeMap::new(), &locked.artifacts)
                .map(|what| format!("{} is locked without {what}", layer_words(name))),
        },
        Query::Component { id, request, installs, options } => match lock.component(id) {
            None => Some(format!("{id} is new")),
            Some(locked) if locked.inputs == query.inputs() => match installs.iter().find(|install| install.source == locked.source) {
                None => Some(format!("{id} is locked from `{}`, which is none of its sources", locked.source)),
                Some(Install { source: _, requires: _, arch, versions: _, steps }) => {
                    lacking(steps, Some(&locked.version), arch, options, &locked.artifacts)
                        .map(|what| format!("{id} {} is locked without {what}", locked.version))
                }
            },
            Some(locked) if locked.request != *request => Some(format!("{id} is asked for as `{request}`, locked as `{}`", locked.request)),
            Some(_) => Some(format!("the definition of {id} or its options changed")),
        },
    }
}

fn base_change(what: &str, reference: &str, from: BaseFrom, locked: &LockedBase) -> Option<String> {
    let asked = format!("{reference} from={}", from_word(from));
    let had = format!("{} from={}", locked.reference, from_word(locked.from));
    (asked != had).then(|| format!("the {what} is {asked}, locked is {had}"))
}

/// What a query asks that a lock does not answer; `None` when it answers all. Answers that nobody asked for do no harm.
pub(super) fn unanswered(query: &Query, lock: &Lock) -> Option<String> {
    let missing = |changes: Vec<String>| (!changes.is_empty()).then(|| changes.join(", "));
    match query {
        Query::Packages { names } => missing(packages_missing(PACKAGE, names, &lock.packages, lock, false)),
        Query::FetchPackages { names } => missing(packages_missing(FETCH_PACKAGE, names, &lock.fetch_packages, lock, true)),
        Query::Base { .. } | Query::Fetch { .. } | Query::Layer { .. } | Query::Component { .. } => change(query, lock),
    }
}

/// What the packages of a list are called.
const PACKAGE: &str = "package";
const FETCH_PACKAGE: &str = "package of the fetch stage";

fn packages_missing(what: &str, names: &[String], list: &[Package], lock: &Lock, clients: bool) -> Vec<String> {
    let mut changes = Vec::new();
    let find = |name: &str| list.iter().find(|package| package.pin.name == name);
    for asked in names {
        let (name, version) = split(asked);
        match find(name) {
            None => changes.push(format!("{what} {name} is new")),
            Some(package) => {
                if let Some(version) = version
                    && package.pin.versions.values().any(|locked| locked != version)
                {
                    changes.push(format!("{what} {name} is asked for as {version}"));
                }
            }
        }
    }
    changes.extend(flaw(what, list));
    if changes.is_empty() {
        // By a merge of two locks.
        let torn = of_components(&lock.components, clients).find(|(_, pin)| find(&pin.name).is_none_or(|package| package.pin != **pin));
        changes.extend(
            torn.map(|(component, pin)| format!("{} wants {what} {} {}, which is not locked", component.id, pin.name, pin.version())),
        );
    }
    changes
}

fn packages_change(what: &str, names: &[String], list: &[Package], lock: &Lock, clients: bool) -> Option<String> {
    let mut changes = packages_missing(what, names, list, lock, clients);
    let of_components = of_components(&lock.components, clients).map(|(_, pin)| pin.name.as_str());
    let asked: BTreeSet<&str> = names.iter().map(|name| split(name).0).chain(of_components).collect();
    changes.extend(
        list.iter()
            .filter(|package| package.role == Role::Asked && !asked.contains(package.pin.name.as_str()))
            .map(|package| format!("{what} {} is no longer asked for", package.pin.name)),
    );
    (!changes.is_empty()).then(|| changes.join(", "))
}

/// `name=version`, or a name alone.
pub fn split(asked: &str) -> (&str, Option<&str>) {
    asked.split_once('=').map_or((asked, None), |(name, version)| (name, Some(version)))
}

/// The architecture of a name.
pub(super) fn arch_named(word: &str) -> Option<Arch> {
    Arch::ALL.into_iter().find(|arch| arch.as_str() == word)
}
