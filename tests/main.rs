//! All tests, in one binary.

mod architecture;
mod catalog;
mod document;
mod generated;
