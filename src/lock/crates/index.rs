//! A sparse index: what its `config.json` says, where a crate's releases are in it, and what stands there. Source: the Cargo Book, "Registry
//! Index".

use serde_json::Value;

use super::rust::Rust;
use super::{is_name, is_version};
use crate::lock::time::Time;

/// The newest form of a line that is understood.
const FORM: u64 = 2;

/// What is put behind an address without markers.
const SUFFIX: &str = "/{crate}/{version}/download";

/// What `config.json` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where crates are had, with or without markers.
    pub download: String,
    /// Whether everything is asked with a token.
    pub auth_required: bool,
}

impl Config {
    /// Reads the file; `None` when it is not one.
    pub fn parse(text: &[u8]) -> Option<Config> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let download = value.get("dl")?.as_str()?.to_string();
        Some(Config { download, auth_required: value.get("auth-required").and_then(Value::as_bool).unwrap_or(false) })
    }

    /// Where a crate's archive is.
    pub fn address(&self, name: &str, version: &str, sha256: &str) -> String {
        let markers = [
            ("{crate}", name.to_string()),
            ("{version}", version.to_string()),
            ("{prefix}", prefix(name)),
            ("{lowerprefix}", prefix(&name.to_lowercase())),
            ("{sha256-checksum}", sha256.to_string()),
        ];
        let plain = !markers.iter().any(|(marker, _)| self.download.contains(marker));
        let template = if plain { format!("{}{SUFFIX}", self.download) } else { self.download.clone() };
        markers.iter().fold(template, |text, (marker, value)| text.replace(marker, value))
    }
}

/// The folder of a crate in an index: `1`, `2`, `3/a`, `ab/cd`. A name has ASCII letters only.
fn prefix(name: &str) -> String {
    match name.len() {
        0..=2 => name.len().to_string(),
        3 => format!("3/{}", name.get(..1).unwrap_or_default()),
        _ => format!("{}/{}", name.get(..2).unwrap_or_default(), name.get(2..4).unwrap_or_default()),
    }
}

/// The path of a crate's releases below the index.
pub fn index_path(name: &str) -> String {
    let name = name.to_lowercase();
    format!("{}/{name}", prefix(&name))
}

/// A release of a crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The crate's name, as its author writes it.
    pub name: String,
    /// The version.
    pub version: String,
    /// The SHA-256 of its archive in hexadecimal.
    pub sha256: String,
    /// Whether its author has taken it back.
    pub yanked: bool,
    /// The oldest Rust that compiles it, where it says so.
    pub rust: Option<Rust>,
    /// When it was published, where the index says so.
    pub published: Option<Time>,
}

impl Release {
    /// Reads the releases of a crate, a line each. Lines that are not understood, or are of a later form, do not count, as with Cargo.
    pub fn list(text: &str) -> Vec<Release> {
        text.lines().filter_map(Release::parse).collect()
    }

    fn parse(line: &str) -> Option<Release> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        if value.get("v").is_some_and(|form| form.as_u64().is_none_or(|form| form > FORM)) {
            return None;
        }
        let (name, version) = (text("name").filter(|name| is_name(name))?, text("vers").filter(|version| is_version(version))?);
        let sha256 = text("cksum").map(str::to_lowercase).filter(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()))?;
        Some(Release {
            name: name.to_string(),
            version: version.to_string(),
            sha256,
            yanked: value.get("yanked").and_then(Value::as_bool).unwrap_or(false),
            rust: text("rust_version").and_then(Rust::parse),
            published: text("pubtime").and_then(Time::parse),
        })
    }
}
