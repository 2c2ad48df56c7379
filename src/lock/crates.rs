//! Crates: which version of a program's crate, and all that its own packaged `Cargo.lock` names, from a sparse index and the crate itself.
//!
//! [`resolve`] never fetches anything: while it lacks a document it returns what it needs ([`Unsolved::Need`]). Nothing is solved here: what a
//! crate is compiled with is what its author locked, so the `Cargo.lock` in the crate is the answer. Sources: the Cargo Book, "Registry Index"
//! and "Cargo.toml vs Cargo.lock".

mod index;
mod packed;
mod rust;

pub use index::{Config, Release, index_path};
pub use packed::Packed;
pub use rust::Rust;

use std::collections::{BTreeMap, BTreeSet};

use super::time::{Cutoff, Time};
use super::version::{Request, compare, is_preview, matches, nearest};
use super::{Artifact, CrateRole};

/// As many crates are looked into for one that the client's Rust can compile.
const TRIES: usize = 24;

/// What the registry said so far.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// The releases of crates by name; `None` when it has no such crate.
    pub releases: BTreeMap<String, Option<Vec<Release>>>,
    /// What is in crates, by name and version.
    pub packed: BTreeMap<(String, String), Packed>,
}

/// Something that has to be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A crate's releases, by its name.
    Releases(String),
    /// What is in a crate.
    Packed {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// The SHA-256 that its archive has by the index.
        sha256: String,
    },
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsolved {
    /// This has to be asked first.
    Need(BTreeSet<Need>),
    /// It cannot be solved; one sentence for each reason.
    Failed(Vec<String>),
}

/// What crates are chosen for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The Rust that compiles them; `None` when it is not known, then any will do.
    pub rust: Option<Rust>,
    /// Which releases are old enough.
    pub cutoff: Cutoff,
}

/// A crate that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// Its name.
    pub name: String,
    /// The version, as people write it.
    pub request: String,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The version of every crate that was asked for.
    pub versions: BTreeMap<String, String>,
    /// When it was published, where the index says it.
    pub released: BTreeMap<String, Time>,
    /// All crates, sorted.
    pub crates: Vec<Artifact>,
}

/// Whether a text is a crate's name, and so no path. Source: the Cargo Book, "The Manifest Format", name.
pub fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// Whether a text is a crate's version, and so no path. Source: semver.org.
pub fn is_version(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'))
}

/// Chooses a version of every crate that is asked for, and lists the crates of their `Cargo.lock`s.
pub fn resolve(roots: &[Root], target: &Target, registry: &Registry) -> Result<Solution, Unsolved> {
    let (mut need, mut failures) = (BTreeSet::new(), BTreeSet::new());
    let mut solution = Solution { versions: BTreeMap::new(), released: BTreeMap::new(), crates: Vec::new() };
    let mut crates: BTreeMap<(String, String), (CrateRole, String)> = BTreeMap::new();
    for root in roots {
        match choose(root, target, registry) {
            Ok((release, list)) => {
                let other = solution.versions.insert(root.name.clone(), release.version.clone());
                if other.is_some_and(|other| other != release.version) {
                    failures.insert(format!("{} is asked for in two versions", root.name));
                }
                solution.released.extend(release.published.map(|time| (root.name.clone(), time)));
                let own = (root.name.clone(), release.version.clone(), CrateRole::Program, release.sha256.clone());
                let others = list.into_iter().map(|(name, version, sha256)| (name, version, CrateRole::Dependency, sha256));
                for (name, version, role, sha256) in others.chain([own]) {
                    let known = crates.entry((name, version)).or_insert((role, sha256.clone()));
                    // A program may be what another one is made of.
                    known.0 = known.0.min(role);
                    if known.1 != sha256 {
                        failures.insert(format!("two checksums are named for one crate that {} {} needs", root.name, release.version));
                    }
                }
            }
            Err(Unsolved::Need(more)) => need.extend(more),
            Err(Unsolved::Failed(reasons)) => failures.extend(reasons),
        }
    }
    if !failures.is_empty() {
        return Err(Unsolved::Failed(failures.into_iter().collect()));
    }
    if !need.is_empty() {
        return Err(Unsolved::Need(need));
    }
    let artifact = |((name, version), (role, sha256))| Artifact::Crate { name, version, role, sha256 };
    solution.crates = crates.into_iter().map(artifact).collect();
    solution.crates.sort();
    Ok(solution)
}

