//! KDL text of nodes, in one canonical form.

use super::scan::{is_forbidden, is_newline};
use super::{Annotation, Entry, Node, Value};

/// The text of nodes: four spaces for each level, one node a line, words quoted only where KDL needs it. Reading it gives the same nodes,
/// places aside.
pub fn print(nodes: &[Node]) -> String {
    let mut out = String::new();
    print_nodes(&mut out, nodes, 0);
    out
}

/// A text as KDL writes it between quotes.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => escape(&mut out, c),
        }
    }
    out.push('"');
    out
}

/// A text with everything that would end a line or move a cursor written as an escape.
pub fn one_line(text: &str) -> String {
    let quoted = quote(text).replace("\\\"", "\"");
    quoted[1..quoted.len() - 1].to_string()
}

fn escape(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        _ if is_newline(c) || is_forbidden(c) || c.is_control() => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
        _ => out.push(c),
    }
}

fn print_nodes(out: &mut String, nodes: &[Node], depth: usize) {
    for node in nodes {
        print_node(out, node, depth);
    }
}

fn print_node(out: &mut String, node: &Node, depth: usize) {
    indent(out, depth);
    annotation(out, node.annotation.as_ref());
    out.push_str(&word(&node.name));
    for entry in &node.entries {
        out.push(' ');
        print_entry(out, entry, depth);
    }
    match node.children.as_deref() {
        None => {}
        Some([]) => out.push_str(" { }"),
        Some(children) => {
            out.push_str(" {\n");
            print_nodes(out, children, depth + 1);
            indent(out, depth);
            out.push('}');
        }
    }
    out.push('\n');
}

fn print_entry(out: &mut String, entry: &Entry, depth: usize) {
    if let Some(name) = &entry.name {
        out.push_str(&word(name));
        out.push('=');
    }
    annotation(out, entry.annotation.as_ref());
    print_indented(out, &entry.value, depth);
}

/// Adds a value on one line, as KDL writes it.
pub fn print_value(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(&quote(text)),
        Value::Integer(_) | Value::Decimal(_) | Value::Bool(_) | Value::Null => print_indented(out, value, 0),
    }
}

fn print_indented(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(text) if is_block(text) => print_block(out, text, depth),
        Value::String(text) => out.push_str(&quote(text)),
        Value::Integer(number) => out.push_str(&number.to_string()),
        Value::Decimal(number) => out.push_str(number),
        Value::Bool(true) => out.push_str("#true"),
        Value::Bool(false) => out.push_str("#false"),
        Value::Null => out.push_str("#null"),
    }
}

/// Whether a text reads better over several lines.
fn is_block(text: &str) -> bool {
    text.contains('\n')
}

/// `"""`, the lines one level deeper than the node, `"""`.
fn print_block(out: &mut String, text: &str, depth: usize) {
    out.push_str("\"\"\"\n");
    for line in text.split('\n') {
        if !line.is_empty() {
            indent(out, depth + 1);
            let blank = line.chars().all(|c| c.is_whitespace());
            for c in line.chars() {
                // A line of nothing but space would lose it.
                if blank {
                    out.push_str(&format!("\\u{{{:x}}}", c as u32));
                } else {
                    escape_block(out, c);
                }
            }
        }
        out.push('\n');
    }
    indent(out, depth + 1);
    out.push_str("\"\"\"");
}

fn escape_block(out: &mut String, c: char) {
    match c {
        '\t' => out.push('\t'),
        _ => escape(out, c),
    }
}

fn annotation(out: &mut String, annotation: Option<&Annotation>) {
    if let Some(annotation) = annotation {
        out.push('(');
        out.push_str(&word(&annotation.text));
        out.push(')');
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("    ");
    }
}

/// A name as KDL writes it: bare when it can be.
fn word(text: &str) -> String {
    if is_bare(text) { text.to_string() } else { quote(text) }
}

/// Whether a text is an identifier string of KDL 2. Only plain characters are left bare.
fn is_bare(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '@' | '+' | '$' | '%' | '*');
    let signless = text.trim_start_matches(['+', '-']);
    let numeric = signless.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    !text.is_empty() && text.chars().all(plain) && !numeric && !matches!(text, "true" | "false" | "null" | "inf" | "-inf" | "nan")
}
