//! The check of a document against the table of nodes.

use silo::document;
use silo::problem::{Code, Problem};
use silo::schema::{self, FileKind, NodeRule, table};
use silo::source::{Layer, Source, Sources};

fn check(kind: FileKind, text: &str) -> (Sources, Vec<Problem>) {
    let mut sources = Sources::default();
    let id = sources.add(Source { name: "silo.kdl".into(), text: text.into(), layer: Layer::Project(0) });
    let (document, problems) = document::parse(id, text);
    assert!(problems.is_empty(), "{text}: {problems:?}");
    let problems = schema::check(&document.unwrap(), kind).iter().cloned().collect();
    (sources, problems)
}

/// The one problem of a text: its code, the place, and its help.
fn only(text: &str) -> (Code, String, String) {
    let (sources, problems) = check(FileKind::Configuration, text);
    assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
    let problem = &problems[0];
    (problem.code, sources.slice(problem.labels[0].span).to_string(), problem.help.clone().unwrap_or_default())
}

#[test]
fn each_rule_has_its_problem_and_its_mend() {
    let cases: &[(&str, Code, &str, &str)] = &[
        ("langauge rust", Code::UnknownNode, "langauge", "did you mean `language`?"),
        ("version: \"1\"", Code::UnknownNode, "version:", "known here: `silo`"),
        ("use: agent=x", Code::UnknownNode, "use:", "write `use`"),
        ("apt \"x\"", Code::UnknownNode, "apt", "`apt` belongs inside `base`, `layer` or `install`"),
        ("base { mount \"x\"; }", Code::UnknownNode, "mount", "`mount` belongs at the top of silo.kdl"),
        ("args \"x\"", Code::UnknownNode, "args", "`args` belongs inside `agent`"),
        ("resources memroy=\"8GiB\"", Code::UnknownProperty, "memroy=\"8GiB\"", "did you mean `memory`?"),
        ("resources x=1", Code::UnknownProperty, "x=1", "`resources` has `cpus`, `memory`, `disk`, `pids`"),
        ("(defualt)use agent=x", Code::UnknownAnnotation, "defualt", "did you mean `(default)`?"),
        ("use agent=(remove)x", Code::UnknownAnnotation, "remove", "known here: `(default)`, `(priority:N)`, `(force)`"),
        ("(priority:0)use agent=x", Code::UnknownAnnotation, "priority:0", "a whole number from 1"),
        ("(force,default)use agent=x", Code::UnknownAnnotation, "force,default", "take `default` or the other one out"),
        ("(force)import \"./x.kdl\"", Code::UnknownAnnotation, "force", "remove it"),
        ("when { tool jq; }", Code::MissingArgument, "when", "for example: `when arch="),
        ("when ci=#true", Code::MissingArgument, "when", "put nodes into braces"),
        ("when exists=\"../x\" { tool jq; }", Code::BadValue, "exists=\"../x\"", "relative to the folder of this file"),
        ("when host=\"%{vars.x}\" { tool jq; }", Code::ConditionMisplaced, "host=\"%{vars.x}\"", "write the pattern out"),
        ("when agent=x { repo y { use backend=apple; }; }", Code::ConditionMisplaced, "use", "or under no condition"),
        ("(list)use agent=x", Code::UnknownAnnotation, "list", "known here"),
        ("mount", Code::MissingArgument, "mount", "for example: `mount \"./fixtures\""),
        ("define agent", Code::MissingArgument, "define", "for example: `define tool hello`"),
        ("define agnet x", Code::BadValue, "agnet", "did you mean `agent`?"),
        ("cache a \"b\"", Code::ExtraArgument, "\"b\"", "for example: `cache pnpm-store"),
        ("cache a to \"b\"".replace(" \"b\"", "").leak(), Code::ExtraArgument, "to", "`to` is a property: write `to=…`"),
        ("use agent=a agent=b", Code::DuplicateProperty, "agent=b", "keep one of them"),
        ("language go version=1.20", Code::WrongType, "version=1.20", "write `version=\"1.20\"`: without quotes KDL reads the number 1.2"),
        ("language go version=22", Code::WrongType, "version=22", "quote it: `version=\"22\"`"),
        (
            "base { copy \"a\" \"/b\" mode=0755; }",
            Code::WrongType,
            "mode=0755",
            "write `mode=\"0755\"`: without quotes KDL reads the decimal number 755",
        ),
        ("resources memory=8", Code::WrongType, "memory=8", "say of what: `memory=\"8GiB\"` or `memory=\"8MiB\"`"),
        ("resources pids=\"4\"", Code::WrongType, "pids=\"4\"", "write it without quotes: `pids=4`"),
        ("silo root=\"true\"", Code::WrongType, "root=\"true\"", "write `root=#true`"),
        ("env PORT=8080", Code::WrongType, "PORT=8080", "quote it: `PORT=\"8080\"`"),
        ("env A=#true", Code::WrongType, "A=#true", "quote it: `A=\"true\"`"),
        ("mcp x transport=htp", Code::BadValue, "transport=htp", "did you mean `http`?"),
        ("tool jq { }\nsilo { }", Code::UnexpectedChildren, "silo", "for example"),
        ("base #null", Code::WrongType, "#null", "remove it"),
    ];
    for (text, code, place, help) in cases {
        let found = only(text);
        assert_eq!((found.0, found.1.as_str()), (*code, *place), "{text}: {}", found.2);
        assert!(found.2.contains(help), "{text}: {}", found.2);
    }
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let (_, problems) = check(FileKind::Configuration, "langauge x\nuse agnet=y\nbase { aptt \"z\"; run; }\nlanguage go version=1.20");
    let codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::UnknownNode, Code::UnknownProperty, Code::UnknownNode, Code::MissingArgument, Code::WrongType]);
}

