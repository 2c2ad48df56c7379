//! The versions of Rust itself, as far as it matters which crates it can compile.

use std::fmt;

/// A version of Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rust {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Rust {
    /// Reads `1.63`, `1.63.0`, `1.63.0+dfsg1`, `1.85.0-beta.1`: what follows the numbers says nothing here.
    pub fn parse(text: &str) -> Option<Rust> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].trim_end_matches('.').split('.').map(|number| number.parse::<u64>().ok());
        let major = numbers.next()??;
        let (minor, patch) = (numbers.next().unwrap_or(Some(0))?, numbers.next().unwrap_or(Some(0))?);
        Some(Rust { major, minor, patch })
    }

    /// The first one that knows an edition. Source: the Rust Edition Guide.
    pub fn of_edition(edition: &str) -> Option<Rust> {
        let minor = match edition {
            "2018" => 31,
            "2021" => 56,
            "2024" => 85,
            _ => return None,
        };
        Some(Rust { major: 1, minor, patch: 0 })
    }

    /// The first one whose Cargo reads a format of `Cargo.lock`. Source: Cargo's `ResolveVersion`.
    pub fn of_lock(format: i64) -> Option<Rust> {
        let minor = match format {
            ..=1 => return None,
            2 => 38,
            3 => 53,
            4.. => 78,
        };
        Some(Rust { major: 1, minor, patch: 0 })
    }
}

/// `1.63.0`.
impl fmt::Display for Rust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rust { major, minor, patch } = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}
