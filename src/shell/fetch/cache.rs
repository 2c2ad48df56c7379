//! What servers answered, kept on disk: how long it may be used without asking again, and with what the server is asked then whether it
//! changed. Source: RFC 9111.
//!
//! An entry is one file: a line of JSON about it, then what is kept. It is written beside and renamed, so that processes that write at the
//! same time do not meet, and it carries its own digest, so that a damaged one is as good as none.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{AGE, CACHE_CONTROL, DATE, ETAG, EXPIRES, HeaderMap, LAST_MODIFIED, VARY};
use serde::{Deserialize, Serialize};
use silo::digest::sha256_hex;
use silo::lock::release::epoch;
use tokio::io::AsyncWriteExt;

/// Of an answer whose server does not say how long it is good: as many seconds, or fewer when it changed a short while ago.
const HEURISTIC: u64 = 600;

/// Of the time since an answer last changed, this part is taken to pass before it changes again. Source: RFC 9111, 4.2.2.
const FRACTION: u64 = 10;

/// What nobody wrote for so long is removed.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How this program writes entries; another form is not read.
const FORM: u32 = 2;

/// Makes names of files that are being written differ within a process.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// With what a server is asked whether something changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// The `ETag`.
    pub etag: Option<String>,
    /// The `Last-Modified`.
    pub modified: Option<String>,
}

/// What an answer's header says about keeping it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// With what to ask whether it changed.
    pub validators: Validators,
    /// For how many seconds from now it is good; `None` when it is not to be kept at all.
    pub lifetime: Option<u64>,
    /// Whether the server says so itself.
    pub said: bool,
}

impl Terms {
    /// Reads a header, `now` being seconds since 1970.
    pub fn read(headers: &HeaderMap, now: u64) -> Terms {
        let text = |name| headers.get(name).and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok());
        let validators = Validators { etag: text(ETAG).map(str::to_string), modified: text(LAST_MODIFIED).map(str::to_string) };
        let control: Vec<String> = headers
            .get_all(CACHE_CONTROL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|word| word.trim().to_ascii_lowercase())
            .collect();
        let has = |name: &str| control.iter().any(|word| word.split('=').next() == Some(name));
        if has("no-store") || text(VARY).is_some_and(|names| names.contains('*')) {
            return Terms { validators, lifetime: None, said: true };
        }
        let seconds = |name: &str| {
            let value = control.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
            // What is not understood is stale. Source: RFC 9111, 4.2.1.
            Some(value.trim_matches('"').parse::<u64>().unwrap_or(0))
        };
        let date = text(DATE).and_then(epoch).unwrap_or(now);
        let age = text(AGE).and_then(|age| age.trim().parse::<u64>().ok()).unwrap_or(0).max(now.saturating_sub(date));
        let expires = || text(EXPIRES).map(|expires| epoch(expires).map_or(0, |at| at.saturating_sub(date)));
        let explicit = if has("no-cache") { Some(0) } else { seconds("max-age").or_else(expires) };
        let lifetime = if let Some(seconds) = explicit {
            seconds.saturating_sub(age)
        } else {
            let since = text(LAST_MODIFIED).and_then(epoch).map(|modified| date.saturating_sub(modified) / FRACTION);
            since.map_or(HEURISTIC, |since| since.min(HEURISTIC)).saturating_sub(age)
        };
        Terms { validators, lifetime: Some(lifetime), said: explicit.is_some() }
    }

    /// Those of an answer that was found unchanged: what the server does not say anew stays. Source: RFC 9111, 4.3.4.
    pub fn confirming(self, kept: &Entry) -> Terms {
        let Terms { validators: Validators { etag, modified }, lifetime, said } = self;
        let old = kept.validators.clone();
        let validators = Validators { etag: etag.or(old.etag), modified: modified.or(old.modified) };
        Terms { validators, lifetime: if said { lifetime } else { Some(kept.lifetime) }, said }
    }

    /// Those of something that can never be anything else, since it is known by its digest.
    pub fn for_ever() -> Terms {
        Terms { validators: Validators::default(), lifetime: Some(u64::from(u32::MAX)), said: false }
    }

    /// Those of what a program on this machine says.
    pub fn for_a_while() -> Terms {
        Terms { validators: Validators::default(), lifetime: Some(HEURISTIC), said: false }
    }
}

