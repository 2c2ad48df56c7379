//! `package.json` and `package-lock.json` (version 3) as `npm ci` accepts them.
//!
//! Neither names a registry: without `resolved` npm asks its own registry for name and version, and checks the integrity. The edges are not
//! those of the packages' manifests but the fewest that reach every package: the root needs what lies in its `node_modules`, each package what
//! lies in its own. Which package needs which was settled when the tree was made.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::lock::NpmPackage;

/// The `package.json` of a tree.
pub fn package_json(packages: &[NpmPackage]) -> String {
    let mut root = Map::new();
    root.insert("private".to_string(), Value::Bool(true));
    needs(&mut root, "", packages);
    text(&Value::Object(root))
}

/// The `package-lock.json` of a tree.
pub fn package_lock(packages: &[NpmPackage]) -> String {
    let mut entries = Map::new();
    let mut root = Map::new();
    needs(&mut root, "", packages);
    entries.insert(String::new(), Value::Object(root));
    let sorted: BTreeMap<&str, &NpmPackage> = packages.iter().map(|package| (package.path.as_str(), package)).collect();
    for (path, package) in sorted {
        let NpmPackage { path: _, name, version, integrity, optional, bin, os, cpu, libc } = package;
        let mut entry = Map::new();
        if let Some(name) = name {
            entry.insert("name".to_string(), json!(name));
        }
        entry.insert("version".to_string(), json!(version));
        entry.insert("integrity".to_string(), json!(integrity));
        if *optional {
            entry.insert("optional".to_string(), json!(true));
        }
        for (key, list) in [("os", os), ("cpu", cpu), ("libc", libc)] {
            if !list.is_empty() {
                entry.insert(key.to_string(), json!(list));
            }
        }
        if !bin.is_empty() {
            entry.insert("bin".to_string(), json!(bin));
        }
        needs(&mut entry, path, packages);
        entries.insert(path.to_string(), Value::Object(entry));
    }
    text(&json!({ "lockfileVersion": 3, "requires": true, "packages": entries }))
}

/// What lies directly in a package's `node_modules`, as its dependencies.
fn needs(entry: &mut Map<String, Value>, path: &str, packages: &[NpmPackage]) {
    let start = if path.is_empty() { "node_modules/".to_string() } else { format!("{path}/node_modules/") };
    let (mut must, mut may) = (BTreeMap::new(), BTreeMap::new());
    for package in packages {
        let Some(folder) = package.path.strip_prefix(&start).filter(|rest| !rest.contains("node_modules/")) else { continue };
        let spec = match &package.name {
            Some(name) => format!("npm:{name}@{}", package.version),
            None => package.version.clone(),
        };
        if package.optional { may.insert(folder.to_string(), spec) } else { must.insert(folder.to_string(), spec) };
    }
    for (key, list) in [("dependencies", must), ("optionalDependencies", may)] {
        if !list.is_empty() {
            entry.insert(key.to_string(), json!(list));
        }
    }
}

fn text(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a JSON value with text keys can always be written");
    text.push('\n');
    text
}
