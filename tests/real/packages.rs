//! Packages of the distribution are exactly the files that the lock names.

use super::online;
use super::project::Project;

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
