//! `silo compile`.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde_json::json;

use silo::emit;
use silo::launch::apple::AppleOptions;
use silo::launch::{self, Launch, LaunchMount, Program};
use silo::lock::LockedImage;
use silo::plan::{Plan, Target};

use crate::shell::cli::{Compile, ContainerOptions, Format};
use crate::shell::failure::{Failure, system};
use crate::shell::fetch::secrets::Secret;
use crate::shell::files;
use crate::shell::project::Project;
use crate::shell::trust;
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
        Format::Apple => {
            let launch = match &target {
                Target::Agent(_) => Some(project.launch(&target, &Program::Agent(Vec::new()), &compiled, None)?),
                Target::Environment => None,
            };
            let options = apple_options(&project, &compiled.locked, launch.as_ref())?;
            let spec = launch::apple::apple(&compiled.plan, &compiled.identity, launch.as_ref(), &options)
                .map_err(|problems| Failure::Problems { problems, sources: Box::new(project.sources.clone()) })?;
            let Some(folder) = &args.output else {
                return Err(Failure::Usage {
                    message: "Apple's tool needs a directory to build from".to_string(),
                    help: Some("name one: `silo compile --to apple -o DIR`".to_string()),
                });
            };
            write(&folder.join("Dockerfile"), spec.dockerfile.as_bytes(), 0o644)?;
            spec.context.iter().try_for_each(|(path, file)| write(&folder.join("context").join(path), &file.bytes, file.mode))?;
            write(&folder.join("build.json"), spec.build.as_bytes(), 0o644)?;
            ui.say(&format!("wrote build.json, Dockerfile and context/ to {}", folder.display()));
        }
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

/// What Apple's tool has to be told of this machine. It takes secrets from files: one that silo makes is written beside its other state of the
/// project, where only the caller can read it.
fn apple_options(project: &Project, image: &LockedImage, launch: Option<&Launch>) -> Result<AppleOptions, Failure> {
    let folder = project.state_directory().join("secrets");
    let mut secrets = Vec::new();
    for (id, Secret { bytes, file }) in super::wait(async { Ok(trust::secrets(project, image).await) })? {
        let path = match file {
            Some(path) => path,
            None => {
                let path = folder.join(&id);
                let private = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
                private.map_err(system(format!("making {}", folder.display())))?;
                write(&path, &bytes, 0o600)?;
                path
            }
        };
        secrets.push((id, path.display().to_string()));
    }
    let mounts = launch.iter().flat_map(|launch| &launch.mounts);
    let files = mounts
        .filter_map(|mount| match mount {
            LaunchMount::Bind { source, .. } => Path::new(source).is_file().then(|| source.clone()),
            LaunchMount::Volume { .. } => None,
        })
        .collect();
    Ok(AppleOptions {
        secrets: secrets.into_iter().collect(),
        files,
        staging: project.caller.run_directory().join("staged").display().to_string(),
    })
}

fn write_context(plan: &Plan, folder: &Path) -> Result<(), Failure> {
    plan.context.iter().try_for_each(|(path, file)| write(&folder.join(path), &file.bytes, file.mode))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    files::write_atomically(path, bytes).map_err(system(format!("writing {}", path.display())))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(system(format!("setting the mode of {}", path.display())))
}
