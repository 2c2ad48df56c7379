//! What is hashed, printable.

use std::collections::BTreeMap;
use std::fmt;

use crate::digest::{Sha256, sha256_hex};
use crate::plan::{ContextFile, From, Instruction, Operation, Plan, Platform, RunMount, Stage};
use crate::source::Span;

/// Changes when the same plan is to have another identity: another layout of the preimage.
const VERSION: &str = "silo-identity-1";

/// Everything that decides what an image holds, in the order of the plan: the order is hashed as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preimage {
    /// The entries. No two have the same path.
    pub entries: Vec<Entry>,
}

/// One thing that decides what an image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is: `stage/base/from`, `stage/environment/env LANG`, `context/hook/post-build-1`.
    pub path: String,
    /// Its exact value.
    pub value: String,
    /// Where it was written; not hashed.
    pub origin: Option<Span>,
}

impl Preimage {
    /// The bytes that are hashed: the version, then each path and value, everything after its length as `LENGTH:`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut add = |text: &str| {
            bytes.extend_from_slice(text.len().to_string().as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(text.as_bytes());
        };
        add(VERSION);
        for Entry { path, value, origin: _ } in &self.entries {
            add(path);
            add(value);
        }
        bytes
    }

    /// The SHA-256 of the bytes, in hexadecimal.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::default();
        hash.update(&self.bytes());
        hash.finish()
    }

    /// One entry a line, for people; control characters are escaped.
    pub fn explain(&self) -> String {
        let mut text = format!("{VERSION}\n");
        for Entry { path, value, origin: _ } in &self.entries {
            text.push_str(&format!("{} = {}\n", path.escape_debug(), value.escape_debug()));
        }
        text
    }
}

/// An entry that two preimages do not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Only in the first.
    Removed(Entry),
    /// Only in the second.
    Added(Entry),
    /// In both, with different values.
    Changed {
        /// In the first.
        before: Entry,
        /// In the second.
        after: Entry,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |entry: &Entry| format!("{} = {}", entry.path.escape_debug(), entry.value.escape_debug());
        match self {
            Difference::Removed(entry) => write!(f, "- {}", show(entry)),
            Difference::Added(entry) => write!(f, "+ {}", show(entry)),
            Difference::Changed { before, after } => write!(f, "- {}\n+ {}", show(before), show(after)),
        }
    }
}

/// What differs between two images, sorted by path. Entries are compared by what they are and not by where they stand, so one more step in
/// the middle is one difference; when nothing but the order differs, the entry `order` says so.
pub fn diff(before: &Preimage, after: &Preimage) -> Vec<Difference> {
    let old: BTreeMap<&str, &Entry> = before.entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let new: BTreeMap<&str, &Entry> = after.entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let mut found: Vec<(&str, Difference)> = Vec::new();
    for (path, entry) in &old {
        match new.get(path) {
            None => found.push((path, Difference::Removed((*entry).clone()))),
            Some(other) if other.value != entry.value => {
                found.push((path, Difference::Changed { before: (*entry).clone(), after: (*other).clone() }));
            }
            Some(_) => {}
        }
    }
    found.extend(new.iter().filter(|(path, _)| !old.contains_key(*path)).map(|(path, entry)| (*path, Difference::Added((*entry).clone()))));
    found.sort_by_key(|(path, _)| *path);
    let mut found: Vec<Difference> = found.into_iter().map(|(_, difference)| difference).collect();
    if found.is_empty() && before.bytes() != after.bytes() {
        let order = |preimage: &Preimage| {
            let value = preimage.entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>().join(", ");
            Entry { path: "order".to_string(), value, origin: None }
        };
        found.push(Difference::Changed { before: order(before), after: order(after) });
    }
    found
}

