//! Checksums, in the forms in which they are published.

use serde_json::Value;

/// A published checksum of a file, in hexadecimal and small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sum {
    /// SHA-256.
    Sha256(String),
    /// SHA-512, where nothing else is published.
    Sha512(String),
}

/// The checksum of the file at a URL: from lines of a hash and a name, `SHA256 (name) = hash` among them; from a text that is just one hash;
/// from the object of a JSON document that names the file. A file is named by its URL, its name, or its name without ending, in this order;
/// names may carry folders before them. `None` when the text has none, or more than one that could be meant.
pub fn find(text: &str, url: &str) -> Option<Sum> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = path.rsplit('/').next().unwrap_or(path);
    if text.trim_start().starts_with(['{', '[']) {
        let root: Value = serde_json::from_str(text).ok()?;
        let by = |named: &dyn Fn(&str) -> bool| {
            let mut found = Vec::new();
            objects(&root, named, &mut found);
            found.dedup();
            found
        };
        let by_url = by(&|text| text == url);
        let found = if by_url.is_empty() { by(&|text| text == name) } else { by_url };
        return match found.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
    }
    let stem = [".tar.gz", ".tar.xz", ".tar.bz2", ".tgz", ".txz", ".zip", ".gz"].iter().find_map(|ending| name.strip_suffix(ending));
    let only = text.trim();
    by_lines(text, &|word| word == url || word == name || word.rsplit(['/', '\\']).next() == Some(name))
        .or_else(|| stem.and_then(|stem| by_lines(text, &|word| word == stem)))
        .or_else(|| sum(only))
}

/// The checksum on the first line that names the file: a hash and a name, or any words of which one is the name; the strongest hash of it.
fn by_lines(text: &str, named: &dyn Fn(&str) -> bool) -> Option<Sum> {
    text.lines().find_map(|line| {
        let line = line.trim();
        if let Some((hash, file)) = entry(line)
            && let (Some(hash), true) = (sum(hash), named(file.trim_start_matches('*').trim_start_matches("./")))
        {
            return Some(hash);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.iter().any(|word| named(word)) { strongest(words.iter().filter_map(|word| sum(word))) } else { None }
    })
}

fn entry(line: &str) -> Option<(&str, &str)> {
    let tagged = ["SHA256 (", "SHA2-256 (", "SHA512 ("].iter().find_map(|start| line.strip_prefix(start));
    if let Some(rest) = tagged {
        let (file, hash) = rest.rsplit_once(')')?;
        return Some((hash.trim_start().strip_prefix('=')?.trim(), file));
    }
    let (hash, file) = line.split_once(char::is_whitespace)?;
    Some((hash, file.trim()))
}

/// The checksums of the objects that name the file: each has just one SHA-256 or, without any, one SHA-512.
fn objects(value: &Value, named: &dyn Fn(&str) -> bool, found: &mut Vec<Sum>) {
    match value {
        Value::Object(members) => {
            let texts = || members.values().filter_map(Value::as_str);
            if texts().any(named) {
                let sums: Vec<Sum> = texts().filter_map(sum).collect();
                let short: Vec<&Sum> = sums.iter().filter(|sum| matches!(sum, Sum::Sha256(_))).collect();
                match (short.as_slice(), sums.as_slice()) {
                    ([only], _) => found.push((*only).clone()),
                    ([], [only]) => found.push(only.clone()),
                    _ => {}
                }
            }
            members.values().for_each(|member| objects(member, named, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| objects(element, named, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A SHA-256 where there is one: that is what the lock keeps.
fn strongest(sums: impl Iterator<Item = Sum>) -> Option<Sum> {
    let sums: Vec<Sum> = sums.collect();
    sums.iter().find(|sum| matches!(sum, Sum::Sha256(_))).or(sums.first()).cloned()
}

/// A checksum: `sha256:…`, `sha512:…`, or just its digits.
fn sum(text: &str) -> Option<Sum> {
    let hash = text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha512:")).unwrap_or(text).to_lowercase();
    if !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match hash.len() {
        64 => Some(Sum::Sha256(hash)),
        128 => Some(Sum::Sha512(hash)),
        _ => None,
    }
}
