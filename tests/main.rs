//! All tests, in one binary.

mod apple;
mod architecture;
mod catalog;
mod document;
mod emit;
mod generated;
mod identity;
mod launch;
mod layers;
mod lock;
mod plan;
mod problem;
mod real;
mod registration;
mod schema;
mod spec;
mod support;
