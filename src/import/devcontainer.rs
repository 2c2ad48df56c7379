//! `devcontainer.json`.

mod lifecycle;
mod mounts;

use super::component::{self, Asked};
use super::draft::{Draft, Line, Section};
use super::place::Places;
use super::tree::{Field, Kind, Value};
use super::{Audience, image, literal, mise, not_a_table, pass_variable, set_variable};
use crate::catalog::Names;
use crate::document;
use crate::problem::Problem;
use crate::source::Span;

/// Reads every field.
pub(super) fn read(root: &Value, audience: Audience, names: &Names, draft: &mut Draft) -> Result<(), Problem> {
    let Some(fields) = root.table() else { return Err(not_a_table(root, "devcontainer.json")) };
    let places = Places { workspace: root.get("workspaceFolder").and_then(Value::text).map(str::to_string) };
    for field in fields {
        let (name, span) = (field.name.as_str(), field.name_span);
        match name {
            "image" => match field.value.text() {
                Some(text) => image::add(draft, names, text, field.value.span, name),
                None => shape(field, "a text", draft),
            },
            "features" => features(field, names, draft),
            "containerEnv" | "remoteEnv" => environment(field, &places, audience, draft),
            "mounts" => mounts::read(field, &places, audience, draft),
            "onCreateCommand" | "updateContentCommand" | "postCreateCommand" | "postStartCommand" | "postAttachCommand" => {
                lifecycle::read(field, draft);
            }
            "forwardPorts" | "appPort" => {
                for port in field.value.items() {
                    let port = port.scalar().unwrap_or_default();
                    draft.missing(span, name, format!("silo publishes no ports: {} stays in the container", document::one_line(&port)));
                }
            }
            "runArgs" => arguments(field, draft),
            "build" => build(field, draft),
            "hostRequirements" => {
                each(field, draft, "it says what the host must have at least; `resources` says what a container may use at most")
            }
            "customizations" => customizations(field, draft),
            other => draft.missing(span, other, unknown(other)),
        }
    }
    Ok(())
}

/// Why a field has no equivalent.
fn unknown(name: &str) -> &'static str {
    match name {
        "name" => "an image of silo has no name but that of its repository",
        "$schema" => "it is for editors",
        "remoteUser" | "containerUser" | "updateRemoteUserUID" => "a container of silo always runs as you, with your user identifier",
        "workspaceFolder" | "workspaceMount" => "silo mounts the repository at the path that it has on the host",
        "initializeCommand" => "it runs on the host, where nothing of a repository's runs",
        "dockerFile" | "dockerfile" | "context" => {
            "silo reads no Dockerfile: say with `layer`, `language` and `tool` what it installs, or build its image and name it: `base \"…\"`"
        }
        "dockerComposeFile" | "service" | "runServices" => {
            "silo starts one container; start the other services yourself, with Compose for example"
        }
        "privileged" | "capAdd" | "securityOpt" => "nothing gives a container of silo more rights",
        "init" => "every container of silo has an init process",
        "overrideCommand" | "shutdownAction" | "waitFor" | "userEnvProbe" => "the container runs the agent, and ends with it",
        "portsAttributes" | "otherPortsAttributes" => "silo publishes no ports",
        "overrideFeatureInstallOrder" => "the catalog says what needs what",
        "secrets" => "name the variables in your own silo.kdl: `env { NAME from=host secret=#true }`",
        "gpu" => "silo passes no devices through",
        _ => "it is no property that silo knows",
    }
}

fn shape(field: &Field, wanted: &str, draft: &mut Draft) {
    draft.missing(field.value.span, &field.name, format!("it is {}, and should be {wanted}", field.value.describe()));
}

/// Notes every field of an object.
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

/// What editors install and set.
fn customizations(field: &Field, draft: &mut Draft) {
    for tool in field.value.table().unwrap_or(&[]) {
        each(
            &Field { name: format!("customizations.{}", tool.name), name_span: tool.name_span, value: tool.value.clone() },
            draft,
            "it is for an editor; what an agent knows of a language comes from `lsp`",
        );
    }
    if field.value.table().is_none_or(<[Field]>::is_empty) {
        draft.missing(field.name_span, "customizations", "it is for an editor");
    }
}

