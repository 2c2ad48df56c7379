//! `silo ls`.

use serde_json::json;

use crate::shell::cli::Ls;
use crate::shell::engine::EngineOptions;
use crate::shell::engine::docker::Docker;
use crate::shell::failure::Failure;
use crate::shell::ui::Ui;

/// Lists silo's images and containers.
pub fn ls(ui: &Ui, args: &Ls) -> Result<u8, Failure> {
    let (images, containers) = super::wait(async {
        let engine = Docker::connect(&EngineOptions::from_environment()).await?;
        Ok::<_, Failure>((engine.find_many("dev.silo.identity").await?, engine.list("dev.silo.workspace").await?))
    })?;
    let label = |labels: &std::collections::BTreeMap<String, String>, key: &str| labels.get(key).cloned().unwrap_or_default();
    if args.json {
        let images: Vec<_> = images
            .iter()
            .map(|image| {
                json!({
                    "tags": image.tags,
                    "id": image.id,
                    "target": label(&image.labels, "dev.silo.agent"),
                    "identity": label(&image.labels, "dev.silo.identity"),
                    "size": image.size,
                    "created": image.created,
                })
            })
            .collect();
        let containers: Vec<_> = containers
            .iter()
            .map(|container| {
                json!({
                    "name": container.name,
                    "id": container.id,
                    "agent": label(&container.labels, "dev.silo.agent"),
                    "workspace": label(&container.labels, "dev.silo.workspace"),
                    "image": container.image,
                    "state": container.state,
                    "created": container.created,
                })
            })
            .collect();
        ui.json(&json!({ "images": images, "containers": containers }));
        return Ok(0);
    }
    if images.is_empty() && containers.is_empty() {
        ui.say("silo has made no image and runs no container");
        return Ok(0);
    }
    if !images.is_empty() {
        ui.line(&format!("{:<20} {:<14} {:>9}", "IMAGE", "IDENTITY", "SIZE"));
        for image in &images {
            let identity: String = label(&image.labels, "dev.silo.identity").chars().take(12).collect();
            ui.line(&format!("{:<20} {:<14} {:>9}", label(&image.labels, "dev.silo.agent"), identity, size(image.size)));
        }
    }
    if !containers.is_empty() {
        if !images.is_empty() {
            ui.line("");
        }
        ui.line(&format!("{:<36} {:<10} {:<10} DIRECTORY", "CONTAINER", "AGENT", "STATE"));
        for container in &containers {
            let (agent, workspace) = (label(&container.labels, "dev.silo.agent"), label(&container.labels, "dev.silo.workspace"));
            ui.line(&format!("{:<36} {agent:<10} {:<10} {workspace}", container.name, container.state));
        }
    }
    Ok(0)
}

/// `1.2 GB`: decimal, as Docker prints sizes.
fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}
