//! `package.json` and `package-lock.json` of a component: the exact tree that was locked, for one architecture.
//!
//! A lock holds where each package stands and what it is, not who needs it. `npm ci` removes what nothing needs, so the files written here
//! make the root need every package at the top, and each package those that stand inside it: a tree with the same places and contents.
//! Packages that do not fit the architecture are left out beforehand; npm does not have to judge platforms, and nothing is optional.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::lock::NpmPackage;
use crate::spec::Arch;

const FOLDER: &str = "node_modules/";
const INNER: &str = "/node_modules/";

/// The two files of one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpmFiles {
    /// `package.json`.
    pub manifest: String,
    /// `package-lock.json`.
    pub lock: String,
}

/// Writes the two files.
pub fn npm_files(name: &str, packages: &[&NpmPackage], arch: Arch) -> NpmFiles {
    let mut fitting: BTreeMap<&str, &NpmPackage> =
        packages.iter().filter(|package| fits(package, arch)).map(|package| (package.path.as_str(), *package)).collect();
    loop {
        let orphans: Vec<&str> =
            fitting.keys().copied().filter(|path| path.rfind(INNER).is_some_and(|at| !fitting.contains_key(&path[..at]))).collect();
        if orphans.is_empty() {
            break;
        }
        for orphan in orphans {
            fitting.remove(orphan);
        }
    }
    let mut entries = Map::new();
    entries.insert(String::new(), json!({ "name": name, "version": "0.0.0", "dependencies": children(&fitting, None) }));
    for (path, package) in &fitting {
        let NpmPackage { path: _, name, version, integrity, optional: _, bin, os: _, cpu: _, libc: _ } = package;
        let mut entry = Map::new();
        if let Some(name) = name {
            entry.insert("name".to_string(), json!(name));
        }
        entry.insert("version".to_string(), json!(version));
        entry.insert("integrity".to_string(), json!(integrity));
        let inner = children(&fitting, Some(path));
        if !inner.is_empty() {
            entry.insert("dependencies".to_string(), Value::Object(inner));
        }
        if !bin.is_empty() {
            entry.insert("bin".to_string(), json!(bin));
        }
        entries.insert(path.to_string(), Value::Object(entry));
    }
    let manifest = json!({ "name": name, "version": "0.0.0", "private": true, "dependencies": children(&fitting, None) });
    let lock = json!({ "name": name, "version": "0.0.0", "lockfileVersion": 3, "requires": true, "packages": entries });
    NpmFiles { manifest: text(&manifest), lock: text(&lock) }
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The packages right inside another one (or at the top), as dependencies on exactly what is there.
fn children(packages: &BTreeMap<&str, &NpmPackage>, parent: Option<&str>) -> Map<String, Value> {
    let mut found = Map::new();
    for (path, package) in packages {
        let (folder, name) = match path.rfind(INNER) {
            Some(at) => (Some(&path[..at]), &path[at + INNER.len()..]),
            None => (None, path.strip_prefix(FOLDER).unwrap_or(path)),
        };
        if folder == parent {
            let wanted = match &package.name {
                Some(alias) => format!("npm:{alias}@{}", package.version),
                None => package.version.clone(),
            };
            found.insert(name.to_string(), Value::String(wanted));
        }
    }
    found
}

/// Whether a package is for Linux with glibc on this architecture. A list of a manifest names what fits, or with `!` what does not.
fn fits(package: &NpmPackage, arch: Arch) -> bool {
    let cpu = match arch {
        Arch::Amd64 => "x64",
        Arch::Arm64 => "arm64",
    };
    listed(&package.os, "linux") && listed(&package.cpu, cpu) && listed(&package.libc, "glibc")
}

fn listed(list: &[String], ours: &str) -> bool {
    let refused = list.iter().any(|item| item.strip_prefix('!') == Some(ours));
    let mut named = list.iter().filter(|item| !item.starts_with('!')).peekable();
    !refused && (named.peek().is_none() || named.any(|item| item == ours || item == "any"))
}
