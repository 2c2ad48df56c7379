//! The JSON Schema of what `silo config show --json` prints.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{ArgumentRule, Merge, NodeRule, Type, table};

/// A JSON Schema (draft 2020-12), as text. The nodes of files alone and conditions are not in it, since merging leaves none.
pub fn json_schema() -> String {
    let mut definitions = Definitions { names: BTreeMap::new(), done: Map::new() };
    definitions.done.insert("place".into(), json!({ "description": "The file, and the line in it.", "type": "string" }));
    let top: Vec<&'static NodeRule> = table::TOP.iter().copied().filter(|rule| is_merged(rule)).collect();
    let items = definitions.block("silo", &top, None);
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "silo config show --json",
        "description": "The merged configuration: its nodes, each with its values and the places where they were set. Generated from the table of nodes.",
        "type": "array",
        "items": items,
        "$defs": Value::Object(definitions.done),
    });
    format!("{schema:#}\n")
}

/// Whether merging leaves the node.
fn is_merged(rule: &NodeRule) -> bool {
    match rule.merge {
        Merge::FileLocal | Merge::Condition => false,
        Merge::Record
        | Merge::Keyed
        | Merge::KeyedByTarget
        | Merge::List
        | Merge::Words
        | Merge::Variables
        | Merge::Closed
        | Merge::Accumulating => true,
    }
}

struct Definitions {
    /// The name of each rule, by its address.
    names: BTreeMap<usize, String>,
    done: Map<String, Value>,
}

impl Definitions {
    /// What one of the nodes of a block is.
    fn block(&mut self, around: &str, children: &[&'static NodeRule], other: Option<&'static NodeRule>) -> Value {
        let mut cases = Vec::new();
        for child in children {
            let reference = self.node(around, child);
            cases.push(json!({ "if": { "properties": { "node": { "const": child.name } } }, "then": reference }));
        }
        let names: Vec<&str> = children.iter().map(|child| child.name).collect();
        let name = match other {
            Some(other) => {
                let reference = self.node(around, other);
                cases.push(json!({ "if": { "properties": { "node": { "not": { "enum": names } } } }, "then": reference }));
                json!({ "type": "string" })
            }
            None => json!({ "enum": names }),
        };
        json!({ "type": "object", "required": ["node", "at"], "properties": { "node": name }, "allOf": cases })
    }

    /// A reference to the definition of a node.
    fn node(&mut self, around: &str, rule: &'static NodeRule) -> Value {
        let address = std::ptr::from_ref(rule) as usize;
        if let Some(name) = self.names.get(&address) {
            return json!({ "$ref": format!("#/$defs/{name}") });
        }
        let own = if rule.name == "*" { "other" } else { rule.name };
        let mut name = own.to_string();
        if self.done.contains_key(&name) {
            name = format!("{around}.{own}");
        }
        while self.done.contains_key(&name) {
            name.push('_');
        }
        self.names.insert(address, name.clone());
        // The place is kept, so that a node inside of itself finds it.
        self.done.insert(name.clone(), Value::Null);
        let mut properties = Map::new();
        properties.insert("node".into(), json!({ "type": "string" }));
        properties.insert("at".into(), json!({ "$ref": "#/$defs/place" }));
        if !rule.arguments.is_empty() || rule.rest.is_some() {
            properties.insert("arguments".into(), arguments(rule));
        }
        if !rule.properties.is_empty() || rule.other_properties.is_some() {
            let known: Map<String, Value> =
                rule.properties.iter().map(|property| (property.name.to_string(), entry(property.kind, Some(property.doc)))).collect();
            let others = rule.other_properties.map_or(Value::Bool(false), |property| entry(property.kind, Some(property.doc)));
            properties.insert("properties".into(), json!({ "type": "object", "properties": known, "additionalProperties": others }));
        }
        if rule.takes_block() {
            let items = self.block(&name, rule.children, rule.other_children);
            properties.insert("children".into(), json!({ "type": "array", "items": items }));
        }
        let schema = json!({ "description": rule.doc, "type": "object", "properties": properties, "required": ["node", "at"], "additionalProperties": false });
        self.done.insert(name.clone(), schema);
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

fn arguments(rule: &NodeRule) -> Value {
    let named = |argument: &ArgumentRule| entry(argument.kind, Some(argument.name));
    let mut schema = Map::new();
    schema.insert("type".into(), "array".into());
    // `base` is merged value by value, so that an argument is there or not; words and names are there.
    if !rule.arguments.is_empty() {
        schema.insert("prefixItems".into(), rule.arguments.iter().map(named).collect());
    }
    schema.insert("items".into(), rule.rest.as_ref().map_or(Value::Bool(false), named));
    Value::Object(schema)
}

/// A value with the place where it was set.
fn entry(kind: Type, description: Option<&str>) -> Value {
    let value = match kind {
        Type::Text | Type::Version | Type::Path | Type::Url | Type::Name | Type::EnvName | Type::Script | Type::Size | Type::Duration => {
            json!({ "type": "string" })
        }
        Type::Regex => json!({ "type": "string", "format": "regex" }),
        Type::Mode => json!({ "type": "string", "pattern": "^[0-7]{3,4}$" }),
        Type::Integer => json!({ "type": "integer" }),
        Type::Number => json!({ "type": "number" }),
        Type::Bool => json!({ "type": "boolean" }),
        Type::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Type::OneOf(words) => json!({ "enum": words }),
    };
    let mut schema = Map::new();
    if let Some(description) = description {
        schema.insert("description".into(), description.into());
    }
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), json!({ "value": value, "at": { "$ref": "#/$defs/place" } }));
    schema.insert("required".into(), json!(["value", "at"]));
    schema.insert("additionalProperties".into(), false.into());
    Value::Object(schema)
}
