//! What the configuration means: every reference resolved against the catalog, versions not yet pinned.
//!
//! [`ImageSpec`] is what the image is; all of it ends up in the identity. [`RunSpec`] is how a container of it is run; none of it does.

pub mod decode;
mod distribution;
mod environment;
mod mirror;
mod place;
mod policy;
mod step;
pub mod update;
mod versions;

pub use distribution::{Distribution, UpdateSuite};
pub use environment::{BuildEnv, Phase};
pub use mirror::{Mirror, Mirrored, Mirrors, Registry};
pub use place::same_image;
pub use policy::LockPolicy;
pub use step::{Checksum, Features, Hook, PackageRequest, RunAs, Step};
pub use versions::{IndexForm, IndexPlace, JsonIndex, Versions};

use std::collections::BTreeMap;
use std::fmt;

use crate::schema::types;
use crate::source::Span;
use update::{Update, Updates};

/// A decoded configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What is built.
    pub image: ImageSpec,
    /// How it is run.
    pub run: RunSpec,
    /// How its versions are chosen.
    pub lock: LockPolicy,
    /// Where things are fetched from instead.
    pub mirrors: Mirrors,
}

/// What an image consists of. Nothing of the user, the host or the day is in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSpec {
    /// The root file system everything else is put on.
    pub base: Base,
    /// The root file system of the stages that download and unpack: the same reference without its steps when the catalog knows the
    /// distribution, else the catalog's default base. Its [`Distribution::fetch_packages`] are those of the stage.
    pub fetch: Base,
    /// The user's own `layer` blocks, in the order in which they apply.
    pub layers: Vec<ImageLayer>,
    /// Languages, tools, language servers, MCP servers and clients, required ones included; sorted by identifier.
    pub components: Vec<Component>,
    /// The agents, sorted by name.
    pub agents: Vec<AgentImage>,
    /// Scripts run as root on the base, before anything is installed.
    pub pre_build: Vec<Hook>,
    /// Scripts run after everything but the agent is installed.
    pub post_build: Vec<Hook>,
    /// Environment of the image (`phase=build` and `phase=both`).
    pub env: BTreeMap<EnvName, BuildEnv>,
}

impl ImageSpec {
    /// Every component, agents last.
    pub fn all_components(&self) -> impl Iterator<Item = &Component> {
        self.components.iter().chain(self.agents.iter().map(|agent| &agent.component))
    }
}

/// The root file system of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The reference as people write it: `debian:bookworm`, `ghcr.io/acme/dev:1`.
    pub reference: String,
    /// Where it comes from.
    pub from: BaseFrom,
    /// The steps written inside the `base` block.
    pub steps: Vec<Step>,
    /// What the catalog knows about this distribution.
    pub distribution: Distribution,
    /// Where it was written.
    pub origin: Span,
}

/// Where a base comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BaseFrom {
    /// An image of a registry, by digest.
    Registry,
    /// A root file system made on this machine from the distribution's packages.
    Bootstrap,
}

/// A `layer NAME { … }` of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayer {
    /// Its name.
    pub name: Name,
    /// Its steps in written order.
    pub steps: Vec<Step>,
    /// Where it was written.
    pub origin: Span,
}

/// What kind of thing a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A programming language's tool chain.
    Language,
    /// A command-line tool.
    Tool,
    /// A language server.
    Lsp,
    /// An MCP server.
    Mcp,
    /// A coding agent.
    Agent,
    /// What silo itself installs others with while building; never in the finished image.
    Client,
}

impl Kind {
    /// Every kind, in the order in which they are installed.
    pub const ALL: [Kind; 6] = [Kind::Language, Kind::Tool, Kind::Lsp, Kind::Mcp, Kind::Agent, Kind::Client];

    /// The node's name: `language`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Language => "language",
            Kind::Tool => "tool",
            Kind::Lsp => "lsp",
            Kind::Mcp => "mcp",
            Kind::Agent => "agent",
            Kind::Client => "client",
        }
    }
}

