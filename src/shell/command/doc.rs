//! `silo doc`.

use std::path::Path;

use silo::catalog::{self, Catalog, Definition, Supply};
use silo::document::{self, Node, Value};
use silo::layers;
use silo::schema::{self, NodeRule, Topic, What, table};
use silo::source::{Layer, Sources};

use super::catalog as listing;
use crate::shell::cli;
use crate::shell::failure::Failure;
use crate::shell::merged::Merged;
use crate::shell::ui::Ui;
use crate::shell::ui::page::Page;

/// Explains what a path means: from the table of nodes, from the catalog, and from the configuration of the directory, as far as it can be
/// read.
pub fn doc(ui: &Ui, directory: Option<&Path>, args: &cli::Doc) -> Result<u8, Failure> {
    let Merged { mut sources, layered, .. } = Merged::load(directory)?;
    let (catalog, _) = Catalog::new(&layered.nodes);
    let mut page = ui.page();
    if args.path.is_empty() {
        overview(&mut page, &catalog);
        ui.data(&page.finish());
        return Ok(0);
    }
    let wanted = &args.path.join(".");
    let path = parse(wanted)?;
    let segments = path.segments();
    if let [kind, name, rest @ ..] = segments
        && is_entry(kind, name)
    {
        if kind == "stack"
            && let Some(text) = catalog::stack(&format!("{kind}/{name}"))
        {
            stack(&mut page, name, text);
            ui.data(&page.finish());
            return Ok(0);
        }
        let Some(definition) = catalog.get(kind, name, &mut sources).0 else {
            // A node that can be given a command or a URL need not be in the catalog.
            return Err(unknown(wanted, listing::nearest(&format!("{kind}/{name}"), &catalog, &mut sources)));
        };
        match rest {
            [] => entry(&mut page, kind, name, &definition, &sources),
            [option, ..] => match definition.node.named("option").find(|node| node.text(0) == Some(option)) {
                Some(node) => {
                    page.heading(&format!("{kind} {name}, option {option}"));
                    let (_, text) = option_row(node);
                    page.paragraph(0, &text);
                }
                None => match schema::lookup(segments) {
                    Some(found) => topic(&mut page, &found, &catalog),
                    None => return Err(unknown(wanted, None)),
                },
            },
        }
        contracts(&mut page, &path, &layered.nodes, &sources);
        ui.data(&page.finish());
        return Ok(0);
    }
    match schema::lookup(segments) {
        Some(found) => {
            topic(&mut page, &found, &catalog);
            let pattern = found.pattern.iter().fold(layers::Path::default(), |path, segment| path.join(segment));
            contracts(&mut page, &pattern, &layered.nodes, &sources);
        }
        None => {
            let before = segments.split_last().map_or(&[][..], |(_, before)| before);
            let last = segments.last().map_or("", String::as_str);
            let names = schema::names_after(before);
            let near = schema::nearest(last, names.into_iter()).map(|near| {
                let path = before.iter().fold(layers::Path::default(), |path, segment| path.join(segment));
                path.join(near).to_string()
            });
            // A name alone may be that of an entry.
            let near = near.or_else(|| if before.is_empty() { listing::nearest(wanted, &catalog, &mut sources) } else { None });
            return Err(unknown(wanted, near));
        }
    }
    ui.data(&page.finish());
    Ok(0)
}

fn parse(wanted: &str) -> Result<layers::Path, Failure> {
    let wrong = |wrong: String| Failure::Usage {
        message: format!("`{wanted}` is not a path: {wrong}"),
        help: Some("write it as in `agent.env` or `language/node`".to_string()),
    };
    if let Some((kind, name)) = wanted.strip_prefix("catalog:").unwrap_or(wanted).split_once('/') {
        return Ok(layers::Path::default().join(kind).join(name));
    }
    layers::Path::parse(wanted).map_err(wrong)
}

