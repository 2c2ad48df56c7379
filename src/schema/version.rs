//! Versions and ranges of them, as far as they can be compared without asking whoever publishes them.
//!
//! A version is numbers between dots and what may follow them. `22` and `1.22` stand for every version that begins like that. A range is one of
//! the common notations: `>=20 <23`, `^1.2`, `~1.2`, `~=1.4`, `1.x`, `!=3.11.4`, with a comma or a space for "and" and `||` for "or".

use std::cmp::Ordering;

/// A set of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range(Vec<Interval>);

/// Versions between two ends; `None` is no end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interval {
    low: Option<Bound>,
    high: Option<Bound>,
}

/// An end, and whether it belongs to the interval itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    version: Version,
    included: bool,
}

/// Trailing zeros say nothing: 20 is 20.0.0.
#[derive(Clone, Debug)]
struct Version {
    numbers: Vec<u128>,
    stage: Stage,
}

/// What follows the numbers, from the oldest to the newest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Before every preview of the release: an end of intervals, and no version.
    Start,
    /// A preview, such as `rc.1`.
    Preview(Vec<Piece>),
    /// The release.
    Release,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Number(u128),
    Word(String),
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.numbers.len().max(other.numbers.len());
        let number = |version: &Version, index: usize| version.numbers.get(index).copied().unwrap_or(0);
        let numbers = (0..length).map(|index| number(self, index).cmp(&number(other, index))).find(|order| order.is_ne());
        numbers.unwrap_or_else(|| self.stage.cmp(&other.stage))
    }
}

impl Version {
    fn bound(self, included: bool) -> Option<Bound> {
        Some(Bound { version: self, included })
    }

    /// The first version after all that begin with the first `kept` numbers of this one.
    fn after(&self, kept: usize) -> Option<Version> {
        let mut numbers = self.numbers.get(..kept)?.to_vec();
        let last = numbers.last_mut()?;
        *last = last.checked_add(1)?;
        Some(Version { numbers, stage: Stage::Release })
    }

    /// The same numbers, before all previews.
    fn start(self) -> Version {
        Version { stage: Stage::Start, ..self }
    }
}

impl Interval {
    /// Versions from `low` up to, but not including, `high` and its previews.
    fn before(low: Version, high: Version) -> Interval {
        Interval { low: low.bound(true), high: high.start().bound(false) }
    }

    fn is_empty(&self) -> bool {
        match (&self.low, &self.high) {
            (Some(low), Some(high)) => match low.version.cmp(&high.version) {
                Ordering::Less => false,
                Ordering::Equal => !(low.included && high.included),
                Ordering::Greater => true,
            },
            (Some(_) | None, _) => false,
        }
    }

    fn and(&self, other: &Interval) -> Interval {
        let low = if is_lower(&self.low, &other.low) { &other.low } else { &self.low };
        let high = if is_higher(&self.high, &other.high) { &other.high } else { &self.high };
        Interval { low: low.clone(), high: high.clone() }
    }

    fn holds(&self, other: &Interval) -> bool {
        !is_lower(&other.low, &self.low) && !is_higher(&other.high, &self.high)
    }
}

/// Whether the first of two lower ends lets more versions in.
fn is_lower(a: &Option<Bound>, b: &Option<Bound>) -> bool {
    match (a, b) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(a), Some(b)) => a.version < b.version || a.version == b.version && a.included && !b.included,
    }
}

/// Whether the first of two upper ends lets more versions in.
fn is_higher(a: &Option<Bound>, b: &Option<Bound>) -> bool {
    match (a, b) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(a), Some(b)) => a.version > b.version || a.version == b.version && a.included && !b.included,
    }
}

impl Range {
    /// Reads a version, the beginning of one, or a range. `None` for anything else, such as `latest`.
    pub fn parse(text: &str) -> Option<Range> {
        let mut all = Vec::new();
        for alternative in text.split("||") {
            let mut words: Vec<String> = Vec::new();
            for word in alternative.split([' ', ',']).filter(|word| !word.is_empty()) {
                match words.last_mut() {
                    // `>= 20`
                    Some(last) if last.chars().all(|c| OPERATORS.contains(c)) => last.push_str(word),
                    Some(_) | None => words.push(word.to_string()),
                }
            }
            let mut found = vec![Interval { low: None, high: None }];
            for word in &words {
                let part = comparison(word)?;
                found = found.iter().flat_map(|a| part.iter().map(|b| a.and(b))).filter(|interval| !interval.is_empty()).collect();
            }
            if words.is_empty() {
                return None;
            }
            all.extend(found);
        }
        Some(Range(all).joined())
    }

    /// Everything from a version on.
    pub fn at_least(text: &str) -> Option<Range> {
        Range::parse(text)?;
        Range::parse(&format!(">={text}"))
    }

    /// Everything up to a version, which may be the beginning of one: up to `22` is up to the last of 22.
    pub fn at_most(text: &str) -> Option<Range> {
        Range::parse(text)?;
        Range::parse(&format!("<={text}"))
    }

