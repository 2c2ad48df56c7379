//! `silo run`, `silo AGENT`, `silo shell` and `silo` alone.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use silo::launch::{self, Launch};
use silo::plan::Target;
use silo::spec::Name;

use crate::shell::cli::{ContainerOptions, Locking, Shell};
use crate::shell::engine::docker::Docker;
use crate::shell::engine::{Accounts, Cache, EngineOptions, Input, Network, Root, RunRequest, Security};
use crate::shell::failure::{Failure, system};
use crate::shell::image;
use crate::shell::project::{Program, Project};
use crate::shell::ui::Ui;

/// `silo run AGENT -- ARGS`.
pub fn agent(ui: &Ui, directory: Option<&Path>, name: &str, args: &[String], options: &ContainerOptions, locking: Locking) -> Result<u8, Failure> {
    let project = Project::load(directory, options)?;
    start(ui, project, name, args, locking)
}

/// Runs an agent of a project that is loaded already.
pub fn start(ui: &Ui, project: Project, name: &str, args: &[String], locking: Locking) -> Result<u8, Failure> {
    let agent = project.agent(name)?;
    execute(ui, project, Target::Agent(agent), Program::Agent { args: args.to_vec() }, locking)
}

/// `silo` alone: the default agent, or the one that the caller picks.
pub fn default_agent(ui: &Ui, directory: Option<&Path>) -> Result<u8, Failure> {
    let project = Project::load(directory, &ContainerOptions::default())?;
    let agent = match project.default_agent() {
        Some(agent) => agent,
        None => pick(ui, &project)?,
    };
    let name = agent.to_string();
    start(ui, project, &name, &[], Locking { locked: false })
}

/// Asks which agent, on a terminal.
fn pick(ui: &Ui, project: &Project) -> Result<Name, Failure> {
    let agents: Vec<&Name> = project.spec.run.agents.iter().map(|agent| &agent.name).collect();
    let names = agents.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    if agents.is_empty() {
        let (message, help) = if project.files.is_empty() {
            ("there is no silo.kdl here", "`silo config init` writes one to start from")
        } else {
            ("the configuration has no agent", "add one: `agent claude`")
        };
        return Err(Failure::Refused { message: message.to_string(), help: Some(help.to_string()) });
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage {
            message: format!("which agent? configured are: {names}"),
            help: Some(format!("name it: `silo {}`, or set a default: `use agent={}`", agents[0], agents[0])),
        });
    }
    for (index, name) in agents.iter().enumerate() {
        ui.prompt(&format!("  {} {name}\n", index + 1));
    }
    ui.prompt(&format!("which agent? [1-{}] ", agents.len()));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(system("reading the answer"))?;
    let answer = answer.trim();
    let chosen = match answer.parse::<usize>() {
        Ok(number) => number.checked_sub(1).and_then(|index| agents.get(index)).map(|name| (*name).clone()),
        Err(_) => agents.iter().find(|name| name.as_str() == answer).map(|name| (*name).clone()),
    };
    chosen.ok_or_else(|| Failure::Usage { message: format!("`{answer}` is none of them"), help: Some(format!("configured are: {names}")) })
}

/// `silo shell`: an agent's container with a shell, or another command, instead of the agent.
pub fn shell(ui: &Ui, directory: Option<&Path>, args: &Shell) -> Result<u8, Failure> {
    let project = Project::load(directory, &args.container)?;
    let target = match &args.agent {
        Some(name) => Target::Agent(project.agent(name)?),
        None => project.default_agent().map_or(Target::Environment, Target::Agent),
    };
    execute(ui, project, target, Program::Command(args.command.clone()), args.locking)
}

fn execute(ui: &Ui, mut project: Project, target: Target, program: Program, locking: Locking) -> Result<u8, Failure> {
    ui.problems(&project.warnings, &project.sources);
    let scope = project.image_scope();
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let engine = Docker::connect(&EngineOptions::from_environment()).await?;
        let lock = image::ensure_lock(ui, &mut project, scope, locking).await?;
        let compiled = project.compile(scope, &lock, &target)?;
        let launch = project.launch(&target, &program, &compiled)?;
        image::ensure(ui, &project, &compiled, &target, &engine, Cache::Use).await?;
        for folder in &launch.create {
            std::fs::create_dir_all(folder).map_err(system(format!("creating {folder}")))?;
        }
        let accounts = accounts(&project, &engine, &launch).await?;
        let security = Security {
            seccomp: Some(launch::SECCOMP.to_string()),
            root: Root::ReadOnly,
            masked_paths: Some(launch::MASKED_PATHS.iter().map(ToString::to_string).collect()),
            readonly_paths: Some(launch::READONLY_PATHS.iter().map(ToString::to_string).collect()),
        };
        let request = RunRequest {
            launch: &launch,
            security: &security,
            accounts: Some(accounts),
            private: project.caller.state_directory().join("run"),
            network: Network::Bridge,
            input: Input::Forward,
        };
        let status = engine.run(&request).await?;
        Ok(status.code())
    })
}

/// The image's own accounts with the caller's added. They are read from an image once and kept by its identity.
async fn accounts(project: &Project, engine: &Docker, launch: &Launch) -> Result<Accounts, Failure> {
    let folder = project.caller.cache_directory().join("accounts");
    let key: String = launch.image.rsplit(':').next().unwrap_or_default().to_string();
    let mut texts = Vec::new();
    for file in ["passwd", "group"] {
        let kept = folder.join(format!("{key}.{file}"));
        let text = match std::fs::read_to_string(&kept) {
            Ok(text) => text,
            Err(_) => {
                let bytes = engine.image_file(&launch.image, &format!("/etc/{file}")).await?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                // Only saves time: the next run reads the image again when this one could not be kept.
                let _ = crate::shell::files::write_atomically(&kept, text.as_bytes());
                text
            }
        };
        texts.push(text);
    }
    let group = launch::with_account(&texts.pop().unwrap_or_default(), &launch.group);
    let passwd = launch::with_account(&texts.pop().unwrap_or_default(), &launch.passwd);
    Ok(Accounts { passwd, group })
}
