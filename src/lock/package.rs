//! Packages of the distribution, pinned to their files, and which of them come along with which.

use std::collections::{BTreeMap, BTreeSet};

use super::apt::solve::{Chosen, Locked, Role, Solution};
use super::{Artifact, LockedComponent};
use crate::spec::{Arch, Kind};

/// A pinned package of the distribution, by what people ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AptPackage {
    /// Its name.
    pub name: String,
    /// Its version for each architecture that has it.
    pub versions: BTreeMap<Arch, String>,
}

impl AptPackage {
    /// Its versions in one text: most often all architectures have the same.
    pub fn version(&self) -> String {
        let all: BTreeSet<&str> = self.versions.values().map(String::as_str).collect();
        all.into_iter().collect::<Vec<_>>().join(" / ")
    }
}

/// A package of the distribution with its files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name and versions.
    pub pin: AptPackage,
    /// Its file for each architecture that has it. None at all in locks of a silo that did not pin them.
    pub files: BTreeMap<Arch, PackageFile>,
    /// The packages of the same list that it needs, on any architecture. What every base has is not among them.
    pub needs: BTreeSet<String>,
    /// Why it is there.
    pub role: Role,
}

/// A file of a distribution's archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageFile {
    /// Where it is, below the archive's address: `pool/main/c/curl/curl_8.14.1-2_amd64.deb`. The same path for several architectures is one
    /// file.
    pub path: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Package {
    /// Whether it has versions, and a file for each.
    pub fn has_files(&self) -> bool {
        !self.pin.versions.is_empty() && self.pin.versions.keys().all(|arch| self.files.contains_key(arch))
    }
}

/// What the solutions for all architectures are together, sorted by name.
pub fn combined(solutions: &BTreeMap<Arch, Solution>) -> Vec<Package> {
    let mut all: BTreeMap<String, Package> = BTreeMap::new();
    for (arch, solution) in solutions {
        for (name, chosen) in &solution.packages {
            let Chosen { version, path, sha256, all: _, needs, role } = chosen;
            let package = all.entry(name.clone()).or_insert_with(|| Package {
                pin: AptPackage { name: name.clone(), versions: BTreeMap::new() },
                files: BTreeMap::new(),
                needs: BTreeSet::new(),
                role: *role,
            });
            package.pin.versions.insert(*arch, version.clone());
            package.files.insert(*arch, PackageFile { path: path.clone(), sha256: sha256.clone() });
            package.needs.extend(needs.iter().cloned());
            package.role = package.role.max(*role);
        }
    }
    all.into_values().collect()
}

/// What is locked for one architecture.
pub fn locked(packages: &[Package], arch: Arch) -> BTreeMap<String, Locked> {
    let one = |package: &Package| {
        let Package { pin, files, needs, role } = package;
        let version = pin.versions.get(&arch)?.clone();
        let file = files.get(&arch).map(|file| (file.path.clone(), file.sha256.clone()));
        Some((pin.name.clone(), Locked { version, file, needs: needs.clone(), update: *role == Role::Update }))
    };
    packages.iter().filter_map(one).collect()
}

/// The packages that some names need, themselves among them, and every update of the base's packages. Sorted by name.
pub fn closure<'n>(packages: &'n [Package], names: impl IntoIterator<Item = &'n str>) -> Vec<Package> {
    let by_name: BTreeMap<&str, &Package> = packages.iter().map(|package| (package.pin.name.as_str(), package)).collect();
    let updates = packages.iter().filter(|package| package.role == Role::Update).map(|package| package.pin.name.as_str());
    let mut waiting: Vec<&str> = names.into_iter().chain(updates).collect();
    let mut found: BTreeMap<&str, &Package> = BTreeMap::new();
    while let Some(name) = waiting.pop() {
        let Some((name, package)) = by_name.get_key_value(name) else { continue };
        if found.insert(name, package).is_none() {
            waiting.extend(package.needs.iter().map(String::as_str));
        }
    }
    found.into_values().cloned().collect()
}

/// The closure of what is asked for, with nobody else's marks of being asked for. `None` when a name or something that it needs is missing.
pub fn reduced(packages: &[Package], asked: &BTreeSet<String>) -> Option<Vec<Package>> {
    let mut list = closure(packages, asked.iter().map(String::as_str));
    for package in &mut list {
        package.role = match (package.role, asked.contains(&package.pin.name)) {
            (Role::Update, _) => Role::Update,
            (Role::Asked | Role::Needed, true) => Role::Asked,
            (Role::Asked | Role::Needed, false) => Role::Needed,
        };
    }
    let there: BTreeSet<&str> = list.iter().map(|package| package.pin.name.as_str()).collect();
    let whole = asked.iter().chain(list.iter().flat_map(|package| &package.needs)).all(|name| there.contains(name.as_str()));
    (whole && list.iter().all(Package::has_files)).then_some(list)
}

/// The packages of the distribution that components ask for: those of the image, or with [`Kind::Client`]s those of the fetch stage.
pub fn of_components(components: &[LockedComponent], clients: bool) -> impl Iterator<Item = (&LockedComponent, &AptPackage)> {
    let whose = components.iter().filter(move |component| (component.id.kind == Kind::Client) == clients);
    whose.flat_map(|component| {
        component.artifacts.iter().filter_map(move |artifact| match artifact {
            Artifact::Apt(package) => Some((component, package)),
            Artifact::File { .. } | Artifact::Npm(_) | Artifact::Wheel { .. } | Artifact::Module(_) | Artifact::Crate { .. } => None,
        })
    })
}

/// What is wrong with a list of packages in itself, in words; `None` when everything has its file and whatever anything needs is there.
pub fn flaw(what: &str, packages: &[Package]) -> Option<String> {
    let bare: Vec<&Package> = packages.iter().filter(|package| !package.has_files()).collect();
    match bare.as_slice() {
        [] => {}
        all if all.len() == packages.len() => return Some(format!("every {what} is locked without its file, as an older silo did it")),
        [first, ..] => return Some(format!("{what} {} is locked without its file", first.pin.name)),
    }
    let names: BTreeSet<&str> = packages.iter().map(|package| package.pin.name.as_str()).collect();
    packages.iter().find_map(|package| {
        let missing = package.needs.iter().find(|name| !names.contains(name.as_str()))?;
        Some(format!("{what} {} needs {missing}, which is not locked", package.pin.name))
    })
}
