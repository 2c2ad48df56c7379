//! A base that comes from an image registry.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::online;
use super::project::{Built, Project, docker};

/// A registry of this test's own on the loopback interface, ended with the value.
pub struct Registry {
    child: Child,
    _folder: tempfile::TempDir,
    pub host: String,
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
    pub fn start() -> Registry {
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
    project.run(&["lock"]).succeeded().says("silo::lock::platform");
    let lock = project.read("silo.lock");
    let line = lock.lines().find(|line| line.starts_with("base ")).unwrap();
    assert!(line.contains(&format!("\"{reference}\" from=\"registry\" digest=\"sha256:")), "{line}");
    // For this machine's processor and no other, which is said.
    let (own, other) = if cfg!(target_arch = "aarch64") { ("arm64", "amd64") } else { ("amd64", "arm64") };
    assert!(line.contains(&format!(" {own}=\"sha256:")) && !line.contains(&format!(" {other}=")), "{line}");
    // An engine for which there is none is told so before anything is pulled.
    let elsewhere = lock.replace(line, &line.replace(&format!(" {own}="), &format!(" {other}=")));
    fs::write(project.workspace().join("silo.lock"), elsewhere).unwrap();
    project.run(&["build", "--locked"]).exited(1).says(&format!("has no image for {own}")).says(&format!("one for {other}"));
    fs::write(project.workspace().join("silo.lock"), &lock).unwrap();
    project.run(&["build", "--locked"]).succeeded().says(&format!("pulling {reference}@sha256:"));
    let version = project.run(&["claude", "--", "--version"]).succeeded().stdout;
    assert!(version.contains("(Claude Code)"), "{version}");

    let missing = Project::with(&format!("silo edition=\"2026\"\nbase \"{}/dev/debian:trixie\"\nagent claude\n", registry.host), None);
    missing.run(&["lock"]).exited(1).says("silo::lock::unresolved").says("dev/debian:trixie");
    docker(&["image", "rm", &format!("localhost/silo/claude:{}", project.identity("claude"))]).succeeded();
}

/// An image that no registry but this one has: a root file system with one more layer, which no earlier run can have made and a script adds to.
pub fn push_another(reference: &str, script: &str) {
    let known = || {
        let bases = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=localhost/silo/base"]).stdout;
        bases.lines().find(|base| base.contains(":bookworm-")).map(str::to_string)
    };
    let base = known().unwrap_or_else(|| {
        Project::with("silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n", None).run(&["build"]).succeeded();
        known().unwrap()
    });
    let nonce = format!("{:?}", std::time::SystemTime::now());
    let container = docker(&["run", "--detach", &base, "sh", "-c", &format!("echo '{nonce}' > /srv/nonce; {script}")]).succeeded().stdout;
    let container = container.trim();
    docker(&["wait", container]).succeeded();
    docker(&["commit", container, reference]).succeeded();
    docker(&["rm", container]).succeeded();
    docker(&["push", "--quiet", reference]).succeeded();
    docker(&["image", "rm", reference]).succeeded();
}

/// The image of a project's environment, and its layers.
fn environment(project: &Project) -> (String, String) {
    let text = project.run(&["hash"]).succeeded().stdout;
    let reference = format!("localhost/silo/environment:{}", text.split_whitespace().next().unwrap());
    let layers = docker(&["image", "inspect", "--format", "{{json .RootFS.Layers}}", &reference]).succeeded().stdout;
    (reference, layers)
}

#[test]
fn a_base_of_a_registry_is_vendored_and_built_upon_when_the_registry_has_gone() {
    online!();
    let registry = Registry::start();
    let reference = format!("{}/vendored/debian:bookworm", registry.host);
    push_another(&reference, "true");
    let project = Project::with(&format!("silo edition=\"2026\"\nbase \"{reference}\"\nlayer l {{ apt \"tree\"; }}\n"), None);
    project.run(&["lock"]).succeeded();
    project.run(&["build", "--locked"]).succeeded().says(&format!("pulling {reference}@sha256:"));
    let (image, expected) = environment(&project);
    let lock = project.read("silo.lock");
    let digest = lock.split("digest=\"").nth(1).unwrap().split('"').next().unwrap().to_string();

    let folder = project.root().join("vendored");
    let (vendor, blobs) = (folder.display().to_string(), folder.join("blobs/sha256"));
    let names =
        || -> BTreeSet<String> { fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect() };
    project.run(&["vendor", &vendor, "--platform", "linux/amd64"]).succeeded().says("fetching the base");
    let all = names();
    // A manifest, a configuration and two layers.
    assert!(all.len() == 4 && all.contains(digest.trim_start_matches("sha256:")), "{all:?}");
    let index: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["digest"], digest.as_str());
    assert!(fs::read_to_string(folder.join("oci-layout")).unwrap().contains("1.0.0"));
    // What is there is not fetched again, what is lacking is.
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(blobs.join(digest.trim_start_matches("sha256:"))).unwrap()).unwrap();
    let layer = manifest["layers"][1]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_string();
    fs::remove_file(blobs.join(&layer)).unwrap();
    project.run(&["vendor", &vendor, "--platform", "linux/amd64", "--frozen"]).exited(1).says("silo::vendor::missing");
    project.run(&["vendor", &vendor, "--platform", "linux/amd64"]).succeeded();
    assert_eq!(names(), all);
    // What another lock named goes, out of the list too, and nothing else.
    let gone = "f".repeat(64);
    fs::write(blobs.join(&gone), "of another project").unwrap();
    let mut more = index.clone();
    let mut entry = index["manifests"][0].clone();
    entry["digest"] = format!("sha256:{gone}").into();
    more["manifests"].as_array_mut().unwrap().push(entry);
    fs::write(folder.join("index.json"), more.to_string()).unwrap();
    project.run(&["vendor", &vendor, "--platform", "linux/amd64", "--frozen", "--prune"]).succeeded().says("removed 1 file");
    assert_eq!(names(), all);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&fs::read(folder.join("index.json")).unwrap()).unwrap(), index);
    let other = project.run(&["vendor", &vendor, "--platform", "linux/arm64", "--json"]).succeeded().stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&other).unwrap()["bases"][0]["state"], "nowhere");

    // The registry and the images that came of it are gone.
    drop(registry);
    docker(&["image", "rm", &image]).succeeded();
    docker(&["image", "rm", &format!("{reference}@{digest}")]).succeeded();
    let frozen = project.run(&["vendor", &vendor, "--platform", "linux/amd64", "--frozen", "--json"]).succeeded().stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&frozen).unwrap()["bases"][0]["state"], "present");
    project.run(&["build", "--offline"]).exited(1).says("silo is offline").says("silo vendor DIR");
    let wrong = fs::read(blobs.join(&layer)).unwrap();
    fs::write(blobs.join(&layer), b"another").unwrap();
    project.run(&["build", "--offline", "--vendor", &vendor]).exited(1).says("silo::vendor::damaged");
    fs::write(blobs.join(&layer), wrong).unwrap();
    project.run(&["build", "--offline", "--no-cache", "--vendor", &vendor]).succeeded().says(&format!("taking the base {reference}"));
    assert_eq!(environment(&project), (image.clone(), expected.clone()));
    // The engine has it now, as it has one that it pulled.
    docker(&["image", "rm", &image]).succeeded();
    let again = project.run(&["build", "--offline", "--vendor", &vendor]).succeeded();
    assert!(!again.stderr.contains("taking the base"), "{}", again.stderr);
    assert_eq!(environment(&project), (image.clone(), expected));

    docker(&["image", "rm", &image]).succeeded();
    let config = manifest["config"]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    docker(&["image", "rm", &format!("localhost/silo/base:vendored-{}", &config[..32])]).succeeded();
}
