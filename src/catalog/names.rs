//! What the entries of the catalog are called elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::Catalog;
use crate::source::Sources;

/// The kinds in which a plain name is looked for, in this order.
const PLAIN: [&str; 5] = ["language", "tool", "agent", "lsp", "mcp"];

/// Every entry by the names that other tools have for it.
#[derive(Clone, Debug, Default)]
pub struct Names {
    entries: BTreeSet<(String, String)>,
    aliases: BTreeMap<String, (String, String)>,
    features: BTreeMap<String, (String, String)>,
    images: BTreeMap<String, (String, String)>,
    options: BTreeMap<(String, String), Vec<String>>,
    suites: BTreeMap<String, String>,
}

impl Catalog {
    /// Reads the `alias` nodes of all definitions, and the releases of the bases.
    pub fn elsewhere(&self) -> Names {
        let mut names = Names::default();
        // Nothing that is read here is ever shown with its place.
        let mut sources = Sources::default();
        for kind in PLAIN {
            for name in self.names(kind) {
                let Some(definition) = self.get(kind, name, &mut sources).0 else { continue };
                let entry = (kind.to_string(), name.to_string());
                names.entries.insert(entry.clone());
                for alias in definition.node.named("alias") {
                    for text in alias.arguments().filter_map(|entry| entry.value.as_str()) {
                        names.aliases.entry(text.to_string()).or_insert_with(|| entry.clone());
                    }
                    let add = |property: &str, map: &mut BTreeMap<String, (String, String)>| {
                        if let Some(text) = alias.property(property).and_then(|found| found.value.as_str()) {
                            map.entry(text.to_string()).or_insert_with(|| entry.clone());
                        }
                    };
                    add("feature", &mut names.features);
                    add("image", &mut names.images);
                }
                let options = definition.node.named("option").filter_map(|option| option.text(0)).map(str::to_string);
                names.options.insert(entry, options.collect());
            }
        }
        for base in self.names("base") {
            let Some(definition) = self.get("base", base, &mut sources).0 else { continue };
            for suite in definition.node.named("suite") {
                for tag in suite.arguments().filter_map(|entry| entry.value.as_str()) {
                    names.suites.entry(tag.to_string()).or_insert_with(|| format!("{base}:{}", suite.text(0).unwrap_or(tag)));
                    names.suites.insert(format!("{base}-{tag}"), format!("{base}:{}", suite.text(0).unwrap_or(tag)));
                }
            }
            // The name alone is the release that the entry prefers, or its newest one.
            let preferred = definition.node.named("default").next().and_then(|node| node.text(0).map(str::to_string));
            let last = definition.node.named("suite").last().and_then(|node| node.text(0).map(str::to_string));
            if let Some(suite) = preferred.or(last) {
                names.suites.insert(base.to_string(), format!("{base}:{suite}"));
            }
        }
        names
    }
}

impl Names {
    /// Kind and name of the entry that version managers call so.
    pub fn plain(&self, text: &str) -> Option<(&str, &str)> {
        let exact = PLAIN.iter().find_map(|kind| self.entries.get(&(kind.to_string(), text.to_string())));
        exact.or_else(|| self.aliases.get(text)).map(pair)
    }

    /// The entry of a kind that others call so.
    pub fn of_kind(&self, kind: &str, text: &str) -> Option<&str> {
        let exact = self.entries.get(&(kind.to_string(), text.to_string()));
        exact.or_else(|| self.aliases.get(text).filter(|(other, _)| other == kind)).map(|(_, name)| name.as_str())
    }

    /// Kind and name of the entry that a development container's feature installs, by its name without registry and version.
    pub fn feature(&self, text: &str) -> Option<(&str, &str)> {
        self.features.get(text).map(pair)
    }

    /// Kind and name of the entry that an image holds, by its name without registry and tag.
    pub fn image(&self, text: &str) -> Option<(&str, &str)> {
        self.images.get(text).map(pair)
    }

    /// The options of an entry, besides `version`.
    pub fn options(&self, kind: &str, name: &str) -> &[String] {
        self.options.get(&(kind.to_string(), name.to_string())).map_or(&[], Vec::as_slice)
    }

    /// `name:suite` of the base that has a release of this name, number, or `name-number`.
    pub fn base(&self, tag: &str) -> Option<&str> {
        self.suites.get(tag).map(String::as_str)
    }

    /// The agents, sorted.
    pub fn agents(&self) -> Vec<&str> {
        self.entries.iter().filter(|(kind, _)| kind == "agent").map(|(_, name)| name.as_str()).collect()
    }
}

fn pair(entry: &(String, String)) -> (&str, &str) {
    (&entry.0, &entry.1)
}
