//! `package.json` and `package-lock.json` (version 3) as `npm ci` accepts them.
//!
//! Neither names a registry: without `resolved` npm asks its own registry for name and version, and checks the integrity. The edges are not
//! those of the packages' manifests but the fewest that reach every package: the root needs what lies in its `node_modules`, each package what
//! lies in its own. Which package needs which was settled when the tree was made. Nor is there an `os` or `cpu`: what is in an architecture's
//! tree fits it, and every npm installs it also from a machine of another architecture.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::lock::NpmPackage;
use crate::spec::Arch;

/// The `package.json` of an architecture's tree.
pub fn package_json(packages: &[NpmPackage], arch: Arch) -> String {
    let packages = of(packages, arch);
    let mut root = Map::new();
    root.insert("private".to_string(), Value::Bool(true));
    needs(&mut root, "", &packages);
    text(&Value::Object(root))
}

/// The `package-lock.json` of an architecture's tree.
pub fn package_lock(packages: &[NpmPackage], arch: Arch) -> String {
    let packages = of(packages, arch);
    let mut entries = Map::new();
    let mut root = Map::new();
    needs(&mut root, "", &packages);
    entries.insert(String::new(), Value::Object(root));
    for (path, package) in &packages {
        let NpmPackage { path: _, arch: _, name, version, integrity, bin } = package;
        let mut entry = Map::new();
        if let Some(name) = name {
            entry.insert("name".to_string(), json!(name));
        }
        entry.insert("version".to_string(), json!(version));
        entry.insert("integrity".to_string(), json!(integrity));
        if !bin.is_empty() {
            entry.insert("bin".to_string(), json!(bin));
        }
        needs(&mut entry, path, &packages);
        entries.insert((*path).to_string(), Value::Object(entry));
    }
    text(&json!({ "lockfileVersion": 3, "requires": true, "packages": entries }))
}

fn of(packages: &[NpmPackage], arch: Arch) -> BTreeMap<&str, &NpmPackage> {
    packages.iter().filter(|package| package.arch.is_none_or(|only| only == arch)).map(|package| (package.path.as_str(), package)).collect()
}

/// What lies directly in a package's `node_modules`, as its dependencies.
fn needs(entry: &mut Map<String, Value>, path: &str, packages: &BTreeMap<&str, &NpmPackage>) {
    let start = if path.is_empty() { "node_modules/".to_string() } else { format!("{path}/node_modules/") };
    let mut list = BTreeMap::new();
    for (path, package) in packages {
        let Some(folder) = path.strip_prefix(&start).filter(|rest| !rest.contains("node_modules/")) else { continue };
        let spec = match &package.name {
            Some(name) => format!("npm:{name}@{}", package.version),
            None => package.version.clone(),
        };
        list.insert(folder.to_string(), spec);
    }
    if !list.is_empty() {
        entry.insert("dependencies".to_string(), json!(list));
    }
}

fn text(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a JSON value with text keys can always be written");
    text.push('\n');
    text
}
