//! `silo rm`.

use std::path::Path;

use crate::shell::cli::{ContainerOptions, Rm};
use crate::shell::engine::docker::Docker;
use crate::shell::engine::{Container, EngineOptions, Image};
use crate::shell::facts::Caller;
use crate::shell::failure::Failure;
use crate::shell::project::Project;
use crate::shell::ui::Ui;
use crate::shell::update::Keeper;

/// Seconds that a program has to end by itself.
const GRACE: i32 = 10;

/// Removes images and containers of silo's, and nothing else.
pub fn rm(ui: &Ui, directory: Option<&Path>, args: &Rm) -> Result<u8, Failure> {
    let needed = if args.stale { Some(needed(directory)?) } else { None };
    let private = Caller::read().run_directory();
    super::wait(async {
        let engine = Docker::connect(&EngineOptions::from_environment()).await?;
        let containers = engine.list("dev.silo.workspace").await?;
        let images = engine.find_many("dev.silo.identity").await?;
        let chosen_containers: Vec<&Container> = containers
            .iter()
            .filter(|container| {
                args.all || args.names.iter().any(|name| container.name == *name || container.id.starts_with(name.as_str()))
            })
            .collect();
        let chosen_images: Vec<&Image> = images
            .iter()
            .filter(|image| match &needed {
                Some(needed) => !image.tags.iter().any(|tag| needed.contains(tag)),
                None => args.all || args.names.iter().any(|name| is_named(image, name)),
            })
            .collect();
        for name in &args.names {
            let known = containers.iter().any(|container| container.name == *name || container.id.starts_with(name.as_str()))
                || images.iter().any(|image| is_named(image, name));
            if !known {
                return Err(Failure::Refused {
                    message: format!("silo has no image or container `{name}`"),
                    help: Some("`silo ls` lists what there is".to_string()),
                });
            }
        }
        let mut kept = 0;
        for container in &chosen_containers {
            if container.state == "running" && !args.force {
                ui.warn(&format!("{} runs; `silo rm --force` stops it", container.name));
                kept += 1;
                continue;
            }
            if container.state == "running" {
                engine.stop(&container.id, GRACE).await?;
            }
            engine.remove(&container.id, &private).await?;
            ui.line(&container.name);
        }
        for image in &chosen_images {
            for tag in &image.tags {
                engine.remove_image(tag).await?;
                ui.line(tag);
            }
        }
        if chosen_containers.is_empty() && chosen_images.is_empty() {
            ui.say("nothing to remove");
        }
        Ok(u8::from(kept > 0))
    })
}

fn is_named(image: &Image, name: &str) -> bool {
    let identity = image.labels.get("dev.silo.identity").is_some_and(|identity| name.len() >= 6 && identity.starts_with(name));
    let agent = image.labels.get("dev.silo.agent").is_some_and(|target| target == name);
    identity || agent || image.tags.iter().any(|tag| tag == name)
}

/// The images that this directory's configuration needs now.
fn needed(directory: Option<&Path>) -> Result<Vec<String>, Failure> {
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    let scope = project.image_scope();
    let lock = project.fresh_lock(scope)?;
    let targets = project.targets(scope, &[])?;
    let mut needed = Vec::new();
    for target in &targets {
        needed.push(project.compile(scope, &lock, target)?.reference());
        // What was built in the background is what the next run starts.
        if let Some(newer) = Keeper::of(&project, scope, &lock, target).and_then(|keeper| keeper.floating(&lock)) {
            needed.push(project.compile(scope, &newer, target)?.reference());
        }
    }
    Ok(needed)
}
