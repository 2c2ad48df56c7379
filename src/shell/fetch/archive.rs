//! A distribution's archive of packages.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use flate2::write::MultiGzDecoder;
use silo::digest::sha256_hex;
use silo::lock::AptPackage;
use silo::lock::apt::{Index, compare};
use silo::lock::release::{self, Release};
use silo::spec::{Arch, Distribution};

use super::client::{Ask, Client};
use super::endpoint::{Surroundings, archives};
use super::{FetchError, chain};

/// An archive and one suite of it.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Its address, without a slash at the end.
    pub uri: String,
    /// `sha256:…` of its signed release file.
    pub digest: String,
    /// What that file says.
    pub release: Release,
    suite: String,
    sections: Vec<String>,
}

/// Finds an archive that has the suite.
pub async fn open(client: &Client, surroundings: &Surroundings, distribution: &Distribution) -> Result<Archive, String> {
    let suite = &distribution.suite;
    if suite.is_empty() {
        return Err("the base is of no distribution that the catalog knows, so silo cannot look its packages up".to_string());
    }
    let mut candidates = archives(surroundings, suite).await;
    let mut tried = Vec::new();
    let mut asked = false;
    loop {
        for uri in std::mem::take(&mut candidates) {
            match look(client, &uri, distribution).await {
                Ok(archive) => return Ok(archive),
                Err(reason) => tried.push(reason),
            }
        }
        if asked || surroundings.variable("SILO_APT_MIRROR").is_some() {
            break;
        }
        asked = true;
        candidates.extend(super::super::bootstrap::usual_mirror(suite).await);
    }
    let reasons = if tried.is_empty() { "nothing on this machine names one".to_string() } else { tried.join("; ") };
    Err(format!("no archive of {} {suite} is known ({reasons}); set SILO_APT_MIRROR to the address of one", distribution.name))
}

async fn look(client: &Client, uri: &str, distribution: &Distribution) -> Result<Archive, String> {
    let suite = &distribution.suite;
    let bytes = client.get(&format!("{uri}/dists/{suite}/InRelease"), &Ask::default()).await.map_err(|error| chain(&error))?;
    let release = release::parse(&String::from_utf8_lossy(&bytes));
    if release.codename.as_ref() != Some(suite) && release.suite.as_ref() != Some(suite) {
        return Err(format!("{uri} has something else under the name {suite}"));
    }
    Ok(Archive {
        uri: uri.to_string(),
        digest: format!("sha256:{}", sha256_hex(&bytes)),
        release,
        suite: suite.clone(),
        sections: distribution.sections.clone(),
    })
}

/// Versions of packages for each architecture.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// By name.
    pub found: BTreeMap<String, BTreeMap<Arch, String>>,
    /// For names that are no packages: which packages provide them.
    pub provided: BTreeMap<String, BTreeSet<String>>,
}

impl Versions {
    /// Packages as they stand in the lock, from what an archive has; the reasons where it lacks some.
    pub fn pinned<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<Vec<AptPackage>, String> {
        let (mut list, mut missing) = (BTreeSet::new(), BTreeSet::new());
        for asked in names {
            let name = asked.split('=').next().unwrap_or(asked);
            match (self.found.get(name), self.provided.get(name)) {
                (Some(found), _) => {
                    list.insert(AptPackage { name: name.to_string(), versions: found.clone() });
                }
                (None, Some(others)) => {
                    missing.insert(format!("{name} (a name for {})", others.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")));
                }
                (None, None) => {
                    missing.insert(asked.to_string());
                }
            }
        }
        if missing.is_empty() {
            Ok(list.into_iter().collect())
        } else {
            Err(format!("the distribution's archive has no package {}", missing.into_iter().collect::<Vec<_>>().join(", ")))
        }
    }
}

impl Archive {
    /// Looks packages up (`name` or `name=version`) in the indexes of all architectures and sections.
    pub async fn versions(&self, client: &Client, wanted: &BTreeSet<String>) -> Result<Versions, String> {
        let indexes = Arch::ALL.iter().flat_map(|arch| self.sections.iter().map(move |section| (*arch, section)));
        let read = indexes.map(|(arch, section)| async move { (arch, self.index(client, section, arch, wanted).await) });
        let mut versions = Versions::default();
        for (arch, result) in futures_util::future::join_all(read).await {
            let (found, provided) = result?;
            for (name, version) in found {
                let known = versions.found.entry(name).or_default();
                if known.get(&arch).is_none_or(|known| compare(known, &version).is_lt()) {
                    known.insert(arch, version);
                }
            }
            for (name, packages) in provided {
                versions.provided.entry(name).or_default().extend(packages);
            }
        }
        Ok(versions)
    }

    async fn index(&self, client: &Client, section: &str, arch: Arch, wanted: &BTreeSet<String>) -> Result<Found, String> {
        let folder = format!("{section}/binary-{}", arch.as_str());
        let path = format!("{folder}/Packages.gz");
        let Some((hash, _)) = self.release.sha256.get(&path) else {
            return Err(format!("{} {} has no index {path}", self.uri, self.suite));
        };
        // By its hash the index is always the one of the release file that was read.
        let root = format!("{}/dists/{}", self.uri, self.suite);
        let sink = || MultiGzDecoder::new(Sink(Index::new(wanted.iter().map(String::as_str))));
        let push = |sink: &mut MultiGzDecoder<Sink>, bytes: &[u8]| sink.write_all(bytes);
        let by_hash = format!("{root}/{folder}/by-hash/SHA256/{hash}");
        let result = match client.stream(&by_hash, sink, push).await {
            Err(FetchError::Missing { url: _ }) => client.stream(&format!("{root}/{path}"), sink, push).await,
            other => other,
        };
        let (sink, seen) = result.map_err(|error| chain(&error))?;
        if seen != *hash {
            return Err(format!("{root}/{path} is not what the release file says: its SHA-256 is {seen} instead of {hash}"));
        }
        let Sink(index) = sink.finish().map_err(|error| format!("{root}/{path} is damaged: {error}"))?;
        Ok(index.finish())
    }
}

type Found = (BTreeMap<String, String>, BTreeMap<String, BTreeSet<String>>);

struct Sink(Index);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
