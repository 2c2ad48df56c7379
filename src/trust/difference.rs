//! What changed since a closure was trusted.

use similar::{ChangeTag, TextDiff};

use super::{Record, RecordedFile};
use crate::problem::escape;

/// Lines of changes that are shown of one file.
const LINES: usize = 12;
/// The longest line that is shown, in characters.
const WIDTH: usize = 160;

/// What differs between two records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Requests that were not asked before.
    pub new: Vec<String>,
    /// Requests that are not asked any more.
    pub gone: Vec<String>,
    /// Files that differ, by path.
    pub files: Vec<(String, FileChange)>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let Difference { new, gone, files } = self;
        new.is_empty() && gone.is_empty() && files.is_empty()
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// Its contents changed.
    Changed {
        /// Some of the lines taken out (`-`) and put in (`+`), escaped; `None` when one of the texts is not kept.
        lines: Option<Vec<String>>,
        /// How many lines more differ.
        more: usize,
    },
}

/// Compares what was trusted with what is there now.
pub fn difference(before: &Record, now: &Record) -> Difference {
    let without =
        |list: &[String], other: &[String]| -> Vec<String> { list.iter().filter(|text| !other.contains(text)).cloned().collect() };
    let find = |record: &'_ Record, path: &str, role: &str| -> Option<RecordedFile> {
        record.files.iter().find(|file| file.path == path && file.role == role).cloned()
    };
    let mut files = Vec::new();
    for old in &before.files {
        match find(now, &old.path, &old.role) {
            None => files.push((old.path.clone(), FileChange::Removed)),
            Some(new) if new.sha256 == old.sha256 => {}
            Some(new) => files.push((old.path.clone(), changed(old, &new))),
        }
    }
    let added = now.files.iter().filter(|new| find(before, &new.path, &new.role).is_none());
    files.extend(added.map(|new| (new.path.clone(), FileChange::Added)));
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Difference { new: without(&now.requests, &before.requests), gone: without(&before.requests, &now.requests), files }
}

fn changed(old: &RecordedFile, new: &RecordedFile) -> FileChange {
    let (Some(old), Some(new)) = (&old.text, &new.text) else {
        return FileChange::Changed { lines: None, more: 0 };
    };
    let diff = TextDiff::from_lines(old.as_str(), new.as_str());
    let all: Vec<String> = diff
        .iter_all_changes()
        .filter_map(|change| {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => return None,
            };
            let line: String = change.value().trim_end_matches('\n').chars().take(WIDTH).collect();
            Some(format!("{sign} {}", escape(&line)))
        })
        .collect();
    let more = all.len().saturating_sub(LINES);
    FileChange::Changed { lines: Some(all.into_iter().take(LINES).collect()), more }
}
