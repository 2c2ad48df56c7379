//! A root file system made on this machine from a distribution's packages: mmdebstrap at the archive state that the lock names.
//!
//! The same lock gives the same bytes. The archive that is downloaded from may be a mirror, with a private authority or behind a proxy; the
//! image keeps the distribution's ordinary sources and none of that.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal};
use silo::lock::LockedBase;
use silo::spec::{Arch, Distribution};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use silo::digest::sha256_hex;
use silo::lock::time::Time;

use super::fetch::client::Ask;
use super::fetch::{Client, Freshness, Surroundings, chain, open, snapshot};

/// How the name of a root file system's archive ends.
const WHOLE: &str = ".tar";
/// How it ends while it is being written.
const UNFINISHED: &str = ".new";

/// Why there is no root file system.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Not on Linux.
    #[error("a base can be bootstrapped on Linux only")]
    NotLinux,
    /// The program is not installed.
    #[error("mmdebstrap is not installed")]
    NoProgram,
    /// Neither root nor user namespaces.
    #[error("mmdebstrap needs root or user namespaces, and this user has neither")]
    NoRights,
    /// `newuidmap` is not installed.
    #[error("mmdebstrap needs the program newuidmap when it is not run by root")]
    NoIdentifiers,
    /// The archive is not known or does not answer.
    #[error("{0}")]
    NoArchive(String),
    /// The archive has a newer state than the lock.
    #[error("the archive {uri} has moved on: the release file of {suite} is {found}, silo.lock has {locked}")]
    Moved {
        /// Its address.
        uri: String,
        /// The suite.
        suite: String,
        /// What it has.
        found: String,
        /// What the lock has.
        locked: String,
    },
    /// The program failed.
    #[error("mmdebstrap failed ({status}):\n{lines}")]
    Failed {
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its last lines.
        lines: String,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program could not be started.
    #[error("cannot run {program}")]
    Run {
        /// Which one.
        program: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl BootstrapError {
    /// What to do, in words that can be typed.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            BootstrapError::NotLinux => Some("write `from=registry` at the base: then it is an image of a registry"),
            BootstrapError::NoProgram => Some("apt-get install mmdebstrap, or write `from=registry` at the base"),
            BootstrapError::NoRights => Some(
                "run silo as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or write `from=registry` at the base",
            ),
            BootstrapError::NoIdentifiers => Some("apt-get install uidmap, or run silo as root, or write `from=registry` at the base"),
            BootstrapError::Moved { uri: _, suite: _, found: _, locked: _ } => Some(
                "run `silo update base`, or set SILO_APT_SNAPSHOT to the address of an archive that keeps old states (`%{moment}` stands for the moment), or pull the image from where it was built",
            ),
            BootstrapError::NoArchive(_)
            | BootstrapError::Failed { status: _, lines: _ }
            | BootstrapError::Write { path: _, source: _ }
            | BootstrapError::Run { program: _, source: _ } => None,
        }
    }
}

