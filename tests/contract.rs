//! Contracts: what each predicate asks, whom a broken one blames, and that none ever changes a value.

use proptest::prelude::*;
use silo::contract;
use silo::document;
use silo::layers::{self, Facts, File, Layered};
use silo::problem::{Code, Problems, RenderOptions, render};
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, Sources};

const SYSTEM: Layer = Layer::System;
const USER: Layer = Layer::User;
const PROJECT: Layer = Layer::Project(0);

fn merge(written: &[(Layer, &str)]) -> (Sources, Layered) {
    let mut sources = Sources::default();
    let mut files = Vec::new();
    for (layer, text) in written {
        let name = match layer {
            Layer::System => "/etc/silo/silo.kdl",
            Layer::User => "~/.config/silo/silo.kdl",
            _ => "silo.kdl",
        };
        let id = sources.add(Source { name: name.into(), text: (*text).into(), layer: *layer });
        let (document, problems) = document::parse(id, text);
        assert!(problems.is_empty(), "{text}: {problems:?}");
        let document = document.unwrap();
        let problems = schema::check(&document, FileKind::Configuration);
        assert!(problems.is_empty(), "{text}: {problems:?}");
        files.push(File::new(*layer, document));
    }
    let (layered, problems) = layers::merge(&files, &Facts::default());
    assert!(problems.is_empty(), "{problems:?}");
    (sources, layered)
}

fn check(written: &[(Layer, &str)]) -> (Sources, Problems) {
    let (sources, layered) = merge(written);
    (sources, contract::check(&layered.nodes))
}

/// What is wrong with values that a contract on a path is about.
fn asked(values: &str, on: &str, predicates: &str) -> Vec<(Code, String)> {
    let contract = format!("contract on={} {{ {predicates}; }}", document::quote(on));
    let (_, problems) = check(&[(PROJECT, values), (SYSTEM, &contract)]);
    problems.iter().map(|problem| (problem.code, problem.message.clone())).collect()
}

