//! Steps of `base`, `layer` and `install` blocks: what an image is made of, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Arch, EnvName, Template};
use crate::source::Span;

/// One step of an installation, of a `base` or of a `layer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Packages of the distribution.
    Apt {
        /// Their names; `name=version` pins one.
        packages: Vec<String>,
    },
    /// A file from a URL, unpacked by its ending (`.tar.gz`, `.tar.xz`, `.tar.bz2`, `.tgz`, `.zip`, `.gz`) or kept as it is.
    Download {
        /// Where it is.
        url: Template,
        /// Absolute path to unpack to; `None` is the component's own folder.
        to: Option<String>,
        /// Leading path components to drop while unpacking.
        strip: u32,
        /// How it is known to be right.
        checksum: Checksum,
    },
    /// Packages of npm with all they depend on, installed into the component's own folder without running their scripts.
    Npm {
        /// What is asked for.
        packages: Vec<PackageRequest>,
    },
    /// Packages of PyPI with all they depend on, wheels only.
    Pip {
        /// What is asked for.
        packages: Vec<PackageRequest>,
    },
    /// Packages of Go, compiled with all modules that they need, into `bin` of the component's own folder.
    Go {
        /// What is asked for: their paths, with the version of the module that each is in.
        packages: Vec<PackageRequest>,
    },
    /// Crates with programs, compiled from their sources with all they depend on, as their own packaged `Cargo.lock` says.
    Cargo {
        /// What is asked for.
        packages: Vec<PackageRequest>,
        /// What of them is compiled. No part of what is locked: a `Cargo.lock` has the crates of all features.
        features: Features,
    },
    /// A file or folder of the repository.
    Copy {
        /// Path relative to the file that says so.
        source: String,
        /// Absolute path in the image.
        target: String,
        /// Permission bits, when given.
        mode: Option<u32>,
        /// Where it was written: the path is relative to that file.
        origin: Span,
    },
    /// A script.
    Run(Hook),
    /// A command put on the `PATH`.
    Bin {
        /// What it is called.
        name: String,
        /// Where it is: relative to the component's own folder, or absolute.
        target: Template,
    },
    /// Folders put on the `PATH`.
    Path {
        /// Absolute paths, or relative to the component's own folder.
        folders: Vec<String>,
    },
    /// A variable of the image.
    Env {
        /// Its name.
        name: EnvName,
        /// Its value.
        value: String,
    },
}

/// The features of a crate that are compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Those that are asked for by name, sorted.
    pub names: BTreeSet<String>,
    /// Whether the crate's default ones are too.
    pub default: bool,
}

impl Default for Features {
    fn default() -> Features {
        Features { names: BTreeSet::new(), default: true }
    }
}

/// A package of npm, PyPI, Go or the crates' registry that a step asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRequest {
    /// Its name; may hold `%{arch}`, then one package for each architecture is meant.
    pub name: Template,
    /// The version: `%{version}`, a range, or empty for the newest. For npm also a form like `%{version}-linux-%{arch}`.
    pub version: Template,
}

/// How a download is known to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Written down, in hexadecimal, for each architecture (the same text for all when the URL does not depend on it).
    Sha256(BTreeMap<Arch, String>),
    /// In a file of `hash  name` lines, or one that holds just the hash.
    Published {
        /// Where that file is.
        url: Template,
    },
    /// Nobody publishes one; the lock keeps the hash of what was first seen.
    TrustOnFirstUse,
}

/// A script of the user's or of a definition's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its name for people and for `(remove)`, when it has one.
    pub id: Option<String>,
    /// The text, exactly as written.
    pub script: String,
    /// Whose rights it runs with.
    pub user: RunAs,
    /// Where it was written.
    pub origin: Span,
}

/// Whose rights a script has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunAs {
    /// Root of the image (build only).
    Root,
    /// An ordinary user.
    User,
}
