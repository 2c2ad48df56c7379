//! The lock: what every request was resolved to, for every architecture.
//!
//! [`queries`] says what has to be looked up, [`state`] whether a lock still answers it, [`apply`] makes a [`LockedImage`] of both. The
//! resolvers ([`npm`], [`pypi`], [`go`], [`crates`],
//! [`apt`]) are pure: they take what a registry said, and return what they still have to know.

pub mod apt;
pub mod checksum;
pub mod crates;
pub mod difference;
pub mod go;
pub mod index;
pub mod npm;
pub mod package;
pub mod pypi;
pub mod release;
pub mod simple;
pub mod template;
pub mod time;
pub mod version;
pub mod wheel;

mod apply;
mod complete;
mod file;
mod overlay;
mod query;
mod text;
mod variants;

pub use apply::{LockedImage, PinnedAgent, PinnedComponent, PinnedLayer, apply};
pub use file::{PinnedFile, Place};
pub use overlay::overlaid;
pub use package::{AptPackage, Package, PackageFile};
pub use query::{LockState, Query, change, inputs, layer_words, queries, split, state};
pub use text::parse;
pub use variants::union;

use std::collections::BTreeMap;

use self::time::Time;
use crate::spec::{Arch, BaseFrom, ComponentId, Name};

/// In seconds.
const DAY: u64 = 86_400;
const WEEK: u64 = 7 * DAY;

/// The contents of `silo.lock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// `sha256:…` over the questions that were asked. A different one means that the lock is stale.
    pub inputs: String,
    /// The image's root file system.
    pub base: LockedBase,
    /// The root file system of the stages that download and unpack.
    pub fetch: LockedBase,
    /// The day (its midnight, UTC) on which newer versions of everything were looked for last; `None` in locks that do not say it. No
    /// image depends on it.
    pub looked: Option<Time>,
    /// When the states of the distribution's archive were that packages were taken from: in a snapshot of a little later are files that the
    /// archive itself has no longer. Sorted. No image depends on them.
    pub snapshots: Vec<Time>,
    /// Packages of the distribution in the image: the base's own, those of `base` and `layer` blocks and of components, everything that
    /// these need, and the updates of the base's packages. Sorted by name.
    pub packages: Vec<Package>,
    /// Packages of the distribution in the stages that download and unpack, clients' among them. Sorted by name.
    pub fetch_packages: Vec<Package>,
    /// Downloads and packages of npm, PyPI, Go and the crates' registry in `base` and `layer` blocks, sorted by name, the base first. Only
    /// those that have any.
    pub layers: Vec<LockedLayer>,
    /// Every component, agents and silo's own clients included, sorted by identifier.
    pub components: Vec<LockedComponent>,
}

impl Lock {
    /// The answer about a component.
    pub fn component(&self, id: &ComponentId) -> Option<&LockedComponent> {
        self.components.iter().find(|component| component.id == *id)
    }

    /// The day that a lock is to say it was looked up on, with everything else in it as it will be. A look at everything that finds nothing
    /// newer changes it only when the old one is a week ago, so that two people who look need not touch the same line.
    pub fn looked_on(&self, old: Option<&Lock>, whole: bool, today: Option<Time>) -> Option<Time> {
        let Some(old) = old else { return today };
        let same = Lock { looked: old.looked, ..self.clone() } == *old;
        match (old.looked, today) {
            (Some(before), Some(today)) if whole && (!same || today.0.saturating_sub(before.0) >= WEEK) => Some(today),
            (None, today) if whole => today,
            (before, _) => before,
        }
    }

    /// How many days ago newer versions were looked for last, when that is longer than so many seconds.
    pub fn overdue(&self, now: Time, after: Option<u64>) -> Option<u64> {
        let passed = now.0.saturating_sub(self.looked?.0);
        (passed > after?).then_some(passed / DAY)
    }

    /// How many files and modules are trusted since they were seen first: nobody publishes a checksum of them.
    pub fn first_uses(&self) -> usize {
        let of_layers = self.layers.iter().flat_map(|layer| &layer.artifacts);
        let of_components = self.components.iter().flat_map(|component| &component.artifacts);
        let first = |artifact: &&Artifact| match artifact {
            Artifact::File { arch: _, url: _, sha256: _, trust } => *trust == Trust::FirstUse,
            Artifact::Module(GoModule { module: _, zip: _, file: _, main: _, trust }) => *trust == Trust::FirstUse,
            Artifact::Apt(_) | Artifact::Npm(_) | Artifact::Wheel { .. } | Artifact::Crate { .. } => false,
        };
        of_layers.chain(of_components).filter(first).count()
    }
}

