//! Languages, tools, servers and agents that another tool installs.

use super::draft::{Draft, Line, Section};
use super::version::{Wanted, wanted};
use crate::catalog::Names;
use crate::document::{Node, Value};
use crate::source::Span;
use crate::spec::Name;

/// An entry of the catalog that the input asks for.
pub(super) struct Asked<'a> {
    /// Its kind in the catalog.
    pub kind: &'a str,
    /// Its name there.
    pub name: &'a str,
    /// The version as it is written in the input.
    pub version: Option<&'a str>,
    /// Where it is asked for.
    pub span: Span,
    /// What it is called in the input.
    pub what: &'a str,
}

/// Adds a component. `options` are those of its definition.
pub(super) fn add(draft: &mut Draft, asked: Asked, options: Vec<(String, Value)>) {
    let Asked { kind, name, version, span, what } = asked;
    let version = match version.map(wanted) {
        None => None,
        Some(Wanted::Version(version)) => Some(version),
        Some(Wanted::Newest(why)) => {
            draft.changed(span, what, format!("{why}; silo takes the newest"));
            None
        }
        Some(Wanted::Nothing) => {
            draft.missing(span, what, "it asks for none, so there is none");
            return;
        }
    };
    if let Some(known) = draft.find(kind, name) {
        let had = spoken(known);
        if version.is_some() && version.as_deref() != had.as_deref() {
            let had = had.unwrap_or_else(|| "the newest".to_string());
            draft.missing(span, what, format!("{kind} `{name}` is asked for twice, and an image has one version of it: {had} is kept"));
        }
        return;
    }
    let mut line = Line::new(kind, span).argument(name);
    if let Some(version) = version {
        line = line.text("version", version);
    }
    for (option, value) in options {
        line = line.property(&option, value);
    }
    draft.add(if kind == "agent" { Section::Agents } else { Section::Components }, line);
}

fn spoken(node: &Node) -> Option<String> {
    node.property("version").and_then(|entry| entry.value.as_str()).map(str::to_string)
}

/// What version managers call `name`, with their versions: the first is the one they use, the others lie beside it.
pub(super) fn managed(draft: &mut Draft, names: &Names, tool: &str, tool_span: Span, versions: &[(String, Span)]) {
    let Some((kind, name)) = known(names, tool) else {
        if !package(draft, names, tool, tool_span, versions) {
            draft.missing(tool_span, tool, unknown(tool));
        }
        return;
    };
    let first = versions.first();
    let span = first.map_or(tool_span, |(_, span)| Span { start: tool_span.start.min(span.start), ..*span });
    add(draft, Asked { kind, name, version: first.map(|(text, _)| text.as_str()), span, what: tool }, Vec::new());
    for (text, span) in versions.iter().skip(1) {
        draft.missing(*span, tool, format!("`{text}` is a second version, and an image has one"));
    }
}

/// Looks a version manager's name up: `node`, `core:node`, `aqua:owner/repository`.
fn known<'n>(names: &'n Names, tool: &str) -> Option<(&'n str, &'n str)> {
    match tool.split_once(':') {
        None => names.plain(tool),
        // These know the tools by the same names.
        Some(("core" | "asdf" | "vfox", rest)) => names.plain(rest),
        // What is named by its repository is the same wherever it is fetched from; packages of registries have names of their own.
        Some((_, rest)) if rest.contains('/') => names.plain(rest.split('[').next().unwrap_or(rest)),
        Some((_, _)) => names.plain(tool),
    }
}

/// Why a tool is not there, and what can be done.
fn unknown(tool: &str) -> String {
    if let Some(package) = tool.strip_prefix("pipx:") {
        return format!("a program of Python's index has no step of its own: `post_build \"pip3 install {package}\"` installs it");
    }
    let plain = tool.rsplit([':', '/']).next().unwrap_or(tool);
    format!("the catalog knows no such tool; `base {{ apt … }}` may have it, or describe it: `define tool {plain} {{ install … }}`")
}

/// A program of npm's registry, as a definition of its own: `npm:prettier`. Those of other registries need more than a package.
fn package(draft: &mut Draft, names: &Names, tool: &str, span: Span, versions: &[(String, Span)]) -> bool {
    let Some(package) = tool.strip_prefix("npm:") else { return false };
    let package = package.split('[').next().unwrap_or(package);
    let command = package.rsplit('/').next().unwrap_or(package);
    let plain = |text: &str| {
        !text.is_empty() && !text.starts_with(['.', '-']) && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let fits = match package.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| plain(scope) && plain(name)),
        None => plain(package),
    };
    let name = command.to_lowercase();
    if !fits || Name::new(&name).is_none() || names.of_kind("tool", &name).is_some() {
        return false;
    }
    let what = tool;
    let version = versions.first().map(|(text, _)| text.as_str());
    if draft.find("tool", &name).is_none() {
        let step = Line::new("npm", span).argument(package).text("version", "%{version}");
        let bin = Line::new("bin", span).argument(command).argument(format!("node_modules/.bin/{command}"));
        let mut define = Line::new("define", span).argument("tool").argument(&name);
        // What its programs run on is data of the catalog, by the prefix.
        if let Some((kind, language)) = names.plain("npm:") {
            define = define.child(Line::new("requires", span).text(kind, language));
        }
        let install = Line::new("install", span).argument("npm").child(step).child(bin);
        draft.add(Section::Definitions, define.child(install));
        draft.changed(span, what, format!("its command is taken to be `{command}`: see the `bin` of its definition"));
    }
    add(draft, Asked { kind: "tool", name: &name, version, span, what }, Vec::new());
    for (text, span) in versions.iter().skip(1) {
        draft.missing(*span, what, format!("`{text}` is a second version, and an image has one"));
    }
    true
}
