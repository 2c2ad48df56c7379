//! All tests, in one binary.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test stops at the first surprise, and some read and write files")]

mod architecture;
mod catalog;
mod document;
mod generated;
mod layers;
mod problem;
mod schema;
mod spec;
