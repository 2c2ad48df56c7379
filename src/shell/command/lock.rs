//! `silo lock`.

use std::path::Path;

use crate::shell::cli::{ContainerOptions, Lock};
use crate::shell::failure::Failure;
use crate::shell::fetch::Update;
use crate::shell::image;
use crate::shell::project::{Project, Scope};
use crate::shell::ui::Ui;

/// Writes `silo.lock`, or with `--check` says whether it fits. What it answers already stays; `silo update` is for newer versions.
pub fn lock(ui: &Ui, directory: Option<&Path>, args: &Lock) -> Result<u8, Failure> {
    if !args.names.is_empty() {
        let message = "`silo lock` takes no names: it looks up what is new or changed".to_string();
        let help = Some(format!("`silo update {}` looks up what is newer", args.names.join(" ")));
        return Err(Failure::Usage { message, help });
    }
    let servers = args.offline.servers()?;
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    if args.check {
        let lock = project.fresh_lock(Scope::Shared)?;
        ui.say(&format!("{} fits", project.lock_name(Scope::Shared)));
        image::warn_of_age(ui, &project, Scope::Shared, &lock);
        return Ok(0);
    }
    // The committed lock when there is anything to commit it beside; else the caller's own.
    let scope = project.committed_scope();
    super::wait(image::update_lock(ui, &mut project, scope, Update::Changed, servers))?;
    Ok(0)
}
