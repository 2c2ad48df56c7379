//! Looking things up: the answers that `silo.lock` keeps.

pub mod client;
pub mod endpoint;

mod archive;
mod component;
mod file;
mod index;
mod npm;
mod outdated;
mod pypi;
mod resolve;
mod session;

pub use archive::open;
pub use client::{Client, FetchError};
pub use endpoint::{Expansion, Surroundings};
pub use outdated::{Standing, outdated};
pub use resolve::{Digest, Options, Part, Update, resolve};
pub use session::Event;

/// An error with its causes in one line, each said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
