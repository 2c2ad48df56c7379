//! What one run of looking things up knows so far: endpoints, the archive's index, npm's documents, each asked for once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use silo::lock::crates::Rust;
use silo::lock::package::Package;
use silo::lock::time::{Cutoff, Time};
use silo::lock::{self, AptPackage, LockedComponent, pypi::Target};
use silo::plan::cargo_client;
use silo::problem::Problem;
use silo::spec::{Arch, ComponentId, Distribution, ImageSpec};
use tokio::sync::{OnceCell, watch};

use super::archive::{Stock, Suite, open, open_updates};
use super::cargo::CratesIndex;
use super::chain;
use super::client::Client;
use super::crates::Crates;
use super::endpoint::{NpmEndpoint, Surroundings, Transport, pypi};
use super::go::{GoEndpoint, Modules};
use super::npm::Npm;

/// Something that happened while looking things up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something is being asked.
    Asking(String),
    /// Something was found.
    Found {
        /// What: `language node`.
        what: String,
        /// Its version or digest.
        version: String,
    },
    /// A server wants to be left alone for a while.
    Waiting {
        /// Its address.
        server: String,
        /// For how many seconds.
        seconds: u64,
    },
}

/// What one run knows so far.
pub struct Session<'a> {
    pub(super) client: Client<'a>,
    pub(super) surroundings: &'a Surroundings,
    pub(super) spec: &'a ImageSpec,
    pub(super) progress: &'a (dyn Fn(Event) + Sync),
    pub(super) kept: Kept,
    /// npm's registry, for each age that versions must have.
    npm: Mutex<BTreeMap<Cutoff, Arc<Npm>>>,
    npm_endpoint: OnceCell<Result<NpmEndpoint, String>>,
    npm_client: OnceCell<Result<Client<'a>, String>>,
    pypi_endpoint: OnceCell<Result<String, String>>,
    go_endpoint: OnceCell<Result<GoEndpoint, String>>,
    /// What is known of Go's modules.
    pub(super) modules: Modules,
    /// How old the versions of components have to be.
    pub(super) cutoffs: &'a (dyn Fn(&ComponentId) -> Cutoff + Sync),
    /// The client that compiles packages of Go, as it is looked up.
    pub(super) toolchain: OnceCell<Looked>,
    crates_index: OnceCell<Result<CratesIndex, String>>,
    crates: OnceCell<Result<Crates, String>>,
    /// The Rust of the client that compiles crates, as soon as that is looked up: `Some(None)` when it is not known.
    rust: watch::Sender<Option<Option<Rust>>>,
    /// The image's distribution and the fetch stage's; the second is not used when they are the same.
    archives: [Shelf; 2],
}

/// What a component was found to be, and what is to be said of it.
pub(super) type Looked = (Option<LockedComponent>, Vec<Problem>);

/// Packages of the distribution that are locked and stay, as long as nothing that is new needs others.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Of the image.
    pub image: Vec<Package>,
    /// Of the fetch stage.
    pub fetch: Vec<Package>,
    /// Of which states of the archive they are.
    pub snapshots: BTreeSet<Time>,
    /// The version of the client that compiles packages of Go, when that stays.
    pub toolchain: Option<String>,
}

impl Kept {
    /// Those of one of them.
    pub fn of(&self, whose: Whose) -> &[Package] {
        match whose {
            Whose::Image => &self.image,
            Whose::Fetch => &self.fetch,
        }
    }
}

#[derive(Default)]
struct Shelf {
    release: OnceCell<Result<Suite, String>>,
    stock: OnceCell<Result<Stock, String>>,
}

/// Whose distribution is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The image's.
    Image,
    /// That of the stages that download and unpack.
    Fetch,
}

/// Packages that say for which Python and which C library wheels are chosen.
pub(super) const PYTHON: &str = "python3";
pub(super) const LIBC: &str = "libc6";

