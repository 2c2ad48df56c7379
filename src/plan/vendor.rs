//! Files beside a recipe: what its steps would download, for a builder without a network.
//!
//! The installers look for them in `vendor/` of the recipe's folder: `HASH` is a file of a URL, a crate or a package of the distribution,
//! `HASH/NAME.whl` a wheel, `HASH.tgz` a package of npm, `HASH.zip` a module of Go and `HASH.mod` its `go.mod`, where the hash is that of the
//! lock in hexadecimal. They are in no plan and no identity, which have the hashes themselves.

use std::collections::BTreeMap;

use super::{Plan, Target};
use crate::lock::{LockedImage, PinnedComponent, PinnedFile, Place};
use crate::source::Span;
use crate::spec::{Arch, Hook, Step};

/// The name of the folder beside a recipe.
const FOLDER: &str = "vendor";

/// A script that may download what no lock pins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Script {
    /// Where it was written.
    pub origin: Span,
    /// What it is part of, in words.
    pub what: String,
}

impl Plan {
    /// The files that building for an architecture downloads, by their places in the context. Files without a usable hash have none.
    pub fn vendored(&self, arch: Arch) -> BTreeMap<String, PinnedFile> {
        let mut files = BTreeMap::new();
        for (folder, downloads) in &self.downloads {
            for file in downloads {
                let Some(digest) = file.digest.as_ref().filter(|_| file.arch.is_none_or(|only| only == arch)) else { continue };
                let path = match &file.place {
                    Place::Url(_) | Place::Crate { name: _, version: _ } | Place::Package { path: _ } => digest.hex.clone(),
                    Place::Archive(_) => format!("{}.zip", digest.hex),
                    Place::Requirements(_) => format!("{}.mod", digest.hex),
                    Place::Npm { name: _, version: _ } => format!("{}.tgz", digest.hex),
                    // Whoever writes locks does not choose where files go.
                    Place::Wheel { project: _, file } if !is_name(file) => continue,
                    Place::Wheel { project: _, file } => format!("{}/{file}", digest.hex),
                };
                files.insert(format!("{folder}/{FOLDER}/{path}"), file.clone());
            }
        }
        files
    }
}

/// Whether a text is a wheel's name and no path. Source: PyPA's binary distribution format.
fn is_name(file: &str) -> bool {
    !file.starts_with('.') && file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+!".contains(&byte))
}

/// The scripts of an image's build, which may want a network whatever is vendored; sorted by place.
pub fn scripts(image: &LockedImage, target: &Target) -> Vec<Script> {
    let Ok(super::select::Selection { components, clients, agent }) = super::select::select(image, target) else { return Vec::new() };
    let mut found = Vec::new();
    let mut add = |what: String, hook: &Hook| {
        let what = hook.id.as_ref().map_or(what.clone(), |id| format!("{what} {id}"));
        found.push(Script { origin: hook.origin, what });
    };
    let of_steps = |what: &str, steps: &[Step], add: &mut dyn FnMut(String, &Hook)| {
        for step in steps {
            match step {
                Step::Run(hook) => add(format!("run of {what}"), hook),
                Step::Apt { .. }
                | Step::Download { .. }
                | Step::Npm { .. }
                | Step::Pip { .. }
                | Step::Go { .. }
                | Step::Cargo { .. }
                | Step::Copy { .. } => {}
                Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => {}
            }
        }
    };
    for layer in image.layers.iter().chain([&image.base_layer]) {
        let what = layer.name.as_ref().map_or("base".to_string(), |name| format!("layer {name}"));
        of_steps(&what, &layer.steps, &mut add);
    }
    let all = components.into_iter().chain(clients).chain(agent.map(|agent| &agent.component));
    for PinnedComponent {
        id,
        request: _,
        version: _,
        install,
        options: _,
        env: _,
        checks: _,
        artifacts: _,
        packages: _,
        cause: _,
        origin: _,
    } in all
    {
        of_steps(&id.to_string(), &install.steps, &mut add);
    }
    let own = agent.map(|agent| agent.post_build.as_slice()).unwrap_or_default();
    image.pre_build.iter().for_each(|hook| add("pre_build".to_string(), hook));
    image.post_build.iter().chain(own).for_each(|hook| add("post_build".to_string(), hook));
    found.sort();
    found
}
