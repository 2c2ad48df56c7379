//! The merged configuration for people and for programs.

use super::Layered;
use crate::document::{self, Entry, Node, Value};
use crate::source::{Sources, Span};

/// KDL text of what holds; every line ends with the places where its values were set.
pub fn print_with_sources(layered: &Layered, sources: &Sources) -> String {
    let mut out = String::new();
    for node in &layered.nodes {
        print_node(&mut out, node, sources, 0);
    }
    out
}

/// One node, each line followed by its places. The text is that of [`document::print`] with comments added.
fn print_node(out: &mut String, node: &Node, sources: &Sources, depth: usize) {
    let bare = Node { children: node.children.as_ref().map(|_| Vec::new()), ..node.clone() };
    let text = document::print(std::slice::from_ref(&bare));
    let indent = "    ".repeat(depth);
    let mut spans: Vec<Span> = node.entries.iter().map(|entry| entry.span).collect();
    if spans.is_empty() {
        spans.push(node.name_span);
    }
    let mut places: Vec<String> = Vec::new();
    for place in spans.into_iter().map(|span| sources.place(span)) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let comment = format!(" // {}", document::one_line(&places.join(", ")));
    let text = text.trim_end_matches('\n');
    let opened = match node.children() {
        [] => text.to_string(),
        [_, ..] => format!("{}{{", text.trim_end_matches("{ }")),
    };
    for (index, line) in opened.lines().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if !line.is_empty() {
            out.push_str(&indent);
            out.push_str(line);
        }
    }
    // Inside a text of several lines a comment would be text; it stands after the last of them.
    out.push_str(&comment);
    out.push('\n');
    if !node.children().is_empty() {
        for child in node.children() {
            print_node(out, child, sources, depth + 1);
        }
        out.push_str(&indent);
        out.push_str("}\n");
    }
}

/// What holds, as JSON: a list of nodes, each with its name, arguments, properties, block, and where each value was set.
pub fn to_json(layered: &Layered, sources: &Sources) -> serde_json::Value {
    serde_json::Value::Array(layered.nodes.iter().map(|node| node_json(node, sources)).collect())
}

fn node_json(node: &Node, sources: &Sources) -> serde_json::Value {
    let mut arguments = Vec::new();
    let mut properties = serde_json::Map::new();
    for entry in &node.entries {
        match &entry.name {
            None => arguments.push(entry_json(entry, sources)),
            Some(name) => {
                properties.insert(name.clone(), entry_json(entry, sources));
            }
        }
    }
    let children: Vec<serde_json::Value> = node.children().iter().map(|child| node_json(child, sources)).collect();
    let mut object = serde_json::Map::new();
    object.insert("node".into(), node.name.clone().into());
    object.insert("at".into(), sources.place(node.name_span).into());
    if !arguments.is_empty() {
        object.insert("arguments".into(), arguments.into());
    }
    if !properties.is_empty() {
        object.insert("properties".into(), properties.into());
    }
    if !children.is_empty() {
        object.insert("children".into(), children.into());
    }
    object.into()
}

fn entry_json(entry: &Entry, sources: &Sources) -> serde_json::Value {
    let value: serde_json::Value = match &entry.value {
        Value::String(text) => text.clone().into(),
        Value::Integer(number) => match i64::try_from(*number) {
            Ok(number) => number.into(),
            Err(_) => number.to_string().into(),
        },
        Value::Decimal(number) => match number.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
            Some(number) => number.into(),
            None => number.clone().into(),
        },
        Value::Bool(value) => (*value).into(),
        Value::Null => serde_json::Value::Null,
    };
    serde_json::json!({ "value": value, "at": sources.place(entry.span) })
}
