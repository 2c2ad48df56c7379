//! What is built again after a change, read from what the engine says of each step.

use std::collections::BTreeSet;

use super::online;
use super::project::{Built, KDL, LOCK, Project, pinned};

/// The stage of a line that says how a step ended, and whether it was done.
fn step(line: &str) -> Option<(&str, bool)> {
    let (stage, rest) = line.split_once(": ")?;
    let (what, how) = rest.rsplit_once(": ")?;
    let is_name = stage.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    // To name the base is no work.
    let ended = how == "cached" || how.starts_with("done in ");
    (is_name && ended && !what.starts_with("FROM ")).then_some((stage, how != "cached"))
}

/// The stages of which a step was done in a build, and those of which only kept results were used.
fn stages(progress: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let steps: Vec<(&str, bool)> = progress.lines().filter_map(step).collect();
    let done: BTreeSet<&str> = steps.iter().filter(|(_, done)| *done).map(|(stage, _)| *stage).collect();
    let kept = steps.iter().map(|(stage, _)| *stage).filter(|stage| !done.contains(stage)).collect();
    (done, kept)
}

/// A component that no earlier run can have built.
fn nonce() -> String {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}-{}", time.as_nanos(), std::process::id())
}

fn with_stamp(nonce: &str) -> String {
    format!(
        "{KDL}\ndefine mcp zz-stamp {{\n    install here {{\n        apt \"coreutils\"\n        run \"echo {nonce} > stamp\"\n    }}\n    command \"cat\"\n}}\nmcp zz-stamp\n"
    )
}

#[test]
fn a_changed_component_is_all_that_is_built_again() {
    online!();
    Built::ready();
    let project = Project::with(&with_stamp(&nonce()), Some(LOCK));
    project.run(&["lock"]).succeeded();
    let first = project.run(&["build", "codex"]).succeeded();
    let before = project.identity("codex");
    project.write("silo.kdl", &with_stamp(&nonce()));
    project.run(&["lock"]).succeeded();
    let second = project.run(&["build", "codex"]).succeeded();
    let after = project.identity("codex");
    let shown = project.run(&["shell", "codex", "--", "cat", "/opt/silo/mcp-zz-stamp/stamp"]).succeeded().stdout;
    for identity in [&before, &after] {
        project.run(&["rm", &format!("localhost/silo/codex:{identity}")]).succeeded();
    }
    assert_ne!(before, after);
    assert!(project.read("silo.kdl").contains(shown.trim()), "the image holds the new one: {shown}");
    let (done, kept) = stages(&second.stderr);
    assert_eq!(done, BTreeSet::from(["agent-codex", "environment", "mcp-zz-stamp"]), "first:\n{}\nsecond:\n{}", first.stderr, second.stderr);
    for stage in ["base", "language-node", "lsp-pyright", "mcp-memory"] {
        assert!(kept.contains(stage), "{stage} is kept: {kept:?}\n{}", second.stderr);
    }
    // Copies of what did not change are kept too.
    let copies: Vec<&str> = second.stderr.lines().filter(|line| line.starts_with("environment: ") && line.contains(": done in ")).collect();
    assert!(copies.iter().all(|line| line.contains("zz-stamp")), "{copies:?}");
}

#[test]
fn another_pin_of_a_language_server_builds_its_stage() {
    online!();
    Built::ready();
    let older = "1.1.400";
    assert_ne!(pinned(LOCK, "lsp", "pyright"), older);
    let project = Project::with(&KDL.replace("lsp pyright\n", &format!("lsp pyright version=\"{older}\"\n")), Some(LOCK));
    project.run(&["build", "--locked", "codex"]).exited(1).says("lsp pyright");
    project.run(&["lock"]).succeeded();
    let lock = project.read("silo.lock");
    assert_eq!(pinned(&lock, "lsp", "pyright"), older);
    let changed: Vec<&str> = lock.lines().filter(|line| !LOCK.contains(line)).filter(|line| !line.starts_with("silo-lock ")).collect();
    assert!(changed.iter().all(|line| line.contains("pyright")), "nothing else was resolved anew: {changed:?}");
    let reference = format!("localhost/silo/codex:{}", project.identity("codex"));
    let _ = project.run(&["rm", "--force", &reference]);
    let build = project.run(&["build", "--locked", "codex"]).succeeded();
    let version = project.run(&["shell", "codex", "--", "pyright", "--version"]).succeeded().stdout;
    project.run(&["rm", &reference]).succeeded();
    assert!(version.contains(older), "{version}");
    // An earlier run may have left the stage itself in the engine's cache.
    let (done, _) = stages(&build.stderr);
    assert!(done.is_subset(&BTreeSet::from(["agent-codex", "environment", "lsp-pyright"])), "{done:?}\n{}", build.stderr);
}

#[test]
fn another_agents_identity_does_not_move() {
    online!();
    let project = Project::fixture();
    let before = ["claude", "codex", "copilot", "opencode"].map(|agent| project.identity(agent));
    project.write("silo.kdl", &KDL.replace("agent codex\n", "agent codex version=\"0.166.0\"\n"));
    project.run(&["lock"]).succeeded();
    let after = ["claude", "codex", "copilot", "opencode"].map(|agent| project.identity(agent));
    assert_ne!(before[1], after[1]);
    assert_eq!([&before[0], &before[2], &before[3]], [&after[0], &after[2], &after[3]]);
}
