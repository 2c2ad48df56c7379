//! npm's registry: documents are fetched until the tree is solved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures_util::StreamExt;
use silo::lock::npm::{Packument, Registry, Root, Tree, Unsolved};
use silo::spec::Arch;

use super::client::{Ask, Client};
use super::endpoint::NpmEndpoint;
use super::{FetchError, chain};

/// The abbreviated document where the registry has it. Source: github.com/npm/registry, docs/responses/package-metadata.md.
const ACCEPT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";

/// The registry as far as it is known.
#[derive(Default)]
pub struct Npm(Mutex<Registry>);

impl Npm {
    /// Fetches the documents that are not known yet.
    pub async fn learn(&self, client: &Client, endpoint: &NpmEndpoint, names: &BTreeSet<String>) -> Result<(), String> {
        let missing: Vec<&String> = {
            let known = self.0.lock().map_err(|_| "a look-up of npm's registry broke")?;
            names.iter().filter(|name| !known.contains_key(*name)).collect()
        };
        let mut answers = futures_util::stream::iter(missing)
            .map(|name| async move {
                let (url, authorization) = endpoint.document(name);
                let result = match client.get(&url, &Ask { accept: Some(ACCEPT), authorization, range: None }).await {
                    Ok(bytes) => match serde_json::from_slice::<Packument>(&bytes) {
                        Ok(document) => Ok(Some(document)),
                        Err(error) => Err(format!("npm's registry says something about {name} that is not understood: {error}")),
                    },
                    Err(FetchError::Missing { url: _ }) => Ok(None),
                    Err(error) => Err(chain(&error)),
                };
                (name, result)
            })
            .buffer_unordered(16);
        while let Some((name, result)) = answers.next().await {
            let answer = result?;
            self.0.lock().map_err(|_| "a look-up of npm's registry broke")?.insert(name.clone(), answer);
        }
        Ok(())
    }

    /// Something computed from what is known.
    pub fn with<T>(&self, compute: impl FnOnce(&Registry) -> T) -> Result<T, String> {
        Ok(compute(&*self.0.lock().map_err(|_| "a look-up of npm's registry broke")?))
    }

    /// The tree of some packages.
    pub async fn tree(&self, client: &Client, endpoint: &NpmEndpoint, roots: &BTreeMap<Arch, Vec<Root>>) -> Result<Tree, String> {
        loop {
            match self.with(|registry| silo::lock::npm::resolve(roots, registry))? {
                Ok(tree) => return Ok(tree),
                Err(Unsolved::Failed(reasons)) => return Err(reasons.join("; ")),
                Err(Unsolved::Need(names)) => self.learn(client, endpoint, &names).await?,
            }
        }
    }
}