#[test]
fn what_the_language_allows_passes() {
    for text in [
        "language rust channel=stable nightly=#true { components clippy rustfmt; lsp rust-analyzer gopls; }",
        "pre-build \"x\"\npost-build \"y\" as=user id=z\n(remove)post_build id=z\n(remove)pre_run",
        "env A (remove)B X=\"v\" Y=#null { N \"v\" phase=both; (remove)M; O from=host required=#false secret=#true; }",
        "mcp a url=\"https://x.test\" transport=sse\nmcp b { command \"x\" \"y\"; env T U=\"v\"; }",
        "agent claude model=opus { args \"-a\"; mcp a b; lsp c; env X; mount \"~/x\"; pre_run \"y\"; post_build \"z\"; command \"q\" \"r\"; }",
        "base { apt (remove)\"x\" \"y\"; (replace)path \"/x\"; }\n(force)base (default)\"x\" from=(force)bootstrap",
        "resources cpus=1.5 memory=#null",
        "use update-hours=5\nlanguage go version-file=\"go.mod\" release-age=\"2d\"\nlanguage node { version-file \".nvmrc\"; }",
        "define mcp x { command \"a\"; env T; }\ndefine lsp y { command \"b\"; extensions \".go\"=\"go\"; }",
        "define agent x { register mcp file=\"/a\" format=json key=\"a.b\" env_ref=\"${%{name}}\" { arg \"-c\"; env X=\"y\"; local { type \"s\"; (list)args \"%{args}\"; deep { er { est 1 #true; } } }; remote { url \"u\"; } } }",
    ] {
        let (_, problems) = check(FileKind::Configuration, text);
        assert!(problems.is_empty(), "{text}: {problems:#?}");
    }
}

#[test]
fn a_catalog_file_only_defines() {
    let (_, problems) = check(FileKind::Catalog, "define tool x { doc \"y\"; }\nlanguage go");
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::UnknownNode]);
}

#[test]
fn the_example_passes_the_check_and_shows_every_node() {
    let example = schema::example();
    let (_, problems) = check(FileKind::Configuration, &example);
    assert!(problems.is_empty(), "{problems:#?}");
    for rule in table::TOP.iter().chain(table::STEPS) {
        let (_, document) = (rule.name, format!("{}\n", rule.example));
        assert!(!rule.example.is_empty() && example.contains(rule.name), "{}", rule.name);
        let place = if table::TOP.iter().any(|other| std::ptr::eq(*other, *rule)) { document } else { format!("layer x {{\n{document}}}") };
        let (_, problems) = check(FileKind::Configuration, &place);
        assert!(problems.is_empty(), "{}: {problems:#?}", rule.name);
    }
}

#[test]
fn the_generated_schema_is_kdl() {
    let mut sources = Sources::default();
    let text = schema::kdl_schema();
    let id = sources.add(Source { name: "schema".into(), text: text.clone(), layer: Layer::Catalog });
    // The schema nests deeper than silo.kdl may; the depth is the only thing that silo's own reader may object to.
    let (document, problems) = document::parse(id, &text);
    assert!(document.is_some(), "{problems:?}");
}

/// Calls `visit` for every rule of the table once.
fn every_rule(visit: &mut dyn FnMut(&'static NodeRule)) {
    let mut seen: Vec<*const NodeRule> = Vec::new();
    let mut open: Vec<&'static NodeRule> = table::TOP.iter().chain(table::STEPS).copied().collect();
    while let Some(rule) = open.pop() {
        if seen.contains(&std::ptr::from_ref(rule)) {
            continue;
        }
        seen.push(rule);
        visit(rule);
        open.extend(rule.children.iter().copied().chain(rule.other_children));
    }
}

#[test]
fn the_table_is_whole() {
    every_rule(&mut |rule| {
        assert!(rule.doc.ends_with('.') && !rule.doc.contains('|'), "{}", rule.name);
        assert!(rule.properties.iter().all(|property| property.doc.ends_with('.')), "{}", rule.name);
        for name in rule.properties.iter().map(|property| property.name).chain([rule.name]) {
            assert!(!name.contains('-'), "{name} is written with underscores");
            assert_eq!(name.contains('_'), document::SNAKE_NAMES.contains(&name), "{name} is or is not in document::SNAKE_NAMES");
        }
    });
}
