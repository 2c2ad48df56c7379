//! Moments, as registries write them, and which versions are old enough to be chosen.

use std::fmt;

/// A moment: seconds since 1970, UTC, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    /// Reads `2026-11-20T09:12:00Z`, with a fraction (dropped) or an offset if need be, or just `2026-11-20`, which is its midnight.
    /// Source: RFC 3339.
    pub fn parse(text: &str) -> Option<Time> {
        let text = text.trim();
        let (day, clock) = match text.split_once(['T', 't', ' ']) {
            Some((day, clock)) => (day, clock),
            None => (text, "00:00:00Z"),
        };
        let mut parts = day.splitn(3, '-').map(digits);
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let end = clock.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(clock.len());
        let (clock, rest) = clock.split_at(end);
        let mut parts = clock.splitn(3, ':').map(digits);
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
        let zone = match rest.strip_prefix(['.', ',']) {
            Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => rest,
        };
        let time = Time::of_civil(year, month, day, hour, minute, second)?;
        match zone {
            "" | "Z" | "z" => Some(time),
            zone => {
                let (east, offset) = match zone.strip_prefix('+') {
                    Some(offset) => (true, offset),
                    None => (false, zone.strip_prefix('-')?),
                };
                let (hours, minutes) = match offset.split_once(':') {
                    Some(pair) => pair,
                    None => (offset.get(..2)?, offset.get(2..)?),
                };
                let seconds = digits(hours)? * 3600 + digits(minutes)? * 60;
                if east { time.0.checked_sub(seconds).map(Time) } else { Some(time.plus(seconds)) }
            }
        }
    }

    /// The moment of a date and a time of day in UTC; `None` when there is no such one after 1970.
    pub fn of_civil(year: u64, month: u64, day: u64, hour: u64, minute: u64, second: u64) -> Option<Time> {
        if !(1970..=9999).contains(&year)
            || !(1..=12).contains(&month)
            || !(1..=31).contains(&day)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        // Days since 1970 by the civil calendar; March is the first month, so that leap days come last.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
        Some(Time(days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second))
    }

    /// So many seconds later.
    pub fn plus(self, seconds: u64) -> Time {
        Time(self.0.saturating_add(seconds))
    }

    /// So many seconds earlier, at the earliest 1970.
    pub fn minus(self, seconds: u64) -> Time {
        Time(self.0.saturating_sub(seconds))
    }

    /// The beginning of its day.
    pub fn midnight(self) -> Time {
        Time(self.0 - self.0 % 86_400)
    }

    /// As names of snapshots of archives have it: `20261120T091200Z`.
    pub fn compact(self) -> String {
        self.to_string().replace(['-', ':'], "")
    }

    /// Reads what [`Time::compact`] writes.
    pub fn parse_compact(text: &str) -> Option<Time> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
        let time = Time::of_civil(number(0, 4)?, number(4, 6)?, number(6, 8)?, number(9, 11)?, number(11, 13)?, number(13, 15)?)?;
        (time.compact() == text).then_some(time)
    }

    /// The day: `2026-11-20`.
    pub fn day(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// Day and minute, for people: `2026-11-20 09:12 UTC`.
    pub fn minute(self) -> String {
        let minutes = self.0 % 86_400 / 60;
        format!("{} {:02}:{:02} UTC", self.day(), minutes / 60, minutes % 60)
    }

    /// Year, month and day by the civil calendar.
    fn civil(self) -> (u64, u64, u64) {
        // Days since 0000-03-01; 400 years have 146,097 days.
        let days = self.0 / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let year = era * 400 + year;
        if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
    }
}

/// `2026-11-20T09:12:00Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.0 % 86_400;
        write!(f, "{}T{:02}:{:02}:{:02}Z", self.day(), rest / 3600, rest / 60 % 60, rest % 60)
    }
}

fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Which versions are old enough to be chosen: those released at a moment or before it. Those of which nobody says when they were released
/// always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cutoff {
    /// The last moment that is early enough, and the age in seconds that it stands for; `None` when all are old enough.
    limit: Option<(Time, u64)>,
}

impl Cutoff {
    /// Everything is old enough.
    pub const NONE: Cutoff = Cutoff { limit: None };

    /// What was released so many seconds before a moment is old enough; everything is when it is none.
    pub fn of_age(now: Time, seconds: u64) -> Cutoff {
        Cutoff { limit: (seconds > 0).then(|| (now.minus(seconds), seconds)) }
    }

    /// Whether what was released then is old enough.
    pub fn allows(&self, released: Option<Time>) -> bool {
        match (self.limit, released) {
            (Some((limit, _)), Some(released)) => released <= limit,
            (None, _) | (_, None) => true,
        }
    }

    /// The last moment that is early enough, if there is one.
    pub fn limit(&self) -> Option<Time> {
        self.limit.map(|(limit, _)| limit)
    }

    /// When something that was released then becomes old enough.
    pub fn ripe(&self, released: Time) -> Time {
        released.plus(self.limit.map_or(0, |(_, age)| age))
    }

    /// Why a version is not chosen: `x 1.2.3 was released 2026-11-23 20:00 UTC and is old enough from 2026-11-24 20:00 UTC on`.
    pub fn refusal(&self, what: &str, version: &str, released: Time) -> String {
        format!(
            "{what} {version} was released {} and is old enough from {} on; release_age=\"0\", or just that version, takes it now",
            released.minute(),
            self.ripe(released).minute()
        )
    }
}
