//! Looking things up: the answers that `silo.lock` keeps.

pub mod client;
pub mod endpoint;

mod archive;
pub mod cache;
pub mod cargo;
mod component;
mod crates;
mod file;
pub mod go;
mod index;
pub mod login;
mod npm;
mod outdated;
mod packages;
mod pinned;
mod pypi;
pub mod registry;
mod resolve;
pub mod secrets;
mod session;
mod signature;
pub mod snapshot;
pub mod sources;
pub mod wait;

pub use archive::{mirrors, open};
pub use cargo::CratesIndex;
pub use client::{Client, FetchError, Freshness, Servers};
pub use endpoint::{Expansion, Surroundings};
pub use outdated::{Held, Standing, outdated};
pub use pinned::Getter;
pub use resolve::{Image, Options, Part, Update, resolve};
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