/// Makes the root file system of a locked base as a tar file in a folder, for this machine's architecture. One that is there is used again.
pub async fn bootstrap(
    base: &LockedBase,
    distribution: &Distribution,
    surroundings: &Surroundings,
    folder: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<PathBuf, BootstrapError> {
    if !cfg!(target_os = "linux") {
        return Err(BootstrapError::NotLinux);
    }
    let arch = if cfg!(target_arch = "aarch64") { Arch::Arm64 } else { Arch::Amd64 };
    let suite = &distribution.suite;
    let short: String = base.digest.trim_start_matches("sha256:").chars().take(32).collect();
    let target = folder.join(format!("{suite}-{short}-{}{WHOLE}", arch.as_str()));
    if target.is_file() {
        return Ok(target);
    }
    check(surroundings).await?;
    progress(&format!("reading the release file of {} {suite}", distribution.name));
    let client = Client::new(None, Freshness::Asked).map_err(|error| BootstrapError::NoArchive(chain(&error)))?;
    let client = client.of(surroundings);
    let archive = open(&client, surroundings, distribution).await.map_err(BootstrapError::NoArchive)?;
    let uri = if archive.digest == base.digest {
        archive.source.uri.clone()
    } else if let Some(uri) = earlier(&client, surroundings, base, suite, archive.release.snapshots.as_deref()).await {
        uri
    } else {
        return Err(BootstrapError::Moved {
            uri: archive.source.uri,
            suite: suite.clone(),
            found: archive.digest,
            locked: base.digest.clone(),
        });
    };
    std::fs::create_dir_all(folder).map_err(|source| BootstrapError::Write { path: folder.to_path_buf(), source })?;
    let unfinished = folder.join(format!("{suite}-{short}-{}.{}{UNFINISHED}", arch.as_str(), std::process::id()));
    let uri = client.address(&format!("{uri}/"));
    let uri = uri.trim_end_matches('/');
    let arguments = arguments(base, distribution, uri, arch, &apt_options(surroundings, uri).await, &unfinished);
    let made = run(&arguments, base.epoch.unwrap_or(0), surroundings, progress).await;
    if let Err(error) = made {
        drop(std::fs::remove_file(&unfinished));
        return Err(error);
    }
    std::fs::rename(&unfinished, &target).map_err(|source| BootstrapError::Write { path: target.clone(), source })?;
    Ok(target)
}

/// Whether a name is one that [`bootstrap`] gives.
pub fn is_draft(name: &str) -> bool {
    let stem = name.strip_suffix(WHOLE).or_else(|| name.strip_suffix(UNFINISHED)?.rsplit_once('.').map(|(stem, _)| stem));
    let arch = |end: &str| Arch::ALL.iter().any(|arch| arch.as_str() == end);
    stem.and_then(|stem| stem.rsplit_once('-')).is_some_and(|(_, end)| arch(end))
}

/// A snapshot of the archive that has the state of the lock.
async fn earlier(
    client: &Client<'_>,
    surroundings: &Surroundings,
    base: &LockedBase,
    suite: &str,
    published: Option<&str>,
) -> Option<String> {
    for uri in snapshot::addresses(surroundings, &[Time(base.epoch?)], published) {
        let found = client.get(&format!("{uri}/dists/{suite}/InRelease"), &Ask::default()).await;
        if found.is_ok_and(|bytes| format!("sha256:{}", sha256_hex(&bytes)) == base.digest) {
            return Some(uri);
        }
    }
    None
}

async fn check(surroundings: &Surroundings) -> Result<(), BootstrapError> {
    if !found(surroundings, "mmdebstrap") {
        return Err(BootstrapError::NoProgram);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let namespaces =
        Command::new("unshare").args(["--user", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    if !namespaces.is_ok_and(|status| status.success()) {
        return Err(BootstrapError::NoRights);
    }
    if found(surroundings, "newuidmap") { Ok(()) } else { Err(BootstrapError::NoIdentifiers) }
}

fn found(surroundings: &Surroundings, program: &str) -> bool {
    let path = surroundings.variable("PATH").unwrap_or_default();
    std::env::split_paths(path).any(|folder| folder.join(program).is_file())
}

/// Options for apt while it downloads: the host's proxy, and its authorities where a variable names them.
async fn apt_options(surroundings: &Surroundings, uri: &str) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(file) = surroundings.variable("SSL_CERT_FILE").filter(|_| uri.starts_with("https:")) {
        options.push(format!("Acquire::https::CaInfo \"{file}\""));
    }
    let dump = Command::new("apt-config").args(["dump", "Acquire"]).stdin(Stdio::null()).stderr(Stdio::null()).output().await;
    let dump = dump.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    for line in dump.lines() {
        let (Some(name), Some(value)) = (line.split_whitespace().next(), line.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')))
        else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        let proxy = name.starts_with("acquire::http::proxy") || name.starts_with("acquire::https::proxy");
        if proxy && !name.contains("detect") && !value.0.is_empty() {
            options.push(format!("{} \"{}\"", line.split_whitespace().next().unwrap_or_default(), value.0));
        }
    }
    options
}

/// Hooks are shell text run by mmdebstrap with the root as `$1`. What they hold is checked or quoted here.
fn arguments(base: &LockedBase, distribution: &Distribution, uri: &str, arch: Arch, options: &[String], target: &Path) -> Vec<String> {
    let Distribution { name: _, suite, sections, updates: _, fetch_packages: _, packages: _ } = distribution;
    let mut list = vec![
        "--variant=minbase".to_string(),
        "--format=tar".to_string(),
        format!("--architectures={}", arch.as_str()),
        format!("--components={}", sections.join(",")),
    ];
    list.extend(options.iter().map(|option| format!("--aptopt={option}")));
    // One suite only: its release file fixes every package. Options of the ordinary line (a keyring) stay.
    let setup = format!(
        "cd \"$1/etc/apt\" && mv sources.list sources.list.silo && \
         sed -n 's|^deb \\(\\[[^]]*\\] \\)\\{{0,1\\}}[^ ]* \\([^ ]*\\) |deb \\1'{uri}' \\2 |p' sources.list.silo | head -n 1 > sources.list",
        uri = quoted(&uri.replace(['\\', '&', '|'], "")),
    );
    let same = format!(
        "test \"$(cat \"$1\"/var/lib/apt/lists/*_InRelease | sha256sum | cut -c1-64)\" = {} || \
         {{ echo 'E: the archive changed while it was being read' >&2; exit 1; }}",
        quoted(base.digest.trim_start_matches("sha256:"))
    );
    let restore = "mv \"$1/etc/apt/sources.list.silo\" \"$1/etc/apt/sources.list\" && rm -f \"$1/etc/apt/apt.conf.d/99mmdebstrap\"";
    // Engines mount these while a step runs. Where they do not exist they are made for that and removed after it, which gives their folder the
    // time of the day, in a layer that has no other times. The name of the host that made the base is nobody's business.
    let mounted =
        "for file in hosts hostname resolv.conf; do rm -f \"$1/etc/$file\" && : >\"$1/etc/$file\" && chmod 0644 \"$1/etc/$file\"; done";
    list.extend([setup].map(|hook| format!("--setup-hook={hook}")));
    list.push(format!("--extract-hook={same}"));
    list.extend([restore, mounted].map(|hook| format!("--customize-hook={hook}")));
    list.extend([suite.clone(), target.display().to_string()]);
    list
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A child that is asked to end, and so to clean up, when nobody waits for it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let running = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = running {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
    }
}

async fn run(
    arguments: &[String],
    epoch: u64,
    surroundings: &Surroundings,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), BootstrapError> {
    let failed = |source| BootstrapError::Run { program: "mmdebstrap", source };
    let mut command = Command::new("mmdebstrap");
    command.args(arguments).env_clear().envs(&surroundings.variables).env("SOURCE_DATE_EPOCH", epoch.to_string()).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().map_err(failed)?);
    let mut last: Vec<String> = Vec::new();
    if let Some(stderr) = running.0.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await.map_err(failed)? {
            let line = line.trim_end();
            if let Some(step) = line.strip_prefix("I: ") {
                progress(step);
            }
            if !line.is_empty() {
                last.push(line.to_string());
                if last.len() > 12 {
                    last.remove(0);
                }
            }
        }
    }
    let status = running.0.wait().await.map_err(failed)?;
    if status.success() { Ok(()) } else { Err(BootstrapError::Failed { status, lines: last.join("\n") }) }
}

/// The archive that mmdebstrap itself would use for a suite: it is asked by a hook that ends it before it downloads anything.
/// Nothing when it cannot be asked.
pub async fn usual_mirror(suite: &str) -> Option<String> {
    let hook = "--setup-hook=sed -n 's/^deb /silo-source: /p' \"$1/etc/apt/sources.list\" >&2; exit 1";
    let output = Command::new("mmdebstrap")
        .args(["--variant=custom", "--format=null", hook, suite, "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(30), output).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.lines()
        .filter_map(|line| line.strip_prefix("silo-source: "))
        .find_map(|line| line.split_whitespace().find(|word| word.starts_with("http")))
        .map(|uri| uri.trim_end_matches('/').to_string())
}
