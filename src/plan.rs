//! The plan: stages, what each copies and runs, and why it is there. The Dockerfile, the Apple build spec and the identity are views of it.

mod cargo;
mod compose;
mod pip;
mod recipe;
mod registration;
mod select;
pub mod shell;
mod vendor;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::lock::{LockedBase, PinnedFile};
use crate::source::Span;
use crate::spec::{BaseFrom, Distribution, EnvName, Name};

pub use compose::{CERTIFICATES, plan, sources};
pub use registration::{agent_files, mcp_launcher};
pub use select::{SmokeTest, cargo_client, go_client, smoke_tests};
pub use vendor::{Script, scripts};

/// What is planned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The image of one agent.
    Agent(Name),
    /// Everything but an agent.
    Environment,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Agent(name) => f.write_str(name.as_str()),
            Target::Environment => f.write_str("environment"),
        }
    }
}

/// A file or folder of the repository that a `copy` step names: path below it to file. A single file has the empty path.
pub type Tree = BTreeMap<String, ContextFile>;

/// What the repository holds where [`sources`] asked, by the text of the `copy` step.
pub type Files = BTreeMap<String, Tree>;

/// A directed acyclic graph of stages in a deterministic order: a stage stands after those that it uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The stages.
    pub stages: Vec<Stage>,
    /// The stage that is the image: always the last.
    pub target: StageName,
    /// The build context: path to file.
    pub context: BTreeMap<String, ContextFile>,
    /// The files that each recipe downloads, by its folder in the context. Their hashes are in the context already, so no identity depends on
    /// this.
    pub downloads: BTreeMap<String, BTreeSet<PinnedFile>>,
}

impl Plan {
    /// The instruction that the builder calls the n-th of `total` in a stage. It counts what makes a file system, and the `FROM` only when
    /// that names an image; so the instructions are the last of those. `None` for a `FROM` and for what does not exist.
    pub fn instruction(&self, stage: &str, ordinal: usize, total: usize) -> Option<&Instruction> {
        let counted = |instruction: &&Instruction| match instruction.operation {
            Operation::CopyContext { .. } | Operation::CopyStage { .. } | Operation::Run { .. } => true,
            Operation::Argument { .. }
            | Operation::Path { .. }
            | Operation::Env { .. }
            | Operation::User { .. }
            | Operation::Label { .. } => false,
        };
        let stage = self.stages.iter().find(|known| known.name.0 == stage)?;
        let before = total.checked_sub(stage.steps.iter().filter(counted).count())?;
        stage.steps.iter().filter(counted).nth(ordinal.checked_sub(before + 1)?)
    }
}

impl Plan {
    /// The same upon images that a builder knows by other names. It has no identity of its own: an image is what its layers are.
    pub fn upon(&self, names: &BTreeMap<String, String>) -> Plan {
        let mut plan = self.clone();
        for stage in &mut plan.stages {
            if let From::Image(reference) = &mut stage.from
                && let Some(name) = names.get(reference)
            {
                reference.clone_from(name);
            }
        }
        plan
    }
}

/// A stage's name: `base`, `fetch`, `language-node`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageName(pub String);

/// A file of the build context. Owner is root and the time is fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextFile {
    /// Permission bits: 0o644 or 0o755.
    pub mode: u32,
    /// The contents.
    pub bytes: Vec<u8>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: StageName,
    /// What it starts from.
    pub from: From,
    /// For which processor.
    pub platform: Platform,
    /// What it does, in order.
    pub steps: Vec<Instruction>,
}

/// The processor that a stage's programs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Platform {
    /// The image's.
    Target,
    /// The builder's own, so that nothing is emulated.
    Build,
}

/// What a stage starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// An image, by a reference that names a digest or a local tag made from one.
    Image(String),
    /// An earlier stage.
    Stage(StageName),
}

/// One instruction with the reason why it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What is done.
    pub operation: Operation,
    /// What it is for, for people: `language node 22.11.0 (npm)`.
    pub reason: String,
    /// The place in a configuration that caused it.
    pub origin: Option<Span>,
}

/// What an instruction does. Texts are exact; how they are quoted is the renderer's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Declares a build argument, which later steps of the stage see and containers do not.
    Argument {
        /// Its name; without a value one of BuildKit's own (`TARGETARCH`).
        name: EnvName,
        /// Its value.
        value: Option<String>,
    },
    /// Copies one file or folder of the context.
    CopyContext {
        /// Path in the context.
        source: String,
        /// Absolute path in the stage.
        target: String,
    },
    /// Copies a folder of another stage.
    CopyStage {
        /// The stage.
        stage: StageName,
        /// Absolute path there; ends with `/` for the contents of a folder.
        source: String,
        /// Absolute path here.
        target: String,
    },
    /// Runs a program without a shell.
    Run {
        /// The program and its arguments.
        argv: Vec<String>,
        /// What it sees besides the stage's own files.
        mounts: Vec<RunMount>,
    },
    /// Sets a variable for later steps and containers.
    Env {
        /// Its name.
        name: EnvName,
        /// Its value.
        value: String,
    },
    /// Puts folders in front of those that are on the `PATH` already.
    Path {
        /// Absolute paths, the first one searched first.
        folders: Vec<String>,
    },
    /// Sets who runs later steps, as `uid:gid`.
    User {
        /// User identifier.
        uid: u32,
        /// Group identifier.
        gid: u32,
    },
    /// Attaches a label to the image.
    Label {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
}

/// Something that a `RUN` sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunMount {
    /// A file or folder of the context, read only.
    Context {
        /// Path in the context.
        source: String,
        /// Absolute path in the stage.
        target: String,
    },
    /// A secret that may be absent; its value is in no cache key and in no layer.
    Secret {
        /// Its identifier.
        id: String,
        /// Absolute path of the file.
        target: String,
        /// Its permission bits.
        mode: u32,
    },
}

/// How bases are bootstrapped: another number when something else comes out of the same release.
const BOOTSTRAP: u32 = 2;

/// The reference of a pinned root file system: with its digest from a registry, or silo's own tag when it is made on this machine.
pub fn base_reference(base: &LockedBase, distribution: &Distribution) -> String {
    let LockedBase { reference, from, digest, platforms: _, epoch: _ } = base;
    match from {
        BaseFrom::Registry => format!("{}@{digest}", reference.split('@').next().unwrap_or(reference)),
        BaseFrom::Bootstrap => {
            let hex = digest.rsplit(':').next().unwrap_or(digest);
            format!("localhost/silo/base:{}-{BOOTSTRAP}-{}", distribution.suite, hex.get(..32).unwrap_or(hex))
        }
    }
}
