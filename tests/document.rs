//! Reading and printing KDL.

use proptest::prelude::*;
use silo::document::{self, Annotation, Document, Entry, Node};
use silo::problem::{self, Code, Problems, RenderOptions};
use silo::source::{Layer, Source, Sources, Span};

/// Parses a text as a project file.
fn parse(text: &str) -> (Sources, Option<Document>, Problems) {
    let mut sources = Sources::default();
    let id = sources.add(Source { name: "silo.kdl".into(), text: text.into(), layer: Layer::Project(0) });
    let (document, problems) = document::parse(id, text);
    (sources, document, problems)
}

fn nodes(text: &str) -> (Sources, Vec<Node>) {
    let (sources, document, problems) = parse(text);
    assert!(problems.is_empty(), "{text}: {problems:?}");
    (sources, document.expect("it parses").nodes)
}

#[test]
fn spans_cut_out_what_was_written() {
    let text = "\u{feff}// é\r\nenv  A /- B  (force)\"c d\"  X = (default) 1.20  /* x */ Y=#true {\r\n  (remove)\"N x\" \"välue\"; m\r\n}  \r\npre-build \"\"\"\r\n  a\r\n  \"\"\"\r\n";
    let (sources, nodes) = nodes(text);
    let cut = |span: Span| sources.slice(span).to_string();
    let env = &nodes[0];
    assert_eq!(cut(env.name_span), "env");
    assert!(cut(env.span).starts_with("env  A") && cut(env.span).ends_with('}'), "{:?}", cut(env.span));
    let entries: Vec<String> = env.entries.iter().map(|entry| cut(entry.span)).collect();
    assert_eq!(entries, ["A", "(force)\"c d\"", "X = (default) 1.20", "Y=#true"]);
    assert_eq!(cut(env.entries[1].annotation.as_ref().unwrap().span), "force");
    assert_eq!(cut(env.entries[2].annotation.as_ref().unwrap().span), "default");
    let child = &env.children()[0];
    assert_eq!((cut(child.name_span), cut(child.entries[0].span)), ("\"N x\"".into(), "\"välue\"".into()));
    assert_eq!(cut(child.span), "(remove)\"N x\" \"välue\"");
    assert_eq!(nodes[1].name, "pre_build");
    assert_eq!(cut(nodes[1].name_span), "pre-build");
    assert_eq!(nodes[1].text(0), Some("a"));
}

/// The problems of a text as `message @ written text | help`.
fn complaints(text: &str) -> Vec<String> {
    let (sources, _, problems) = parse(text);
    let line = |problem: &silo::problem::Problem| {
        let place = problem.labels.first().map_or("", |label| sources.slice(label.span));
        format!("{} @ {} | {}", problem.message, place, problem.help.as_deref().unwrap_or(""))
    };
    problems.iter().map(line).collect()
}

#[test]
fn a_mistake_is_told_with_its_mend() {
    let quote_it = |word: &str| format!("quote it: `\"{word}\"`");
    let cases: &[(&str, &str, String)] = &[
        ("resources memory=8GiB", "8GiB", quote_it("8GiB")),
        ("mount ~/x", "~/x", quote_it("~/x")),
        ("mount /x", "/x", quote_it("/x")),
        ("language go version=1.2.3", "1.2.3", quote_it("1.2.3")),
        ("x C:\\y", "C:\\y", "quote it: `\"C:\\\\y\"`".into()),
        ("mcp a url=https://x.test/y", "https://x.test/y", quote_it("https://x.test/y")),
        ("silo root=true", "true", "write `#true`, or `\"true\"` if you mean the text".into()),
        ("a #yes", "#yes", "write `#true`, `#false` or `#null`, or quote the text: `\"#yes\"`".into()),
        (
            "language rust { components clippy, rustfmt; }",
            "clippy,",
            "write `clippy` without the comma; values are separated by spaces".into(),
        ),
        ("base = \"x\"", "=", "write `base \"x\"`; an `=` belongs between a property and its value, as in `base key=\"value\"`".into()),
        ("base “x”", "“x”", "use the plain quote of the keyboard: `\"x\"`".into()),
        ("base 'x'", "'x'", "use double quotes: `\"x\"`".into()),
        ("args [\"a\", \"b\"]", "[\"a\", \"b\"]", "write the items one after the other, separated by spaces: `args \"a\" \"b\"`".into()),
        ("tool #true\"a\"", "\"", "put a space between them".into()),
        ("tool jq(force)fd", "(", "put a space between them".into()),
        ("# note", "#", "write `//` instead of `#`".into()),
        ("base \"\\q\"", "\\q", "write `\\\\q` for a backslash, or a raw string, `#\"…\"#`, in which a backslash is itself".into()),
        ("base {\n  apt a\n\nlanguage go\n", "{", "add a `}` on a line of its own where the block ends".into()),
        ("base { }\n}", "}", "remove this `}`, or add the `{` it belongs to".into()),
        (
            "base \"x\ny",
            "\"",
            "add the closing quote; a text of several lines begins and ends with `\"\"\"`, each on a line of its own".into(),
        ),
        ("base\u{1b}", "\u{1b}", "remove it; if a value needs it, write `\\u{1b}` inside a quoted string".into()),
        ("base \"\0\"", "\0", "remove it; if a value needs it, write `\\u{0}` inside a quoted string".into()),
        ("// \u{202e}", "\u{202e}", "remove it; if a value needs it, write `\\u{202e}` inside a quoted string".into()),
    ];
    for (text, place, help) in cases {
        let found = complaints(text);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].ends_with(&format!("@ {place} | {help}")), "{text}: {found:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = complaints("mount ~/x\nresources memory=8GiB\nbase )\nsilo root=true\n");
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn a_missing_brace_is_looked_for_by_indentation() {
    let text = "layer a {\n    base {\n        apt \"x\"\n    run \"y\"\n}\n";
    let (sources, _, problems) = parse(text);
    let problem = problems.iter().next().unwrap();
    assert_eq!(sources.position(problem.labels[0].span).line, 2);
    assert_eq!(sources.position(problem.labels[1].span).line, 4);
}