/// The first line of an entry.
#[derive(Serialize, Deserialize)]
struct Line {
    form: u32,
    /// When it was received or last found unchanged, in seconds since 1970.
    stored: u64,
    /// For how many seconds from then it is good.
    lifetime: u64,
    #[serde(flatten)]
    validators: Validators,
    sha256: String,
}

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// With what to ask whether it changed.
    pub validators: Validators,
    /// Whether it may be used without asking.
    pub fresh: bool,
    /// For how many seconds it was good when it came.
    pub lifetime: u64,
    /// What it is.
    pub body: Vec<u8>,
}

/// A folder of entries.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    /// Why the first entry was not written that could not be.
    unwritten: Mutex<Option<String>>,
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Cache {
    /// The entries of a folder, which need not exist.
    pub fn new(folder: PathBuf) -> Cache {
        // One of an older silo may be open to others.
        if std::fs::metadata(&folder).is_ok_and(|folder| folder.permissions().mode() & 0o077 != 0) {
            drop(std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)));
        }
        Cache { folder, unwritten: Mutex::default() }
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.join(sha256_hex(format!("{FORM}\n{key}").as_bytes()))
    }

    /// What is kept under a key; nothing when it is damaged.
    pub async fn read(&self, key: &str) -> Option<Entry> {
        let file = self.file(key);
        // Reading and its digest are work of some milliseconds for large ones: not where others wait for their turn.
        tokio::task::spawn_blocking(move || {
            let mut bytes = std::fs::read(file).ok()?;
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            let Line { form, stored, lifetime, validators, sha256 } = serde_json::from_slice(&bytes[..end]).ok()?;
            let body = bytes.split_off(end + 1);
            if form != FORM || sha256_hex(&body) != sha256 {
                return None;
            }
            // One of the future is of a clock that was wrong.
            let fresh = now().checked_sub(stored).is_some_and(|age| age < lifetime);
            Some(Entry { validators, fresh, lifetime, body })
        })
        .await
        .ok()?
    }

    /// Whether there is something under a key, sound or not.
    pub fn has(&self, key: &str) -> bool {
        self.file(key).is_file()
    }

    /// Keeps something, or forgets it when it is not to be kept. A folder that cannot be written costs time, and is no error.
    pub async fn write(&self, key: &str, terms: &Terms, body: &[u8]) {
        let file = self.file(key);
        let Some(lifetime) = terms.lifetime else {
            drop(tokio::fs::remove_file(file).await);
            return;
        };
        let line = Line { form: FORM, stored: now(), lifetime, validators: terms.validators.clone(), sha256: sha256_hex(body) };
        let Ok(mut bytes) = serde_json::to_vec(&line) else { return };
        bytes.push(b'\n');
        bytes.extend_from_slice(body);
        let new = file.with_extension(format!("{}-{}.new", std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed)));
        // What was asked for with a login is for nobody else's eyes.
        let written = async {
            if !self.folder.is_dir() {
                tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).await?;
            }
            let mut out = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).await?;
            out.write_all(&bytes).await?;
            out.flush().await?;
            drop(out);
            tokio::fs::rename(&new, &file).await
        };
        if let Err(error) = written.await {
            drop(tokio::fs::remove_file(&new).await);
            if let Ok(mut unwritten) = self.unwritten.lock() {
                unwritten.get_or_insert_with(|| format!("{}: {error}", self.folder.display()));
            }
        }
    }

    /// The folder and why nothing can be kept there, when something could not be.
    pub fn unwritten(&self) -> Option<String> {
        self.unwritten.lock().ok()?.clone()
    }

    /// Removes what nobody wrote for a month.
    pub async fn clean(&self) {
        let folder = self.folder.clone();
        drop(tokio::task::spawn_blocking(move || clean(&folder)).await);
    }
}

fn clean(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.len() >= 64 && name.bytes().take(64).all(|byte| byte.is_ascii_hexdigit()));
        let written = entry.metadata().ok().filter(std::fs::Metadata::is_file).and_then(|file| file.modified().ok());
        if ours && written.and_then(|at| SystemTime::now().duration_since(at).ok()).is_some_and(|age| age > KEPT) {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}
