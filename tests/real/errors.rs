//! What goes wrong around silo: one error each, with what to do.

use std::time::Duration;

use super::online;
use super::project::{KDL, LOCK, Project, run};

/// How many errors a text tells.
fn errors(stderr: &str) -> usize {
    stderr.lines().filter(|line| line.starts_with("error: ") || line.trim_start().starts_with('×')).count()
}

#[test]
fn no_engine() {
    online!();
    let project = Project::fixture();
    for args in [&["claude", "--", "--version"][..], &["build"], &["shell"], &["ls"]] {
        let mut silo = project.silo(args);
        silo.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
        let ran = run(silo).exited(125).says("no container engine listens at unix:///nonexistent/docker.sock").says("set DOCKER_HOST");
        assert_eq!(errors(&ran.stderr), 1, "{}", ran.stderr);
    }
}

#[test]
fn an_agent_that_is_not_there() {
    online!();
    let project = Project::fixture();
    for args in [&["claud", "--", "--version"][..], &["run", "claud"], &["build", "claud"], &["shell", "claud"], &["hash", "claud"]] {
        let ran = project.run(args).exited(2).says("`claud`").says("did you mean `claude`?");
        assert_eq!(errors(&ran.stderr), 1, "{}", ran.stderr);
    }
}

#[test]
fn no_registry() {
    online!();
    // Nothing listens on the discard port of this machine.
    let closed = "http://127.0.0.1:9";
    let registries = [
        ("NPM_CONFIG_REGISTRY", format!("cannot reach {closed}: Connection refused"), "names another registry"),
        ("PIP_INDEX_URL", format!("cannot reach {closed}: Connection refused"), "names another index"),
        ("SILO_APT_MIRROR", format!("cannot fetch {closed}/"), "set SILO_APT_MIRROR"),
    ];
    for (variable, message, help) in registries {
        let project = Project::with(KDL, None);
        let mut silo = project.silo(&["lock"]);
        silo.env(variable, closed);
        let ran = run(silo).exited(1).says(&message).says(help).says(variable);
        assert_eq!(errors(&ran.stderr), 1, "one server, one error: {}", ran.stderr);
        assert!(ran.took < Duration::from_secs(30), "{:?}", ran.took);
        assert!(!project.workspace().join("silo.lock").exists(), "no lock is better than half of one");
    }
}

#[test]
fn a_lock_that_does_not_fit() {
    online!();
    let project = Project::with(KDL, None);
    project.run(&["build", "--locked"]).exited(1).says("silo.lock").says("silo lock");
    project.write("silo.lock", LOCK);
    project.write("silo.kdl", &KDL.replace("lsp pyright\n", "lsp bash-language-server\n"));
    project.run(&["build", "--locked"]).exited(1).says("bash-language-server").says("silo lock");
    assert_eq!(project.read("silo.lock"), LOCK);
}