/// Whether two segments are meant as an entry of the catalog rather than as something in a node.
fn is_entry(kind: &str, name: &str) -> bool {
    if kind == "stack" {
        return true;
    }
    let Some(rule) = schema::find(table::TOP, kind) else { return catalog::KINDS.contains(&kind) };
    let known = schema::names_after(&[kind.to_string()]);
    catalog::KINDS.contains(&kind) && rule.merge == schema::Merge::Keyed && !known.contains(&name)
}

fn unknown(wanted: &str, near: Option<String>) -> Failure {
    let help = match near {
        Some(near) => format!("did you mean `silo doc {near}`?"),
        None => "`silo doc` alone lists what there is".to_string(),
    };
    Failure::Usage { message: format!("there is nothing called `{wanted}`"), help: Some(help) }
}

/// A text up to its first full stop.
fn sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}

fn overview(page: &mut Page, catalog: &Catalog) {
    page.heading("The nodes of a silo.kdl");
    let rows = |rules: &[&NodeRule]| -> Vec<(String, String)> {
        rules.iter().map(|rule| (rule.name.to_string(), sentence(rule.doc).to_string())).collect()
    };
    page.rows(&rows(table::TOP));
    page.heading("Steps, inside base, layer and install");
    page.rows(&rows(table::STEPS));
    page.heading("The catalog");
    let mut kinds: Vec<(String, String)> = catalog::KINDS
        .iter()
        .map(|kind| (kind.to_string(), catalog.names(kind).join(", ")))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    let stacks: Vec<&str> = catalog::stacks().map(|path| path.trim_start_matches("stack/")).collect();
    kinds.push(("stack".to_string(), stacks.join(", ")));
    page.rows(&kinds);
    page.gap();
    page.paragraph(0, "`silo doc agent`, `silo doc agent.env`, `silo doc mount.mode` and `silo doc language/node` say more.");
}

fn topic(page: &mut Page, topic: &Topic, catalog: &Catalog) {
    let around = || topic.nodes.iter().rev().skip(1).map(|rule| format!("`{}`", rule.name)).collect::<Vec<_>>();
    match topic.what {
        What::Node(rule) => node(page, rule, &topic.pattern, &around(), catalog),
        What::Property(rule, property) => {
            page.heading(&format!("{}, property {}", title(rule), topic.pattern.last().map_or("", String::as_str)));
            page.paragraph(0, property.doc);
            page.gap();
            page.paragraph(0, &format!("It is {}.", property.kind.describe()));
            rest(page, rule, 1);
        }
        What::Argument(rule, argument) => {
            page.heading(&format!("{}, argument {}", title(rule), argument.name));
            page.paragraph(0, rule.doc);
            page.gap();
            let need = if argument.required { "It has to be there" } else { "It may be left out" };
            page.paragraph(0, &format!("It is {}. {need}.", argument.kind.describe()));
            rest(page, rule, 1);
        }
    }
}

fn title(rule: &NodeRule) -> String {
    let name = if rule.name == "*" { "NAME" } else { rule.name };
    format!("{name} {}", schema::arguments(rule)).trim_end().to_string()
}

fn node(page: &mut Page, rule: &'static NodeRule, pattern: &[String], around: &[String], catalog: &Catalog) {
    page.heading(&title(rule));
    page.paragraph(0, rule.doc);
    if !around.is_empty() {
        page.gap();
        page.paragraph(0, &format!("It stands inside {}.", around.join(" inside ")));
    }
    if !rule.example.is_empty() {
        page.gap();
        page.code(4, rule.example);
    }
    if !rule.properties.is_empty() || rule.other_properties.is_some() {
        page.heading("Properties");
        let rows: Vec<(String, String)> = rule
            .properties
            .iter()
            .chain(rule.other_properties.as_ref())
            .map(|property| {
                let name = if property.name == "*" { "any other" } else { property.name };
                (name.to_string(), format!("{} {}.", property.doc, capital(&property.kind.describe())))
            })
            .collect();
        page.rows(&rows);
    }
    if rule.takes_block() && rule.merge != schema::Merge::Condition {
        page.heading("Inside");
        let mut rows: Vec<(String, String)> =
            rule.children.iter().map(|child| (child.name.to_string(), format!("{}.", sentence(child.doc)))).collect();
        rows.extend(rule.other_children.map(|other| ("any other".to_string(), other.doc.to_string())));
        page.rows(&rows);
    }
    if catalog::KINDS.contains(&rule.name) && pattern.len() == 1 && rule.name != "base" {
        page.heading("In the catalog");
        page.paragraph(2, &catalog.names(rule.name).join(", "));
    }
    if rule.merge == schema::Merge::Condition {
        page.gap();
        page.paragraph(0, "Inside stands what may stand at the top of a file, but for `silo`, `import` and `let`.");
    }
    rest(page, rule, 0);
}

