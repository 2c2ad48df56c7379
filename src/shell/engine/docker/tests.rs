//! Against the engine that runs here.

mod build;
mod connect;
mod images;
mod run;
mod tty;

use std::path::Path;
use std::process::{Command, Output};

use super::*;
use crate::shell::engine::EngineOptions;

/// The image that the tests start from, made when it is missing.
const BASE: &str = "engine-test-base:latest";

async fn engine() -> Docker {
    Docker::connect(&EngineOptions::from_environment()).await.expect("an engine answers")
}

/// The engine, with the base image in it.
async fn engine_with_base() -> Docker {
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _alone = MAKING.lock().await;
    let engine = engine().await;
    if engine.find(BASE).await.expect("the engine looks it up").is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = folder.path().join("base.tar");
        let made = Command::new("mmdebstrap").args(["--variant=minbase", "bookworm"]).arg(&archive).output().expect("mmdebstrap runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        engine.import_rootfs(&archive, BASE, &Default::default()).await.expect("it is imported");
    }
    engine
}

/// Another client's view of the same engine.
fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().expect("the docker client runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Options that name one socket and nothing of this machine.
fn only(host: Option<&str>, home: &Path, system_socket: &Path) -> EngineOptions {
    EngineOptions {
        host: host.map(str::to_owned),
        tls_verify: None,
        context: None,
        config: None,
        home: Some(home.to_owned()),
        runtime: None,
        system_socket: system_socket.to_owned(),
    }
}
