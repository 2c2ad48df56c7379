//! Checksums of modules: `h1:`, the hash of the list of a module's files with the hash of each. Source: go.dev/ref/mod, "go.sum files", and
//! golang.org/x/mod/sumdb/dirhash, `Hash1`.

use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;

use super::{Sha256, hex, sha256_hex};

/// What a module's archive may hold, unpacked, in bytes. Source: go.dev/ref/mod, "File path and size constraints".
const LARGEST: u64 = 500 << 20;

/// The hash of some files by path, each with its SHA-256 in hexadecimal.
fn of_files(files: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::default();
    for (path, digest) in files {
        hash.update(format!("{digest}  {path}\n").as_bytes());
    }
    written(&hash.finish())
}

/// A hash as Go writes it, from hexadecimal.
pub fn written(digits: &str) -> String {
    let byte = |at: usize| digits.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).unwrap_or_default();
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    format!("h1:{}", STANDARD.encode(bytes))
}

/// The hash of a `go.mod`.
pub fn of_file(bytes: &[u8]) -> String {
    of_digest(sha256_hex(bytes))
}

/// The hash of a `go.mod` with a SHA-256.
pub(super) fn of_digest(digest: String) -> String {
    of_files(&BTreeMap::from([("go.mod".to_string(), digest)]))
}

/// The hash of a module's archive; why not, when it is none.
pub fn of_zip(bytes: &[u8]) -> Result<String, &'static str> {
    let mut files = BTreeMap::new();
    let mut left = LARGEST;
    for entry in entries(bytes)? {
        let head = part(bytes, entry.at, 30)?;
        if !head.starts_with(b"PK\x03\x04") {
            return Err("a file of it is not where it says");
        }
        let skip = 30 + number(head, 26, 2)? + number(head, 28, 2)?;
        let packed = part(bytes, entry.at.checked_add(skip).ok_or(CUT)?, entry.packed)?;
        let mut hash = Sha256::default();
        let size = match entry.method {
            0 => pour(packed, &mut hash, left)?,
            8 => pour(DeflateDecoder::new(packed), &mut hash, left)?,
            _ => return Err("a file of it is packed in a way that is not understood"),
        };
        if size != entry.size {
            return Err("a file of it is damaged");
        }
        left -= size;
        if files.insert(entry.path, hash.finish()).is_some() {
            return Err("a file is in it twice");
        }
    }
    Ok(of_files(&files))
}

const CUT: &str = "it is cut off";

/// A file in the list of a zip. Source: APPNOTE.TXT 6.3.10 of PKWARE, 4.3.
struct Entry {
    path: String,
    method: u64,
    packed: u64,
    size: u64,
    at: u64,
}

fn entries(bytes: &[u8]) -> Result<Vec<Entry>, &'static str> {
    let from = bytes.len().saturating_sub(22 + 0xffff);
    let end = (from..bytes.len())
        .rev()
        .filter_map(|at| bytes.get(at..))
        .find(|end| end.starts_with(b"PK\x05\x06") && number(end, 20, 2).is_ok_and(|comment| end.len() as u64 == 22 + comment))
        .ok_or("it is not a zip")?;
    let mut list = part(bytes, number(end, 16, 4)?, number(end, 12, 4)?)?;
    let mut found = Vec::new();
    while list.starts_with(b"PK\x01\x02") {
        let (name, extra, comment) = (number(list, 28, 2)?, number(list, 30, 2)?, number(list, 32, 2)?);
        let path = std::str::from_utf8(part(list, 46, name)?).map_err(|_| "the name of a file in it is not text")?;
        found.push(Entry {
            path: path.to_string(),
            method: number(list, 10, 2)?,
            packed: number(list, 20, 4)?,
            size: number(list, 24, 4)?,
            at: number(list, 42, 4)?,
        });
        let next = usize::try_from(46 + name + extra + comment).map_err(|_| CUT)?;
        list = list.get(next..).ok_or(CUT)?;
    }
    if list.is_empty() { Ok(found) } else { Err("its list of files is not understood") }
}

fn number(bytes: &[u8], at: usize, len: usize) -> Result<u64, &'static str> {
    let bytes = bytes.get(at..at + len).ok_or(CUT)?;
    Ok(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn part(bytes: &[u8], at: u64, len: u64) -> Result<&[u8], &'static str> {
    let (at, len) = (usize::try_from(at).map_err(|_| CUT)?, usize::try_from(len).map_err(|_| CUT)?);
    bytes.get(at..at.checked_add(len).ok_or(CUT)?).ok_or(CUT)
}

/// Hashes what a reader gives. Returns its size, which is at most `limit`.
fn pour(mut reader: impl Read, hash: &mut Sha256, limit: u64) -> Result<u64, &'static str> {
    let (mut size, mut block) = (0, [0; 16 << 10]);
    loop {
        let read = reader.read(&mut block).map_err(|_| "a file of it is damaged")?;
        if read == 0 {
            return Ok(size);
        }
        size += read as u64;
        if size > limit {
            return Err("its files are larger than those of a module may be");
        }
        hash.update(&block[..read]);
    }
}

/// Whether a text is an `h1:` hash.
pub fn is_sum(text: &str) -> bool {
    text.strip_prefix("h1:").is_some_and(|hash| STANDARD.decode(hash).is_ok_and(|bytes| bytes.len() == 32))
}

/// An `h1:` hash in hexadecimal.
pub fn digits(sum: &str) -> Option<String> {
    let bytes = STANDARD.decode(sum.strip_prefix("h1:")?).ok()?;
    (bytes.len() == 32).then(|| hex(&bytes))
}
