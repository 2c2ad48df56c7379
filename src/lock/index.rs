//! Lists of versions that vendors publish, read by what a definition says about them (`versions`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::time::{Cutoff, Time};
use super::version::{Request, compare, is_preview, matches, nearest};
use crate::schema::types::Pattern;
use crate::spec::{IndexForm, JsonIndex, Versions};

/// A version of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The version, without what the list writes before it.
    pub version: String,
    /// When it was published, where the list says so. Of a day without a time it is the last second, so that nothing is taken too early.
    pub date: Option<Time>,
    /// The channels that it belongs to, in small letters: `lts`, `jod`.
    pub channels: BTreeSet<String>,
}

/// Reads a list. The error says in a few words why it is none.
pub fn read(versions: &Versions, text: &str) -> Result<Vec<Entry>, String> {
    let Versions { place: _, form, prefix, channels } = versions;
    let (found, daily) = match form {
        IndexForm::Lines(pattern) => lines(pattern.as_ref(), text),
        IndexForm::Json(index) => {
            let root: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
            (json(index, &root), Vec::new())
        }
    };
    let mut list: BTreeMap<String, Entry> = daily.into_iter().map(|entry| (entry.version.clone(), entry)).collect();
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
    for entry in list.values_mut() {
        let begins = |start: &String| matches(&Request::Version(start.clone()), &entry.version);
        let of = channels.iter().filter(|(_, starts)| starts.iter().any(begins)).map(|(word, _)| word.clone());
        entry.channels.extend(of.collect::<Vec<_>>());
    }
    if list.is_empty() {
        return Err("no version is found in it".to_string());
    }
    let mut list: Vec<Entry> = list.into_values().collect();
    list.sort_by(|a, b| compare(&a.version, &b.version).then_with(|| a.version.cmp(&b.version)));
    Ok(list)
}

/// What an expression finds in a text: the version, with the number of its build behind a `+`, and its date.
fn told(pattern: &Pattern, text: &str) -> Option<(String, Option<Time>)> {
    let version = pattern.group(text, "version").or_else(|| pattern.first_group(text).flatten())?;
    let build = pattern.group(text, "build").map(|build| format!("+{build}")).unwrap_or_default();
    Some((version + &build, pattern.group(text, "date").and_then(|date| moment(&date))))
}

/// The versions of a list of lines, and those of channels that have one a day.
fn lines(pattern: Option<&Pattern>, text: &str) -> (Vec<Entry>, Vec<Entry>) {
    let (mut found, mut daily) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        let Some(pattern) = pattern else {
            let version = line.split_whitespace().next().map(str::to_string);
            found.extend(version.map(|version| Entry { version, date: None, channels: BTreeSet::new() }));
            continue;
        };
        let (version, date) = (pattern.group(line, "version"), pattern.group(line, "date"));
        let moment = date.as_deref().and_then(moment);
        match (version, pattern.group(line, "channel"), date) {
            (None, Some(channel), Some(date)) => {
                let version = format!("{channel}-{date}");
                daily.push(Entry { version, date: moment, channels: BTreeSet::from([channel.to_lowercase()]) });
            }
            (None, Some(_), None) => {}
            (_, channel, _) => {
                let Some((version, date)) = told(pattern, line) else { continue };
                let channels = channel.into_iter().map(|channel| channel.to_lowercase()).collect();
                found.push(Entry { version, date, channels });
            }
        }
    }
    (found, daily)
}

fn json(index: &JsonIndex, root: &Value) -> Vec<Entry> {
    let JsonIndex { version, pattern, date, lts, channel, only } = index;
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
        let date = date.iter().flat_map(at).find_map(|date| moment(&date));
        let (version, date) = match pattern {
            None => (version, date),
            Some(pattern) => match told(pattern, &version) {
                Some((version, of_version)) => (version, date.or(of_version)),
                None => continue,
            },
        };
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

/// `2024-05-02T10:00:00Z`, or `2024-05-02` or `20240502`, which are over in their last second.
fn moment(text: &str) -> Option<Time> {
    let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let time = if digits { Time::parse(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]))? } else { Time::parse(text)? };
    let is_day = !text.trim().contains(['T', 't', ' ']);
    Some(if is_day { time.plus(86_399) } else { time })
}

/// The newest version of a list that fits a request and is old enough; one that is written out however young it is. The error names what
/// there is instead, or says when the version that would be chosen is old enough.
pub fn choose<'l>(request: &Request, list: &'l [Entry], cutoff: &Cutoff) -> Result<&'l Entry, String> {
    let text = request.text();
    let of_age: Vec<&Entry> = list.iter().filter(|entry| entry.version == text || cutoff.allows(entry.date)).collect();
    if let Some(found) = fitting(request, &of_age) {
        return Ok(found);
    }
    let all: Vec<&Entry> = list.iter().collect();
    if let Some((young, date)) = fitting(request, &all).and_then(|young| Some((young, young.date?))) {
        return Err(cutoff.refusal("version", &young.version, date));
    }
    let versions: Vec<&str> = all.iter().map(|entry| entry.version.as_str()).collect();
    let channels: BTreeSet<&str> = list.iter().flat_map(|entry| entry.channels.iter().map(String::as_str)).collect();
    Err(nearest(text, &versions, &channels.into_iter().collect::<Vec<_>>()))
}

/// The newest of some versions that fits a request.
fn fitting<'l>(request: &Request, list: &[&'l Entry]) -> Option<&'l Entry> {
    let newest =
        |fits: &dyn Fn(&Entry) -> bool| list.iter().copied().filter(|entry| fits(entry)).max_by(|a, b| compare(&a.version, &b.version));
    let released = |entry: &Entry| !is_preview(&entry.version);
    match request {
        Request::Latest(word) => newest(&|entry| entry.channels.contains(word)).or_else(|| newest(&released)),
        Request::Word(word) => {
            let word = word.to_lowercase();
            let of = |entry: &Entry| entry.channels.contains(&word);
            newest(&|entry| of(entry) && released(entry)).or_else(|| newest(&of))
        }
        Request::Version(_) | Request::Range(_) => newest(&|entry| matches(request, &entry.version)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Time, moment};

    #[test]
    fn a_day_is_over_in_its_last_second() {
        assert_eq!(moment("1970-01-02"), Some(Time(2 * 86_400 - 1)));
        assert_eq!(moment("2024-05-02T10:00:01Z"), Some(Time(1_714_644_001)));
        assert_eq!(moment("2024-05-02 10:00:01"), Some(Time(1_714_644_001)));
        assert_eq!(moment("20240502"), moment("2024-05-02"));
        assert_eq!(moment("soon"), None);
        assert_eq!(moment("2024-13-02"), None);
    }
}
