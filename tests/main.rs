//! All tests, in one binary.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test stops at the first surprise, and some read and write files")]

mod architecture;
mod apple;
mod catalog;
mod document;
mod emit;
mod generated;
mod identity;
mod launch;
mod layers;
mod plan;
mod problem;
mod registration;
mod schema;
mod spec;
mod support;
mod lock;
