//! A distribution's archive of packages: its release and the updates of that.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use flate2::write::MultiGzDecoder;
use lzma_rust2::XzReader;
use silo::digest::sha256_hex;
use silo::lock::apt::index::{Extract, Index};
use silo::lock::apt::solve::Shelf;
use silo::lock::release::{self, Release};
use silo::lock::time::Time;
use silo::spec::{Arch, Distribution, UpdateSuite};

use super::cache::{Terms, now};
use super::client::{Ask, Client, Freshness};
use super::endpoint::Surroundings;
use super::sources::{self, Source, archives, naming};
use super::{FetchError, chain, signature};

/// A suite and the archive that has it.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The archive.
    pub source: Source,
    /// `sha256:…` of the signed release file.
    pub digest: String,
    /// What that file says.
    pub release: Release,
    /// Why nobody knows who signed it; `None` when that was checked.
    pub unchecked: Option<String>,
    name: String,
    sections: Vec<String>,
}

/// Who looks, and for what.
#[derive(Clone, Copy)]
struct Look<'l> {
    client: &'l Client<'l>,
    surroundings: &'l Surroundings,
    distribution: &'l Distribution,
}

/// Finds the release of a distribution.
pub async fn open(client: &Client<'_>, surroundings: &Surroundings, distribution: &Distribution) -> Result<Suite, String> {
    let Distribution { name, suite, sections: _, updates: _, fetch_packages: _, packages: _ } = distribution;
    if suite.is_empty() {
        return Err("the base is of no distribution that the catalog knows, so silo cannot look its packages up".to_string());
    }
    let look = Look { client, surroundings, distribution };
    let mut candidates = archives(surroundings, suite);
    let mut tried = Vec::new();
    let mut asked = false;
    loop {
        match look.first(std::mem::take(&mut candidates), suite).await {
            Ok(found) => return Ok(found),
            Err(reasons) => tried.extend(reasons),
        }
        if asked || sources::mirrors(surroundings).is_some() {
            break;
        }
        asked = true;
        candidates.extend(super::super::bootstrap::usual_mirror(suite).await.map(|uri| sources::plain(&uri)));
    }
    if client.is_offline() && !tried.is_empty() {
        return Err(tried.join("; "));
    }
    let reasons = if tried.is_empty() { "nothing on this machine names one".to_string() } else { tried.join("; ") };
    Err(format!("no archive of {name} {suite} is known ({reasons}); set SILO_APT_MIRROR to the address of one"))
}

/// Finds the suites with updates of a release. One that cannot be read is an error: what is missing without it are fixes of security holes.
pub async fn open_updates(
    client: &Client<'_>,
    surroundings: &Surroundings,
    distribution: &Distribution,
    release: &Suite,
) -> Result<Vec<Suite>, String> {
    let look = Look { client, surroundings, distribution };
    let find = |UpdateSuite { suite, beside }: &UpdateSuite| {
        let (suite, beside) = (suite.clone(), beside.clone());
        async move {
            let sibling = beside.map(|folder| release.source.sibling(&folder));
            let mut candidates: Vec<Source> = match sources::mirrors(surroundings) {
                Some(mirrors) => sibling.into_iter().chain(mirrors).collect(),
                None => naming(surroundings, &suite).into_iter().chain(sibling).collect(),
            };
            candidates.push(release.source.clone());
            let mut seen = BTreeSet::new();
            candidates.retain(|source| seen.insert(source.uri.clone()));
            look.first(candidates, &suite).await.map_err(|reasons| {
                format!(
                    "no archive with the updates {suite} of {} is known ({}); set SILO_APT_MIRROR to the addresses of the archives, with \
                     blanks between them, or take them out of the base's definition (`updates`)",
                    distribution.name,
                    reasons.join("; ")
                )
            })
        }
    };
    futures_util::future::join_all(distribution.updates.iter().map(find)).await.into_iter().collect()
}

/// The addresses of archives that a build is to ask before those that the image's own sources name: the host's mirror.
pub fn mirrors(surroundings: &Surroundings, distribution: &Distribution) -> Vec<String> {
    let Some(named) = sources::mirrors(surroundings) else { return Vec::new() };
    let beside = distribution.updates.iter().filter_map(|update| update.beside.as_ref());
    let siblings: Vec<Source> = beside.flat_map(|folder| named.first().map(|first| first.sibling(folder))).collect();
    let mut seen = BTreeSet::new();
    named.into_iter().chain(siblings).map(|source| source.uri).filter(|uri| seen.insert(uri.clone())).collect()
}