/// Name, version and SHA-256 of a crate.
type Locked = (String, String, String);

/// The release of a crate that is taken, and the crates of its `Cargo.lock`.
fn choose<'r>(root: &Root, target: &Target, registry: &'r Registry) -> Result<(&'r Release, Vec<Locked>), Unsolved> {
    let Root { name, request } = root;
    let fail = |reason: String| Err(Unsolved::Failed(vec![reason]));
    let releases = match registry.releases.get(name) {
        None => return Err(Unsolved::Need(BTreeSet::from([Need::Releases(name.clone())]))),
        Some(None) => return fail(format!("the registry of crates does not have {name}")),
        Some(Some(releases)) => releases,
    };
    if let Some(other) = releases.iter().find(|release| release.name != *name) {
        return fail(format!("the registry of crates calls it {}, not {name}", other.name));
    }
    let parsed = Request::parse(request);
    let mut fitting: Vec<&Release> = releases.iter().filter(|release| fits(&parsed, &release.version)).collect();
    fitting.sort_by(|a, b| compare(&b.version, &a.version).then_with(|| b.version.cmp(&a.version)));
    // Where a version is written out, just that one is meant, however young it is.
    let exact = parsed.whole();
    if let Some(text) = exact
        && let Some(only) = fitting.iter().find(|release| release.version == text).copied()
    {
        fitting = vec![only];
    }
    let sound: Vec<&Release> = fitting.iter().filter(|release| !release.yanked).copied().collect();
    match (sound.first(), fitting.first()) {
        (Some(_), _) => {}
        (None, Some(yanked)) => return fail(format!("{name} {} was yanked by its author", yanked.version)),
        (None, None) => {
            let known: Vec<&str> = releases.iter().filter(|release| !release.yanked).map(|release| release.version.as_str()).collect();
            return fail(format!("{name}: in the registry of crates {}", nearest(parsed.text(), &known, &[])));
        }
    }
    let cutoff = if exact.is_some() { Cutoff::NONE } else { target.cutoff };
    let (mut refusal, mut obstacle, mut tries) = (None, None, 0);
    for release in sound {
        let Release { name: _, version, sha256, yanked: _, rust, published } = release;
        if let Some(time) = published.filter(|time| !cutoff.allows(Some(*time))) {
            refusal.get_or_insert_with(|| cutoff.refusal(name, version, time));
            continue;
        }
        let newer = |asked: Option<Rust>| asked.zip(target.rust).filter(|(asked, there)| asked > there);
        if let Some((asked, there)) = newer(*rust) {
            obstacle.get_or_insert_with(|| too_new(name, version, &asked, &there));
            continue;
        }
        let key = (name.clone(), version.clone());
        let Some(packed) = registry.packed.get(&key) else {
            if tries == TRIES {
                break;
            }
            let (name, version) = key;
            return Err(Unsolved::Need(BTreeSet::from([Need::Packed { name, version, sha256: sha256.clone() }])));
        };
        tries += 1;
        if let Some((asked, there)) = newer(packed.rust) {
            obstacle.get_or_insert_with(|| too_new(name, version, &asked, &there));
            continue;
        }
        return match &packed.crates {
            Ok(list) => Ok((release, list.clone())),
            Err(reason) => fail(format!("{name} {version} {reason}")),
        };
    }
    fail(obstacle.or(refusal).unwrap_or_else(|| format!("the registry of crates has no {name} that can be taken")))
}

/// That a release needs a newer Rust than there is.
fn too_new(name: &str, version: &str, asked: &Rust, there: &Rust) -> String {
    format!("{name} {version} needs Rust {asked}, and what compiles it in a build is Rust {there}; write an older version=, or a range")
}

/// Whether a release is one that is asked for. What comes before a release is only where the request names such a thing.
fn fits(request: &Request, version: &str) -> bool {
    let preview = version.split('+').next().is_some_and(|version| version.contains('-'));
    let asked = request.text().contains('-') || is_preview(request.text());
    match request {
        Request::Latest(_) => !preview,
        Request::Version(text) => version == text || (!preview || asked) && matches(request, version),
        Request::Range(_) => (!preview || asked) && matches(request, version),
        Request::Word(_) => false,
    }
}
