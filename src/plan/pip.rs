//! `requirements.txt` of a component, and for which platform pip has to choose: read from the locked wheels' own names.

use std::collections::{BTreeMap, BTreeSet};

use crate::lock::Artifact;
use crate::spec::Arch;

/// What pip is told for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipFiles {
    /// `requirements.txt`, every wheel by its hash.
    pub requirements: String,
    /// `--python-version`: `3.11`; `None` is that of the interpreter.
    pub python: Option<String>,
    /// `--platform`, one after the other; empty when all wheels are for any.
    pub platforms: Vec<String>,
    /// `--abi`, one after the other.
    pub abis: Vec<String>,
}

/// Writes the requirements of the wheels that fit an architecture; `None` when there are none.
pub fn pip_files(artifacts: &[Artifact], arch: Arch) -> Option<PipFiles> {
    let mut hashes: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let (mut platforms, mut abis, mut python) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for artifact in artifacts {
        let Artifact::Wheel { name, version, file, arch: wanted, sha256 } = artifact else { continue };
        if wanted.is_some_and(|wanted| wanted != arch) {
            continue;
        }
        hashes.entry((name, version)).or_default().insert(sha256);
        let Some(tags) = tags(file) else { continue };
        platforms.extend(tags.platforms.into_iter().filter(|tag| *tag != "any"));
        for abi in tags.abis {
            if abi != "none" {
                abis.insert(abi);
            }
            if abi.starts_with("cp") {
                python.extend(tags.pythons.iter().filter_map(|tag| version_of(tag)));
            }
        }
    }
    if hashes.is_empty() {
        return None;
    }
    let mut requirements = String::new();
    for ((name, version), hashes) in hashes {
        requirements.push_str(&format!("{name}=={version}"));
        for hash in hashes {
            requirements.push_str(&format!(" --hash=sha256:{hash}"));
        }
        requirements.push('\n');
    }
    let native = !platforms.is_empty();
    if native && !abis.is_empty() {
        abis.insert("none");
    }
    Some(PipFiles {
        requirements,
        python: python.into_iter().max().map(|(major, minor)| format!("{major}.{minor}")),
        platforms: platforms.into_iter().map(str::to_string).collect(),
        abis: abis.into_iter().filter(|_| native).map(str::to_string).collect(),
    })
}

/// The last three parts of a wheel's name, each a list separated by dots.
struct Tags<'a> {
    pythons: Vec<&'a str>,
    abis: Vec<&'a str>,
    platforms: Vec<&'a str>,
}

/// `name-version[-build]-python-abi-platform.whl` (PyPA's binary distribution format).
fn tags(file: &str) -> Option<Tags<'_>> {
    let mut parts = file.strip_suffix(".whl")?.rsplitn(4, '-');
    let (platforms, abis, pythons) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Tags { pythons: pythons.split('.').collect(), abis: abis.split('.').collect(), platforms: platforms.split('.').collect() })
}

/// `cp311` is Python 3.11.
fn version_of(tag: &str) -> Option<(u32, u32)> {
    let digits = tag.strip_prefix("cp")?;
    let (major, minor) = digits.split_at_checked(1)?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