/// The addresses of all archives that may have a file of a distribution or of its updates, the likeliest first.
pub async fn places(surroundings: &Surroundings, distribution: &Distribution) -> Vec<String> {
    let Distribution { name: _, suite, sections: _, updates, fetch_packages: _, packages: _ } = distribution;
    let mut found = archives(surroundings, suite);
    if sources::mirrors(surroundings).is_none() {
        found.extend(super::super::bootstrap::usual_mirror(suite).await.map(|uri| sources::plain(&uri)));
        found.extend(updates.iter().flat_map(|UpdateSuite { suite, beside: _ }| naming(surroundings, suite)));
    }
    let beside = |source: &Source| updates.iter().filter_map(|update| Some(source.sibling(update.beside.as_ref()?))).collect::<Vec<_>>();
    let siblings: Vec<Source> = found.iter().flat_map(beside).collect();
    let mut seen = BTreeSet::new();
    found.into_iter().chain(siblings).map(|source| source.uri).filter(|uri| seen.insert(uri.clone())).collect()
}

impl Look<'_> {
    /// The first archive that has a suite; why none has.
    async fn first(self, candidates: Vec<Source>, suite: &str) -> Result<Suite, Vec<String>> {
        let mut tried = Vec::new();
        for source in candidates {
            match self.look(source, suite).await {
                Ok(found) => return Ok(found),
                Err(reason) => tried.push(reason),
            }
        }
        Err(tried)
    }

    async fn look(self, source: Source, suite: &str) -> Result<Suite, String> {
        let Look { client, surroundings, distribution } = self;
        let (uri, sections) = (&source.uri, &distribution.sections);
        let (url, ask) = (format!("{uri}/dists/{suite}/InRelease"), Ask::default());
        // One that is kept is good with its indexes only: those that are not here have to be of the one that the archive has now.
        let kept = client.fresh(&url, &ask).await.filter(|bytes| {
            let release = release::parse(&String::from_utf8_lossy(bytes));
            let kept = |hash: &str| client.cache().is_some_and(|cache| cache.has(&key(hash)));
            indexes(sections).all(|(_, path)| listed(&release, &path).is_some_and(|(_, hash)| kept(hash)))
        });
        let bytes = match kept {
            Some(kept) => kept,
            None => client.get_as(&url, &ask, Freshness::Asked).await.map_err(|error| chain(&error))?,
        };
        // Only what is signed counts.
        let signature::Read { text, unchecked } = signature::read(surroundings, &source, &distribution.name, &bytes).await?;
        let release = release::parse(&text);
        if release.codename.as_deref() != Some(suite) && release.suite.as_deref() != Some(suite) {
            return Err(format!("{uri} has something else under the name {suite}"));
        }
        if let Some(end) = release.valid_until.filter(|end| source.dated && *end < now() && !client.is_offline()) {
            return Err(format!(
                "the release file of {uri} {suite} was valid until {}: the mirror is no longer kept up, or this machine's clock is wrong; \
                 name another one in SILO_APT_MIRROR, or write [check-valid-until=no] before the address of one that keeps old states",
                Time(end)
            ));
        }
        let (name, sections) = (suite.to_string(), sections.to_vec());
        Ok(Suite { digest: format!("sha256:{}", sha256_hex(&bytes)), source, release, unchecked, name, sections })
    }
}

/// The indexes of sections: for which architecture, and their paths below the release file, without the ending of a compression.
fn indexes(sections: &[String]) -> impl Iterator<Item = (Arch, String)> {
    let path = |arch: Arch, section: &String| format!("{section}/binary-{}/Packages", arch.as_str());
    Arch::ALL.into_iter().flat_map(move |arch| sections.iter().map(move |section| (arch, path(arch, section))))
}

/// How an index is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Xz,
}

/// In which form a release has an index, and the SHA-256 of that.
fn listed<'r>(release: &'r Release, path: &str) -> Option<(Packing, &'r str)> {
    let form = |packing, ending: &str| release.sha256.get(&format!("{path}{ending}")).map(|(hash, _)| (packing, hash.as_str()));
    form(Packing::Gzip, ".gz").or_else(|| form(Packing::Xz, ".xz"))
}

/// Under which key an index is kept, by the SHA-256 that the release file says.
fn key(hash: &str) -> String {
    format!("packages 2\n{hash}")
}

/// What is read of a release and its updates.
#[derive(Clone, Debug, Default)]
pub struct Stock {
    /// When the newest of the suites was made, in seconds since 1970.
    pub date: Option<u64>,
    shelves: BTreeMap<Arch, Shelf>,
}

