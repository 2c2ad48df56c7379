//! The effects.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the shell carries effects out")]

#[allow(dead_code, unused_imports, reason = "the commands that use it come with the merge")]
pub mod engine;
