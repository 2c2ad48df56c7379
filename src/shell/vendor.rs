//! The folder of vendored files: `DIR/sha256/HASH` and `DIR/sha512/HASH`. Several projects may share one.
//!
//! A root file system that was made from a distribution's packages is such a file too. The lock knows its archive's state and not its
//! hash, so `DIR/base/STATE-ARCHITECTURE` says the hash in one line. Images of registries are beside that ([`image`]).

pub mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use silo::digest::{Algorithm, Digest, Hasher, Sha256};
use silo::lock::{LockedBase, PinnedFile};
use silo::plan::Plan;
use silo::problem::{Code, Problem, Problems};
use silo::spec::Arch;

use super::bootstrap;
use super::engine::{StoredFile, differs};
use super::failure::{Failure, system};
use super::fetch::Servers;
use super::files;
use super::project::Project;
use super::ui::Ui;

/// The name of the folder of what is known of root file systems.
const BASES: &str = "base";
/// Bytes that are hashed at once.
const BLOCK: usize = 256 * 1024;
/// How many files of many are named in a message.
const NAMED: usize = 12;
/// How the name of a file ends that is being written.
const UNFINISHED: &str = ".part";
/// After which time nobody writes an unfinished file any more.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder of vendored files.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// What is under a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Missing,
    /// The file, of so many bytes.
    Sound(u64),
    /// Something else, with this hash.
    Damaged(Digest),
}

/// What nothing named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unnamed {
    /// Vendored files, and files of vendoring that was given up.
    pub files: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// The folder, which need not exist.
    pub fn new(folder: &Path) -> Store {
        Store { folder: folder.to_path_buf() }
    }

    /// Where a file is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.algorithm.as_str()).join(&digest.hex)
    }

    /// Makes the folders.
    pub fn create(&self) -> Result<(), Failure> {
        for name in Algorithm::ALL.map(Algorithm::as_str).into_iter().chain([BASES]) {
            let folder = self.folder.join(name);
            fs::create_dir_all(&folder).map_err(system(format!("making the folder {}", folder.display())))?;
        }
        Ok(())
    }

    /// A file by what the folder says of it, without reading it.
    pub fn find(&self, digest: &Digest) -> Option<StoredFile> {
        let path = self.path(digest);
        let size = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?.len();
        Some(StoredFile { path, digest: digest.clone(), size })
    }

    /// The folder of what is known of root file systems.
    pub fn bases(&self) -> PathBuf {
        self.folder.join(BASES)
    }

    fn record(&self, base: &LockedBase, arch: Arch) -> PathBuf {
        self.bases().join(record(base, arch))
    }

    /// The root file system of a base that was made from a distribution's packages, without reading it.
    pub fn base(&self, base: &LockedBase, arch: Arch) -> Option<StoredFile> {
        let text = fs::read_to_string(self.record(base, arch)).ok()?;
        let digest = Digest::new(Algorithm::Sha256, text.trim().strip_prefix("sha256:")?)?;
        self.find(&digest)
    }

    /// Takes over the root file system of a base. Returns the file.
    pub fn keep_base(&self, base: &LockedBase, arch: Arch, tar: &Path) -> io::Result<StoredFile> {
        let (digest, size) = hash(File::open(tar)?, Hasher::Sha256(Sha256::default()))?;
        let path = self.path(&digest);
        fs::rename(tar, &path)?;
        files::write_atomically(&self.record(base, arch), format!("{digest}\n").as_bytes())?;
        Ok(StoredFile { path, digest, size })
    }

    /// What is in the folder and nothing names: files, parts of images, and what is known of root file systems of other bases. Files that silo did
    /// not make are not among it, nor what may be being written.
    pub fn unnamed(&self, named: &BTreeSet<Digest>, bases: &[&LockedBase]) -> Result<Unnamed, Failure> {
        let mut found = Unnamed::default();
        for algorithm in Algorithm::ALL {
            found.add(&self.folder.join(algorithm.as_str()), |name| standing(algorithm, name, named))?;
        }
        let records: BTreeSet<String> = bases.iter().flat_map(|base| Arch::ALL.map(|arch| record(base, arch))).collect();
        found.add(&self.bases(), |name| match name {
            name if records.contains(name) => Standing::Named,
            name if is_record(name) => Standing::Unnamed,
            name if bootstrap::is_draft(name) => Standing::Unfinished,
            _ => Standing::Foreign,
        })?;
        let parts = self.parts(bases);
        for algorithm in Algorithm::ALL {
            found.add(&self.blobs(algorithm), |name| standing(algorithm, name, &parts))?;
        }
        found.files.sort();
        Ok(found)
    }
}

/// How it stands with a file of the folder.
enum Standing {
    /// Something names it.
    Named,
    /// Nothing names it.
    Unnamed,
    /// It is being written, or was given up.
    Unfinished,
    /// silo did not make it.
    Foreign,
}

/// How it stands with a file that is named by its hash.
fn standing(algorithm: Algorithm, name: &str, named: &BTreeSet<Digest>) -> Standing {
    match Digest::new(algorithm, name) {
        Some(digest) if named.contains(&digest) => Standing::Named,
        Some(_) => Standing::Unnamed,
        None if name.ends_with(UNFINISHED) => Standing::Unfinished,
        None => Standing::Foreign,
    }
}

