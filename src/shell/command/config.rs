//! `silo config …`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use silo::catalog::Catalog;
use silo::document;
use silo::layers;
use silo::schema;
use silo::source::Layer;
use silo::spec::Kind;

use crate::shell::cli::{Config, ContainerOptions};
use crate::shell::facts::Caller;
use crate::shell::failure::{Failure, system};
use crate::shell::files::{self, FILE, Places};
use crate::shell::project::Project;
use crate::shell::ui::Ui;

/// Shows or starts a configuration.
pub fn config(ui: &Ui, directory: Option<&Path>, command: &Config) -> Result<u8, Failure> {
    match command {
        Config::Show { json } => show(ui, directory, *json),
        Config::Paths { json } => paths(ui, directory, *json),
        Config::Default => {
            ui.data(&schema::example());
            Ok(0)
        }
        Config::Init { agent, base, global } => init(ui, directory, agent.as_deref(), base.as_deref(), *global),
        Config::Edit { global } => edit(ui, directory, *global),
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

fn workspace(directory: Option<&Path>) -> Result<PathBuf, Failure> {
    let directory = match directory {
        Some(directory) => directory.to_path_buf(),
        None => std::env::current_dir().map_err(system("finding the working directory"))?,
    };
    directory.canonicalize().map_err(system(format!("opening the directory {}", directory.display())))
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

/// What `silo config init` writes; without an agent those of the catalog stand there as comments.
fn starter(agent: Option<&str>, base: Option<&str>) -> String {
    let base = base.map(|base| format!("base {}\n", document::quote(base))).unwrap_or_default();
    let agents = match agent {
        Some(agent) => format!("agent {}\n", document::quote(agent)),
        None => agents().iter().map(|agent| format!("// agent {agent}\n")).collect(),
    };
    format!(
        "\
// What coding agents get to work with here. `silo config default` explains every node; `silo check` says what is wrong.
silo edition=\"2026\"
{base}
{agents}
// language node version=\"22\"
// lsp typescript-language-server
// mcp memory
// post_build \"npm install -g some-tool\"
// pre_run \"npm ci\"
"
    )
}

/// The agents of the catalog.
fn agents() -> Vec<String> {
    Catalog::builtin().names(Kind::Agent.as_str()).into_iter().map(str::to_string).collect()
}

fn target(directory: Option<&Path>, global: bool) -> Result<PathBuf, Failure> {
    let caller = Caller::read();
    if global {
        return Ok(caller.config_directory().join(FILE));
    }
    let workspace = workspace(directory)?;
    let places = Places::find(&caller, &workspace);
    let existing =
        places.candidates.iter().rev().find(|candidate| matches!(candidate.layer, Layer::Project(_)) && candidate.path.is_file());
    Ok(existing.map_or_else(|| places.root.join(FILE), |candidate| candidate.path.clone()))
}

fn init(ui: &Ui, directory: Option<&Path>, agent: Option<&str>, base: Option<&str>, global: bool) -> Result<u8, Failure> {
    let path = target(directory, global)?;
    if path.symlink_metadata().is_ok() {
        return Err(Failure::Refused {
            message: format!("{} exists already", path.display()),
            help: Some("`silo config edit` opens it; remove it first to start anew".to_string()),
        });
    }
    let agents = agents();
    let agent = match agent {
        Some(agent) if agents.iter().any(|known| known == agent) => agent,
        Some(agent) => {
            let near = schema::nearest(agent, agents.iter().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the catalog has {}; describe another with `define agent {agent} {{ … }}`", agents.join(", ")),
            };
            return Err(Failure::Usage { message: format!("`{agent}` is no agent of the catalog"), help: Some(help) });
        }
        None => ui.choose("agent", &agents)?,
    };
    files::write_atomically(&path, starter(Some(agent), base).as_bytes()).map_err(system(format!("writing {}", path.display())))?;
    ui.say(&format!("wrote {}; next: `silo lock`, commit both files, `silo {agent}`", path.display()));
    // What was just written is checked like anything else, so that a name that is in no catalog is known now.
    Project::load(directory, &ContainerOptions::default()).map(|_| 0)
}

fn edit(ui: &Ui, directory: Option<&Path>, global: bool) -> Result<u8, Failure> {
    let path = target(directory, global)?;
    if !path.is_file() {
        let text = starter(None, None);
        files::write_atomically(&path, text.as_bytes()).map_err(system(format!("writing {}", path.display())))?;
    }
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_string());
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program).args(words).arg(&path).status().map_err(|source| Failure::System {
        operation: format!("starting the editor `{program}`"),
        help: Some("set $EDITOR to an editor that is installed".to_string()),
        source,
    })?;
    if !status.success() {
        return Err(Failure::Refused { message: format!("the editor `{editor}` failed ({status})"), help: None });
    }
    let project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    ui.say(&format!("{} is fine", path.display()));
    Ok(0)
}
