//! What is in a crate's archive: for which Rust it is, and the crates of its `Cargo.lock`. Source: Cargo's `encode.rs`, where the formats of
//! that file are described.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::rust::Rust;
use super::{Locked, is_name, is_version};

/// What is in a crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The oldest Rust that can compile it, by its own word, its edition and the format of its `Cargo.lock`.
    pub rust: Option<Rust>,
    /// The crates of its `Cargo.lock` but itself; why there are none, as what follows the crate's name in a sentence.
    pub(super) crates: Result<Vec<Locked>, String>,
}

impl Packed {
    /// From a crate's name and version and the texts of its `Cargo.toml` and `Cargo.lock`; why not, when they cannot be read.
    pub fn read(name: &str, version: &str, manifest: &str, lock: Option<&str>) -> Result<Packed, String> {
        let table = |text: &str, file: &str| text.parse::<Table>().map_err(|_| format!("its {file} is not understood"));
        let manifest = table(manifest, "Cargo.toml")?;
        let lock = lock.map(|text| table(text, "Cargo.lock")).transpose()?;
        let package = |key: &str| manifest.get("package").and_then(|package| package.get(key)).and_then(Value::as_str);
        let format = lock.as_ref().and_then(|lock| lock.get("version")).and_then(Value::as_integer);
        let asked =
            [package("rust-version").and_then(Rust::parse), package("edition").and_then(Rust::of_edition), format.and_then(Rust::of_lock)];
        let none = "has no Cargo.lock inside, so what it is made of cannot be locked to the byte: ask its author to package one, or use another source";
        let crates = lock.map_or_else(|| Err(none.to_string()), |lock| locked(&lock, name, version));
        Ok(Packed { rust: asked.into_iter().flatten().max(), crates })
    }
}

/// The crates of a `Cargo.lock` but the one that it is of.
fn locked(lock: &Table, name: &str, version: &str) -> Result<Vec<Locked>, String> {
    let sums = old_sums(lock);
    let (mut found, mut registry) = (Vec::new(), None);
    for entry in lock.get("package").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let (Some(other), Some(of)) = (text("name").filter(|name| is_name(name)), text("version").filter(|text| is_version(text))) else {
            return Err("has a Cargo.lock with a package that has no name or version".to_string());
        };
        let Some(source) = text("source") else {
            if (other, of) == (name, version) {
                continue;
            }
            return Err(format!("is locked with {other} {of}, which comes from no registry"));
        };
        if !source.starts_with("registry+") && !source.starts_with("sparse+") {
            let kind = source.split('+').next().unwrap_or(source);
            return Err(format!("is locked with {other} {of} from `{kind}`, and only crates of the registry can be locked to the byte"));
        }
        if *registry.get_or_insert(source) != source {
            return Err(format!("is locked with {other} {of}, which comes from another registry than the others"));
        }
        let sum = text("checksum").or_else(|| sums.get(&(other, of)).copied()).map(str::to_lowercase);
        match sum.filter(|sum| sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(sum) => found.push((other.to_string(), of.to_string(), sum)),
            None => return Err(format!("is locked with {other} {of} without a checksum")),
        }
    }
    Ok(found)
}

/// The checksums of the first format: `"checksum NAME VERSION (SOURCE)" = "…"` in a table of its own.
fn old_sums(lock: &Table) -> BTreeMap<(&str, &str), &str> {
    let metadata = lock.get("metadata").and_then(Value::as_table).into_iter().flatten();
    metadata
        .filter_map(|(key, value)| {
            let mut words = key.strip_prefix("checksum ")?.split(' ');
            Some(((words.next()?, words.next()?), value.as_str()?))
        })
        .collect()
}
