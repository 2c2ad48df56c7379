//! A base that comes from an image registry.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::online;
use super::project::{Built, Project, docker};

/// A registry of this test's own on the loopback interface, ended with the value.
struct Registry {
    child: Child,
    _folder: tempfile::TempDir,
    host: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The registry program of the distribution's package: installed, or unpacked into a folder.
fn program(folder: &Path) -> PathBuf {
    let installed = Path::new("/usr/bin/docker-registry");
    if installed.exists() {
        return installed.to_path_buf();
    }
    let unpack = "chmod 0777 . && apt-get download docker-registry && dpkg -x docker-registry_*.deb .";
    let made = Command::new("sh").args(["-ec", unpack]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder.join("usr/bin/docker-registry")
}

impl Registry {
    fn start() -> Registry {
        let folder = tempfile::tempdir().unwrap();
        let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let data = folder.path().join("data");
        let config =
            format!("version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: \"{host}\" }}\n", data.display());
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(program(folder.path()));
        let child = command.arg("serve").arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while TcpStream::connect(&host).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "the registry answers");
            std::thread::sleep(Duration::from_millis(50));
        }
        Registry { child, _folder: folder, host }
    }
}

#[test]
fn a_base_of_a_registry_is_pinned_by_digest_pulled_and_built_upon() {
    online!();
    // The bootstrapped base of the fixture, put into a registry, is an image like any other.
    Built::ready();
    let bases = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=localhost/silo/base"]).stdout;
    let base = bases.lines().find(|base| base.contains(":bookworm-")).unwrap();
    let registry = Registry::start();
    let reference = format!("{}/dev/debian:bookworm", registry.host);
    docker(&["tag", base, &reference]).succeeded();
    docker(&["push", "--quiet", &reference]).succeeded();
    docker(&["image", "rm", &reference]).succeeded();

    let project = Project::with(&format!("silo edition=\"2026\"\nbase \"{reference}\"\nagent claude\n"), None);
    project.run(&["lock"]).succeeded();
    let lock = project.read("silo.lock");
    let line = lock.lines().find(|line| line.starts_with("base ")).unwrap();
    assert!(line.contains(&format!("\"{reference}\" from=\"registry\" digest=\"sha256:")), "{line}");
    project.run(&["build", "--locked"]).succeeded().says(&format!("pulling {reference}@sha256:"));
    let version = project.run(&["claude", "--", "--version"]).succeeded().stdout;
    assert!(version.contains("(Claude Code)"), "{version}");

    let missing = Project::with(&format!("silo edition=\"2026\"\nbase \"{}/dev/debian:trixie\"\nagent claude\n", registry.host), None);
    missing.run(&["lock"]).exited(1).says("silo::lock::unresolved").says("dev/debian:trixie");
    docker(&["image", "rm", &format!("localhost/silo/claude:{}", project.identity("claude"))]).succeeded();
}
