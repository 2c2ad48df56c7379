//! A project's page of an index of Python projects: which files there are. Sources: PEP 503 (HTML), 691 and 700 (JSON), 592 (withdrawn
//! files), 658 and 714 (`METADATA` beside a wheel), 625 (names of sdists).

use std::collections::BTreeMap;
use std::str::FromStr;

use pep440_rs::Version;
use serde::Deserialize;

use super::time::Time;

/// Which of the two forms of a page are understood, the better one first.
pub const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.1";

/// A project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// Files by version, in its normalized form.
    pub releases: BTreeMap<String, Vec<File>>,
}

/// A file of a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Its name.
    pub filename: String,
    /// Its address, perhaps relative to the page's.
    pub url: String,
    /// Its checksum.
    pub sha256: Option<String>,
    /// Which Python it needs.
    pub requires_python: Option<String>,
    /// Whether it was withdrawn.
    pub yanked: bool,
    /// Where its `METADATA` is.
    pub metadata: Metadata,
    /// When it was uploaded; pages of HTML do not say it.
    pub uploaded: Option<Time>,
}

/// Where the `METADATA` of a wheel is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metadata {
    /// Only inside.
    Inside,
    /// At the wheel's address with `.metadata` behind, with this SHA-256 when it is known.
    Beside(Option<String>),
}

#[derive(Deserialize)]
struct Page {
    files: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Listed {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    requires_python: Option<String>,
    yanked: Option<Flag>,
    core_metadata: Option<Mark>,
    dist_info_metadata: Option<Mark>,
    upload_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Is(bool),
    Because(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Mark {
    Is(bool),
    Hashes(BTreeMap<String, String>),
}

impl Project {
    /// Reads a page of either form; the error is why it is none.
    pub fn parse(page: &[u8]) -> Result<Project, String> {
        if page.trim_ascii_start().starts_with(b"{") {
            let page: Page = serde_json::from_slice(page).map_err(|error| error.to_string())?;
            return Ok(Project::of_files(page.files.into_iter().map(Listed::file)));
        }
        let text = std::str::from_utf8(page).map_err(|_| "it is not text".to_string())?;
        Ok(Project::of_files(anchors(text)))
    }

    fn of_files(files: impl IntoIterator<Item = File>) -> Project {
        let mut releases: BTreeMap<String, Vec<File>> = BTreeMap::new();
        for file in files {
            if let Some(version) = version(&file.filename) {
                releases.entry(version.to_string()).or_default().push(file);
            }
        }
        Project { releases }
    }
}

impl Listed {
    fn file(self) -> File {
        let yanked = self.yanked.is_some_and(|flag| match flag {
            Flag::Is(yanked) => yanked,
            Flag::Because(_) => true,
        });
        let metadata = match self.core_metadata.or(self.dist_info_metadata) {
            None | Some(Mark::Is(false)) => Metadata::Inside,
            Some(Mark::Is(true)) => Metadata::Beside(None),
            Some(Mark::Hashes(hashes)) => Metadata::Beside(hashes.get("sha256").map(|hash| hash.to_lowercase())),
        };
        let sha256 = self.hashes.get("sha256").map(|hash| hash.to_lowercase());
        let uploaded = self.upload_time.as_deref().and_then(Time::parse);
        File { filename: self.filename, url: self.url, sha256, requires_python: self.requires_python, yanked, metadata, uploaded }
    }
}

/// The version in a file's name; `None` for what is neither a wheel nor an sdist.
fn version(filename: &str) -> Option<Version> {
    let text = match filename.strip_suffix(".whl") {
        Some(stem) => stem.split('-').nth(1)?.replace('_', "+"),
        None => {
            let stem = [".tar.gz", ".zip", ".tar.bz2"].into_iter().find_map(|ending| filename.strip_suffix(ending))?;
            stem.rsplit_once('-')?.1.to_string()
        }
    };
    Version::from_str(&text).ok()
}

/// The files that a page of HTML links to.
fn anchors(text: &str) -> Vec<File> {
    let mut files = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("<a ") {
        let (attributes, after) = attributes(after);
        rest = after;
        let (Some(href), Some((name, _))) = (attributes.get("href"), after.split_once("</a>")) else { continue };
        let (url, hash) = href.split_once('#').unwrap_or((href, ""));
        let sha256 = |text: &str| text.strip_prefix("sha256=").map(str::to_lowercase);
        let mark = attributes.get("data-core-metadata").or(attributes.get("data-dist-info-metadata"));
        files.push(File {
            filename: plain(name.trim()),
            url: url.to_string(),
            sha256: sha256(hash),
            requires_python: attributes.get("data-requires-python").cloned(),
            yanked: attributes.contains_key("data-yanked"),
            metadata: mark.filter(|mark| *mark != "false").map_or(Metadata::Inside, |mark| Metadata::Beside(sha256(mark))),
            uploaded: None,
        });
    }
    files
}

/// The attributes of an element, and what follows it.
fn attributes(mut rest: &str) -> (BTreeMap<String, String>, &str) {
    let mut found = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return (found, after);
        }
        let end = rest.find(|c: char| c == '=' || c == '>' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if after.is_empty() {
            return (found, after);
        }
        rest = after.trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quoted = ['"', '\''].into_iter().find_map(|quote| after.strip_prefix(quote)?.split_once(quote));
            (value, rest) =
                quoted.unwrap_or_else(|| after.split_at(after.find(|c: char| c == '>' || c.is_whitespace()).unwrap_or(after.len())));
        }
        found.insert(name.to_lowercase(), plain(value));
    }
}

/// Text without character references.
fn plain(text: &str) -> String {
    let known = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&#43;", "+")];
    known.into_iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to)).replace("&amp;", "&")
}

/// What a `METADATA` says that its version needs; `None` when it is not one. Source: the core metadata specification of Python.
pub fn requirements(metadata: &str) -> Option<Vec<String>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in metadata.trim_start_matches('\u{feff}').lines().take_while(|line| !line.trim().is_empty()) {
        match (line.strip_prefix([' ', '\t']), fields.last_mut()) {
            (Some(more), Some((_, value))) => value.extend([" ", more.trim()]),
            (_, _) => {
                let (name, value) = line.split_once(':')?;
                fields.push((name.trim().to_ascii_lowercase(), value.trim().to_string()));
            }
        }
    }
    fields.iter().find(|(name, _)| name == "metadata-version")?;
    Some(fields.into_iter().filter(|(name, _)| name == "requires-dist").map(|(_, value)| value).collect())
}
