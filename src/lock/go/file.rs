//! `go.mod`. Source: go.dev/ref/mod, "go.mod files".

use super::tag::compare;
use super::{Module, is_path, is_tag};

/// What of a `go.mod` decides about builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoMod {
    /// The version of the language: `1.21`, `1.23.0`.
    pub go: Option<String>,
    /// What it needs, as written.
    pub requires: Vec<Module>,
    /// Whether other modules are put into the place of some.
    pub replaces: bool,
    /// Whether versions are left out.
    pub excludes: bool,
    /// Versions that were taken back: from the first to the second.
    pub retracted: Vec<(String, String)>,
    /// The `h1:` hash of the file.
    pub sum: String,
}

impl GoMod {
    /// Reads a file. As Go reads those of other modules: a directive that is not known is passed over. What cannot be read of one that is
    /// known is the error, in words.
    pub fn parse(text: &str) -> Result<GoMod, String> {
        let mut found = GoMod { sum: crate::digest::go::of_file(text.as_bytes()), ..GoMod::default() };
        let mut block: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let mut words = words(line).ok_or_else(|| format!("line {} has a text without an end", index + 1))?;
            let broken = || format!("line {} is not understood", index + 1);
            match (&block, words.first().map(String::as_str)) {
                (_, None) => continue,
                (Some(_), Some(")")) => {
                    block = None;
                    continue;
                }
                (Some(verb), Some(_)) => words.insert(0, verb.clone()),
                (None, Some(_)) if words.get(1).is_some_and(|word| word == "(") => {
                    block = words.into_iter().next();
                    continue;
                }
                (None, Some(_)) => {}
            }
            let arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
            match (words[0].as_str(), arguments.as_slice()) {
                ("go", [version]) => found.go = Some((*version).to_string()),
                ("require", [path, version]) if is_path(path) && is_tag(version) => found.requires.push(Module::new(path, version)),
                ("require" | "go", _) => return Err(broken()),
                ("replace", _) => found.replaces = true,
                ("exclude", _) => found.excludes = true,
                ("retract", [version]) => found.retracted.push(((*version).to_string(), (*version).to_string())),
                ("retract", ["[", low, ",", high, "]"]) => found.retracted.push(((*low).to_string(), (*high).to_string())),
                ("retract", _) => return Err(broken()),
                // `module`, `toolchain`, `godebug`, `tool`, and what is not known yet.
                (_, _) => {}
            }
        }
        Ok(found)
    }

    /// Whether a version was taken back.
    pub fn retracts(&self, version: &str) -> bool {
        self.retracted.iter().any(|(low, high)| compare(low, version).is_le() && compare(version, high).is_le())
    }

    /// Whether it lists everything that its packages need, so that what those need themselves need not be looked at: since Go 1.17. Source:
    /// go.dev/ref/mod, "Module graph pruning".
    pub(super) fn is_complete(&self) -> bool {
        let mut numbers =
            self.go.as_deref().unwrap_or("1.16").split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u64>().ok());
        let version = (numbers.next().flatten().unwrap_or(0), numbers.next().flatten().unwrap_or(0));
        version >= (1, 17)
    }
}

/// The words of a line: up to a comment, with quotation marks taken off; `(`, `)`, `[`, `]` and `,` are words of their own. `None` when a
/// quotation mark has no end. Source: go.dev/ref/mod, "Lexical elements".
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            break;
        }
        let end = match first {
            '"' | '`' => {
                let end = rest[1..].find(first)? + 1;
                words.push(rest[1..end].to_string());
                end + 1
            }
            '(' | ')' | '[' | ']' | ',' => {
                words.push(first.to_string());
                1
            }
            _ => {
                let stop = |c: char| c.is_whitespace() || "()[],\"`".contains(c);
                let end = rest.find(stop).unwrap_or(rest.len());
                let end = rest[..end].find("//").unwrap_or(end);
                words.push(rest[..end].to_string());
                end
            }
        };
        rest = rest[end..].trim_start();
    }
    Some(words)
}