#[test]
fn what_kdl_allows_is_read() {
    for text in [
        "/- kdl-version 2\n@kdl:schema \"x\"\nbase \"x\"",
        "\u{feff}base \"x\"\r\nmount \"a\" \\\r\n  \"b\"\r\n",
        "base \\ // comment\n  \"x\"",
        "a #\"raw \\ \"quote\"#; b ##\"x\"#y\"##",
        "a \"\"\"\n  it's \"quoted\", /* not */ // a comment {\n  \"\"\"",
        "a /* x /* y */ { */ b=1 /-{ c } { d; }",
        "a 1_000 0x1f -5 +3 1e5 1.5e-3 #inf #nan -x --flag .x",
        "/-\nbase { apt ~/never }\nx".replace("~/never", "never").as_str(),
        "a \"x\\   \n   y\"",
        "(list)args \"a\" key=(default)\"v\"",
    ] {
        let (_, document, problems) = parse(text);
        assert!(problems.is_empty() && document.is_some(), "{text}: {problems:?}");
    }
}

#[test]
fn the_limits_hold() {
    let code = |text: &str| {
        let (_, document, problems) = parse(text);
        assert!(document.is_none() == problems.has_errors());
        problems.iter().next().map(|problem| problem.code)
    };
    let nested = |depth: usize| format!("{}{}", "a {\n".repeat(depth), "}\n".repeat(depth));
    assert_eq!(code(&nested(document::MAX_DEPTH)), None);
    assert_eq!(code(&nested(document::MAX_DEPTH + 1)), Some(Code::TooDeep));
    let slashed = |depth: usize| format!("{}{}", "/- a {\n".repeat(depth), "}\n".repeat(depth));
    assert_eq!(code(&slashed(document::MAX_SLASHDASH_DEPTH)), None);
    assert_eq!(code(&slashed(document::MAX_SLASHDASH_DEPTH + 1)), Some(Code::TooDeep));
    let slashed = |depth: usize| format!("{}{}", "a /- {\n".repeat(depth), "}\n".repeat(depth));
    assert_eq!(code(&slashed(document::MAX_SLASHDASH_DEPTH + 1)), Some(Code::TooDeep));
    let comment = |depth: usize| format!("{}{}", "/*".repeat(depth), "*/".repeat(depth));
    assert_eq!(code(&comment(document::MAX_COMMENT_DEPTH)), None);
    assert_eq!(code(&comment(document::MAX_COMMENT_DEPTH + 1)), Some(Code::TooDeep));
    assert_eq!(code(&format!("//{}", "x".repeat(document::MAX_BYTES - 2))), None);
    assert_eq!(code(&format!("//{}", "x".repeat(document::MAX_BYTES - 1))), Some(Code::TooLarge));
    let (_, _, problems) = parse(&"mount ~/x\n".repeat(1000));
    assert_eq!(problems.len(), document::MAX_PROBLEMS);
}

#[test]
fn includes_are_read_in_order() {
    let (sources, document, _) = parse("import \"a\"\nimport \"b\" optional=#true\nimport 3");
    let includes = document::includes(&document.unwrap());
    let told: Vec<(&str, bool, &str)> =
        includes.iter().map(|include| (include.target.as_str(), include.optional, sources.slice(include.span))).collect();
    assert_eq!(told, [("a", false, "\"a\""), ("b", true, "\"b\"")]);
}

