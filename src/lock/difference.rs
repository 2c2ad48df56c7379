//! What differs between two locks: what people and programs want to know of an update.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::version::compare;
use super::{Artifact, Lock, LockedBase, Package, apt, layer_words};
use crate::spec::Arch;

/// Everything that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In the order of a lock: bases, packages, layers, components.
    pub changes: Vec<Change>,
    /// How many bases, packages, layers and components are as they were.
    pub unchanged: usize,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What kind of thing it is.
    pub subject: Subject,
    /// What it is, in words: `language node`, `package git`.
    pub name: String,
    /// Its version or digest before; `None` when it is new.
    pub from: Option<String>,
    /// Its version or digest now; `None` when it is gone.
    pub to: Option<String>,
    /// How far it went, where both are versions that differ.
    pub step: Option<Step>,
    /// What is downloaded for it.
    pub artifacts: Counts,
}

/// The kinds of things that a lock pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A root file system.
    Base,
    /// A package of the distribution.
    Package,
    /// What a `base` or `layer` block downloads.
    Layer,
    /// A component.
    Component,
}

impl Subject {
    /// Its name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Subject::Base => "base",
            Subject::Package => "package",
            Subject::Layer => "layer",
            Subject::Component => "component",
        }
    }
}

/// How far a version went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first number is larger.
    Major,
    /// The second number is larger.
    Minor,
    /// Something after them is newer.
    Patch,
    /// The version is an older one.
    Older,
}

impl Step {
    /// Its name, for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Major => "major",
            Step::Minor => "minor",
            Step::Patch => "patch",
            Step::Older => "older",
        }
    }
}

/// How many artefacts of something are new, changed, gone or the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// There was none of its name.
    pub added: usize,
    /// Another one has its name now.
    pub changed: usize,
    /// There is none of its name any more.
    pub removed: usize,
    /// It is the same.
    pub unchanged: usize,
}

impl Counts {
    /// How many are not the same.
    pub fn touched(self) -> usize {
        self.added + self.changed + self.removed
    }
}

/// How far it is from a version to another one; `None` when they are the same. A distribution's version is one of what it packages.
pub fn step(from: &str, to: &str) -> Option<Step> {
    let (before, after) = (numbers(from), numbers(to));
    match compare(from, to) {
        Ordering::Equal if from == to => None,
        Ordering::Greater => Some(Step::Older),
        Ordering::Less | Ordering::Equal if before.first() != after.first() => Some(Step::Major),
        Ordering::Less | Ordering::Equal if before.get(1) != after.get(1) => Some(Step::Minor),
        Ordering::Less | Ordering::Equal => Some(Step::Patch),
    }
}

/// The numbers that a version begins with.
fn numbers(version: &str) -> Vec<&str> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    version[..end].split('.').collect()
}

fn package_step(from: &str, to: &str) -> Option<Step> {
    match (apt::compare(from, to), step(apt::upstream(from), apt::upstream(to))) {
        (Ordering::Equal, _) => None,
        (Ordering::Greater, _) => Some(Step::Older),
        (Ordering::Less, Some(Step::Older) | None) => Some(Step::Patch),
        (Ordering::Less, Some(step)) => Some(step),
    }
}

/// What differs between a lock and a later one. Without the first, everything is new.
pub fn difference(old: Option<&Lock>, new: &Lock) -> Difference {
    let mut found = Difference { changes: Vec::new(), unchanged: 0 };
    found.add(base("base", old.map(|old| &old.base), &new.base));
    // Most often the same root file system is both: then it is told once.
    let twice = new.fetch == new.base && old.is_none_or(|old| old.fetch == old.base);
    if !twice {
        found.add(base("fetch stage's base", old.map(|old| &old.fetch), &new.fetch));
    }
    for change in packages("package", old.map(|old| old.packages.as_slice()).unwrap_or_default(), &new.packages) {
        found.add(change);
    }
    for change in packages("fetch stage's package", old.map(|old| old.fetch_packages.as_slice()).unwrap_or_default(), &new.fetch_packages) {
        found.add(change);
    }
    let (before, after) = (old.map(pinned).unwrap_or_default(), pinned(new));
    let keys: BTreeSet<&(Subject, String)> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (subject, name) = key.clone();
        let (from, to) = (before.get(key).copied(), after.get(key).copied());
        let artifacts = counts(from, to);
        if from.is_some() && to.is_some() && from.map(version) == to.map(version) && artifacts.touched() == 0 {
            found.unchanged += 1;
            continue;
        }
        let (from, to) = (from.map(version), to.map(version));
        let step = match subject {
            Subject::Component => from.as_ref().zip(to.as_ref()).and_then(|(from, to)| step(from, to)),
            Subject::Base | Subject::Package | Subject::Layer => None,
        };
        found.changes.push(Change { subject, name, from, to, step, artifacts });
    }
    found
}

