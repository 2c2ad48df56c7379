//! Packages of the distribution are exactly the files that the lock names.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::online;
use super::project::{Project, docker, gateway, run};
use super::registry::{Registry, push_another};
use crate::support::archive::{Answer, serve};

const KDL: &str = r#"silo edition="2026"
base "debian:bookworm" from=bootstrap { apt "jq"; }
define agent entry {
    doc "Runs what it is told."
    install apt { apt "coreutils" }
    command "env"
}
agent entry
"#;

#[test]
fn a_build_takes_the_files_of_the_lock_and_no_others() {
    online!();
    let project = Project::with(KDL, None);
    project.run(&["lock"]).succeeded();
    let lock = project.read("silo.lock");
    let line = lock.lines().find(|line| line.starts_with("package \"libjq1\"")).expect("what jq needs");
    assert!(line.contains(" needed=#true"), "{line}");
    let hash = line.split("amd64=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();

    // A wrong one is told with the package, what was expected, and what came.
    let wrong = "0".repeat(64);
    project.write("silo.lock", &lock.replace(hash, &wrong));
    let ran = project.run(&["build", "entry"]);
    assert_ne!(ran.code, Some(0), "{}", ran.stderr);
    let version = line.split('"').nth(3).unwrap();
    let expected = format!("is not the file of libjq1 {version} that silo.lock names: expected SHA-256 {wrong}, found {hash}");
    assert!(ran.stderr.contains(&expected), "{expected}\n{}", ran.stderr);

    // One that no archive has is told too.
    let folder = line.split(" in=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    project.write("silo.lock", &lock.replace(line, &line.replace(folder, "pool/gone")));
    let ran = project.run(&["build", "entry"]);
    assert_ne!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("no archive has pool/gone/libjq1_") && ran.stderr.contains("silo update packages"), "{}", ran.stderr);

    // The right ones give the same layers twice, without an index.
    project.write("silo.lock", &lock);
    let layers = || {
        project.run(&["build", "entry", "--no-cache"]).succeeded();
        let reference = format!("localhost/silo/entry:{}", project.identity("entry"));
        let inspect = std::process::Command::new("docker").args(["inspect", "-f", "{{json .RootFS.Layers}}", &reference]).output().unwrap();
        String::from_utf8(inspect.stdout).unwrap()
    };
    let first = layers();
    assert_eq!(first, layers());
    let shown =
        project.run(&["shell", "entry", "--", "sh", "-c", "jq --version; ls /var/lib/apt/lists; dpkg-query -W -f '${Version}' libjq1"]);
    let shown = shown.succeeded().stdout;
    assert!(shown.starts_with("jq-1.6\n") && shown.ends_with(version) && !shown.contains("Packages"), "{shown}");
    project.run(&["rm", &format!("localhost/silo/entry:{}", project.identity("entry"))]).succeeded();
}

/// An image whose own sources name an archive that has no longer what the lock names; one that keeps old files has it.
#[test]
fn a_build_takes_what_the_archive_has_no_longer_from_a_snapshot() {
    online!();
    let real = tokio::runtime::Runtime::new().unwrap().block_on(crate::lock::bootstrap::archive());
    let updates = format!("{}/debian-security", real.rsplit_once('/').unwrap().0);
    let (publishes, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (published, seen) = (Arc::clone(&publishes), Arc::clone(&asked));
    let host = gateway();
    let named = host.clone();
    let port = serve("0.0.0.0", move |path| {
        seen.lock().unwrap().push(path.to_string());
        let (root, rest) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
        let elsewhere = |file: &str| {
            let archive = if file.starts_with("pool/updates/") { &updates } else { &real };
            Answer::Elsewhere(format!("{archive}/{file}"))
        };
        let port = root.trim_start_matches(|c: char| !c.is_ascii_digit());
        match (root, rest) {
            (_, "dists/bookworm/InRelease") if published.load(Ordering::Relaxed) => {
                Answer::Bytes(format!("Origin: test\nSnapshots: http://{named}:{port}/old/@SNAPSHOTID@/\n").into_bytes())
            }
            (_, rest) if rest.starts_with("dists/") => Answer::Bytes(b"Origin: test\n".to_vec()),
            ("old", rest) => rest.split_once('/').map_or(Answer::Missing, |(_, file)| elsewhere(file)),
            (_, rest) if rest.contains("/tree_") => Answer::Missing,
            (_, rest) => elsewhere(rest),
        }
    });
    let registry = Registry::start();
    let base = format!("{}/moved-on/debian:bookworm", registry.host);
    let own = format!("deb [trusted=yes] http://{host}:{port}/now-{port} bookworm main");
    push_another(&base, &format!("rm -f /etc/apt/sources.list.d/*; echo '{own}' > /etc/apt/sources.list"));
    let project = Project::with(&format!("silo edition=\"2026\"\nbase \"{base}\"\nlayer l {{ apt \"tree\"; }}\n"), None);
    project.run(&["lock"]).succeeded();
    let lock = project.read("silo.lock");
    let moment = lock.lines().filter_map(|line| line.strip_prefix("snapshot \"")).next_back().unwrap().trim_end_matches('"').to_string();
    let build = |snapshot: Option<String>| {
        let mut command = project.silo(&["build", "--locked", "--no-cache"]);
        command.env_remove("SILO_APT_MIRROR").env_remove("SILO_APT_SNAPSHOT");
        if let Some(address) = snapshot {
            command.env("SILO_APT_SNAPSHOT", address);
        }
        asked.lock().unwrap().clear();
        run(command)
    };
    let old = || {
        let asked = asked.lock().unwrap();
        asked.iter().any(|path| path.starts_with(&format!("/old/{moment}/pool/")) && path.contains("/tree_"))
    };
    let failed = build(None).exited(1);
    assert!(failed.stderr.contains("no archive has pool/main/t/tree/tree_") && !old(), "{}", failed.stderr);
    let hash = project.run(&["hash"]).succeeded().stdout;
    let image = format!("localhost/silo/environment:{}", hash.split_whitespace().next().unwrap());
    let layers = || docker(&["image", "inspect", "--format", "{{json .RootFS.Layers}}", &image]).succeeded().stdout;
    // The caller names it.
    build(Some(format!("http://{host}:{port}/old/%{{moment}}"))).succeeded();
    assert!(old(), "{:?}", asked.lock().unwrap());
    let first = layers();
    docker(&["image", "rm", &image]).succeeded();
    // The archive's own release file names it.
    publishes.store(true, Ordering::Relaxed);
    build(None).succeeded();
    assert!(old(), "{:?}", asked.lock().unwrap());
    assert_eq!(layers(), first);
    let digest = lock.split("digest=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    docker(&["image", "rm", &image, &format!("{base}@{digest}")]).succeeded();
}
