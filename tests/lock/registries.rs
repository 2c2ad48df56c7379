//! Against the real registries, by the addresses that this machine's npm, pip and apt have.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::image;
use super::shell::fetch::{Image, Options, Servers, Surroundings, Update, resolve};
use silo::lock::npm::{package_json, package_lock};
use silo::lock::{Artifact, ImageDigests, Lock, LockState, NpmPackage, apply, state};
use silo::problem::Problems;
use silo::spec::{Arch, LockPolicy, Mirrors};

async fn lock(text: &str, old: Option<&Lock>) -> (Lock, Problems) {
    let surroundings = Surroundings::of_process(None, Mirrors::default());
    let digest = |_: &str| -> Image<'_> {
        Box::pin(async { Ok(ImageDigests { digest: format!("sha256:{}", "0".repeat(64)), platforms: BTreeMap::new() }) })
    };
    let options = Options {
        surroundings: &surroundings,
        update: Update::Changed,
        servers: Servers::Asked,
        policy: &LockPolicy::default(),
        now: None,
        resolve_image: &digest,
    };
    let result = resolve(&image(text), old, &options, &|_| {}).await;
    result.unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn npm(lock: &Lock, name: &str) -> Vec<NpmPackage> {
    let component = lock.components.iter().find(|component| component.id.name.as_str() == name).unwrap();
    component
        .artifacts
        .iter()
        .filter_map(|artifact| if let Artifact::Npm(package) = artifact { Some(package.clone()) } else { None })
        .collect()
}

#[tokio::test]
async fn everything_of_a_configuration_is_pinned_for_both_architectures() {
    let text = "base \"debian:bookworm\" from=bootstrap\ntool git\ntool jq source=apt\nagent claude\nagent codex\nagent opencode\nagent copilot\nlsp bash-language-server\nmcp playwright\nlanguage node source=npm\n";
    let (lock, problems) = lock(text, None).await;
    println!("{problems:?}\n{}", lock.print());
    let spec = image(text);
    assert_eq!(state(&spec, Some(&lock)), LockState::Fresh);
    let (image, problems) = apply(&spec, &lock);
    assert!(image.is_some(), "{problems:?}");
    for agent in ["claude", "codex", "opencode", "copilot"] {
        let packages = npm(&lock, agent);
        let of = |arch: Arch| packages.iter().filter(|package| package.arch == Some(arch)).count();
        assert!(of(Arch::Amd64) >= 1 && of(Arch::Arm64) >= 1, "{agent}: {packages:?}");
    }
    let git = lock.components.iter().find(|component| component.id.name.as_str() == "git").unwrap();
    assert!(
        matches!(&git.artifacts[..], [Artifact::Apt(package)] if package.versions.len() == 2 && package.versions[&Arch::Arm64].starts_with("1:2.39")),
        "{git:?}"
    );
    assert!(npm(&lock, "playwright").iter().any(|package| package.path == "node_modules/@playwright/mcp"));
    let client = lock.components.iter().find(|component| component.id.to_string() == "client npm").unwrap();
    assert_eq!(client.artifacts.len(), 2, "{client:?}");
    // Asking again, with the old lock, changes nothing.
    let (again, _) = super::registries::lock(text, Some(&lock)).await;
    assert_eq!(again, lock);
}

fn install(packages: &[NpmPackage], folder: &Path) {
    std::fs::write(folder.join("package.json"), package_json(packages, Arch::Amd64)).unwrap();
    std::fs::write(folder.join("package-lock.json"), package_lock(packages, Arch::Amd64)).unwrap();
    let output = Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for package in packages.iter().filter(|package| package.arch.is_none_or(|arch| arch == Arch::Amd64)) {
        let text = std::fs::read_to_string(folder.join(&package.path).join("package.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(manifest["version"].as_str(), Some(package.version.as_str()), "{}", package.path);
    }
}

#[tokio::test]
async fn npm_installs_exactly_the_tree_and_its_programs_start() {
    let (lock, _) = lock("base \"debian:bookworm\" from=registry\nlsp bash-language-server version=\"5.6.0\"\nmcp memory\n", None).await;
    let folder = tempfile::tempdir().unwrap();
    install(&npm(&lock, "bash-language-server"), folder.path());
    let output = Command::new(folder.path().join("node_modules/.bin/bash-language-server")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "5.6.0");
    let folder = tempfile::tempdir().unwrap();
    install(&npm(&lock, "memory"), folder.path());
    let script = "printf '%s\\n' '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-03-26\",\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}' | node_modules/.bin/mcp-server-memory";
    let output = Command::new("sh").args(["-c", script]).current_dir(folder.path()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"serverInfo\""), "{}", String::from_utf8_lossy(&output.stderr));
}
