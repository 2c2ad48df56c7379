//! The engine: what silo asks of it, in silo's own words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use silo::digest::Digest;
use silo::launch::Launch;
use silo::plan::ContextFile;

pub mod docker;

/// Why an operation failed, in the words of whoever failed.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Where to look for an engine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_TLS_VERIFY`, when it is not empty: TCP hosts then want TLS.
    pub tls_verify: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub context: Option<String>,
    /// `DOCKER_CONFIG`.
    pub config: Option<PathBuf>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, where a rootless engine listens.
    pub runtime: Option<PathBuf>,
    /// The socket of an engine of the system.
    pub system_socket: PathBuf,
}

/// An image that the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The engine's identifier of it, `sha256:…`.
    pub id: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its `PATH`, when the engine told it: a list of images does not.
    pub path: Option<String>,
    /// Bytes.
    pub size: u64,
    /// When it was made, seconds since 1970.
    pub created: i64,
}

/// A container that the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The engine's identifier of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image it was made from, as it was named then.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `created`, `running`, `exited` and so on, in the engine's words.
    pub state: String,
    /// When it was made, seconds since 1970.
    pub created: i64,
}

/// How far a pull is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullEvent {
    /// The layer, when it is about one.
    pub layer: Option<String>,
    /// What is going on, in the engine's words.
    pub status: String,
    /// Bytes so far and in total, when known.
    pub bytes: Option<(u64, u64)>,
}

/// A build.
#[derive(Clone, Debug)]
pub struct BuildRequest<'a> {
    /// The Dockerfile's text.
    pub dockerfile: &'a str,
    /// The build context.
    pub context: &'a BTreeMap<String, ContextFile>,
    /// Large files of the context, by their paths there: they are read while they are sent, and checked.
    pub files: &'a BTreeMap<String, StoredFile>,
    /// The stage that is the image; the last when absent.
    pub target: Option<String>,
    /// The tags it gets.
    pub tags: Vec<String>,
    /// Labels besides those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// Build arguments. The proxy variables (`HTTP_PROXY` and so on) reach every `RUN` and are in no cache key.
    pub arguments: BTreeMap<String, String>,
    /// Secrets, by identifier; one that a step asks for and that is absent here is simply not mounted.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// `linux/arm64` and so on; the engine's own when absent.
    pub platform: Option<String>,
    /// Whether steps done before are taken over.
    pub cache: Cache,
    /// What steps that are done reach.
    pub network: BuildNetwork,
}

/// A file on this machine's disk that is known by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its hash.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
}

/// That a file's hash is another one, in words.
pub fn differs(expected: &Digest, found: &Digest) -> String {
    format!("its hash is {found}, and silo.lock pins {expected}")
}

/// What the steps of a build reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuildNetwork {
    /// The engine's network.
    #[default]
    Open,
    /// Nothing. A step that was done with a network counts as another one, so the cache of such builds is not used.
    None,
    /// What was done before, with whatever network, is taken over. A step that asks for a secret, as all do that may want a network, is not
    /// done: it fails, and says that silo is offline.
    Kept,
}

/// Whether a build takes over what was done before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// Steps whose inputs are the same are not done again.
    #[default]
    Use,
    /// Every step is done.
    Ignore,
}

/// What came of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltImage {
    /// The engine's identifier of it, `sha256:…`.
    pub id: String,
}

/// Something that happened in a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildEvent {
    /// A vertex appeared or changed; what is told here is all that is known of it now.
    Vertex(Vertex),
    /// A vertex said something.
    Log {
        /// The vertex.
        digest: String,
        /// Where it said it.
        stream: LogStream,
        /// What: whole characters, not necessarily whole lines, control characters included.
        text: String,
    },
    /// Something in a vertex went on: a layer coming in, an export.
    Status {
        /// The vertex.
        digest: String,
        /// Which of the things in it.
        id: String,
        /// Bytes so far.
        current: u64,
        /// Bytes in all; 0 when unknown.
        total: u64,
        /// Whether it is done.
        completed: bool,
    },
}

