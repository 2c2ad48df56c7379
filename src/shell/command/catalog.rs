//! `silo catalog …`.

use std::path::Path;

use serde_json::json;
use silo::catalog::{self, Catalog};
use silo::schema;
use silo::source::{Layer, Sources};

use crate::shell::cli;
use crate::shell::failure::Failure;
use crate::shell::merged::Merged;
use crate::shell::ui::Ui;

/// The kind of the files that `import "catalog:stack/…"` reads.
const STACK: &str = "stack";

/// Lists and prints what the catalog and the configuration define.
pub fn catalog(ui: &Ui, directory: Option<&Path>, command: &cli::Catalog) -> Result<u8, Failure> {
    match command {
        cli::Catalog::List { kind, json } => list(ui, directory, kind.as_deref(), *json),
        cli::Catalog::Show { name } => show(ui, directory, name),
    }
}

/// One thing that a configuration can name.
#[derive(Debug)]
pub struct Entry {
    /// Its kind: `language`, `stack`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it is, in a sentence.
    pub doc: String,
    /// Where one of the configuration's own is written; `None` for silo's.
    pub origin: Option<String>,
    /// Where it can be installed from, the preferred source first.
    pub sources: Vec<String>,
}

/// The catalog of a directory: silo's, and what its configuration defines. A configuration with mistakes adds what can be read of it.
pub fn load(directory: Option<&Path>) -> Result<(Catalog, Sources), Failure> {
    let merged = Merged::load(directory)?;
    let (catalog, _) = Catalog::new(&merged.layered.nodes);
    Ok((catalog, merged.sources))
}

/// Everything that can be named, by kind and name.
pub fn entries(catalog: &Catalog, sources: &mut Sources) -> Vec<Entry> {
    let mut entries = Vec::new();
    for kind in catalog::KINDS {
        for name in catalog.names(kind) {
            let Some(definition) = catalog.get(kind, name, sources).0 else { continue };
            let doc = definition.node.named("doc").next().and_then(|doc| doc.text(0)).unwrap_or("").to_string();
            let installs = definition.installs().into_iter().filter_map(|install| install.text(0)).map(str::to_string).collect();
            let own = sources.get(definition.span.source).layer != Layer::Catalog;
            let origin = own.then(|| sources.place(definition.span));
            entries.push(Entry { kind: kind.to_string(), name: name.to_string(), doc, origin, sources: installs });
        }
    }
    entries.extend(catalog::stacks().map(|path| Entry {
        kind: STACK.to_string(),
        name: path.trim_start_matches("stack/").to_string(),
        doc: stack_doc(catalog::stack(path).unwrap_or("")),
        origin: None,
        sources: Vec::new(),
    }));
    entries
}

/// What the comment at the top of a file says.
fn stack_doc(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//"));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

fn kinds() -> impl Iterator<Item = &'static str> {
    catalog::KINDS.into_iter().chain([STACK])
}

fn list(ui: &Ui, directory: Option<&Path>, kind: Option<&str>, json: bool) -> Result<u8, Failure> {
    if let Some(kind) = kind
        && !kinds().any(|known| known == kind)
    {
        let help = match schema::nearest(kind, kinds()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", kinds().collect::<Vec<_>>().join(", ")),
        };
        return Err(Failure::Usage { message: format!("the catalog has no kind `{kind}`"), help: Some(help) });
    }
    let (catalog, mut sources) = load(directory)?;
    let entries: Vec<Entry> =
        entries(&catalog, &mut sources).into_iter().filter(|entry| kind.is_none_or(|kind| entry.kind == kind)).collect();
    if json {
        let list: Vec<_> = entries
            .iter()
            .map(|Entry { kind, name, doc, origin, sources }| {
                json!({"kind": kind, "name": name, "doc": doc, "at": origin, "sources": sources})
            })
            .collect();
        ui.json(&json!({ "entries": list }));
        return Ok(0);
    }
    let mut page = ui.page();
    for kind in kinds() {
        let rows: Vec<(String, String)> = entries
            .iter()
            .filter(|entry| entry.kind == kind)
            .map(|entry| match &entry.origin {
                Some(place) => (entry.name.clone(), format!("{} (yours, {place})", entry.doc).trim_start().to_string()),
                None => (entry.name.clone(), entry.doc.clone()),
            })
            .collect();
        if !rows.is_empty() {
            page.heading(kind);
            page.rows(&rows);
        }
    }
    ui.data(&page.finish());
    Ok(0)
}

/// Kind and name of an entry as people write it: `language/node`, `language.node`, `catalog:stack/web`.
pub fn split(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_prefix("catalog:").unwrap_or(name);
    name.split_once('/').or_else(|| name.split_once('.')).filter(|(kind, name)| !kind.is_empty() && !name.is_empty())
}

fn show(ui: &Ui, directory: Option<&Path>, wanted: &str) -> Result<u8, Failure> {
    let (catalog, mut sources) = load(directory)?;
    let Some((kind, name)) = split(wanted) else {
        let found: Vec<String> = entries(&catalog, &mut sources)
            .into_iter()
            .filter(|entry| entry.name == wanted)
            .map(|entry| format!("{}/{}", entry.kind, entry.name))
            .collect();
        // A name alone is enough where only one kind has it.
        return match found.as_slice() {
            [only] => show(ui, directory, only),
            [] => Err(unknown(wanted, &catalog, &mut sources)),
            several => Err(Failure::Usage {
                message: format!("which `{wanted}`? there are {}", several.join(" and ")),
                help: Some(format!("write `silo catalog show {}`", several[0])),
            }),
        };
    };
    if kind == STACK
        && let Some(text) = catalog::stack(&format!("{STACK}/{name}"))
    {
        ui.data(text);
        return Ok(0);
    }
    let Some(definition) = catalog.get(kind, name, &mut sources).0 else { return Err(unknown(wanted, &catalog, &mut sources)) };
    let source = sources.get(definition.span.source);
    if source.layer == Layer::Catalog {
        ui.data(&source.text);
    } else {
        ui.say(&format!("{kind}/{name} is defined in {}", sources.place(definition.span)));
        ui.line(sources.slice(definition.node.span).trim_end());
    }
    Ok(0)
}

fn unknown(wanted: &str, catalog: &Catalog, sources: &mut Sources) -> Failure {
    let help = match nearest(wanted, catalog, sources) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`silo catalog list` prints all there is".to_string(),
    };
    Failure::Usage { message: format!("the catalog has no `{wanted}`"), help: Some(help) }
}

/// The entry that was probably meant, as `kind/name`.
pub fn nearest(wanted: &str, catalog: &Catalog, sources: &mut Sources) -> Option<String> {
    let entries = entries(catalog, sources);
    let names: Vec<String> = entries.iter().map(|entry| format!("{}/{}", entry.kind, entry.name)).collect();
    if let Some((kind, name)) = split(wanted) {
        // The right name under a wrong kind.
        if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
            return Some(format!("{}/{}", entry.kind, entry.name));
        }
        // Of a kind that exists, one with a similar name.
        if let Some(near) = schema::nearest(name, entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.name.as_str())) {
            return Some(format!("{kind}/{near}"));
        }
        return schema::nearest(&format!("{kind}/{name}"), names.iter().map(String::as_str)).map(str::to_string);
    }
    let near = schema::nearest(wanted, entries.iter().map(|entry| entry.name.as_str()))?;
    entries.iter().find(|entry| entry.name == near).map(|entry| format!("{}/{}", entry.kind, entry.name))
}
