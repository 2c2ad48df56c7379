//! silo's core: a compiler from `silo.kdl` to an image and a launch.
//!
//! The library computes values and does nothing else. It opens no file, reads no clock, no environment and no network; where it needs
//! something from outside it returns the question, and the program (`src/main.rs`, `src/shell/`) answers and calls again.
//!
//! The modules are the stages of the pipeline, in order; a module imports only from those above it.

// One a paragraph, so that the order stays the pipeline's.
pub mod digest;

pub mod source;

pub mod template;

pub mod problem;

pub mod document;

pub mod schema;

pub mod layers;

pub mod contract;

pub mod catalog;

pub mod spec;

pub mod import;

pub mod detect;

pub mod trust;

pub mod lock;

pub mod plan;

pub mod identity;

pub mod emit;

pub mod launch;
