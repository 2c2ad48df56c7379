//! Versions and paths of modules. Source: go.dev/ref/mod, "Versions", "Pseudo-versions" and "Module proxy".

use std::cmp::Ordering;

use crate::lock::version::{Request, matches};

/// What stands behind a version of a repository that is older than modules are.
const INCOMPATIBLE: &str = "+incompatible";

/// Whether a text is a version as modules have them: `v1.2.3`, with a pre-release or `+incompatible` behind it.
pub fn is_tag(text: &str) -> bool {
    parse(text).is_some()
}

/// A version: its numbers, and what comes before the release.
type Parsed<'t> = ([u64; 3], Option<&'t str>);

fn parse(text: &str) -> Option<Parsed<'_>> {
    let text = text.strip_prefix('v')?;
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (release, preview) = text.split_once('-').map_or((text, None), |(release, preview)| (release, Some(preview)));
    let identifiers =
        |text: &str| text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    let mut numbers = [0; 3];
    let mut parts = release.split('.');
    for number in &mut numbers {
        *number = parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    }
    let sound = parts.next().is_none() && preview.is_none_or(identifiers) && build.is_none_or(identifiers);
    sound.then_some((numbers, preview))
}

/// Orders versions by precedence; what is none comes first. Source: semver.org 2.0.0, 11.
pub fn compare(a: &str, b: &str) -> Ordering {
    let previews = |a: Option<&str>, b: Option<&str>| match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => {
            let (mut left, mut right) = (a.split('.'), b.split('.'));
            loop {
                let order = match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(a), Some(b)) => identifier(a).cmp(&identifier(b)),
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    };
    match (parse(a), parse(b)) {
        (Some((left, before)), Some((right, after))) => left.cmp(&right).then_with(|| previews(before, after)),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.cmp(b),
    }
}

/// Numbers come before words, and by their value: without zeros before it the longer one is greater.
fn identifier(text: &str) -> (bool, usize, &str) {
    let number = text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = text.trim_start_matches('0');
    if number { (false, digits.len(), digits) } else { (true, 0, text) }
}

/// The version that a request writes out, with its `v`: of those that are listed where one is meant, else as it is written, since what stands
/// for a commit is in no list. `None` for a beginning, a range or the newest.
pub(super) fn is_exact(request: &Request, listed: &[String]) -> Option<String> {
    let Request::Version(text) = request else { return None };
    let tag = format!("v{}", text.strip_prefix('v').unwrap_or(text));
    if !is_tag(&tag) {
        return None;
    }
    let old = format!("{tag}{INCOMPATIBLE}");
    if !listed.contains(&tag) && listed.contains(&old) { Some(old) } else { Some(tag) }
}

/// The listed versions that fit a request, the newest first. What comes before a release does only where it is asked for, or where there is
/// nothing else for the newest. A version that is older than modules are does where no other one has its module's path.
pub(super) fn candidates(request: &Request, listed: &[String]) -> Vec<String> {
    let is_old = |version: &str| version.ends_with(INCOMPATIBLE);
    let modern = listed.iter().any(|version| is_tag(version) && !is_old(version));
    let mut tags: Vec<&String> = listed.iter().filter(|version| is_tag(version)).collect();
    tags.sort_by(|a, b| compare(b, a));
    let is_release = |version: &str| parse(version).is_some_and(|(_, preview)| preview.is_none());
    let text = request.text();
    let asked = text.char_indices().any(|(at, c)| c == '-' && text[at + 1..].starts_with(|c: char| c.is_ascii_alphanumeric()));
    let fits = |version: &&&String| {
        let plain = version.trim_start_matches('v').trim_end_matches(INCOMPATIBLE);
        match request {
            Request::Latest(_) => is_release(version) && !(modern && is_old(version)),
            Request::Version(_) | Request::Range(_) => (is_release(version) || asked) && matches(&without_v(request), plain),
            Request::Word(_) => false,
        }
    };
    let found: Vec<String> = tags.iter().filter(fits).map(|version| (*version).clone()).collect();
    match request {
        Request::Latest(_) if found.is_empty() => tags.into_iter().cloned().collect(),
        Request::Latest(_) | Request::Version(_) | Request::Range(_) | Request::Word(_) => found,
    }
}

/// A range as versions are written here: `>=v1.2 <v2` is `>=1.2 <2`.
fn without_v(request: &Request) -> Request {
    match request {
        Request::Range(text) => {
            let mut out = String::new();
            let mut characters = text.chars().peekable();
            while let Some(c) = characters.next() {
                let before = c == 'v' && !out.ends_with(|c: char| c.is_ascii_alphanumeric() || ".-".contains(c));
                if !(before && characters.peek().is_some_and(char::is_ascii_digit)) {
                    out.push(c);
                }
            }
            Request::Range(out)
        }
        Request::Version(_) | Request::Latest(_) | Request::Word(_) => request.clone(),
    }
}

/// The paths that can be the module of a package, the longest first.
pub(super) fn begins(package: &str) -> impl Iterator<Item = &str> {
    let ends = package.char_indices().rev().filter(|(_, c)| *c == '/').map(|(at, _)| at);
    std::iter::once(package.len()).chain(ends).map(|end| &package[..end])
}

/// A path or a version as it stands in an address: a capital letter is a `!` and the small one. Source: go.dev/ref/mod, "GOPROXY protocol".
pub fn escaped(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_uppercase() { format!("!{}", c.to_ascii_lowercase()) } else { c.to_string() };
    text.chars().map(letter).collect()
}

/// Whether a text can be the path of a module: parts of letters, digits and some marks, of which none leads elsewhere. Source: go.dev/ref/mod,
/// "Module paths and versions".
pub fn is_path(text: &str) -> bool {
    let fits = |part: &str| {
        let marks = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && part.bytes().all(marks)
    };
    !text.starts_with('-') && text.split('/').all(fits)
}

/// Whether a path begins as one of some patterns, separated by commas: part for part, where `*` stands for any characters of a part and `?`
/// for one. Source: go.dev/ref/mod, "Private modules".
pub fn is_among(path: &str, patterns: &str) -> bool {
    let begins = |pattern: &str| {
        let (mut parts, pattern) = (path.split('/'), pattern.trim_end_matches('/'));
        !pattern.is_empty() && pattern.split('/').all(|pattern| parts.next().is_some_and(|part| fits(part.as_bytes(), pattern.as_bytes())))
    };
    patterns.split(',').map(str::trim).any(begins)
}

fn fits(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, _) => text.is_empty(),
        (Some((b'*', rest)), None) => fits(text, rest),
        (Some((b'*', rest)), Some((_, after))) => fits(text, rest) || fits(after, pattern),
        (Some((b'?', rest)), Some((_, after))) => fits(after, rest),
        (Some((expected, rest)), Some((found, after))) => expected == found && fits(after, rest),
        (Some(_), None) => false,
    }
}
