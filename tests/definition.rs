//! Definitions of one's own: what they extend, their options, and what holds because of those.

use std::collections::BTreeMap;

use silo::problem::Code;
use silo::schema::types::ValueType;
use silo::schema::version::Range;
use silo::spec::{Component, Step};

use crate::support::project::Project;

const HEAD: &str = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n";

/// The components of a configuration, by name; there must be no problem.
fn components(text: &str) -> BTreeMap<String, Component> {
    let loaded = Project::of(&format!("{HEAD}{text}")).load();
    assert!(loaded.problems.is_empty(), "{text}: {}", loaded.rendered());
    loaded.spec.unwrap().image.components.into_iter().map(|component| (component.id.to_string(), component)).collect()
}

fn packages(component: &Component) -> Vec<String> {
    let of = |step: &Step| if let Step::Apt { packages } = step { packages.clone() } else { Vec::new() };
    component.installs.iter().flat_map(|install| &install.steps).flat_map(of).collect()
}

fn codes(text: &str) -> Vec<Code> {
    Project::of(&format!("{HEAD}{text}")).load().problems.iter().map(|problem| problem.code).collect()
}

const BASE: &str = "define tool a { install apt { apt \"a\"; }; install other { apt \"o\"; }; env X=\"1\" Y=\"2\"; check \"a\"; }\n";

#[test]
fn an_extension_wins_value_by_value_and_lists_add_up() {
    for (body, sources, env, checks, apt) in [
        ("doc \"x\"", "apt other", "X=1 Y=2", 1, "a o"),
        ("install apt { apt \"b\"; }", "apt other", "X=1 Y=2", 1, "a b o"),
        ("(replace)install apt { apt \"b\"; }", "other apt", "X=1 Y=2", 1, "o b"),
        ("(remove)install other", "apt", "X=1 Y=2", 1, "a"),
        ("install new { apt \"n\"; }", "apt other new", "X=1 Y=2", 1, "a o n"),
        ("(prepend)install new { apt \"n\"; }", "new apt other", "X=1 Y=2", 1, "n a o"),
        ("env X=\"3\" Z=\"4\"", "apt other", "X=3 Y=2 Z=4", 1, "a o"),
        ("env (remove)X", "apt other", "Y=2", 1, "a o"),
        ("check \"b\"", "apt other", "X=1 Y=2", 2, "a o"),
        ("check \"a\"", "apt other", "X=1 Y=2", 1, "a o"),
        ("(remove)check", "apt other", "X=1 Y=2", 0, "a o"),
    ] {
        let body = if body.starts_with("env (remove)") { "(remove)env X" } else { body };
        let found = components(&format!("{BASE}define tool b extends=a {{ {body}; }}\ntool b"));
        let tool = &found["tool b"];
        let names: Vec<&str> = tool.installs.iter().map(|install| install.source.as_str()).collect();
        assert_eq!(names.join(" "), sources, "{body}");
        let set: Vec<String> = tool.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!((set.join(" ").as_str(), tool.checks.len()), (env, checks), "{body}");
        assert_eq!(packages(tool).join(" "), apt, "{body}");
    }
}

#[test]
fn options_are_typed_lists_are_words_and_names_stand_for_values() {
    let rendered = |option: &str, request: &str| {
        let text = format!("define tool a {{ option o {option}; install {{ run \"do %{{o}}\"; }}; }}\ntool a {request}");
        let found = components(&text);
        found["tool a"].options["o"].clone()
    };
    for (option, request, value) in [
        ("type=list<string> default=\"\"", "{ o clippy rustfmt; }", "clippy rustfmt"),
        ("type=list<string> default=\"\"", "{ o \"a b\" \"it's\" \"$x\"; }", "'a b' 'it'\\''s' '$x'"),
        ("type=list<string> default=\"\"", "o=one", "one"),
        ("type=list<string> default=\"x y\"", "", "x y"),
        ("type=list<int> default=\"\"", "{ o 1 2; }", "1 2"),
        ("type=map<string> default=\"\"", "{ o a=b c=\"d e\"; }", "a=b 'c=d e'"),
        ("type=map<int> default=\"\"", "{ o { a 1; b 2; }; }", "a=1 b=2"),
        ("type=size default=\"1GiB\"", "", "1GiB"),
        ("default=\"x\"", "{ o y; }", "y"),
        ("type=port default=1", "o=8080", "8080"),
    ] {
        assert_eq!(rendered(option, request), value, "{option} {request}");
    }
    for (option, request, code) in [
        ("type=list<int> default=\"\"", "{ o a; }", Code::WrongType),
        ("type=map<int> default=\"\"", "{ o 1; }", Code::WrongType),
        ("type=map<int> default=\"\"", "o=1", Code::WrongType),
        ("default=\"x\"", "{ o; }", Code::MissingArgument),
        ("default=\"x\"", "{ o a b; }", Code::ExtraArgument),
        ("default=\"x\"", "{ o a b=c; }", Code::UnknownProperty),
        ("type=lst default=\"x\"", "", Code::BadValue),
    ] {
        let text = format!("define tool a {{ option o {option}; install {{ apt a; }}; }}\ntool a {request}");
        assert_eq!(codes(&text), [code], "{text}");
    }
}

