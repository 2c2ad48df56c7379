//! `silo check`.

use std::path::Path;

use serde_json::json;

use silo::lock::{self, LockState};
use silo::problem::{Problems, Severity};
use silo::source::Sources;

use crate::shell::cli::{Check, ContainerOptions};
use crate::shell::failure::Failure;
use crate::shell::project::{Project, Scope};
use crate::shell::ui::Ui;

/// Says everything that is wrong with the configuration; with `--locked` also when the lock does not fit.
pub fn check(ui: &Ui, directory: Option<&Path>, args: &Check) -> Result<u8, Failure> {
    let mut project = match Project::load(directory, &ContainerOptions::default()) {
        Err(Failure::Problems { problems, sources }) if args.json => {
            ui.json(&as_json(&problems, &sources));
            return Err(Failure::Said(1));
        }
        other => other?,
    };
    let split = project.split_identities()?;
    project.warnings.extend(split);
    if args.json {
        ui.json(&as_json(&project.warnings, &project.sources));
    } else {
        ui.problems(&project.warnings, &project.sources);
    }
    if args.locking.locked {
        project.fresh_lock(Scope::Shared)?;
    }
    let lock = project.read_lock(Scope::Shared)?;
    let name = project.lock_name(Scope::Shared);
    let locked = match lock::state(&project.lockable(Scope::Shared)?, lock.as_ref()) {
        LockState::Fresh => format!("{name} fits"),
        LockState::Missing => format!("no {name} yet: `silo lock` writes it"),
        LockState::Stale(changes) => format!("{name} is stale ({}): `silo lock` updates it", changes.join("; ")),
    };
    if !args.json {
        let read = match project.files.len() {
            0 => "no configuration file".to_string(),
            1 => "1 file".to_string(),
            count => format!("{count} files"),
        };
        ui.say(&format!("{read} read, nothing wrong; {locked}"));
    }
    Ok(0)
}

fn as_json(problems: &Problems, sources: &Sources) -> serde_json::Value {
    let list: Vec<serde_json::Value> = problems
        .iter()
        .map(|problem| {
            let labels: Vec<serde_json::Value> = problem
                .labels
                .iter()
                .map(|label| {
                    let position = sources.position(label.span);
                    json!({
                        "file": sources.get(label.span.source).name,
                        "line": position.line,
                        "column": position.column,
                        "start": label.span.start,
                        "end": label.span.end,
                        "text": label.text,
                    })
                })
                .collect();
            let severity = match problem.severity() {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            json!({
                "code": problem.code.as_str(),
                "severity": severity,
                "message": problem.message,
                "labels": labels,
                "help": problem.help,
            })
        })
        .collect();
    json!({ "problems": list })
}
