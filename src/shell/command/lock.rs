//! `silo lock`.

use std::collections::BTreeSet;
use std::path::Path;

use silo::spec::ComponentId;

use crate::shell::cli::{ContainerOptions, Lock};
use crate::shell::failure::Failure;
use crate::shell::fetch::Update;
use crate::shell::image;
use crate::shell::project::{Project, Scope};
use crate::shell::ui::Ui;

/// Writes `silo.lock`, or with `--check` says whether it fits.
pub fn lock(ui: &Ui, directory: Option<&Path>, args: &Lock) -> Result<u8, Failure> {
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    if args.check {
        project.fresh_lock(Scope::Shared)?;
        ui.say(&format!("{} fits", project.lock_name(Scope::Shared)));
        return Ok(0);
    }
    // The committed lock when there is anything to commit it beside; else the caller's own.
    let scope = if project.is_committed() { Scope::Shared } else { Scope::Personal };
    let update = match (args.all, args.names.as_slice()) {
        (true, _) => Update::All,
        (false, []) => Update::Changed,
        (false, names) => Update::Only(components(&mut project, scope, names)?),
    };
    super::wait(image::update_lock(ui, &mut project, scope, update))?;
    Ok(0)
}

/// The components of some names.
fn components(project: &mut Project, scope: Scope, names: &[String]) -> Result<BTreeSet<ComponentId>, Failure> {
    let image = project.lockable(scope)?;
    let all: Vec<&ComponentId> =
        image.components.iter().map(|component| &component.id).chain(image.agents.iter().map(|agent| &agent.component.id)).collect();
    let mut found = BTreeSet::new();
    for name in names {
        let matching: Vec<ComponentId> = all.iter().filter(|id| id.name.as_str() == name).map(|id| (*id).clone()).collect();
        if matching.is_empty() {
            let known = all.iter().map(|id| id.name.as_str());
            let help = silo::schema::nearest(name, known).map(|near| format!("did you mean `{near}`?"));
            return Err(Failure::Usage { message: format!("`{name}` is not in this configuration"), help });
        }
        found.extend(matching);
    }
    Ok(found)
}
