//! What was trusted: one file for each project, in a folder that only the user can enter.

use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use silo::digest::sha256_hex;
use silo::trust::Record;

use crate::shell::facts::Caller;

/// The longest file that is read, in bytes: more than silo writes.
const LIMIT: u64 = 4 << 20;

/// The folder of all records.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    owner: u32,
}

/// A record, and the file it is in.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The record.
    pub record: Record,
    file: PathBuf,
}

impl Store {
    /// The caller's.
    pub fn of(caller: &Caller) -> Store {
        Store { folder: caller.state_directory().join("trust"), owner: caller.uid }
    }

    fn file(&self, project: &Path) -> PathBuf {
        self.folder.join(format!("{}.json", sha256_hex(project.as_os_str().as_bytes())))
    }

    /// What was trusted in a folder. A file that is not just as silo wrote it is as none: then the user is asked again.
    pub fn read(&self, project: &Path) -> Option<Record> {
        self.read_file(&self.file(project)).filter(|record| record.path == project.display().to_string())
    }

    fn read_file(&self, file: &Path) -> Option<Record> {
        for path in [&self.folder, file] {
            let metadata = path.symlink_metadata().ok()?;
            let fits = !metadata.is_symlink() && metadata.uid() == self.owner && metadata.permissions().mode() & 0o077 == 0;
            if !fits || metadata.is_file() && metadata.len() > LIMIT {
                return None;
            }
        }
        Record::parse(&fs::read_to_string(file).ok()?)
    }

    /// Stores a record in place of an earlier one of the same folder. Another silo that does so at the same moment wins or loses whole.
    pub fn write(&self, project: &Path, record: &Record) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))?;
        let file = self.file(project);
        let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
        // What a silo with the same number left when it was killed.
        let _ = fs::remove_file(&temporary);
        let write = || -> io::Result<()> {
            let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            out.write_all(record.print().as_bytes())?;
            out.sync_all()?;
            fs::rename(&temporary, &file)
        };
        write().inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    /// All records, by the folder they are about.
    pub fn list(&self) -> Vec<Stored> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let files = files.filter(|file| file.extension().is_some_and(|ending| ending == "json"));
        let mut all: Vec<Stored> = files.filter_map(|file| Some(Stored { record: self.read_file(&file)?, file })).collect();
        all.sort_by(|a, b| a.record.path.cmp(&b.record.path));
        all
    }

    /// Forgets a record.
    pub fn remove(&self, stored: &Stored) -> io::Result<()> {
        fs::remove_file(&stored.file)
    }

    /// Forgets what was trusted in a folder, readable or not; whether there was anything.
    pub fn forget(&self, project: &Path) -> io::Result<bool> {
        match fs::remove_file(self.file(project)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
