//! Docker Engine 20.10 and newer.

use std::path::PathBuf;

use crate::shell::engine::{Cause, EngineError, Operation};
use transport::Address;

mod attach;
mod buildkit;
mod connect;
mod container;
mod images;
mod registry;
mod run;
mod terminal;
mod transport;

pub use attach::Streams;
pub use registry::repository;
pub use terminal::restore as restore_terminal;

#[cfg(test)]
mod tests;

/// A Docker engine that answered.
#[derive(Debug)]
pub struct Docker {
    client: bollard::Docker,
    address: Address,
    /// The newest API version that it speaks.
    api: (u32, u32),
    /// The folder of the Docker client's configuration, for registry credentials.
    config: Option<PathBuf>,
}

/// Turns a cause into the error of an operation, after looking whether it is one that has a name.
fn failed(operation: Operation, source: impl Into<Cause>) -> EngineError {
    let source = source.into();
    if says_no_space(&source.to_string()) { EngineError::NoSpace { source } } else { EngineError::Operation { operation, source } }
}

/// Whether a text is about a full disk. The engine passes the system's own message on and has no code for it.
fn says_no_space(text: &str) -> bool {
    text.to_ascii_lowercase().contains("no space left on device")
}

/// The status of an answer that `bollard` turned into an error.
fn status_of(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, message: _ } => Some(*status_code),
        _ => None,
    }
}
