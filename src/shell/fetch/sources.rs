//! The archives that this machine's apt knows, with what it is told about each. Source: sources.list(5).

use std::path::PathBuf;

use silo::spec::Registry;

use super::endpoint::Surroundings;

/// An archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its address, without a slash at the end.
    pub uri: String,
    /// Whether its release files are believed without a signature: `trusted=yes`.
    pub trusted: bool,
    /// Whether the end of a release file's validity counts; not with `check-valid-until=no`.
    pub dated: bool,
    /// The only keys that may sign its release files; none means those that this machine has for the distribution.
    pub signed_by: Vec<PathBuf>,
    /// The suites that are taken from it.
    suites: Vec<String>,
}

impl Source {
    fn new(uri: &str) -> Source {
        let uri = uri.trim_end_matches('/').to_string();
        Source { uri, trusted: false, dated: true, signed_by: Vec::new(), suites: Vec::new() }
    }

    /// A folder beside it, about which the same holds: `http://a.test/debian-security` of `http://a.test/debian`.
    pub fn sibling(&self, folder: &str) -> Source {
        let authority = self.uri.find("://").map_or(0, |at| at + 3);
        let uri = match self.uri.rfind('/').filter(|at| *at >= authority) {
            Some(at) => format!("{}/{folder}", &self.uri[..at]),
            None => format!("{}/{folder}", self.uri),
        };
        Source { uri, ..self.clone() }
    }

    fn option(&mut self, name: &str, value: &str) {
        match name {
            "trusted" => self.trusted = yes(value),
            "check-valid-until" => self.dated = yes(value),
            "signed-by" => self.signed_by.extend(value.split([',', ' ']).filter(|file| file.starts_with('/')).map(PathBuf::from)),
            _ => {}
        }
    }
}

fn yes(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "yes" | "true" | "1" | "on")
}

/// The host's mirror of a distribution, when SILO_APT_MIRROR or `mirror apt` names one: addresses with blanks between them, each with options
/// before it as in apt's own files (`[trusted=yes] http://…`).
pub fn mirrors(surroundings: &Surroundings) -> Option<Vec<Source>> {
    let text = surroundings.variable("SILO_APT_MIRROR").or_else(|| surroundings.mirrors.registry(Registry::Apt))?;
    let (mut list, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let (source, after) = source(rest)?;
        list.push(source);
        rest = after;
    }
    Some(list)
}

/// Archives that may have a suite, the likeliest first: the host's mirror, or all that this machine's apt knows.
pub fn archives(surroundings: &Surroundings, suite: &str) -> Vec<Source> {
    if let Some(mirrors) = mirrors(surroundings) {
        return mirrors;
    }
    let mut found: Vec<(bool, Source)> = Vec::new();
    for source in sources(surroundings) {
        let here = source.suites.iter().any(|other| other == suite);
        match found.iter_mut().find(|(_, other)| other.uri == source.uri) {
            Some(known) => known.0 |= here,
            None => found.push((here, source)),
        }
    }
    found.sort_by_key(|(here, _)| !here);
    found.into_iter().map(|(_, source)| source).collect()
}

/// Archives from which this machine's apt takes a suite.
pub fn naming(surroundings: &Surroundings, suite: &str) -> Vec<Source> {
    sources(surroundings).into_iter().filter(|source| source.suites.iter().any(|other| other == suite)).collect()
}

/// An archive of which only the address is known.
pub fn plain(uri: &str) -> Source {
    Source::new(uri)
}

fn sources(surroundings: &Surroundings) -> Vec<Source> {
    let mut files = vec![surroundings.apt.join("sources.list")];
    let mut others: Vec<PathBuf> =
        std::fs::read_dir(surroundings.apt.join("sources.list.d")).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    others.sort();
    files.extend(others);
    let mut found = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let sources = if file.extension().is_some_and(|ending| ending == "sources") { deb822(&text) } else { one_line(&text) };
        found.extend(sources.into_iter().filter(|source| source.uri.starts_with("http")));
    }
    found
}

/// `[options] uri`, and what comes after it.
fn source(text: &str) -> Option<(Source, &str)> {
    let (options, rest) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", text),
    };
    let rest = rest.trim_start();
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let mut source = Source::new(&rest[..end]);
    for option in options.split_whitespace() {
        if let Some((name, value)) = option.split_once('=') {
            source.option(&name.to_ascii_lowercase(), value);
        }
    }
    (!source.uri.is_empty()).then_some((source, rest[end..].trim_start()))
}

/// `deb [options] uri suite section…` lines.
fn one_line(text: &str) -> Vec<Source> {
    let line = |line: &str| {
        let rest = line.trim().strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
        let (source, rest) = source(rest)?;
        Some(Source { suites: vec![rest.split_whitespace().next()?.to_string()], ..source })
    };
    text.lines().filter_map(line).collect()
}

/// Paragraphs with `URIs:` and `Suites:`.
fn deb822(text: &str) -> Vec<Source> {
    let mut list = Vec::new();
    for paragraph in text.split("\n\n") {
        let value = |name: &str| {
            let line = paragraph.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)));
            line.map_or("", |(_, value)| value.trim())
        };
        let enabled = !matches!(value("Enabled"), "no" | "false" | "0");
        if !enabled || !value("Types").split_whitespace().any(|word| word == "deb") {
            continue;
        }
        for uri in value("URIs").split_whitespace() {
            let mut source = Source::new(uri);
            source.suites = value("Suites").split_whitespace().map(|suite| suite.trim_end_matches('/').to_string()).collect();
            for name in ["trusted", "check-valid-until", "signed-by"] {
                if !value(name).is_empty() {
                    source.option(name, value(name));
                }
            }
            list.push(source);
        }
    }
    list
}
