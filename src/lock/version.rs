//! Versions as people ask for them.

use std::cmp::Ordering;

use crate::schema::version::Range;

/// A request, by its form. What it means in detail depends on where the component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `latest`, `stable` or nothing: the newest release.
    Latest(String),
    /// `22`, `1.22`, `1.2.3`, `2026-08-17.4`, `nightly-2026-11-20`: a version or its beginning.
    Version(String),
    /// `>=20 <23`, `^1.2`, `1.x`, `~=1.4`.
    Range(String),
    /// Another word, which some sources know: `lts`, `next`.
    Word(String),
}

impl Request {
    /// Reads a request.
    pub fn parse(text: &str) -> Request {
        let text = text.trim();
        let version = text.strip_prefix(['v', '=']).unwrap_or(text);
        if day_of(text).is_some() {
            return Request::Version(text.to_string());
        }
        let wild = version.split(['.', '-']).any(|part| matches!(part, "x" | "X" | "*"));
        if text.is_empty() || text == "latest" || text == "stable" || text == "*" {
            Request::Latest(if text.is_empty() || text == "*" { "latest".to_string() } else { text.to_string() })
        } else if version.starts_with(|c: char| c.is_ascii_digit()) && !wild && !version.contains(['<', '>', '=', '|', ' ', ',', '^']) {
            Request::Version(version.to_string())
        } else if text.contains(['<', '>', '=', '^', '~', '|', '*', ' ']) || wild {
            Request::Range(text.to_string())
        } else {
            Request::Word(text.to_string())
        }
    }

    /// The request as text, `latest` where nothing was written.
    pub fn text(&self) -> &str {
        match self {
            Request::Latest(text) | Request::Version(text) | Request::Range(text) | Request::Word(text) => text,
        }
    }

    /// Whether a version is written out, so that it needs no list to be looked for: `1.2.3`, but neither `22` nor `1.22`.
    pub fn whole(&self) -> Option<&str> {
        self.exact().filter(|text| text.split(['.', '-']).count() > 2)
    }

    /// The one version that is meant, where that can be said without asking anybody: a bare major version is a beginning.
    pub fn exact(&self) -> Option<&str> {
        match self {
            Request::Version(text) if text.contains(['.', '-']) => Some(text),
            Request::Version(_) | Request::Latest(_) | Request::Range(_) | Request::Word(_) => None,
        }
    }
}

/// The channel and the day of a version that is called by them: `nightly-2026-11-20`.
pub fn day_of(version: &str) -> Option<(&str, &str)> {
    let at = version.len().checked_sub("-YYYY-MM-DD".len())?;
    let (channel, date) = (version.get(..at)?, version.get(at..)?.strip_prefix('-')?);
    let digits = date.chars().enumerate().all(|(index, c)| if matches!(index, 4 | 7) { c == '-' } else { c.is_ascii_digit() });
    let word = channel.starts_with(|c: char| c.is_ascii_alphabetic()) && channel.chars().all(|c| c.is_ascii_alphanumeric());
    (digits && word).then_some((channel, date))
}

/// Orders versions of any kind: numbers by value, a pre-release before its release, other text by its bytes.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (pieces(a).into_iter(), pieces(b).into_iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (Some(Piece::Word(_)), None) => return Ordering::Less,
            (None, Some(Piece::Word(_))) => return Ordering::Greater,
            (Some(Piece::Number(_)), None) => return Ordering::Greater,
            (None, Some(Piece::Number(_))) => return Ordering::Less,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return a.cmp(&b),
        }
    }
}

/// The newest of some versions, by [`compare`].
pub fn newest<'a>(versions: impl Iterator<Item = &'a String>) -> Option<String> {
    versions.max_by(|a, b| compare(a, b)).cloned()
}

/// Words that mark what comes before a release.
const PREVIEWS: [&str; 18] = [
    "a",
    "alpha",
    "b",
    "beta",
    "canary",
    "dev",
    "ea",
    "eap",
    "experimental",
    "insider",
    "insiders",
    "m",
    "next",
    "nightly",
    "pre",
    "preview",
    "rc",
    "snapshot",
];

