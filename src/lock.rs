//! The lock: what every request was resolved to, for every architecture.

pub mod template;

use std::collections::BTreeMap;

use crate::source::Span;
use crate::spec::{
    Arch, BaseFrom, BuildEnv, Cause, Check, ComponentId, Distribution, EnvName, Hook, Install, LspServer, McpServer, Name, Registration, Step,
};

/// The contents of `silo.lock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// `sha256:…` over the questions that were asked. A different one means that the lock is stale.
    pub inputs: String,
    /// The image's root file system.
    pub base: LockedBase,
    /// The root file system of the stages that download and unpack.
    pub fetch: LockedBase,
    /// Packages of the distribution in the image: the base's own and those of `base` and `layer` blocks. Sorted by name.
    pub packages: Vec<AptPackage>,
    /// Packages of the distribution in the fetch stage. Sorted by name.
    pub fetch_packages: Vec<AptPackage>,
    /// Every component, agents and silo's own clients included, sorted by identifier.
    pub components: Vec<LockedComponent>,
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
    /// For a bootstrapped base the release file's date in seconds since 1970, which becomes every file's time.
    pub epoch: Option<u64>,
}

/// A pinned package of the distribution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AptPackage {
    /// Its name.
    pub name: String,
    /// Its version for each architecture that has it.
    pub versions: BTreeMap<Arch, String>,
}

/// A pinned component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedComponent {
    /// Which one.
    pub id: ComponentId,
    /// What was asked for.
    pub request: String,
    /// The way of installing it that was chosen.
    pub source: Name,
    /// The version it was resolved to.
    pub version: String,
    /// Everything that is downloaded for it, sorted.
    pub artifacts: Vec<Artifact>,
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
}

/// Where a checksum comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Published beside the file, or written in a configuration.
    Published,
    /// Computed from the first download.
    FirstUse,
}

/// A package of npm, as `package-lock.json` version 3 has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NpmPackage {
    /// Its place: `node_modules/a/node_modules/b`.
    pub path: String,
    /// Its name when that is not the end of the path (an alias).
    pub name: Option<String>,
    /// Its version.
    pub version: String,
    /// Its Subresource Integrity text, `sha512-…`.
    pub integrity: String,
    /// Whether an installation may leave it out when the platform does not fit.
    pub optional: bool,
    /// Its commands: name to file in the package.
    pub bin: BTreeMap<String, String>,
    /// `os` of its manifest.
    pub os: Vec<String>,
    /// `cpu` of its manifest.
    pub cpu: Vec<String>,
    /// `libc` of its manifest.
    pub libc: Vec<String>,
}

/// An image whose every part is pinned: what the plan is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedImage {
    /// The image's root file system.
    pub base: LockedBase,
    /// The root file system of the stages that download and unpack.
    pub fetch: LockedBase,
    /// What the catalog knows about the distribution.
    pub distribution: Distribution,
    /// What the catalog knows about the distribution of the stages that download and unpack.
    pub fetch_distribution: Distribution,
    /// The steps of the `base` block with their downloads.
    pub base_layer: PinnedLayer,
    /// The user's `layer` blocks, in the order in which they apply.
    pub layers: Vec<PinnedLayer>,
    /// Packages of the distribution in the image: its own, those of the `base` and of the `layer` blocks. Sorted by name.
    pub packages: Vec<AptPackage>,
    /// Packages of the distribution in the fetch stage. Sorted by name.
    pub fetch_packages: Vec<AptPackage>,
    /// Languages, tools, language servers, MCP servers and clients, sorted by identifier.
    pub components: Vec<PinnedComponent>,
    /// The agents, sorted by name.
    pub agents: Vec<PinnedAgent>,
    /// Scripts run as root on the base, before anything is installed.
    pub pre_build: Vec<Hook>,
    /// Scripts run after everything but the agent is installed.
    pub post_build: Vec<Hook>,
    /// Environment of the image.
    pub env: BTreeMap<EnvName, BuildEnv>,
}

/// A `base` or `layer` block with what its steps download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedLayer {
    /// The layer's name; `None` for the `base` block.
    pub name: Option<Name>,
    /// Its steps in written order.
    pub steps: Vec<Step>,
    /// Its downloads and packages of npm and PyPI, sorted. Its packages of the distribution are in [`LockedImage::packages`].
    pub artifacts: Vec<Artifact>,
    /// Where it was written.
    pub origin: Span,
}

/// A component with its version and the one way in which it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedComponent {
    /// Which one.
    pub id: ComponentId,
    /// What was asked for.
    pub request: String,
    /// The version.
    pub version: String,
    /// How it is installed.
    pub install: Install,
    /// Values of the definition's options, by name.
    pub options: BTreeMap<String, String>,
    /// Variables the image sets for it.
    pub env: BTreeMap<EnvName, String>,
    /// Commands that must succeed in the finished image.
    pub checks: Vec<Check>,
    /// Everything that is downloaded for it, packages of the distribution included; sorted.
    pub artifacts: Vec<Artifact>,
    /// Whether somebody asked for it by name.
    pub cause: Cause,
    /// Where it was asked for.
    pub origin: Span,
}

/// An agent with its version and what it adds to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedAgent {
    /// The agent itself.
    pub component: PinnedComponent,
    /// The MCP servers it gets, sorted by name.
    pub mcp: Vec<McpServer>,
    /// The language servers it gets, sorted by name.
    pub lsp: Vec<LspServer>,
    /// How it is told about them.
    pub registrations: Vec<Registration>,
    /// Files it needs in the image, absolute path and exact text.
    pub files: BTreeMap<String, String>,
    /// `post_build` scripts inside the `agent` block.
    pub post_build: Vec<Hook>,
}
