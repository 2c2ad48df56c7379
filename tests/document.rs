//! Reading and printing KDL.

use silo::document::{self, Document, Node};
use silo::problem::Problems;
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
fn dbg() {
    for text in [
        "resources memory=8GiB\nbase \"x\"\n", "mount ~/x /y mode=ro", "language go version=1.2.3\nuse agent=claude\ncache a\nmount ~/x", "silo root=true", "language rust {\n  components clippy, rustfmt\n}",
        "a = 1", "a=1", "base “debian”", "args [\"a\", \"b\"]", "args [a b]\nargs [\n a\n]", "base {\n  apt \"x\"\n\nlanguage go\n", "base {\n apt x\n}}\n",
        "base { apt \"x\"\n", "mount /x", "url https://x.y/z", "# comment\nbase \"x\"", "a #yes", "base \"x\ny", "base \"a\"\"b\"", "base\0", "base \"\u{202e}\"", "/* x", "x \"\"\"abc\"\"\"", "base \"\\q\"", "base name= x",
        "base )x", "( base", "copy a b mode=0755", "{ x }", "a b=", "base \"\"\"\n x\n y", "env A=1 A=2", "a /-", "x C:\\y", "base \\", "x 1_000 0x1f -5 +3 1e5 1.5e-3", "x .5", "x -a", "x --foo", "x a#b", "x (y)", "x (a b)c", "a {b}c", "a\n=3", "'x' 'y'","a 'b c'", "x \"\"\"\n  a\n b\n  \"\"\"",
    ] {
        println!("--- {text:?}");
        for line in complaints(text) { println!("    {line}"); }
    }
}
