//! All tests, in one binary.

mod document;
mod lock;
