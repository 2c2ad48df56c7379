//! `silo config show --why`, `silo config edit`, `silo doc`, `silo catalog`, and the JSON Schema of what is shown.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use silo::layers::{self, Edit, Path};

use crate::cli::Place;
use crate::support::project::Project;
use crate::support::terminal::Terminal;

fn set(text: &str, path: &str, value: &str) -> String {
    layers::edit(text, &Edit::Set(Path::parse(path).unwrap(), value.to_string())).unwrap()
}

fn unset(text: &str, path: &str) -> String {
    layers::edit(text, &Edit::Unset(Path::parse(path).unwrap())).unwrap()
}

fn add(text: &str, node: &str) -> String {
    layers::edit(text, &Edit::Add(node.to_string())).unwrap()
}

#[test]
fn an_edit_keeps_everything_else_of_the_text() {
    let text = "// mine\nlanguage node   version=(default)\"20\" // pinned\n\nenv A=\"1\" B=\"2\" // both\n";
    assert_eq!(set(text, "language.node.version", "22"), text.replace("\"20\"", "\"22\""));
    assert_eq!(set(text, "env.A", "3"), text.replace("\"1\"", "\"3\""));
    assert_eq!(unset(text, "env.B"), text.replace(" B=\"2\"", ""));
    assert_eq!(unset(text, "language.node"), "// mine\n\nenv A=\"1\" B=\"2\" // both\n");
    assert_eq!(set(text, "language.node.source", "npm"), text.replace("\"20\"", "\"20\" source=\"npm\""));
    assert_eq!(set(text, "env.C", "x y"), text.replace("B=\"2\"", "B=\"2\" C=\"x y\""));
}

#[test]
fn what_is_new_stands_where_the_reference_has_it() {
    assert_eq!(add("tool git // x\nagent a\n", "tool jq"), "tool git // x\ntool jq\nagent a\n");
    assert_eq!(set("", "resources.cpus", "4"), "resources cpus=4\n");
    assert_eq!(set("agent a\n", "base.image", "debian:bookworm"), "base \"debian:bookworm\"\nagent a\n");
    assert_eq!(set("agent a\n", "agent.a.env.X", "1"), "agent a {\n    env X=\"1\"\n}\n");
    assert!(layers::edit("tool jq\n", &Edit::Add("tool jq".into())).is_err());
    assert!(layers::edit("tool jq\n", &Edit::Unset(Path::parse("tool.git").unwrap())).is_err());
}

fn place() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.home().join(".config/silo")).unwrap();
    fs::write(place.home().join(".config/silo/silo.kdl"), "language node version=\"16\"\n").unwrap();
    place.write("base.kdl", "language node version=(default)\"18\"\nmcp memory\ntool jq\n").write(
        "silo.kdl",
        "silo edition=\"2026\"\nimport \"base.kdl\"\nlanguage node version=\"22\"\ntool jq\nenv EDITOR=\"vi\"\n(remove)mcp memory\nagent claude\nwhen os=nothing { language node version=\"20\" }\n",
    );
    place
}