/// Standard output or standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogStream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// One piece of work of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vertex {
    /// Its identity, stable within the build.
    pub digest: String,
    /// BuildKit's name of it.
    pub name: String,
    /// The instruction that it is, unless it is internal.
    pub step: Option<Step>,
    /// The vertices that it needs.
    pub inputs: Vec<String>,
    /// Whether it was done before.
    pub cached: bool,
    /// When it started, since 1970.
    pub started: Option<Duration>,
    /// When it ended, since 1970.
    pub completed: Option<Duration>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Which instruction of the Dockerfile a vertex is, as its name says: `[base 3/7] RUN …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stage; `stage-N` when it has no name, absent when the Dockerfile has only one stage.
    pub stage: Option<String>,
    /// Which one of the stage's `FROM`, `RUN`, `COPY`, `ADD` and `WORKDIR` it is, counted from 1; other instructions do not count.
    pub ordinal: u32,
    /// How many of them there are.
    pub total: u32,
    /// The instruction's text, with variables replaced.
    pub instruction: String,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedStep {
    /// BuildKit's name of it.
    pub name: String,
    /// The instruction that it is, unless it is internal (resolving a base image, say).
    pub step: Option<Step>,
    /// What its process exited with.
    pub exit_code: Option<i64>,
    /// The last lines that it wrote, at most 40.
    pub log: Vec<String>,
    /// BuildKit's message.
    pub message: String,
}

impl std::fmt::Display for FailedStep {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.exit_code {
            Some(code) => write!(formatter, "{} exited with {code}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// Why there is no image.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BuildError {
    /// An instruction failed.
    #[error("a step of the build failed: {0}")]
    #[diagnostic(code(engine::step))]
    Step(Box<FailedStep>),
    /// The engine's disk is full.
    #[error("the engine's disk is full{}", .step.as_ref().map(|step| format!(": {step}")).unwrap_or_default())]
    #[diagnostic(
        code(engine::no_space),
        help(
            "free space: `docker system df` shows what takes it, `docker builder prune` drops old build steps, `docker image prune` old images"
        )
    )]
    NoSpace {
        /// The step that noticed.
        step: Option<Box<FailedStep>>,
        /// The engine's words.
        #[source]
        source: Cause,
    },
    /// BuildKit did not take the Dockerfile, or failed outside any step.
    #[error("the engine refused to build")]
    #[diagnostic(code(engine::build_refused))]
    Refused {
        /// Its words.
        #[source]
        source: Cause,
    },
    /// A file that was to be sent cannot be read, or is not what its hash says.
    #[error("{} cannot be used", path.display())]
    #[diagnostic(code(engine::stored))]
    Stored {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
    /// The build was cancelled.
    #[error("the build was cancelled")]
    #[diagnostic(code(engine::cancelled))]
    Cancelled,
    /// The connection to BuildKit could not be made or broke.
    #[error("the connection to the engine's BuildKit broke")]
    #[diagnostic(code(engine::buildkit), help("see whether the engine is well: `docker info`; then build again: finished steps are kept"))]
    Connection {
        /// Why.
        #[source]
        source: Cause,
    },
}

/// Where a container runs, who sees it, and what it may do.
#[derive(Clone, Debug)]
pub struct RunRequest<'a> {
    /// The container itself.
    pub launch: &'a Launch,
    /// What it may do.
    pub security: &'a Security,
    /// The whole contents of `/etc/passwd` and `/etc/group` of the container; bind-mounted, read only.
    pub accounts: Option<Accounts>,
    /// A folder of silo's own in which it keeps a container's files; nobody else may write there.
    pub private: PathBuf,
    /// Which network.
    pub network: Network,
}

/// Files that say who is who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// `/etc/passwd`.
    pub passwd: String,
    /// `/etc/group`.
    pub group: String,
}

/// A container's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The engine's default bridge.
    Bridge,
    /// Only its own loopback.
    None,
}

/// What a container may do. Capabilities are always dropped, privileges never gained, and the image's files cannot be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// The seccomp profile as JSON; the engine's own when absent.
    pub seccomp: Option<String>,
    /// Paths hidden from the container; the engine's own list when absent.
    pub masked_paths: Option<Vec<String>>,
    /// Paths that cannot be written to; the engine's own list when absent.
    pub readonly_paths: Option<Vec<String>>,
}

/// A program to start in a running container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// The container's name or identifier.
    pub container: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables besides the container's.
    pub env: BTreeMap<String, String>,
    /// User and group identifier.
    pub user: (u32, u32),
    /// The directory it starts in.
    pub workdir: String,
    /// Whether a terminal is allocated.
    pub terminal: bool,
}

/// How a program ended.
#[derive(Debug)]
pub struct Exit {
    /// Its exit code; 128 and the signal's number when a signal ended it.
    pub code: u8,
    /// Why its container could not be removed. The code counts all the same.
    pub left_behind: Option<EngineError>,
}

/// Why something asked of the engine was not done.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EngineError {
    /// No socket of an engine exists.
    #[error("no container engine was found")]
    #[diagnostic(code(engine::none), help("install Docker Engine 20.10 or newer and start it, or set DOCKER_HOST; looked at: {tried}"))]
    NoEngine {
        /// The sockets looked for.
        tried: String,
    },
    /// The named engine does not listen.
    #[error("no container engine listens at {address}")]
    #[diagnostic(
        code(engine::not_running),
        help("start it: `sudo systemctl start docker`, or open Docker Desktop; if it listens elsewhere, set DOCKER_HOST")
    )]
    NotRunning {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The user may not use the socket.
    #[error("you may not use the engine's socket {socket}")]
    #[diagnostic(code(engine::permission), help("join its group: `sudo usermod -aG docker $USER`, then `newgrp docker` or log in again"))]
    Permission {
        /// The socket.
        socket: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// Something is there but gives no sensible answer.
    #[error("the engine at {address} does not answer")]
    #[diagnostic(code(engine::silent), help("see what it says itself: `docker info`, `sudo journalctl -u docker -n 50`"))]
    Silent {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The engine is older than 20.10.
    #[error("the engine at {address} speaks API version `{version}`, and silo needs 1.41 or newer")]
    #[diagnostic(code(engine::too_old), help("upgrade to Docker Engine 20.10 or newer"))]
    TooOld {
        /// Where.
        address: String,
        /// What it said.
        version: String,
    },
    /// It is Podman.
    #[error("the engine at {address} is Podman, which has no BuildKit")]
    #[diagnostic(code(engine::podman), help("point DOCKER_HOST at a Docker engine: `DOCKER_HOST=unix:///var/run/docker.sock`"))]
    Podman {
        /// Where.
        address: String,
    },
    /// A host that cannot be reached: TLS, ssh, a named pipe.
    #[error("the engine's address `{host}` is of a kind that silo cannot reach")]
    #[diagnostic(
        code(engine::host),
        help(
            "use `unix:///path` or `tcp://host:port` without TLS; for ssh, forward the socket: `ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST`, then DOCKER_HOST=unix:///tmp/docker.sock"
        )
    )]
    UnsupportedHost {
        /// As it was given.
        host: String,
    },
    /// The docker context in use is not there.
    #[error("the docker context `{name}` does not exist")]
    #[diagnostic(code(engine::context), help("choose another: `docker context ls`, `docker context use default`"))]
    NoContext {
        /// Its name.
        name: String,
    },
    /// The image is not on the engine.
    #[error("the engine has no image `{reference}`")]
    #[diagnostic(code(engine::no_image), help("build it: `silo build`"))]
    NoImage {
        /// What was asked for.
        reference: String,
    },
    /// The container is not on the engine.
    #[error("the engine has no container `{name}`")]
    #[diagnostic(code(engine::no_container), help("see which there are: `silo ls`"))]
    NoContainer {
        /// What was asked for.
        name: String,
    },
    /// The registry does not answer, or not this user.
    #[error("the engine could not get `{reference}` from its registry")]
    #[diagnostic(
        code(engine::registry),
        help("check the name and the engine's network; if the registry wants a login: `docker login HOST`")
    )]
    Registry {
        /// What was asked for.
        reference: String,
        /// The engine's words.
        #[source]
        source: Cause,
    },
    /// The engine's disk is full.
    #[error("the engine's disk is full")]
    #[diagnostic(
        code(engine::no_space),
        help(
            "free space: `docker system df` shows what takes it, `docker builder prune` drops old build steps, `docker image prune` old images"
        )
    )]
    NoSpace {
        /// The engine's words.
        #[source]
        source: Cause,
    },
    /// A call failed.
    #[error("the engine could not {operation}")]
    #[diagnostic(code(engine::operation))]
    Operation {
        /// What was to be done to what.
        operation: Operation,
        /// Why not.
        #[source]
        source: Cause,
    },
}

