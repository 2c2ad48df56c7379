//! `silo check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use silo::document::{self, Mended};
use silo::lock::{self, LockState};
use silo::problem::{Problems, Severity};
use silo::source::{SourceId, Sources, Span};

use crate::shell::cli::{Check, ContainerOptions, Hold};
use crate::shell::failure::{Failure, system};
use crate::shell::files;
use crate::shell::project::{Project, Scope};
use crate::shell::ui::Ui;

/// How often the configuration is read again, since what was mended may show what was behind it.
const ROUNDS: usize = 16;

/// A configuration that was read, and the files that may be changed.
struct Loaded {
    project: Result<Project, Failure>,
    editable: BTreeMap<SourceId, PathBuf>,
}

/// Says everything that is wrong with the configuration; with `--locked` also when the lock does not fit. With `--fix` what can be mended
/// with certainty is mended before.
pub fn check(ui: &Ui, directory: Option<&Path>, args: &Check) -> Result<u8, Failure> {
    let mut loaded = Loaded::read(directory);
    let mut fixed = Vec::new();
    if args.fix {
        for _ in 0..ROUNDS {
            let done = loaded.mend()?;
            if done.is_empty() {
                break;
            }
            if !args.json {
                done.iter().for_each(|change| ui.say(&change.sentence()));
            }
            fixed.extend(done);
            loaded = Loaded::read(directory);
        }
    }
    let fixable: usize = loaded.mended().iter().map(|mended| mended.changes.len()).sum();
    let hint = match fixable {
        0 => None,
        1 => Some("1 of these can be mended by `silo check --fix`".to_string()),
        count => Some(format!("{count} of these can be mended by `silo check --fix`")),
    };
    let mut project = match loaded.project {
        Err(Failure::Problems { problems, sources }) if args.json => {
            ui.json(&as_json(&problems, &sources, args.fix.then_some(&fixed)));
            return Err(Failure::Said(1));
        }
        Err(Failure::Problems { problems, sources }) => {
            ui.problems(&problems, &sources);
            hint.iter().for_each(|hint| ui.say(hint));
            return Err(Failure::Said(1));
        }
        other => other?,
    };
    let split = project.split_identities()?;
    project.warnings.extend(split);
    if args.json {
        ui.json(&as_json(&project.warnings, &project.sources, args.fix.then_some(&fixed)));
    } else {
        ui.problems(&project.warnings, &project.sources);
        hint.iter().for_each(|hint| ui.say(hint));
    }
    if args.locking.hold() == Hold::Locked {
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
        match project.trust.kept() {
            0 => {}
            1 => ui.say("one thing of this machine is asked for and not trusted: `silo trust` shows it"),
            count => ui.say(&format!("{count} things of this machine are asked for and not trusted: `silo trust` shows them")),
        }
    }
    Ok(0)
}

/// A change that was made in a file.
struct Fixed {
    file: String,
    line: usize,
    before: String,
    after: String,
}

impl Fixed {
    fn sentence(&self) -> String {
        let Fixed { file, line, before, after } = self;
        format!("{file}:{line}: {before} → {}", if after.is_empty() { "(taken out)" } else { after })
    }
}

impl Loaded {
    fn read(directory: Option<&Path>) -> Loaded {
        let mut editable = BTreeMap::new();
        let project = Project::load_editable(directory, &ContainerOptions::default(), &mut editable);
        Loaded { project, editable }
    }

    fn problems(&self) -> Option<(&Problems, &Sources)> {
        match &self.project {
            Ok(project) => Some((&project.warnings, &project.sources)),
            Err(Failure::Problems { problems, sources }) => Some((problems, sources)),
            Err(_) => None,
        }
    }

    /// The texts as they would be after mending.
    fn mended(&self) -> Vec<Mended> {
        let may = |source: SourceId| self.editable.contains_key(&source);
        self.problems().map(|(problems, sources)| document::mend(problems, sources, may)).unwrap_or_default()
    }

    /// Mends what can be mended, in the files.
    fn mend(&self) -> Result<Vec<Fixed>, Failure> {
        let Some((_, sources)) = self.problems() else { return Ok(Vec::new()) };
        let mut done = Vec::new();
        for Mended { source, text, changes } in self.mended() {
            let Some(path) = self.editable.get(&source) else { continue };
            let name = &sources.get(source).name;
            // Somebody may have saved the file since it was read.
            let now = std::fs::read_to_string(path).map_err(system(format!("reading {name}")))?;
            if now != sources.get(source).text {
                continue;
            }
            files::rewrite(path, text.as_bytes()).map_err(system(format!("writing {name}")))?;
            done.extend(changes.into_iter().map(|change| Fixed {
                file: name.clone(),
                line: sources.position(change.span).line,
                before: change.before,
                after: change.after,
            }));
        }
        Ok(done)
    }
}

fn as_json(problems: &Problems, sources: &Sources, fixed: Option<&Vec<Fixed>>) -> serde_json::Value {
    let place = |span: Span| {
        let position = sources.position(span);
        json!({
            "file": sources.get(span.source).name,
            "line": position.line,
            "column": position.column,
            "start": span.start,
            "end": span.end,
        })
    };
    let with_text = |span: Span, text: &str| {
        let mut object = place(span);
        object["text"] = json!(text);
        object
    };
    let list: Vec<serde_json::Value> = problems
        .iter()
        .map(|problem| {
            let labels: Vec<serde_json::Value> = problem.labels.iter().map(|label| with_text(label.span, &label.text)).collect();
            let fixes: Vec<serde_json::Value> =
                document::fixes(problem, sources).iter().map(|(span, text)| with_text(*span, text)).collect();
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
                "fixes": fixes,
            })
        })
        .collect();
    let mut out = json!({ "problems": list });
    if let Some(fixed) = fixed {
        let list: Vec<serde_json::Value> = fixed
            .iter()
            .map(|Fixed { file, line, before, after }| json!({"file": file, "line": line, "before": before, "after": after}))
            .collect();
        out["fixed"] = json!(list);
    }
    out
}
