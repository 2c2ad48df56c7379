//! Configurations of other tools: what they become, and what is said about the rest.
//!
//! Each folder of `tests/import/` holds an input and a snapshot of everything that comes out. A name that ends in `-user` is for the user's own file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Instant;

use proptest::prelude::*;
use silo::catalog::{Catalog, Names};
use silo::import::{Audience, Format, Imported, NoteKind, import};
use silo::problem::{Code, Problems};
use silo::source::{Layer, Source, Sources};

use crate::support::project::Project;

fn names() -> &'static Names {
    static NAMES: LazyLock<Names> = LazyLock::new(|| Catalog::builtin().elsewhere());
    &NAMES
}

fn run(name: &str, text: &str, format: Format, audience: Audience) -> (Result<Imported, Problems>, Sources) {
    let mut sources = Sources::default();
    let id = sources.add(Source { name: name.into(), text: text.into(), layer: Layer::CommandLine });
    (import(id, format, audience, names(), &sources), sources)
}

/// What a text of a format becomes in a project's file.
fn project(format: Format, text: &str) -> Imported {
    run("input", text, format, Audience::Project).0.expect("it can be read")
}

/// How far a result is taken.
#[derive(Clone, Copy, PartialEq)]
enum Depth {
    /// As far as `silo check` goes.
    Checked,
    /// To images.
    Compiled,
}

/// Everything wrong with the result.
fn wrong(imported: &Imported, audience: Audience, depth: Depth) -> Option<String> {
    let project = match audience {
        Audience::Project => Project::of(&imported.text),
        Audience::User => Project::of("silo edition=\"2026\"\nagent claude\n").file("user.kdl", &imported.text),
    };
    let mut loaded = project.load();
    if let (Some(spec), true) = (loaded.spec.clone(), depth == Depth::Compiled) {
        loaded.compile(&spec);
    }
    loaded.problems.has_errors().then(|| format!("{}\n{}", imported.text, loaded.rendered()))
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_input_becomes_what_its_snapshot_says_and_compiles() {
    let mut stale = Vec::new();
    for case in cases() {
        let files = fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path());
        let input = files.into_iter().find(|file| !file.ends_with("snapshot.txt")).expect("a case has an input");
        let name = input.file_name().unwrap().to_string_lossy().into_owned();
        let format = Format::of_path(&name).expect("the name says the format");
        let audience = if case.to_string_lossy().ends_with("-user") { Audience::User } else { Audience::Project };
        let (imported, sources) = run(&name, &fs::read_to_string(&input).unwrap(), format, audience);
        let imported = imported.expect("it can be read");
        assert_eq!(wrong(&imported, audience, Depth::Compiled), None, "{name}");
        let notes: String = imported.notes.iter().map(|note| format!("{:?} {}\n", note.kind, note.line(&sources))).collect();
        let snapshot = format!("{}\n=== notes ===\n{notes}", imported.text);
        let path = case.join("snapshot.txt");
        if std::env::var_os("SILO_BLESS").is_some() {
            fs::write(&path, &snapshot).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if let Some((old, new)) = committed.lines().zip(snapshot.lines()).find(|(old, new)| old != new) {
            stale.push(format!("{}:\n- {old}\n+ {new}", path.display()));
        } else if committed != snapshot {
            stale.push(format!("{}: one is longer", path.display()));
        }
    }
    assert!(stale.is_empty(), "when that is meant: SILO_BLESS=1 cargo test --test main import::\n{}", stale.join("\n"));
}

#[test]
fn every_line_of_an_input_is_in_the_output_or_in_a_note() {
    for case in cases() {
        let snapshot = fs::read_to_string(case.join("snapshot.txt")).unwrap();
        let input = fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path()).find(|file| !file.ends_with("snapshot.txt")).unwrap();
        let name = input.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&input).unwrap();
        let mut table = false;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            // What opens or closes something says nothing, and neither does a comment.
            let opens = line.ends_with(['{', '[']) || (line.starts_with('[') && line.ends_with(']'));
            let says = line.chars().any(char::is_alphanumeric) && !line.starts_with("//") && !line.starts_with('#');
            let place = format!("{name}:{}", index + 1);
            let told =
                snapshot.match_indices(&place).any(|(at, _)| !snapshot[at + place.len()..].starts_with(|c: char| c.is_ascii_digit()));
            if line.starts_with('[') {
                // What is said about a table of TOML is said about all that is in it.
                table = told;
            }
            assert!(told || table || opens || !says, "{}: nothing is said about line {}: {line}", case.display(), index + 1);
        }
    }
}

