//! npm: what its registry says, the tree of packages that follows from it, and the two files that `npm ci` reads.
//!
//! [`resolve`] never fetches anything: while it lacks a package's document it returns the names it needs ([`Unsolved::Need`]).

mod choose;
mod packument;
mod reduced;
mod render;
mod tree;

pub use choose::{Track, choose, instead, refusal, track};
pub use packument::{Bundled, Dist, Manifest, Packument, Young};
pub use reduced::reduced;
pub use render::{package_json, package_lock};
pub use tree::{Root, Tree, Unsolved, resolve};

use std::collections::BTreeMap;

/// What the registry said about each package so far; `None` when it has no such package.
pub type Registry = BTreeMap<String, Option<Packument>>;

/// A dependency's package and what is asked of it: `npm:other@^1` names another package than the folder it goes to.
pub(super) fn aliased<'a>(name: &'a str, spec: &'a str) -> (&'a str, &'a str) {
    match spec.trim().strip_prefix("npm:") {
        None => (name, spec.trim()),
        Some(other) => match other.rfind('@').filter(|at| *at > 0) {
            Some(at) => (&other[..at], &other[at + 1..]),
            None => (other, ""),
        },
    }
}
