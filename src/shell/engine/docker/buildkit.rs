//! A small BuildKit client: the engine's control service one way, silo's session the other.
//!
//! `bollard` has one driver that shows progress and another that passes secrets; a build needs both.

mod auth;
mod client;
mod filesync;
mod progress;
mod secrets;
mod session;

pub(super) use auth::{Credentials, TOKEN_USER};
