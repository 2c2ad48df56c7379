//! How far a command may go: change the lock, ask servers, use a folder of vendored files.

use std::path::PathBuf;

use clap::Args;

use crate::shell::failure::Failure;
use crate::shell::fetch::Servers;

/// The variable that stands for `--offline`.
const OFFLINE: &str = "SILO_OFFLINE";
/// The variable that stands for `--vendor`.
const VENDOR: &str = "SILO_VENDOR";

/// Whether servers may be asked.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Offline {
    /// Ask no server: what they answered before is used, however old; SILO_OFFLINE=1 does the same
    #[arg(long)]
    pub offline: bool,
}

/// How far silo may go to get a lock that fits.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Locking {
    /// Fail when silo.lock is missing or does not match silo.kdl, instead of updating it
    #[arg(long)]
    pub locked: bool,
    /// The same as --locked --offline
    #[arg(long)]
    pub frozen: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub offline: Offline,
}

/// How far silo may go to get an image.
#[derive(Clone, Debug, Default, Args)]
pub struct Making {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub locking: Locking,
    /// Take what is downloaded out of this folder as far as it is there (see `silo vendor`); SILO_VENDOR does the same
    #[arg(long, value_name = "DIR")]
    pub vendor: Option<PathBuf>,
}

/// What may be done about a lock that does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// It is brought up to date.
    #[default]
    Updated,
    /// Nothing: it has to fit.
    Locked,
}

/// How far a command may go, by its options and the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Means {
    /// What may be done about a lock that does not fit.
    pub hold: Hold,
    /// Whether servers may be asked.
    pub servers: Servers,
    /// The folder of vendored files.
    pub vendor: Option<PathBuf>,
}

impl Offline {
    /// By the option or the variable.
    pub fn servers(self) -> Result<Servers, Failure> {
        let variable = std::env::var_os(OFFLINE).unwrap_or_default();
        let said = variable.to_str().and_then(word).ok_or_else(|| Failure::Usage {
            message: format!("the variable {OFFLINE} is `{}`, which is neither yes nor no", variable.to_string_lossy()),
            help: Some(format!("`{OFFLINE}=1` keeps silo from asking servers; `{OFFLINE}=0`, or no such variable, lets it")),
        })?;
        Ok(if self.offline || said { Servers::LeftAlone } else { Servers::Asked })
    }
}

/// What a word says that stands for yes or no; the empty one is no.
fn word(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "" | "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

impl Locking {
    /// What may be done about a lock that does not fit.
    pub fn hold(self) -> Hold {
        if self.locked || self.frozen { Hold::Locked } else { Hold::Updated }
    }

    /// By the options and the variable.
    pub fn servers(self) -> Result<Servers, Failure> {
        Offline { offline: self.offline.offline || self.frozen }.servers()
    }
}

impl Making {
    /// By the options and the variables.
    pub fn means(&self) -> Result<Means, Failure> {
        let variable = || std::env::var_os(VENDOR).filter(|value| !value.is_empty()).map(PathBuf::from);
        Ok(Means { hold: self.locking.hold(), servers: self.locking.servers()?, vendor: self.vendor.clone().or_else(variable) })
    }
}
