//! Looks at the files of a repository: a few folders deep, following no link, running nothing.

use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use silo::catalog::Catalog;
use silo::detect::{self, Proposal, Rules, Seen};
use silo::import::{Format, MAX_BYTES};
use silo::source::Sources;

use crate::shell::failure::{Failure, system};

/// How many folders deep files are looked for; the root is the first.
const DEPTH: usize = 3;
/// The most entries of folders that are looked at.
const ENTRIES: usize = 20_000;
/// The most files that are read, and their bytes together.
const READ: (usize, u64) = (200, 4 << 20);

/// Folders of other people's code, and of what is built. Others whose names begin with a dot are passed over too.
const PASSED_OVER: [&str; 12] = [
    "node_modules",
    "bower_components",
    "target",
    "vendor",
    "third_party",
    "dist",
    "build",
    "out",
    "venv",
    "__pycache__",
    "_build",
    "testdata",
];
/// Folders with a dot that hold configurations.
const LOOKED_INTO: [&str; 2] = [".config", ".devcontainer"];

/// What the repository seems to need, and whether not all of it was looked at.
pub fn survey(root: &Path, catalog: &Catalog, sources: &mut Sources) -> Result<(Proposal, bool), Failure> {
    let (rules, problems) = detect::rules(catalog, sources);
    if problems.has_errors() {
        return Err(Failure::Problems { problems, sources: Box::new(sources.clone()) });
    }
    let mut walk = Walk { rules: &rules, seen: Vec::new(), entries: 0, bytes: 0, read: 0, cut: false };
    walk.folder(root, "", 1).map_err(system(format!("listing the directory {}", root.display())))?;
    let Walk { seen, cut, .. } = walk;
    Ok((detect::propose(&rules, &seen), cut))
}

struct Walk<'a> {
    rules: &'a Rules,
    seen: Vec<Seen>,
    entries: usize,
    bytes: u64,
    read: usize,
    cut: bool,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> std::io::Result<()> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder)? {
            self.entries += 1;
            if self.entries > ENTRIES {
                self.cut = true;
                return Ok(());
            }
            let entry = entry?;
            // A name that is no text is in no rule.
            let Ok(name) = entry.file_name().into_string() else { continue };
            // The type of the entry itself: a link is neither a file nor a folder.
            let Ok(kind) = entry.file_type() else { continue };
            let path = format!("{prefix}{name}");
            if kind.is_file() {
                self.file(&entry.path(), path);
            } else if kind.is_dir() && wanted(&name) {
                folders.push((entry.path(), format!("{path}/")));
            }
        }
        if depth < DEPTH {
            folders.sort();
            for (folder, prefix) in folders {
                // A folder that cannot be read has nothing to say.
                let _ = self.folder(&folder, &prefix, depth + 1);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, shown: String) {
        if !self.rules.knows(&shown) && Format::of_path(&shown).is_none() {
            return;
        }
        let text = if self.rules.reads(&shown) { self.text(path) } else { None };
        self.seen.push(Seen { path: shown, text });
    }

    /// What is in a file, when it is text of a bounded size.
    fn text(&mut self, path: &Path) -> Option<String> {
        if self.read >= READ.0 || self.bytes >= READ.1 {
            self.cut = true;
            return None;
        }
        // Neither a link nor a pipe that took the file's place is followed or waited for.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = fs::OpenOptions::new().read(true).custom_flags(i32::try_from(flags).ok()?).open(path).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).ok()?;
        self.read += 1;
        self.bytes += bytes.len() as u64;
        String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES)
    }
}

/// Whether a folder is looked into.
fn wanted(name: &str) -> bool {
    LOOKED_INTO.contains(&name) || !(name.starts_with('.') || PASSED_OVER.contains(&name))
}
