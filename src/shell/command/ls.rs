//! `silo ls`.

use serde_json::json;

use crate::shell::cli::Ls;
use crate::shell::engine::{Engine, EngineOptions};
use crate::shell::failure::Failure;
use crate::shell::ui::Ui;

/// Lists silo's images and containers.
pub fn ls(ui: &Ui, args: &Ls) -> Result<u8, Failure> {
    let runtime = super::runtime()?;
    let listing = runtime.block_on(async {
        let engine = Engine::connect(&EngineOptions::from_environment()).await?;
        engine.list().await
    })?;
    if args.json {
        let images: Vec<_> = listing
            .images
            .iter()
            .map(|image| json!({"reference": image.reference, "id": image.id, "identity": image.identity, "agent": image.agent, "size": image.size, "created": image.created}))
            .collect();
        let containers: Vec<_> = listing
            .containers
            .iter()
            .map(|container| json!({"name": container.name, "id": container.id, "agent": container.agent, "workspace": container.workspace, "state": container.state}))
            .collect();
        ui.json(&json!({"images": images, "containers": containers}));
        return Ok(0);
    }
    if listing.images.is_empty() && listing.containers.is_empty() {
        ui.say("silo has made no image and runs no container yet");
        return Ok(0);
    }
    if !listing.images.is_empty() {
        ui.line(&format!("{:<16} {:<14} {:>9}  IMAGE", "AGENT", "IDENTITY", "SIZE"));
        for image in &listing.images {
            let identity: String = image.identity.chars().take(12).collect();
            ui.line(&format!("{:<16} {:<14} {:>9}  {}", image.agent, identity, size(image.size), short(&image.reference)));
        }
    }
    if !listing.containers.is_empty() {
        if !listing.images.is_empty() {
            ui.line("");
        }
        ui.line(&format!("{:<32} {:<16} {:<10} DIRECTORY", "CONTAINER", "AGENT", "STATE"));
        for container in &listing.containers {
            ui.line(&format!("{:<32} {:<16} {:<10} {}", container.name, container.agent, container.state, container.workspace));
        }
    }
    Ok(0)
}

/// `localhost/silo/claude:1f2e3d4c5b6a…`: a whole identity is for machines.
fn short(reference: &str) -> String {
    match reference.rsplit_once(':') {
        Some((name, tag)) if tag.len() > 12 => format!("{name}:{}…", &tag[..12]),
        _ => reference.to_string(),
    }
}

/// `1.2 GB`: decimal, as Docker prints sizes.
pub fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}
