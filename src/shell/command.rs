//! The commands, one file each.

pub mod background;
pub mod build;
pub mod catalog;
pub mod check;
pub mod compile;
pub mod completions;
pub mod config;
pub mod doc;
pub mod edit;
pub mod exec;
pub mod failed;
pub mod fmt;
pub mod hash;
pub mod import;
pub mod init;
pub mod lock;
pub mod ls;
pub mod outdated;
pub mod rm;
pub mod run;
pub mod status;
pub mod trust;
pub mod update;
pub mod vendor;
pub mod why;

use std::path::Path;

use super::cli::{Cli, Command, ContainerOptions, Making};
use super::engine::Network;
use super::failure::{Failure, system};
use super::project::Project;
use super::ui::Ui;
use super::update::Keep;

/// Carries a command out. Returns the exit code.
pub fn dispatch(cli: Cli, ui: &Ui) -> Result<u8, Failure> {
    let directory = cli.directory.as_deref();
    match cli.command {
        None => run::default_agent(ui, directory),
        Some(Command::Build(args)) => build::build(ui, directory, &args),
        Some(Command::Run(args)) => run::agent(ui, directory, &args),
        Some(Command::Shell(args)) => run::shell(ui, directory, &args),
        Some(Command::Agent(words)) => named(ui, directory, &words),
        Some(Command::Exec(args)) => exec::exec(ui, directory, &args),
        Some(Command::Check(args)) => check::check(ui, directory, &args),
        Some(Command::Fmt(args)) => fmt::fmt(ui, directory, &args),
        Some(Command::Trust(args)) => trust::trust(ui, directory, &args),
        Some(Command::Lock(args)) => lock::lock(ui, directory, &args),
        Some(Command::Update(args)) => update::update(ui, directory, &args),
        Some(Command::Outdated(args)) => outdated::outdated(ui, directory, &args),
        Some(Command::Vendor(args)) => vendor::vendor(ui, directory, &args),
        Some(Command::Compile(args)) => compile::compile(ui, directory, &args),
        Some(Command::Hash(args)) => hash::hash(ui, directory, &args),
        Some(Command::Init(args)) => init::init(ui, directory, &args),
        Some(Command::Import(args)) => import::import(ui, directory, &args),
        Some(Command::Config(args)) => config::config(ui, directory, &args),
        Some(Command::Doc(args)) => doc::doc(ui, directory, &args),
        Some(Command::Catalog(args)) => catalog::catalog(ui, directory, &args),
        Some(Command::Ls(args)) => ls::ls(ui, &args),
        Some(Command::Rm(args)) => rm::rm(ui, directory, &args),
        Some(Command::Status(args)) => status::status(ui, directory, &args),
        Some(Command::BackgroundUpdate(args)) => background::look(ui, directory, &args),
        Some(Command::Completions { shell }) => completions::completions(ui, shell),
    }
}

/// `silo AGENT ARGS…`: a word that is no command is an agent, or a mistake.
fn named(ui: &Ui, directory: Option<&Path>, words: &[String]) -> Result<u8, Failure> {
    let Some((name, args)) = words.split_first() else {
        return run::default_agent(ui, directory);
    };
    let args = args.strip_prefix(&["--".to_string()]).unwrap_or(args);
    let container = ContainerOptions::default();
    let project = Project::load(directory, &container)?;
    if let Err(Failure::Usage { help, .. }) = project.agent(name) {
        let commands = [
            "init",
            "import",
            "build",
            "run",
            "shell",
            "exec",
            "check",
            "fmt",
            "trust",
            "lock",
            "update",
            "outdated",
            "vendor",
            "compile",
            "hash",
            "config",
            "doc",
            "catalog",
            "ls",
            "rm",
            "status",
            "completions",
        ];
        let help = match silo::schema::nearest(name, commands.into_iter()) {
            Some(near) => Some(format!("did you mean `silo {near}`?")),
            None => help,
        };
        return Err(Failure::Usage { message: format!("`{name}` is neither a command nor a configured agent"), help });
    }
    run::start(ui, project, name, args, &Making::default().means()?, Keep::Configured, Network::Bridge)
}

/// Does work that waits on the network or an engine. Commands that need neither never start a runtime.
pub fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = built.map_err(system("starting the asynchronous runtime"))?;
    let result = runtime.block_on(work);
    // A thread may be reading standard input, until something is typed: to drop the runtime is to wait for that.
    runtime.shutdown_background();
    result
}
