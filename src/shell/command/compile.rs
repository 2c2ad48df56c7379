//! `silo compile`.

use std::path::Path;

use serde_json::json;

use silo::emit;
use silo::launch::{self, Program};
use silo::plan::{Plan, Target};

use crate::shell::cli::{Compile, ContainerOptions, Format};
use crate::shell::failure::{Failure, system};
use crate::shell::files;
use crate::shell::project::Project;
use crate::shell::ui::Ui;

/// Prints or writes what the configuration compiles to. Needs neither network nor engine.
pub fn compile(ui: &Ui, directory: Option<&Path>, args: &Compile) -> Result<u8, Failure> {
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    let scope = project.image_scope();
    let lock = project.fresh_lock(scope)?;
    let target = project.one_target(scope, args.agent.as_deref())?;
    let compiled = project.compile(scope, &lock, &target)?;
    let reference = compiled.reference();
    match args.to {
        Format::Dockerfile => {
            let text = emit::dockerfile(&compiled.plan);
            match &args.output {
                None => ui.data(&text),
                Some(folder) => {
                    write(&folder.join("Dockerfile"), text.as_bytes(), 0o644)?;
                    write_context(&compiled.plan, folder)?;
                    ui.say(&format!("wrote {}: `docker build {0}` makes {reference}", folder.display()));
                }
            }
        }
        Format::Apple => {}
        Format::Plan => ui.data(&emit::outline(&compiled.plan, &project.sources)),
        Format::Json => {
            let launch = match &target {
                Target::Agent(_) => Some(project.launch(&target, &Program::Agent(Vec::new()), &compiled, None)?),
                Target::Environment => None,
            };
            ui.json(&json!({
                "target": target.to_string(),
                "image": reference,
                "identity": compiled.identity.to_string(),
                "dockerfile": emit::dockerfile(&compiled.plan),
                "plan": emit::plan_json(&compiled.plan, &project.sources),
                "launch": launch.as_ref().map(launch::to_json),
            }));
        }
    }
    Ok(0)
}

fn write_context(plan: &Plan, folder: &Path) -> Result<(), Failure> {
    plan.context.iter().try_for_each(|(path, file)| write(&folder.join(path), &file.bytes, file.mode))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    files::write_atomically(path, bytes).map_err(system(format!("writing {}", path.display())))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(system(format!("setting the mode of {}", path.display())))
}
