//! Whether a lock has an artefact for everything that steps ask for by name: what a merge or a hand has taken out is found before a build.

use std::collections::BTreeMap;

use super::template::{Values, expand};
use super::{Artifact, CrateRole, pypi};
use crate::spec::{Arch, Step};

/// The first thing that steps ask for and no artefact is, in words; `None` when everything is there. What packages need themselves is not
/// looked at: only a registry could tell.
pub(super) fn lacking(
    steps: &[Step],
    version: Option<&str>,
    arch_names: &BTreeMap<Arch, String>,
    options: &BTreeMap<String, String>,
    artifacts: &[Artifact],
) -> Option<String> {
    for arch in Arch::ALL {
        let values = Values { version, arch, arch_names, options };
        for step in steps {
            let (what, names): (&str, Vec<String>) = match step {
                Step::Apt { packages } => ("package", packages.iter().map(|name| bare(name, '=').to_string()).collect()),
                Step::Npm { packages } => ("package", packages.iter().filter_map(|package| expand(&package.name, &values).ok()).collect()),
                Step::Pip { packages } => ("package", packages.iter().filter_map(|package| expand(&package.name, &values).ok()).collect()),
                Step::Go { packages } => ("module of", packages.iter().filter_map(|package| expand(&package.name, &values).ok()).collect()),
                Step::Cargo { packages, features: _ } => {
                    ("crate", packages.iter().filter_map(|package| expand(&package.name, &values).ok()).collect())
                }
                Step::Download { url, to: _, strip: _, checksum: _ } => ("file", expand(url, &values).into_iter().collect()),
                Step::Copy { .. } | Step::Run(_) | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => continue,
            };
            if let Some(name) = names.iter().find(|name| !artifacts.iter().any(|artifact| is(artifact, step, name, arch))) {
                return Some(format!("the {what} {name} for {}", arch.as_str()));
            }
        }
    }
    None
}

/// Whether an artefact is what a step means by a name, on an architecture.
fn is(artifact: &Artifact, step: &Step, name: &str, arch: Arch) -> bool {
    let here = |only: &Option<Arch>| only.is_none_or(|only| only == arch);
    match (artifact, step) {
        // The distribution need not have a package for every architecture.
        (Artifact::Apt(package), Step::Apt { .. }) => package.name == name,
        (Artifact::Npm(package), Step::Npm { .. }) => here(&package.arch) && package.path.strip_prefix("node_modules/") == Some(name),
        (Artifact::Wheel { name: project, version: _, file: _, arch: only, sha256: _ }, Step::Pip { .. }) => {
            here(only) && *project == pypi::normalized(bare(name, '['))
        }
        (Artifact::Module(module), Step::Go { .. }) => module.has(name),
        (Artifact::Crate { name: found, version: _, role: CrateRole::Program, sha256: _ }, Step::Cargo { .. }) => found == name,
        (Artifact::File { arch: only, url, sha256: _, trust: _ }, Step::Download { .. }) => here(only) && url == name,
        (_, _) => false,
    }
}

/// A name before what is said about it.
fn bare(name: &str, mark: char) -> &str {
    name.split(mark).next().unwrap_or(name)
}