#[test]
fn formats_are_known_by_their_names() {
    let of = |path: &str| Format::of_path(path).map(Format::as_str);
    assert_eq!(of(".devcontainer/devcontainer.json"), Some("devcontainer"));
    assert_eq!(of(".devcontainer.json"), Some("devcontainer"));
    assert_eq!(of("/home/ada/.config/silo/silo.jsonc"), Some("silo-jsonc"));
    assert_eq!(of(".tool-versions"), Some("tool-versions"));
    assert_eq!(of(".config/mise/config.toml"), Some("mise"));
    assert_eq!(of("mise.production.toml"), Some("mise"));
    assert_eq!(of("config.toml"), None);
    assert_eq!(of("silo.kdl"), None);
}

#[test]
fn what_is_the_users_to_grant_is_a_comment_in_a_projects_file_and_live_in_their_own() {
    let text = r#"{ "env": ["TOKEN"], "mounts_ro": ["~/.ssh"], "tools": { "claude": { "env": ["KEY"] } } }"#;
    let (shared, _) = run("silo.jsonc", text, Format::Silo, Audience::Project);
    let shared = shared.unwrap();
    let live = |text: &str| text.lines().filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join("\n");
    for word in ["TOKEN", "KEY", "~/.ssh"] {
        assert!(!live(&shared.text).contains(word) && shared.text.contains(word), "{}", shared.text);
    }
    assert_eq!(shared.notes.iter().filter(|note| note.kind == NoteKind::Granted).count(), 3);
    let (own, _) = run("silo.jsonc", text, Format::Silo, Audience::User);
    let own = own.unwrap();
    for word in ["TOKEN", "KEY", "~/.ssh"] {
        assert!(live(&own.text).contains(word), "{}", own.text);
    }
    assert!(own.notes.is_empty());
}

#[test]
fn a_control_socket_is_in_no_file() {
    let text = r#"{ "mounts": ["source=/var/run/docker.sock,target=/var/run/docker.sock,type=bind"] }"#;
    for audience in [Audience::Project, Audience::User] {
        let (imported, _) = run("devcontainer.json", text, Format::Devcontainer, audience);
        let imported = imported.unwrap();
        assert!(!imported.text.lines().any(|line| line.contains("mount ")), "{}", imported.text);
        assert_eq!(imported.notes.len(), 1);
    }
}

