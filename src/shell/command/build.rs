//! `silo build`.

use std::path::Path;

use serde_json::json;

use crate::shell::cli::{Build, ContainerOptions};
use crate::shell::engine::docker::Docker;
use crate::shell::engine::{Cache, EngineOptions};
use crate::shell::failure::Failure;
use crate::shell::image::{self, Made};
use crate::shell::project::Project;
use crate::shell::smoke;
use crate::shell::ui::Ui;

/// Builds the images that are not there yet.
pub fn build(ui: &Ui, directory: Option<&Path>, args: &Build) -> Result<u8, Failure> {
    let means = args.making.means()?;
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    project.needs_docker()?;
    let scope = project.image_scope();
    let targets = project.targets(scope, &args.agents)?;
    super::wait(async {
        // An engine that does not answer is known before anything is resolved.
        let engine = Docker::connect(&EngineOptions::from_environment()).await?;
        let lock = image::ensure_lock(ui, &mut project, scope, &means).await?;
        let mut built = Vec::new();
        for target in &targets {
            let compiled = project.compile(scope, &lock, target)?;
            let cache = if args.no_cache { Cache::Ignore } else { Cache::Use };
            let made = image::ensure(ui, &project, &compiled, target, &engine, cache, &means).await?;
            let reference = compiled.reference();
            if matches!(made, Made::Found(_)) {
                ui.say(&format!("{target} is there already ({})", compiled.short()));
            }
            if args.test {
                smoke::test(ui, &project, &compiled, target, &engine, None).await?;
            }
            built.push(json!({
                "target": target.to_string(),
                "image": reference,
                "identity": compiled.identity.to_string(),
                "built": made == Made::Built,
            }));
        }
        if args.json {
            ui.json(&json!({ "images": built }));
        }
        Ok(0)
    })
}
