//! Not written yet.

mod digest;

pub use digest::{Sha256, sha256_hex};
