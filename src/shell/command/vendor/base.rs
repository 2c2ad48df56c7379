//! Vendoring root file systems: those that are made from a distribution's packages, and images of registries.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use silo::digest::Digest;
use silo::lock::{Lock, LockedBase};
use silo::problem::{Code, Problem};
use silo::spec::{Arch, BaseFrom, Distribution};

use super::{TICK, Work, size, unfetched};
use crate::shell::base;
use crate::shell::engine::{EngineOptions, docker};
use crate::shell::failure::{Failure, system};
use crate::shell::fetch::registry::{Images, Part, Repository};
use crate::shell::fetch::{Client, Freshness, Servers, chain};
use crate::shell::trust;
use crate::shell::ui::Ui;
use crate::shell::vendor::image::{self as layout, DOCUMENT, Leads};
use crate::shell::vendor::{self, Held};

/// How many layers are fetched at the same time.
const LAYERS: usize = 4;

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
    /// It was fetched, all of it or what was lacking.
    Fetched(u64),
    /// It has to be made on a machine of its architecture.
    Elsewhere,
    /// The image is for other architectures alone.
    Nowhere,
    /// It could not be had, or is not there.
    Failed(Problem),
}

impl Root {
    /// For programs.
    pub fn as_json(&self) -> Value {
        let Root { reference, arch, state } = self;
        let state = match state {
            State::Present(_) => "present",
            State::Made(_) => "made",
            State::Fetched(_) => "fetched",
            State::Elsewhere => "elsewhere",
            State::Nowhere => "nowhere",
            State::Failed(_) => "failed",
        };
        json!({ "base": reference, "platform": format!("linux/{}", arch.as_str()), "state": state })
    }
}

/// Puts the root file systems into the folder that can be made here or fetched.
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
                BaseFrom::Registry => pulled(work, base, arch).await,
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

/// Looks at the image of a registry for one architecture, and fetches what is not there.
async fn pulled(work: &Work<'_>, base: &LockedBase, arch: Arch) -> State {
    let what = format!("the base {} for linux/{}", base.reference, arch.as_str());
    match (Shipment { work, base, what: &what, images: OnceCell::new() }).carry(arch).await {
        Ok(state) => state,
        Err(problem) => State::Failed(problem),
    }
}

/// An image on its way.
struct Shipment<'a> {
    work: &'a Work<'a>,
    base: &'a LockedBase,
    what: &'a str,
    images: OnceCell<Result<Repository, Problem>>,
}

