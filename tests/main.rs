//! All tests, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test stops at the first surprise; some read files, run programs and take times"
)]

mod apple;
mod architecture;
mod cases;
mod catalog;
mod cli;
mod contract;
mod definition;
mod detect;
mod doc_commands;
mod document;
mod documentation;
mod emit;
mod errors;
mod fix;
mod format;
mod generated;
mod grammar;
mod hostile;
mod identity;
mod identity_properties;
mod import;
mod kdl_schema;
mod launch;
mod laws;
mod layers;
mod lock;
mod nickel;
mod plan;
mod problem;
mod real;
mod registration;
mod schema;
mod spec;
mod support;
mod trust;
mod vendor;
mod version_file;