impl Unnamed {
    /// Adds those of a folder, which need not exist, by what their names say.
    fn add(&mut self, folder: &Path, standing: impl Fn(&str) -> Standing) -> Result<(), Failure> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(system(format!("reading the folder {}", folder.display()))(error)),
        };
        for entry in entries.flatten() {
            let Some(metadata) = entry.metadata().ok().filter(fs::Metadata::is_file) else { continue };
            let abandoned = || {
                let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
                age.is_some_and(|age| age > ABANDONED)
            };
            let unnamed = match entry.file_name().to_str().map_or(Standing::Foreign, &standing) {
                Standing::Named | Standing::Foreign => false,
                Standing::Unnamed => true,
                Standing::Unfinished => abandoned(),
            };
            if unnamed {
                self.bytes += metadata.len();
                self.files.push(entry.path());
            }
        }
        Ok(())
    }
}

/// The name of what is known of a root file system.
fn record(base: &LockedBase, arch: Arch) -> String {
    format!("{}-{}", base.digest.trim_start_matches("sha256:"), arch.as_str())
}

/// Whether a name is that of what is known of a root file system.
fn is_record(name: &str) -> bool {
    let arch = |end: &str| Arch::ALL.iter().any(|arch| arch.as_str() == end);
    name.split_once('-').is_some_and(|(state, end)| arch(end) && Digest::new(Algorithm::Sha256, state).is_some())
}

/// Reads a file and compares it with the hash that it should have.
pub fn look(path: &Path, digest: &Digest) -> io::Result<Held> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Held::Missing),
        Err(error) => return Err(error),
    };
    let (found, size) = hash(file, digest.hasher())?;
    Ok(if found == *digest { Held::Sound(size) } else { Held::Damaged(found) })
}

/// The hash of a file, and its size.
fn hash(mut file: File, mut hash: Hasher) -> io::Result<(Digest, u64)> {
    let (mut size, mut block) = (0, vec![0; BLOCK]);
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok((hash.finish(), size));
        }
        hash.update(&block[..read]);
        size += read as u64;
    }
}

/// The name under which a file is written that is not whole yet, beside where it will be. No two are alike.
pub fn unfinished(target: &Path) -> PathBuf {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = target.file_name().unwrap_or(OsStr::new("")).to_string_lossy().into_owned();
    let short = name.get(..16).unwrap_or(&name);
    target.with_file_name(format!(".{short}.{}-{now}{UNFINISHED}", std::process::id()))
}

/// The files that go into a build's context beside its recipes, as far as they are there. Offline all of them have to be.
pub fn beside(
    ui: &Ui,
    project: &Project,
    plan: &Plan,
    arch: Option<Arch>,
    folder: &Path,
    servers: Servers,
) -> Result<BTreeMap<String, StoredFile>, Failure> {
    if !folder.is_dir() {
        return Err(Failure::Refused {
            message: format!("there is no folder {} of vendored files", folder.display()),
            help: Some(format!("`silo vendor {}` makes it, where there is a network", folder.display())),
        });
    }
    let store = Store::new(folder);
    let architectures = arch.map_or(Arch::ALL.to_vec(), |arch| vec![arch]);
    let wanted: BTreeMap<String, PinnedFile> = architectures.into_iter().flat_map(|arch| plan.vendored(arch)).collect();
    let (mut files, mut missing) = (BTreeMap::new(), BTreeSet::new());
    for (path, PinnedFile { digest, arch: _, place }) in wanted {
        match digest.as_ref().and_then(|digest| store.find(digest)) {
            Some(file) => drop(files.insert(path, file)),
            None => drop(missing.insert(place.name())),
        }
    }
    if missing.is_empty() {
        return Ok(files);
    }
    let (count, names) = (missing.len(), listed(&missing));
    let (noun, are) = if count == 1 { ("file", "is") } else { ("files", "are") };
    match servers {
        Servers::Asked => {
            ui.say(&format!("{count} {noun} that the build needs {are} not in {}, so it downloads them: {names}", folder.display()));
            Ok(files)
        }
        Servers::LeftAlone => {
            let message = format!("{count} {noun} that the build needs {are} not in {}, and silo is offline", folder.display());
            let help = format!("run `silo vendor {}` where there is a network; missing {are} {names}", folder.display());
            Err(project.stop(Problem::new(Code::VendorMissing, message).help(help)))
        }
    }
}

/// The first of many names, and how many more there are.
fn listed(names: &BTreeSet<String>) -> String {
    let mut text = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}

/// That a vendored file is not what it should be. Why is long, and messages are not: it stands with what helps.
pub fn damaged(path: &Path, why: &str) -> Problem {
    Problem::new(Code::VendorDamaged, format!("the vendored file {} cannot be used", path.display()))
        .help(format!("{why}; remove the file, and `silo vendor DIR` fetches it anew where there is a network"))
}

/// That a file is damaged, with both hashes.
pub fn other(path: &Path, expected: &Digest, found: &Digest) -> Problem {
    damaged(path, &differs(expected, found))
}

/// Problems of many files as one failure.
pub fn stop(project: &Project, list: Vec<Problem>) -> Failure {
    let mut problems = Problems::default();
    list.into_iter().for_each(|problem| problems.push(problem));
    Failure::Problems { problems, sources: Box::new(project.sources.clone()) }
}
