//! The grammar page says what the table of nodes says, and names every word of the language.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use silo::document::{self, SNAKE_NAMES};
use silo::schema::{self, NodeRule, Type, annotation, table, types};

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grammar.md")).unwrap()
}

/// The productions of the page's ```ebnf blocks by name, in written order; `# …` is a comment.
fn productions(page: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for block in page.split("```ebnf\n").skip(1) {
        for line in block.split("```").next().unwrap().lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            let (name, body) = line.split_once(" := ").unwrap_or_else(|| panic!("no production: {line}"));
            let before = all.insert(name.trim().to_string(), body.trim().to_string());
            assert!(before.is_none(), "{name} has two productions");
        }
    }
    all
}

fn terminal(kind: Type) -> String {
    match kind {
        Type::Text => "text".into(),
        Type::Version => "version".into(),
        Type::Path => "path".into(),
        Type::Url => "url".into(),
        Type::Name => "name".into(),
        Type::EnvName => "env-name".into(),
        Type::Script => "script".into(),
        Type::Size => "size".into(),
        Type::Duration => "duration".into(),
        Type::Regex => "regex".into(),
        Type::Mode => "mode".into(),
        Type::Integer => "integer".into(),
        Type::Number => "number".into(),
        Type::Bool => "bool".into(),
        Type::Scalar => "scalar".into(),
        Type::OneOf(words) => words.join("|"),
    }
}

/// A node without its block: its name, its arguments and its properties.
fn heading(rule: &NodeRule) -> String {
    let mut words = vec![match rule.name {
        "*" => "identifier".to_string(),
        name if SNAKE_NAMES.contains(&name) => format!("(\"{name}\" | \"{}\")", name.replace('_', "-")),
        name => format!("\"{name}\""),
    }];
    for argument in rule.arguments {
        let maybe = if argument.required { "" } else { "?" };
        words.push(format!("{}:{}{maybe}", argument.name, terminal(argument.kind)));
    }
    words.extend(rule.rest.map(|rest| format!("{}:{}*", rest.name, terminal(rest.kind))));
    words.extend(rule.properties.iter().map(|property| format!("{}={}?", property.name, terminal(property.kind))));
    words.extend(rule.other_properties.map(|other| format!("identifier={}*", terminal(other.kind))));
    words.join(" ")
}

fn children(rule: &NodeRule) -> Vec<&'static NodeRule> {
    rule.children.iter().copied().chain(rule.other_children).collect()
}

/// What stands between the parentheses of `(a | b)*`.
fn choices(text: &str) -> Option<Vec<&str>> {
    Some(text.strip_prefix('(')?.strip_suffix(")*")?.split(" | ").collect())
}

#[test]
fn the_productions_are_those_of_the_table() {
    let productions = productions(&page());
    let mut named: BTreeMap<*const NodeRule, &str> = BTreeMap::new();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<(&NodeRule, &str)> = Vec::new();
    let starts: [(&str, &[&'static NodeRule]); 2] = [("node", table::TOP), ("step", table::STEPS)];
    for (start, rules) in starts {
        let names: Vec<&str> = productions[start].split(" | ").collect();
        assert_eq!(names.len(), rules.len(), "{start}");
        used.insert(start);
        open.extend(rules.iter().copied().zip(names));
    }
    while let Some((rule, name)) = open.pop() {
        let before = named.insert(rule, name);
        if let Some(before) = before {
            assert_eq!(before, name, "one node of the table has two productions");
            continue;
        }
        assert!(used.insert(name), "two nodes of the table share the production {name}");
        let body = productions.get(name).unwrap_or_else(|| panic!("no production for {name}: {}", heading(rule)));
        let (head, block) = body.split_once(" { ").map_or((body.as_str(), None), |(head, block)| (head, Some(block)));
        assert_eq!(head, heading(rule), "the production {name}");
        let inside = match block.map(|block| block.strip_suffix(" }?").unwrap_or_else(|| panic!("{name}: {body}"))) {
            None => Vec::new(),
            Some(block) => choices(block).unwrap_or_else(|| panic!("{name}: {body}")),
        };
        let expected = children(rule);
        let wanted: Vec<&str> = expected.iter().map(|child| child.name).collect();
        assert_eq!(inside.len(), expected.len(), "the block of {name} holds {wanted:?}, not {inside:?}");
        open.extend(expected.into_iter().zip(inside));
    }
    // Every other production is a piece of the text.
    for (name, body) in &productions {
        assert!(used.contains(name.as_str()) || LEXICAL.contains(&name.as_str()), "{name} names no node that exists: {body}");
    }
}

/// The productions that are no nodes.
const LEXICAL: &[&str] = &["document", "annotation", "merge-op", "op"];

#[test]
fn every_word_of_the_language_is_named() {
    let page = page();
    let all = productions(&page);
    let operations: Vec<&str> = all["op"].split(" | ").collect();
    assert_eq!(operations.iter().collect::<BTreeSet<_>>(), annotation::WORDS.iter().collect(), "the words of an annotation");
    let when = schema::find(table::TOP, "when").unwrap();
    let keys = when.properties.iter().map(|property| property.name);
    let predicates = table::CONTRACT.children.iter().map(|child| child.name).filter(|name| *name != "doc");
    for predicate in predicates {
        assert!(all.values().any(|body| body.contains(&format!("\"{predicate}\""))), "no predicate {predicate}");
    }
    for word in types::names().chain(keys) {
        assert!(page.contains(&format!("`{word}`")), "the page does not name `{word}`");
    }
    let limits = [document::MAX_BYTES / 1024, document::MAX_DEPTH, document::MAX_COMMENT_DEPTH, document::MAX_SLASHDASH_DEPTH];
    let text = page.split("## The nodes").next().unwrap();
    for limit in limits.into_iter().chain([document::MAX_PROBLEMS]) {
        assert!(text.split(|c: char| !c.is_ascii_digit()).any(|number| number == limit.to_string()), "the limit {limit} is not told");
    }
}
