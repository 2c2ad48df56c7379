//! Fetching files that a lock pins, each checked against its hash before anybody sees it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use silo::digest::{Digest, Hasher};
use silo::lock::Place;
use silo::spec::Distribution;
use tokio::sync::OnceCell;

use super::archive::places;
use super::cargo::CratesIndex;
use super::client::{Ask, Client};
use super::crates::Crates;
use super::endpoint::{NpmEndpoint, Surroundings, pypi as index};
use super::go::GoEndpoint;
use super::session::words;
use super::{FetchError, chain, npm, pypi};

/// What is known of where files are.
pub struct Getter<'a> {
    client: &'a Client<'a>,
    surroundings: &'a Surroundings,
    /// Whose packages are fetched.
    distributions: Vec<&'a Distribution>,
    npm: OnceCell<Result<NpmEndpoint, String>>,
    pypi: OnceCell<Result<String, String>>,
    go: OnceCell<Result<GoEndpoint, String>>,
    crates: OnceCell<Result<Crates, String>>,
    archives: OnceCell<Vec<String>>,
}

/// A file that is being written. It goes with the value, unless it was put into its place.
struct Draft {
    path: PathBuf,
    file: Option<File>,
    hash: Hasher,
    size: u64,
}

impl Draft {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
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
    fn finish(mut self, expected: &Digest, target: &Path) -> Result<u64, String> {
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
    pub fn new(client: &'a Client<'a>, surroundings: &'a Surroundings, distributions: Vec<&'a Distribution>) -> Getter<'a> {
        Getter {
            client,
            surroundings,
            distributions,
            npm: OnceCell::new(),
            pypi: OnceCell::new(),
            go: OnceCell::new(),
            crates: OnceCell::new(),
            archives: OnceCell::new(),
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
                let sink = || Draft { path: draft(), file: None, hash: digest.hasher(), size: 0 };
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
                let mut found = None;
                for archive in self.archives().await {
                    match get(format!("{archive}/{path}"), Ask::default()).await {
                        Err(FetchError::Missing { url: _ }) => {}
                        other => {
                            found = Some(other);
                            break;
                        }
                    }
                }
                found.ok_or_else(|| no_archive(path, self.archives.get()))?
            }
        };
        let draft = fetched.map_err(|error| chain(&error))?;
        draft.finish(digest, target)
    }
}

/// That no archive has a file, in words.
fn no_archive(path: &str, asked: Option<&Vec<String>>) -> String {
    match asked.map(Vec::as_slice) {
        None | Some([]) => "nothing on this machine names an archive of its distribution; SILO_APT_MIRROR does".to_string(),
        Some(asked) => format!(
            "no archive has {path} any more (asked were {}); `silo update packages` takes what they have now, SILO_APT_MIRROR names another",
            asked.join(", ")
        ),
    }
}
