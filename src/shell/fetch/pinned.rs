//! Fetching files that a lock pins, each checked against its hash before anybody sees it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use silo::digest::{Digest, Hasher};
use silo::lock::time::Time;
use silo::lock::{Place, release};
use silo::spec::Distribution;
use tokio::sync::OnceCell;

use super::archive::places;
use super::cargo::CratesIndex;
use super::client::{Ask, Client};
use super::crates::Crates;
use super::endpoint::{NpmEndpoint, Surroundings, pypi as index};
use super::go::GoEndpoint;
use super::session::words;
use super::{FetchError, chain, npm, pypi, snapshot};

/// What is known of where files are.
pub struct Getter<'a> {
    client: &'a Client<'a>,
    surroundings: &'a Surroundings,
    /// Whose packages are fetched.
    distributions: Vec<&'a Distribution>,
    /// When the states of their archives were that packages were taken from.
    moments: &'a [Time],
    npm: OnceCell<Result<NpmEndpoint, String>>,
    pypi: OnceCell<Result<String, String>>,
    go: OnceCell<Result<GoEndpoint, String>>,
    crates: OnceCell<Result<Crates, String>>,
    archives: OnceCell<Vec<String>>,
    snapshots: OnceCell<Vec<String>>,
}

/// A file that is being written. It goes with the value, unless it was put into its place.
pub(super) struct Draft {
    path: PathBuf,
    file: Option<File>,
    hash: Hasher,
    size: u64,
}

impl Draft {
    /// A file that will have a hash of the same kind, under a name that nobody else uses.
    pub(super) fn new(path: PathBuf, expected: &Digest) -> Draft {
        Draft { path, file: None, hash: expected.hasher(), size: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::create_new(&self.path)?),
        };
        file.write_all(bytes)?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Puts the file into its place, if it is the right one. Returns its size.
    pub(super) fn finish(mut self, expected: &Digest, target: &Path) -> Result<u64, String> {
        let found = self.hash.clone().finish();
        if found != *expected {
            return Err(format!("its hash is {found}, and silo.lock pins {expected}"));
        }
        let size = self.size;
        let mut place = || -> io::Result<()> {
            // An empty file has no pieces.
            self.push(&[])?;
            if let Some(file) = self.file.take() {
                file.sync_all()?;
            }
            fs::rename(&self.path, target)
        };
        place().map_err(|error| format!("it cannot be written to {}: {error}", target.display()))?;
        Ok(size)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // In its place it has another name.
        drop(fs::remove_file(&self.path));
    }
}

