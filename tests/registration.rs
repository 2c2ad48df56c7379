//! How agents are told about their servers, and the shell text that silo writes: run by a real `/bin/sh`.
#![expect(clippy::disallowed_types, reason = "a real shell reads the text")]

use std::process::Command;

use silo::plan::shell::{LINK_FILES, RUN_SCRIPTS, quote};
use silo::plan::{agent_files, mcp_launcher};
use silo::problem::{Code, Problems};
use silo::spec::{EnvName, FileFormat, Kind, McpServer, McpTransport, Pattern, Registration};

use crate::support::image::{agent, archive, env_name, mcp, name, registration, span, template};

const HOSTILE: &[&str] =
    &["", "a b", "'", "''", "\"", "$HOME", "`id`", "$(id)", "\\", "\\'", "a\nb", "*", "~", "#x", "-n", "!", "%s", "é", ";", "%%{home}"];

fn text(agent: &silo::lock::PinnedAgent, path: &str) -> String {
    let mut problems = Problems::default();
    let files = agent_files(agent, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    String::from_utf8(files.get(path).unwrap_or_else(|| panic!("no {path} in {:?}", files.keys())).bytes.clone()).expect("text")
}

fn sh(script: &str, args: &[&str]) -> String {
    let output = Command::new("/bin/sh")
        .args(["-c", script])
        .args(args)
        .env("HOME", "/home/a b")
        .env("SILO_WORKSPACE", "/w $x")
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn json_and_toml_say_the_same() {
    let mut agent = agent(archive(Kind::Agent, "first"));
    let remote = McpTransport::Remote { protocol: "http".into(), url: "https://mcp.example/x?a=\"b\"".into() };
    agent.mcp.push(McpServer { name: name("remote"), transport: remote, env: Vec::new(), origin: span(1) });
    insta::assert_snapshot!(text(&agent, "/opt/silo/etc/agent/mcp.json"), @r#"
    {
      "mcpServers": {
        "memory": {
          "type": "stdio",
          "command": "/opt/silo/mcp/memory",
          "args": [],
          "env": {
            "API_KEY": "${API_KEY}"
          }
        },
        "remote": {
          "type": "http",
          "url": "https://mcp.example/x?a=\"b\""
        }
      }
    }
    "#);
    let json: toml::Value = serde_json::from_str(&text(&agent, "/opt/silo/etc/agent/mcp.json")).expect("JSON");
    agent.registrations[0].format = FileFormat::Toml;
    let toml: toml::Value = toml::from_str(&text(&agent, "/opt/silo/etc/agent/mcp.json")).expect("TOML");
    assert_eq!(json, toml);
}

#[test]
fn two_registrations_and_the_agent_s_own_text_share_a_file() {
    let mut agent = agent(archive(Kind::Agent, "first"));
    let file = "/opt/silo/etc/agent/mcp.json".to_string();
    agent.files.insert(file.clone(), "{\"theme\": \"dark\"}".into());
    let lsp = Pattern::Table(vec![
        ("argv".into(), Pattern::Text("%{argv}".into())),
        ("endings".into(), Pattern::Text("%{extensions}".into())),
        ("languages".into(), Pattern::Text("%{languages}".into())),
        ("on".into(), Pattern::Bool(true)),
    ]);
    agent.registrations.push(Registration { servers: Kind::Lsp, key: vec!["a".into(), "b".into()], local: lsp, ..registration() });
    let json: serde_json::Value = serde_json::from_str(&text(&agent, &file)).expect("JSON");
    assert_eq!(json["theme"], "dark");
    assert_eq!(json["mcpServers"]["memory"]["command"], "/opt/silo/mcp/memory");
    let expected = serde_json::json!({ "argv": ["gopls", "--stdio"], "endings": [".go"], "languages": { ".go": "gopls" }, "on": true });
    assert_eq!(json["a"]["b"]["gopls"], expected);
}

#[test]
fn an_agent_without_servers_has_no_registration() {
    let mut agent = agent(archive(Kind::Agent, "first"));
    agent.mcp.clear();
    let files = agent_files(&agent, &mut Problems::default());
    assert_eq!(files.keys().collect::<Vec<_>>(), ["/opt/silo/etc/agent/plugin.json"]);
}

#[test]
fn a_launcher_passes_every_word_exactly() {
    let mut command = vec!["printf", "%s|"];
    command.extend(HOSTILE);
    command.extend(["a%{workspace}b", "%{home}/x"]);
    let launcher = mcp_launcher(&mcp("x", &command), &mut Problems::default()).expect("a launcher");
    let mut expected: Vec<String> = HOSTILE.iter().map(|word| word.replace("%%{", "%{")).collect();
    expected.extend(["a/w $xb".to_string(), "/home/a b/x".to_string()]);
    assert_eq!(sh(&launcher, &[]), format!("{}|", expected.join("|")));
}

#[test]
fn a_launcher_sets_variables_exactly() {
    let value = "a'b\"$HOME\n%{home}";
    let transport = McpTransport::Stdio {
        command: vec![template("printenv"), template("X")],
        env: [(EnvName::new("X").expect("a name"), template(value))].into(),
    };
    let server = McpServer { name: name("x"), transport, env: vec![env_name("Y")], origin: span(1) };
    let launcher = mcp_launcher(&server, &mut Problems::default()).expect("a launcher");
    assert_eq!(sh(&launcher, &[]), "a'b\"$HOME\n/home/a b\n");
}

#[test]
fn nul_and_unknown_placeholders_are_refused() {
    for (word, code) in [("a\0b", Code::UnsafeText), ("%{user}", Code::UnknownPlaceholder)] {
        let mut problems = Problems::default();
        assert_eq!(mcp_launcher(&mcp("x", &["x", word]), &mut problems), None);
        assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [code]);
    }
}

#[test]
fn quoted_text_is_one_word() {
    for text in HOSTILE {
        assert_eq!(sh(&format!("printf %s {}", quote(text)), &[]), *text);
    }
}

#[test]
fn scripts_run_in_order_and_then_the_command() {
    let args = ["silo", "2", "printf '%s\\n' one", "#!/bin/sh\necho two \"$0\" | cut -c1-7\n", "printf", "%s|", "a b", "$x"];
    assert_eq!(sh(RUN_SCRIPTS, &args), "one\ntwo /tm\na b|$x|");
    let failed = Command::new("/bin/sh").args(["-c", RUN_SCRIPTS, "silo", "1", "exit 7", "echo", "never"]).output().expect("a shell");
    assert_eq!((failed.status.code(), failed.stdout.as_slice()), (Some(7), b"".as_slice()));
}

#[test]
fn files_are_linked_before_the_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("a b/c");
    let place = place.to_str().expect("text");
    assert_eq!(sh(LINK_FILES, &["silo", "1", "/etc/hostname", place, "readlink", place]), "/etc/hostname\n");
}
