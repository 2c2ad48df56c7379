//! The registry of crates: releases and crates are fetched until it is known what a program is made of.

use std::io::Read;

use flate2::read::GzDecoder;
use futures_util::StreamExt;
use silo::digest::sha256_hex;
use silo::lock::crates::{Config, Need, Packed, Registry, Release, Root, Solution, Target, Unsolved, index_path, resolve};

use super::cargo::CratesIndex;
use super::client::{Ask, Client};
use super::login::Login;
use super::{FetchError, chain};

/// The largest text that is read of a crate, in bytes.
const TEXT: u64 = 16 << 20;

/// The most that a crate may unpack to, in bytes.
const UNPACKED: u64 = 2 << 30;

/// The registry, with what its `config.json` says.
#[derive(Clone, Debug)]
pub struct Crates {
    index: CratesIndex,
    config: Config,
}

enum Answer {
    Releases(String, Option<Vec<Release>>),
    Packed((String, String), Packed),
}

/// As whom an address of the registry is asked.
fn login(url: &str, token: Option<&String>) -> Login {
    token.map_or(Login::File, |token| Login::Header { url: url.to_string(), text: token.clone() })
}

impl Crates {
    /// Reads what a registry says of itself.
    pub async fn open(client: &Client<'_>, index: CratesIndex) -> Result<Crates, String> {
        let url = format!("{}config.json", index.url);
        let ask = |token: Option<&String>| Ask { login: login(&url, token), ..Ask::default() };
        let text = match (client.get(&url, &ask(None)).await, &index.token) {
            // Those that are for some people only do not say so to everybody.
            (Err(FetchError::Status { .. }), Some(token)) => client.get(&url, &ask(Some(token))).await,
            (other, _) => other,
        };
        let text = text.map_err(|error| chain(&error))?;
        let config = Config::parse(&text).ok_or_else(|| format!("{} is not understood", super::client::shown(&url)))?;
        Ok(Crates { index, config })
    }

    fn ask(&self, url: &str) -> Ask {
        let token = self.index.token.as_ref().filter(|_| self.config.auth_required);
        Ask { login: login(url, token), ..Ask::default() }
    }

    /// Where a crate's archive is, and how it is asked for.
    pub fn archive(&self, name: &str, version: &str, sha256: &str) -> (String, Ask) {
        let url = self.config.address(name, version, sha256);
        let ask = self.ask(&url);
        (url, ask)
    }

    /// The crates that some programs are made of.
    pub async fn solve(&self, client: &Client<'_>, roots: &[Root], target: &Target) -> Result<Solution, String> {
        let mut registry = Registry::default();
        loop {
            let need = match resolve(roots, target, &registry) {
                Ok(solution) => return Ok(solution),
                Err(Unsolved::Failed(reasons)) => return Err(reasons.join("; ")),
                Err(Unsolved::Need(need)) => need,
            };
            let mut answers = futures_util::stream::iter(need).map(|need| self.answer(client, need)).buffer_unordered(16);
            while let Some(answer) = answers.next().await {
                match answer? {
                    Answer::Releases(name, found) => drop(registry.releases.insert(name, found)),
                    Answer::Packed(key, packed) => drop(registry.packed.insert(key, packed)),
                }
            }
        }
    }

    async fn answer(&self, client: &Client<'_>, need: Need) -> Result<Answer, String> {
        match need {
            Need::Releases(name) => {
                let url = format!("{}{}", self.index.url, index_path(&name));
                match client.get(&url, &self.ask(&url)).await {
                    Ok(text) => Ok(Answer::Releases(name, Some(Release::list(&String::from_utf8_lossy(&text))))),
                    Err(FetchError::Missing { url: _ }) => Ok(Answer::Releases(name, None)),
                    Err(error) => Err(chain(&error)),
                }
            }
            Need::Packed { name, version, sha256 } => {
                let (url, ask) = self.archive(&name, &version, &sha256);
                let bytes = client.get(&url, &ask).await.map_err(|error| chain(&error))?;
                let found = sha256_hex(&bytes);
                if found != sha256 {
                    return Err(format!("the crate {name} {version} has SHA-256 {found}, and the index says {sha256}"));
                }
                let (of, at) = (name.clone(), version.clone());
                let packed = tokio::task::spawn_blocking(move || unpack(&of, &at, &bytes));
                let packed = packed.await.map_err(|_| format!("reading the crate {name} {version} broke"))?;
                Ok(Answer::Packed((name.clone(), version.clone()), packed.map_err(|why| format!("the crate {name} {version}: {why}"))?))
            }
        }
    }
}

/// What is in a crate's archive. Everything lies in one folder of it, which has the crate's name and version.
fn unpack(name: &str, version: &str, bytes: &[u8]) -> Result<Packed, String> {
    let damaged = |_| "its archive is damaged".to_string();
    let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(UNPACKED));
    let (mut manifest, mut lock) = (None, None);
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.display().to_string();
        let found = match path.split_once('/').map(|(_, file)| file) {
            Some("Cargo.toml") => &mut manifest,
            Some("Cargo.lock") => &mut lock,
            Some(_) | None => continue,
        };
        let mut text = String::new();
        entry.take(TEXT).read_to_string(&mut text).map_err(damaged)?;
        *found = Some(text);
        if manifest.is_some() && lock.is_some() {
            break;
        }
    }
    let manifest = manifest.ok_or_else(|| "it has no Cargo.toml".to_string())?;
    Packed::read(name, version, &manifest, lock.as_deref())
}
