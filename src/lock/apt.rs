//! Packages of a Debian archive: the order of their versions, indexes of them ([`index`]), and what comes along with one ([`solve`]).
//! Source: deb-version(7).

pub mod index;
pub mod solve;

use std::cmp::Ordering;

/// The order of Debian's versions: epoch, upstream version, revision.
pub fn compare(a: &str, b: &str) -> Ordering {
    fn split(text: &str) -> (u64, &str, &str) {
        let (epoch, rest) = text.split_once(':').map_or((0, text), |(epoch, rest)| (epoch.parse().unwrap_or(0), rest));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream, revision)
    }
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0).then_with(|| part(a.1, b.1)).then_with(|| part(a.2, b.2))
}

fn part(a: &str, b: &str) -> Ordering {
    // `~` is before everything, even the end; letters before other signs.
    fn weight(byte: Option<&u8>) -> i32 {
        match byte {
            Some(b'~') => -1,
            None => 0,
            Some(byte) if byte.is_ascii_digit() => 0,
            Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
            Some(byte) => i32::from(*byte) + 256,
        }
    }
    fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
        let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        *text = rest;
        let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
        &digits[zeros..]
    }
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        while a.first().is_some_and(|byte| !byte.is_ascii_digit()) || b.first().is_some_and(|byte| !byte.is_ascii_digit()) {
            let order = weight(a.first()).cmp(&weight(b.first()));
            if order != Ordering::Equal {
                return order;
            }
            a = a.get(1..).unwrap_or(&[]);
            b = b.get(1..).unwrap_or(&[]);
        }
        let (left, right) = (number(&mut a), number(&mut b));
        let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Whether a package's version is of the upstream version asked for: `22` is the beginning of `22.1.0-1`, but not of `220`.
pub fn upstream_fits(version: &str, asked: &str) -> bool {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    version == asked || upstream.strip_prefix(asked).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// The version without its epoch and revision, as the program itself would say it: `2.39.5` of `1:2.39.5-0+deb12u3`.
pub fn upstream(version: &str) -> &str {
    let rest = version.split_once(':').map_or(version, |(_, rest)| rest);
    let rest = rest.rsplit_once('-').map_or(rest, |(upstream, _)| upstream);
    rest.split(['+', '~']).next().unwrap_or(rest)
}
