//! `silo trust`.

use std::path::{Path, PathBuf};

use serde_json::json;

use silo::problem::escape;

use crate::shell::cli::{ContainerOptions, Trust};
use crate::shell::facts::Caller;
use crate::shell::failure::{Failure, system};
use crate::shell::files::Places;
use crate::shell::project::Project;
use crate::shell::reader::Outside;
use crate::shell::trust::{Asked, Store, command, folder, untrusted};
use crate::shell::ui::Ui;

/// Shows what a configuration asks for and stores that the user trusts it; or lists, or forgets, what was stored.
pub fn trust(ui: &Ui, directory: Option<&Path>, args: &Trust) -> Result<u8, Failure> {
    let Trust { yes, digest, list, json, revoke } = args;
    if *list {
        return show_all(ui, *json);
    }
    if let Some(named) = revoke {
        return forget(ui, directory, named.as_deref());
    }
    let mut project = Project::read(directory, &ContainerOptions::default(), Outside::Follow)?;
    if folder(&project).is_none() {
        project.must_exist()?;
        return Err(Failure::Refused {
            message: "no project has a say here: only your own configuration is read, which is trusted".to_string(),
            help: None,
        });
    }
    let asked = Asked::of(&mut project);
    if *digest {
        ui.line(&asked.digest.to_string());
        return Ok(0);
    }
    ui.problems(&project.warnings, &project.sources);
    ui.show(&asked.screen(&project));
    if asked.is_trusted(None) {
        ui.say("you trust it already; `silo trust --revoke` takes that back");
        return Ok(0);
    }
    if !yes && !ui.can_ask() {
        return Err(Failure::Refused {
            message: format!("{} and there is no terminal to ask on", untrusted(&asked)),
            help: Some(format!("`{}` trusts it as shown", command(&asked, " --yes"))),
        });
    }
    if !yes && !ui.confirm("trust this?")? {
        return Err(Failure::Refused { message: "it is not trusted".to_string(), help: None });
    }
    asked.store(&project.caller)?;
    ui.say("it is trusted until one of its files changes");
    Ok(0)
}

fn show_all(ui: &Ui, as_json: bool) -> Result<u8, Failure> {
    let all = Store::of(&Caller::read()).list();
    if as_json {
        let list: Vec<_> = all
            .iter()
            .map(|stored| {
                let record = &stored.record;
                let files: Vec<_> = record.files.iter().map(|file| json!({ "path": file.path, "sha256": file.sha256 })).collect();
                json!({ "path": record.path, "digest": record.digest, "requests": record.requests, "files": files })
            })
            .collect();
        ui.json(&json!({ "trusted": list }));
        return Ok(0);
    }
    for stored in &all {
        let record = &stored.record;
        ui.line(&format!("{}  {}", escape(&record.path), record.digest));
        for request in &record.requests {
            ui.line(&format!("  {}", escape(request)));
        }
    }
    if all.is_empty() {
        ui.say("no project is trusted");
    }
    Ok(0)
}

/// Takes trust back. The folder may be gone, and its files may be broken: what was stored about it goes.
fn forget(ui: &Ui, directory: Option<&Path>, named: Option<&Path>) -> Result<u8, Failure> {
    let caller = Caller::read();
    let directory = match (directory, named) {
        (Some(directory), Some(named)) => directory.join(named),
        (Some(one), None) | (None, Some(one)) => one.to_path_buf(),
        (None, None) => PathBuf::from("."),
    };
    let directory = std::path::absolute(&directory).map_err(system("finding the working directory"))?;
    let directory = directory.canonicalize().unwrap_or(directory);
    let store = Store::of(&caller);
    let forgetting = || system("forgetting what was trusted");
    // The folder itself, and those above it up to the repository's root: trust is about the folder of the nearest file.
    let root = Places::find(&caller, &directory).root;
    for folder in directory.ancestors().take_while(|folder| folder.starts_with(&root)) {
        if store.forget(folder).map_err(forgetting())? {
            ui.say(&format!("{} is no longer trusted", folder.display()));
            return Ok(0);
        }
    }
    let text = directory.display().to_string();
    if let Some(stored) = store.list().iter().find(|stored| stored.record.path == text) {
        store.remove(stored).map_err(forgetting())?;
        ui.say(&format!("{text} is no longer trusted"));
        return Ok(0);
    }
    Err(Failure::Refused { message: format!("{text} was not trusted"), help: Some("`silo trust --list` shows what is".to_string()) })
}