fn build(field: &Field, draft: &mut Draft) {
    let why = unknown("dockerFile");
    match field.value.table() {
        Some(fields) if !fields.is_empty() => {
            for inner in fields {
                let why = match inner.name.as_str() {
                    "dockerfile" | "context" => why,
                    _ => "it belongs to a Dockerfile, and silo reads none",
                };
                draft.missing(inner.name_span, format!("build.{}", inner.name), why);
            }
        }
        Some(_) | None => draft.missing(field.name_span, "build", why),
    }
}

/// `runArgs`: limits have an equivalent, nothing else has.
fn arguments(field: &Field, draft: &mut Draft) {
    let items = field.value.items();
    let mut index = 0;
    while let Some(item) = items.get(index) {
        index += 1;
        let Some(text) = item.text() else {
            draft.missing(item.span, "runArgs", format!("it is {}, and should be a text", item.describe()));
            continue;
        };
        let (option, value) = match text.split_once('=') {
            Some((option, value)) => (option, Some(value.to_string())),
            None => {
                // The value is the next argument, when that is no option.
                let next = items.get(index).and_then(Value::text).filter(|next| !next.starts_with('-') && text.starts_with('-'));
                if next.is_some() {
                    index += 1;
                }
                (text, next.map(str::to_string))
            }
        };
        let limit = value.as_deref().and_then(|value| limit(option, value));
        match limit {
            Some((name, value)) => draft.add(Section::Resources, Line::new("resources", item.span).property(name, value)),
            None => {
                let shown = value.map_or_else(|| option.to_string(), |value| format!("{option} {value}"));
                draft.missing(
                    item.span,
                    "runArgs",
                    format!("`{}` is an option of one engine, and silo has nothing like it", document::one_line(&shown)),
                );
            }
        }
    }
}

/// A limit of an engine's command line.
fn limit(option: &str, value: &str) -> Option<(&'static str, document::Value)> {
    match option {
        "--memory" | "-m" => {
            let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let unit = match value[digits.len()..].to_ascii_lowercase().as_str() {
                "" | "b" => "B",
                "k" | "kb" => "KiB",
                "m" | "mb" => "MiB",
                "g" | "gb" => "GiB",
                _ => return None,
            };
            let fits = digits.len() < 10 && digits.parse::<u64>().is_ok_and(|number| number > 0);
            fits.then(|| ("memory", document::Value::String(format!("{digits}{unit}"))))
        }
        "--cpus" => {
            let (whole, part) = value.split_once('.').unwrap_or((value, ""));
            let digits = |text: &str, most: usize| text.len() <= most && text.chars().all(|c| c.is_ascii_digit());
            let fits = !whole.is_empty() && digits(whole, 4) && digits(part, 3) && value.parse::<f64>().is_ok_and(|number| number > 0.0);
            let number = match whole.parse() {
                Ok(number) if part.is_empty() => document::Value::Integer(number),
                Ok(_) | Err(_) => document::Value::Decimal(value.to_string()),
            };
            fits.then_some(("cpus", number))
        }
        "--pids-limit" => match value.parse::<i128>() {
            Ok(number) if (1..=1 << 30).contains(&number) => Some(("pids", document::Value::Integer(number))),
            Ok(_) | Err(_) => None,
        },
        _ => None,
    }
}

