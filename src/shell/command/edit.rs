//! `silo config edit`.

use std::path::{Path, PathBuf};
use std::process::Command;

use silo::catalog::Catalog;
use silo::contract;
use silo::document;
use silo::layers::{self, Edit, Refusal};
use silo::problem::{Problems, Severity};
use silo::spec::decode as spec_decode;

use super::init::{starter, target};
use crate::shell::cli;
use crate::shell::facts::Caller;
use crate::shell::failure::{Failure, system};
use crate::shell::files::{self, LOCAL_FILE, Places};
use crate::shell::merged::{Merged, workspace};
use crate::shell::ui::Ui;

/// Opens a file in the editor, or makes the changes that the command line asks for.
pub fn edit(ui: &Ui, directory: Option<&Path>, args: &cli::Edit) -> Result<u8, Failure> {
    let cli::Edit { global, local, set, unset, add } = args;
    let path = target(directory, *global)?;
    let path = if *local { path.with_file_name(LOCAL_FILE) } else { path };
    let changes = changes(set, unset, add)?;
    if changes.is_empty() { open(ui, directory, &path) } else { change(ui, directory, &path, &changes) }
}

fn changes(set: &[String], unset: &[String], add: &[String]) -> Result<Vec<Edit>, Failure> {
    let path = |text: &str| {
        layers::Path::parse(text).map_err(|wrong| Failure::Usage {
            message: format!("`{text}` is not a path: {wrong}"),
            help: Some("write it as in `language.node.version`".to_string()),
        })
    };
    let mut changes = Vec::new();
    for text in unset {
        changes.push(Edit::Unset(path(text)?));
    }
    for text in set {
        let Some((name, value)) = split(text) else {
            return Err(Failure::Usage {
                message: format!("`{text}` has no value"),
                help: Some("write `--set PATH=VALUE`, as in `--set language.node.version=22`".to_string()),
            });
        };
        changes.push(Edit::Set(path(name)?, value.to_string()));
    }
    changes.extend(add.iter().cloned().map(Edit::Add));
    Ok(changes)
}

/// A path and its value, at the first `=` that is not quoted.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '=' if !quoted => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

fn change(ui: &Ui, directory: Option<&Path>, path: &Path, changes: &[Edit]) -> Result<u8, Failure> {
    let caller = Caller::read();
    let workspace = workspace(directory)?;
    let places = Places::find(&caller, &workspace);
    let name = files::display_name(path, &workspace, &caller.home);
    let old = files::read_configuration(path, &name, document::MAX_BYTES)
        .map_err(|problem| Failure::Refused { message: problem.message, help: problem.help })?;
    let mut text = old.clone().unwrap_or_default();
    for change in changes {
        text = layers::edit(&text, change)
            .map_err(|Refusal { message, help }| Failure::Refused { message: format!("{name}: {message}"), help: Some(help) })?;
    }
    let before = look(&caller, &places, None).1;
    let (merged, problems) = look(&caller, &places, Some((path, &text)));
    let known = |message: &str| before.iter().any(|problem| problem.message == message);
    let mut new = Problems::default();
    for problem in problems.iter().filter(|problem| problem.severity() == Severity::Error && !known(&problem.message)) {
        new.push(problem.clone());
    }
    if !new.is_empty() {
        ui.problems(&new, &merged.sources);
        return Err(Failure::Refused { message: format!("{name} was left as it is: the change would be a mistake"), help: None });
    }
    if old.as_deref() == Some(text.as_str()) {
        ui.say(&format!("{name} says so already"));
    } else {
        write(path, &text)?;
        ui.say(&format!("wrote {name}"));
    }
    for change in changes {
        if let Edit::Set(path, _) = change {
            warn_if_weaker(ui, &merged, path, &name);
        }
    }
    Ok(0)
}

/// The configuration and everything that is wrong with it.
fn look(caller: &Caller, places: &Places, instead: Option<(&Path, &str)>) -> (Merged, Problems) {
    let mut merged = Merged::of(caller, places, instead);
    let mut problems = merged.problems.clone();
    problems.extend_new(contract::check(&merged.layered.nodes));
    let (catalog, found) = Catalog::new(&merged.layered.nodes);
    problems.extend_new(found);
    let (_, found) = spec_decode::decode(&merged.layered.nodes, &catalog, &mut merged.sources);
    problems.extend_new(found);
    (merged, problems)
}

/// A link stays a link: what it leads to is written.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let real: PathBuf = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    files::write_atomically(&real, text.as_bytes()).map_err(system(format!("writing {}", path.display())))
}

/// Says so when another file outranks the value that was just set.
fn warn_if_weaker(ui: &Ui, merged: &Merged, path: &layers::Path, name: &str) {
    let said = merged.layered.all_definitions().iter().filter(|definition| definition.path.is_within(path) && definition.holds);
    let winner = said.max_by_key(|definition| definition.path == *path);
    if let Some(winner) = winner
        && merged.sources.get(winner.span.source).name != name
    {
        let place = merged.sources.place(winner.span);
        ui.warn(&format!("{place} is stronger, so `{path}` stays as it was: `silo config show --why {path}`"));
    }
}

fn open(ui: &Ui, directory: Option<&Path>, path: &Path) -> Result<u8, Failure> {
    if !path.is_file() {
        files::write_atomically(path, starter(None, None).as_bytes()).map_err(system(format!("writing {}", path.display())))?;
    }
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_string());
    let caller = Caller::read();
    let places = Places::find(&caller, &workspace(directory)?);
    loop {
        let mut words = editor.split_whitespace();
        let program = words.next().unwrap_or("vi");
        let status = Command::new(program).args(words).arg(path).status().map_err(|source| Failure::System {
            operation: format!("starting the editor `{program}`"),
            help: Some("set $EDITOR to an editor that is installed".to_string()),
            source,
        })?;
        if !status.success() {
            return Err(Failure::Refused { message: format!("the editor `{editor}` failed ({status})"), help: None });
        }
        let (merged, problems) = look(&caller, &places, None);
        ui.problems(&problems, &merged.sources);
        if !problems.has_errors() {
            ui.say(&format!("{} is fine", path.display()));
            return Ok(0);
        }
        if !ui.can_ask() || !ui.confirm("open the editor again?")? {
            return Ok(crate::shell::failure::code::CONFIGURATION);
        }
    }
}