impl Stock {
    /// Reads the indexes of suites, the release being the first, for all architectures and sections.
    pub async fn read(client: &Client<'_>, suites: &[&Suite]) -> Result<Stock, String> {
        let all = suites.iter().enumerate().flat_map(|(count, suite)| {
            indexes(&suite.sections).map(move |(arch, path)| async move { (count, arch, suite.index(client, &path).await) })
        });
        let mut shelves: BTreeMap<Arch, Shelf> = BTreeMap::new();
        for (count, arch, index) in futures_util::future::join_all(all).await {
            let shelf = shelves.entry(arch).or_default();
            if count == 0 { &mut shelf.release } else { &mut shelf.updates }.push(index?);
        }
        Ok(Stock { date: suites.iter().filter_map(|suite| suite.release.date).max(), shelves })
    }

    /// The indexes of each architecture.
    pub fn shelves(&self) -> &BTreeMap<Arch, Shelf> {
        &self.shelves
    }

    /// The newest version of a package, or the one asked for, on each architecture that has it.
    pub fn versions(&self, name: &str, version: Option<&str>) -> BTreeMap<Arch, String> {
        let find = |shelf: &Shelf| match version {
            Some(version) => shelf.version(name, version),
            None => shelf.newest(name),
        };
        self.shelves.iter().filter_map(|(arch, shelf)| Some((*arch, find(shelf)?.version))).collect()
    }

    /// Which packages are also known by a name.
    pub fn providers(&self, name: &str) -> BTreeSet<&str> {
        self.shelves.values().flat_map(|shelf| shelf.providers(name)).collect()
    }
}

impl Suite {
    async fn index(&self, client: &Client<'_>, path: &str) -> Result<Index, String> {
        let Some((packing, hash)) = listed(&self.release, path) else {
            return Err(format!("{} {} has no index {path}", self.source.uri, self.name));
        };
        let kept = match client.cache() {
            Some(cache) => cache.read(&key(hash)).await,
            None => None,
        };
        let extract = match kept {
            Some(entry) => entry.body,
            None => self.download(client, path, packing, hash).await?,
        };
        Ok(Index::new(extract))
    }

    /// What is read of an index, from the archive.
    async fn download(&self, client: &Client<'_>, path: &str, packing: Packing, hash: &str) -> Result<Vec<u8>, String> {
        // By its hash the index is always the one of the release file that was read.
        let root = format!("{}/dists/{}", self.source.uri, self.name);
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let by_name = match packing {
            Packing::Gzip => format!("{root}/{path}.gz"),
            Packing::Xz => format!("{root}/{path}.xz"),
        };
        let sink = || Sink::new(packing);
        let push = |sink: &mut Sink, bytes: &[u8]| sink.push(bytes);
        let by_hash = format!("{root}/{folder}/by-hash/SHA256/{hash}");
        let result = match client.stream(&by_hash, sink, push).await {
            Err(FetchError::Missing { url: _ }) => client.stream(&by_name, sink, push).await,
            other => other,
        };
        let (sink, seen) = result.map_err(|error| chain(&error))?;
        if seen != *hash {
            return Err(format!("{by_name} is not what the release file says: its SHA-256 is {seen} instead of {hash}"));
        }
        let extract = sink.finish().map_err(|error| format!("{by_name} is damaged: {error}"))?;
        if let Some(cache) = client.cache() {
            cache.write(&key(hash), &Terms::for_ever(), &extract).await;
        }
        Ok(extract)
    }
}

/// Unpacks an index and takes what is read of it.
enum Sink {
    Gzip(Box<MultiGzDecoder<Lines>>),
    /// Indexes that come in this form only are small.
    Xz(Vec<u8>),
}

impl Sink {
    fn new(packing: Packing) -> Sink {
        match packing {
            Packing::Gzip => Sink::Gzip(Box::new(MultiGzDecoder::new(Lines(Extract::default())))),
            Packing::Xz => Sink::Xz(Vec::new()),
        }
    }

    fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Sink::Gzip(decoder) => decoder.write_all(bytes),
            Sink::Xz(packed) => {
                packed.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Sink::Gzip(decoder) => {
                let Lines(extract) = decoder.finish()?;
                Ok(extract.finish())
            }
            Sink::Xz(packed) => {
                let (mut reader, mut extract, mut piece) = (XzReader::new(packed.as_slice(), true), Extract::default(), vec![0; 1 << 16]);
                loop {
                    match reader.read(&mut piece)? {
                        0 => return Ok(extract.finish()),
                        length => extract.push(&piece[..length]),
                    }
                }
            }
        }
    }
}

struct Lines(Extract);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