impl Shipment<'_> {
    async fn carry(&self, arch: Arch) -> Result<State, Problem> {
        let Work { ui, project, image: _, store, servers: _ } = *self.work;
        let Some(named) = layout::digest(&self.base.digest) else {
            return Err(unfetched(self.what, "silo.lock has no hash of it that silo knows; `silo update base` takes another"));
        };
        let surroundings = trust::surroundings(project);
        let client = Client::new(None, Freshness::Asked)
            .map(|client| client.of(&surroundings))
            .map_err(|error| unfetched(self.what, &format!("nothing can be fetched: {}", chain(&error))))?;
        let moved = AtomicU64::new(0);
        let document = async |digest: &Digest| -> Result<(Leads, u64), Problem> {
            let size = self.part(&client, Part::Document, digest, &moved).await?;
            let path = store.blob(digest);
            if size > DOCUMENT {
                return Err(vendor::damaged(&path, &format!("it has {size} bytes, which no document of an image has")));
            }
            let bytes = std::fs::read(&path).map_err(|error| vendor::damaged(&path, &error.to_string()))?;
            Ok((layout::read(&bytes, arch).map_err(|why| vendor::damaged(&path, &why))?, size))
        };
        let (mut leads, mut bytes) = document(&named).await?;
        if let Leads::Manifest(manifest) = &leads {
            let (further, more) = document(manifest).await?;
            (leads, bytes) = (further, bytes + more);
        }
        let parts = match leads {
            Leads::Parts(parts) => parts,
            Leads::Nowhere => return Ok(State::Nowhere),
            Leads::Manifest(manifest) => return Err(vendor::damaged(&store.blob(&manifest), "it is no manifest of an image")),
        };
        bytes += self.part(&client, Part::Blob, &parts.config, &moved).await?;
        let config = store.blob(&parts.config);
        let text = std::fs::read(&config).map_err(|error| vendor::damaged(&config, &error.to_string()))?;
        if !layout::is_for(&text, arch) {
            return Ok(State::Nowhere);
        }
        // An empty layer may be there more than once.
        let layers: BTreeSet<&Digest> = parts.layers.iter().collect();
        let mut ongoing =
            futures_util::stream::iter(layers).map(|digest| self.part(&client, Part::Blob, digest, &moved)).buffer_unordered(LAYERS);
        let mut tick = tokio::time::interval(TICK);
        let mut failed = None;
        loop {
            tokio::select! {
                part = ongoing.next() => match part {
                    Some(Ok(size)) => bytes += size,
                    // The others are finished, so that they need not be fetched again.
                    Some(Err(problem)) => failed = failed.or(Some(problem)),
                    None => break,
                },
                _ = tick.tick(), if ui.is_live() => {
                    ui.transient(&format!("{}: {} fetched", self.what, size(moved.load(Ordering::Relaxed))));
                }
            }
        }
        drop(ongoing);
        ui.clear_transient();
        if let Some(problem) = failed {
            return Err(problem);
        }
        store.list(self.base).map_err(|error| unfetched(self.what, &format!("it cannot be listed in the folder's index.json: {error}")))?;
        Ok(if moved.load(Ordering::Relaxed) > 0 { State::Fetched(bytes) } else { State::Present(bytes) })
    }

    /// Looks at a part of the image, and fetches it when it is not there. Returns its size.
    async fn part(&self, client: &Client<'_>, part: Part, digest: &Digest, moved: &AtomicU64) -> Result<u64, Problem> {
        let Work { ui, project: _, image: _, store, servers } = *self.work;
        let target = store.blob(digest);
        let looked = {
            let (target, digest) = (target.clone(), digest.clone());
            tokio::task::spawn_blocking(move || vendor::look(&target, &digest)).await
        };
        match looked {
            Ok(Ok(Held::Sound(bytes))) => return Ok(bytes),
            Ok(Ok(Held::Missing)) => {}
            Ok(Ok(Held::Damaged(found))) => match servers {
                Servers::Asked => ui.warn(&format!("{} was not what its name says, and is fetched anew", target.display())),
                Servers::LeftAlone => return Err(vendor::other(&target, digest, &found)),
            },
            Ok(Err(error)) => return Err(vendor::damaged(&target, &error.to_string())),
            Err(_) => return Err(vendor::damaged(&target, "reading it broke")),
        }
        if servers == Servers::LeftAlone {
            let help = format!(
                "there is no {}, and silo is offline: without --offline, --frozen and SILO_OFFLINE it is fetched",
                target.display()
            );
            return Err(Problem::new(Code::VendorMissing, format!("{} is not vendored", self.what)).help(help));
        }
        let find = || async {
            ui.say(&format!("fetching {} from its registry", self.what));
            docker::repository(&EngineOptions::from_environment(), &self.base.reference)
                .await
                .map_err(|error| unfetched(self.what, &chain(&error)))
        };
        let repository = self.images.get_or_init(find).await.as_ref().map_err(Clone::clone)?;
        let folder = store.blobs(digest.algorithm);
        std::fs::create_dir_all(&folder).map_err(|error| unfetched(self.what, &format!("the folder {}: {error}", folder.display())))?;
        let images = Images::new(client, repository);
        images.fetch(part, digest, &target, || vendor::unfinished(&target), moved).await.map_err(|reason| {
            let advice = "what was fetched stays: run the same again when the registry answers, or `silo update base` when it has something else now";
            unfetched(self.what, &format!("{reason}; {advice}"))
        })
    }
}

/// Says which root file systems are not in the folder.
pub fn say(ui: &Ui, bases: &[Root]) {
    for Root { reference, arch, state } in bases {
        let platform = format!("linux/{}", arch.as_str());
        match state {
            State::Present(_) | State::Made(_) | State::Fetched(_) | State::Failed(_) => {}
            State::Elsewhere => ui.say(&format!(
                "the base {reference} for {platform} can be made on such a machine only: run the same there, with this folder"
            )),
            State::Nowhere => ui.say(&format!("the base {reference} has no image for {platform}, so none is vendored")),
        }
    }
}
