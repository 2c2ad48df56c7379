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
use crate::shell::project::Project;
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

/// The exit code of a program.
pub fn code(code: u8) -> u8 {
    code
}

enum Program { Agent { args: Vec<String> }, Command(Vec<String>) }

fn execute(_ui: &Ui, _project: Project, _target: Target, _program: Program, _locking: Locking) -> Result<u8, Failure> {
    Err(Failure::Said(70))
}