/// What was asked of an engine, with the object it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Operation {
    /// Asking what it is.
    #[error("say what it runs on")]
    Version,
    /// Looking an image up.
    #[error("look up the image `{0}`")]
    Find(String),
    /// Listing images by a label.
    #[error("list the images with the label `{0}`")]
    ListImages(String),
    /// Removing an image.
    #[error("remove the image `{0}`")]
    RemoveImage(String),
    /// Making an image from a root file system.
    #[error("import `{0}` as an image")]
    Import(String),
    /// Taking an image that a registry had.
    #[error("load the vendored image `{0}`")]
    Load(String),
    /// Asking which registry has an image that none is named of.
    #[error("say which registry has `{0}`")]
    Registry(String),
    /// Asking a registry for a digest.
    #[error("resolve `{0}` at its registry")]
    Resolve(String),
    /// Pulling an image.
    #[error("pull `{0}`")]
    Pull(String),
    /// Reading a file of an image.
    #[error("read `{path}` from the image `{image}`")]
    ReadFile {
        /// The image.
        image: String,
        /// The file.
        path: String,
    },
    /// Writing the files that go with a container.
    #[error("write the container's own files to `{0}`")]
    PrivateFiles(String),
    /// Making a container.
    #[error("create the container `{0}`")]
    Create(String),
    /// Connecting to a container's input and output.
    #[error("attach to the container `{0}`")]
    Attach(String),
    /// Waiting for a container's end.
    #[error("wait for the container `{0}`")]
    Wait(String),
    /// Starting a container.
    #[error("start the container `{0}`")]
    Start(String),
    /// Starting a program in a container.
    #[error("start a program in the container `{0}`")]
    Exec(String),
    /// Listing containers by a label.
    #[error("list the containers with the label `{0}`")]
    ListContainers(String),
    /// Stopping a container.
    #[error("stop the container `{0}`")]
    Stop(String),
    /// Removing a container.
    #[error("remove the container `{0}`")]
    Remove(String),
    /// Setting up the terminal.
    #[error("set up the terminal for `{0}`")]
    Terminal(String),
}
