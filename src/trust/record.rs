//! What is kept of a closure that the user trusts: enough to know it again, and to show what changed when it is another.

use serde::{Deserialize, Serialize};

use super::{Closure, Digest};
use crate::digest::sha256_hex;

/// The version of the record's layout.
const VERSION: u32 = 1;
/// The longest text that is kept of one file, in bytes.
const KEPT: usize = 64 * 1024;
/// The longest texts that are kept of all files of a closure, in bytes.
const KEPT_OF_ALL: usize = 512 * 1024;

/// A closure that was shown and trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    version: u32,
    /// The project's folder, links resolved.
    pub path: String,
    /// The closure's digest, `sha256:…`.
    pub digest: String,
    /// The texts of all requests that were shown.
    pub requests: Vec<String>,
    /// The files, by path.
    pub files: Vec<RecordedFile>,
}

/// A file of a closure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedFile {
    /// Its path, relative to the repository's root.
    pub path: String,
    /// What it is there for.
    pub role: String,
    /// The SHA-256 of its contents, in hexadecimal.
    pub sha256: String,
    /// The contents; `None` when they are long or no text.
    pub text: Option<String>,
}

impl Record {
    /// Of a closure in a folder, and of what it asks for.
    pub fn new(path: String, closure: &Closure, requests: Vec<String>) -> Record {
        let mut kept = 0;
        let files = closure
            .files()
            .iter()
            .map(|file| {
                let text = std::str::from_utf8(&file.bytes).ok().filter(|text| text.len() <= KEPT && kept + text.len() <= KEPT_OF_ALL);
                kept += text.map_or(0, str::len);
                RecordedFile {
                    path: file.path.clone(),
                    role: file.role.as_str().to_string(),
                    sha256: sha256_hex(&file.bytes),
                    text: text.map(str::to_string),
                }
            })
            .collect();
        Record { version: VERSION, path, digest: closure.digest().to_string(), requests, files }
    }

    /// As it is stored.
    pub fn print(&self) -> String {
        // Numbers and texts alone: this cannot fail.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// Reads what [`Record::print`] wrote; `None` when it is anything else.
    pub fn parse(text: &str) -> Option<Record> {
        let record: Record = serde_json::from_str(text).ok()?;
        (record.version == VERSION && Digest::parse(&record.digest).is_some()).then_some(record)
    }

    /// Whether it is about this content, in this folder.
    pub fn covers(&self, path: &str, digest: &Digest) -> bool {
        self.path == path && self.digest == digest.to_string()
    }
}
