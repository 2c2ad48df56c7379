//! `silo run`, `silo AGENT`, `silo shell` and `silo` alone.

use std::path::Path;

use silo::launch::Program;
use silo::plan::Target;
use silo::spec::Name;

use crate::shell::cli::{ContainerOptions, Hold, Making, Means, Run, Shell};
use crate::shell::container;
use crate::shell::engine::docker::{Docker, Streams};
use crate::shell::engine::{Cache, EngineOptions, Network};
use crate::shell::failure::Failure;
use crate::shell::fetch::Servers;
use crate::shell::image::{self, Made};
use crate::shell::project::Project;
use crate::shell::trust;
use crate::shell::ui::Ui;
use crate::shell::update::{Keep, Keeper};

/// `silo run AGENT -- ARGS`.
pub fn agent(ui: &Ui, directory: Option<&Path>, args: &Run) -> Result<u8, Failure> {
    let means = args.making.means()?;
    let project = Project::load(directory, &args.container)?;
    let keep = if args.no_update { Keep::Locked } else { Keep::Configured };
    start(ui, project, &args.agent, &args.args, &means, keep, network(&args.container))
}

fn network(options: &ContainerOptions) -> Network {
    if options.no_network { Network::None } else { Network::Bridge }
}

/// Runs an agent of a project that is loaded already.
pub fn start(ui: &Ui, project: Project, name: &str, args: &[String], means: &Means, keep: Keep, network: Network) -> Result<u8, Failure> {
    let agent = project.agent(name)?;
    execute(ui, project, Target::Agent(agent), Program::Agent(args.to_vec()), means, keep, network)
}

/// `silo` alone: the default agent, or the one that the caller picks.
pub fn default_agent(ui: &Ui, directory: Option<&Path>) -> Result<u8, Failure> {
    let means = Making::default().means()?;
    let project = Project::load(directory, &ContainerOptions::default())?;
    let agent = match project.default_agent() {
        Some(agent) => agent,
        None => pick(ui, &project)?,
    };
    let name = agent.to_string();
    start(ui, project, &name, &[], &means, Keep::Configured, Network::Bridge)
}

/// Asks which agent, on a terminal.
fn pick(ui: &Ui, project: &Project) -> Result<Name, Failure> {
    if project.spec.run.agents.is_empty() {
        project.must_exist()?;
        return Err(Failure::Refused {
            message: "the configuration has no agent".to_string(),
            help: Some("add one, as in `agent NAME`; docs/catalog.md lists them".to_string()),
        });
    }
    let names: Vec<String> = project.spec.run.agents.iter().map(|agent| agent.name.to_string()).collect();
    let chosen = ui.choose("agent", &names)?;
    project.agent(chosen)
}

/// Bash where the image has it. Not as a login shell: `/etc/profile` would take silo's commands off the `PATH`.
const SHELL: &str = "command -v bash >/dev/null && exec bash; exec sh";

/// `silo shell`: an agent's container with a shell, or another command, instead of the agent.
pub fn shell(ui: &Ui, directory: Option<&Path>, args: &Shell) -> Result<u8, Failure> {
    let means = args.making.means()?;
    let project = Project::load(directory, &args.container)?;
    let target = match &args.agent {
        Some(name) => Target::Agent(project.agent(name)?),
        None => project.default_agent().map_or(Target::Environment, Target::Agent),
    };
    let command = if args.command.is_empty() { ["/bin/sh", "-c", SHELL].map(str::to_string).to_vec() } else { args.command.clone() };
    execute(ui, project, target, Program::Command(command), &means, Keep::Locked, network(&args.container))
}

/// Builds what is missing and runs a container to its end; returns the program's own exit code.
fn execute(
    ui: &Ui,
    project: Project,
    target: Target,
    program: Program,
    means: &Means,
    keep: Keep,
    network: Network,
) -> Result<u8, Failure> {
    let agent = match &target {
        Target::Agent(name) => Some(name),
        Target::Environment => None,
    };
    let mut project = trust::ask(ui, project, agent)?;
    ui.problems(&project.warnings, &project.sources);
    project.needs_docker()?;
    let scope = project.image_scope();
    super::wait(async {
        let engine = Docker::connect(&EngineOptions::from_environment()).await?;
        let lock = image::ensure_lock(ui, &mut project, scope, means).await?;
        // Who names the digest of what they trust means the lock in it.
        let meant = means.hold == Hold::Locked || trust::is_named(&project);
        let keeper = match (keep, meant) {
            (Keep::Configured, false) => Keeper::of(&project, scope, &lock, &target),
            (Keep::Configured, true) | (Keep::Locked, _) => None,
        };
        let newer = match &keeper {
            Some(keeper) => keeper.ready(&project, scope, &lock, &engine).await,
            None => None,
        };
        let (compiled, version) = match newer {
            Some((compiled, version)) => (compiled, Some(version)),
            None => (project.compile(scope, &lock, &target)?, None),
        };
        // What is wrong with the launch is known before anything is built.
        project.launch(&target, &program, &compiled, None)?;
        let found = match image::ensure(ui, &project, &compiled, &target, &engine, Cache::Use, means).await? {
            Made::Found(image) => Some(image),
            Made::Built => engine.find(&compiled.reference()).await?,
        };
        let launch = project.launch(&target, &program, &compiled, found.and_then(|image| image.path))?;
        if let Some(keeper) = &keeper {
            keeper.tell(ui, version.as_deref());
            match means.servers {
                Servers::Asked => keeper.look(&project),
                Servers::LeftAlone => {}
            }
        }
        container::run(ui, &project, &engine, &launch, network, Streams::standard()).await
    })
}