/// A node without its places.
fn bare(node: &Node) -> Node {
    let (_, nowhere) = nodes("x");
    let span = Span { start: 0, end: 0, ..nowhere[0].span };
    let annotation = |annotation: &Option<Annotation>| annotation.as_ref().map(|a| Annotation { text: a.text.clone(), span });
    Node {
        name: node.name.clone(),
        name_span: span,
        annotation: annotation(&node.annotation),
        entries: node.entries.iter().map(|entry| Entry { annotation: annotation(&entry.annotation), span, ..entry.clone() }).collect(),
        children: node.children.as_ref().map(|children| children.iter().map(bare).collect()),
        span,
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_string()),
        Just("\r\n".to_string()),
        Just("\"\"\"".to_string()),
        Just("\\".to_string()),
        Just("\t".to_string()),
        Just("\u{202e}".to_string()),
        Just("\u{1b}[31m".to_string()),
        Just("\0".to_string()),
        Just("true".to_string()),
        Just("1.20".to_string()),
        Just("  ".to_string()),
        Just("//".to_string()),
        Just("\u{2028}".to_string()),
        Just("#\"".to_string()),
        "[a-z-]{1,6}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn any_value() -> impl Strategy<Value = silo::document::Value> {
    use silo::document::Value;
    prop_oneof![
        any_text().prop_map(Value::String),
        any::<i64>().prop_map(|number| Value::Integer(number.into())),
        prop_oneof![Just("1.20"), Just("1e5"), Just("#inf"), Just("-0.5")].prop_map(|text| Value::Decimal(text.to_string())),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ]
}

fn any_nodes() -> impl Strategy<Value = Vec<Node>> {
    let (_, somewhere) = nodes("x");
    let span = Span { start: 0, end: 0, ..somewhere[0].span };
    let annotation = move || proptest::option::of(any_text().prop_map(move |text| Annotation { text, span }));
    let entry = move || {
        (proptest::option::of(any_text()), annotation(), any_value()).prop_map(move |(name, annotation, value)| Entry {
            name,
            annotation,
            value,
            span,
        })
    };
    let name = || any_text().prop_map(|name| if name == "@kdl:schema" { "x".to_string() } else { name });
    let leaf = (name(), annotation(), proptest::collection::vec(entry(), 0..4)).prop_map(move |(name, annotation, entries)| Node {
        name,
        name_span: span,
        annotation,
        entries,
        children: None,
        span,
    });
    let node = leaf.prop_recursive(3, 12, 3, |inner| {
        (inner.clone(), proptest::option::of(proptest::collection::vec(inner, 0..3))).prop_map(|(node, children)| Node { children, ..node })
    });
    proptest::collection::vec(node, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_back(nodes in any_nodes()) {
        let text = document::print(&nodes);
        let (_, document, problems) = parse(&text);
        prop_assert!(problems.is_empty(), "{}\n{:?}", text, problems);
        let read: Vec<Node> = document.unwrap().nodes.iter().map(bare).collect();
        prop_assert_eq!(&read, &nodes, "{}", text);
        prop_assert_eq!(document::print(&read), text);
    }

    #[test]
    fn no_text_makes_it_fail_or_wait(pieces in proptest::collection::vec(prop_oneof![
        Just("{"), Just("}"), Just("/-"), Just("(x)"), Just("\""), Just("\"\"\""), Just("#"), Just("\n"), Just(" "), Just("a"), Just("="), Just("/*"),
        Just("*/"), Just("\\"), Just("1."), Just(";"), Just("é"), Just("["), Just("\r\n"), Just("//"), Just("("), Just("\u{85}"), Just("\u{2028}"), Just("\t"), Just("\u{feff}"), Just(")")
    ], 0..60)) {
        let text = pieces.concat();
        let (sources, document, problems) = parse(&text);
        prop_assert!(document.is_some() || problems.has_errors(), "{:?}", text);
        prop_assert!(problems.len() <= document::MAX_PROBLEMS);
        let options = RenderOptions { width: 100, color: false, unicode: true };
        prop_assert_eq!(problem::render(&problems, &sources, options).is_empty(), problems.is_empty());
    }
}

#[test]
fn a_mistake_that_is_explained_is_said_once() {
    let text = "silo edition=\"2026\"\nagent claude\nresources memory=8GiB\n";
    let mut sources = silo::source::Sources::default();
    let source = silo::source::Source { name: "silo.kdl".into(), text: text.into(), layer: silo::source::Layer::Project(0) };
    let (_, problems) = silo::document::parse(sources.add(source), text);
    let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(said, ["`8GiB` begins like a number and is none"]);
}