impl<'a> Session<'a> {
    /// A run that knows nothing yet.
    pub(super) fn new(
        client: Client<'a>,
        surroundings: &'a Surroundings,
        spec: &'a ImageSpec,
        kept: Kept,
        cutoffs: &'a (dyn Fn(&ComponentId) -> Cutoff + Sync),
        progress: &'a (dyn Fn(Event) + Sync),
    ) -> Session<'a> {
        Session {
            client,
            npm: Mutex::default(),
            surroundings,
            spec,
            progress,
            kept,
            npm_endpoint: OnceCell::new(),
            npm_client: OnceCell::new(),
            pypi_endpoint: OnceCell::new(),
            go_endpoint: OnceCell::new(),
            modules: Modules::default(),
            cutoffs,
            toolchain: OnceCell::new(),
            crates_index: OnceCell::new(),
            crates: OnceCell::new(),
            // Nobody waits for a client that is not asked for.
            rust: watch::Sender::new(if spec.components.iter().any(|one| Some(&one.id) == cargo_client().as_ref()) {
                None
            } else {
                Some(None)
            }),
            archives: Default::default(),
        }
    }

    pub(super) fn asking(&self, what: &str) {
        (self.progress)(Event::Asking(super::client::shown(what)));
    }

    /// npm's registry without what is too young.
    pub(super) fn npm(&self, cutoff: Cutoff) -> Result<Arc<Npm>, String> {
        let mut known = self.npm.lock().map_err(|_| "a look-up of npm's registry broke")?;
        Ok(known.entry(cutoff).or_insert_with(|| Arc::new(Npm::new(cutoff))).clone())
    }

    pub(super) async fn npm_endpoint(&self) -> Result<&NpmEndpoint, String> {
        self.npm_endpoint
            .get_or_init(|| async { NpmEndpoint::find(self.surroundings).await.map_err(words) })
            .await
            .as_ref()
            .map_err(String::clone)
    }

    /// What asks npm's registries: by way of npm's own proxy and authorities, where it has some.
    pub(super) async fn npm_client(&self) -> Result<&Client<'a>, String> {
        let transport = &self.npm_endpoint().await?.transport;
        if *transport == Transport::default() {
            return Ok(&self.client);
        }
        let made = async { self.client.over(transport).map_err(|error| format!("npm's cafile or proxy is of no use: {}", chain(&error))) };
        self.npm_client.get_or_init(|| made).await.as_ref().map_err(String::clone)
    }

    pub(super) async fn pypi_endpoint(&self) -> Result<&str, String> {
        self.pypi_endpoint.get_or_init(|| async { pypi(self.surroundings).await.map_err(words) }).await.as_deref().map_err(String::clone)
    }

    pub(super) async fn go_endpoint(&self) -> Result<&GoEndpoint, String> {
        self.go_endpoint
            .get_or_init(|| async { GoEndpoint::find(self.surroundings).await.map_err(words) })
            .await
            .as_ref()
            .map_err(String::clone)
    }

    pub(super) async fn crates_index(&self) -> Result<&CratesIndex, String> {
        let find = || async { CratesIndex::find(self.surroundings).await.map_err(words) };
        self.crates_index.get_or_init(find).await.as_ref().map_err(String::clone)
    }

    /// The registry of crates.
    pub(super) async fn crates(&self) -> Result<&Crates, String> {
        let open = || async { Crates::open(&self.client, self.crates_index().await?.clone()).await };
        self.crates.get_or_init(open).await.as_ref().map_err(String::clone)
    }

    /// Notes the version of a component, when that is what compiles crates; those wait for it.
    pub(super) fn learn(&self, id: &ComponentId, version: Option<&str>) {
        if cargo_client().as_ref() == Some(id) {
            self.rust.send_replace(Some(version.and_then(Rust::parse)));
        }
    }

    /// The Rust that compiles crates; nothing when it is not known.
    pub(super) async fn rust(&self) -> Option<Rust> {
        let mut seen = self.rust.subscribe();
        let known = seen.wait_for(Option::is_some).await;
        known.ok().and_then(|known| *known).flatten()
    }

    fn distribution(&self, whose: Whose) -> (&Distribution, &Shelf) {
        let (image, fetch) = (&self.spec.base.distribution, &self.spec.fetch.distribution);
        match whose {
            Whose::Fetch if (&image.suite, &image.sections, &image.updates) != (&fetch.suite, &fetch.sections, &fetch.updates) => {
                (fetch, &self.archives[1])
            }
            Whose::Fetch | Whose::Image => (image, &self.archives[0]),
        }
    }

    /// The release of a distribution in the archive that has it.
    pub(super) async fn release(&self, whose: Whose) -> Result<&Suite, String> {
        let (distribution, shelf) = self.distribution(whose);
        let open = || async { open(&self.client, self.surroundings, distribution).await };
        shelf.release.get_or_init(open).await.as_ref().map_err(String::clone)
    }

    /// Why it is not known who signed the releases that were read, once for each distribution, with its name.
    pub(super) fn unchecked(&self) -> Vec<(String, String)> {
        let of = |whose: Whose| {
            let (distribution, shelf) = self.distribution(whose);
            let suite = shelf.release.get()?.as_ref().ok()?;
            Some((suite.unchecked.clone()?, distribution.name.clone()))
        };
        let mut list: Vec<(String, String)> = [Whose::Image, Whose::Fetch].into_iter().filter_map(of).collect();
        list.dedup();
        list
    }

    /// What a distribution's archive has.
    pub(super) async fn stock(&self, whose: Whose) -> Result<&Stock, String> {
        let (distribution, shelf) = self.distribution(whose);
        let read = || async {
            let release = self.release(whose).await?;
            self.asking(&format!("{}/dists/{}", release.source.uri, distribution.suite));
            let updates = open_updates(&self.client, self.surroundings, distribution, release).await?;
            let suites: Vec<&Suite> = std::iter::once(release).chain(&updates).collect();
            Stock::read(&self.client, &suites).await
        };
        shelf.stock.get_or_init(read).await.as_ref().map_err(String::clone)
    }

    /// The versions of a package that are considered: those that stay, else the newest.
    pub(super) fn considered(&self, whose: Whose, stock: &Stock, name: &str) -> BTreeMap<Arch, String> {
        let kept = self.kept.of(whose).iter().find(|package| package.pin.name == name);
        let there = |package: &&Package| {
            let has =
                |(arch, version): (&Arch, &String)| stock.shelves().get(arch).is_some_and(|shelf| shelf.version(name, version).is_some());
            package.has_files() || package.pin.versions.iter().all(has)
        };
        kept.filter(there).map_or_else(|| stock.versions(name, None), |package| package.pin.versions.clone())
    }

    /// Versions of packages of the distribution (`name` or `name=version`), each once; the reasons where it lacks some.
    pub(super) async fn packages<'n>(&self, whose: Whose, names: impl Iterator<Item = &'n str>) -> Result<Vec<AptPackage>, String> {
        let stock = self.stock(whose).await?;
        let (mut list, mut missing) = (BTreeMap::new(), Vec::new());
        for asked in names {
            let (name, version) = lock::split(asked);
            let kept = self.considered(whose, stock, name);
            let versions = match version {
                Some(version) if kept.values().any(|kept| kept != version) || kept.is_empty() => stock.versions(name, Some(version)),
                Some(_) | None => kept,
            };
            if versions.is_empty() {
                missing.push(match stock.providers(name).into_iter().collect::<Vec<_>>() {
                    others if others.is_empty() => asked.to_string(),
                    others => format!("{name} (a name for {})", others.join(" or ")),
                });
                continue;
            }
            list.insert(name.to_string(), AptPackage { name: name.to_string(), versions });
        }
        missing.sort();
        missing.dedup();
        if missing.is_empty() {
            Ok(list.into_values().collect())
        } else {
            Err(format!("the distribution's archive has no package {}", missing.join(", ")))
        }
    }

    /// What wheels are chosen for: the distribution's own Python. Where the archive cannot be read, an old one.
    pub(super) async fn python(&self) -> Target {
        let Ok(stock) = self.stock(Whose::Image).await else { return Target::default() };
        // A suite has few architectures whose versions differ, and then in what comes after these numbers.
        let numbers = |name: &str| -> Option<Vec<u32>> {
            let versions = self.considered(Whose::Image, stock, name);
            lock::apt::upstream(versions.values().next()?).split('.').map(|number| number.parse().ok()).collect()
        };
        let mut target = Target::default();
        if let Some([major, minor, rest @ ..]) = numbers(PYTHON).as_deref() {
            target.python = (u64::from(*major), u64::from(*minor), u64::from(rest.first().copied().unwrap_or(0)));
        }
        if let Some([major, minor, ..]) = numbers(LIBC).as_deref() {
            target.glibc = (*major, *minor);
        }
        target
    }
}

pub(super) fn words(problem: Problem) -> String {
    let Problem { code: _, message, labels: _, help, fixes: _ } = problem;
    help.map_or(message.clone(), |help| format!("{message}; {help}"))
}
