//! Each real agent in its image.

use super::online;
use super::project::{AGENTS, Built, LOCK, Project, built, docker, pinned};

#[test]
fn all_images_are_built_from_the_committed_lock() {
    online!();
    let built = built();
    let build = &built.build;
    assert_eq!(build.code, Some(0), "{}", build.stderr);
    for agent in AGENTS {
        assert!(build.stderr.contains(&format!("built {agent} in ")), "{agent} is built: {}", build.stderr);
        let reference = format!("localhost/silo/{agent}:{}", built.project.identity(agent));
        let labels = docker(&["image", "inspect", "--format", "{{json .Config.Labels}}", &reference]).succeeded().stdout;
        let labels: serde_json::Value = serde_json::from_str(&labels).unwrap();
        assert_eq!(labels["dev.silo.agent"], agent);
        assert_eq!(labels["dev.silo.agent.version"], pinned(LOCK, "agent", agent).as_str());
    }
    assert_eq!(built.project.read("silo.lock"), LOCK, "the lock is as it was committed");
    built.project.run(&["build", "--locked"]).succeeded().says("claude is there already").says("opencode is there already");
}

#[test]
fn each_agent_is_the_version_of_the_lock() {
    online!();
    let project = Built::ready();
    for agent in AGENTS {
        let version = pinned(LOCK, "agent", agent);
        let said = project.run(&[agent, "--", "--version"]).succeeded().stdout;
        let words = || said.split(|c: char| c.is_whitespace() || c == '(' || c == ')').map(|word| word.trim_end_matches('.'));
        assert!(words().any(|word| word == version), "{agent} {version}: {said:?}");
    }
}

#[test]
fn each_agent_lists_the_mcp_servers() {
    online!();
    let project = Built::ready();
    // What an agent says of a server that it knows; Claude Code and opencode start it for the list.
    let known = [("claude", "✔ Connected"), ("codex", "enabled"), ("copilot", "(local)"), ("opencode", "connected")];
    for (agent, word) in known {
        let said = project.run(&[agent, "--", "mcp", "list"]).succeeded().stdout;
        for server in ["memory", "filesystem"] {
            let line = said.lines().find(|line| line.contains(server) && line.contains(word));
            assert!(line.is_some(), "{agent} knows {server} ({word}): {said}");
        }
    }
}

#[test]
fn each_agent_that_can_say_so_knows_the_language_servers() {
    online!();
    let project = Built::ready();
    let known = [
        ("claude", &["plugin", "validate", "/opt/silo/etc/claude/plugin"][..]),
        ("copilot", &["lsp", "list"][..]),
        ("opencode", &["debug", "config"][..]),
    ];
    for (agent, question) in known {
        let said = project.run(&[&[agent, "--"], question].concat()).succeeded().stdout;
        for server in ["pyright", "typescript-language-server"] {
            assert!(said.contains(server), "{agent} knows {server}: {said}");
        }
    }
}

#[test]
fn every_component_passes_its_smoke_test_and_one_that_does_not_is_named() {
    online!();
    let ran = Built::ready().run(&["build", "--locked", "--test"]).succeeded();
    for component in ["language node", "language python", "mcp memory", "agent claude", "agent codex", "agent copilot", "agent opencode"] {
        assert!(ran.stderr.lines().any(|line| line.contains(component) && line.contains(" works: ")), "{component}: {}", ran.stderr);
    }
    let broken = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\ndefine agent broken {\n    doc \"Says the wrong thing.\"\n    \
        install apt { apt \"coreutils\"; }\n    command \"env\"\n    check \"echo\" \"one\" contains=\"two\"\n}\nagent broken\n";
    let project = Project::with(broken, None);
    project.run(&["build", "--test"]).exited(1).says("agent broken: `echo one`: its output does not hold `two`");
}
