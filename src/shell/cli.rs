//! The command line.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use silo::spec::Arch;

use super::failure::code;

mod means;

pub use means::{Hold, Locking, Making, Means, Offline};

/// Declarative images for AI coding agents.
///
/// A repository commits a silo.kdl; silo compiles it into an image and runs an agent in it: free inside, nothing outside.
#[derive(Debug, Parser)]
#[command(name = "silo", version, max_term_width = 100, subcommand_help_heading = "Commands", disable_help_subcommand = true)]
#[command(after_help = "\
Every agent of the configuration is a command too: `silo AGENT`, `silo AGENT -- ARGS`.
`silo` alone starts the default agent.

Start with `silo init --detect`; `silo check` says what is wrong.")]
pub struct Cli {
    /// Work in this directory instead of the current one
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Say only what is wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Reads the command line. Help, the version and mistakes are printed here; then the exit code comes back instead.
pub fn parse() -> Result<Cli, u8> {
    Cli::try_parse().map_err(|error| {
        // Help and version go to standard output and are no failure.
        let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        let printed = error.print().is_ok();
        if wanted && printed { 0 } else { code::USAGE }
    })
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the images of some agents, or of all
    Build(Build),
    /// Run an agent in its image, building it first when needed
    Run(Run),
    /// Open a shell in an agent's image
    Shell(Shell),
    /// Run a command in the container that runs for this directory
    Exec(Exec),
    /// Check the configuration and say everything that is wrong
    Check(Check),
    /// Put configuration files into silo's style
    Fmt(Fmt),
    /// Show what the configuration asks of this machine, and trust it
    Trust(Trust),
    /// Pin every version and checksum in silo.lock: look up what is new or changed in silo.kdl, keep the rest
    Lock(Lock),
    /// Take newer versions into silo.lock, as far as silo.kdl allows
    Update(Update),
    /// List what is newer than silo.lock
    Outdated(Outdated),
    /// Put everything that silo.lock pins into a folder, to build from it without a network
    Vendor(Vendor),
    /// Print what the configuration compiles to
    Compile(Compile),
    /// Print an image's identity
    Hash(Hash),
    /// Write a silo.kdl to start from
    Init(Init),
    /// Turn another tool's configuration into a silo.kdl
    Import(Import),
    /// Show or start a configuration
    #[command(subcommand)]
    Config(Config),
    /// Explain a node, a value or an entry of the catalog
    Doc(Doc),
    /// List and print what silo knows to install
    #[command(subcommand)]
    Catalog(Catalog),
    /// List silo's images and containers
    Ls(Ls),
    /// Remove silo's images and containers
    Rm(Rm),
    /// Say how things stand: configuration, trust, lock, images, containers, newer agents
    Status(Status),
    /// Look for a newer agent and build it: what `silo run` starts in the background
    #[command(hide = true)]
    BackgroundUpdate(BackgroundUpdate),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// An agent of the configuration, with its arguments
    #[command(external_subcommand)]
    Agent(Vec<String>),
}

/// `silo build`
#[derive(Debug, Args)]
pub struct Build {
    /// Agents whose images to build [default: all]
    #[arg(value_name = "AGENT")]
    pub agents: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub making: Making,
    /// Run every step anew
    #[arg(long)]
    pub no_cache: bool,
    /// Run the smoke test of every component in the finished image
    #[arg(long)]
    pub test: bool,
    /// Print the images that were built as JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be said about one container on the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct ContainerOptions {
    /// Set a variable in the container, or pass it through from here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Mount a folder or file at its own path, read only unless :rw
    #[arg(long, value_name = "PATH[:rw]")]
    pub mount: Vec<String>,
    /// Memory of the container, as in 8GiB
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Processors of the container
    #[arg(long, value_name = "N")]
    pub cpus: Option<String>,
    /// Give the container no network
    #[arg(long)]
    pub no_network: bool,
    /// Trust the project's files if this is their digest, and only then; SILO_TRUST does the same
    #[arg(long, value_name = "DIGEST")]
    pub trust: Option<String>,
}

/// `silo run`
#[derive(Debug, Args)]
pub struct Run {
    /// The agent
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// Its arguments
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub container: ContainerOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub making: Making,
    /// Start the version of silo.lock, and look for no newer one
    #[arg(long)]
    pub no_update: bool,
}

/// `silo shell`
#[derive(Debug, Args)]
pub struct Shell {
    /// The agent whose image to use [default: the default agent]
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// A command to run instead of an interactive shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub container: ContainerOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub making: Making,
}

/// `silo exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// The container, when several run for this directory (see `silo ls`)
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `silo check`
#[derive(Debug, Args)]
pub struct Check {
    /// Mend in the project's files, and in your own, what can be mended with certainty
    #[arg(long)]
    pub fix: bool,
    /// Print the problems as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub locking: Locking,
}

/// `silo fmt`
#[derive(Debug, Args)]
pub struct Fmt {
    /// Files to format, or `-` for standard input [default: the project's files]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write nothing; print what would change and fail if there is anything
    #[arg(long)]
    pub check: bool,
}

/// `silo trust`
#[derive(Debug, Args)]
pub struct Trust {
    /// Trust it without being asked
    #[arg(short, long, conflicts_with_all = ["digest", "list", "revoke"])]
    pub yes: bool,
    /// Print the digest of what the project contributes, and trust nothing
    #[arg(long, conflicts_with_all = ["list", "revoke"])]
    pub digest: bool,
    /// List the projects that are trusted
    #[arg(long, conflicts_with = "revoke")]
    pub list: bool,
    /// Print as JSON
    #[arg(long, requires = "list")]
    pub json: bool,
    /// Trust a project no more [default: this one]
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    pub revoke: Option<Option<PathBuf>>,
}

/// `silo lock`
#[derive(Debug, Args)]
pub struct Lock {
    /// Write nothing; fail when silo.lock is missing or stale
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub offline: Offline,
    /// Not taken: who writes names means `silo update`
    #[arg(value_name = "NAME", hide = true)]
    pub names: Vec<String>,
}

/// `silo update`
#[derive(Debug, Args)]
pub struct Update {
    /// What to update: a component (`node`, `language/node`), a layer, `base`, or `packages` for the distribution's [default: everything]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Say what would change, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub offline: Offline,
    /// Print the changes as JSON
    #[arg(long)]
    pub json: bool,
}

/// `silo outdated`
#[derive(Debug, Args)]
pub struct Outdated {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub offline: Offline,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `silo vendor`
#[derive(Debug, Args)]
pub struct Vendor {
    /// The folder; several projects may share one
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Agents whose images to vendor for [default: everything that silo.lock pins]
    #[arg(value_name = "AGENT")]
    pub agents: Vec<String>,
    /// Only what images of this platform need: linux/amd64 or linux/arm64 [default: both]
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub platform: Vec<Arch>,
    /// Remove files of the folder that this silo.lock does not name
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub locking: Locking,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

/// `linux/amd64`, or just `amd64`.
fn platform(text: &str) -> Result<Arch, String> {
    let bare = text.strip_prefix("linux/").unwrap_or(text);
    let found = Arch::ALL.into_iter().find(|arch| arch.as_str() == bare);
    found.ok_or_else(|| format!("silo builds for {}", Arch::ALL.map(|arch| format!("linux/{}", arch.as_str())).join(" and ")))
}

/// `silo compile`
#[derive(Debug, Args)]
pub struct Compile {
    /// The agent [default: the default agent]
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// What to compile to
    #[arg(long, value_enum, default_value_t = Format::Dockerfile)]
    pub to: Format,
    /// Write a directory with the build context instead of printing
    #[arg(short, long, value_name = "DIR", required_if_eq("to", "apple"))]
    pub output: Option<PathBuf>,
}

/// What `silo compile` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A Dockerfile
    Dockerfile,
    /// A directory for Apple's container tool
    Apple,
    /// The plan, for people
    Plan,
    /// Plan, identity and launch as JSON
    Json,
}

/// `silo hash`
#[derive(Debug, Args)]
pub struct Hash {
    /// The agent [default: every agent]
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// Print everything that is hashed
    #[arg(long, conflicts_with = "diff")]
    pub explain: bool,
    /// Print what differs from another project directory, or from a saved output of --explain
    #[arg(long, value_name = "OTHER")]
    pub diff: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `silo config`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print the merged configuration with the place where each value was set
    Show {
        /// Print everything that was said of a path, who won, and why: `language.node.version`, or a pattern such as `env.*`
        #[arg(long, value_name = "PATH")]
        why: Option<String>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the files that are read, strongest last
    Paths {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print an example with every node explained
    Default,
    /// Write a silo.kdl to start from: the same as `silo init`
    Init(Init),
    /// Open silo.kdl in $EDITOR and check it afterwards, or change single values of it
    Edit(Edit),
}

/// `silo config edit`
#[derive(Debug, Args)]
pub struct Edit {
    /// Edit your own configuration instead of the project's
    #[arg(long, conflicts_with = "local")]
    pub global: bool,
    /// Edit silo.local.kdl, which is for this checkout only
    #[arg(long)]
    pub local: bool,
    /// Set a value: `language.node.version=22`, `env.EDITOR=vi`
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Take a value or a node out
    #[arg(long, value_name = "PATH")]
    pub unset: Vec<String>,
    /// Add a node, written as in silo.kdl: `tool jq`
    #[arg(long, value_name = "NODE")]
    pub add: Vec<String>,
}

/// `silo doc`
#[derive(Debug, Args)]
pub struct Doc {
    /// A node (`agent`), something in it (`agent.env`, `mount.mode`), or an entry of the catalog (`language/node`); words may stand for its
    /// parts (`lsp gopls`) [default: an overview]
    #[arg(value_name = "PATH")]
    pub path: Vec<String>,
}

/// `silo catalog`
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// List what can be named in silo.kdl: silo's own entries and the definitions of this configuration
    List {
        /// Only entries of this kind
        #[arg(value_name = "KIND")]
        kind: Option<String>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print an entry, in the language of silo.kdl
    Show {
        /// The entry: `language/node`, `stack/web`
        #[arg(value_name = "KIND/NAME")]
        name: String,
    },
}

/// `silo init`
#[derive(Debug, Args)]
pub struct Init {
    /// Propose what the files of the repository ask for, and write it when told to
    #[arg(long, conflicts_with = "global")]
    pub detect: bool,
    /// The agent to start with [default: asks]
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// The base
    #[arg(long, value_name = "IMAGE")]
    pub base: Option<String>,
    /// Write your own configuration instead of the project's
    #[arg(long)]
    pub global: bool,
    /// With --detect: write the proposal without asking
    #[arg(short, long)]
    pub yes: bool,
}

/// `silo import`
#[derive(Debug, Args)]
pub struct Import {
    /// A devcontainer.json, silo.jsonc, .tool-versions or mise.toml
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the file is, when its name does not say so
    #[arg(long, value_name = "FORMAT", value_parser = ["devcontainer", "silo-jsonc", "tool-versions", "mise"])]
    pub from: Option<String>,
    /// Write this file [default: the silo.kdl of the repository]
    #[arg(short, long, value_name = "PATH", conflicts_with = "global")]
    pub output: Option<PathBuf>,
    /// Print instead of writing
    #[arg(long, conflicts_with = "output")]
    pub stdout: bool,
    /// Write your own configuration, which may take what a repository's may not
    #[arg(long)]
    pub global: bool,
}

/// `silo ls`
#[derive(Debug, Args)]
pub struct Ls {
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `silo status`
#[derive(Debug, Args)]
pub struct Status {
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `silo background-update`
#[derive(Debug, Args)]
pub struct BackgroundUpdate {
    /// The agent
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// How long it may take
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    pub limit: u64,
}

/// `silo rm`
#[derive(Debug, Args)]
pub struct Rm {
    /// Images or containers, by name or identity
    #[arg(value_name = "NAME", required_unless_present_any = ["all", "stale"])]
    pub names: Vec<String>,
    /// Remove every image and stopped container of silo's
    #[arg(long, conflicts_with = "stale")]
    pub all: bool,
    /// Remove the images that no configuration of this directory needs any more
    #[arg(long)]
    pub stale: bool,
    /// Stop containers that run
    #[arg(short, long)]
    pub force: bool,
}
