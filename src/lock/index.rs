//! Lists of versions that vendors publish, read by what a definition says about them (`versions`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::version::{Request, compare, is_preview, matches, nearest, newest};
use crate::spec::{IndexForm, JsonIndex, Versions};

/// A version of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The version, without what the list writes before it.
    pub version: String,
    /// When it was published, in seconds since 1970, where the list says so.
    pub date: Option<u64>,
    /// The channels that it belongs to, in small letters: `lts`, `jod`.
    pub channels: BTreeSet<String>,
}

/// Reads a list. The error says in a few words why it is none.
pub fn read(versions: &Versions, text: &str) -> Result<Vec<Entry>, String> {
    let Versions { place: _, form, prefix } = versions;
    let found = match form {
        IndexForm::Lines(pattern) => text
            .lines()
            .map(str::trim)
            .filter_map(|line| match pattern {
                None => line.split_whitespace().next().map(|version| (version.to_string(), None)),
                Some(pattern) => {
                    let version = pattern.group(line, "version").or_else(|| pattern.first_group(line).flatten())?;
                    Some((version, pattern.group(line, "date")))
                }
            })
            .map(|(version, date)| Entry { version, date: date.and_then(|date| epoch(&date)), channels: BTreeSet::new() })
            .collect(),
        IndexForm::Json(index) => {
            let root: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
            json(index, &root)
        }
    };
    let mut list: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in found {
        let Some(version) = entry.version.strip_prefix(prefix.as_str()) else { continue };
        // `master`, `nightly`: names that move are no versions.
        if !version.starts_with(|c: char| c.is_ascii_digit()) || !version.chars().all(|c| c.is_ascii_graphic()) {
            continue;
        }
        let version = version.to_string();
        let known = list.entry(version.clone()).or_insert(Entry { version, date: entry.date, channels: BTreeSet::new() });
        known.channels.extend(entry.channels);
    }
    if list.is_empty() {
        return Err("no version is found in it".to_string());
    }
    let mut list: Vec<Entry> = list.into_values().collect();
    list.sort_by(|a, b| compare(&a.version, &b.version).then_with(|| a.version.cmp(&b.version)));
    Ok(list)
}

fn json(index: &JsonIndex, root: &Value) -> Vec<Entry> {
    let JsonIndex { version, date, lts, channel, only } = index;
    let mut rows = Vec::new();
    stars(root, &parts(version), &mut Vec::new(), &mut rows);
    let mut found = Vec::new();
    for (steps, version) in rows {
        let at = |path: &String| values(root, &parts(path), &steps);
        let fits = only.iter().all(|(path, wanted)| at(path).iter().any(|value| wanted.contains(value)));
        if !fits {
            continue;
        }
        let mut channels = BTreeSet::new();
        for value in lts.iter().flat_map(at).filter(|value| !matches!(value.as_str(), "false" | "null" | "")) {
            channels.insert("lts".to_string());
            channels.insert(value.to_lowercase());
        }
        channels.remove("true");
        channels.extend(channel.iter().flat_map(at).filter(|value| !value.is_empty()).map(|value| value.to_lowercase()));
        let date = date.iter().flat_map(at).find_map(|date| epoch(&date));
        found.push(Entry { version, date, channels });
    }
    found
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').collect()
}

/// Every text that a path leads to, with what its stars stand for.
fn stars(value: &Value, path: &[&str], steps: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    let Some((first, rest)) = path.split_first() else {
        found.extend(scalar(value).map(|text| (steps.clone(), text)));
        return;
    };
    if *first != "*" {
        if let Some(value) = step(value, first) {
            stars(value, rest, steps, found);
        }
        return;
    }
    for (name, member) in members(value) {
        steps.push(name);
        match (rest.is_empty(), value, steps.last()) {
            (true, Value::Object(_), Some(name)) => found.push((steps.clone(), name.clone())),
            (true | false, _, _) => stars(member, rest, steps, found),
        }
        steps.pop();
    }
}

/// The texts at a path whose first stars stand for these steps; the others stand for anything.
fn values(value: &Value, path: &[&str], steps: &[String]) -> Vec<String> {
    let Some((first, rest)) = path.split_first() else { return scalar(value).into_iter().collect() };
    match (*first, steps.split_first()) {
        ("*", Some((name, steps))) => step(value, name).map(|value| values(value, rest, steps)).unwrap_or_default(),
        ("*", None) => members(value).into_iter().flat_map(|(_, member)| values(member, rest, steps)).collect(),
        (name, _) => step(value, name).map(|value| values(value, rest, steps)).unwrap_or_default(),
    }
}

fn step<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn members(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), member)).collect(),
        Value::Array(elements) => elements.iter().enumerate().map(|(index, element)| (index.to_string(), element)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Seconds since 1970 of `2024-05-02` or `2024-05-02T10:00:00Z`; an offset is left out, for what is counted in days.
fn epoch(text: &str) -> Option<u64> {
    let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let mut parts = day.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    let time = time.get(..8).unwrap_or("00:00:00");
    super::release::epoch(&format!("{day} {month} {year} {time} UTC"))
}

/// The newest version of a list that fits a request. The error names what there is instead.
pub fn choose(request: &Request, list: &[Entry]) -> Result<String, String> {
    let all = || list.iter().map(|entry| &entry.version);
    let released = || all().filter(|version| !is_preview(version));
    let text = request.text();
    let found = match request {
        Request::Latest(word) => {
            let channel = newest(list.iter().filter(|entry| entry.channels.contains(word)).map(|entry| &entry.version));
            channel.or_else(|| newest(released()))
        }
        Request::Word(word) => {
            let word = word.to_lowercase();
            let of = |entry: &&Entry| entry.channels.contains(&word);
            let of = || list.iter().filter(of).map(|entry| &entry.version);
            newest(of().filter(|version| !is_preview(version))).or_else(|| newest(of()))
        }
        Request::Version(_) | Request::Range(_) => newest(all().filter(|version| matches(request, version))),
    };
    found.ok_or_else(|| {
        let channels: BTreeSet<&str> = list.iter().flat_map(|entry| entry.channels.iter().map(String::as_str)).collect();
        nearest(text, &all().map(String::as_str).collect::<Vec<_>>(), &channels.into_iter().collect::<Vec<_>>())
    })
}

#[cfg(test)]
mod tests {
    use super::epoch;

    #[test]
    fn days_are_seconds() {
        assert_eq!(epoch("1970-01-02"), Some(86_400));
        assert_eq!(epoch("2024-05-02T10:00:01Z"), Some(1_714_644_001));
        assert_eq!(epoch("2024-05-02"), Some(1_714_608_000));
        assert_eq!(epoch("soon"), None);
        assert_eq!(epoch("2024-13-02"), None);
    }
}
