//! All tests, in one binary.

mod catalog;
mod document;
mod spec;
