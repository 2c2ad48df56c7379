//! All tests, in one binary.

mod document;
mod emit;
mod identity;
mod plan;
mod support;
