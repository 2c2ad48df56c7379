//! From a pinned image to stages.

use std::collections::BTreeMap;

use silo::digest::go::written;
use silo::plan::{ContextFile, Files, From, Operation, Plan, Platform, RunMount, Stage, StageName, Target, base_reference, plan, sources};
use silo::problem::Code;
use silo::spec::{Arch, Kind, Step};

use crate::support::image::{
    agent, apt, archive, client, compiled, component, empty, full, hook, layer, name, npm, program, span, template,
};

pub fn planned(image: &silo::lock::LockedImage, target: &Target) -> Plan {
    let (plan, problems) = plan(image, target, &Files::new());
    assert!(problems.is_empty(), "{problems:?}");
    plan.expect("a plan")
}

pub fn first() -> Target {
    Target::Agent(name("first"))
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.stages.iter().map(|stage| stage.name.0.as_str()).collect()
}

fn stage<'a>(plan: &'a Plan, name: &str) -> &'a Stage {
    plan.stages.iter().find(|stage| stage.name.0 == name).unwrap_or_else(|| panic!("no stage {name}"))
}

fn copies(stage: &Stage) -> Vec<&str> {
    stage
        .steps
        .iter()
        .filter_map(|step| match &step.operation {
            Operation::CopyStage { stage, .. } => Some(stage.0.as_str()),
            _ => None,
        })
        .collect()
}

fn text(plan: &Plan, path: &str) -> String {
    String::from_utf8(plan.context.get(path).unwrap_or_else(|| panic!("no {path}")).bytes.clone()).expect("text")
}

#[test]
fn an_image_of_nothing_but_its_base_has_two_stages() {
    assert_eq!(names(&planned(&empty(), &Target::Environment)), ["base", "environment"]);
}

#[test]
fn stages_stand_after_those_that_they_use_and_the_target_is_last() {
    for target in [Target::Environment, first(), Target::Agent(name("second"))] {
        let plan = planned(&full(), &target);
        for (position, stage) in plan.stages.iter().enumerate() {
            let before: Vec<&StageName> = plan.stages[..position].iter().map(|stage| &stage.name).collect();
            if let From::Stage(from) = &stage.from {
                assert!(before.contains(&from), "{} starts from {}", stage.name.0, from.0);
            }
            for used in copies(stage) {
                assert!(before.iter().any(|name| name.0 == used), "{} copies from {used}", stage.name.0);
            }
        }
        assert_eq!(plan.stages.last().map(|stage| &stage.name), Some(&plan.target));
    }
}

#[test]
fn an_agent_s_image_holds_what_it_needs_and_nothing_of_another_one() {
    let plan = planned(&full(), &first());
    assert_eq!(
        names(&plan),
        [
            "fetch",
            "client-npm",
            "base",
            "language-go",
            "language-node",
            "tool-jq",
            "lsp-gopls",
            "mcp-memory",
            "environment",
            "agent-first-files",
            "agent-first-etc",
            "agent-first"
        ]
    );
    let other = planned(&full(), &Target::Agent(name("second")));
    assert!(names(&other).contains(&"mcp-fetcher") && !names(&other).contains(&"mcp-memory") && !names(&other).contains(&"lsp-gopls"));
}

#[test]
fn a_language_that_only_a_left_out_server_requires_is_left_out() {
    let mut image = full();
    image.components[1].cause = silo::spec::Cause::Required;
    assert!(names(&planned(&image, &first())).contains(&"language-node"), "memory requires it");
    assert!(!names(&planned(&image, &Target::Agent(name("second")))).contains(&"language-node"));
}

#[test]
fn components_are_put_together_in_order_of_how_often_they_change() {
    let plan = planned(&full(), &first());
    assert_eq!(copies(stage(&plan, "environment")), ["language-go", "language-node", "tool-jq", "lsp-gopls", "mcp-memory"]);
    assert_eq!(copies(stage(&plan, "agent-first")), ["agent-first-files", "agent-first-etc"]);
}

#[test]
fn npm_packages_are_installed_in_a_stage_with_npm_and_the_rest_is_not() {
    let plan = planned(&full(), &first());
    assert_eq!(stage(&plan, "mcp-memory").from, From::Stage(StageName("client-npm".to_string())));
    assert_eq!(stage(&plan, "language-go").from, From::Stage(StageName("fetch".to_string())));
}

