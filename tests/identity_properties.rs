//! What an identity does not depend on, and what it does, from text to number.

use proptest::prelude::*;
use silo::identity::Identity;
use silo::launch::Host;
use silo::plan::Target;

use crate::support::answers;
use crate::support::project::{Project, host};

/// The identities of a project's images.
#[track_caller]
fn identities(project: &Project) -> Vec<(Target, Identity)> {
    let mut loaded = project.load();
    let spec = loaded.shared.clone().unwrap_or_else(|| panic!("{}", loaded.rendered()));
    let compiled = loaded.compile(&spec);
    assert!(!loaded.problems.has_errors() && !compiled.is_empty(), "{}", loaded.rendered());
    compiled.into_iter().map(|image| (image.target, image.identity)).collect()
}

#[track_caller]
fn of(text: &str, agent: &str) -> Identity {
    let all = identities(&Project::of(text));
    all.into_iter().find(|(target, _)| target.to_string() == agent).unwrap().1
}

const BASE: &str = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap {\n    apt \"make\"\n    run \"echo base\"\n}\n";
const REST: &str = "language node version=\"22\"\ntool jq\nlsp typescript-language-server\nmcp memory\nmcp own {\n    command \"node\" \"%{workspace}/x.js\"\n    env MODE=\"a\" TOKEN=\"b\"\n}\nenv EDITOR=\"vi\" PAGER=\"less\"\npost_build \"echo one\"\npost_build \"echo two\"\nlayer x {\n    apt \"gcc\"\n    copy \"data\" \"/srv/data\"\n    env L=\"1\"\n}\n";

fn project(text: &str) -> Project {
    Project::of(text).file("data", "contents\n")
}

fn whole() -> String {
    format!("{BASE}{REST}agent claude {{\n    args \"--model\" \"opus\"\n    post_build \"echo claude\"\n}}\n")
}

#[test]
fn nothing_of_the_host_is_in_it() {
    let spec = project(&whole()).load().spec.unwrap();
    let lock = answers::lock(&spec.image);
    let identity = |host: &Host| {
        let mut loaded = project(&whole()).load();
        loaded.compile_with(&spec, &lock, host).remove(0).identity
    };
    let mut other = host("/srv/checkout of mine");
    other.uid = 0;
    other.gid = 7;
    other.user = "somebody".to_string();
    other.home = "/root".to_string();
    other.git_common_directory = Some("/srv/main/.git".to_string());
    other.image_path = Some("/x".to_string());
    other.unique = "ffffffff".to_string();
    assert_eq!(identity(&host("/home/ada/work/api")), identity(&other));
}

#[test]
fn what_runs_a_container_is_not_in_it() {
    let before = identities(&project(&whole()));
    for more in [
        "resources memory=\"8GiB\" cpus=2 pids=100 disk=\"10GiB\"",
        "pre_run \"echo hi\"",
        "mount \"docs\" optional=#true",
        "cache c to=\"~/.cache/c\"",
        "env { RUN \"x\" phase=run }",
        "env { RUN \"x\" secret=#true }",
        "env PLACE=\"%{workspace}\"",
        "use backend=docker agent=claude",
        "agent claude { args \"--verbose\"; env X=\"y\"; pre_run \"x\"; mount \"docs\"; command \"other\" }",
        "// a comment",
        "silo min=\"0.1\"",
    ] {
        assert_eq!(identities(&project(&format!("{}{more}\n", whole()))), before, "{more}");
    }
}

#[test]
fn what_other_layers_say_is_not_in_the_project_s() {
    let before = identities(&project(&whole()));
    let project = project(&whole())
        .file("user.kdl", "tool ripgrep\nenv A=\"b\"\nlanguage node version=\"20\"\nmount \"~/.gitconfig\"\n")
        .file("system.kdl", "resources memory=\"1GiB\"\n")
        .file("above.kdl", "post_build \"echo above\"\n")
        .file("silo.local.kdl", "mcp filesystem\n")
        .file("environment.kdl", "use agent=claude\n");
    assert_eq!(identities(&project), before);
}

#[test]
fn another_agent_moves_nothing() {
    let before = of(&whole().replace("    copy \"data\" \"/srv/data\"\n", ""), "claude");
    let text = whole().replace("    copy \"data\" \"/srv/data\"\n", "");
    for more in [
        "agent codex",
        "agent codex version=\"1.2.3\" { mcp filesystem; post_build \"x\" }\nagent opencode\nagent gemini\nagent copilot { lsp gopls }",
        "define agent own { install apt { apt \"own\" }; command \"own\"; file \"/opt/silo/etc/own/x\" \"y\" }\nagent own",
    ] {
        assert_eq!(of(&format!("{text}{more}\n"), "claude"), before, "{more}");
    }
}

#[test]
fn everything_of_the_image_is_in_it() {
    let before = identities(&project(&whole()));
    let changes: &[(&str, &str)] = &[
        ("debian:bookworm", "debian:trixie"),
        (" from=bootstrap", ""),
        ("apt \"make\"", "apt \"make\" \"cmake\""),
        ("apt \"make\"", "apt \"make=4.3\""),
        ("echo base", "echo  base"),
        ("node version=\"22\"", "node version=\"23\""),
        ("node version=\"22\"", "node version=\"22\" source=pypi"),
        ("tool jq\n", "tool jq source=vendor\n"),
        ("tool jq\n", "tool jq source=vendor version=\"1.7\"\n"),
        ("tool jq\n", "tool jq\ntool gh\n"),
        ("tool jq\n", ""),
        ("lsp typescript-language-server\n", "lsp typescript-language-server\nlsp pyright\n"),
        ("lsp typescript-language-server\n", ""),
        ("mcp memory\n", ""),
        ("%{workspace}/x.js", "%{workspace}/y.js"),
        ("%{workspace}/x.js", "%{home}/x.js"),
        ("MODE=\"a\"", "MODE=\"c\""),
        ("env MODE=\"a\" TOKEN=\"b\"", "env MODE=\"a\""),
        ("EDITOR=\"vi\"", "EDITOR=\"ed\""),
        (" PAGER=\"less\"", ""),
        ("env EDITOR=\"vi\" PAGER=\"less\"", "env PAGER=\"less\" { EDITOR \"vi\" phase=build }"),
        ("echo one", "echo 1"),
        ("post_build \"echo one\"\npost_build \"echo two\"", "post_build \"echo two\"\npost_build \"echo one\""),
        ("post_build \"echo one\"", "post_build \"echo one\" as=user"),
        ("post_build \"echo one\"", "pre_build \"echo one\""),
        ("apt \"gcc\"", "apt \"clang\""),
        ("/srv/data", "/srv/other"),
        ("\"/srv/data\"", "\"/srv/data\" mode=\"0600\""),
        ("L=\"1\"", "L=\"2\""),
        ("echo claude", "echo claude 2"),
        ("agent claude {", "agent claude version=\"2\" {"),
        ("agent claude {", "agent claude source=vendor {"),
    ];
    let mut seen = vec![before];
    for (from, to) in changes {
        assert!(whole().contains(from), "{from}");
        let after = identities(&project(&whole().replacen(from, to, 1)));
        assert!(!seen.contains(&after), "{from} → {to} changes nothing, or what another change does");
        seen.push(after);
    }
    let contents = identities(&Project::of(&whole()).file("data", "other contents\n"));
    assert!(!seen.contains(&contents), "the contents of a copied file");
    let executable = identities(&Project::of(&whole()).file("data", "#!/bin/sh\n"));
    assert!(!seen.contains(&executable), "a copied file's rights");
}

#[test]
fn the_lock_is_in_it_and_how_it_is_written_is_not() {
    let spec = project(&whole()).load().spec.unwrap();
    let lock = answers::lock(&spec.image);
    let identity = |lock: &silo::lock::Lock| project(&whole()).load().compile_with(&spec, lock, &host("/w/x")).remove(0).identity;
    let before = identity(&lock);
    let reread = |lock: &silo::lock::Lock| {
        let mut sources = silo::source::Sources::default();
        let text = lock.print();
        let id = sources.add(silo::source::Source { name: "silo.lock".into(), text: text.clone(), layer: silo::source::Layer::Project(0) });
        silo::lock::parse(id, &text).0.unwrap()
    };
    assert_eq!(identity(&reread(&lock)), before, "a lock that was written and read is the same");
    let mut digest = lock.clone();
    digest.base.digest = format!("sha256:{}", "9".repeat(64));
    assert_ne!(identity(&digest), before);
    let mut package = lock.clone();
    package.packages[0].pin.versions.values_mut().for_each(|version| *version = "9".to_string());
    assert_ne!(identity(&package), before);
}

/// One token sequence in many layouts: what separates, how texts are quoted, comments, spelling.
fn layout() -> impl Strategy<Value = String> {
    let gap = prop_oneof![Just(" "), Just("  "), Just("\t"), Just(" /* c */ "), Just(" \\\n  "), Just(" /-\"x\" ")];
    let end =
        prop_oneof![Just("\n"), Just("\n\n"), Just("\r\n"), Just(" // c\n"), Just(";"), Just("\n// c { }\n"), Just("\n/-gone { x }\n")];
    let word = |text: &'static str| {
        prop_oneof![Just(text.to_string()), Just(format!("\"{text}\"")), Just(format!("#\"{text}\"#")), Just(format!("##\"{text}\"##")),]
    };
    let text = |text: &'static str| {
        prop_oneof![Just(format!("\"{text}\"")), Just(format!("#\"{text}\"#")), Just(format!("\"{}\"", text.replace('e', "\\u{65}")))]
    };
    let hook = prop_oneof![Just("post_build"), Just("post-build"), Just("\"post_build\"")];
    (
        proptest::collection::vec(gap, 12),
        proptest::collection::vec(end, 12),
        (word("node"), text("22"), word("jq"), word("claude"), text("debian:bookworm"), word("bootstrap")),
        (hook, text("echo one"), text("vi"), text("less")),
        Just((0..7).collect::<Vec<usize>>()).prop_shuffle(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(g, e, (node, version, jq, claude, base, bootstrap), (hook, script, vi, less), order, swapped, split)| {
            let env = match (swapped, split) {
                (false, false) => format!("env{}EDITOR={vi}{}PAGER={less}", g[0], g[1]),
                (true, false) => format!("env{}PAGER={less}{}EDITOR={vi}", g[0], g[1]),
                (_, true) => format!("env{}EDITOR={vi}{}env{}PAGER={less}", g[0], e[8], g[1]),
            };
            let base = if swapped {
                format!("base{}from={bootstrap}{}{base}", g[2], g[3])
            } else {
                format!("base{}{base}{}from={bootstrap}", g[2], g[3])
            };
            let nodes = [
                format!("silo{}edition=\"2026\"", g[4]),
                base,
                format!("language{}{node}{}version={version}", g[5], g[6]),
                format!("tool{}{jq}", g[7]),
                env,
                format!("{hook}{}{script}", g[8]),
                format!("agent{}{claude}{}{{{}args{}\"--x\"{}}}", g[9], g[10], e[9].trim_start_matches(';'), g[11], e[10]),
            ];
            order.iter().enumerate().map(|(at, index)| format!("{}{}", nodes[*index], e[at])).collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layout_and_the_order_of_what_has_none_are_not_in_it(text in layout()) {
        let plain = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nlanguage node version=\"22\"\ntool jq\nenv EDITOR=\"vi\" PAGER=\"less\"\npost_build \"echo one\"\nagent claude { args \"--x\"; }\n";
        let loaded = Project::of(&text).load();
        prop_assert!(!loaded.problems.has_errors(), "{}\n{}", text, loaded.rendered());
        prop_assert_eq!(of(&text, "claude"), of(plain, "claude"), "{}", text);
    }

    #[test]
    fn the_same_split_over_files_is_the_same(cut in 0usize..6, second in 0usize..6) {
        let nodes = ["base \"debian:bookworm\" from=bootstrap\n", "language node version=\"22\"\n", "tool jq\n", "env EDITOR=\"vi\"\n", "mcp memory\n", "agent claude\n"];
        let (low, high) = (cut.min(second), cut.max(second));
        let whole = Project::of(&nodes.concat());
        let split = Project::of(&format!("import \"team/a.kdl\"\nimport \"b.kdl\"\n{}", nodes[..low].concat()))
            .file("team/a.kdl", nodes[low..high].concat())
            .file("b.kdl", nodes[high..].concat());
        prop_assert_eq!(identities(&whole), identities(&split));
        let below = Project::of(&nodes[..low].concat()).file("app/silo.kdl", nodes[low..].concat());
        prop_assert_eq!(identities(&whole), identities(&below));
    }
}
