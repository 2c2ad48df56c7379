//! `silo exec`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

use crate::shell::cli::{ContainerOptions, Exec};
use crate::shell::engine::docker::{Docker, Streams};
use crate::shell::engine::{EngineOptions, ExecRequest};
use crate::shell::failure::Failure;
use crate::shell::project::Project;
use crate::shell::ui::Ui;

/// Runs a command in the container that runs for this directory. It starts none and hands nothing over, so nothing has to be trusted for it.
pub fn exec(_ui: &Ui, directory: Option<&Path>, args: &Exec) -> Result<u8, Failure> {
    let project = Project::load(directory, &ContainerOptions::default())?;
    project.needs_docker()?;
    let workspace = project.places.workspace.display().to_string();
    super::wait(async {
        let engine = Docker::connect(&EngineOptions::from_environment()).await?;
        let containers = engine.list("dev.silo.workspace").await?;
        let running: Vec<_> = containers
            .iter()
            .filter(|container| container.state == "running")
            .filter(|container| match &args.container {
                Some(name) => container.name == *name || container.id.starts_with(name.as_str()),
                None => container.labels.get("dev.silo.workspace") == Some(&workspace),
            })
            .collect();
        let container = match running.as_slice() {
            [only] => only,
            [] => {
                return Err(Failure::Refused {
                    message: match &args.container {
                        Some(name) => format!("no container `{name}` runs"),
                        None => format!("no container runs for {workspace}"),
                    },
                    help: Some("`silo ls` lists them; `silo shell` starts one with a shell".to_string()),
                });
            }
            [_, _, ..] => {
                let names: Vec<&str> = running.iter().map(|container| container.name.as_str()).collect();
                return Err(Failure::Usage {
                    message: format!("{} containers run for {workspace}", names.len()),
                    help: Some(format!("choose one: `silo exec --container {} …` (others: {})", names[0], names[1..].join(", "))),
                });
            }
        };
        let request = ExecRequest {
            container: container.id.clone(),
            argv: args.command.clone(),
            env: BTreeMap::new(),
            user: (project.caller.uid, project.caller.gid),
            workdir: container.labels.get("dev.silo.workspace").cloned().unwrap_or(workspace.clone()),
            terminal: std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
        };
        Ok(engine.exec(&request, Streams::standard()).await?.code)
    })
}
