//! A launch: everything about one container, as a value.

pub mod apple;
mod compose;
pub mod profile;
mod view;

use std::collections::BTreeMap;

use crate::spec::{Access, Name};

pub use compose::{launch, paths};
pub use view::to_json;

/// What is started, and in which image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The agent whose image it is; `None` is the image without an agent.
    pub agent: Option<Name>,
    /// The program.
    pub program: Program,
}

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The agent, with the caller's arguments after its own.
    Agent(Vec<String>),
    /// A command of the caller's.
    Command(Vec<String>),
}

/// What is known of the host and the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The caller's user identifier.
    pub uid: u32,
    /// The caller's group identifier.
    pub gid: u32,
    /// The caller's name.
    pub user: String,
    /// The caller's home folder.
    pub home: String,
    /// The working directory, mounted at its own path.
    pub workspace: String,
    /// The repository's common directory (`.git` of the main worktree) when it lies outside the workspace.
    pub git_common_directory: Option<String>,
    /// `user.name` and `user.email` of the user's global git configuration.
    pub git_identity: Option<GitIdentity>,
    /// The variables of the host that the configuration asks for, as far as they are set.
    pub env: BTreeMap<String, String>,
    /// Paths of mounts that exist on the host, and where they really are: without links.
    pub existing: BTreeMap<String, String>,
    /// Folders of silo's own, without links: what it was told to trust is there, and the user's configuration. No container may write to them.
    pub guarded: Vec<String>,
    /// Folder in which silo keeps the state of this project's agents.
    pub state: String,
    /// The host's bundle of certificate authorities: what the host trusts, a container trusts, so that a proxy that signs TLS itself is no
    /// obstacle to the agent. `None` when the host has none.
    pub certificates: Option<String>,
    /// The host's proxy variables (`HTTPS_PROXY` and so on) that mean something in a container.
    pub proxies: BTreeMap<String, String>,
    /// `PATH` of the image, as the engine tells it; `None` when it is not known.
    pub image_path: Option<String>,
    /// A short text that is the same for every container of this project.
    pub project: String,
    /// A text that no other launch has.
    pub unique: String,
    /// Whether the caller sits at a terminal.
    pub terminal: Terminal,
}

/// The caller's git identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitIdentity {
    /// `user.name`.
    pub name: String,
    /// `user.email`.
    pub email: String,
}

/// Where standard input and output go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// A terminal with its `TERM` and `COLORTERM`.
    Interactive {
        /// `TERM`.
        term: String,
        /// `COLORTERM`, when set.
        colorterm: Option<String>,
    },
    /// A pipe or a file.
    Pipe,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The container's name.
    pub name: String,
    /// The image's local reference.
    pub image: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The whole environment set by silo.
    pub env: BTreeMap<String, String>,
    /// The directory it starts in.
    pub workdir: String,
    /// User and group identifier.
    pub user: (u32, u32),
    /// The line for `/etc/passwd`.
    pub passwd: String,
    /// The line for `/etc/group`.
    pub group: String,
    /// Host folders and files, and volumes; a mount stands after those that contain it.
    pub mounts: Vec<LaunchMount>,
    /// Folders in memory: path to mount options.
    pub tmpfs: BTreeMap<String, String>,
    /// Host folders that must be made before the container starts.
    pub create: Vec<String>,
    /// Limits.
    pub limits: Limits,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether a terminal is allocated.
    pub terminal: bool,
}

/// Something mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchMount {
    /// A folder or file of the host.
    Bind {
        /// Path on the host.
        source: String,
        /// Path in the container.
        target: String,
        /// Whether it may be written.
        access: Access,
    },
    /// A named volume.
    Volume {
        /// Its name.
        name: String,
        /// Path in the container.
        target: String,
    },
}

/// Limits of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processors, in thousandths.
    pub milli_cpus: Option<u64>,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: u64,
}
