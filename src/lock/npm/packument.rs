//! A package's document in npm's registry ("packument"), read leniently: old packages have odd shapes in it.
//! Source: github.com/npm/registry, docs/responses/package-metadata.md.

use std::collections::BTreeMap;

use nodejs_semver::{Range, Version};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::lock::time::{Cutoff, Time};
use crate::spec::Arch;

/// All versions of one package.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Packument {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// `latest` and other names of versions.
    #[serde(rename = "dist-tags", default, deserialize_with = "texts")]
    pub dist_tags: BTreeMap<String, String>,
    /// Every published version.
    #[serde(default)]
    pub versions: BTreeMap<String, Manifest>,
    /// When each version was released. Only the whole document says it, the abbreviated one does not.
    #[serde(default, deserialize_with = "times")]
    pub time: BTreeMap<String, Time>,
    /// When anything in the document changed last: no version is younger.
    #[serde(default, deserialize_with = "moment")]
    pub modified: Option<Time>,
    /// What [`Packument::sift`] took out.
    #[serde(skip)]
    pub young: Young,
}

/// Versions that are not old enough to be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Young {
    /// What makes them too young.
    pub cutoff: Cutoff,
    /// Each with its manifest.
    pub versions: BTreeMap<String, Manifest>,
    /// Names of versions that would mean one of these.
    pub dist_tags: BTreeMap<String, String>,
}

/// One version of a package, as much of it as an installation needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Packages it needs.
    #[serde(default, deserialize_with = "texts")]
    pub dependencies: BTreeMap<String, String>,
    /// Packages it uses where they can be had.
    #[serde(default, deserialize_with = "texts")]
    pub optional_dependencies: BTreeMap<String, String>,
    /// Packages that have to be installed beside it.
    #[serde(default, deserialize_with = "texts")]
    pub peer_dependencies: BTreeMap<String, String>,
    /// Which of its peers may be missing.
    #[serde(default, deserialize_with = "optional_peers")]
    pub peer_dependencies_meta: Vec<String>,
    /// Packages that its own archive contains.
    #[serde(default, alias = "bundledDependencies", deserialize_with = "bundled")]
    pub bundle_dependencies: Bundled,
    /// Operating systems it runs on.
    #[serde(default, deserialize_with = "list")]
    pub os: Vec<String>,
    /// Processors it runs on.
    #[serde(default, deserialize_with = "list")]
    pub cpu: Vec<String>,
    /// C libraries it runs on.
    #[serde(default, deserialize_with = "list")]
    pub libc: Vec<String>,
    /// Its commands; a single text is the command named like the package, kept under the empty name.
    #[serde(default, deserialize_with = "commands")]
    pub bin: BTreeMap<String, String>,
    /// Whether its authors ask not to use it.
    #[serde(default, deserialize_with = "deprecated")]
    pub deprecated: bool,
    /// Its archive.
    #[serde(default)]
    pub dist: Dist,
}

/// A version's archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Dist {
    /// Subresource Integrity text.
    #[serde(default)]
    pub integrity: Option<String>,
    /// SHA-1 in hexadecimal: all that versions before 2017 have.
    #[serde(default)]
    pub shasum: Option<String>,
}

/// Which of its dependencies a package's archive contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bundled {
    /// These.
    Names(Vec<String>),
    /// All of them.
    All,
}

impl Default for Bundled {
    fn default() -> Bundled {
        Bundled::Names(Vec::new())
    }
}

impl Bundled {
    /// Whether a dependency is in the archive.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Bundled::Names(names) => names.iter().any(|bundled| bundled == name),
            Bundled::All => true,
        }
    }
}

impl Manifest {
    /// The archive's integrity text.
    pub fn integrity(&self) -> Option<String> {
        self.dist.integrity.clone().or_else(|| self.dist.shasum.as_deref().and_then(sha1_integrity))
    }

    /// Its commands under their names.
    pub fn commands(&self, package: &str) -> BTreeMap<String, String> {
        let short = package.rsplit('/').next().unwrap_or(package);
        self.bin
            .iter()
            .map(|(name, file)| (if name.is_empty() { short.to_string() } else { name.clone() }, file.trim_start_matches("./").to_string()))
            .collect()
    }

    /// Whether it runs on Linux with glibc on an architecture.
    pub fn fits(&self, arch: Arch) -> bool {
        let cpu = match arch {
            Arch::Amd64 => "x64",
            Arch::Arm64 => "arm64",
        };
        allows(&self.os, "linux") && allows(&self.cpu, cpu) && allows(&self.libc, "glibc")
    }
}

/// npm's rule for `os`, `cpu` and `libc`: `!x` excludes, anything else includes. Source: github.com/npm/npm-install-checks, lib/index.js.
fn allows(list: &[String], have: &str) -> bool {
    let excluded = list.iter().any(|item| item.strip_prefix('!') == Some(have));
    let mut wanted = list.iter().filter(|item| !item.starts_with('!')).peekable();
    !excluded && (wanted.peek().is_none() || wanted.any(|item| item == have || item == "any"))
}