#[test]
fn why_tells_who_won_and_by_which_rule() {
    let place = place();
    let ran = place.run(&["config", "show", "--why", "language.node.version"]);
    assert_eq!(
        ran.expect(0).out,
        "\
language.node.version = \"22\"

  holds     silo.kdl:3  the project's file
            language node version=\"22\"

  loses     ~/.config/silo/silo.kdl:1  your own file
            language node version=\"16\"
            silo.kdl:3 is stronger: the project's file outranks your own file

  loses     base.kdl:1  the project's file, (default)
            language node version=(default)\"18\"
            silo.kdl:3 is stronger: `(default)` yields to everything else

  sleeps    silo.kdl:8  the project's file
            when os=nothing { language node version=\"20\" }
            `when os=nothing` does not hold here
"
    );
    let ran = place.run(&["config", "show", "--why", "mcp.memory"]);
    assert!(ran.expect(0).out.contains("silo.kdl:6 takes it away: its file imports this one"), "{}", ran.out);
    let ran = place.run(&["config", "show", "--why", "tool.jq"]);
    assert!(ran.expect(0).out.contains("agrees    base.kdl:3"), "{}", ran.out);
    let ran = place.run(&["config", "show", "--why", "env.*"]);
    assert!(ran.expect(0).out.contains("env.EDITOR.value  \"vi\" silo.kdl:5"), "{}", ran.out);
    let ran = place.run(&["config", "show", "--why", "langauge.node.version"]);
    assert!(ran.expect(1).err.contains("did you mean `language.node.version`?"), "{}", ran.err);
    place.run(&["config", "show", "--why", "a..b"]).expect(2);
    let json: Value =
        serde_json::from_str(&place.run(&["config", "show", "--why", "language.node.version", "--json"]).expect(0).out).unwrap();
    assert_eq!(json["paths"][0]["definitions"][1]["decided_at"], "silo.kdl:3");
    assert_eq!(json["paths"][0]["definitions"].as_array().unwrap().len(), 4);
}

#[test]
fn why_shows_a_placeholder_as_it_is_written_and_what_it_became() {
    let place = Place::new();
    fs::create_dir_all(place.home().join(".config/silo")).unwrap();
    fs::write(place.home().join(".config/silo/silo.kdl"), "vars { node \"20\"; }\nlanguage node version=(default)\"%{vars.node}\"\n")
        .unwrap();
    place.write("silo.kdl", "vars { node \"22\"; }\nlanguage node version=\"%{vars.node}\"\nagent claude\n");
    let ran = place.run(&["config", "show", "--why", "language.node.version"]);
    let out = &ran.expect(0).out;
    assert!(out.starts_with("language.node.version = \"22\"\n"), "{out}");
    assert_eq!(out.matches("%{vars.node}").count(), 2, "both as they are written\n{out}");
    let ran = place.run(&["config", "show", "--why", "vars.node.value"]);
    let out = &ran.expect(0).out;
    assert!(out.contains("holds     silo.kdl:1") && out.contains("loses     ~/.config/silo/silo.kdl:1"), "{out}");
}

#[test]
fn the_editor_opens_again_until_the_file_is_right_or_nobody_wants_to() {
    let place = Place::new();
    place.write("silo.kdl", "agent claude\n");
    // An editor that makes a mistake the first time, and mends it the second.
    let editor = place.home().join("editor");
    fs::write(&editor, "#!/bin/sh\nif grep -q once \"$0.log\" 2>/dev/null; then echo 'agent claude' >\"$1\"; else echo 'agnet claude' >\"$1\"; fi\necho once >>\"$0.log\"\n").unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let times = || fs::read_to_string(editor.with_extension("log")).unwrap_or_default().lines().count();

    for (answer, opened, code) in [("n\n", 1, 1), ("y\n", 2, 0)] {
        let _ = fs::remove_file(editor.with_extension("log"));
        let mut command = place.command(&["config", "edit"]);
        command.env("EDITOR", &editor).env_remove("VISUAL");
        let mut terminal = Terminal::open(&command, 24, 80);
        terminal.wait_for("open the editor again? [y/n]");
        assert!(terminal.seen().contains("did you mean `agent`?"), "{}", terminal.seen());
        terminal.master.write_all(answer.as_bytes()).unwrap();
        assert_eq!(terminal.child.0.wait().unwrap().code(), Some(code), "{}", terminal.seen());
        assert_eq!(times(), opened, "{}", terminal.seen());
    }
    assert_eq!(fs::read_to_string(place.repository().join("silo.kdl")).unwrap(), "agent claude\n");
}

#[test]
fn init_asks_before_it_writes() {
    let place = Place::new();
    place.write("package.json", r#"{ "engines": { "node": "22" } }"#);
    for (answer, written) in [("n\n", false), ("y\n", true)] {
        let mut terminal = Terminal::open(&place.command(&["init", "--detect"]), 40, 100);
        terminal.wait_for("which agent? [1-");
        terminal.master.write_all(b"claude\n").unwrap();
        terminal.wait_for("silo.kdl? [y/n]");
        assert!(terminal.seen().contains("language \"node\" version=\"22\""), "what is to be written is shown first\n{}", terminal.seen());
        terminal.master.write_all(answer.as_bytes()).unwrap();
        assert_eq!(terminal.child.0.wait().unwrap().code(), Some(0), "{}", terminal.seen());
        assert_eq!(place.repository().join("silo.kdl").exists(), written, "{}", terminal.seen());
    }
    let text = fs::read_to_string(place.repository().join("silo.kdl")).unwrap();
    assert!(text.contains("agent \"claude\"") && text.contains("language \"node\" version=\"22\""), "{text}");
    // An agent that is none of them writes nothing.
    fs::remove_file(place.repository().join("silo.kdl")).unwrap();
    let mut terminal = Terminal::open(&place.command(&["init", "--detect"]), 40, 100);
    terminal.wait_for("which agent? [1-");
    terminal.master.write_all(b"99\n").unwrap();
    assert_eq!(terminal.child.0.wait().unwrap().code(), Some(2), "{}", terminal.seen());
    assert!(!place.repository().join("silo.kdl").exists());
}

#[test]
fn completion_scripts_know_every_command_and_option() {
    let place = Place::new();
    let commands = place.run(&["--help"]).expect(0).out.clone();
    let commands: Vec<&str> = commands
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?.split(' ').next())
        .collect();
    assert!(commands.len() > 20, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&["completions", shell]).expect(0).out.clone();
        for word in commands.iter().chain(&["no-network", "dry-run", "detect"]) {
            assert!(script.contains(word), "{shell} does not know `{word}`");
        }
    }
}

#[test]
fn nothing_that_is_shown_commands_the_terminal() {
    let place = Place::new();
    place.write("silo.kdl", "env A=\"\\u{1b}[31m\" \"B\\u{202e}\"=\"x\"\nagent claude\n");
    for args in [&["config", "show", "--why", "env.*"][..], &["doc", "\u{1b}[31m"], &["catalog", "show", "\u{1b}[31m"]] {
        let ran = place.run(args);
        assert!(
            !ran.out.contains(['\u{1b}', '\u{202e}']) && !ran.err.contains(['\u{1b}', '\u{202e}']),
            "{args:?}\n{}\n{}",
            ran.out,
            ran.err
        );
    }
}

