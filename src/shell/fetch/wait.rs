//! Waiting: for servers that want to be left alone for a while, and between attempts.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use silo::lock::release::epoch;
use silo::lock::time::Time;

/// As long as this is waited for a server, in all.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The shortest wait that counts: a server that always says `0` is asked no more than this often.
const LEAST: Duration = Duration::from_secs(1);

/// The pause before the second attempt; each further one is three times as long.
const FIRST: Duration = Duration::from_millis(300);

/// How many attempts there are.
const ATTEMPTS: u32 = 4;

/// The pause after so many attempts, which is up to a half longer or shorter, so that many callers do not come back at the same moment;
/// `None` when there were enough. `chance` is from 0 to 1.
pub fn pause(attempts: u32, chance: f64) -> Option<Duration> {
    (attempts < ATTEMPTS).then(|| (FIRST * 3u32.pow(attempts.saturating_sub(1))).mul_f64(0.5 + chance))
}

/// For how many seconds a server wants to be left alone, when it says so; `Some(None)` when it does not say for how long. Sources: RFC 9110,
/// 10.2.3, and docs.github.com, "Rate limits for the REST API". `now` is in seconds since 1970.
pub fn limit(status: StatusCode, headers: &HeaderMap, now: u64) -> Option<Option<u64>> {
    let spent = match status {
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE => false,
        _ => return None,
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    // By the server's own clock, where it shows it.
    let now = text(DATE.as_str()).and_then(epoch).unwrap_or(now);
    let after = text(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok().or_else(|| Some(epoch(text)?.saturating_sub(now))));
    if after.is_some() {
        return Some(after);
    }
    let spent = spent && text("x-ratelimit-remaining") == Some("0");
    spent.then(|| text("x-ratelimit-reset")?.parse::<u64>().ok().map(|reset| reset.saturating_sub(now)))
}

/// `for 40 seconds`, `for 23 minutes, until 2026-11-29 14:05 UTC`. `now` is in seconds since 1970.
pub fn words(seconds: Option<u64>, now: u64) -> String {
    match seconds {
        None => "for a while".to_string(),
        Some(1) => "for 1 second".to_string(),
        Some(seconds) if seconds < 90 => format!("for {seconds} seconds"),
        Some(seconds) => format!("for {} minutes, until {}", seconds.div_ceil(60), Time(now.saturating_add(seconds)).minute()),
    }
}

/// Until when servers are left alone, by their addresses.
#[derive(Default)]
pub struct Turns(Mutex<BTreeMap<String, Turn>>);

struct Turn {
    until: Instant,
    /// How long was waited for this server, or will have been: what several requests wait at the same time counts once.
    spent: Duration,
}

impl Turns {
    /// How long a request has to wait for a server that another one was told to wait for.
    pub fn ahead(&self, server: &str, now: Instant) -> Option<Duration> {
        let until = self.0.lock().ok()?.get(server)?.until;
        until.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// How long to wait for a server that wants to be left alone for so long; `None` when that is more than patience allows.
    pub fn book(&self, server: &str, wait: Duration, now: Instant) -> Option<Duration> {
        if wait > PATIENCE {
            return None;
        }
        let mut turns = self.0.lock().ok()?;
        let turn = turns.entry(server.to_string()).or_insert(Turn { until: now, spent: Duration::ZERO });
        let until = now + wait.max(LEAST);
        if until > turn.until {
            let spent = turn.spent + (until - turn.until.max(now));
            if spent > PATIENCE {
                return None;
            }
            (turn.until, turn.spent) = (until, spent);
        }
        Some(turn.until - now)
    }
}
