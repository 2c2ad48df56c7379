//! `mise.toml`.

use super::component;
use super::draft::{Draft, Line, Section};
use super::tree::{Field, Kind, Value};
use super::{Audience, literal, pass_variable, set_variable};
use crate::catalog::Names;
use crate::document;
use crate::problem::Problem;
use crate::source::Span;

/// Reads every table.
pub(super) fn read(root: &Value, audience: Audience, names: &Names, draft: &mut Draft) -> Result<(), Problem> {
    for field in root.table().unwrap_or(&[]) {
        match field.name.as_str() {
            "tools" => tools(field, names, draft),
            "env" => {
                for block in field.value.items() {
                    env(field, block, audience, draft);
                }
            }
            "tasks" => each(field, draft, "a task is run by hand, and silo has none: an agent can call `mise run`, or a script"),
            "hooks" => each(field, draft, "it runs in a shell on the host; `pre_run` runs a script when a container starts"),
            "min_version" => draft.missing(field.name_span, "min_version", "it is about mise itself"),
            other => draft.missing(field.name_span, other, "it is about mise itself, and silo has nothing like it"),
        }
    }
    Ok(())
}

/// Notes every field of a table.
fn each(field: &Field, draft: &mut Draft, why: &str) {
    match field.value.table() {
        Some(fields) if !fields.is_empty() => {
            for inner in fields {
                draft.missing(inner.name_span, format!("{}.{}", field.name, inner.name), why);
            }
        }
        Some(_) | None => draft.missing(field.name_span, &field.name, why),
    }
}

fn tools(field: &Field, names: &Names, draft: &mut Draft) {
    let Some(tools) = field.value.table() else {
        draft.missing(field.name_span, "tools", format!("it is {}, and should be a table", field.value.describe()));
        return;
    };
    for tool in tools {
        let mut versions: Vec<(String, Span)> = Vec::new();
        for item in tool.value.items() {
            match &item.kind {
                Kind::Table(fields) => {
                    let version = item.get("version").and_then(Value::scalar);
                    let span = item.get("version").map_or(tool.name_span, |version| version.span);
                    versions.push((version.unwrap_or_else(|| "latest".to_string()), span));
                    for option in fields.iter().filter(|option| option.name != "version") {
                        let what = format!("tools.{}.{}", tool.name, option.name);
                        draft.missing(
                            option.name_span,
                            what,
                            "it says how mise installs the tool; see the options of its definition in the catalog",
                        );
                    }
                }
                Kind::Text(_) | Kind::Number(_) | Kind::Date(_) => versions.extend(item.scalar().map(|version| (version, item.span))),
                Kind::Bool(_) | Kind::Null | Kind::List(_) => {
                    draft.missing(item.span, format!("tools.{}", tool.name), format!("its version is {}", item.describe()));
                }
            }
        }
        if !versions.is_empty() {
            component::managed(draft, names, &tool.name, tool.name_span, &versions);
        } else if tool.value.items().is_empty() {
            draft.missing(tool.name_span, format!("tools.{}", tool.name), "it has no version");
        }
    }
}

fn env(field: &Field, block: &Value, audience: Audience, draft: &mut Draft) {
    let Some(variables) = block.table() else {
        draft.missing(field.name_span, "env", format!("it is {}, and should be a table", block.describe()));
        return;
    };
    for variable in variables {
        let (name, span) = (variable.name.as_str(), Span { end: variable.value.span.end, ..variable.name_span });
        let what = format!("env.{name}");
        match &variable.value.kind {
            Kind::Table(_) if name == "_" => directives(variable, draft),
            Kind::Text(_) | Kind::Number(_) | Kind::Date(_) | Kind::Bool(true) => {
                set(draft, name, &variable.value.scalar().unwrap_or_default(), span, &what);
            }
            Kind::Bool(false) => {
                draft.missing(span, what, "it takes a variable away; in a container nothing of the host's is set unless asked for")
            }
            Kind::Table(fields) => {
                let required = variable.value.get("required").is_some_and(|value| value.kind != Kind::Bool(false));
                match variable.value.get("value").and_then(Value::scalar) {
                    Some(value) => set(draft, name, &value, span, &what),
                    None if required => {
                        if let Some((section, line)) = pass_variable(draft, name, span, &what, audience) {
                            draft.add(section, line);
                        }
                    }
                    None => draft.missing(span, &what, "it has no value"),
                }
                for option in fields.iter().filter(|option| !matches!(option.name.as_str(), "value" | "required")) {
                    draft.missing(option.name_span, format!("{what}.{}", option.name), "silo has nothing like it");
                }
            }
            Kind::Null | Kind::List(_) => draft.missing(span, what, format!("its value is {}", variable.value.describe())),
        }
    }
}

/// `env._`: files, folders and scripts.
fn directives(field: &Field, draft: &mut Draft) {
    for directive in field.value.table().unwrap_or(&[]) {
        let what = format!("env._.{}", directive.name);
        if directive.name != "path" {
            draft.missing(
                directive.name_span,
                what,
                "it reads files or runs scripts of the repository on the host; write the variables down, or set them in `pre_run`",
            );
            continue;
        }
        for item in directive.value.items() {
            match item.text() {
                Some(path) if path.starts_with('/') => folder(draft, path, item.span, &what),
                Some(_) | None => draft.missing(
                    item.span,
                    &what,
                    "a folder of the repository is not on the PATH of an image: name it in `pre_run`, or call programs by their path",
                ),
            }
        }
    }
}

/// A folder on the PATH.
pub(super) fn folder(draft: &mut Draft, path: &str, span: Span, what: &str) {
    if let Some(why) = super::place::container_folder(path) {
        draft.missing(span, what, why);
    } else if !super::fits_line(path) {
        draft.missing(span, what, "it holds a character that no path of silo.kdl can");
    } else {
        draft.inside(Section::Layers, "layer", "path", span, Some(Line::new("path", span).argument(literal(path))));
    }
}

fn set(draft: &mut Draft, name: &str, value: &str, span: Span, what: &str) {
    let value = match template(value) {
        Ok(value) => value,
        Err(found) => {
            draft.missing(span, what, format!("`{}` is put in by mise, and silo has nothing like it", document::one_line(&found)));
            return;
        }
    };
    if let Some(line) = set_variable(draft, name, &value, span, what) {
        draft.add(Section::Environment, line);
    }
}

/// A text with mise's templates: `{{config_root}}` is the folder of the file, which is the workspace.
fn template(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        out.push_str(&literal(&rest[..at]));
        let Some(end) = rest[at..].find("}}") else { break };
        match rest[at + 2..at + end].trim() {
            "config_root" | "cwd" => out.push_str("%{workspace}"),
            "env.HOME" => out.push_str("%{home}"),
            _ => return Err(rest[at..at + end + 2].to_string()),
        }
        rest = &rest[at + end + 2..];
    }
    if rest.contains("{%") && rest.contains("%}") {
        return Err("{% … %}".to_string());
    }
    out.push_str(&literal(rest));
    Ok(out)
}