/// Whether a version comes before a release: `1.22rc1`, `2.0.0-beta.1`. Other words, such as those of `1.19.4-otp-28`, say nothing about it.
pub fn is_preview(version: &str) -> bool {
    let is = |piece: &Piece| match piece {
        Piece::Word(word) => PREVIEWS.contains(&word.to_lowercase().as_str()),
        Piece::Number(_) => false,
    };
    pieces(version).iter().any(is)
}

/// Whether a version is one that is asked for, or begins as it: `22` and `22.1` fit 22.1.0. What comes before a release does only where the
/// request names it. Requests that are words fit nothing here.
pub fn matches(request: &Request, version: &str) -> bool {
    let asked = is_preview(request.text());
    if version == request.text() {
        return true;
    }
    if is_preview(version) && !asked {
        return false;
    }
    match request {
        Request::Version(text) => version.strip_prefix(text.as_str()).is_some_and(|rest| {
            // `1.2` does not begin 1.20; `1.24rc` begins 1.24rc2.
            let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
            ends || asked && !text.ends_with(|c: char| c.is_ascii_digit())
        }),
        Request::Range(text) => {
            // What follows a release's numbers, such as a build's number, has no place in a range.
            let numbers = version.find(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(version, |end| &version[..end]);
            let number = if is_preview(version) { version } else { numbers };
            let padding = ".0".repeat(2usize.saturating_sub(numbers.matches('.').count()));
            let whole = format!("{}{padding}{}", numbers, number.strip_prefix(numbers).unwrap_or(""));
            match (Range::parse(&whole), Range::parse(text)) {
                (Some(version), Some(range)) => version.is_within(&range),
                (None, _) | (_, None) => false,
            }
        }
        Request::Latest(_) | Request::Word(_) => false,
    }
}

/// What there is instead of a version that there is not: the nearest and the newest, or the channels.
pub fn nearest(asked: &str, versions: &[&str], channels: &[&str]) -> String {
    let newest =
        |list: &mut dyn Iterator<Item = &&str>| -> Option<String> { list.max_by(|a, b| compare(a, b)).map(|found| found.to_string()) };
    let released = |version: &&&str| !is_preview(version);
    let Some(latest) = newest(&mut versions.iter().filter(released)).or_else(|| newest(&mut versions.iter())) else {
        return format!("there is no version `{asked}`, nor any other");
    };
    let request = Request::parse(asked);
    match &request {
        Request::Word(word) => {
            let mut known = vec!["latest"];
            known.extend(channels.iter().filter(|channel| **channel != "latest"));
            let near = crate::schema::nearest(word, known.iter().copied()).map(|near| format!(", did you mean `{near}`?"));
            let all = || {
                let shown: Vec<String> = known.iter().take(8).map(|word| format!("`{word}`")).collect();
                format!(", there {} {}", if shown.len() == 1 { "is only" } else { "are" }, shown.join(", "))
            };
            format!("there is no channel `{asked}`{}; the newest version is {latest}", near.unwrap_or_else(all))
        }
        Request::Version(_) | Request::Range(_) | Request::Latest(_) => {
            let first = asked.find(|c: char| c.is_ascii_digit()).map_or("", |start| &asked[start..]);
            let parts: Vec<&str> = first.split(|c: char| !c.is_ascii_digit()).take_while(|part| !part.is_empty()).collect();
            // Of those that begin with the most numbers that were asked for.
            let near = (1..=parts.len()).rev().find_map(|count| {
                let begins = parts[..count].join(".");
                let of = |version: &&&str| {
                    version.strip_prefix(begins.as_str()).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
                };
                newest(&mut versions.iter().filter(of)).map(|found| (begins, found))
            });
            match near {
                Some((begins, found)) if found != latest => {
                    format!("there is no version `{asked}`: the newest of {begins} is {found}, of all {latest}")
                }
                Some(_) | None => format!("there is no version `{asked}`: the newest is {latest}"),
            }
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Word(String),
    Number(u128),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut list = Vec::new();
    let mut rest = text.split('+').next().unwrap_or("");
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end =
            rest.find(|c: char| c.is_ascii_digit() != digits || !c.is_ascii_alphanumeric()).unwrap_or(rest.len()).max(first.len_utf8());
        let (piece, after) = rest.split_at(end);
        if digits {
            list.push(piece.parse().map_or_else(|_| Piece::Word(piece.to_string()), Piece::Number));
        } else if first.is_alphanumeric() {
            list.push(Piece::Word(piece.to_string()));
        }
        rest = after;
    }
    list
}
