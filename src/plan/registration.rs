//! How an agent is told about its servers: configuration files written from the catalog's patterns, and a launcher for each server.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ContextFile;
use super::shell::{Piece, launcher, pieces};
use crate::lock::PinnedAgent;
use crate::problem::{Code, Problem, Problems};
use crate::source::Span;
use crate::spec::{EnvName, FileFormat, Kind, LspServer, McpServer, McpTransport, Pattern, Registration, Template};
use crate::template::{Part, parts};

/// One server in the words of a pattern.
struct Server<'a> {
    name: &'a str,
    command: String,
    args: Vec<String>,
    url: String,
    transport: &'a str,
    env: &'a [EnvName],
    languages: BTreeMap<String, String>,
    remote: bool,
}

/// Every file that an agent adds to an image, by absolute path: its own, its registrations, and the launchers of its servers.
pub fn agent_files(agent: &PinnedAgent, problems: &mut Problems) -> BTreeMap<String, ContextFile> {
    let PinnedAgent { component, mcp, lsp, registrations, files, post_build: _ } = agent;
    let mut written: BTreeMap<String, ContextFile> =
        files.iter().map(|(path, text)| (path.clone(), ContextFile { mode: 0o644, bytes: text.clone().into_bytes() })).collect();
    let mut servers: BTreeMap<Kind, Vec<Server>> = BTreeMap::new();
    for server in mcp {
        let McpServer { name, transport, env, origin } = server;
        let (url, protocol) = match transport {
            McpTransport::Stdio { command: _, env: _ } => {
                if let Some(text) = mcp_launcher(server, problems) {
                    written.insert(server.launcher(), ContextFile { mode: 0o755, bytes: text.into_bytes() });
                }
                (String::new(), "stdio")
            }
            McpTransport::Remote { protocol, url } => (url.clone(), protocol.as_str()),
        };
        refuse_control(&url, *origin, problems);
        servers.entry(Kind::Mcp).or_default().push(Server {
            name: name.as_str(),
            command: server.launcher(),
            args: Vec::new(),
            remote: matches!(transport, McpTransport::Remote { .. }),
            url,
            transport: protocol,
            env,
            languages: BTreeMap::new(),
        });
    }
    for server in lsp {
        let LspServer { name, command, languages } = server;
        let Some((command, file)) = lsp_command(server, command, component.origin, problems) else { continue };
        written.extend(file);
        let mut words = command.into_iter();
        servers.entry(Kind::Lsp).or_default().push(Server {
            name: name.as_str(),
            command: words.next().unwrap_or_default(),
            args: words.collect(),
            url: String::new(),
            transport: "stdio",
            env: &[],
            languages: languages.clone(),
            remote: false,
        });
    }
    let mut documents: BTreeMap<&str, (FileFormat, Value)> = BTreeMap::new();
    for registration in registrations {
        let Registration { servers: kind, file, format, key, local, remote, env_reference } = registration;
        let list = servers.get(kind).map(Vec::as_slice).unwrap_or_default();
        let mut table = Map::new();
        for server in list {
            let pattern = if server.remote { remote.as_ref() } else { Some(local) };
            if let Some(pattern) = pattern {
                table.insert(server.name.to_string(), fill(pattern, server, env_reference));
            }
        }
        if table.is_empty() {
            continue;
        }
        let (_, document) = documents.entry(file).or_insert_with(|| (*format, start(files.get(file), *format)));
        insert(document, key, table);
    }
    for (path, (format, document)) in documents {
        match text(&document, format) {
            Some(text) => {
                written.insert(path.to_string(), ContextFile { mode: 0o644, bytes: text.into_bytes() });
            }
            None => problems.push(
                Problem::new(Code::BadValue, format!("`{path}` cannot be written as TOML"))
                    .at(component.origin, "registered by this agent"),
            ),
        }
    }
    written
}

/// The launcher of a server that is a program; `None` for one that is somewhere else, or when its texts cannot be carried.
pub fn mcp_launcher(server: &McpServer, problems: &mut Problems) -> Option<String> {
    let McpServer { name: _, transport, env: _, origin } = server;
    match transport {
        McpTransport::Stdio { command, env } => {
            let command = words(command, *origin, problems)?;
            let mut variables = Vec::new();
            for (name, value) in env {
                variables.push((name.as_str().to_string(), one(value, *origin, problems)?));
            }
            Some(launcher(&variables, &command))
        }
        McpTransport::Remote { protocol: _, url: _ } => None,
    }
}