/// The preimage of a plan.
pub fn preimage(plan: &Plan) -> Preimage {
    let Plan { stages, target, context, downloads: _ } = plan;
    let mut list = Entries::default();
    list.add("target".to_string(), target.0.clone(), None);
    let mut origins: BTreeMap<&str, Span> = BTreeMap::new();
    for Stage { name, from, platform, steps } in stages {
        let start = match from {
            From::Image(reference) => format!("image {reference}"),
            From::Stage(other) => format!("stage {}", other.0),
        };
        let platform = match platform {
            Platform::Target => "target",
            Platform::Build => "build",
        };
        list.add(format!("stage/{}/from", name.0), format!("{start} for {platform}"), None);
        for Instruction { operation, reason: _, origin } in steps {
            let (what, sources) = subject(operation);
            if let Some(origin) = origin {
                origins.extend(sources.iter().map(|source| (source.trim_end_matches('/'), *origin)));
            }
            list.add(format!("stage/{}/{what}", name.0), words(operation), *origin);
        }
    }
    for (path, ContextFile { mode, bytes }) in context {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]).chain([path.as_str()]);
        let origin = above.filter_map(|part| origins.get(part)).next_back().copied();
        list.add(format!("context/{path}"), format!("{mode:04o} sha256:{}", sha256_hex(bytes)), origin);
    }
    Preimage { entries: list.entries }
}

#[derive(Default)]
struct Entries {
    entries: Vec<Entry>,
    seen: BTreeMap<String, u32>,
}

impl Entries {
    /// Adds an entry; the second one of the same path is `PATH #2`.
    fn add(&mut self, path: String, value: String, origin: Option<Span>) {
        let count = self.seen.entry(path.clone()).or_default();
        *count += 1;
        let path = if *count == 1 { path } else { format!("{path} #{count}") };
        self.entries.push(Entry { path, value, origin });
    }
}

/// A step in a few words that stay the same when its details change, and the paths of the context that it uses.
fn subject(operation: &Operation) -> (String, Vec<&str>) {
    match operation {
        Operation::Argument { name, value: _ } => (format!("arg {name}"), Vec::new()),
        Operation::CopyContext { source, target: _ } => (format!("copy {source}"), vec![source]),
        Operation::CopyStage { stage, source: _, target: _ } => (format!("copy-stage {}", stage.0), Vec::new()),
        Operation::Run { argv: _, mounts } => {
            let sources: Vec<&str> = mounts
                .iter()
                .filter_map(|mount| match mount {
                    RunMount::Context { source, target: _ } => Some(source.as_str()),
                    RunMount::Secret { id: _, target: _, mode: _ } => None,
                })
                .collect();
            (format!("run {}", sources.join(" ")), sources)
        }
        Operation::Env { name, value: _ } => (format!("env {name}"), Vec::new()),
        Operation::Path { folders: _ } => ("path".to_string(), Vec::new()),
        Operation::User { uid: _, gid: _ } => ("user".to_string(), Vec::new()),
        Operation::Label { key, value: _ } => (format!("label {key}"), Vec::new()),
    }
}

/// An operation as a list of words, each after its length, so that no two operations give the same text.
fn words(operation: &Operation) -> String {
    let mut list: Vec<String> = Vec::new();
    match operation {
        Operation::Argument { name, value: None } => list.extend(["arg".to_string(), name.to_string()]),
        Operation::Argument { name, value: Some(value) } => list.extend(["arg".to_string(), name.to_string(), value.clone()]),
        Operation::CopyContext { source, target } => list.extend(["copy".to_string(), source.clone(), target.clone()]),
        Operation::CopyStage { stage, source, target } => {
            list.extend(["copy-stage".to_string(), stage.0.clone(), source.clone(), target.clone()]);
        }
        Operation::Run { argv, mounts } => {
            list.push("run".to_string());
            list.push(argv.len().to_string());
            list.extend(argv.iter().cloned());
            for mount in mounts {
                match mount {
                    RunMount::Context { source, target } => list.extend(["context".to_string(), source.clone(), target.clone()]),
                    RunMount::Secret { id, target, mode } => {
                        list.extend(["secret".to_string(), id.clone(), target.clone(), format!("{mode:04o}")])
                    }
                }
            }
        }
        Operation::Env { name, value } => list.extend(["env".to_string(), name.to_string(), value.clone()]),
        Operation::Path { folders } => {
            list.push("path".to_string());
            list.extend(folders.iter().cloned());
        }
        Operation::User { uid, gid } => list.extend(["user".to_string(), format!("{uid}:{gid}")]),
        Operation::Label { key, value } => list.extend(["label".to_string(), key.clone(), value.clone()]),
    }
    list.iter().map(|word| format!("{}:{word}", word.len())).collect::<Vec<_>>().join(" ")
}
