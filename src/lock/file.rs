//! What a lock pins as files: by which hash each is known, and where it is had.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::go::Module;
use super::{Artifact, GoModule, Lock, NpmPackage, Package, PackageFile};
use crate::digest::go::digits;
use crate::digest::{Algorithm, Digest, hex};
use crate::spec::Arch;

/// A file that a lock pins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinnedFile {
    /// Its hash. `None` when the lock has none that is strong enough to know a file by: an old package of npm may have a SHA-1 only.
    pub digest: Option<Digest>,
    /// For which architecture; `None` for all.
    pub arch: Option<Arch>,
    /// Where it is had.
    pub place: Place,
}

/// Where a file is had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// At an address.
    Url(String),
    /// In npm's registry.
    Npm {
        /// The package's own name.
        name: String,
        /// Its version.
        version: String,
    },
    /// In the index of Python projects.
    Wheel {
        /// The project's normalized name.
        project: String,
        /// The file's name.
        file: String,
    },
    /// In a proxy of Go's modules: the archive of a module.
    Archive(Module),
    /// In a proxy of Go's modules: the `go.mod` of a module.
    Requirements(Module),
    /// In the registry of crates.
    Crate {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// In the distribution's archive.
    Package {
        /// Its path below the archive's address.
        path: String,
    },
}

impl Place {
    /// What people call the file.
    pub fn name(&self) -> String {
        match self {
            Place::Url(url) => url.clone(),
            Place::Npm { name, version } => format!("{name}@{version} of npm"),
            Place::Wheel { project: _, file } => format!("{file} of PyPI"),
            Place::Archive(Module { path, version }) => format!("{path}@{version} of Go"),
            Place::Requirements(Module { path, version }) => format!("go.mod of {path}@{version}"),
            Place::Crate { name, version } => format!("the crate {name} {version}"),
            Place::Package { path } => format!("{} of the distribution", path.rsplit('/').next().unwrap_or(path)),
        }
    }
}

impl Artifact {
    /// The files that it is; none for packages of the distribution, whose files and those of what they need are in lists of their own.
    pub fn files(&self) -> Vec<PinnedFile> {
        match self {
            Artifact::Apt(_) => Vec::new(),
            Artifact::File { arch, url, sha256, trust: _ } => {
                vec![PinnedFile { digest: Digest::new(Algorithm::Sha256, sha256), arch: *arch, place: Place::Url(url.clone()) }]
            }
            Artifact::Npm(package) => vec![package.file()],
            Artifact::Wheel { name, version: _, file, arch, sha256 } => vec![PinnedFile {
                digest: Digest::new(Algorithm::Sha256, sha256),
                arch: *arch,
                place: Place::Wheel { project: name.clone(), file: file.clone() },
            }],
            Artifact::Module(module) => module.files(),
            Artifact::Crate { name, version, role: _, sha256 } => vec![PinnedFile {
                digest: Digest::new(Algorithm::Sha256, sha256),
                arch: None,
                place: Place::Crate { name: name.clone(), version: version.clone() },
            }],
        }
    }
}

impl GoModule {
    /// Whether a package can be in it and was asked for.
    pub fn has(&self, package: &str) -> bool {
        self.main && package.strip_prefix(self.module.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Its archive, where it is needed, and its `go.mod`.
    pub fn files(&self) -> Vec<PinnedFile> {
        let GoModule { module, zip, file, main: _, trust: _ } = self;
        let pinned = |algorithm, sum: &str, place| PinnedFile {
            digest: digits(sum).and_then(|digits| Digest::new(algorithm, &digits)),
            arch: None,
            place,
        };
        let archive = zip.as_ref().map(|sum| pinned(Algorithm::GoZip, sum, Place::Archive(module.clone())));
        archive.into_iter().chain([pinned(Algorithm::GoMod, file, Place::Requirements(module.clone()))]).collect()
    }
}

impl NpmPackage {
    /// Its archive.
    pub fn file(&self) -> PinnedFile {
        let NpmPackage { path, arch, name, version, integrity, bin: _ } = self;
        let name = name.as_deref().unwrap_or_else(|| path.rsplit("node_modules/").next().unwrap_or(path));
        let place = Place::Npm { name: name.to_string(), version: version.clone() };
        PinnedFile { digest: strongest(integrity), arch: *arch, place }
    }
}

impl Package {
    /// Its files. Architectures that share one have it as a file for all.
    pub fn pinned(&self) -> BTreeSet<PinnedFile> {
        let Package { pin: _, files, needs: _, role: _ } = self;
        let shared = |file: &PackageFile| files.values().filter(|other| other.path == file.path).count() > 1;
        let one = |(arch, file): (&Arch, &PackageFile)| PinnedFile {
            digest: Digest::new(Algorithm::Sha256, &file.sha256),
            arch: (!shared(file)).then_some(*arch),
            place: Place::Package { path: file.path.clone() },
        };
        files.iter().map(one).collect()
    }
}

impl Lock {
    /// Every file that it pins, whatever that is needed for.
    pub fn files(&self) -> BTreeSet<PinnedFile> {
        let Lock { inputs: _, base: _, fetch: _, looked: _, snapshots: _, packages, fetch_packages, layers, components } = self;
        let of_layers = layers.iter().flat_map(|layer| &layer.artifacts);
        let of_components = components.iter().flat_map(|component| &component.artifacts);
        let of_distribution = packages.iter().chain(fetch_packages).flat_map(Package::pinned);
        of_layers.chain(of_components).flat_map(Artifact::files).chain(of_distribution).collect()
    }
}

/// The strongest hash of an integrity text: hashes in base64, each after its algorithm, separated by spaces. Source: W3C, "Subresource
/// Integrity", 3.5.
fn strongest(integrity: &str) -> Option<Digest> {
    let hashes = integrity.split_ascii_whitespace().filter_map(|hash| {
        let (word, rest) = hash.split_once('-')?;
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)?;
        let bytes = STANDARD.decode(rest.split('?').next().unwrap_or(rest)).ok()?;
        Digest::new(algorithm, &hex(&bytes))
    });
    hashes.max_by_key(|digest| digest.algorithm)
}
