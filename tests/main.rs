//! All tests, in one binary.

mod document;
mod generated;
mod layers;
mod problem;
mod schema;
