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
