//! The release file of a Debian archive (`Release`, `InRelease`). Source: wiki.debian.org/DebianRepository/Format.

use std::collections::BTreeMap;

use super::time::Time;

/// What a release file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// `stable`, `oldstable`, `noble`.
    pub suite: Option<String>,
    /// `bookworm`, `noble`.
    pub codename: Option<String>,
    /// When it was made, in seconds since 1970.
    pub date: Option<u64>,
    /// Until when it is to be believed, in seconds since 1970.
    pub valid_until: Option<u64>,
    /// Where older states are, `@SNAPSHOTID@` standing for the moment.
    pub snapshots: Option<String>,
    /// SHA-256 in hexadecimal and size in bytes of each index, by its path below the release file.
    pub sha256: BTreeMap<String, (String, u64)>,
}

/// Reads a release file, with or without its signature around it. What it does not understand it leaves out.
pub fn parse(text: &str) -> Release {
    let mut release = Release::default();
    let mut field = "";
    for line in text.lines() {
        if line.starts_with("-----BEGIN PGP SIGNATURE") {
            break;
        }
        if let Some(rest) = line.strip_prefix(' ') {
            let mut words = rest.split_whitespace();
            if let ("SHA256", Some(hash), Some(size), Some(path)) = (field, words.next(), words.next(), words.next())
                && let Ok(size) = size.parse()
            {
                release.sha256.insert(path.to_string(), (hash.to_lowercase(), size));
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        field = name;
        let value = value.trim();
        match name {
            "Suite" => release.suite = Some(value.to_string()),
            "Codename" => release.codename = Some(value.to_string()),
            "Date" => release.date = epoch(value),
            "Valid-Until" => release.valid_until = epoch(value),
            "Snapshots" => release.snapshots = Some(value.to_string()).filter(|value| value.starts_with("http")),
            _ => {}
        }
    }
    release
}

/// Seconds since 1970 of `Sat, 11 Jul 2026 10:16:37 UTC`, as it stands in release files and in headers of HTTP.
pub fn epoch(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(',').map_or(text, |(_, rest)| rest).split_whitespace();
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let zone = words.next()?;
    if !matches!(zone, "UTC" | "GMT" | "Z" | "+0000") {
        return None;
    }
    Some(Time::of_civil(year, month, day, hour, minute, second)?.0)
}
