//! Versions as people ask for them.

use std::cmp::Ordering;

/// A request, by its form. What it means in detail depends on where the component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `latest`, `stable` or nothing: the newest release.
    Latest(String),
    /// `22`, `1.22`, `1.2.3`, `2026-08-17.4`: a version or its beginning.
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

    /// The one version that is meant, where that can be said without asking anybody: a bare major version is a beginning.
    pub fn exact(&self) -> Option<&str> {
        match self {
            Request::Version(text) if text.contains(['.', '-']) => Some(text),
            Request::Version(_) | Request::Latest(_) | Request::Range(_) | Request::Word(_) => None,
        }
    }
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
