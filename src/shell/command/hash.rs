//! `silo hash`.

use std::path::Path;

use serde_json::json;

use silo::detect::Taken;
use silo::identity::{self, Difference, Entry, Preimage};
use silo::plan::Target;
use silo::source::Sources;

use crate::shell::cli::{ContainerOptions, Hash};
use crate::shell::failure::{Failure, system};
use crate::shell::project::Project;
use crate::shell::ui::Ui;

/// Prints identities, what they are made of, or what makes two differ.
pub fn hash(ui: &Ui, directory: Option<&Path>, args: &Hash) -> Result<u8, Failure> {
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    let scope = project.committed_scope();
    let lock = project.fresh_lock(scope)?;
    if !args.explain && args.diff.is_none() {
        let targets = project.targets(scope, args.agent.as_slice())?;
        let mut all = serde_json::Map::new();
        for target in &targets {
            let identity = project.compile(scope, &lock, target)?.identity;
            if args.json {
                all.insert(target.to_string(), json!(identity.to_string()));
            } else if args.agent.is_some() {
                ui.line(&identity.to_string());
            } else {
                ui.line(&format!("{identity}  {target}"));
            }
        }
        if args.json {
            ui.json(&serde_json::Value::Object(all));
        }
        return Ok(0);
    }
    let target = project.one_target(scope, args.agent.as_deref())?;
    let preimage = project.compile(scope, &lock, &target)?.preimage;
    for Taken { file, of, version } in &project.taken {
        ui.say(&format!("{of} is asked for as `{version}` by {}", project.sources.get(*file).name));
    }
    match &args.diff {
        Some(other) => compare(ui, &project.sources, &preimage, other, &target, args.json),
        None if args.json => {
            let entries: Vec<_> = preimage.entries.iter().map(|entry| as_json(entry, &project.sources)).collect();
            ui.json(&json!({ "target": target.to_string(), "entries": entries }));
            Ok(0)
        }
        None => {
            ui.data(&preimage.explain());
            Ok(0)
        }
    }
}

fn as_json(entry: &Entry, sources: &Sources) -> serde_json::Value {
    json!({ "path": entry.path, "value": entry.value, "set": entry.origin.map(|origin| sources.place(origin)) })
}

fn compare(ui: &Ui, sources: &Sources, mine: &Preimage, other: &Path, target: &Target, json: bool) -> Result<u8, Failure> {
    let (theirs, their_sources, mine) = if other.is_dir() {
        let mut project = Project::load(Some(other), &ContainerOptions::default())?;
        let scope = project.committed_scope();
        let lock = project.fresh_lock(scope)?;
        let preimage = project.compile(scope, &lock, target)?.preimage;
        (preimage, project.sources, mine.clone())
    } else {
        let text = std::fs::read_to_string(other).map_err(system(format!("reading {}", other.display())))?;
        // A saved explanation has its texts escaped; so the two are compared in that form.
        let theirs = explained(&text).ok_or_else(|| Failure::Usage {
            message: format!("{} is neither a directory nor the output of `silo hash --explain`", other.display()),
            help: Some("save one with `silo hash --explain > before.txt`".to_string()),
        })?;
        let mut mine = mine.clone();
        for entry in &mut mine.entries {
            entry.path = entry.path.escape_debug().to_string();
            entry.value = entry.value.escape_debug().to_string();
        }
        (theirs, Sources::default(), mine)
    };
    let differences = identity::diff(&theirs, &mine);
    if json {
        let list: Vec<_> = differences
            .iter()
            .map(|difference| {
                let (before, after) = sides(difference);
                json!({
                    "before": before.map(|entry| as_json(entry, &their_sources)),
                    "after": after.map(|entry| as_json(entry, sources)),
                })
            })
            .collect();
        ui.json(&json!({ "differences": list }));
    } else {
        for difference in &differences {
            let (before, after) = sides(difference);
            if let Some(entry) = before {
                ui.line(&print('-', entry, &their_sources));
            }
            if let Some(entry) = after {
                ui.line(&print('+', entry, sources));
            }
        }
        if differences.is_empty() {
            ui.say("nothing differs: the identity is the same");
        }
    }
    Ok(u8::from(!differences.is_empty()))
}

fn sides(difference: &Difference) -> (Option<&Entry>, Option<&Entry>) {
    match difference {
        Difference::Removed(before) => (Some(before), None),
        Difference::Added(after) => (None, Some(after)),
        Difference::Changed { before, after } => (Some(before), Some(after)),
    }
}

fn print(sign: char, entry: &Entry, sources: &Sources) -> String {
    let set = entry.origin.map(|origin| format!("    ({})", sources.place(origin))).unwrap_or_default();
    format!("{sign} {} = {}{set}", entry.path.escape_debug(), entry.value.escape_debug())
}

/// Reads what [`Preimage::explain`] printed, texts left escaped; `None` when it is something else.
fn explained(text: &str) -> Option<Preimage> {
    let mut lines = text.lines();
    lines.next().filter(|first| first.starts_with("silo-identity-"))?;
    let entries = lines
        .map(|line| {
            let (path, value) = line.split_once(" = ")?;
            Some(Entry { path: path.to_string(), value: value.to_string(), origin: None })
        })
        .collect::<Option<Vec<Entry>>>()?;
    Some(Preimage { entries })
}