#[test]
fn a_recipe_holds_urls_and_checksums_of_each_architecture() {
    let plan = planned(&full(), &first());
    let expected = format!(
        "tool-jq\n\
         download\tamd64\ttar.gz\t1\t-\t{}\thttps://downloads.example/jq/1.2.3/jq-linux-amd64.tar.gz\n\
         download\tarm64\ttar.gz\t1\t-\t{}\thttps://downloads.example/jq/1.2.3/jq-linux-arm64.tar.gz\n\
         link\tany\tjq\tbin/jq\tcheck\n",
        "a".repeat(64),
        "b".repeat(64)
    );
    assert_eq!(text(&plan, "tool-jq/recipe"), expected);
}

#[test]
fn packages_of_the_distribution_are_installed_in_one_step() {
    let mut image = full();
    let mut ripgrep = component(
        Kind::Tool,
        "ripgrep",
        vec![Step::Bin { name: "rg".into(), target: template("/usr/bin/rg") }],
        vec![silo::lock::Artifact::Apt(apt("ripgrep", "13.0.0-4+b2").pin)],
    );
    let mut shared = apt("libshared", "1");
    let one = shared.files[&silo::spec::Arch::Amd64].clone();
    shared.files.values_mut().for_each(|file| *file = one.clone());
    ripgrep.packages = vec![shared, apt("ripgrep", "13.0.0-4+b2")];
    image.components.insert(3, ripgrep);
    let plan = planned(&image, &first());
    let list = text(&plan, "base/packages");
    let lines: Vec<String> = list.lines().map(|line| line.split('\t').take(3).collect::<Vec<_>>().join(" ")).collect();
    let expected = ["amd64 ca-certificates 20230311", "amd64 git 1:2.39.5-0+deb12u2", "amd64 ripgrep 13.0.0-4+b2"];
    let other = expected.map(|line| line.replace("amd64", "arm64"));
    assert_eq!(lines, [&expected[..], &["any libshared 1"], &other.each_ref().map(String::as_str)].concat());
    assert_eq!(list.lines().nth(3).unwrap(), format!("any\tlibshared\t1\t{}\t{}", one.path, one.sha256));
    assert_eq!(text(&plan, "tool-ripgrep/recipe"), "tool-ripgrep\nlink\tany\trg\t/usr/bin/rg\t-\n");
}

#[test]
fn a_script_is_a_file_and_no_part_of_the_dockerfile() {
    let mut image = full();
    image.post_build = vec![hook("echo \"$HOME\" \\\nUSER root\n"), hook("#!/usr/bin/python3\nprint(1)\n")];
    let plan = planned(&image, &first());
    assert_eq!(text(&plan, "hook/post-build-1"), "echo \"$HOME\" \\\nUSER root\n");
    let runs: Vec<&Vec<String>> = stage(&plan, "environment")
        .steps
        .iter()
        .filter_map(|step| match &step.operation {
            Operation::Run { argv, .. } => Some(argv),
            _ => None,
        })
        .collect();
    assert_eq!(runs[1..], [&vec!["/bin/sh".to_string(), "-eu".into(), "/dev/silo.script".into()], &vec!["/dev/silo.script".to_string()]]);
}

