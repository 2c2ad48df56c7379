//! A `Packages` index of a Debian archive, read as it comes: it has tens of megabytes and is never held whole.
//! Source: wiki.debian.org/DebianRepository/Format; order of versions: deb-version(7).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// A longer line than this is only kept to its beginning: names and versions are at its beginning.
const LINE: usize = 4096;

/// Collects the versions of some packages from an index that comes in pieces.
#[derive(Clone, Debug)]
pub struct Index {
    wanted: BTreeMap<String, Option<String>>,
    line: Vec<u8>,
    name: String,
    version: String,
    provides: BTreeMap<String, BTreeSet<String>>,
    found: BTreeMap<String, String>,
}

impl Index {
    /// Looks for packages: `name`, or `name=version` for just that version.
    pub fn new<'a>(wanted: impl IntoIterator<Item = &'a str>) -> Index {
        let wanted = wanted
            .into_iter()
            .map(|text| match text.split_once('=') {
                Some((name, version)) => (name.to_string(), Some(version.to_string())),
                None => (text.to_string(), None),
            })
            .collect();
        Index { wanted, line: Vec::new(), name: String::new(), version: String::new(), provides: BTreeMap::new(), found: BTreeMap::new() }
    }

    /// Reads the next piece.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            self.finish_line();
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.line.len()).min(bytes.len());
        self.line.extend_from_slice(&bytes[..room]);
    }

    fn finish_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.finish_entry();
        }
        if let Some(name) = line.strip_prefix(b"Package: ") {
            self.name = String::from_utf8_lossy(name).trim().to_string();
        } else if let Some(version) = line.strip_prefix(b"Version: ") {
            self.version = String::from_utf8_lossy(version).trim().to_string();
        } else if let Some(names) = line.strip_prefix(b"Provides: ") {
            for provided in String::from_utf8_lossy(names).split(',') {
                let provided = provided.split_whitespace().next().unwrap_or("");
                if self.wanted.contains_key(provided) {
                    self.provides.entry(provided.to_string()).or_default().insert(self.name.clone());
                }
            }
        }
    }

    fn finish_entry(&mut self) {
        let (name, version) = (std::mem::take(&mut self.name), std::mem::take(&mut self.version));
        let fits = self.wanted.get(&name).is_some_and(|only| only.as_ref().is_none_or(|only| *only == version));
        if fits && self.found.get(&name).is_none_or(|other| compare(other, &version) == Ordering::Less) {
            self.found.insert(name, version);
        }
    }

    /// The newest version of each package that was found, and for those that were not which others provide them.
    pub fn finish(mut self) -> (BTreeMap<String, String>, BTreeMap<String, BTreeSet<String>>) {
        if !self.line.is_empty() {
            self.finish_line();
        }
        self.finish_entry();
        self.provides.retain(|name, _| !self.found.contains_key(name));
        (self.found, self.provides)
    }
}

/// The order of Debian's versions: epoch, upstream version, revision.
pub fn compare(a: &str, b: &str) -> Ordering {
    fn split(text: &str) -> (u64, &str, &str) {
        let (epoch, rest) = text.split_once(':').map_or((0, text), |(epoch, rest)| (epoch.parse().unwrap_or(0), rest));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream, revision)
    }
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0).then_with(|| part(a.1, b.1)).then_with(|| part(a.2, b.2))
}

fn part(a: &str, b: &str) -> Ordering {
    // `~` is before everything, even the end; letters before other signs.
    fn weight(byte: Option<&u8>) -> i32 {
        match byte {
            Some(b'~') => -1,
            None => 0,
            Some(byte) if byte.is_ascii_digit() => 0,
            Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
            Some(byte) => i32::from(*byte) + 256,
        }
    }
    fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
        let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        *text = rest;
        let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
        &digits[zeros..]
    }
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        while a.first().is_some_and(|byte| !byte.is_ascii_digit()) || b.first().is_some_and(|byte| !byte.is_ascii_digit()) {
            let order = weight(a.first()).cmp(&weight(b.first()));
            if order != Ordering::Equal {
                return order;
            }
            a = a.get(1..).unwrap_or(&[]);
            b = b.get(1..).unwrap_or(&[]);
        }
        let (left, right) = (number(&mut a), number(&mut b));
        let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Whether a package's version is of the upstream version asked for: `22` is the beginning of `22.1.0-1`, but not of `220`.
pub fn upstream_fits(version: &str, asked: &str) -> bool {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    version == asked || upstream.strip_prefix(asked).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// The version without its epoch and revision, as the program itself would say it: `2.39.5` of `1:2.39.5-0+deb12u3`.
pub fn upstream(version: &str) -> &str {
    let rest = version.split_once(':').map_or(version, |(_, rest)| rest);
    let rest = rest.rsplit_once('-').map_or(rest, |(upstream, _)| upstream);
    rest.split(['+', '~']).next().unwrap_or(rest)
}
