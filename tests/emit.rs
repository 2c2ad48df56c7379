//! Views of a plan: the Dockerfile and the context, read back by the programs that take them.
#![expect(clippy::disallowed_types, reason = "the programs that judge the output are real")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use silo::emit::{context_tar, dockerfile};
use silo::plan::{Files, From, Instruction, Operation, Plan, Platform, Stage, StageName, plan};
use silo::problem::Code;
use silo::spec::{BuildEnv, Kind, Phase, Step};

use crate::plan::{first, planned};
use crate::support::image::{archive, empty, env_name, full, hook, layer};

/// Texts that mean something to a Dockerfile, a shell or JSON.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "a b",
    "  lead and trail  ",
    "\"",
    "'",
    "a\"b'c",
    "\\",
    "\\\\",
    "trailing\\",
    "\\n",
    "\\\"",
    "$",
    "$$",
    "$HOME",
    "${HOME}",
    "${A:-b}",
    "\\$A",
    "#",
    "# escape=`",
    "a # b",
    "<<EOF",
    "`id`",
    "$(id)",
    "a=b c=d",
    "tab\there",
    "ünïcode ✓",
    "\u{1b}[31m",
    "%{x}",
    "{\"a\": [1]}",
    "FROM x",
    "x\u{a0}y",
];

#[test]
fn the_first_line_is_silo_s_own_and_no_directive() {
    let text = dockerfile(&planned(&full(), &first()));
    let line = text.lines().next().expect("a line");
    assert!(line.starts_with("# ") && !line.contains('='), "{line}");
    assert!(!text.contains("syntax") && !text.contains("--link") && !text.contains("<<"));
}

#[test]
fn commands_are_json_arrays_and_hold_nothing_that_users_write() {
    let mut image = full();
    image.post_build = vec![hook("echo needle\n")];
    image.layers = vec![layer(Some("extra"), vec![Step::Run(hook("needle\n"))])];
    let text = dockerfile(&planned(&image, &first()));
    assert!(!text.contains("needle"));
    for line in text.lines().filter(|line| line.starts_with("RUN ")) {
        let array = line.rsplit_once(" [").map(|(_, rest)| format!("[{rest}")).expect("an array");
        assert!(serde_json::from_str::<Vec<String>>(&array).is_ok(), "{line}");
    }
}

#[test]
fn sixteen_components_are_far_below_the_limit() {
    let mut image = full();
    for index in 0..10 {
        image.components.insert(0, archive(Kind::Language, &format!("language-number-{index}")));
    }
    let plan = planned(&image, &first());
    let size = dockerfile(&plan).len();
    assert!(plan.stages.len() >= 18 && size < 10_000, "{} stages, {size} bytes", plan.stages.len());
}

#[test]
fn line_breaks_and_nul_in_a_variable_are_refused() {
    for value in ["a\nb", "a\rb", "a\0b", "x\nUSER root"] {
        let mut image = empty();
        image.env.insert(env_name("X"), BuildEnv { value: value.to_string(), phase: Phase::Both });
        let (none, problems) = plan(&image, &silo::plan::Target::Environment, &Files::new());
        assert!(none.is_none() && problems.iter().all(|problem| problem.code == Code::UnsafeText), "{value:?}");
    }
}

#[test]
fn the_context_is_the_same_bytes_each_time_and_says_nothing_of_this_machine() {
    let plan = planned(&full(), &first());
    let bytes = context_tar(&plan);
    assert_eq!(bytes, context_tar(&plan));
    let mut archive = tar::Archive::new(bytes.as_slice());
    let (mut seen, mut order) = (BTreeMap::new(), Vec::new());
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let header = entry.header().clone();
        assert_eq!((header.mtime().ok(), header.uid().ok(), header.gid().ok()), (Some(1), Some(0), Some(0)));
        let mut text = Vec::new();
        entry.read_to_end(&mut text).expect("bytes");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let folder = header.entry_type().is_dir();
        order.push(path.clone());
        assert!(path.starts_with(|c: char| c != '/') && (seen.insert(path, text).is_none() || folder));
    }
    // A folder's time is set before what is put into it and after it.
    let of = |path: &str| order.iter().enumerate().filter(|(_, other)| *other == path).map(|(at, _)| at).collect::<Vec<_>>();
    let (folder, file) = (of("tool-jq/"), of("tool-jq/recipe"));
    assert!(folder.len() == 2 && folder[0] < file[0] && file[0] < folder[1], "{folder:?} {file:?}");
    assert_eq!(seen.get("Dockerfile"), Some(&dockerfile(&plan).into_bytes()));
    assert_eq!(seen.get("tool-jq/recipe"), plan.context.get("tool-jq/recipe").map(|file| &file.bytes));
}

