//! All tests, in one binary.

mod catalog;
mod document;
mod generated;
mod layers;
mod problem;
mod schema;
mod spec;
