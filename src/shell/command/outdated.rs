//! `silo outdated`.

use std::path::Path;

use serde_json::{Value, json};

use silo::lock::{self, LockState};
use silo::problem::{Code, Problem};

use super::update::short;
use crate::shell::cli::{ContainerOptions, Outdated};
use crate::shell::failure::Failure;
use crate::shell::fetch::{self, Held, Options, Standing, Update};
use crate::shell::image;
use crate::shell::project::Project;
use crate::shell::trust;
use crate::shell::ui::Ui;
use crate::shell::ui::page::style;

/// The version of what `--json` prints: it becomes larger when a member changes its meaning or goes, not when one comes.
const FORMAT: u32 = 1;

/// What `silo outdated` exits with when `silo update` would change something, or when something could not be looked up.
const BEHIND: u8 = 1;

/// Lists what is newer than the lock. Writes nothing.
pub fn outdated(ui: &Ui, directory: Option<&Path>, args: &Outdated) -> Result<u8, Failure> {
    let servers = args.offline.servers()?;
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    project.must_exist()?;
    let scope = project.committed_scope();
    let name = project.lock_name(scope);
    let Some(lock) = project.read_lock(scope)? else {
        return Err(
            project.stop(Problem::new(Code::LockMissing, format!("there is no {name}")).help("run `silo lock` and commit the file"))
        );
    };
    let image = project.lockable(scope)?;
    match lock::state(&image, Some(&lock)) {
        LockState::Fresh | LockState::Missing => {}
        LockState::Stale(changes) => {
            ui.warn(&format!("{name} does not match the configuration: {}; `silo lock` updates it", changes.join("; ")))
        }
    }
    let surroundings = trust::surroundings(&project);
    let options = Options {
        surroundings: &surroundings,
        update: Update::All,
        servers,
        policy: &project.spec.lock,
        now: image::time(),
        resolve_image: &|reference| image::resolve_image(&surroundings, reference),
    };
    let report = image::reporter(ui);
    let found = super::wait(async { Ok(fetch::outdated(&image, &lock, &options, &report).await) })?;
    ui.clear_transient();
    let found = found.map_err(|problems| Failure::Problems { problems, sources: Box::new(project.sources.clone()) })?;
    if args.json {
        ui.json(&json!({ "version": FORMAT, "lock": name, "entries": found.iter().map(as_json).collect::<Vec<_>>() }));
    } else {
        show(ui, &found, &name);
    }
    let failed = |standing: &&Standing| standing.allowed.is_err();
    Ok(if found.iter().any(Standing::is_behind) || found.iter().find(failed).is_some() { BEHIND } else { 0 })
}

fn show(ui: &Ui, found: &[Standing], lock: &str) {
    let mut rows = vec![["NAME", "LOCKED", "ALLOWED", "NEWEST"].map(str::to_string)];
    let shown = |standing: &&Standing| standing.allowed.is_ok() && (standing.is_behind() || is_beyond(standing));
    for standing in found.iter().filter(shown) {
        let Standing { subject: _, name, locked, allowed, newest, held: _ } = standing;
        let text = |version: &Result<String, String>| version.as_ref().map_or("?".to_string(), |version| short(version));
        let locked = locked.as_deref().map_or("-".to_string(), short);
        rows.push([name.clone(), locked, text(allowed), newest.as_ref().map_or("-".to_string(), text)]);
    }
    if rows.len() > 1 {
        let mut page = ui.page();
        page.columns(&rows, &[style::TITLE, "", style::GOOD, style::FAINT]);
        ui.data(&page.finish());
    }
    for Standing { subject: _, name, locked: _, allowed: _, newest: _, held } in found {
        if let Some(Held { version, released, until }) = held {
            ui.say(&format!(
                "{name} {version} is held back by its age: released {}, old enough from {} on",
                released.minute(),
                until.minute()
            ));
        }
    }
    for Standing { subject: _, name, locked: _, allowed, newest, held: _ } in found {
        match (allowed, newest) {
            (Err(reason), _) => ui.error(&format!("{name} cannot be looked up: {reason}"), None),
            (Ok(_), Some(Err(reason))) => ui.warn(&format!("the newest {name} of all is not known: {reason}")),
            (Ok(_), Some(Ok(_)) | None) => {}
        }
    }
    let behind = found.iter().filter(|standing| standing.is_behind()).count();
    let failed = found.iter().filter(|standing| standing.allowed.is_err()).count();
    let current = found.len() - behind - failed;
    let next = if behind > 0 { "; `silo update` takes what is allowed" } else { "" };
    ui.say(&format!("{lock}: {behind} behind, {current} current, {failed} unknown{next}"));
}

/// Whether there is something newer than what is asked for.
fn is_beyond(standing: &Standing) -> bool {
    match (&standing.allowed, &standing.newest) {
        (Ok(allowed), Some(Ok(newest))) => allowed != newest,
        (Ok(_) | Err(_), Some(Err(_)) | None) | (Err(_), Some(Ok(_))) => false,
    }
}

fn as_json(standing: &Standing) -> Value {
    let Standing { subject, name, locked, allowed, newest, held } = standing;
    let newest = newest.as_ref();
    json!({
        "kind": subject.as_str(),
        "name": name,
        "locked": locked,
        "allowed": allowed.as_ref().ok(),
        "newest": newest.and_then(|newest| newest.as_ref().ok()),
        "held": held.as_ref().map(|Held { version, released, until }| {
            json!({ "version": version, "released": released.to_string(), "until": until.to_string() })
        }),
        "behind": standing.is_behind(),
        "error": allowed.as_ref().err().or_else(|| newest.and_then(|newest| newest.as_ref().err())),
    })
}
