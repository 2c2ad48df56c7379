//! `silo hash`.

use std::path::Path;

use serde_json::json;

use silo::identity::{self, Preimage};
use silo::plan::Target;

use crate::shell::cli::{ContainerOptions, Hash};
use crate::shell::failure::{Failure, system};
use crate::shell::project::{Project, Scope};
use crate::shell::ui::Ui;

/// Prints identities, what they are made of, or what makes two differ.
pub fn hash(ui: &Ui, directory: Option<&Path>, args: &Hash) -> Result<u8, Failure> {
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    let scope = project.image_scope();
    let lock = project.fresh_lock(scope)?;
    let targets = project.targets(scope, args.agent.as_slice())?;
    if args.explain || args.diff.is_some() {
        let target = match args.agent {
            Some(_) => targets.first().cloned(),
            None => project.default_target(scope).or_else(|| targets.first().cloned()),
        }
        .unwrap_or(Target::Environment);
        let compiled = project.compile(scope, &lock, &target)?;
        let Some(other) = &args.diff else {
            if args.json {
                ui.json(&compiled.preimage.to_json(&project.sources));
            } else {
                ui.data(&compiled.preimage.explain(&project.sources));
            }
            return Ok(0);
        };
        let other = read_other(other, &target)?;
        let differences = identity::diff(&other, &compiled.preimage);
        for difference in &differences {
            ui.line(&difference.print(&project.sources));
        }
        if differences.is_empty() {
            ui.say("nothing differs: the identity is the same");
            return Ok(0);
        }
        return Ok(1);
    }
    let mut all = serde_json::Map::new();
    let single = targets.len() == 1 && args.agent.is_some();
    for target in &targets {
        let identity = project.compile(scope, &lock, target)?.identity;
        if args.json {
            all.insert(target.to_string(), json!(identity.to_string()));
        } else if single {
            ui.line(&identity.to_string());
        } else {
            ui.line(&format!("{identity}  {target}"));
        }
    }
    if args.json {
        ui.json(&serde_json::Value::Object(all));
    }
    Ok(0)
}

/// Another project directory, or what `--explain` printed once.
fn read_other(path: &Path, target: &Target) -> Result<Preimage, Failure> {
    if path.is_dir() {
        let mut project = Project::load(Some(path), &ContainerOptions::default())?;
        let scope = project.image_scope();
        let lock = project.fresh_lock(scope)?;
        return Ok(project.compile(scope, &lock, target)?.preimage);
    }
    let text = std::fs::read_to_string(path).map_err(system(format!("reading {}", path.display())))?;
    Preimage::parse(&text).ok_or_else(|| Failure::Usage {
        message: format!("{} is neither a directory nor the output of `silo hash --explain`", path.display()),
        help: Some("save one with `silo hash --explain > before.txt`".to_string()),
    })
}
