//! `silo config …`.

use std::path::Path;

use serde_json::json;

use silo::layers;
use silo::schema;
use silo::source::Layer;

use super::{edit, why};
use crate::shell::cli::{Config, ContainerOptions};
use crate::shell::command::init;
use crate::shell::facts::Caller;
use crate::shell::failure::Failure;
use crate::shell::files::Places;
use crate::shell::merged::workspace;
use crate::shell::project::Project;
use crate::shell::ui::Ui;

/// Shows or starts a configuration.
pub fn config(ui: &Ui, directory: Option<&Path>, command: &Config) -> Result<u8, Failure> {
    match command {
        Config::Show { why: Some(path), json } => why::why(ui, directory, path, *json),
        Config::Show { why: None, json } => show(ui, directory, *json),
        Config::Paths { json } => paths(ui, directory, *json),
        Config::Default => {
            ui.data(&schema::example());
            Ok(0)
        }
        Config::Init(args) => init::init(ui, directory, args),
        Config::Edit(args) => edit::edit(ui, directory, args),
    }
}

fn show(ui: &Ui, directory: Option<&Path>, json: bool) -> Result<u8, Failure> {
    let project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    if json {
        ui.json(&layers::to_json(&project.layered, &project.sources));
    } else {
        ui.data(&layers::print_with_sources(&project.layered, &project.sources));
    }
    Ok(0)
}

fn paths(ui: &Ui, directory: Option<&Path>, json: bool) -> Result<u8, Failure> {
    let caller = Caller::read();
    let places = Places::find(&caller, &workspace(directory)?);
    let rows: Vec<(String, &str, bool)> = places
        .candidates
        .iter()
        .map(|candidate| {
            let layer = match candidate.layer {
                Layer::Catalog => "catalog",
                Layer::System => "system",
                Layer::User => "user",
                Layer::Above(_) => "above the repository",
                Layer::Project(_) => "project",
                Layer::Local(_) => "this checkout",
                Layer::Repository => "for this repository",
                Layer::Environment => "environment",
                Layer::CommandLine => "command line",
            };
            (candidate.path.display().to_string(), layer, candidate.path.is_file())
        })
        .collect();
    if json {
        let list: Vec<_> = rows.iter().map(|(path, layer, exists)| json!({"path": path, "layer": layer, "exists": exists})).collect();
        ui.json(&json!({ "paths": list }));
    } else {
        for (path, layer, exists) in rows {
            ui.line(&format!("{} {layer:<20} {path}", if exists { "✓" } else { "·" }));
        }
    }
    Ok(0)
}
