//! What one run of looking things up knows so far: endpoints, the archive's index, npm's documents, each asked for once.

use std::collections::BTreeSet;

use silo::lock::{self, AptPackage, pypi::Target};
use silo::problem::Problem;
use silo::spec::{Distribution, ImageSpec};
use tokio::sync::OnceCell;

use super::archive::{Archive, Versions, open};
use super::client::Client;
use super::endpoint::{NpmEndpoint, Surroundings, pypi};
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
}

/// What one run knows so far.
pub struct Session<'a> {
    pub(super) client: Client,
    pub(super) npm: Npm,
    pub(super) surroundings: &'a Surroundings,
    pub(super) spec: &'a ImageSpec,
    pub(super) progress: &'a (dyn Fn(Event) + Sync),
    /// Every package of the distribution that anything needs: the index is read once.
    wanted: BTreeSet<String>,
    npm_endpoint: OnceCell<Result<NpmEndpoint, String>>,
    pypi_endpoint: OnceCell<Result<String, String>>,
    /// The image's distribution and the fetch stage's; the second is not used when they are the same.
    archives: [Shelf; 2],
}

#[derive(Default)]
struct Shelf {
    archive: OnceCell<Result<Archive, String>>,
    versions: OnceCell<Result<Versions, String>>,
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
        client: Client,
        surroundings: &'a Surroundings,
        spec: &'a ImageSpec,
        wanted: BTreeSet<String>,
        progress: &'a (dyn Fn(Event) + Sync),
    ) -> Session<'a> {
        Session {
            client,
            npm: Npm::default(),
            surroundings,
            spec,
            progress,
            wanted,
            npm_endpoint: OnceCell::new(),
            pypi_endpoint: OnceCell::new(),
            archives: Default::default(),
        }
    }

    pub(super) fn asking(&self, what: &str) {
        (self.progress)(Event::Asking(super::client::shown(what)));
    }

    pub(super) async fn npm_endpoint(&self) -> Result<&NpmEndpoint, String> {
        self.npm_endpoint
            .get_or_init(|| async { NpmEndpoint::find(self.surroundings).await.map_err(words) })
            .await
            .as_ref()
            .map_err(String::clone)
    }

    pub(super) async fn pypi_endpoint(&self) -> Result<&str, String> {
        self.pypi_endpoint.get_or_init(|| async { pypi(self.surroundings).await.map_err(words) }).await.as_deref().map_err(String::clone)
    }

    fn distribution(&self, whose: Whose) -> (&Distribution, &Shelf) {
        let (image, fetch) = (&self.spec.base.distribution, &self.spec.fetch.distribution);
        match whose {
            Whose::Fetch if image.suite != fetch.suite || image.sections != fetch.sections => (fetch, &self.archives[1]),
            Whose::Fetch | Whose::Image => (image, &self.archives[0]),
        }
    }

    pub(super) async fn archive(&self, whose: Whose) -> Result<&Archive, String> {
        let (distribution, shelf) = self.distribution(whose);
        let open = || async { open(&self.client, self.surroundings, distribution).await };
        shelf.archive.get_or_init(open).await.as_ref().map_err(String::clone)
    }

    pub(super) async fn versions(&self, whose: Whose) -> Result<&Versions, String> {
        let (distribution, shelf) = self.distribution(whose);
        let read = || async {
            let archive = self.archive(whose).await?;
            self.asking(&format!("{}/dists/{}", archive.uri, distribution.suite));
            archive.versions(&self.client, &self.wanted).await
        };
        shelf.versions.get_or_init(read).await.as_ref().map_err(String::clone)
    }

    /// Versions of packages of the distribution.
    pub(super) async fn packages<'n>(&self, whose: Whose, names: impl Iterator<Item = &'n str>) -> Result<Vec<AptPackage>, String> {
        self.versions(whose).await?.pinned(names)
    }

    /// What wheels are chosen for: the distribution's own Python. Where the archive cannot be read, an old one.
    pub(super) async fn python(&self) -> Target {
        let Ok(versions) = self.versions(Whose::Image).await else { return Target::default() };
        let pair = |name: &str| -> Option<(u32, u32)> {
            let version = versions.found.get(name)?.values().next()?;
            let mut numbers = lock::apt::upstream(version).split('.').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        };
        let Target { python, glibc } = Target::default();
        let python = pair(PYTHON).map_or(python, |(major, minor)| (u64::from(major), u64::from(minor)));
        Target { python, glibc: pair(LIBC).unwrap_or(glibc) }
    }
}

fn words(problem: Problem) -> String {
    let Problem { code: _, message, labels: _, help, fixes: _ } = problem;
    help.map_or(message.clone(), |help| format!("{message}; {help}"))
}