/// A plan of one empty stage with these steps.
fn steps(operations: Vec<Operation>) -> Plan {
    let steps = operations.into_iter().map(|operation| Instruction { operation, reason: "test".into(), origin: None }).collect();
    let name = StageName("agent-test".into());
    let stage = Stage { name: name.clone(), from: From::Image("scratch".into()), platform: Platform::Target, steps };
    Plan { stages: vec![stage], target: name, context: BTreeMap::new(), downloads: BTreeMap::new() }
}

/// Whether the caller said that there is neither an engine nor a network.
fn offline() -> bool {
    std::env::var_os("SILO_TEST_OFFLINE").is_some()
}

/// Asks the engine, when there is one. Returns the body of its answer.
fn engine(method: &str, path: &str, body: &[u8]) -> Option<String> {
    let mut stream = UnixStream::connect("/var/run/docker.sock").ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_real_engine_reads_back_every_text_exactly() {
    let mut operations = Vec::new();
    for (index, text) in HOSTILE.iter().enumerate() {
        operations.push(Operation::Env { name: env_name(&format!("E{index}")), value: (*text).to_string() });
        operations.push(Operation::Label { key: format!("dev.silo.test.l{index}"), value: (*text).to_string() });
        operations.push(Operation::Argument { name: env_name(&format!("A{index}")), value: Some((*text).to_string()) });
    }
    operations.push(Operation::Path { folders: vec!["/a b/$c".to_string(), "/\"q\\".to_string()] });
    let Some(answer) = engine("POST", "/build?version=2&t=plan-test-hostile:1", &context_tar(&steps(operations))) else {
        assert!(offline(), "no engine answers on /var/run/docker.sock: scripts/engine.sh starts one");
        return;
    };
    let inspected = engine("GET", "/images/plan-test-hostile:1/json", b"").expect("an answer");
    let json = inspected.find("\r\n\r\n").map(|at| &inspected[at..]).and_then(|rest| Some(&rest[rest.find('{')?..=rest.rfind('}')?]));
    let json: serde_json::Value =
        serde_json::from_str(json.unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {answer} {inspected}"));
    engine("DELETE", "/images/plan-test-hostile:1", b"");
    let env: Vec<&str> = json["Config"]["Env"].as_array().into_iter().flatten().filter_map(|value| value.as_str()).collect();
    for (index, text) in HOSTILE.iter().enumerate() {
        assert!(env.contains(&format!("E{index}={text}").as_str()), "ENV {text:?} in {env:?}");
        assert_eq!(json["Config"]["Labels"][format!("dev.silo.test.l{index}")].as_str(), Some(*text), "LABEL");
    }
    let path = env.iter().find_map(|line| line.strip_prefix("PATH=")).expect("a PATH");
    assert!(path.starts_with("/a b/$c:/\"q\\:/usr/local/sbin"), "{path}");
}

#[test]
fn hadolint_finds_nothing() {
    for target in [first(), silo::plan::Target::Environment] {
        let text = dockerfile(&planned(&full(), &target));
        let child = Command::new("hadolint")
            .args(["--no-color", "--failure-threshold", "warning", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            assert!(offline(), "hadolint is not on the PATH: scripts/hadolint.sh puts it into target/tools/bin");
            return;
        };
        child.stdin.take().expect("input").write_all(text.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("an end");
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && !found.contains("warning") && !found.contains("error"), "{found}\n{text}");
    }
}