impl Packument {
    /// The version that npm would choose for a dist-tag, an exact version or a range: `latest` when it fits, otherwise the highest that
    /// is not deprecated, otherwise the highest. An exact version is taken however young it is. Source: github.com/npm/npm-pick-manifest, lib/index.js.
    pub fn pick(&self, spec: &str) -> Option<&str> {
        let spec = spec.trim();
        let spec = if spec.is_empty() { "*" } else { spec };
        let exact = spec.trim_start_matches(['=', 'v']);
        if let Some((key, _)) = self.versions.get_key_value(exact).or_else(|| self.young.versions.get_key_value(exact)) {
            return Some(key);
        }
        if let Some(tagged) = self.dist_tags.get(spec) {
            return self.versions.get_key_value(tagged).map(|(key, _)| key.as_str());
        }
        let range = Range::parse(spec).ok()?;
        let latest = self.dist_tags.get("latest").and_then(|latest| self.versions.get_key_value(latest));
        if let Some((key, manifest)) = latest
            && !manifest.deprecated
            && Version::parse(key).is_ok_and(|version| spec == "*" || range.satisfies(&version))
        {
            return Some(key);
        }
        self.versions
            .iter()
            .filter_map(|(key, manifest)| {
                let version = Version::parse(key).ok()?;
                range.satisfies(&version).then_some((!manifest.deprecated, version, key))
            })
            .max_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)))
            .map(|(_, _, key)| key.as_str())
    }
}

impl Packument {
    /// Whether some version may be too young, and nothing here says which: then the whole document has to be asked.
    pub fn lacks_times(&self, cutoff: &Cutoff) -> bool {
        self.time.is_empty() && cutoff.limit().is_some_and(|limit| self.modified.is_none_or(|modified| modified > limit))
    }

    /// Takes out the versions that are too young. A name of one of them then means the highest older version below it, as with npm's
    /// option `before`. Source: github.com/npm/npm-pick-manifest, lib/index.js.
    pub fn sift(&mut self, cutoff: &Cutoff) {
        let time = &self.time;
        let (ripe, young) = std::mem::take(&mut self.versions).into_iter().partition(|(key, _)| cutoff.allows(time.get(key).copied()));
        (self.versions, self.young.versions, self.young.cutoff) = (ripe, young, *cutoff);
        for (tag, tagged) in self.dist_tags.clone() {
            if !self.young.versions.contains_key(&tagged) {
                continue;
            }
            match self.highest_below(&tagged) {
                Some(version) => self.dist_tags.insert(tag.clone(), version),
                None => self.dist_tags.remove(&tag),
            };
            self.young.dist_tags.insert(tag, tagged);
        }
    }

    fn highest_below(&self, limit: &str) -> Option<String> {
        let limit = Version::parse(limit).ok()?;
        let fits = |version: &Version| *version < limit && (limit.is_prerelease() || !version.is_prerelease());
        let all = self.versions.iter().filter_map(|(key, manifest)| Some((!manifest.deprecated, Version::parse(key).ok()?, key)));
        let best = all.filter(|(_, version, _)| fits(version)).max_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        best.map(|(_, _, key)| key.clone())
    }

    /// What is known of a version, however young it is.
    pub(super) fn manifest(&self, version: &str) -> Option<(&String, &Manifest)> {
        self.versions.get_key_value(version).or_else(|| self.young.versions.get_key_value(version))
    }

    /// The document with what is too young.
    pub(super) fn whole(&self) -> Packument {
        let mut whole = self.clone();
        whole.versions.extend(self.young.versions.clone());
        whole.dist_tags.extend(self.young.dist_tags.clone());
        whole
    }

    /// Why a version that would be picked is not: it is too young.
    pub(super) fn refusal(&self, spec: &str) -> Option<String> {
        if self.young.versions.is_empty() {
            return None;
        }
        let whole = self.whole();
        let version = whole.pick(spec)?;
        Some(self.young.cutoff.refusal(&self.name, version, *self.time.get(version)?))
    }
}

fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
    Ok(Value::deserialize(from)?.as_str().and_then(Time::parse))
}

fn times<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Time>, D::Error> {
    let mut times: BTreeMap<String, Time> =
        texts(from)?.into_iter().filter_map(|(version, text)| Some((version, Time::parse(&text)?))).collect();
    // These two are about the package.
    times.remove("created");
    times.remove("modified");
    Ok(times)
}

fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Object(map) => map.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_string()))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => BTreeMap::new(),
    })
}

fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => vec![text],
        Value::Array(items) => items.into_iter().filter_map(|item| Some(item.as_str()?.to_string())).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    })
}

fn commands<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => BTreeMap::from([(String::new(), text)]),
        Value::Object(map) => map.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_string()))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => BTreeMap::new(),
    })
}

fn bundled<'de, D: Deserializer<'de>>(from: D) -> Result<Bundled, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(true) => Bundled::All,
        Value::Array(items) => Bundled::Names(items.into_iter().filter_map(|item| Some(item.as_str()?.to_string())).collect()),
        Value::Object(map) => Bundled::Names(map.into_iter().map(|(key, _)| key).collect()),
        Value::Null | Value::Bool(false) | Value::Number(_) | Value::String(_) => Bundled::default(),
    })
}

fn deprecated<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(value) => value,
        Value::String(text) => !text.is_empty(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    })
}

fn optional_peers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Object(map) => {
            map.into_iter().filter(|(_, meta)| meta.get("optional").and_then(Value::as_bool) == Some(true)).map(|(key, _)| key).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Vec::new(),
    })
}

fn sha1_integrity(hex: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> =
        (0..hex.len()).step_by(2).map(|at| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect();
    Some(format!("sha1-{}", base64(&bytes.filter(|bytes| bytes.len() == 20)?)))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * index)) as usize & 63];
            out.push(if index <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}
