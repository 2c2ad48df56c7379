//! The effects: everything that touches the world. The library above computes, this carries out.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the place where effects live; nothing outside it performs any"
)]

pub mod base;
mod bootstrap;
pub mod cli;
pub mod command;
pub mod container;
pub mod engine;
pub mod facts;
pub mod failure;
pub mod fetch;
pub mod files;
pub mod image;
pub mod merged;
pub mod project;
pub mod reader;
pub mod smoke;
pub mod trust;
pub mod ui;
pub mod update;
pub mod vendor;