impl Difference {
    fn add(&mut self, change: Option<Change>) {
        match change {
            Some(change) => self.changes.push(change),
            None => self.unchanged += 1,
        }
    }
}

/// The version of a component, which layers do not have, and what is downloaded.
type Pinned<'l> = (Option<&'l str>, &'l [Artifact]);

fn pinned(lock: &Lock) -> BTreeMap<(Subject, String), Pinned<'_>> {
    let layers = lock.layers.iter().map(|layer| ((Subject::Layer, layer_words(&layer.name)), (None, layer.artifacts.as_slice())));
    let components = lock.components.iter().map(|component| {
        ((Subject::Component, component.id.to_string()), (Some(component.version.as_str()), component.artifacts.as_slice()))
    });
    layers.chain(components).collect()
}

/// The version, or what stands in its place.
fn version((version, artifacts): Pinned<'_>) -> String {
    let count = || format!("{} artefact{}", artifacts.len(), if artifacts.len() == 1 { "" } else { "s" });
    version.map_or_else(count, str::to_string)
}

fn base(what: &str, old: Option<&LockedBase>, new: &LockedBase) -> Option<Change> {
    if old == Some(new) {
        return None;
    }
    let moved = old.filter(|old| old.reference != new.reference).map(|old| format!("{} {}", old.reference, old.digest));
    let (from, to) = match moved {
        Some(from) => (Some(from), format!("{} {}", new.reference, new.digest)),
        None => (old.map(|old| old.digest.clone()), new.digest.clone()),
    };
    let name = format!("{what} {}", new.reference);
    Some(Change { subject: Subject::Base, name, from, to: Some(to), step: None, artifacts: Counts::default() })
}

/// Who needs a package and why it is there is no difference; what is installed is.
fn packages(what: &str, old: &[Package], new: &[Package]) -> Vec<Option<Change>> {
    let index = |list: &[Package]| -> BTreeMap<String, Package> {
        list.iter().map(|package| (package.pin.name.clone(), package.clone())).collect()
    };
    let (before, after) = (index(old), index(new));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| {
        let (from, to) = (before.get(name), after.get(name));
        // A lock of an older silo has no files: learning them is no change.
        let same = |from: &Package, to: &Package| from.pin == to.pin && (from.files == to.files || from.files.is_empty());
        if from.zip(to).is_some_and(|(from, to)| same(from, to)) {
            return None;
        }
        let (from, to) = (from.map(|package| package.pin.version()), to.map(|package| package.pin.version()));
        let step = from.as_ref().zip(to.as_ref()).and_then(|(from, to)| package_step(from, to));
        Some(Change { subject: Subject::Package, name: format!("{what} {name}"), from, to, step, artifacts: Counts::default() })
    };
    names.into_iter().map(change).collect()
}

/// What an artefact is called, whatever its version.
fn key(artifact: &Artifact, version: Option<&str>) -> (String, Option<Arch>) {
    match artifact {
        Artifact::Apt(package) => (package.name.clone(), None),
        Artifact::File { arch, url, sha256: _, trust: _ } => {
            (version.filter(|version| !version.is_empty()).map_or_else(|| url.clone(), |version| url.replace(version, "*")), *arch)
        }
        Artifact::Npm(package) => (package.path.clone(), package.arch),
        Artifact::Wheel { name, version: _, file: _, arch, sha256: _ } => (name.clone(), *arch),
        Artifact::Module(module) => (module.module.path.clone(), None),
        Artifact::Crate { name, version: _, role: _, sha256: _ } => (name.clone(), None),
    }
}

fn counts(old: Option<Pinned<'_>>, new: Option<Pinned<'_>>) -> Counts {
    let index = |side: Option<Pinned<'_>>| -> BTreeMap<(String, Option<Arch>), Vec<Artifact>> {
        let mut index: BTreeMap<(String, Option<Arch>), Vec<Artifact>> = BTreeMap::new();
        let (version, list) = side.unwrap_or_default();
        list.iter().for_each(|artifact| index.entry(key(artifact, version)).or_default().push(artifact.clone()));
        index
    };
    let (before, after) = (index(old), index(new));
    let mut counts = Counts::default();
    for (key, now) in &after {
        match before.get(key) {
            None => counts.added += now.len(),
            Some(then) if then == now => counts.unchanged += now.len(),
            Some(_) => counts.changed += now.len(),
        }
    }
    counts.removed = before.iter().filter(|(key, _)| !after.contains_key(*key)).map(|(_, list)| list.len()).sum();
    counts
}