/// A language server's command; through a launcher when it names places that only the container knows.
#[allow(clippy::type_complexity, reason = "a command and perhaps a file, used once")]
fn lsp_command(
    server: &LspServer,
    command: &[Template],
    origin: Span,
    problems: &mut Problems,
) -> Option<(Vec<String>, Option<(String, ContextFile)>)> {
    let command = words(command, origin, problems)?;
    let plain: Option<Vec<String>> = command
        .iter()
        .map(|word| match word.as_slice() {
            [] => Some(String::new()),
            [Piece::Text(text)] => Some(text.clone()),
            _ => None,
        })
        .collect();
    Some(match plain {
        Some(words) => (words, None),
        None => {
            let path = format!("/opt/silo/lsp/{}", server.name);
            let file = ContextFile { mode: 0o755, bytes: launcher(&[], &command).into_bytes() };
            (vec![path.clone()], Some((path, file)))
        }
    })
}

fn words(command: &[Template], origin: Span, problems: &mut Problems) -> Option<Vec<Vec<Piece>>> {
    command.iter().map(|word| one(word, origin, problems)).collect()
}

fn one(template: &Template, origin: Span, problems: &mut Problems) -> Option<Vec<Piece>> {
    if template.0.contains('\0') {
        problems.push(Problem::new(Code::UnsafeText, "a command cannot hold the character NUL").at(origin, ""));
        return None;
    }
    match pieces(template) {
        Ok(pieces) => Some(pieces),
        Err(name) => {
            problems.push(
                Problem::new(Code::UnknownPlaceholder, format!("`%{{{name}}}` means nothing in an image"))
                    .at(origin, "")
                    .help("write %{workspace} or %{home}; %%{ stands for a plain %{"),
            );
            None
        }
    }
}

fn refuse_control(text: &str, origin: Span, problems: &mut Problems) {
    if text.chars().any(char::is_control) {
        problems.push(Problem::new(Code::UnsafeText, "a URL cannot hold control characters").at(origin, ""));
    }
}

fn fill(pattern: &Pattern, server: &Server, env_reference: &Template) -> Value {
    let list = |words: Vec<String>| Value::Array(words.into_iter().map(Value::String).collect());
    match pattern {
        Pattern::Text(text) => match text.as_str() {
            "%{args}" => list(server.args.clone()),
            "%{argv}" => list(std::iter::once(server.command.clone()).chain(server.args.iter().cloned()).collect()),
            "%{env}" => Value::Object(
                server
                    .env
                    .iter()
                    .map(|name| (name.to_string(), Value::String(named(&env_reference.0, &[("name", name.as_str())]))))
                    .collect(),
            ),
            "%{env.names}" => list(server.env.iter().map(EnvName::to_string).collect()),
            "%{extensions}" => list(server.languages.keys().cloned().collect()),
            "%{languages}" => {
                Value::Object(server.languages.iter().map(|(ending, language)| (ending.clone(), Value::String(language.clone()))).collect())
            }
            other => Value::String(named(
                other,
                &[("name", server.name), ("command", &server.command), ("url", &server.url), ("transport", server.transport)],
            )),
        },
        Pattern::Bool(value) => Value::Bool(*value),
        Pattern::Integer(value) => Value::from(*value),
        Pattern::List(items) => Value::Array(items.iter().map(|item| fill(item, server, env_reference)).collect()),
        Pattern::Table(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), fill(value, server, env_reference))).collect())
        }
    }
}

/// Puts values in place of `%{name}`; what is not in the list stays as it is.
fn named(text: &str, values: &[(&str, &str)]) -> String {
    let value = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_string());
    parts(text)
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => text.to_string(),
            Part::Placeholder(name) => value(name).unwrap_or_else(|| format!("%{{{name}}}")),
        })
        .collect()
}

/// The document that the servers are added to: the agent's own file of that path when it is such a document.
fn start(text: Option<&String>, format: FileFormat) -> Value {
    let parsed = text.and_then(|text| match format {
        FileFormat::Json => serde_json::from_str(text).ok(),
        FileFormat::Toml => toml::from_str(text).ok(),
    });
    parsed.filter(Value::is_object).unwrap_or_else(|| Value::Object(Map::new()))
}

fn insert(document: &mut Value, key: &[String], table: Map<String, Value>) {
    let mut place = document;
    for part in key {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(part.clone()).or_insert_with(|| Value::Object(Map::new()));
    }
    match place {
        Value::Object(map) => map.extend(table),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => *place = Value::Object(table),
    }
}

fn text(document: &Value, format: FileFormat) -> Option<String> {
    match format {
        FileFormat::Json => Some(format!("{document:#}\n")),
        FileFormat::Toml => toml::to_string(document).ok(),
    }
}