#[test]
fn edits_by_flag_are_checked_before_they_are_written() {
    let place = place();
    let file = place.repository().join("silo.kdl");
    let before = fs::read_to_string(&file).unwrap();
    place.run(&["config", "edit", "--set", "language.node.version=24"]).expect(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), before.replace("\"22\"", "\"24\""));
    let ran = place.run(&["config", "edit", "--set", "use.backend=dokcer"]);
    assert!(ran.expect(1).err.contains("silo::check::bad-value") && ran.err.contains("was left as it is"), "{}", ran.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), before.replace("\"22\"", "\"24\""));
    let ran = place.run(&["config", "edit", "--global", "--set", "language.node.version=20"]);
    assert!(ran.expect(0).err.contains("silo.kdl:3 is stronger"), "{}", ran.err);
    place.run(&["config", "edit", "--local", "--add", "tool git"]).expect(0);
    assert_eq!(fs::read_to_string(place.repository().join("silo.local.kdl")).unwrap(), "tool git\n");
    assert!(place.run(&["config", "edit", "--unset", "tool.jp"]).expect(1).err.contains("did you mean `tool.jq`?"));
    place.run(&["config", "edit", "--set", "language.node.version"]).expect(2);
}

#[test]
fn doc_and_catalog_explain_and_correct() {
    let place = Place::new();
    for (args, says) in [
        (&["doc"][..], "The nodes of a silo.kdl"),
        (&["doc", "mount.mode"], "It is `ro` or `rw`."),
        (&["doc", "agent.env"], "It stands inside `agent`."),
        (&["doc", "language/node"], "commands      node, npm, npx"),
        (&["doc", "language", "node"], "commands      node, npm, npx"),
        (&["doc", "language/php"], "works without a vendor's site: apt php-cli"),
        (&["doc", "language/dotnet"], "needs a vendor's site: apt libgcc"),
        (&["doc", "language/node"], "version_file  .nvmrc, .node-version, package.json"),
        (&["doc", "stack/web"], "import \"catalog:stack/web\""),
        (&["catalog", "list", "stack"], "web"),
        (&["catalog", "show", "stack/web"], "mcp playwright"),
    ] {
        let ran = place.run(args);
        assert!(ran.expect(0).out.contains(says), "{args:?}: {}", ran.out);
        // An address is not folded.
        assert!(ran.out.lines().all(|line| line.chars().count() <= 100 || line.contains("://")), "{args:?}");
    }
    for (args, says) in [
        (&["doc", "langage"][..], "did you mean `silo doc language`?"),
        (&["doc", "language.nod"], "did you mean `silo doc language/node`?"),
        (&["catalog", "list", "langage"], "did you mean `language`?"),
        (&["catalog", "show", "nod"], "did you mean `language/node`?"),
    ] {
        let ran = place.run(args);
        assert!(ran.expect(2).err.contains(says), "{args:?}: {}", ran.err);
    }
    place.write("silo.kdl", "define tool mine {\n    doc \"Mine.\"\n    install apt { apt \"mine\" }\n}\n");
    assert!(place.run(&["doc", "tool/mine"]).expect(0).out.contains("A definition of yours: silo.kdl:1."));
    assert!(place.run(&["catalog", "list", "tool"]).expect(0).out.contains("Mine. (yours, silo.kdl:1)"));
    assert!(place.run(&["catalog", "show", "tool/mine"]).expect(0).out.starts_with("define tool mine {\n"));
}

#[test]
fn what_config_show_prints_is_what_its_schema_says() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema: Value = serde_json::from_str(&silo::schema::json_schema()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let mut shown = 0;
    for entry in fs::read_dir(root.join("tests/cases")).unwrap() {
        let loaded = Project::read(&entry.unwrap().path()).load();
        if loaded.problems.has_errors() {
            continue;
        }
        let json = layers::to_json(&loaded.layered, &loaded.sources);
        let wrong: Vec<String> = validator.iter_errors(&json).map(|error| format!("{error} at {}", error.instance_path)).collect();
        assert!(wrong.is_empty(), "{wrong:?}\n{json:#}");
        shown += json.as_array().unwrap().len();
    }
    assert!(shown > 100, "only {shown} nodes");
    for wrong in [
        r#"[{"node":"agnet","at":"x:1"}]"#,
        r#"[{"node":"use","at":"x:1","properties":{"backend":{"value":"dokcer","at":"x:1"}}}]"#,
        r#"[{"node":"resources","at":"x:1","properties":{"cpus":{"value":"four","at":"x:1"}}}]"#,
        r#"[{"node":"resources","properties":{}}]"#,
    ] {
        assert!(!validator.is_valid(&serde_json::from_str(wrong).unwrap()), "{wrong}");
    }
}