#[test]
fn images_are_put_together_from_the_catalog() {
    let of = |image: &str| {
        let text = project(Format::Devcontainer, &format!("{{ \"image\": \"{image}\" }}")).text;
        let lines = text.lines().filter(|line| line.starts_with("base ") || line.starts_with("language "));
        lines.map(|line| line.split(" //").next().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("mcr.microsoft.com/devcontainers/base:bookworm"), ["base \"debian:bookworm\""]);
    assert_eq!(of("mcr.microsoft.com/devcontainers/base:ubuntu-24.04"), ["base \"ubuntu:noble\""]);
    assert_eq!(of("mcr.microsoft.com/devcontainers/go:1-1.23-bookworm"), ["base \"debian:bookworm\"", "language \"go\" version=\"1.23\""]);
    assert_eq!(of("mcr.microsoft.com/devcontainers/rust:latest"), ["language \"rust\""]);
    assert_eq!(of("node:22-bookworm-slim"), ["base \"debian:bookworm\"", "language \"node\" version=\"22\""]);
    assert_eq!(of("python:3.12"), ["language \"python\" version=\"3.12\""]);
    assert_eq!(of("debian:bookworm"), ["base \"debian:bookworm\""]);
    assert_eq!(of("registry.example.test:5000/dev/ubuntu:24.04"), ["base \"registry.example.test:5000/dev/ubuntu:24.04\""]);
    assert_eq!(of("node@sha256:00"), ["base \"node@sha256:00\""]);
    assert_eq!(of("${localEnv:IMAGE}"), [""; 0]);
}

#[test]
fn several_names_are_one_thing() {
    let imported = project(Format::ToolVersions, "nodejs 22\nnode 22\nnode 20\n");
    let nodes = imported.text.lines().filter(|line| line.starts_with("language")).count();
    assert_eq!(nodes, 1, "{}", imported.text);
    assert_eq!(imported.notes.len(), 1, "{:?}", imported.notes);
    assert!(imported.notes[0].why.contains("22 is kept"), "{:?}", imported.notes);
}

#[test]
fn hostile_texts_end_at_once_in_an_error_or_a_file() {
    let texts = [
        "[".repeat(200_000),
        "{\"a\":".repeat(50_000),
        "a.".repeat(100_000) + "b = 1",
        format!("{{\"features\": {{{}\"x\": {{}}}}}}", "\"ghcr.io/devcontainers/features/node:1\": {}, ".repeat(5_000)),
        format!("{{\"postCreateCommand\": \"{}\"}}", "sudo apt-get install -y a && ".repeat(8_000)),
        format!("{{\"runArgs\": [{}\"x\"]}}", "\"-e\",".repeat(40_000)),
        "a\u{0}b \u{202e} \u{feff}\n".repeat(10_000),
        "nodejs 20 ".repeat(25_000),
        "x 1\n".repeat(60_000),
        "/*".repeat(100_000),
        "\"".repeat(200_000),
        "{\"containerEnv\": {\"A\": \"${${${${\"}}".to_string(),
        String::new(),
    ];
    for text in &texts {
        for format in Format::ALL {
            let start = Instant::now();
            let (result, _) = run("input", text, format, Audience::Project);
            let took = start.elapsed();
            // An unoptimised build is some ten times slower than what people run, whose limit the program's own test holds.
            assert!(took.as_millis() < 2_000, "{format:?} took {took:?} for {:.40}", text);
            if let Err(problems) = result {
                let codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
                assert!(matches!(codes[..], [Code::ForeignSyntax | Code::TooDeep | Code::TooLarge]), "{codes:?}");
                assert!(problems.iter().all(|problem| problem.place().is_some() && problem.help.is_some()));
            }
        }
    }
}

/// Values of a JSON file that hold the words of the formats as well as any other text.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let texts = prop::sample::select(vec![
        "22",
        "lts",
        "system",
        "ref:x",
        "${localEnv:A}",
        "${localWorkspaceFolder}/x",
        "source=/a,target=/b,type=bind",
        "source=v,target=/c,type=volume",
        "type=bind,source=~/x,target=/home/u/x",
        "sudo apt-get install -y jq",
        "A=%{home}",
        "B",
        "~/x",
        "../x",
        "docker",
        "claude",
        "debian:bookworm",
        "node:22",
        "--memory=6g",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        texts.prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
        "[ -~]{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((key(), inner), 0..5).prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "image",
        "features",
        "ghcr.io/devcontainers/features/node:1",
        "ghcr.io/devcontainers/features/rust:1",
        "version",
        "folder",
        "containerEnv",
        "remoteEnv",
        "mounts",
        "source",
        "target",
        "type",
        "postCreateCommand",
        "onCreateCommand",
        "runArgs",
        "tools",
        "claude",
        "env",
        "mounts_ro",
        "mounts_rw",
        "post_build_hooks",
        "pre_run_hooks",
        "repos",
        "tool",
        "backend",
        "node",
        "npm:prettier",
        "npm:@a/b",
        "pipx:black",
        "required",
        "value",
        "_",
        "path",
        "PATH",
        "A",
    ]);
    prop_oneof![4 => known.prop_map(str::to_string), 1 => any::<String>(), 1 => "[A-Za-z_-]{1,6}".prop_map(|text| text)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever an input says, what comes out compiles.
    #[test]
    fn everything_that_can_be_read_compiles(fields in prop::collection::vec((key(), value()), 0..6), own in any::<bool>()) {
        let audience = if own { Audience::User } else { Audience::Project };
        let root = serde_json::Value::Object(fields.into_iter().collect());
        for format in [Format::Devcontainer, Format::Silo] {
            let (imported, _) = run("input", &root.to_string(), format, audience);
            prop_assert_eq!(wrong(&imported.expect("it is JSON"), audience, Depth::Checked), None);
        }
        // TOML has no null.
        if let Ok(text) = toml(&root) {
            let (imported, _) = run("input", &text, Format::Mise, audience);
            prop_assert_eq!(wrong(&imported.expect("it is TOML"), audience, Depth::Checked), None);
        }
    }

    #[test]
    fn any_list_of_tools_compiles(lines in prop::collection::vec("(node|nodejs|go|npm:[a-z]{1,4}|[!-~]{1,8})( ([0-9.]{1,5}|system|ref:x|[!-~]{1,6})){0,3}", 0..6)) {
        let (imported, _) = run(".tool-versions", &lines.join("\n"), Format::ToolVersions, Audience::Project);
        if let Ok(imported) = imported {
            prop_assert_eq!(wrong(&imported, Audience::Project, Depth::Checked), None);
        }
    }
}

fn toml(value: &serde_json::Value) -> Result<String, ()> {
    use serde_json::Value as Json;
    fn inline(value: &Json) -> Result<String, ()> {
        Ok(match value {
            Json::Null => return Err(()),
            Json::Bool(value) => value.to_string(),
            Json::Number(number) => number.to_string(),
            // Both write texts alike, but for one character.
            Json::String(_) => value.to_string().replace('\u{7f}', "\\u007F"),
            Json::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Result<Vec<_>, ()>>()?.join(", ")),
            Json::Object(fields) => {
                let fields: Result<Vec<String>, ()> = fields
                    .iter()
                    .map(|(name, value)| Ok(format!("{} = {}", inline(&Json::String(name.clone()))?, inline(value)?)))
                    .collect();
                format!("{{ {} }}", fields?.join(", "))
            }
        })
    }
    let fields = value.as_object().ok_or(())?;
    fields.iter().map(|(name, value)| Ok(format!("{} = {}\n", inline(&Json::String(name.clone()))?, inline(value)?))).collect()
}
