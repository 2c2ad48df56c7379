//! Vendoring root file systems that are made from a distribution's packages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use silo::lock::{Lock, LockedBase};
use silo::problem::{Code, Problem};
use silo::spec::{Arch, BaseFrom, Distribution};

use super::{Work, unfetched};
use crate::shell::base;
use crate::shell::failure::{Failure, system};
use crate::shell::fetch::Servers;
use crate::shell::ui::Ui;
use crate::shell::vendor::{self, Held};

/// A root file system for an architecture.
pub struct Root {
    /// Whose.
    pub reference: String,
    /// For which architecture.
    pub arch: Arch,
    /// How it stands with it.
    pub state: State,
}

/// How it stands with a root file system.
pub enum State {
    /// It was there.
    Present(u64),
    /// It was made.
    Made(u64),
    /// It has to be made on a machine of its architecture.
    Elsewhere,
    /// It is an image of a registry, which the engine has to have.
    Registry,
    /// It could not be made, or is not there.
    Failed(Problem),
}

impl Root {
    /// For programs.
    pub fn as_json(&self) -> Value {
        let Root { reference, arch, state } = self;
        let state = match state {
            State::Present(_) => "present",
            State::Made(_) => "made",
            State::Elsewhere => "elsewhere",
            State::Registry => "registry",
            State::Failed(_) => "failed",
        };
        json!({ "base": reference, "platform": format!("linux/{}", arch.as_str()), "state": state })
    }
}

/// Puts the root file systems into the folder that can be made here.
pub async fn bases(work: &Work<'_>, lock: &Lock, architectures: &BTreeSet<Arch>) -> Vec<Root> {
    let image = work.image;
    let mut list = vec![(&lock.base, &image.base.distribution)];
    if lock.fetch.digest != lock.base.digest {
        list.push((&lock.fetch, &image.fetch.distribution));
    }
    let here = Arch::ALL.into_iter().find(|arch| arch.uname() == std::env::consts::ARCH);
    let mut roots = Vec::new();
    for (base, distribution) in list {
        for &arch in architectures {
            let state = match base.from {
                BaseFrom::Registry => State::Registry,
                BaseFrom::Bootstrap => root(work, base, distribution, arch, here == Some(arch)).await,
            };
            roots.push(Root { reference: base.reference.clone(), arch, state });
        }
    }
    roots
}

/// Looks at one root file system, and makes it when it is not there.
async fn root(work: &Work<'_>, base: &LockedBase, distribution: &Distribution, arch: Arch, here: bool) -> State {
    let Work { ui, project, image: _, store, servers } = *work;
    let what = format!("the base {} for linux/{}", base.reference, arch.as_str());
    if let Some(file) = store.base(base, arch) {
        match vendor::look(&file.path, &file.digest) {
            Ok(Held::Sound(bytes)) => return State::Present(bytes),
            Ok(Held::Damaged(found)) if !here || servers == Servers::LeftAlone => {
                return State::Failed(vendor::other(&file.path, &file.digest, &found));
            }
            Ok(Held::Damaged(_)) => ui.warn(&format!("{} was not what its name says, and is made anew", file.path.display())),
            Ok(Held::Missing) => {}
            Err(error) => return State::Failed(vendor::damaged(&file.path, &error.to_string())),
        }
    }
    if !here {
        return State::Elsewhere;
    }
    if servers == Servers::LeftAlone {
        let help = "silo is offline: without --offline, --frozen and SILO_OFFLINE it is made";
        return State::Failed(Problem::new(Code::VendorMissing, format!("{what} is not vendored")).help(help));
    }
    ui.say(&format!("making {what} from its distribution's packages"));
    let made = base::bootstrap(ui, project, base, distribution, &store.bases()).await;
    match made.and_then(|tar| store.keep_base(base, arch, &tar).map_err(system(format!("putting {} into the folder", tar.display())))) {
        Ok(file) => State::Made(file.size),
        Err(Failure::Refused { message, help: Some(help) }) => State::Failed(unfetched(&what, &format!("{message}; {help}"))),
        Err(failure) => State::Failed(unfetched(&what, &failure.reason())),
    }
}

/// Says which root file systems are not in the folder.
pub fn say(ui: &Ui, bases: &[Root]) {
    for Root { reference, arch, state } in bases {
        let platform = format!("linux/{}", arch.as_str());
        match state {
            State::Present(_) | State::Made(_) | State::Failed(_) => {}
            State::Elsewhere => ui.say(&format!(
                "the base {reference} for {platform} can be made on such a machine only: run the same there, with this folder"
            )),
            State::Registry => ui.say(&format!(
                "the base {reference} for {platform} is an image of a registry and not vendored: an engine that builds offline has to have it"
            )),
        }
    }
}