#[test]
fn a_layer_s_files_have_their_own_stage_and_its_scripts_keep_their_place() {
    let mut image = empty();
    let copy =
        |source: &str| Step::Copy { source: source.to_string(), target: "/bin/tool".to_string(), mode: Some(0o700), origin: span(4) };
    image.layers = vec![layer(Some("mine"), vec![copy("a"), Step::Run(hook("one\n")), copy("b"), Step::Run(hook("two\n"))])];
    assert_eq!(sources(&image).into_iter().collect::<Vec<_>>(), ["a", "b"]);
    let file = ContextFile { mode: 0o644, bytes: b"x".to_vec() };
    let tree = BTreeMap::from([(String::new(), file)]);
    let files = Files::from([("a".to_string(), tree.clone()), ("b".to_string(), tree)]);
    let (plan, problems) = plan(&image, &Target::Environment, &files);
    assert!(problems.is_empty(), "{problems:?}");
    let plan = plan.expect("a plan");
    let kinds: Vec<String> = stage(&plan, "environment")
        .steps
        .iter()
        .filter_map(|step| match &step.operation {
            Operation::CopyStage { stage, .. } => Some(stage.0.clone()),
            Operation::Run { mounts, .. } => Some(format!("{:?}", mounts[0]).contains("layer-mine-run").to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["layer-mine-1", "true", "layer-mine-2", "true"]);
    assert_eq!(text(&plan, "layer-mine-1/recipe"), "layer-mine\ncopy\tany\tcopy-0\t/usr/bin/tool\nmode\tany\t0700\t/usr/bin/tool\n");
}

#[test]
fn every_instruction_says_why_it_is_there() {
    for stage in planned(&full(), &first()).stages {
        for step in stage.steps {
            assert!(!step.reason.is_empty(), "{:?}", step.operation);
        }
    }
}

#[test]
fn a_missing_checksum_is_an_error_that_names_the_command() {
    let mut image = empty();
    let mut tool = archive(Kind::Tool, "jq");
    tool.artifacts.clear();
    image.components = vec![tool];
    let (plan, problems) = plan(&image, &Target::Environment, &Files::new());
    let problem = problems.iter().next().expect("a problem");
    assert_eq!((plan, problem.code, problem.help.as_deref()), (None, Code::Unresolved, Some("silo lock")));
}

#[test]
fn an_agent_or_requirement_that_is_not_there_is_an_error() {
    let (none, problems) = plan(&full(), &Target::Agent(name("third")), &Files::new());
    assert!(none.is_none() && problems.has_errors());
    let mut image = empty();
    image.agents = vec![agent(npm(Kind::Agent, "first"))];
    let (none, problems) = plan(&image, &first(), &Files::new());
    assert!(none.is_none() && problems.iter().any(|problem| problem.message.contains("client npm")), "{problems:?}");
}

#[test]
fn paths_that_leave_the_image_are_refused() {
    for target in ["relative", "/a/../b", "/", "/dev/x", "/proc/1", "/sys/x", "/run/x", "/opt/a\tb", "/opt/a\nb"] {
        let mut image = empty();
        image.layers =
            vec![layer(Some("mine"), vec![Step::Copy { source: "a".into(), target: target.into(), mode: None, origin: span(4) }])];
        let tree = BTreeMap::from([(String::new(), ContextFile { mode: 0o644, bytes: Vec::new() })]);
        let (plan, problems) = plan(&image, &Target::Environment, &Files::from([("a".to_string(), tree)]));
        assert!(plan.is_none() && problems.has_errors(), "{target:?}");
    }
}

/// A program of Go has a stage with Go's client, which nothing else is on; what compiles it is in no other recipe.
#[test]
fn programs_of_go_are_compiled_in_a_stage_with_go_and_the_rest_is_not() {
    let mut image = full();
    let before = planned(&image, &Target::Environment);
    let mut pip = client("npm");
    pip.id.name = name("pip");
    image.components.extend([program("hello"), client("go"), pip]);
    let plan = planned(&image, &Target::Environment);
    let from = |stage: &str| From::Stage(StageName(stage.to_string()));
    assert_eq!(stage(&plan, "tool-hello").from, from("client-go"));
    assert_eq!(stage(&plan, "client-go").from, from("fetch"));
    assert_eq!(text(&plan, "tool-hello/recipe"), "tool-hello\nrun\tany\tgo.sh\nlink\tany\thello\tbin/hello\tcheck\n");
    assert_eq!(text(&plan, "tool-hello/go.packages"), "example.test/hello/cmd/hello@v1.2.3\n");
    let sum = |digit: &str| written(&digit.repeat(64));
    let expected = format!(
        "example.test/hello v1.2.3 {one}\nexample.test/hello v1.2.3/go.mod {one}\nexample.test/Lib v0.1.0/go.mod {}\nexample.test/Lib v0.2.0 {three}\nexample.test/Lib v0.2.0/go.mod {three}\n",
        sum("2"),
        one = sum("1"),
        three = sum("3"),
    );
    assert_eq!(text(&plan, "tool-hello/go.sum"), expected);
    let mounted: Vec<&str> = stage(&plan, "tool-hello")
        .steps
        .iter()
        .flat_map(|step| if let Operation::Run { argv: _, mounts } = &step.operation { mounts.as_slice() } else { &[] })
        .filter_map(|mount| if let RunMount::Secret { id, target: _, mode: _ } = mount { Some(id.as_str()) } else { None })
        .collect();
    assert_eq!(mounted, ["ca", "go", "netrc"]);
    // Nothing of anything else changed.
    for (path, file) in &before.context {
        assert_eq!(plan.context.get(path), Some(file), "{path}");
    }
    // The same from vendored files: each under its hash in hexadecimal, as the installer looks for it.
    let places: Vec<String> = plan.vendored(Arch::Arm64).into_keys().filter(|place| place.starts_with("tool-hello/")).collect();
    let place = |digit: &str, ending: &str| format!("tool-hello/vendor/{}.{ending}", digit.repeat(64));
    assert_eq!(places, [place("1", "mod"), place("1", "zip"), place("2", "mod"), place("3", "mod"), place("3", "zip")]);
}

/// Where Go's client itself comes from PyPI, it is on PyPI's.
#[test]
fn a_client_is_on_the_client_that_it_is_made_with() {
    let mut image = full();
    let mut go = client("go");
    go.install.steps = vec![Step::Pip { packages: Vec::new() }];
    let mut pip = client("npm");
    pip.id.name = name("pip");
    image.components.extend([program("hello"), go, pip]);
    let plan = planned(&image, &Target::Environment);
    assert_eq!(stage(&plan, "client-go").from, From::Stage(StageName("client-pip".to_string())));
}

#[test]
fn steps_of_go_of_crates_and_of_npm_have_stages_of_their_own_or_are_refused() {
    let mut image = empty();
    let mut hello = program("hello");
    let steps = [npm(Kind::Tool, "a").install.steps, hello.install.steps.clone(), compiled("c").install.steps].concat();
    image.components = vec![client("cargo"), client("go"), client("npm")];
    image.layers = vec![layer(Some("l"), steps.clone())];
    image.layers[0].artifacts = [npm(Kind::Tool, "a").artifacts, hello.artifacts.clone(), compiled("c").artifacts].concat();
    let plan = planned(&image, &Target::Environment);
    for (one, client) in [("layer-l-1", "client-npm"), ("layer-l-2", "client-go"), ("layer-l-3", "client-cargo")] {
        assert_eq!(stage(&plan, one).from, From::Stage(StageName(client.to_string())), "{one}");
    }
    // Crates are compiled on the image's own processor, with what that client alone stands on.
    let on = |name: &str| (stage(&plan, name).from.clone(), stage(&plan, name).platform);
    assert_eq!(on("client-cargo"), (From::Stage(StageName("fetch-target".to_string())), Platform::Target));
    assert_eq!((on("layer-l-3").1, on("layer-l-2").1), (Platform::Target, Platform::Build));
    hello.install.steps = steps;
    hello.artifacts.extend(compiled("c").artifacts);
    image.layers.clear();
    image.components.push(hello);
    let (none, problems) = silo::plan::plan(&image, &Target::Environment, &Files::new());
    let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(
        none.is_none() && said.iter().any(|message| message.contains("has `npm` or `pip` and `go` and `cargo` steps side by side")),
        "{said:?}"
    );
    // A package whose module the lock does not have is no part of a build.
    image.components.retain(|component| component.id.name != name("hello"));
    let mut other = program("hello");
    other.artifacts.remove(0);
    image.components.push(other);
    let (none, problems) = silo::plan::plan(&image, &Target::Environment, &Files::new());
    let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(none.is_none() && said == ["silo.lock has no module for the package example.test/hello/cmd/hello of tool hello"], "{said:?}");
}

/// A base that is asked for by its digest has one digest in its reference, not two.
#[test]
fn a_base_has_the_digest_of_the_lock_once() {
    let mut image = empty();
    let digest = image.base.digest.clone();
    for asked in ["debian:bookworm".to_string(), format!("debian:bookworm@{digest}")] {
        image.base.reference = asked;
        assert_eq!(base_reference(&image.base, &image.distribution), format!("debian:bookworm@{digest}"));
    }
}
