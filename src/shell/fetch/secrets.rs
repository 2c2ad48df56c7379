//! What a build gets besides its context, as BuildKit secrets: in no layer, no cache key and no identity. It is what the host's own clients are
//! configured with, so that a build reaches what `silo lock` reached.

use std::collections::BTreeMap;
use std::path::PathBuf;

use silo::spec::Registry;

use super::cargo::CratesIndex;
use super::client::shown;
use super::endpoint::{Expansion, Surroundings, npmrc};
use super::login::netrc;

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// What it is.
    pub bytes: Vec<u8>,
    /// The file of the host that it is, byte for byte; `None` when silo made it.
    pub file: Option<PathBuf>,
}

/// Whether a build gets the caller's logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It does.
    Nothing,
    /// It does not: a script that the caller does not trust would see them.
    Logins,
}

/// All secrets by identifier. `bundle` is the host's file of certificate authorities, `archives` says where packages of distributions
/// are had, a line for each, `crates` where the registry of crates is, if any are compiled.
pub fn secrets(
    surroundings: &Surroundings,
    bundle: Option<PathBuf>,
    archives: &[String],
    crates: Option<&CratesIndex>,
    keep: Keep,
) -> BTreeMap<String, Secret> {
    let file = |path: PathBuf| Some(Secret { bytes: std::fs::read(&path).ok()?, file: Some(path) });
    let made = |text: String| (!text.is_empty()).then(|| Secret { bytes: text.into_bytes(), file: None });
    let logins = keep == Keep::Nothing;
    [
        ("ca", bundle.and_then(file)),
        ("npmrc", made(npm(surroundings, keep))),
        ("pip", pip(surroundings, keep)),
        ("go", made(go(surroundings, keep))),
        ("crates", crates.and_then(|index| made(registry(index, keep)))),
        ("netrc", netrc(surroundings).filter(|_| logins).and_then(file)),
        ("apt", made(archives.concat())),
        ("mirrors", made(surroundings.mirrors.lines())),
    ]
    .into_iter()
    .filter_map(|(id, secret)| Some((id.to_string(), secret?)))
    .collect()
}

/// An `.npmrc` with what the user's and the project's say: where the same is said twice, npm takes the last.
fn npm(surroundings: &Surroundings, keep: Keep) -> String {
    let mut settings = Vec::new();
    if keep == Keep::Nothing {
        let user = surroundings.user_npmrc().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        settings.extend(npmrc(&user, Expansion::Host, surroundings));
    }
    if let Some((text, expansion)) = &surroundings.npmrc {
        // Of a project only where its packages are and as whom: with more it could have the user's logins sent where it likes.
        let counts = |key: &str| key == "registry" || key.starts_with("//") || key.starts_with('@') && key.ends_with(":registry");
        settings.extend(npmrc(text, *expansion, surroundings).into_iter().filter(|(key, _)| counts(key)));
    }
    if let Some(registry) = surroundings.npm_registry() {
        settings.push(("registry".to_string(), registry.to_string()));
    }
    settings.into_iter().filter_map(line).collect()
}

/// A line of an `.npmrc`. A file of authorities is written into it, since a build has no other file of the host's. Source: npm's documentation,
/// "config", ca and cafile.
fn line((key, value): (String, String)) -> Option<String> {
    let (key, value) = match key.as_str() {
        "cafile" => ("ca[]".to_string(), std::fs::read_to_string(value).ok()?),
        _ => (key, value),
    };
    // In quotation marks nothing of it is a comment.
    Some(format!("{key}={}\n", serde_json::Value::String(value)))
}

/// pip's file: the caller's, with the index that silo asks. Where that comes from a file itself, the file is handed on as it is.
fn pip(surroundings: &Surroundings, keep: Keep) -> Option<Secret> {
    let found = surroundings.pip_files().into_iter().find_map(|file| Some((std::fs::read_to_string(&file).ok()?, file)));
    let found = found.filter(|_| keep == Keep::Nothing);
    let named = match keep {
        Keep::Nothing => surroundings.pip_index(),
        Keep::Logins => surroundings.mirrors.registry(Registry::Pypi),
    };
    match (named, found) {
        (Some(index), found) => {
            let text = with_index(&found.map(|(text, _)| text).unwrap_or_default(), index);
            Some(Secret { bytes: text.into_bytes(), file: None })
        }
        (None, Some((text, file))) => Some(Secret { bytes: text.into_bytes(), file: Some(file) }),
        (None, None) => None,
    }
}

/// Go's settings: where it fetches modules from. They are checked by the lock, wherever that is.
fn go(surroundings: &Surroundings, keep: Keep) -> String {
    let proxy = match keep {
        Keep::Nothing => surroundings.go_proxy().and_then(Result::ok),
        Keep::Logins => surroundings.mirrors.registry(Registry::Go).map(str::to_string),
    };
    proxy.map(|proxy| format!("GOPROXY={proxy}\n")).unwrap_or_default()
}

/// Where crates are and as whom they are asked for, as `images/build/cargo.sh` reads it.
fn registry(index: &CratesIndex, keep: Keep) -> String {
    let CratesIndex { url, token } = index;
    match (keep, token) {
        (Keep::Nothing, Some(token)) => format!("index\t{url}\ntoken\t{token}\n"),
        (Keep::Nothing, None) => format!("index\t{url}\n"),
        (Keep::Logins, _) => format!("index\t{}\n", shown(url)),
    }
}

/// The text of a pip.conf with another index: what its sections say of that is left out. Source: pip's documentation, "Configuration".
fn with_index(text: &str, index: &str) -> String {
    let names_index = |line: &&str| {
        let key = line.split(['=', ':']).next().unwrap_or_default().trim();
        matches!(key, "index-url" | "index_url") && line.contains(['=', ':'])
    };
    let kept: Vec<&str> = text.lines().filter(|line| !names_index(line)).collect();
    let said = format!("index-url = {index}");
    let mut lines: Vec<&str> = kept.clone();
    match kept.iter().position(|line| line.trim() == "[global]") {
        Some(at) => lines.insert(at + 1, &said),
        None => lines.splice(0..0, ["[global]", &said]).for_each(drop),
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
