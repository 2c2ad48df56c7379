//! `schemas/silo.kdl-schema.kdl` is a KDL Schema 1.0.0, read here as its specification says (`SCHEMA-SPEC.md` of KDL), and says of
//! configurations what silo says of them.

use std::collections::BTreeMap;

use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};
use silo::schema;

use crate::support::project::Project;

/// Of each node of a schema that silo uses: its properties and the nodes of its block, as the specification has them.
const SPECIFIED: &[(&str, &[&str], &[&str])] = &[
    ("document", &[], &["info", "node", "definitions", "node-names", "other-nodes-allowed", "tag", "tag-names", "other-tags-allowed"]),
    ("info", &[], &["title", "description", "author", "contributor", "link", "license", "published", "modified", "version"]),
    ("title", &["lang"], &[]),
    ("description", &["lang"], &[]),
    ("node", &["description", "id", "ref"], &["prop-names", "other-props-allowed", "min", "max", "value", "prop", "children", "tag"]),
    ("prop", &["description", "id", "ref"], VALUES),
    ("value", &["description", "id", "ref"], VALUES),
    ("children", &["description", "id", "ref"], &["node", "node-names", "other-nodes-allowed"]),
];
const VALUES: &[&str] = &["required", "min", "max", "tag", "type", "enum", "pattern", "format", "%", ">", ">=", "<", "<="];
/// What stands in a line of its own: settings and validations.
const LEAVES: &[&str] = &[
    "min",
    "max",
    "required",
    "type",
    "enum",
    "pattern",
    "format",
    "%",
    "other-nodes-allowed",
    "other-props-allowed",
    "other-tags-allowed",
];
const TYPES: &[&str] = &["string", "number", "boolean", "null"];
const FORMATS: &[&str] = &["url", "regex"];

fn document() -> KdlDocument {
    schema::kdl_schema().parse().unwrap()
}

fn children(node: &KdlNode) -> &[KdlNode] {
    node.children().map_or(&[], KdlDocument::nodes)
}

fn arguments(node: &KdlNode) -> impl Iterator<Item = &KdlEntry> {
    node.entries().iter().filter(|entry| entry.name().is_none())
}

fn text<'a>(node: &'a KdlNode, property: &str) -> Option<&'a str> {
    node.get(property).and_then(KdlValue::as_string)
}

fn first(node: &KdlNode) -> Option<&KdlValue> {
    arguments(node).next().map(KdlEntry::value)
}

fn named<'a>(nodes: &'a [KdlNode], name: &'a str) -> impl Iterator<Item = &'a KdlNode> {
    nodes.iter().filter(move |node| node.name().value() == name)
}

/// Everything with an `id`.
fn identified<'a>(nodes: &'a [KdlNode], found: &mut BTreeMap<String, &'a KdlNode>) {
    for node in nodes {
        if let Some(id) = text(node, "id") {
            assert!(found.insert(format!("[id=\"{id}\"]"), node).is_none(), "two nodes have the id {id}");
        }
        identified(children(node), found);
    }
}

fn well_formed(node: &KdlNode, ids: &BTreeMap<String, &KdlNode>) {
    let name = node.name().value();
    if LEAVES.contains(&name) {
        assert!(node.children().is_none() && arguments(node).count() > 0, "{node}");
        let words = arguments(node).filter_map(|entry| entry.value().as_string());
        match name {
            "type" => assert!(words.into_iter().all(|word| TYPES.contains(&word)), "{node}"),
            "format" => assert!(words.into_iter().all(|word| FORMATS.contains(&word)), "{node}"),
            "pattern" => words.for_each(|pattern| assert!(regex::Regex::new(pattern).is_ok(), "{node}")),
            _ => {}
        }
        return;
    }
    let (_, properties, inner) = SPECIFIED.iter().find(|(known, _, _)| *known == name).unwrap_or_else(|| panic!("no such node: {node}"));
    for property in node.entries().iter().filter_map(KdlEntry::name) {
        assert!(properties.contains(&property.value()), "`{}` of\n{node}", property.value());
    }
    if let Some(target) = text(node, "ref") {
        assert!(ids.contains_key(target), "nothing is {target}");
    }
    for child in children(node) {
        assert!(inner.contains(&child.name().value()), "`{}` in\n{node}", child.name().value());
        well_formed(child, ids);
    }
}

#[test]
fn it_is_a_schema() {
    let schema = document();
    let mut ids = BTreeMap::new();
    identified(schema.nodes(), &mut ids);
    assert_eq!(schema.nodes().len(), 1);
    assert_eq!(schema.nodes()[0].name().value(), "document");
    well_formed(&schema.nodes()[0], &ids);
}

/// Reads configurations by a schema.
struct Validator<'a> {
    ids: BTreeMap<String, &'a KdlNode>,
}

