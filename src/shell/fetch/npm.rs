//! npm's registry: documents are fetched until the tree is solved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures_util::StreamExt;
use serde_json::Value;
use silo::lock::npm::{Packument, Registry, Root, Tree, Unsolved, reduced};
use silo::lock::time::{Cutoff, Time};
use silo::spec::Arch;

use super::client::{Ask, Client};
use super::endpoint::NpmEndpoint;
use super::{FetchError, chain};

/// The abbreviated document where the registry has it. Source: github.com/npm/registry, docs/responses/package-metadata.md.
const ACCEPT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";

/// The whole document, which says when versions were released.
const WHOLE: &str = "application/json";

/// The registry as far as it is known, without what is too young.
pub struct Npm {
    cutoff: Cutoff,
    known: Mutex<Registry>,
}

/// A document of the registry; `None` when it has no such package.
async fn document(client: &Client<'_>, endpoint: &NpmEndpoint, name: &str, accept: &'static str) -> Result<Option<Packument>, String> {
    let url = endpoint.document(name).0;
    let login = endpoint.login(&url);
    match client.get(&url, &Ask { accept: Some(accept), login, range: None, reduce: Some(reduced) }).await {
        Ok(bytes) => match serde_json::from_slice::<Packument>(&bytes) {
            Ok(document) => Ok(Some(document)),
            Err(error) => Err(format!("npm's registry says something about {name} that is not understood: {error}")),
        },
        Err(FetchError::Missing { url: _ }) => Ok(None),
        Err(error) => Err(chain(&error)),
    }
}

/// Where the registry says that the archive of a version is.
pub async fn tarball(client: &Client<'_>, endpoint: &NpmEndpoint, name: &str, version: &str) -> Result<String, String> {
    let url = endpoint.document(name).0;
    let login = endpoint.login(&url);
    let ask = Ask { accept: Some(ACCEPT), login, range: None, reduce: None };
    match client.get(&url, &ask).await {
        Ok(bytes) => archive(&bytes, name, version),
        Err(error) => Err(chain(&error)),
    }
}

/// Where a package's document says that the archive of a version is.
fn archive(document: &[u8], name: &str, version: &str) -> Result<String, String> {
    let document: Value = serde_json::from_slice(document)
        .map_err(|error| format!("npm's registry says something about {name} that is not understood: {error}"))?;
    let address = document["versions"][version]["dist"]["tarball"].as_str();
    address.map(str::to_string).ok_or_else(|| format!("npm's registry has no archive of {name}@{version}"))
}

impl Npm {
    /// A registry of which nothing is known yet.
    pub fn new(cutoff: Cutoff) -> Npm {
        Npm { cutoff, known: Mutex::default() }
    }

    /// When a version was released, where the registry says it.
    pub async fn released(&self, client: &Client<'_>, endpoint: &NpmEndpoint, name: &str, version: &str) -> Result<Option<Time>, String> {
        let known = self.with(|registry| registry.get(name).and_then(Option::as_ref).map(|document| document.time.clone()))?;
        match known {
            Some(times) if !times.is_empty() => Ok(times.get(version).copied()),
            // What cannot be had is not said: nothing depends on it.
            Some(_) | None => {
                Ok(document(client, endpoint, name, WHOLE).await.ok().flatten().and_then(|whole| whole.time.get(version).copied()))
            }
        }
    }

    /// Fetches the documents that are not known yet.
    pub async fn learn(&self, client: &Client<'_>, endpoint: &NpmEndpoint, names: &BTreeSet<String>) -> Result<(), String> {
        let missing: Vec<&String> = {
            let known = self.known.lock().map_err(|_| "a look-up of npm's registry broke")?;
            names.iter().filter(|name| !known.contains_key(*name)).collect()
        };
        let mut answers = futures_util::stream::iter(missing)
            .map(|name| async move {
                let result = async {
                    let Some(mut found) = document(client, endpoint, name, ACCEPT).await? else { return Ok(None) };
                    if found.lacks_times(&self.cutoff)
                        && let Some(whole) = document(client, endpoint, name, WHOLE).await?
                    {
                        found.time = whole.time;
                    }
                    found.sift(&self.cutoff);
                    Ok::<_, String>(Some(found))
                }
                .await;
                (name, result)
            })
            .buffer_unordered(16);
        while let Some((name, result)) = answers.next().await {
            let answer = result?;
            self.known.lock().map_err(|_| "a look-up of npm's registry broke")?.insert(name.clone(), answer);
        }
        Ok(())
    }

    /// Something computed from what is known.
    pub fn with<T>(&self, compute: impl FnOnce(&Registry) -> T) -> Result<T, String> {
        Ok(compute(&*self.known.lock().map_err(|_| "a look-up of npm's registry broke")?))
    }

    /// The tree of some packages.
    pub async fn tree(&self, client: &Client<'_>, endpoint: &NpmEndpoint, roots: &BTreeMap<Arch, Vec<Root>>) -> Result<Tree, String> {
        loop {
            match self.with(|registry| silo::lock::npm::resolve(roots, registry))? {
                Ok(tree) => return Ok(tree),
                Err(Unsolved::Failed(reasons)) => return Err(reasons.join("; ")),
                Err(Unsolved::Need(names)) => self.learn(client, endpoint, &names).await?,
            }
        }
    }
}