/// Path, values that keep it, values that break it, and the end of the message about the first of those.
type Rule<'a> = (&'a str, &'a str, &'a [&'a str], &'a [&'a str], &'a str);

#[test]
fn each_predicate_holds_or_says_why_not() {
    let rules: &[Rule<'_>] = &[
        (
            "resources.memory",
            "min \"4GiB\"",
            &["resources memory=\"4GiB\"", "resources memory=\"4096MiB\"", "tool jq"],
            &["resources memory=\"4GB\""],
            "is `4GB`, which is less than `4GiB`",
        ),
        (
            "resources.memory",
            "max \"4GiB\"",
            &["resources memory=\"4GB\""],
            &["resources memory=\"4.5GiB\""],
            "is `4.5GiB`, which is more than `4GiB`",
        ),
        (
            "resources.cpus",
            "min 2; max 4",
            &["resources cpus=2", "resources cpus=3.5"],
            &["resources cpus=1.9", "resources cpus=4.5"],
            "is `1.9`, which is less than `2`",
        ),
        ("resources.cpus", "type int", &["resources cpus=2"], &["resources cpus=2.5"], "is `2.5`, which is not a whole number"),
        (
            "language.node.version",
            "min \"20\"",
            &["language node version=\"20\"", "language node version=\">=20.1 <23\""],
            &["language node version=\"19.9.9\"", "language node version=\"20-rc.1\"", "language node version=latest"],
            "is `19.9.9`, which is less than `20`",
        ),
        (
            "language.node.version",
            "max \"22\"",
            &["language node version=\"22\"", "language node version=\"22.11.0\""],
            &["language node version=\"23\"", "language node version=\">=20\""],
            "is `23`, which is more than `22`",
        ),
        (
            "language.node.version",
            "satisfies \">=20 <23\"",
            &["language node version=\"22\"", "language node version=\"20.0.0\"", "language node version=\"^21.3\"", "language node"],
            &[
                "language node version=\"23\"",
                "language node version=\"23.0.0-rc.1\"",
                "language node version=\">=22\"",
                "language node version=lts",
            ],
            "is `23`, which does not satisfy `>=20 <23`",
        ),
        (
            "language.*",
            "enum rust go",
            &["language rust", "language go\nlanguage rust"],
            &["language zig"],
            "is `zig`, which is none of `rust`, `go`",
        ),
        ("language", "length max=1", &["language rust"], &["language go\nlanguage rust"], "has 2 values, and must have at most 1"),
        (
            "base.image",
            "matches #\"^registry\\.acme\\.test/\"#",
            &["base \"registry.acme.test/dev:1\""],
            &["base \"registryXacme.test/dev:1\""],
            "is `registryXacme.test/dev:1`, which `^registry\\.acme\\.test/` does not match",
        ),
        (
            "base.image",
            "type image-ref",
            &["base \"ghcr.io:443/acme/dev:1\"", "base \"debian\""],
            &["base \"ghcr.io/Acme/dev\"", "base \"a b\""],
            "is `ghcr.io/Acme/dev`, which is not the reference of an image such as `ghcr.io/acme/dev:1`",
        ),
        (
            "base.image",
            "starts_with \"debian\" \"ubuntu\"",
            &["base \"debian:12\""],
            &["base \"alpine:3\""],
            "is `alpine:3`, which does not begin with `debian` or `ubuntu`",
        ),
        ("base.image", "length max=8", &["base \"debian:9\""], &["base \"debian:12\""], "has 9 characters, and must have at most 8"),
        (
            "base.image",
            "not { enum \"debian:8\"; }",
            &["base \"debian:12\""],
            &["base \"debian:8\""],
            "is `debian:8`, which it must not be",
        ),
        (
            "base.image",
            "any-of { starts-with \"debian\"; enum \"x\"; }",
            &["base \"debian:12\"", "base \"x\""],
            &["base \"y\""],
            "is `y`, which does not begin with `debian`, and is `y`, which is not `x`",
        ),
        (
            "base.apt",
            "each { not { matches \"telnet\"; }; }",
            &["base { apt \"curl\" \"git\"; }"],
            &["base { apt \"curl\" \"telnetd\"; }"],
            "is `telnetd`, which it must not be",
        ),
        (
            "base.apt",
            "length min=2",
            &["base { apt \"curl\"; apt \"git\"; }"],
            &["base { apt \"curl\"; }"],
            "has 1 value, and must have at least 2",
        ),
        (
            "base.apt.*",
            "matches \"^[a-z]+$\"",
            &["base { apt \"curl\" \"git\"; }"],
            &["base { apt \"curl\" \"g++\"; }"],
            "is `g++`, which `^[a-z]+$` does not match",
        ),
        (
            "language.rust.components",
            "each { enum clippy rustfmt; }",
            &["language rust { components clippy rustfmt; }"],
            &["language rust { components clippy miri; }"],
            "is `miri`, which is none of `clippy`, `rustfmt`",
        ),
        (
            "language.rust.components",
            "type list<identifier>",
            &["language rust { components clippy; }"],
            &["language rust { components Clippy; }"],
            "is `Clippy`, which is not a name: small letters, digits, `.`, `_` and `-`, at most 63",
        ),
        (
            "language.rust.components",
            "length max=1",
            &["language rust { components clippy; }"],
            &["language rust { components clippy miri; }"],
            "has 2 values, and must have at most 1",
        ),
        (
            "language.x.map",
            "type map<int>",
            &["language x { map a=1 b=2; }"],
            &["language x { map a=1 b=two; }", "language x { map one; }"],
            "has `b=two`, which is not a whole number",
        ),
        (
            "env.PORT.value",
            "min 1024; max 65535",
            &["env PORT=\"8080\"", "env { PORT \"8080\"; }", "env PORT"],
            &["env PORT=\"80\""],
            "is `80`, which is less than `1024`",
        ),
        ("env.TTL", "max \"1h\"", &["env TTL=\"59m\""], &["env TTL=\"1h1s\""], "is `1h1s`, which is more than `1h`"),
        ("env.*.from", "enum nobody", &["env A=\"1\""], &["env A", "env { A from=host; }"], "is `host`, which is not `nobody`"),
        (
            "env.CI.value",
            "enum \"1\"",
            &["env CI=\"1\"", "agent x { env CI=\"1\"; }"],
            &["agent x { env CI=\"2\"; }"],
            "is `2`, which is not `1`",
        ),
        ("language.*.version", "present", &["language node version=\"22\"", "tool jq"], &["language node"], "must be there"),
        ("resources.memory", "present", &["resources memory=\"1GiB\""], &["resources cpus=1", "tool jq"], "must be there"),
        ("language.*", "present", &["language node"], &["tool jq"], "must be there"),
        ("mcp.*.url", "absent", &["mcp x { command \"y\"; }"], &["mcp x url=\"https://x.test\""], "must not be there"),
        (
            "mcp.*.url",
            "not { present; }",
            &["mcp x { command \"y\"; }"],
            &["mcp x url=\"https://x.test\""],
            "is `https://x.test`, which it must not be",
        ),
        (
            "mcp.*.url",
            "any-of { absent; starts-with \"https://\"; }",
            &["mcp x { command \"y\"; }", "mcp x url=\"https://x.test\""],
            &["mcp x url=\"http://x.test\""],
            "must not be there, and is `http://x.test`, which does not begin with `https://`",
        ),
        (
            "**.version",
            "not { enum latest; }",
            &["language node version=\"22\""],
            &["lsp x version=latest"],
            "is `latest`, which it must not be",
        ),
    ];
    for (on, predicates, good, bad, message) in rules {
        for values in *good {
            assert_eq!(asked(values, on, predicates), [], "{on} {predicates}: {values}");
        }
        for (index, values) in bad.iter().enumerate() {
            let found = asked(values, on, predicates);
            assert_eq!(found.len(), 1, "{on} {predicates}: {values}: {found:?}");
            assert_eq!(found[0].0, Code::ContractViolated, "{found:?}");
            assert!(index > 0 || found[0].1.ends_with(message), "{}\n{message}", found[0].1);
        }
    }
}

#[test]
fn a_predicate_that_fits_no_such_value_says_so() {
    for (on, predicates, values, message) in [
        ("base.image", "min 3", "base \"debian\"", "`base.image` is `debian`, which cannot be compared with `3`"),
        ("base.image", "not { min 3; }", "base \"debian\"", "`base.image` is `debian`, which cannot be compared with `3`"),
        ("base.image", "satisfies \">=1\"", "base \"?\"", "`base.image` is `?`, which is not a version"),
        ("resources", "matches \"x\"", "resources cpus=1", "`resources` is a node without a value of its own"),
        ("resources", "length min=3", "base \"x\" { apt \"y\"; }\nresources", "`resources` is a node without a value of its own"),
    ] {
        assert_eq!(asked(values, on, predicates), [(Code::ContractUnfit, message.to_string())], "{on} {predicates}");
    }
}

#[test]
fn paths_are_compared_as_what_they_may_be() {
    let mounted = |path: &str, predicates: &str| {
        let found = asked(&format!("mount {}", document::quote(path)), "mount.*.source", predicates);
        found.first().map(|(_, message)| message.split_once(", ").unwrap().1.to_string())
    };
    let keys = "not-under \"~/.ssh\" \"~/.aws\"";
    for path in [
        "~/.sshx",
        "~/work",
        "/srv/.ssh",
        "./.ssh",
        ".ssh",
        "%{workspace}/.ssh",
        "/home/ada/work",
        "~/.ssh/../work",
        "/opt",
        "/home/ada/x/.ssh",
    ] {
        assert_eq!(mounted(path, keys), None, "{path}");
    }
    for (path, why) in [
        ("~/.ssh", "which is not to be under `~/.ssh`"),
        ("~/.ssh/id_rsa", "which is not to be under `~/.ssh`"),
        ("~//./.ssh/", "which is not to be under `~/.ssh`"),
        ("~/src/../.SSH/x", "which is not to be under `~/.ssh`"),
        ("$HOME/.aws", "which is not to be under `~/.aws`"),
        ("${HOME}/.aws", "which is not to be under `~/.aws`"),
        ("%{home}/.aws", "which is not to be under `~/.aws`"),
        ("/home/%{user}/.aws/x", "which is not to be under `~/.aws`"),
        ("~", "which holds `~/.ssh`"),
        ("~/", "which holds `~/.ssh`"),
        ("/home/ada/.ssh/id", "which may be, hold or lie under `~/.ssh`"),
        ("/Users/ada/.ssh", "which may be, hold or lie under `~/.ssh`"),
        ("/root/.ssh", "which may be, hold or lie under `~/.ssh`"),
        ("/home/ada", "which may be, hold or lie under `~/.ssh`"),
        ("/home", "which may be, hold or lie under `~/.ssh`"),
        ("/", "which may be, hold or lie under `~/.ssh`"),
        ("../x", "which may be, hold or lie under `~/.ssh`"),
        ("~/../x", "which may be, hold or lie under `~/.ssh`"),
        ("%{user}/y", "which may be, hold or lie under `~/.ssh`"),
    ] {
        assert_eq!(mounted(path, keys).as_deref(), Some(why), "{path}");
    }
    assert_eq!(mounted("~/.ssh", "not-under \"/home/ada/.ssh\"").as_deref(), Some("which may be, hold or lie under `/home/ada/.ssh`"));
    assert_eq!(mounted("/home/bob/.ssh", "not-under \"/home/ada/.ssh\""), None);
    let shared = "under \"~/share\" \"/srv\"";
    for path in ["~/share", "~/share/x", "%{home}/share/x", "/srv/x", "/srv/./x/../y"] {
        assert_eq!(mounted(path, shared), None, "{path}");
    }
    // What is only likely is not enough.
    for path in ["~", "/home/ada/share", "~/sharex", "/srv/../etc", "./share", "~/share/../../x"] {
        assert_eq!(mounted(path, shared).as_deref(), Some("which is not known to be under `~/share` or `/srv`"), "{path}");
    }
}

#[test]
fn a_contract_on_mounts_means_those_of_agents_and_of_own_definitions() {
    for text in [
        "mount \"~/.ssh\" to=\"/keys\"",
        "agent x { mount \"~/.ssh/id\" to=\"/x\"; }",
        "define agent x { command \"x\"; mount \"~/work\" \"~/.ssh\"; }",
    ] {
        let found = asked(text, "mount.*.source", "not-under \"~/.ssh\"");
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
}

#[test]
fn only_the_value_that_came_out_counts() {
    let contract = "contract on=\"resources.memory\" { max \"8GiB\"; }";
    assert!(check(&[(SYSTEM, contract), (USER, "resources memory=\"16GiB\""), (PROJECT, "resources memory=\"8GiB\"")]).1.is_empty());
    assert_eq!(
        check(&[(SYSTEM, contract), (USER, "resources memory=(force)\"16GiB\""), (PROJECT, "resources memory=\"8GiB\"")]).1.len(),
        1
    );
    assert!(check(&[(SYSTEM, contract), (USER, "resources memory=\"16GiB\""), (PROJECT, "resources memory=#null")]).1.is_empty());
}

#[test]
fn a_contract_under_a_condition_holds_where_that_does() {
    let on = "when os=linux { contract on=\"resources.cpus\" { max 2; }; }";
    let off = "when os=\"!linux\" { contract on=\"resources.cpus\" { max 2; }; }";
    for (text, count) in [(on, 1), (off, 0)] {
        let mut sources = Sources::default();
        let text = format!("{text}\nresources cpus=4");
        let id = sources.add(Source { name: "silo.kdl".into(), text: text.clone(), layer: PROJECT });
        let files = [File::new(PROJECT, document::parse(id, &text).0.unwrap())];
        let (layered, _) = layers::merge(&files, &Facts { os: "linux".into(), ..Facts::default() });
        assert_eq!(contract::check(&layered.nodes).len(), count, "{text}");
    }
}

#[test]
fn named_contracts_add_up_and_use_each_other() {
    let named = "contract company { matches \"^registry\"; is pinned; }\ncontract on=\"base.image\" { is company; }";
    let pinned = "contract pinned { matches \":[0-9]+$\"; }";
    let found = |image: &str, more: &str| {
        let (sources, problems) = check(&[(SYSTEM, named), (USER, &format!("{pinned}\n{more}")), (PROJECT, &format!("base \"{image}\""))]);
        let slices = |problem: &silo::problem::Problem| -> Vec<String> {
            problem.labels.iter().map(|label| sources.slice(label.span).to_string()).collect()
        };
        problems.iter().map(slices).collect::<Vec<_>>()
    };
    assert!(found("registry/x:1", "").is_empty());
    assert_eq!(found("other/x:1", ""), [["\"other/x:1\"", "matches \"^registry\"", "is company"]]);
    assert_eq!(found("registry/x:a", ""), [["\"registry/x:a\"", "matches \":[0-9]+$\"", "is pinned", "is company"]]);
    // Another file adds to the same name.
    assert_eq!(found("registry/x:1", "contract company { length max=5; }"), [["\"registry/x:1\"", "length max=5", "is company"]]);
}

#[test]
fn what_is_wrong_with_a_contract_itself() {
    for (text, code, place, help) in [
        (
            "contract on=\"base.image\" { is compny; }\ncontract company { present; }",
            Code::ContractUnknown,
            "is compny",
            "did you mean `company`?",
        ),
        ("contract on=\"base.image\" { each { is x; }; }", Code::ContractUnknown, "is x", "write `contract x { … }`"),
        (
            "contract a { is b; }\ncontract b { is a; }\ncontract on=\"base.image\" { is a; }",
            Code::ContractCycle,
            "is b",
            "take one of these `is` out",
        ),
        ("contract a { not { is a; }; }", Code::ContractCycle, "is a", "take one of these `is` out"),
        (
            "contract on=\"langauge.node.version\" { present; }",
            Code::ContractPath,
            "on=\"langauge.node.version\"",
            "did you mean `language.node.version`?",
        ),
        (
            "contract on=\"resources.memroy\" { max \"1GiB\"; }",
            Code::ContractPath,
            "on=\"resources.memroy\"",
            "did you mean `resources.memory`?",
        ),
        (
            "contract on=\"resources.memory.max\" { max \"1GiB\"; }",
            Code::ContractPath,
            "on=\"resources.memory.max\"",
            "`resources.memory` is a value, with nothing inside",
        ),
        ("contract on=\"base.aptt.*\" { length max=9; }", Code::ContractPath, "on=\"base.aptt.*\"", "did you mean `base.apt.*`?"),
        (
            "contract on=\"mount.*.src\" { length max=9; }",
            Code::ContractPath,
            "on=\"mount.*.src\"",
            "known in place of `src`: `to`, `mode`, `optional`, `source`",
        ),
        ("contract on=\"define.agent.x\" { present; }", Code::ContractPath, "on=\"define.agent.x\"", "known in place of `define`"),
        ("contract on=\"base..x\" { present; }", Code::ContractPath, "on=\"base..x\"", "dots between them"),
        (
            "contract on=\"language.node.vesrion\" { enum \"22\"; }",
            Code::ContractUnmatched,
            "on=\"language.node.vesrion\"",
            "did you mean `language.node.version`?",
        ),
    ] {
        let (sources, problems) = check(&[(PROJECT, text)]);
        assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
        let problem = problems.iter().next().unwrap();
        assert_eq!((problem.code, sources.slice(problem.labels[0].span)), (code, place), "{text}");
        assert!(problem.help.as_ref().unwrap().contains(help), "{text}: {:?}", problem.help);
    }
    // An option may have any name, and so may a language.
    for text in [
        "language x vesrion=\"22\"\ncontract on=\"language.x.vesrion\" { enum \"22\"; }",
        "contract on=\"language.*.channel\" { enum stable; }",
        "contract on=\"**\" { absent; }",
    ] {
        assert!(check(&[(PROJECT, text)]).1.is_empty(), "{text}");
    }
}

#[test]
fn what_is_wrong_in_one_file_is_said_when_that_is_checked() {
    for (text, code, place) in [
        ("contract { present; }", Code::MissingArgument, "contract"),
        ("contract x", Code::MissingArgument, "contract"),
        ("contract x { doc \"y\"; }", Code::MissingArgument, "contract"),
        ("contract x { type strng; }", Code::BadValue, "strng"),
        ("contract x { type list<list<int>>; }", Code::BadValue, "list<list<int>>"),
        ("contract x { matches \"(\"; }", Code::BadValue, "\"(\""),
        ("contract x { matches \"(a{999}){999}\"; }", Code::BadValue, "\"(a{999}){999}\""),
        ("contract x { satisfies \"latest\"; }", Code::BadValue, "\"latest\""),
        ("contract x { min much; }", Code::BadValue, "much"),
        ("contract x { length; }", Code::BadValue, "length"),
        ("contract x { length min=3 max=2; }", Code::BadValue, "length min=3 max=2"),
        ("contract x { not; }", Code::MissingArgument, "not"),
        ("contract x { any-of { each { matches \"[\"; }; }; }", Code::BadValue, "\"[\""),
        ("contract x { mathces \"y\"; }", Code::UnknownNode, "mathces"),
        ("contract x { not { doc \"y\"; }; }", Code::UnknownNode, "doc"),
        ("(remove)contract x { present; }", Code::UnknownAnnotation, "remove"),
        ("(force)contract x { present; }", Code::UnknownAnnotation, "force"),
        ("contract x { (default)min 3; }", Code::UnknownAnnotation, "default"),
        ("when os=nowhere { contract x { type t; }; }", Code::BadValue, "t"),
    ] {
        let mut sources = Sources::default();
        let id = sources.add(Source { name: "silo.kdl".into(), text: text.into(), layer: PROJECT });
        let document = document::parse(id, text).0.unwrap();
        let problems = schema::check(&document, FileKind::Configuration);
        assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
        let problem = problems.iter().next().unwrap();
        assert_eq!((problem.code, sources.slice(problem.labels[0].span)), (code, place), "{text}");
    }
}

#[test]
fn a_broken_contract_blames_the_value_and_the_contract() {
    let pictures = |written: &[(Layer, &str)]| {
        let (sources, problems) = check(written);
        render(&problems, &sources, RenderOptions { width: 80, color: false, unicode: true })
    };
    assert_eq!(
        pictures(&[
            (PROJECT, "mount \"%{workspace}/docs\" \"~/.ssh/id_ed25519\" mode=ro\n"),
            (
                SYSTEM,
                "contract on=\"mount.*.source\" {\n    not-under \"~/.ssh\" \"~/.gnupg\"\n    doc \"Keys never enter a container.\"\n}\n"
            ),
        ])
        .trim_end(),
        r##"silo::contract::violated

  × `mount."~/.ssh/id_ed25519".source` is `~/.ssh/id_ed25519`, which is not to
  │ be under `~/.ssh`
   ╭─[silo.kdl:1:27]
 1 │ mount "%{workspace}/docs" "~/.ssh/id_ed25519" mode=ro
   ·                           ─────────┬─────────
   ·                                    ╰── the value
   ╰────
   ╭─[/etc/silo/silo.kdl:2:5]
 1 │ contract on="mount.*.source" {
 2 │     not-under "~/.ssh" "~/.gnupg"
   ·     ──────────────┬──────────────
   ·                   ╰── asked by the contract
 3 │     doc "Keys never enter a container."
   ╰────
  help: Keys never enter a container."##
    );
    assert_eq!(
        pictures(&[
            (PROJECT, "base \"docker.example.test/debian:bookworm\"\n"),
            (USER, "contract company-image {\n    matches #\"^registry\\.acme\\.test/\"#\n}\n"),
            (SYSTEM, "contract on=\"base.image\" {\n    is company-image\n}\n"),
        ])
        .trim_end(),
        r##"silo::contract::violated

  × `base.image` is `docker.example.test/debian:bookworm`, which
  │ `^registry\.acme\.test/` does not match
   ╭─[silo.kdl:1:6]
 1 │ base "docker.example.test/debian:bookworm"
   ·      ──────────────────┬──────────────────
   ·                        ╰── the value
   ╰────
   ╭─[~/.config/silo/silo.kdl:2:5]
 1 │ contract company-image {
 2 │     matches #"^registry\.acme\.test/"#
   ·     ─────────────────┬────────────────
   ·                      ╰── asked here
 3 │ }
   ╰────
   ╭─[/etc/silo/silo.kdl:2:5]
 1 │ contract on="base.image" {
 2 │     is company-image
   ·     ────────┬───────
   ·             ╰── which the contract wants kept
 3 │ }
   ╰────
  help: change the value; no file can take a contract away"##
    );
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("resources cpus=2 memory=\"4GiB\"".to_string()),
        Just("resources memory=(default)\"8GiB\"".to_string()),
        Just("(force)resources cpus=8".to_string()),
        Just("language node version=\"22\" { components a b; }".to_string()),
        Just("(remove)language node".to_string()),
        Just("language rust".to_string()),
        Just("base \"debian:12\" { apt \"curl\" \"git\"; (remove)apt \"git\"; }".to_string()),
        Just("env A B=\"x\" { C \"y\" phase=run; }".to_string()),
        Just("mount \"~/x\" \"~/.ssh\"".to_string()),
        Just("agent a { mount \"/y\"; args \"-q\"; }".to_string()),
        Just("define tool t { doc \"x\"; }".to_string()),
        Just("when os=linux { tool jq; }".to_string()),
    ]
}

fn predicate() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("present".to_string()),
        Just("absent".to_string()),
        Just("is named".to_string()),
        Just("enum a \"22\"".to_string()),
        Just("matches \"^[a-z]\"".to_string()),
        Just("min 3".to_string()),
        Just("max \"4GiB\"".to_string()),
        Just("satisfies \">=20\"".to_string()),
        Just("length min=1 max=2".to_string()),
        Just("under \"~\"".to_string()),
        Just("not-under \"~/.ssh\"".to_string()),
        Just("starts-with \"d\"".to_string()),
        Just("type version".to_string()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("not {{ {inner}; }}")),
            inner.clone().prop_map(|inner| format!("each {{ {inner}; }}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("any-of {{ {a}; {b}; }}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// A contract is added to one of the files: the values stay, and so do all that was complained of.
    #[test]
    fn adding_a_contract_changes_no_value_and_mends_nothing(
        mine in prop::collection::vec(value(), 0..4),
        theirs in prop::collection::vec(value(), 0..4),
        on in prop::sample::select(vec!["resources.cpus", "resources.*", "language.*.version", "language", "base.apt", "**", "mount.*.source", "env.*", "env.A.from", "agent.a.args"]),
        predicates in (predicate(), predicate()),
    ) {
        let parse = |layer: Layer, lines: &[String]| {
            // Conflicts within a file are not the point.
            let mut lines = lines.to_vec();
            lines.sort();
            lines.dedup();
            let text = lines.join("\n");
            let id = Sources::default().add(Source { name: "x".into(), text: text.clone(), layer });
            File::new(layer, document::parse(id, &text).0.unwrap())
        };
        let named = "contract named { length max=3; }\ncontract on=\"tool.*\" { enum jq; }".to_string();
        let files = [parse(Layer::System, &[named]), parse(Layer::User, &mine), parse(PROJECT, &theirs)];
        let documents = |added: Option<File>| {
            let files: Vec<File> = files.iter().cloned().chain(added).collect();
            let (layered, problems) = layers::merge(&files, &Facts { os: "linux".into(), ..Facts::default() });
            let values: Vec<_> = layered.nodes.iter().filter(|node| node.name != "contract").cloned().collect();
            let broken: Vec<_> = contract::check(&layered.nodes).iter().cloned().collect();
            (values, problems, broken)
        };
        let (values, problems, broken) = documents(None);
        let added = format!("contract on=\"{on}\" {{ {}; {}; }}", predicates.0, predicates.1);
        let (values_then, problems_then, broken_then) = documents(Some(parse(Layer::Local(0), &[added])));
        prop_assert_eq!(values, values_then);
        prop_assert_eq!(problems, problems_then);
        prop_assert!(broken.iter().all(|problem| broken_then.contains(problem)));
    }
}
