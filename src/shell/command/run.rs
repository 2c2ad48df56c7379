//! `silo run`, `silo AGENT`, `silo shell` and `silo` alone.

use std::path::Path;

use silo::launch::{Launch, Program, profile};
use silo::plan::Target;
use silo::spec::Name;

use crate::shell::cli::{ContainerOptions, Locking, Shell};
use crate::shell::engine::docker::{Docker, Streams};
use crate::shell::engine::{Accounts, Cache, EngineOptions, Network, RunRequest, Security};
use crate::shell::failure::{Failure, system};
use crate::shell::files;
use crate::shell::image::{self, Made};
use crate::shell::project::Project;
use crate::shell::ui::Ui;

/// `silo run AGENT -- ARGS`.
pub fn agent(
    ui: &Ui,
    directory: Option<&Path>,
    name: &str,
    args: &[String],
    options: &ContainerOptions,
    locking: Locking,
) -> Result<u8, Failure> {
    let project = Project::load(directory, options)?;
    start(ui, project, name, args, locking, network(options))
}

fn network(options: &ContainerOptions) -> Network {
    if options.no_network { Network::None } else { Network::Bridge }
}

/// Runs an agent of a project that is loaded already.
pub fn start(ui: &Ui, project: Project, name: &str, args: &[String], locking: Locking, network: Network) -> Result<u8, Failure> {
    let agent = project.agent(name)?;
    execute(ui, project, Target::Agent(agent), Program::Agent(args.to_vec()), locking, network)
}

/// `silo` alone: the default agent, or the one that the caller picks.
pub fn default_agent(ui: &Ui, directory: Option<&Path>) -> Result<u8, Failure> {
    let project = Project::load(directory, &ContainerOptions::default())?;
    let agent = match project.default_agent() {
        Some(agent) => agent,
        None => pick(ui, &project)?,
    };
    let name = agent.to_string();
    start(ui, project, &name, &[], Locking { locked: false }, Network::Bridge)
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

/// `silo shell`: an agent's container with a shell, or another command, instead of the agent.
pub fn shell(ui: &Ui, directory: Option<&Path>, args: &Shell) -> Result<u8, Failure> {
    let project = Project::load(directory, &args.container)?;
    let target = match &args.agent {
        Some(name) => Target::Agent(project.agent(name)?),
        None => project.default_agent().map_or(Target::Environment, Target::Agent),
    };
    let command = if args.command.is_empty() { vec!["/bin/sh".to_string(), "-l".to_string()] } else { args.command.clone() };
    execute(ui, project, target, Program::Command(command), args.locking, network(&args.container))
}

/// Builds what is missing and runs a container to its end; returns the program's own exit code.
fn execute(ui: &Ui, mut project: Project, target: Target, program: Program, locking: Locking, network: Network) -> Result<u8, Failure> {
    ui.problems(&project.warnings, &project.sources);
    let scope = project.image_scope();
    super::wait(async {
        let engine = Docker::connect(&EngineOptions::from_environment()).await?;
        let lock = image::ensure_lock(ui, &mut project, scope, locking).await?;
        let compiled = project.compile(scope, &lock, &target)?;
        // What is wrong with the launch is known before anything is built.
        project.launch(&target, &program, &compiled, None)?;
        let found = match image::ensure(ui, &project, &compiled, &target, &engine, Cache::Use).await? {
            Made::Found(image) => Some(image),
            Made::Built => engine.find(&compiled.reference()).await?,
        };
        let launch = project.launch(&target, &program, &compiled, found.and_then(|image| image.path))?;
        for folder in &launch.create {
            std::fs::create_dir_all(folder).map_err(system(format!("creating {folder}")))?;
        }
        let accounts = accounts(&project, &engine, &launch).await?;
        let paths = |paths: &[&str]| Some(paths.iter().map(ToString::to_string).collect());
        let security = Security {
            seccomp: Some(profile::SECCOMP.to_string()),
            masked_paths: paths(profile::MASKED_PATHS),
            readonly_paths: paths(profile::READ_ONLY_PATHS),
        };
        let request =
            RunRequest { launch: &launch, security: &security, accounts: Some(accounts), private: project.caller.run_directory(), network };
        let exit = engine.run(&request, Streams::standard()).await?;
        if let Some(error) = &exit.left_behind {
            ui.warn(&format!("the container {} is still there: {error}; `silo rm {0}` removes it", launch.name));
        }
        Ok(exit.code)
    })
}

/// The image's own accounts with the caller's added. They are read from an image once and kept by its identity.
async fn accounts(project: &Project, engine: &Docker, launch: &Launch) -> Result<Accounts, Failure> {
    let folder = project.caller.cache_directory().join("accounts");
    let identity = launch.image.rsplit(':').next().unwrap_or_default();
    let read = async |file: &str| -> Result<String, Failure> {
        let kept = folder.join(format!("{identity}.{file}"));
        if let Ok(text) = std::fs::read_to_string(&kept) {
            return Ok(text);
        }
        let bytes = engine.image_file(&launch.image, &format!("/etc/{file}")).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // Only saves time: the next run reads the image again when this could not be kept.
        let _ = files::write_atomically(&kept, text.as_bytes());
        Ok(text)
    };
    Ok(Accounts { passwd: with_account(&read("passwd").await?, &launch.passwd), group: with_account(&read("group").await?, &launch.group) })
}

/// The lines of an account file with one more, in place of those with the same name or number.
fn with_account(text: &str, line: &str) -> String {
    let fields = |line: &str| -> Option<(String, String)> {
        let mut fields = line.split(':');
        Some((fields.next()?.to_string(), fields.nth(1)?.to_string()))
    };
    let own = fields(line);
    let differs = |known: &&str| match (fields(known), &own) {
        (Some((name, number)), Some((own_name, own_number))) => name != *own_name && number != *own_number,
        (None, _) | (_, None) => true,
    };
    let mut out: String = text.lines().filter(differs).map(|known| format!("{known}\n")).collect();
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::with_account;

    #[test]
    fn the_caller_takes_the_place_of_an_account_with_the_same_name_or_number() {
        let image = "root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/sh\n";
        let own = "ada:x:1000:1000::/home/ada:/bin/sh";
        assert_eq!(with_account(image, own), "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/sh\n");
        assert_eq!(with_account(image, "root:x:0:0::/root:/bin/sh\n"), "node:x:1000:1000::/home/node:/bin/sh\nroot:x:0:0::/root:/bin/sh\n");
    }
}