    /// Whether every version of this range is one of the other.
    pub fn is_within(&self, other: &Range) -> bool {
        self.0.iter().all(|own| other.0.iter().any(|wide| wide.holds(own)))
    }

    /// Intervals that touch become one.
    fn joined(self) -> Range {
        let mut rest = self.0;
        rest.sort_by(|a, b| is_lower(&b.low, &a.low).cmp(&is_lower(&a.low, &b.low)));
        let mut joined: Vec<Interval> = Vec::new();
        for interval in rest {
            match joined.last_mut() {
                Some(last) if touch(&last.high, &interval.low) => {
                    if is_higher(&interval.high, &last.high) {
                        last.high = interval.high;
                    }
                }
                Some(_) | None => joined.push(interval),
            }
        }
        Range(joined)
    }
}

/// Whether nothing lies between an upper end and the lower end of the next interval.
fn touch(high: &Option<Bound>, low: &Option<Bound>) -> bool {
    match (high, low) {
        (None, _) | (_, None) => true,
        (Some(high), Some(low)) => low.version < high.version || low.version == high.version && (low.included || high.included),
    }
}

const OPERATORS: &str = "<>=!^~";

/// One comparison: `>=20`, `^1.2`, `1.x`, `22`.
fn comparison(word: &str) -> Option<Vec<Interval>> {
    let end = word.find(|c: char| !OPERATORS.contains(c)).unwrap_or(word.len());
    let (operator, text) = word.split_at(end);
    let (version, given) = version(text)?;
    if given == 0 {
        // `*` alone is any version.
        return (operator.is_empty() || operator == "=").then(|| vec![Interval { low: None, high: None }]);
    }
    // Fewer than three numbers are the beginning of a version.
    let part = given < 3 && version.stage == Stage::Release;
    let from = |low: Version| Interval { low: low.bound(true), high: None };
    let interval = match operator {
        "" | "=" | "==" if part => Interval::before(version.clone(), version.after(given)?),
        "" | "=" | "==" | "===" => Interval { low: version.clone().bound(true), high: version.bound(true) },
        "!=" if part => {
            let after = version.after(given)?;
            return Some(vec![Interval { low: None, high: version.bound(false) }, from(after)]);
        }
        "!=" => {
            let below = Interval { low: None, high: version.clone().bound(false) };
            return Some(vec![below, Interval { low: version.bound(false), high: None }]);
        }
        ">=" => from(version),
        ">" if part => from(version.after(given)?),
        ">" => Interval { low: version.bound(false), high: None },
        "<" if version.stage == Stage::Release => Interval { low: None, high: version.start().bound(false) },
        "<" => Interval { low: None, high: version.bound(false) },
        "<=" if part => Interval { low: None, high: version.after(given)?.start().bound(false) },
        "<=" => Interval { low: None, high: version.bound(true) },
        "^" => {
            // The first number that is not zero stays; if all are, the last one given does.
            let kept = version.numbers.iter().take(given).position(|number| *number != 0).map_or(given, |index| index + 1);
            Interval::before(version.clone(), version.after(kept)?)
        }
        "~" | "~>" => Interval::before(version.clone(), version.after(given.min(2))?),
        "~=" if given > 1 => Interval::before(version.clone(), version.after(given - 1)?),
        _ => return None,
    };
    Some(vec![interval])
}

/// A version and how many of its numbers are given; `x` and `*` end them.
fn version(text: &str) -> Option<(Version, usize)> {
    let text = text.trim().strip_prefix('v').unwrap_or(text);
    let text = text.split('+').next().unwrap_or("");
    let mut numbers: Vec<u128> = Vec::new();
    let mut rest = text;
    loop {
        if matches!(rest, "*" | "x" | "X") || rest.strip_prefix(['*', 'x', 'X']).is_some_and(|rest| rest.starts_with('.')) {
            let wild = rest.split('.').all(|part| matches!(part, "*" | "x" | "X"));
            let given = numbers.len();
            return wild.then_some((Version { numbers, stage: Stage::Release }, given));
        }
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if end == 0 {
            return None;
        }
        numbers.push(rest[..end].parse().ok()?);
        rest = &rest[end..];
        match rest.strip_prefix('.') {
            Some(after) if after.starts_with(|c: char| c.is_ascii_digit() || "*xX".contains(c)) => rest = after,
            Some(_) | None => break,
        }
    }
    let given = numbers.len();
    if rest.is_empty() {
        return Some((Version { numbers, stage: Stage::Release }, given));
    }
    let fits = rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) && !rest.contains("..");
    let pieces = pieces(rest);
    (fits && !pieces.is_empty()).then_some((Version { numbers, stage: Stage::Preview(pieces) }, given))
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    for part in text.split(['.', '-', '_']).filter(|part| !part.is_empty()) {
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let digits = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            found.push(match piece.parse() {
                Ok(number) if digits => Piece::Number(number),
                Ok(_) | Err(_) => Piece::Word(piece.to_string()),
            });
            rest = after;
        }
    }
    found
}