impl<'a> Getter<'a> {
    /// A getter that knows nothing yet.
    pub fn new(
        client: &'a Client<'a>,
        surroundings: &'a Surroundings,
        distributions: Vec<&'a Distribution>,
        moments: &'a [Time],
    ) -> Getter<'a> {
        Getter {
            client,
            surroundings,
            distributions,
            moments,
            npm: OnceCell::new(),
            pypi: OnceCell::new(),
            go: OnceCell::new(),
            crates: OnceCell::new(),
            archives: OnceCell::new(),
            snapshots: OnceCell::new(),
        }
    }

    /// The archives of the distributions.
    async fn archives(&self) -> &[String] {
        let find = || async {
            let all = self.distributions.iter().map(|distribution| places(self.surroundings, distribution));
            let mut seen = BTreeSet::new();
            let all = futures_util::future::join_all(all).await.into_iter().flatten();
            all.filter(|uri| seen.insert(uri.clone())).collect()
        };
        self.archives.get_or_init(find).await
    }

    /// Where modules of Go are.
    async fn go(&self) -> Result<&GoEndpoint, String> {
        let find = || async { GoEndpoint::find(self.surroundings).await.map_err(words) };
        self.go.get_or_init(find).await.as_ref().map_err(String::clone)
    }

    /// Archives that keep what others have no longer, as a build asks them (`images/build/apt.sh`): those that the caller names, and those that
    /// the release files of the others name. Whether somebody signed these does not matter: a file is known by its hash.
    async fn snapshots(&self) -> &[String] {
        let find = || async {
            let suites: BTreeSet<&str> = self
                .distributions
                .iter()
                .flat_map(|distribution| [&distribution.suite].into_iter().chain(distribution.updates.iter().map(|update| &update.suite)))
                .map(String::as_str)
                .filter(|suite| !suite.is_empty())
                .collect();
            let archives = self.archives().await;
            let urls: Vec<String> =
                archives.iter().flat_map(|uri| suites.iter().map(move |suite| format!("{uri}/dists/{suite}/InRelease"))).collect();
            let ask = Ask::default();
            let read = |url: &String| {
                let url = url.clone();
                let ask = &ask;
                async move { self.client.get(&url, ask).await.ok() }
            };
            let releases = futures_util::future::join_all(urls.iter().map(read)).await.into_iter().flatten();
            let published: BTreeSet<String> =
                releases.filter_map(|bytes| release::parse(&String::from_utf8_lossy(&bytes)).snapshots).collect();
            let named = snapshot::addresses(self.surroundings, self.moments, None);
            let more = published.iter().flat_map(|pattern| snapshot::addresses(self.surroundings, self.moments, Some(pattern)));
            let mut seen: BTreeSet<String> = archives.iter().cloned().collect();
            named.into_iter().chain(more).filter(|uri| seen.insert(uri.clone())).collect()
        };
        self.snapshots.get_or_init(find).await
    }

    /// Fetches a file into its place; the folder has to exist, and `draft` makes names of files beside it that nobody else uses. `moved`
    /// counts the bytes that arrive. Returns the file's size, or why it was not fetched.
    pub async fn fetch(
        &self,
        place: &Place,
        digest: &Digest,
        target: &Path,
        draft: impl Fn() -> PathBuf,
        moved: &AtomicU64,
    ) -> Result<u64, String> {
        let get = |url: String, ask: Ask| {
            let draft = &draft;
            async move {
                let sink = || Draft::new(draft(), digest);
                let push = |draft: &mut Draft, bytes: &[u8]| {
                    moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    draft.push(bytes)
                };
                self.client.stream_as(&url, &ask, sink, push).await
            }
        };
        let fetched = match place {
            Place::Url(url) => get(url.clone(), Ask::default()).await,
            Place::Wheel { project, file } => {
                let index = self.pypi.get_or_init(|| async { index(self.surroundings).await.map_err(words) }).await.as_ref();
                let url = pypi::address_of(self.client, index.map_err(String::clone)?, project, file).await?;
                get(url, Ask::default()).await
            }
            Place::Npm { name, version } => {
                let endpoint = self.npm.get_or_init(|| async { NpmEndpoint::find(self.surroundings).await.map_err(words) }).await.as_ref();
                let endpoint = endpoint.map_err(String::clone)?;
                let ask = |url: &str| Ask { login: endpoint.login(url), ..Ask::default() };
                let usual = endpoint.tarball(name, version);
                match get(usual.clone(), ask(&usual)).await {
                    // Where registries have archives is theirs to say; most follow npm's own.
                    Err(FetchError::Missing { url: _ } | FetchError::Status { url: _, status: _ }) => {
                        let url = npm::tarball(self.client, endpoint, name, version).await?;
                        get(url.clone(), ask(&url)).await
                    }
                    other => other,
                }
            }
            Place::Archive(module) => get(self.go().await?.version(module, "zip")?, Ask::default()).await,
            Place::Requirements(module) => get(self.go().await?.version(module, "mod")?, Ask::default()).await,
            Place::Crate { name, version } => {
                let open = || async { Crates::open(self.client, CratesIndex::find(self.surroundings).await.map_err(words)?).await };
                let crates = self.crates.get_or_init(open).await.as_ref().map_err(String::clone)?;
                let (url, ask) = crates.archive(name, version, &digest.hex);
                get(url, ask).await
            }
            Place::Package { path } => {
                let from = |archive: &String| get(format!("{archive}/{path}"), Ask::default());
                match first(self.archives().await, from).await {
                    Some(Ok(draft)) => Ok(draft),
                    refused => match first(self.snapshots().await, from).await {
                        Some(Ok(draft)) => Ok(draft),
                        other => refused.or(other).ok_or_else(|| no_archive(path, self.archives.get(), self.snapshots.get()))?,
                    },
                }
            }
        };
        let draft = fetched.map_err(|error| chain(&error))?;
        draft.finish(digest, target)
    }
}

/// A file of the first archive that has it; why one could not say, if none has it; nothing when all say that they do not have it.
async fn first<T, F: Future<Output = Result<T, FetchError>>>(
    archives: &[String],
    get: impl Fn(&String) -> F,
) -> Option<Result<T, FetchError>> {
    let mut refused = None;
    for archive in archives {
        match get(archive).await {
            Ok(value) => return Some(Ok(value)),
            Err(FetchError::Missing { url: _ }) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    refused.map(Err)
}

/// That no archive has a file, in words.
fn no_archive(path: &str, archives: Option<&Vec<String>>, snapshots: Option<&Vec<String>>) -> String {
    let asked: Vec<&str> = [archives, snapshots].into_iter().flatten().flatten().map(String::as_str).collect();
    if asked.is_empty() {
        return "nothing on this machine names an archive of its distribution; SILO_APT_MIRROR does".to_string();
    }
    format!(
        "no archive has {path} any more (asked were {}); `silo update packages` takes what they have now, SILO_APT_MIRROR names another, and \
         SILO_APT_SNAPSHOT one that keeps old files (`%{{moment}}` stands for the moment)",
        asked.join(", ")
    )
}
