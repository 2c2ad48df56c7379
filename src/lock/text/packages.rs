//! Packages of the distribution in `silo.lock`: a line each, with the files of all architectures.

use std::collections::{BTreeMap, BTreeSet};

use super::{Build, Reader, apt_node, node};
use crate::document::{Node, Value};
use crate::lock::apt::solve::Role;
use crate::lock::{AptPackage, Package, PackageFile};
use crate::spec::Arch;

/// A package in one line, or one for each of its versions. Files have names that follow from the package's (Debian Policy does not say so, but
/// archives' own programs do it), so most often the folder is enough.
pub(super) fn nodes(word: &str, package: &Package) -> Vec<Build> {
    let Package { pin, files, needs, role } = package;
    if files.is_empty() {
        return vec![described(apt_node(word, pin), needs, *role)];
    }
    let same = files.len() == Arch::ALL.len() && files.values().all(|file| Some(file) == files.values().next());
    // By version and place: whose file has which hash.
    let mut lines: BTreeMap<(&str, Place), BTreeMap<&str, &str>> = BTreeMap::new();
    for (arch, PackageFile { path, sha256 }) in files {
        let version = pin.versions.get(arch).map_or("", String::as_str);
        let whose = if same { ALL } else { arch.as_str() };
        lines.entry((version, place(&pin.name, version, path, whose))).or_default().insert(whose, sha256);
    }
    let line = |((version, place), hashes): ((&str, Place), BTreeMap<&str, &str>)| {
        let build = node(word).argument(&pin.name).argument(version);
        let build = match &place {
            Place::Folder(folder) => build.property("in", folder),
            Place::Path(path) => build.property("path", path),
        };
        described(hashes.into_iter().fold(build, |build, (whose, sha256)| build.property(whose, sha256)), needs, *role)
    };
    lines.into_iter().map(line).collect()
}

/// What stands for all architectures.
const ALL: &str = "all";

/// Where a package's file is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// In this folder, with the usual name.
    Folder(String),
    /// Here.
    Path(String),
}

fn place(name: &str, version: &str, path: &str, whose: &str) -> Place {
    match path.strip_suffix(&file_name(name, version, whose)).and_then(|folder| folder.strip_suffix('/')) {
        Some(folder) => Place::Folder(folder.to_string()),
        None => Place::Path(path.to_string()),
    }
}

/// What the file of a package is called: its version stands there without the epoch.
fn file_name(name: &str, version: &str, arch: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    format!("{name}_{version}_{arch}.deb")
}

fn described(build: Build, needs: &BTreeSet<String>, role: Role) -> Build {
    let build = match role {
        Role::Asked => build,
        Role::Needed => build.flag("needed"),
        Role::Update => build.flag("update"),
    };
    let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
    if needs.is_empty() { build } else { build.property("needs", &needs.join(" ")) }
}

/// A package of which nothing is known but that it should be there.
pub(super) fn nothing(name: &str) -> Package {
    let pin = AptPackage { name: name.to_string(), versions: BTreeMap::new() };
    Package { pin, files: BTreeMap::new(), needs: BTreeSet::new(), role: Role::Needed }
}

impl Reader {
    /// A line of a package with its files, which may be one of several.
    pub(super) fn listed(&mut self, node: &Node, list: &mut BTreeMap<String, Package>) {
        let place = [("in", true), ("path", false)].into_iter().find(|(word, _)| node.property(word).is_some());
        let Some((word, folder)) = place else {
            // Without files, as older silos wrote it.
            if let Some(pin) = self.package(node) {
                list.insert(pin.name.clone(), Package { pin, files: BTreeMap::new(), needs: BTreeSet::new(), role: Role::Asked });
            }
            return;
        };
        let (Some(name), Some(version), Some(place)) = (self.argument(node, 0), self.argument(node, 1), self.text(node, word)) else {
            return;
        };
        let role = match (self.flag(node, "update"), self.flag(node, "needed")) {
            (true, _) => Role::Update,
            (false, true) => Role::Needed,
            (false, false) => Role::Asked,
        };
        let needs = match node.property("needs") {
            Some(_) => self.text(node, "needs").unwrap_or_default(),
            None => String::new(),
        };
        let mut hashes = BTreeMap::new();
        for arch in Arch::ALL {
            for whose in [ALL, arch.as_str()].into_iter().filter(|whose| node.property(whose).is_some()) {
                let Some(sha256) = self.hash(node, whose) else { return };
                let path = if folder { format!("{place}/{}", file_name(&name, &version, whose)) } else { place.clone() };
                hashes.insert(arch, PackageFile { path, sha256 });
            }
        }
        if hashes.is_empty() {
            self.problem(format!("{name} has no file"), node.span);
        }
        let package = list.entry(name.clone()).or_insert_with(|| Package {
            pin: AptPackage { name, versions: BTreeMap::new() },
            files: BTreeMap::new(),
            needs: BTreeSet::new(),
            role,
        });
        package.role = package.role.max(role);
        package.needs.extend(needs.split_whitespace().map(str::to_string));
        package.pin.versions.extend(hashes.keys().map(|arch| (*arch, version.clone())));
        package.files.extend(hashes);
    }

    fn flag(&mut self, node: &Node, property: &str) -> bool {
        match node.property(property).map(|entry| (&entry.value, entry.span)) {
            None => false,
            Some((Value::Bool(value), _)) => *value,
            Some((_, span)) => {
                self.problem(format!("`{property}` is not `#true`"), span);
                false
            }
        }
    }
}