/// Features, by the names that the catalog has for them.
fn features(field: &Field, names: &Names, draft: &mut Draft) {
    let Some(features) = field.value.table() else { return shape(field, "an object", draft) };
    for feature in features {
        let what = feature.name.as_str();
        let Some((kind, name)) = names.feature(&plain(what)) else {
            let why = "the catalog knows no such feature; `tool`, `layer` or `post_build` may do the same";
            draft.missing(feature.name_span, what, why);
            continue;
        };
        let span = Span { end: feature.value.span.end, ..feature.name_span };
        let known = names.options(kind, name);
        let mut version = None;
        let mut options = Vec::new();
        match &feature.value.kind {
            // The short form is the version.
            Kind::Text(text) | Kind::Number(text) => version = Some(text.clone()),
            Kind::Table(fields) => {
                for option in fields {
                    match (option.name.as_str(), option.value.scalar()) {
                        ("version", Some(text)) => version = Some(text),
                        (other, Some(value)) if known.iter().any(|known| known == other) => {
                            let value = match option.value.kind {
                                Kind::Bool(value) => document::Value::Bool(value),
                                Kind::Text(_) | Kind::Number(_) | Kind::Date(_) | Kind::Null | Kind::List(_) | Kind::Table(_) => {
                                    document::Value::String(literal(&value))
                                }
                            };
                            options.push((other.to_string(), value));
                        }
                        (other, Some(_) | None) => {
                            draft.missing(
                                option.name_span,
                                format!("{what}.{other}"),
                                format!("{kind} `{name}` of the catalog has no such option"),
                            );
                        }
                    }
                }
            }
            Kind::Bool(_) | Kind::Date(_) | Kind::Null | Kind::List(_) => {
                draft.missing(feature.value.span, what, format!("its options are {}", feature.value.describe()));
            }
        }
        component::add(draft, Asked { kind, name, version: version.as_deref(), span, what }, options);
    }
}

/// A feature's name without registry, version and digest.
fn plain(feature: &str) -> String {
    let name = feature.split('@').next().unwrap_or(feature);
    let start = name.rfind('/').map_or(0, |at| at + 1);
    let name = name[start..].find(':').map_or(name, |at| &name[..start + at]);
    match name.split_once('/') {
        Some((registry, rest)) if registry.contains('.') && registry != "." && registry != ".." => rest.to_lowercase(),
        Some((_, _)) | None => name.to_lowercase(),
    }
}

/// `containerEnv` and `remoteEnv`.
fn environment(field: &Field, places: &Places, audience: Audience, draft: &mut Draft) {
    let Some(variables) = field.value.table() else { return shape(field, "an object", draft) };
    for variable in variables {
        let what = format!("{}.{}", field.name, variable.name);
        let span = Span { end: variable.value.span.end, ..variable.name_span };
        let Some(value) = variable.value.scalar() else {
            let why = if variable.value.kind == Kind::Null {
                "it takes a variable away".to_string()
            } else {
                format!("it is {}", variable.value.describe())
            };
            draft.missing(span, what, why);
            continue;
        };
        if variable.name == "PATH" {
            path(&value, places, span, &what, draft);
            continue;
        }
        if let Some(host) = host_variable(&value) {
            let (name, default) = host.split_once(':').map_or((host, None), |(name, default)| (name, Some(default)));
            if name != variable.name {
                draft.missing(
                    span,
                    what,
                    format!("a variable of the host keeps its name: set `{}` there, and pass it through", variable.name),
                );
                continue;
            }
            if default.is_some_and(|default| !default.is_empty()) {
                draft.changed(span, &what, "a variable that is passed through has no default");
            }
            if let Some((section, line)) = pass_variable(draft, name, span, &what, audience) {
                draft.add(section, line);
            }
            continue;
        }
        match places.text(&value) {
            Ok(value) => {
                if let Some(line) = set_variable(draft, &variable.name, &value, span, &what) {
                    draft.add(Section::Environment, line);
                }
            }
            Err(found) => {
                draft.missing(span, what, format!("`{}` stands for something that silo does not know", document::one_line(&found)))
            }
        }
    }
}

/// The variable of the host that a value is, and nothing else.
fn host_variable(value: &str) -> Option<&str> {
    let inner = value.strip_prefix("${")?.strip_suffix('}')?;
    if inner.contains(['{', '}']) {
        return None;
    }
    inner.strip_prefix("localEnv:").or_else(|| inner.strip_prefix("env:")).filter(|name| *name != "HOME")
}

/// Folders that are added to the PATH.
fn path(value: &str, places: &Places, span: Span, what: &str, draft: &mut Draft) {
    let protected = value.replace("${containerEnv:PATH}", "").replace("${PATH}", "").replace("$PATH", "");
    for folder in protected.split(':').filter(|folder| !folder.is_empty()) {
        let inside = places.container(folder).is_ok_and(|path| path.starts_with("%{workspace}"));
        if folder.starts_with('/') && !folder.contains("${") && !inside {
            mise::folder(draft, folder, span, what);
        } else {
            draft.missing(span, what, format!("`{}` is no folder of the image", document::one_line(folder)));
        }
    }
}
