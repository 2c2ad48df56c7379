//! All tests, in one binary.

mod apple;
mod architecture;
mod cases;
mod catalog;
mod cli;
mod document;
mod emit;
mod generated;
mod identity;
mod launch;
mod layers;
mod lock;
mod plan;
mod problem;
mod registration;
mod schema;
mod spec;
mod support;
