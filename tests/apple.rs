//! The specification for Apple's `container`, against its grammar and the schema.

use std::collections::BTreeSet;

use serde_json::Value;
use silo::identity::identify;
use silo::launch::apple::{AppleOptions, AppleSpec, apple};
use silo::launch::{Launch, LaunchMount};
use silo::problem::{Code, Problems};
use silo::spec::{Access, BuildEnv, Phase};

use crate::launch::{host, launched, run_spec};
use crate::plan::{first, planned};
use crate::support::image::{env_name, full};

const GRAMMAR: &str = include_str!("support/apple-container-cli.json");
const SCHEMA: &str = include_str!("../schemas/apple-container-build.schema.json");

fn options() -> AppleOptions {
    AppleOptions {
        secrets: [("ca".to_string(), "/Users/ada/ca.pem".to_string()), ("unused".to_string(), "/x".to_string())].into(),
        files: BTreeSet::from(["/home/ada/.config/tool".to_string()]),
        staging: "/Users/ada/Library/Caches/silo/run/1".to_string(),
    }
}

fn made(launch: &Launch) -> Result<AppleSpec, Problems> {
    let plan = planned(&full(), &first());
    apple(&plan, &identify(&plan), Some(launch), &options())
}

fn json(spec: &AppleSpec) -> Value {
    serde_json::from_str(&spec.build).expect("JSON")
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn refused(launch: &Launch) -> Vec<Code> {
    made(launch).expect_err("a refusal").iter().map(|problem| problem.code).collect()
}

#[test]
fn it_fits_its_schema() {
    let validator = jsonschema::validator_for(&serde_json::from_str(SCHEMA).expect("a schema")).expect("a valid schema");
    let spec = made(&launched(&run_spec(), &host())).expect("a specification");
    let problems: Vec<String> = validator.iter_errors(&json(&spec)).map(|error| format!("{error} at {}", error.instance_path)).collect();
    assert_eq!(problems, Vec::<String>::new());
    let mut other = json(&spec);
    other["run"]["surprise"] = Value::Bool(true);
    assert!(!validator.is_valid(&other));
}

/// Reads a command line as swift-argument-parser does; returns what stands after the options.
fn parse<'a>(grammar: &Value, line: &[&'a str]) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let mut rest = line;
    while let Some((word, after)) = rest.split_first() {
        if !word.starts_with('-') {
            return rest.to_vec();
        }
        let option = &grammar[*word];
        assert!(option.is_object(), "{word} is unknown");
        assert!(seen.insert(*word) || option["repeatable"] == Value::Bool(true), "{word} is given twice");
        rest = after;
        if option["value"] == Value::Bool(true) {
            let (value, after) = rest.split_first().unwrap_or_else(|| panic!("{word} lacks its value"));
            assert!(!value.starts_with('-'), "{word} {value}");
            rest = after;
        }
    }
    Vec::new()
}

#[test]
fn every_version_that_it_claims_knows_every_flag() {
    let spec = json(&made(&launched(&run_spec(), &host())).expect("a specification"));
    assert_eq!(spec["requires"]["container"].as_str(), Some(">=1.0.0"));
    let grammar: Value = serde_json::from_str(GRAMMAR).expect("JSON");
    let versions = grammar.as_object().expect("versions");
    assert!(versions.contains_key("1.0.0") && versions.contains_key("1.2.2"));
    for (version, commands) in versions {
        for command in ["build", "run"] {
            let line = words(&spec["argv"][command]);
            assert_eq!(line[..2], ["container", command], "{version}");
            let rest = parse(&commands[command], &line[2..]);
            match command {
                "build" => assert_eq!(rest, ["context"]),
                _ => {
                    assert_eq!(Some(rest[0]), spec["run"]["image"].as_str());
                    assert_eq!(rest[1..], words(&spec["run"]["command"]));
                }
            }
        }
    }
}

#[test]
fn it_is_the_image_that_docker_builds() {
    let plan = planned(&full(), &first());
    let spec = made(&launched(&run_spec(), &host())).expect("a specification");
    assert_eq!(json(&spec)["identity"]["hash"].as_str(), Some(identify(&plan).as_str()));
    assert_eq!((spec.dockerfile, spec.context), (silo::emit::dockerfile(&plan), plan.context));
}

#[test]
fn single_files_are_staged_and_linked_and_only_known_secrets_are_given() {
    let spec = json(&made(&launched(&run_spec(), &host())).expect("a specification"));
    let volumes = words(&spec["argv"]["run"]);
    assert!(!volumes.iter().any(|word| word.starts_with("/home/ada/.config/tool:")));
    assert!(volumes.contains(&"/Users/ada/Library/Caches/silo/run/1:/run/silo/staged:ro"));
    let command = words(&spec["run"]["command"]);
    assert_eq!(command[2..6], ["silo", "1", "/run/silo/staged/0", "/home/ada/.config/tool"]);
    assert_eq!(spec["build"]["secrets"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_the_tool_cannot_do_is_refused() {
    let base = launched(&run_spec(), &host());
    let bind = |source: &str, target: &str, access| LaunchMount::Bind { source: source.into(), target: target.into(), access };
    let mut twice = base.clone();
    twice.mounts.extend([bind("/a", "/x", Access::ReadOnly), bind("/a", "/y", Access::ReadWrite)]);
    let mut colon = base.clone();
    colon.mounts.push(bind("/a:b", "/x", Access::ReadOnly));
    let mut label = base.clone();
    label.labels.insert("x".into(), "a=b".into());
    let mut small = base.clone();
    small.limits.memory = Some(100 << 20);
    let mut named = base.clone();
    named.name = "-x".into();
    for launch in [twice, colon, label, small, named] {
        assert_eq!(refused(&launch), [Code::AppleUnsupported]);
    }
}

#[test]
fn a_dockerfile_above_the_budget_is_refused() {
    let mut image = full();
    image.env.insert(env_name("LONG"), BuildEnv { value: "x".repeat(12_000), phase: Phase::Both });
    let plan = planned(&image, &first());
    let problems = apple(&plan, &identify(&plan), None, &options()).expect_err("a refusal");
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::AppleTooLarge]);
}