/// A name that is safe in a stage's name, a path and a command line: `[a-z0-9][a-z0-9._-]*`, at most 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Checks a text; `None` when it is not a name.
    pub fn new(text: &str) -> Option<Name> {
        types::is_identifier(text).then(|| Name(text.to_string()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an environment variable: `[A-Za-z_][A-Za-z0-9_]*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

impl EnvName {
    /// Checks a text; `None` when it cannot name a variable.
    pub fn new(text: &str) -> Option<EnvName> {
        types::is_env_name(text).then(|| EnvName(text.to_string()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A component's identifier: `language node`. As a stage: `language-node`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: Name,
}

impl ComponentId {
    /// `language-node`: the name of its stage and of its folder in the build context.
    pub fn slug(&self) -> String {
        format!("{}-{}", self.kind.as_str(), self.name)
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// A processor architecture, by the name that Docker and OCI use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Arch {
    /// Every architecture silo locks for.
    pub const ALL: [Arch; 2] = [Arch::Amd64, Arch::Arm64];

    /// `amd64`, `arm64`: as in `TARGETARCH` and in Debian.
    pub fn as_str(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }

    /// `x86_64`, `aarch64`: as `uname -m` says.
    pub fn uname(self) -> &'static str {
        match self {
            Arch::Amd64 => "x86_64",
            Arch::Arm64 => "aarch64",
        }
    }

    /// `x86_64`, `aarch_64`: as the releases of Protocol Buffers and other builds that use os-maven-plugin's names say.
    pub fn protoc(self) -> &'static str {
        match self {
            Arch::Amd64 => "x86_64",
            Arch::Arm64 => "aarch_64",
        }
    }
}

/// A text with `%{…}` placeholders, checked when it was decoded. `%%{` stands for a plain `%{`.
///
/// In an `install` block: `version`, `arch` (by the block's own table), `arch.docker`, `arch.uname`. The decoder has put in the values of
/// `option.NAME` already.
/// In commands, arguments, environment and mounts of a container: `workspace`, `home`, `user`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Template(pub String);

/// A language, tool, language server, MCP server or agent, and how to install it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Which one.
    pub id: ComponentId,
    /// The version asked for: `latest`, `22`, `>=20 <23`, `1.2.3`.
    pub request: String,
    /// Ways to install it, the preferred one first; when the user wrote `source=` there is just that one.
    pub installs: Vec<Install>,
    /// Values of the definition's options, by name.
    pub options: BTreeMap<String, String>,
    /// Variables the image sets for it.
    pub env: BTreeMap<EnvName, String>,
    /// Commands that must succeed in the finished image.
    pub checks: Vec<Check>,
    /// Whether somebody asked for it by name.
    pub cause: Cause,
    /// Where it was asked for.
    pub origin: Span,
}

/// Why a component is in a configuration. Required ones are needed only where an install that names them is chosen, so an image may
/// leave out those that none of its own components needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A node of the configuration names it.
    Configured,
    /// Only `requires` of an install, a step that needs a client, or the `mcp`/`lsp` selection of one agent names it.
    Required,
}

/// One way to install a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    /// What `source=` calls it: `vendor`, `npm`, `pypi`, `crate`, `apt`, or the user's own word.
    pub source: Name,
    /// Components that this way needs at run time.
    pub requires: Vec<ComponentId>,
    /// What `%{arch}` means for each architecture.
    pub arch: BTreeMap<Arch, String>,
    /// Where its versions are listed, when packages do not say them.
    pub versions: Option<Versions>,
    /// What to do, in order.
    pub steps: Vec<Step>,
}

/// A command that shows that a component works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// A text that its output must hold; `%{version}` is the locked version.
    pub contains: Option<Template>,
    /// A regular expression that its output must match; what is put in for `%{version}` is matched as it is.
    pub matches: Option<Template>,
}

/// What an agent adds to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentImage {
    /// The agent itself.
    pub component: Component,
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

impl AgentImage {
    /// The agent's name.
    pub fn name(&self) -> &Name {
        &self.component.id.name
    }
}

/// An MCP server as agents are told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpServer {
    /// Its name.
    pub name: Name,
    /// How it is reached.
    pub transport: McpTransport,
    /// Variables that it needs from the container's environment. `SILO_WORKSPACE` is among them when its command or a value names the
    /// workspace, since some agents start servers with the variables alone that they were told of.
    pub env: Vec<EnvName>,
    /// Where it was asked for.
    pub origin: Span,
}

/// How an MCP server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum McpTransport {
    /// A program in the image; agents are given one launcher, [`McpServer::launcher`].
    Stdio {
        /// The program and its arguments; `%{workspace}` and `%{home}` are the container's.
        command: Vec<Template>,
        /// Variables with fixed values.
        env: BTreeMap<EnvName, Template>,
    },
    /// A server somewhere else.
    Remote {
        /// `http` or `sse`.
        protocol: String,
        /// Where.
        url: String,
    },
}

impl McpServer {
    /// Absolute path of the program that agents start: it has no arguments.
    pub fn launcher(&self) -> String {
        format!("/opt/silo/mcp/{}", self.name)
    }
}

/// A language server as agents are told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LspServer {
    /// Its name.
    pub name: Name,
    /// The program and its arguments.
    pub command: Vec<Template>,
    /// File ending (with its dot) to language identifier, as the LSP specification names it.
    pub languages: BTreeMap<String, String>,
}

/// How an agent is told about servers: one file of the image, written from a pattern in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Which servers: [`Kind::Mcp`] or [`Kind::Lsp`].
    pub servers: Kind,
    /// Absolute path of the file.
    pub file: String,
    /// How it is written.
    pub format: FileFormat,
    /// Keys to the table of servers, from the top of the file: `["mcp", "servers"]`.
    pub key: Vec<String>,
    /// What stands for a server that is a program.
    pub local: Pattern,
    /// What stands for a server somewhere else; `None` when the agent cannot use those.
    pub remote: Option<Pattern>,
    /// How the agent refers to a variable of its environment; `%{name}` is the variable.
    pub env_reference: Template,
}

/// A file format of registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileFormat {
    /// JSON.
    Json,
    /// TOML.
    Toml,
}

/// A JSON-like value with placeholders for one server.
///
/// Texts may hold `%{name}`, `%{command}` (the program), `%{url}`, `%{transport}`. A text that is just `%{args}` becomes the list of
/// arguments, `%{argv}` the program with its arguments, `%{env}` a table from variable to reference, `%{env.names}` the list of variables,
/// `%{extensions}` the list of file endings, `%{languages}` a table from file ending to language.
/// Several registrations may name one file: each adds its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// A text or one of the placeholders.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A list.
    List(Vec<Pattern>),
    /// A table in written order.
    Table(Vec<(String, Pattern)>),
}

/// How containers are run. Never part of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSpec {
    /// The agent that `silo` alone starts.
    pub default_agent: Option<Name>,
    /// The backend asked for; `None` is the best one that answers.
    pub backend: Option<Backend>,
    /// How each agent is started, sorted by name.
    pub agents: Vec<AgentRun>,
    /// Scripts run in the container before the agent.
    pub pre_run: Vec<Hook>,
    /// Folders and files of the host, by where they are in the container.
    pub mounts: Vec<Mount>,
    /// Named volumes.
    pub caches: Vec<Cache>,
    /// Environment, sorted by name. Variables that components set with the container's own places (`%{home}`) are among them.
    pub env: Vec<RunEnv>,
    /// Folders of the container put on the `PATH` after the image's own: `%{home}/.local/bin`.
    pub path: Vec<Template>,
    /// Limits.
    pub resources: Resources,
    /// What silo may do by itself to keep agents new.
    pub updates: Updates,
}

/// Something that can build images and run containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// A Docker engine.
    Docker,
    /// Apple's `container`.
    Apple,
}

/// How an agent is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRun {
    /// Its name.
    pub name: Name,
    /// What silo does about a newer version of it.
    pub update: Update,
    /// The program with the arguments that let it act without asking and that register its servers.
    pub command: Vec<Template>,
    /// Arguments from the configuration, after those.
    pub args: Vec<Template>,
    /// Words that name a subcommand when they are the caller's first argument. Then the program is started with the caller's arguments
    /// alone, since a flag before a subcommand changes what it means.
    pub subcommands: Vec<String>,
    /// Environment.
    pub env: Vec<RunEnv>,
    /// Folders in HOME (`~/…`) that outlive the container; silo keeps them for each project.
    pub state: Vec<Template>,
    /// Mounts inside the `agent` block.
    pub mounts: Vec<Mount>,
    /// `pre_run` scripts inside the `agent` block.
    pub pre_run: Vec<Hook>,
}

/// Something of the host in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Path on the host: absolute, `~/…`, or relative to the file that says so (then made absolute by the decoder's caller).
    pub source: Template,
    /// Path in the container: absolute, `~/…` or with placeholders; equal to `source` when it is to be at the same path.
    pub target: Template,
    /// Whether the container may write.
    pub access: Access,
    /// Whether it may be missing on the host.
    pub presence: Presence,
    /// Where it was written.
    pub origin: Span,
}

/// Whether a mount may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read only.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// Whether something must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// An error when missing.
    Required,
    /// Left out when missing.
    Optional,
}

/// A named volume, shared by all containers of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Its name.
    pub name: Name,
    /// Where it is in the container.
    pub target: Template,
    /// Where it was written.
    pub origin: Span,
}

/// A variable of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnv {
    /// Its name.
    pub name: EnvName,
    /// Where its value comes from.
    pub value: EnvValue,
    /// Whether the container starts without it.
    pub presence: Presence,
    /// Where it was written.
    pub origin: Span,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// The configuration.
    Set(Template),
    /// The variable of the same name on the host.
    Host,
}

/// Limits of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Processors, in thousandths.
    pub milli_cpus: Option<u64>,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Disk in bytes.
    pub disk: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}
