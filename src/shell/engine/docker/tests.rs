//! Against the engine that runs here.

mod build;

use super::*;
use crate::shell::engine::EngineOptions;

/// The image that the tests start from, made when it is missing.
const BASE: &str = "engine-test-base:latest";

async fn engine() -> Docker {
    Docker::connect(&EngineOptions::from_environment()).await.expect("an engine answers")
}
