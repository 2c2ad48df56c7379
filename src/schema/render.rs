//! What is generated from the table.

use super::{ArgumentRule, Merge, NodeRule, Type, table};
use crate::document::quote;

const MENDED_BY: &str = "SILO_BLESS=1 cargo test --test main generated";

/// An annotated `silo.kdl` that shows every node. It passes the check.
pub fn example() -> String {
    let mut out = format!("// Everything a silo.kdl can say. Generated from the table of nodes: {MENDED_BY}\n");
    for rule in table::TOP {
        out.push('\n');
        comment(&mut out, rule.doc);
        if !rule.operator.is_empty() {
            comment(&mut out, &format!("Until you trust the project (`silo trust`), only your own files get you {}", rule.operator));
        }
        for property in rule.properties {
            comment(&mut out, &format!("    {}= {}: {}", property.name, property.kind.describe(), property.doc));
        }
        out.push_str(rule.example);
    }
    out.push_str("\n// What can stand in the block of `base`, of `layer` and of `install`:\nlayer steps {\n");
    for rule in table::STEPS {
        out.push_str(&format!("    // {}\n", rule.doc));
        for line in rule.example.lines() {
            out.push_str(&format!("    {line}\n"));
        }
    }
    out.push_str("}\n");
    out
}

/// Adds a comment, folded.
fn comment(out: &mut String, text: &str) {
    let indent: String = text.chars().take_while(|c| *c == ' ').collect();
    let mut line = format!("//{indent}");
    for word in text.split_whitespace() {
        if line.len() + word.len() > 110 {
            out.push_str(&line);
            out.push('\n');
            line = format!("//{indent}");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

/// A document in the KDL Schema Language that describes `silo.kdl`.
pub fn kdl_schema() -> String {
    let mut out = format!("// The nodes of a silo.kdl. Generated from the table of nodes: {MENDED_BY}\n");
    out.push_str("document {\n    info {\n        title \"silo.kdl\" lang=\"en\"\n        description \"A declarative image and container for coding agents.\" lang=\"en\"\n    }\n");
    // An annotation is what the schema language calls a tag; several words of one are joined by commas.
    out.push_str("    other-tags-allowed #true\n");
    for rule in table::TOP {
        schema_node(&mut out, rule, 1, &mut Vec::new());
    }
    out.push_str("}\n");
    without_empty_blocks(&out)
}

/// A block with nothing in it stands on one line.
fn without_empty_blocks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        if line.ends_with('{') && lines.next_if(|next| next.trim() == "}").is_some() {
            out.push_str(" }");
        }
        out.push('\n');
    }
    out
}

fn schema_node(out: &mut String, rule: &'static NodeRule, depth: usize, around: &mut Vec<*const NodeRule>) {
    let indent = "    ".repeat(depth);
    let name = if rule.name == "*" { String::new() } else { format!(" {}", quote(rule.name)) };
    let id = if depth == 1 { format!(" id={}", quote(rule.name)) } else { String::new() };
    out.push_str(&format!("{indent}node{name}{id} description={} {{\n", quote(rule.doc)));
    for property in rule.properties.iter().chain(rule.other_properties.as_ref()) {
        let name = if property.name == "*" { String::new() } else { format!(" {}", quote(property.name)) };
        let kind = schema_type(property.kind, depth + 2);
        let block = if kind.is_empty() { String::new() } else { format!(" {{\n{kind}{indent}    }}") };
        out.push_str(&format!("{indent}    prop{name} description={}{block}\n", quote(property.doc)));
    }
    let required = rule.arguments.iter().filter(|argument| argument.required).count();
    if let Some(first) = rule.arguments.first().or(rule.rest.as_ref()) {
        out.push_str(&format!("{indent}    value description={} {{\n{indent}        min {required}\n", quote(&arguments(rule))));
        if rule.rest.is_none() {
            out.push_str(&format!("{indent}        max {}\n", rule.arguments.len()));
        }
        if rule.arguments.len() <= 1 {
            out.push_str(&schema_type(first.kind, depth + 2));
        }
        out.push_str(&format!("{indent}    }}\n"));
    }
    if rule.merge == Merge::Condition {
        // Each stands for the one of its name at the top.
        out.push_str(&format!("{indent}    children {{\n"));
        for child in rule.children {
            out.push_str(&format!("{indent}        node {} ref={}\n", quote(child.name), quote(&format!("[id=\"{}\"]", child.name))));
        }
        out.push_str(&format!("{indent}    }}\n{indent}}}\n"));
        return;
    }
    around.push(rule);
    let children: Vec<&'static NodeRule> = rule.children.iter().copied().chain(rule.other_children).collect();
    if rule.other_children.is_some_and(|other| around.iter().any(|outer| std::ptr::eq(*outer, other))) {
        out.push_str(&format!("{indent}    // and so on, to any depth\n"));
    }
    let fresh: Vec<&'static NodeRule> =
        children.into_iter().filter(|child| !around.iter().any(|outer| std::ptr::eq(*outer, *child))).collect();
    if !fresh.is_empty() {
        out.push_str(&format!("{indent}    children {{\n"));
        for child in fresh {
            schema_node(out, child, depth + 2, around);
        }
        out.push_str(&format!("{indent}    }}\n"));
    }
    around.pop();
    out.push_str(&format!("{indent}}}\n"));
}

fn schema_type(kind: Type, depth: usize) -> String {
    let indent = "    ".repeat(depth);
    match kind {
        Type::Text | Type::Version | Type::Path | Type::Name | Type::EnvName | Type::Script | Type::Size | Type::Duration => {
            format!("{indent}type \"string\"\n")
        }
        Type::Url => format!("{indent}type \"string\"\n{indent}format \"url\"\n"),
        Type::Regex => format!("{indent}type \"string\"\n{indent}format \"regex\"\n"),
        Type::Mode => format!("{indent}type \"string\"\n{indent}pattern \"[0-7]{{3,4}}\"\n"),
        Type::Integer => format!("{indent}type \"number\"\n{indent}% 1\n"),
        Type::Number => format!("{indent}type \"number\"\n"),
        Type::Bool => format!("{indent}type \"boolean\"\n"),
        Type::Scalar => String::new(),
        Type::OneOf(words) => {
            let words = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
            format!("{indent}type \"string\"\n{indent}enum {words}\n")
        }
    }
}

/// The arguments as the reference shows them: `NAME [PATH…]`.
pub fn arguments(rule: &NodeRule) -> String {
    let show = |argument: &ArgumentRule| {
        let name = argument.name.to_uppercase();
        if argument.required { name } else { format!("[{name}]") }
    };
    let mut words: Vec<String> = rule.arguments.iter().map(show).collect();
    if let Some(rest) = rule.rest {
        words.push(format!("[{}…]", rest.name.to_uppercase()));
    }
    words.join(" ")
}

/// `docs/reference.md`: every node, with its arguments, properties, block, and how it is merged.
pub fn reference() -> String {
    let mut out = format!("# silo.kdl: reference\n\n<!-- Generated from src/schema/table.rs: {MENDED_BY} -->\n\n");
    out.push_str(
        "A `silo.kdl` is a KDL 2 document. The order of its nodes means nothing, except within lists and among the steps of one block. ",
    );
    out.push_str("A hyphen and an underscore are the same in these names: `pre-build` is `pre_build`.\n\n");
    out.push_str(
        "Before a node or a value, `(default)` makes it weaker than the plain ones of other files, `(priority:N)` and `(force)` stronger; before a node, ",
    );
    out.push_str("`(remove)` takes away what weaker files say, and `(replace)` does so and says something new. A property set to `#null` is taken away. ");
    out.push_str("In lists `(prepend)`, `(append)` and `(order:N)` move an item; `(raw)` before a text says that `%{` in it is no placeholder. Several are joined with commas: `(force,append)`.\n\n");
    out.push_str("## At the top of a file\n");
    for rule in table::TOP {
        section(&mut out, rule, 3, "");
    }
    out.push_str("\n## Steps, inside `base`, `layer` and `install`\n");
    for rule in table::STEPS {
        section(&mut out, rule, 3, "");
    }
    for (index, rule) in table::TOP.iter().enumerate() {
        let inner: Vec<&'static NodeRule> = rule.children.iter().copied().filter(|child| !known(child)).collect();
        let shown_before = table::TOP[..index].iter().any(|other| std::ptr::eq(other.children, rule.children));
        if inner.is_empty() || shown_before {
            continue;
        }
        out.push_str(&format!("\n## Inside `{}`\n", rule.name));
        for child in inner {
            section(&mut out, child, 3, rule.name);
            for grandchild in child.children.iter().filter(|child| !known(child)) {
                section(&mut out, grandchild, 4, child.name);
            }
        }
    }
    out.push_str("\n## Inside `download`\n");
    for rule in table::STEPS.iter().filter(|rule| rule.name == "download").flat_map(|rule| rule.children) {
        section(&mut out, rule, 3, "download");
    }
    out
}

/// Whether a node has a section of its own.
fn known(rule: &'static NodeRule) -> bool {
    table::TOP.iter().chain(table::STEPS).any(|other| std::ptr::eq(*other, rule))
}

fn section(out: &mut String, rule: &'static NodeRule, level: usize, inside: &str) {
    let title = match (rule.name, arguments(rule)) {
        ("*", words) => format!("NAME {words}").trim_end().to_string(),
        (name, words) => format!("{name} {words}").trim_end().to_string(),
    };
    out.push_str(&format!("\n{} `{title}`\n\n{}\n", "#".repeat(level), rule.doc));
    if !rule.example.is_empty() && inside.is_empty() {
        out.push_str(&format!("\n```kdl\n{}```\n", rule.example));
    }
    if !rule.properties.is_empty() || rule.other_properties.is_some() {
        out.push_str("\n| property | type | meaning |\n|---|---|---|\n");
        for property in rule.properties.iter().chain(rule.other_properties.as_ref()) {
            let name = if property.name == "*" { "any other".to_string() } else { format!("`{}`", property.name) };
            out.push_str(&format!("| {name} | {} | {} |\n", property.kind.describe(), property.doc));
        }
    }
    if rule.takes_block() {
        let mut names: Vec<String> = rule.children.iter().map(|child| format!("`{}`", child.name)).collect();
        names.extend(rule.other_children.map(|other| format!("any other name ({})", other.doc.trim_end_matches('.').to_lowercase())));
        out.push_str(&format!("\nBlock: {}.\n", names.join(", ")));
    }
    if !rule.operator.is_empty() {
        out.push_str(&format!(
            "\nA project's file that asks for this has no effect until the user trusts the project (`silo trust`): {}\n",
            rule.operator
        ));
    }
    if inside != "define" {
        out.push_str(&format!("\nMerging: {}\n", merging(rule.merge)));
    }
}

/// How several mentions of a node become one, in a sentence.
pub fn merging(merge: Merge) -> &'static str {
    match merge {
        Merge::FileLocal => "not merged; it speaks of its own file.",
        Merge::Record => "one for all files; each value is that of the strongest file that sets it.",
        Merge::Keyed => "one for each name; each value is that of the strongest file that sets it.",
        Merge::KeyedByTarget => "one for each target; each value is that of the strongest file that sets it.",
        Merge::List => "added up in the order of the files; what has the same `id`, or the same arguments, is one.",
        Merge::Words => "added up in the order of the files, without doubles.",
        Merge::Variables => "one for each variable, that of the strongest file.",
        Merge::Closed => "one for each kind and name; never mixed with another.",
        Merge::Accumulating => "all of all files hold; none can be taken away.",
        Merge::Condition => "its nodes are merged where the condition holds, and are stronger than those around it.",
    }
}
