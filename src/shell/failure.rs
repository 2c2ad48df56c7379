//! Why a command stops, and the exit code that says so.

use silo::problem::Problems;
use silo::source::Sources;

use super::engine::{BuildError, EngineError};
use super::fetch::chain;

/// Why a command stops.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something somebody wrote is wrong.
    #[error("the configuration has problems")]
    Problems {
        /// What is wrong.
        problems: Problems,
        /// The texts it is about.
        sources: Box<Sources>,
    },
    /// The command line asks for something that cannot be.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to type instead.
        help: Option<String>,
    },
    /// Something the command needs is not there.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// The operating system refused something.
    #[error("{operation} failed")]
    System {
        /// What was tried, naming its object.
        operation: String,
        /// What to do.
        help: Option<String>,
        /// Why.
        source: std::io::Error,
    },
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A build, other than by a step of its own.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Everything was said already.
    #[error("stopped")]
    Said(u8),
}

/// The operating system refused `operation`.
pub fn system(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failure {
    let operation = operation.into();
    move |source| Failure::System { operation, help: None, source }
}

/// Exit codes; the README lists them.
pub mod code {
    /// The user's or the configuration's fault.
    pub const CONFIGURATION: u8 = 1;
    /// The command line's fault.
    pub const USAGE: u8 = 2;
    /// A bug in silo.
    pub const BUG: u8 = 70;
    /// The engine's.
    pub const ENGINE: u8 = 125;
    /// Ctrl-C: 128 and the signal's number.
    pub const CANCELLED: u8 = 130;
}

impl Failure {
    /// Why, in one line: every problem's message, or the error with its causes.
    pub fn reason(&self) -> String {
        match self {
            Failure::Problems { problems, sources: _ } => {
                problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")
            }
            Failure::Usage { .. } | Failure::Refused { .. } | Failure::System { .. } => chain(self),
            Failure::Engine(_) | Failure::Build(_) | Failure::Said(_) => chain(self),
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Problems { .. } | Failure::Refused { .. } | Failure::System { .. } => code::CONFIGURATION,
            Failure::Usage { .. } => code::USAGE,
            Failure::Build(BuildError::Cancelled) => code::CANCELLED,
            Failure::Engine(_) | Failure::Build(_) => code::ENGINE,
            Failure::Said(code) => *code,
        }
    }
}