#[test]
fn what_hangs_on_an_option_holds_where_it_has_the_value() {
    let define = "define language l { option o default=\"x\"; install { apt a; }; when option.o=\"y|z\" { env A=\"1\"; tool jq; when option.version=\"2*\" { env B=\"2\"; }; }; when option.o=\"!x\" { env C=\"3\"; }; }\n";
    for (request, env, jq) in
        [("", "", false), ("o=y", "A=1 C=3", true), ("o=z version=\"22\"", "A=1 B=2 C=3", true), ("o=other", "C=3", false)]
    {
        let found = components(&format!("{define}language l {request}"));
        let set: Vec<String> = found["language l"].env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!((set.join(" ").as_str(), found.contains_key("tool jq")), (env, jq), "{request}");
    }
}

#[test]
fn types_say_what_they_hold() {
    let read = |kind: &str, value: &str| {
        let mut sources = silo::source::Sources::default();
        let text = format!("x {value}");
        let id = sources.add(silo::source::Source { name: "x".into(), text: text.clone(), layer: silo::source::Layer::User });
        let document = silo::document::parse(id, &text).0.unwrap();
        let entry = document.nodes[0].arguments().next().unwrap().value.clone();
        ValueType::parse(kind).unwrap_or_else(|| panic!("{kind}")).read(&entry).is_ok()
    };
    let types: &[(&str, &str, &str)] = &[
        ("string", "a \"\" \"a b\"", "1 #true #null"),
        ("int", "1 -5", "1.5 \"1\" #true"),
        ("number", "1 1.5", "\"1\""),
        ("bool", "#true", "\"true\" 1"),
        ("identifier", "a \"a-b.c_1\"", "A \"\" \"-a\""),
        ("version", "\"1.2\" latest \">=1<2\" 22", "\"\" \"a;b\" 1.5"),
        ("version-req", "\"1.2\" \">=20 <23\"", "latest \">\""),
        ("path", "\"~/x\" \"../x\"", "\"\""),
        ("abs-path", "\"/x\"", "\"x\" \"/x/..\""),
        ("url", "\"https://a.test/x\" \"http://a\"", "\"ftp://a\" \"https://\" \"https://a b\""),
        ("image-ref", "debian \"a.test:5000/x/y:1\" \"localhost/x\"", "\"A/x\" \"a:b c\" \"a@sha256:1\""),
        ("platform", "\"linux/arm64\" \"linux/arm/v7\"", "linux \"Linux/x\""),
        ("host-glob", "\"*.a.test\" localhost", "\"a b\" \"\" \"https://a\""),
        ("repo-glob", "\"github.com/acme/**\"", "\"\" \"a//b\""),
        ("env-name", "A_1 a", "\"1A\" \"A-B\""),
        ("port", "1 65535", "0 65536 \"80\""),
        ("size", "\"8GiB\" \"1.5MB\"", "\"8 parsecs\" 8"),
        ("duration", "\"90s\" \"1h30m\" \"250ms\" \"2d\"", "\"1\" \"30m1h\" \"1s1s\" \"\""),
        ("file-mode", "\"0755\" \"644\"", "\"0888\" \"7\" 755"),
        ("regex", "\"^a\"", "\"(\""),
        ("enum:a,b", "a b", "c \"a,b\""),
        ("list<int>", "1", "a"),
        ("map<port>", "80", "0"),
    ];
    for (kind, good, bad) in types {
        for value in split(good) {
            assert!(read(kind, &value), "{kind}: {value}");
        }
        for value in split(bad) {
            assert!(!read(kind, &value), "{kind}: {value}");
        }
    }
    for text in ["", "strng", "enum:", "enum:a,,b", "list<>", "list<list<int>>", "list<int", "map<nothing>"] {
        assert_eq!(ValueType::parse(text), None, "{text}");
    }
}

/// Values between spaces; quotation marks keep spaces.
fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        quoted ^= c == '"';
        match (c, quoted) {
            (' ', false) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn a_range_holds_what_it_should() {
    let within = |a: &str, b: &str| Range::parse(a).unwrap().is_within(&Range::parse(b).unwrap());
    for (a, b) in [
        ("22", ">=20 <23"),
        ("20.0.0", ">=20"),
        ("20", ">=20.0.0"),
        ("1.2.3", "^1.2"),
        ("1.2.3", "~1.2"),
        ("1.4.2", "~=1.4"),
        ("1.4.2", "1.x"),
        ("1.2.3", "*"),
        ("1.2.3", "<=1.2.3"),
        ("1.2", "<=1"),
        ("0.2.9", "^0.2.3"),
        ("18 || 20", ">=18"),
        ("19.5", "<19 || >=19"),
        ("1.2.3-rc.2", ">1.2.3-rc.1"),
        ("3.1", "!=3.2"),
        (">= 3, <4", "3"),
        ("v1.2.3", "=1.2.3"),
    ] {
        assert!(within(a, b), "{a} is within {b}");
    }
    for (a, b) in [
        ("23", ">=20 <23"),
        (">=20", ">=20 <23"),
        ("23.0.0-rc.1", "<23"),
        ("20.0.0-rc.1", ">=20"),
        ("0.3.0", "^0.2.3"),
        ("1.3", "~1.2.3"),
        ("2", "~=1.4"),
        ("3.2.0", "!=3.2"),
        ("18 || 30", "<20"),
        ("1", "1.2"),
        ("2.0.0", ">2"),
        ("*", ">=1"),
    ] {
        assert!(!within(a, b), "{a} is not within {b}");
    }
    for text in ["", "latest", ">", "1..2", "a.b", "1 - 2", ">=x", "||"] {
        assert_eq!(Range::parse(text), None, "{text}");
    }
}
