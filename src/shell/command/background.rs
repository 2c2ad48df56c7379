//! `silo background-update`: what `silo run` starts and nobody types.

use std::path::Path;
use std::time::Duration;

use crate::shell::cli::{BackgroundUpdate, ContainerOptions, Offline};
use crate::shell::failure::Failure;
use crate::shell::fetch::Servers;
use crate::shell::project::Project;
use crate::shell::ui::Ui;
use crate::shell::update::job;

/// Looks for a newer version of an agent, and builds it where that is wanted.
pub fn look(ui: &Ui, directory: Option<&Path>, args: &BackgroundUpdate) -> Result<u8, Failure> {
    match Offline::default().servers()? {
        Servers::Asked => {}
        Servers::LeftAlone => return Ok(0),
    }
    let project = Project::load(directory, &ContainerOptions::default())?;
    project.needs_docker()?;
    let agent = project.agent(&args.agent)?;
    job::run(ui, project, &agent, Duration::from_secs(args.limit))
}