/// What the policies of a node are; `values` is 1 for those of its values.
fn rest(page: &mut Page, rule: &'static NodeRule, values: usize) {
    if !rule.operator.is_empty() {
        page.gap();
        page.paragraph(0, &format!("Only your own files may ask for {}", rule.operator));
    }
    page.gap();
    page.paragraph(0, &format!("Merging: {}", schema::merging(rule.merge)));
    let (on_node, on_values) = schema::annotations(rule);
    let words = if values == 0 { on_node } else { on_values };
    if !words.is_empty() {
        let list: Vec<String> = words.iter().map(|word| format!("`({word})`")).collect();
        page.paragraph(0, &format!("Before it may stand {}.", list.join(", ")));
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The arguments and properties of a node, on one line.
fn words(node: &Node) -> String {
    let mut parts = Vec::new();
    for entry in &node.entries {
        let value = match &entry.value {
            Value::String(text) => document::one_line(text),
            Value::Integer(_) | Value::Decimal(_) | Value::Bool(_) | Value::Null => printed(&entry.value),
        };
        parts.push(match &entry.name {
            Some(name) => format!("{name}={value}"),
            None => value,
        });
    }
    parts.join(" ")
}

fn printed(value: &Value) -> String {
    let mut text = String::new();
    document::print_value(&mut text, value);
    text
}

fn option_row(node: &Node) -> (String, String) {
    let name = node.text(0).unwrap_or("").to_string();
    let mut text = node.named("doc").next().and_then(|doc| doc.text(0)).unwrap_or("").trim_end_matches('.').to_string();
    let kind = node.property("type").and_then(|entry| entry.value.as_str()).unwrap_or("string");
    if !text.is_empty() {
        text.push_str(". ");
    }
    text.push_str(&match node.property("default") {
        Some(default) => format!("`{kind}`; {} unless it is set.", printed(&default.value)),
        None => format!("`{kind}`; it has to be set."),
    });
    (name, text)
}

fn entry(page: &mut Page, kind: &str, name: &str, definition: &Definition, sources: &Sources) {
    let node = &definition.node;
    page.heading(&format!("{kind} {name}"));
    if let Some(doc) = node.named("doc").next().and_then(|doc| doc.text(0)) {
        page.paragraph(0, doc);
    }
    page.gap();
    if sources.get(definition.span.source).layer == Layer::Catalog {
        page.paragraph(0, &format!("An entry of silo's catalog; `silo catalog show {kind}/{name}` prints it."));
    } else {
        page.paragraph(0, &format!("A definition of yours: {}.", sources.place(definition.span)));
    }
    let mut options: Vec<(String, String)> = node.named("option").map(option_row).collect();
    if kind != "base" && kind != "client" && !options.iter().any(|(name, _)| name == "version") {
        let text = "The version: exact, a range, or `latest`. The lock pins what it is resolved to.";
        options.insert(0, ("version".to_string(), text.to_string()));
    }
    section(page, "Options", &options);
    let installs: Vec<(String, String)> = definition
        .installs()
        .into_iter()
        .map(|install| {
            let steps = install.children().iter().filter(|step| {
                schema::find(table::STEPS, &step.name).is_some_and(|_| !matches!(step.name.as_str(), "bin" | "path" | "env"))
            });
            let steps: Vec<String> = steps.map(|step| format!("{} {}", step.name, words(step))).collect();
            let needs = match catalog::supply(install) {
                Supply::Registries => "works without a vendor's site",
                Supply::Vendor => "needs a vendor's site",
            };
            (install.text(0).unwrap_or("").to_string(), format!("{needs}: {}", steps.join("; ")))
        })
        .collect();
    section(page, "Installed from, in order of preference", &installs);
    let mut bins: Vec<&str> =
        definition.installs().into_iter().flat_map(|install| install.named("bin")).filter_map(|bin| bin.text(0)).collect();
    bins.sort_unstable();
    bins.dedup();
    let mut rows: Vec<(String, String)> = Vec::new();
    if !bins.is_empty() {
        rows.push(("commands".to_string(), bins.join(", ")));
    }
    // Everything else that it says, in the order of the table.
    let told = ["doc", "option", "install", "file", "register", "detect"];
    for rule in schema::find(table::TOP, "define").map_or(&[][..], |define| define.children) {
        if told.contains(&rule.name) {
            continue;
        }
        let texts: Vec<String> = node.named(rule.name).map(words).filter(|text| !text.is_empty()).collect();
        if !texts.is_empty() {
            rows.push((rule.name.to_string(), texts.join("; ")));
        }
    }
    let says_version = |detect: &&Node| ["json", "toml", "match"].iter().any(|name| detect.property(name).is_some());
    let files = |wanted: &dyn Fn(&&Node) -> bool| {
        let mut names: Vec<&str> = Vec::new();
        for name in node.named("detect").filter(wanted).flat_map(Node::arguments).filter_map(|entry| entry.value.as_str()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(", ")
    };
    for (what, files) in [("found by", files(&|detect| !says_version(detect))), ("version_file", files(&says_version))] {
        if !files.is_empty() {
            rows.push((what.to_string(), files));
        }
    }
    let languages: Vec<&str> =
        node.named("detect").filter_map(|detect| detect.property("language")).filter_map(|entry| entry.value.as_str()).collect();
    if !languages.is_empty() {
        rows.push(("goes with".to_string(), format!("language {}", languages.join(", "))));
    }
    let registers: Vec<&str> = node.named("register").filter_map(|register| register.text(0)).collect();
    if !registers.is_empty() {
        rows.push(("told about".to_string(), format!("servers of {}", registers.join(" and "))));
    }
    section(page, "What it says", &rows);
}

fn section(page: &mut Page, heading: &str, rows: &[(String, String)]) {
    if !rows.is_empty() {
        page.heading(heading);
        page.rows(rows);
    }
}

fn stack(page: &mut Page, name: &str, text: &str) {
    page.heading(&format!("stack {name}"));
    page.paragraph(0, &format!("A file of silo's catalog: `import \"catalog:stack/{name}\"` reads it."));
    page.gap();
    page.code(4, text);
}

/// The contracts of the configuration that are about a path or pattern.
fn contracts(page: &mut Page, path: &layers::Path, nodes: &[Node], sources: &Sources) {
    let about = |node: &&Node| {
        let on = node.property("on").and_then(|entry| entry.value.as_str()).and_then(|on| layers::Path::parse(on).ok());
        on.is_some_and(|on| on.matches(path) || path.matches(&on) || on.is_within(path))
    };
    let rows: Vec<(String, String)> = nodes
        .iter()
        .filter(|node| node.name == "contract")
        .filter(about)
        .map(|node| {
            let doc = node.named("doc").next().and_then(|doc| doc.text(0)).unwrap_or("");
            let asked: Vec<String> = node
                .children()
                .iter()
                .filter(|child| child.name != "doc")
                .map(|child| format!("{} {}", child.name, words(child)).trim_end().to_string())
                .collect();
            let on = node.property("on").and_then(|entry| entry.value.as_str()).unwrap_or("");
            (sources.place(node.name_span), format!("`{on}`: {} {doc}", asked.join("; ")).trim_end().to_string())
        })
        .collect();
    section(page, "Contracts of this configuration", &rows);
}