impl Validator<'_> {
    /// What a block's nodes break; `rules` are the nodes of the schema's block.
    fn block(&self, rules: &[KdlNode], nodes: &[KdlNode], wrong: &mut Vec<String>) {
        let open = named(rules, "other-nodes-allowed").any(|node| first(node) == Some(&KdlValue::Bool(true)));
        for node in nodes {
            let name = node.name().value().replace('-', "_");
            let called = |rule: &&KdlNode| match first(rule).and_then(KdlValue::as_string) {
                Some(wanted) => wanted.replace('-', "_") == name,
                None => true,
            };
            let mut known = false;
            for rule in named(rules, "node").filter(called) {
                known = true;
                let rule = text(rule, "ref").map_or(rule, |target| self.ids[target]);
                self.node(rule, node, wrong);
            }
            if !known && !open {
                wrong.push(format!("no node `{name}`"));
            }
        }
    }

    fn node(&self, rule: &KdlNode, node: &KdlNode, wrong: &mut Vec<String>) {
        let name = node.name().value();
        let rules = children(rule);
        let values: Vec<&KdlValue> = arguments(node).map(KdlEntry::value).collect();
        let mut said = named(rules, "value").peekable();
        if said.peek().is_none() && !values.is_empty() {
            wrong.push(format!("`{name}` has no values"));
        }
        for value in said {
            // `(remove)` names what goes by its `id` alone: a schema knows annotations, but not what they change.
            let removes = node.ty().is_some_and(|annotation| annotation.value() == "remove");
            let bound = |bound: &str| named(children(value), bound).find_map(first).and_then(KdlValue::as_integer);
            if bound("min").is_some_and(|min| !removes && (values.len() as i128) < min)
                || bound("max").is_some_and(|max| values.len() as i128 > max)
            {
                wrong.push(format!("`{name}` has {} values", values.len()));
            }
            for given in &values {
                self.value(value, given, &format!("a value of `{name}`"), wrong);
            }
        }
        for entry in node.entries() {
            let Some(property) = entry.name().map(|name| name.value()) else { continue };
            let rules: Vec<&KdlNode> =
                named(rules, "prop").filter(|rule| first(rule).and_then(KdlValue::as_string).is_none_or(|name| name == property)).collect();
            if rules.is_empty() {
                wrong.push(format!("`{name}` has no property `{property}`"));
            }
            for rule in rules {
                self.value(rule, entry.value(), &format!("`{property}` of `{name}`"), wrong);
            }
        }
        let blocks: Vec<&KdlNode> = named(rules, "children").collect();
        if blocks.is_empty() && !children(node).is_empty() {
            wrong.push(format!("`{name}` has no block"));
        }
        for block in blocks {
            self.block(children(block), children(node), wrong);
        }
    }

    fn value(&self, rule: &KdlNode, value: &KdlValue, what: &str, wrong: &mut Vec<String>) {
        // `#null` takes a value away, and a placeholder becomes what it stands for.
        if value.is_null() || value.as_string().is_some_and(|text| text.contains("%{")) {
            return;
        }
        for check in children(rule) {
            let words = || arguments(check).map(KdlEntry::value);
            let fits = match check.name().value() {
                "type" => words().filter_map(KdlValue::as_string).any(|kind| match kind {
                    "string" => value.is_string(),
                    "number" => value.is_integer() || value.is_float(),
                    "boolean" => value.is_bool(),
                    _ => false,
                }),
                "enum" => words().any(|word| word == value),
                "pattern" => words().filter_map(KdlValue::as_string).all(|pattern| {
                    let whole = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
                    value.as_string().is_some_and(|text| whole.is_match(text))
                }),
                "format" => value.is_string(),
                "%" => value.is_integer(),
                "min" | "max" => true,
                other => panic!("no such validation: {other}"),
            };
            if !fits {
                wrong.push(format!("{what} is {value}, against {}", check.to_string().trim()));
            }
        }
    }
}

fn complaints(text: &str) -> Vec<String> {
    let schema = document();
    let mut ids = BTreeMap::new();
    identified(schema.nodes(), &mut ids);
    let mut wrong = Vec::new();
    let configuration: KdlDocument = text.parse().unwrap();
    Validator { ids }.block(children(&schema.nodes()[0]), configuration.nodes(), &mut wrong);
    wrong
}

#[test]
fn what_silo_takes_the_schema_takes() {
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut looked = 0;
    let mut wrong = Vec::new();
    for case in std::fs::read_dir(cases).unwrap() {
        let path = case.unwrap().path().join("silo.kdl");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let problems = Project::read(path.parent().unwrap()).load().problems.has_errors();
        if problems {
            continue;
        }
        looked += 1;
        wrong.extend(complaints(&text).into_iter().map(|complaint| format!("{}: {complaint}", path.display())));
    }
    wrong.extend(complaints(&schema::example()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(looked > 20, "{looked} configurations");
}

#[test]
fn what_the_table_forbids_the_schema_forbids() {
    for (text, complaint) in [
        ("languge node", "no node `languge`"),
        ("mount \"/x\" mdoe=ro", "`mount` has no property `mdoe`"),
        ("use backend=podman", "against enum"),
        ("resources cpus=\"two\"", "against type \"number\""),
        ("silo root=yes", "against type \"boolean\""),
        ("mount", "`mount` has 0 values"),
        ("layer x { copy a \"/b\" mode=\"9999\"; }", "against pattern"),
        ("when os=linux { mount; }", "`mount` has 0 values"),
        ("silo { x; }", "`silo` has no block"),
    ] {
        let found = complaints(text);
        assert!(found.len() == 1 && found[0].contains(complaint), "{text}: {found:?}");
    }
}