/// What a reference to an image of a registry stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDigests {
    /// That of the index, or of the manifest where there is no index: `sha256:…`.
    pub digest: String,
    /// Those of the manifests for Linux, by architecture; empty where they are not known.
    pub platforms: BTreeMap<Arch, String>,
}

/// A pinned root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedBase {
    /// As it was asked for: `debian:bookworm`.
    pub reference: String,
    /// Where it comes from.
    pub from: BaseFrom,
    /// `sha256:…`: of the image index for a registry's image; of the archive's signed release file for a bootstrapped one, since
    /// that file fixes every package of every architecture.
    pub digest: String,
    /// For a registry's image the digest of the manifest of each architecture that it has, `sha256:…`; empty where that is not known.
    pub platforms: BTreeMap<Arch, String>,
    /// For a bootstrapped base the release file's date in seconds since 1970, which becomes every file's time.
    pub epoch: Option<u64>,
}

/// What the steps of a `base` or `layer` block download, packages of the distribution excepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedLayer {
    /// The layer's name; `None` for the `base` block.
    pub name: Option<Name>,
    /// `sha256:…` of the question ([`Query::inputs`]).
    pub inputs: String,
    /// Everything that is downloaded for it, sorted.
    pub artifacts: Vec<Artifact>,
}

/// A pinned component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedComponent {
    /// Which one.
    pub id: ComponentId,
    /// What was asked for.
    pub request: String,
    /// `sha256:…` of the question ([`Query::inputs`]): a different one means that only this component has to be looked up again.
    pub inputs: String,
    /// The way of installing it that was chosen.
    pub source: Name,
    /// The version it was resolved to.
    pub version: String,
    /// When that was released, where its source says it.
    pub released: Option<Time>,
    /// Everything that is downloaded for it, sorted.
    pub artifacts: Vec<Artifact>,
}

impl LockedComponent {
    /// Whether packages of the distribution are part of it.
    pub fn is_packaged(&self) -> bool {
        self.artifacts.iter().any(|artifact| match artifact {
            Artifact::Apt(_) => true,
            Artifact::File { .. } | Artifact::Npm(_) | Artifact::Wheel { .. } | Artifact::Module(_) | Artifact::Crate { .. } => false,
        })
    }
}

/// Something that is downloaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Artifact {
    /// A package of the distribution.
    Apt(AptPackage),
    /// A file of a URL.
    File {
        /// For which architecture; `None` for all.
        arch: Option<Arch>,
        /// Where it is.
        url: String,
        /// Its SHA-256 in hexadecimal.
        sha256: String,
        /// Whether the hash was published by somebody, or is just that of what was seen first.
        trust: Trust,
    },
    /// A package of npm at its place in the tree.
    Npm(NpmPackage),
    /// A wheel of PyPI.
    Wheel {
        /// The project's normalized name.
        name: String,
        /// Its version.
        version: String,
        /// The wheel's file name.
        file: String,
        /// For which architecture; `None` for all.
        arch: Option<Arch>,
        /// Its SHA-256 in hexadecimal.
        sha256: String,
    },
    /// A module of Go.
    Module(GoModule),
    /// A crate, as its sources are packed.
    Crate {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// Whether it is compiled for its programs, or because another crate is.
        role: CrateRole,
        /// The SHA-256 of the archive in hexadecimal.
        sha256: String,
    },
}

/// What a crate is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrateRole {
    /// A step names it: its programs are installed.
    Program,
    /// It stands in the `Cargo.lock` of one that is.
    Dependency,
}

/// Where a checksum comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Published beside the file, or written in a configuration.
    Published,
    /// Computed from the first download.
    FirstUse,
}

/// A package of npm at its place in a component's tree.
///
/// Platform packages are in the trees of their own architecture only, so an installation leaves nothing out: what `npm ci` may skip in silence
/// (an optional package whose integrity is wrong) does not exist here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NpmPackage {
    /// Its place: `node_modules/a/node_modules/b`.
    pub path: String,
    /// In the tree of which architecture; `None` for all.
    pub arch: Option<Arch>,
    /// Its name when that is not the end of the path (an alias).
    pub name: Option<String>,
    /// Its version.
    pub version: String,
    /// Its Subresource Integrity text, `sha512-…`.
    pub integrity: String,
    /// Its commands: name to file in the package.
    pub bin: BTreeMap<String, String>,
}

/// A module of Go in a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoModule {
    /// Which one.
    pub module: go::Module,
    /// The `h1:` hash of its archive; `None` when only what it needs is read.
    pub zip: Option<String>,
    /// The `h1:` hash of its `go.mod`.
    pub file: String,
    /// Whether a package of it was asked for.
    pub main: bool,
    /// Whether the hashes are those of a checksum database, or just those of what was seen first.
    pub trust: Trust,
}
