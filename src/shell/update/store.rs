//! What is known of newer agents: a folder of silo's state for each lock, which no container sees, and one lock file for all of them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use silo::digest::sha256_hex;
use silo::document;
use silo::lock::{self, Lock};
use silo::source::{Layer, Source, Sources};

use crate::shell::facts::Caller;
use crate::shell::files::{self, LOCK_FILE};

/// The folder of one lock.
#[derive(Clone, Debug)]
pub struct Store {
    all: PathBuf,
    folder: PathBuf,
    empty: PathBuf,
}

/// What came of the last look for a newer version of each agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// The lock that all this is about.
    pub lock: String,
    /// By the agent's name.
    pub agents: BTreeMap<String, Record>,
}

/// One look for a newer version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it began, in seconds since 1970.
    pub looked: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// More of that, for people.
    #[serde(default)]
    pub detail: String,
    /// The question ([`lock::Query::inputs`]) and the version of the lock at that time.
    pub inputs: String,
    /// See there.
    pub locked: String,
    /// The version that was found.
    #[serde(default)]
    pub found: Option<String>,
    /// What was to be done about it: the word of the configuration.
    #[serde(default)]
    pub update: String,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It has not ended, or was interrupted.
    Unfinished,
    /// There is nothing newer.
    Current,
    /// There is something newer, which the user is told of.
    Available,
    /// There is something newer, and its image is built.
    Ready,
    /// It did not work.
    Failed,
}

impl Outcome {
    /// Whether the question has its answer.
    pub fn is_answer(self) -> bool {
        match self {
            Outcome::Unfinished | Outcome::Failed => false,
            Outcome::Current | Outcome::Available | Outcome::Ready => true,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Unfinished => "unfinished",
            Outcome::Current => "current",
            Outcome::Available => "available",
            Outcome::Ready => "ready",
            Outcome::Failed => "failed",
        }
    }
}

/// What the user was told, by the agent's name.
pub type Told = BTreeMap<String, Message>;

/// One thing that the user was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The version that it was about.
    pub version: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// The job that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its process.
    pub pid: u32,
    /// The working directory that it was started for.
    pub directory: String,
    /// The agent that it looks for.
    pub agent: String,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

/// The right to be the one job of this user. It ends with the value, or with the process, however that ends.
#[derive(Debug)]
pub struct Turn {
    file: File,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Whoever looks at it sees that nothing runs by the lock, not by the text.
        let _ = self.file.set_len(0);
    }
}

impl Store {
    /// For the lock of a path.
    pub fn of(caller: &Caller, lock: &Path) -> Store {
        use std::os::unix::ffi::OsStrExt;
        let all = caller.state_directory().join("updates");
        let folder = all.join(&sha256_hex(lock.as_os_str().as_bytes())[..32]);
        Store { all, folder, empty: caller.cache_directory().join("empty") }
    }

    /// Where the job writes what it does.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Makes the folder. Nobody else is to decide which version runs.
    fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        fs::set_permissions(&self.all, fs::Permissions::from_mode(0o700))
    }

    /// Makes the folder, and opens the log to write at its end.
    pub fn open_log(&self) -> io::Result<File> {
        self.make()?;
        OpenOptions::new().create(true).append(true).open(self.log())
    }

    /// Takes what earlier jobs wrote out of the log.
    pub fn clear_log(&self) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.log())?.set_len(0)
    }

    /// A folder with nothing in it. No container may have one of silo's state, so it is one of the cache.
    pub fn empty_folder(&self) -> io::Result<PathBuf> {
        let folder = self.empty.clone();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn read<T: for<'t> Deserialize<'t> + Default>(&self, file: &str) -> T {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        // What is damaged is as if it were not there: it is written anew.
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn write<T: Serialize>(&self, file: &str, value: &T) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        files::write_atomically(&self.folder.join(file), format!("{text}\n").as_bytes())
    }

    /// What came of the last looks.
    pub fn records(&self) -> Records {
        self.read("state.json")
    }

    /// Keeps what came of a look. Only the job writes, and there is one.
    pub fn record(&self, lock: &Path, agent: &str, record: Record) -> io::Result<()> {
        let mut records = self.records();
        records.lock = lock.display().to_string();
        records.agents.insert(agent.to_string(), record);
        self.write("state.json", &records)
    }

    /// What the user was told.
    pub fn told(&self) -> Told {
        self.read("told.json")
    }

    /// Keeps what the user was told.
    pub fn tell(&self, told: &Told) -> io::Result<()> {
        self.write("told.json", told)
    }

    /// The newer versions that are ready. One that cannot be read is as none.
    pub fn overlay(&self) -> Option<Lock> {
        let text = files::read_configuration(&self.folder.join(LOCK_FILE), LOCK_FILE, document::MAX_GENERATED_BYTES).ok()??;
        let mut sources = Sources::default();
        let id = sources.add(Source { name: LOCK_FILE.to_string(), text: text.clone(), layer: Layer::User });
        let (lock, problems) = lock::parse(id, &text);
        lock.filter(|_| !problems.has_errors())
    }

    /// Keeps the newer versions that are ready.
    pub fn keep(&self, overlay: &Lock) -> io::Result<()> {
        files::write_atomically(&self.folder.join(LOCK_FILE), overlay.print().as_bytes())
    }

    /// Becomes the one job of this user; `None` when there is another.
    pub fn turn(&self, job: &Job) -> io::Result<Option<Turn>> {
        self.make()?;
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(self.all.join("job"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let mut turn = Turn { file };
        let text = serde_json::to_string(job).map_err(io::Error::other)?;
        turn.file.set_len(0)?;
        turn.file.rewind()?;
        turn.file.write_all(text.as_bytes())?;
        Ok(Some(turn))
    }

    /// The job that runs now, for whatever project.
    pub fn running(&self) -> Option<Job> {
        let mut file = File::open(self.all.join("job")).ok()?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {}
            Ok(()) | Err(_) => return None,
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}
