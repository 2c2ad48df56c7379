//! All tests, in one binary.

mod architecture;
mod document;
mod generated;
