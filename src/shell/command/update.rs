//! `silo update`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use silo::lock::difference::{Change, Counts, Difference, Subject, difference};
use silo::spec::{ComponentId, ImageSpec, Kind};

use crate::shell::cli::{ContainerOptions, Update as Arguments};
use crate::shell::failure::Failure;
use crate::shell::fetch::{Part, Update};
use crate::shell::files;
use crate::shell::image;
use crate::shell::project::{Project, Scope};
use crate::shell::ui::Ui;
use crate::shell::ui::page::style;

/// The version of what `--json` prints: it becomes larger when a member changes its meaning or goes, not when one comes.
const FORMAT: u32 = 1;

/// Looks newer versions up, says what changed, and writes the lock.
pub fn update(ui: &Ui, directory: Option<&Path>, args: &Arguments) -> Result<u8, Failure> {
    let servers = args.offline.servers()?;
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    project.must_exist()?;
    let scope = project.committed_scope();
    let what = match args.names.as_slice() {
        [] => Update::All,
        names => Update::Only(parts(&mut project, scope, names)?),
    };
    let resolved = super::wait(image::resolve_lock(ui, &mut project, scope, what, servers))?;
    let found = difference(resolved.old.as_ref(), &resolved.new);
    if !args.json {
        show(ui, &found);
    }
    let name = project.lock_name(scope);
    let written = if args.dry_run {
        let is = if found.changes.is_empty() { "is up to date" } else { "was not written (--dry-run)" };
        ui.say(&format!("{name} {is}"));
        false
    } else {
        image::write_lock(ui, &mut project, scope, &resolved)?
    };
    if args.json {
        ui.json(&as_json(&found, &name, written));
    }
    Ok(0)
}

/// The parts of a lock that names mean.
fn parts(project: &mut Project, scope: Scope, names: &[String]) -> Result<BTreeSet<Part>, Failure> {
    let image = project.lockable(scope)?;
    let mut found = BTreeSet::new();
    for name in names {
        let parts = named(&image, name);
        if parts.is_empty() {
            return Err(unknown(project, &image, name));
        }
        found.extend(parts);
    }
    Ok(found)
}

/// What a name means: `node`, `language/node`, `base`, `packages`, a layer's name.
fn named(image: &ImageSpec, name: &str) -> Vec<Part> {
    match name {
        "base" => return vec![Part::Base],
        "packages" => return vec![Part::Packages],
        _ => {}
    }
    let (kind, bare) = name.split_once('/').map_or((None, name), |(kind, bare)| (Some(kind), bare));
    let fits = |id: &ComponentId| id.name.as_str() == bare && kind.is_none_or(|kind| kind == id.kind.as_str());
    let mut found: Vec<Part> =
        image.all_components().map(|component| &component.id).filter(|id| fits(id)).cloned().map(Part::Component).collect();
    let layers = image.layers.iter().filter(|layer| layer.name.as_str() == bare && kind.is_none_or(|kind| kind == "layer"));
    found.extend(layers.map(|layer| Part::Layer(layer.name.clone())));
    found
}

/// A name that means nothing here: what was probably meant, and where that stands.
fn unknown(project: &Project, image: &ImageSpec, name: &str) -> Failure {
    let bare = name.rsplit('/').next().unwrap_or(name);
    let mut known: Vec<(String, Option<silo::source::Span>)> = image
        .all_components()
        .filter(|component| component.id.kind != Kind::Client)
        .map(|component| (component.id.name.to_string(), Some(component.origin)))
        .chain(image.layers.iter().map(|layer| (layer.name.to_string(), Some(layer.origin))))
        .collect();
    known.extend(["base", "packages"].map(|word| (word.to_string(), None)));
    let near = silo::schema::nearest(bare, known.iter().map(|(name, _)| name.as_str()));
    let help = if let Some((near, origin)) = near.and_then(|near| known.iter().find(|(name, _)| name == near)) {
        let place = origin.map(|origin| format!(" ({})", project.sources.place(origin))).unwrap_or_default();
        format!("did you mean `{near}`{place}?")
    } else if let Some((kind, _, _)) = silo::catalog::entries().find(|(_, entry, _)| *entry == bare) {
        format!("the catalog has it: `{kind} {bare}` in {} adds it", files::FILE)
    } else {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        format!("there are: {}", names.join(", "))
    };
    Failure::Usage { message: format!("`{name}` is not in this configuration"), help: Some(help) }
}

/// The changes for people: one a line, in columns.
fn show(ui: &Ui, found: &Difference) {
    let rows: Vec<[String; 4]> = found
        .changes
        .iter()
        .map(|change| {
            let Change { subject, name, from, to, step, artifacts } = change;
            let versions = match (from, to) {
                (Some(from), Some(to)) if from == to => short(from),
                (Some(from), Some(to)) => format!("{} → {}", short(from), short(to)),
                (None, Some(to)) => format!("new: {}", short(to)),
                (Some(from), None) => format!("gone: {}", short(from)),
                (None, None) => String::new(),
            };
            let files = match subject {
                Subject::Layer | Subject::Component => words(*artifacts),
                Subject::Base | Subject::Package => String::new(),
            };
            [name.clone(), versions, step.map_or("", |step| step.as_str()).to_string(), files]
        })
        .collect();
    let mut page = ui.page();
    page.columns(&rows, &[style::TITLE, "", style::WEAK, style::FAINT]);
    ui.data(&page.finish());
    if !rows.is_empty() && found.unchanged > 0 {
        let (things, are) = if found.unchanged == 1 { ("thing", "is") } else { ("things", "are") };
        ui.say(&format!("{} other {things} {are} as they were", found.unchanged));
    }
}

/// `2 artefacts changed, 1 new`.
fn words(counts: Counts) -> String {
    let Counts { added, changed, removed, unchanged: _ } = counts;
    let list: Vec<String> = [(changed, "changed"), (added, "new"), (removed, "gone")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .enumerate()
        .map(|(index, (count, word))| {
            let noun = match (index, count) {
                (0, 1) => " artefact",
                (0, _) => " artefacts",
                (_, _) => "",
            };
            format!("{count}{noun} {word}")
        })
        .collect();
    list.join(", ")
}

/// A digest by its first twelve digits, as it is enough for people; versions as they are.
pub fn short(text: &str) -> String {
    let word = |word: &str| match word.strip_prefix("sha256:") {
        Some(digits) => format!("sha256:{}", digits.get(..12).unwrap_or(digits)),
        None => word.to_string(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn as_json(found: &Difference, lock: &str, written: bool) -> Value {
    let changes: Vec<Value> = found
        .changes
        .iter()
        .map(|Change { subject, name, from, to, step, artifacts }| {
            let Counts { added, changed, removed, unchanged } = artifacts;
            json!({
                "kind": subject.as_str(),
                "name": name,
                "from": from,
                "to": to,
                "step": step.map(|step| step.as_str()),
                "artifacts": { "added": added, "changed": changed, "removed": removed, "unchanged": unchanged },
            })
        })
        .collect();
    json!({ "version": FORMAT, "lock": lock, "written": written, "changes": changes, "unchanged": found.unchanged })
}
