//! The effects.
#![expect(clippy::disallowed_methods, reason = "this is the shell: effects live here")]
#![expect(dead_code, reason = "the commands come later")]

mod bootstrap;
mod fetch;
