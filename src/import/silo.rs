//! `silo.jsonc` of the silo that is written in Go.

use super::draft::{Draft, Line, Section};
use super::place::{Places, is_inside, wrong};
use super::tree::{Field, Value};
use super::{Audience, fits_line, grant, literal, not_a_table, pass_variable, script, set_variable};
use crate::catalog::Names;
use crate::document;
use crate::problem::Problem;
use crate::source::Span;

const AGENT: &str = "agent";
const REPOSITORY: &str = "repo";

/// Reads every field.
pub(super) fn read(root: &Value, audience: Audience, names: &Names, draft: &mut Draft) -> Result<(), Problem> {
    let Some(fields) = root.table() else { return Err(not_a_table(root, "silo.jsonc")) };
    for field in fields {
        match field.name.as_str() {
            "$schema" => draft.missing(field.name_span, "$schema", "it is for editors; `schemas/` has silo's own"),
            "backend" => backend(field, draft),
            "tool" => {
                if let Some(agent) = tool(field, "tool", names, draft) {
                    draft.add(Section::Base, Line::new("use", field.value.span).text(AGENT, agent));
                }
            }
            "backends" => {
                draft.missing(field.name_span, "backends", "it is about backends that run elsewhere, and silo runs on this machine")
            }
            "tools" => tools(field, audience, names, draft),
            "repos" => repositories(field, audience, names, draft),
            _ => setting(field, "", audience, names, draft, &mut |draft, section, line| draft.add(section, line)),
        }
    }
    Ok(())
}

fn backend(field: &Field, draft: &mut Draft) {
    let chosen = match field.value.text() {
        Some("docker") => "docker",
        Some("container") => "apple",
        Some(other) => {
            draft.missing(
                field.value.span,
                "backend",
                format!("`{}` runs containers elsewhere, and silo runs them on this machine", document::one_line(other)),
            );
            return;
        }
        None => return shape(field, "a text", draft),
    };
    draft.add(Section::Base, Line::new("use", field.value.span).text("backend", chosen));
}

/// The agent that is started when none is named; one that the catalog lacks is noted.
fn tool<'a>(field: &Field, what: &str, names: &'a Names, draft: &mut Draft) -> Option<&'a str> {
    let Some(text) = field.value.text() else {
        shape(field, "a text", draft);
        return None;
    };
    let Some(agent) = names.of_kind(AGENT, text) else {
        draft.missing(field.value.span, what, no_agent(text, names));
        return None;
    };
    draft.inside(Section::Agents, AGENT, agent, field.value.span, None);
    Some(agent)
}

fn no_agent(text: &str, names: &Names) -> String {
    format!(
        "the catalog has no agent `{}`; it has {}, and `define agent` describes another",
        document::one_line(text),
        names.agents().join(", ")
    )
}

/// What is set for one agent alone.
fn tools(field: &Field, audience: Audience, names: &Names, draft: &mut Draft) {
    let Some(tools) = field.value.table() else { return shape(field, "an object", draft) };
    for tool in tools {
        let Some(agent) = names.of_kind(AGENT, &tool.name) else {
            draft.missing(tool.name_span, format!("tools.{}", tool.name), no_agent(&tool.name, names));
            continue;
        };
        draft.inside(Section::Agents, AGENT, agent, tool.name_span, None);
        let Some(fields) = tool.value.table() else {
            shape(tool, "an object", draft);
            continue;
        };
        for inner in fields {
            setting(inner, &format!("tools.{}.", tool.name), audience, names, draft, &mut |draft, section, line| {
                // What is the user's to grant is for this agent alone as well.
                let section = if section == Section::Granted { section } else { Section::Agents };
                draft.inside(section, AGENT, agent, tool.name_span, Some(line));
            });
        }
    }
}

/// A field that may stand at the top and for one agent; `put` says where its nodes go.
fn setting(
    field: &Field,
    path: &str,
    audience: Audience,
    _names: &Names,
    draft: &mut Draft,
    put: &mut dyn FnMut(&mut Draft, Section, Line),
) {
    let what = format!("{path}{}", field.name);
    let mut texts: Vec<(&str, Span)> = Vec::new();
    let known = ["mounts_ro", "mounts_rw", "env", "pre_run_hooks", "post_build_hooks", "ports"];
    if !known.contains(&field.name.as_str()) {
        draft.missing(field.name_span, what, "it is no setting of silo.jsonc, which ignores it");
        return;
    }
    for item in field.value.items() {
        match item.text() {
            Some(text) => texts.push((text, item.span)),
            None => draft.missing(item.span, &what, format!("it is {}, and should be a text", item.describe())),
        }
    }
    for (text, span) in texts {
        match field.name.as_str() {
            "mounts_ro" => mount(text, span, "ro", &what, audience, draft, put),
            "mounts_rw" => mount(text, span, "rw", &what, audience, draft, put),
            "env" => variable(text, span, &what, audience, draft, put),
            "pre_run_hooks" => hook("pre_run", Section::PreRun, text, span, &what, draft, put),
            "post_build_hooks" => hook("post_build", Section::PostBuild, text, span, &what, draft, put),
            _ => draft.missing(span, &what, format!("silo publishes no ports: `{}` stays in the container", document::one_line(text))),
        }
    }
}

fn mount(
    text: &str,
    span: Span,
    mode: &str,
    what: &str,
    audience: Audience,
    draft: &mut Draft,
    put: &mut dyn FnMut(&mut Draft, Section, Line),
) {
    let path = literal(text.trim_end_matches('/'));
    let places = Places::default();
    let path = if text.contains("${") { places.host(text).unwrap_or(path) } else { path };
    if !fits_line(&path) {
        draft.missing(span, what, "it holds a character that no path of silo.kdl can");
        return;
    }
    if let Some(why) = wrong(&path, None) {
        draft.missing(span, what, why);
        return;
    }
    // The Go silo leaves out what is not there.
    let line = Line::new("mount", span).argument(path.clone()).text("mode", mode).property("optional", document::Value::Bool(true));
    let (section, line) = if is_inside(&path) {
        (Section::Files, line)
    } else {
        grant(draft, Section::Files, line, span, what, &format!("mounts `{}`", document::one_line(text)), audience)
    };
    put(draft, section, line);
}

fn variable(text: &str, span: Span, what: &str, audience: Audience, draft: &mut Draft, put: &mut dyn FnMut(&mut Draft, Section, Line)) {
    let found = match text.split_once('=') {
        Some((name, value)) => set_variable(draft, name, &literal(value), span, what).map(|line| (Section::Environment, line)),
        None => pass_variable(draft, text, span, what, audience),
    };
    if let Some((section, line)) = found {
        put(draft, section, line);
    }
}

fn hook(
    name: &str,
    section: Section,
    text: &str,
    span: Span,
    what: &str,
    draft: &mut Draft,
    put: &mut dyn FnMut(&mut Draft, Section, Line),
) {
    if text.trim().is_empty() {
        draft.missing(span, what, "it is empty");
    } else if !script::fits(text) {
        draft.missing(span, what, "it holds a character that no script can carry");
    } else {
        let line = Line::new(name, span).argument(literal(&text.replace("\r\n", "\n")));
        // It ran as the container's user, whose packages and settings it may change.
        let line = if name == "post_build" { line.text("as", "user") } else { line };
        put(draft, section, line);
    }
}

/// What is set for the repositories whose remote's address holds a text.
fn repositories(field: &Field, audience: Audience, names: &Names, draft: &mut Draft) {
    let Some(repositories) = field.value.table() else { return shape(field, "an object", draft) };
    for repository in repositories {
        let what = format!("repos.{}", repository.name);
        let Some(fields) = repository.value.table() else {
            draft.missing(repository.value.span, what, format!("it is {}, and should be an object", repository.value.describe()));
            continue;
        };
        if fields.is_empty() {
            draft.missing(repository.name_span, what, "it holds nothing");
            continue;
        }
        let Some(pattern) = pattern(&repository.name) else {
            draft.missing(repository.name_span, what, "it is no part of a remote's address that a pattern of silo.kdl can say");
            continue;
        };
        if !pattern.starts_with('*') {
            let why = "it was any part of the remote's address; `repo` compares whole names of it, and `*` stands for a part of one";
            draft.changed(repository.name_span, &what, why);
        }
        for inner in fields {
            let span = repository.name_span;
            if inner.name == "tool" {
                let Some(agent) = tool(inner, &format!("{what}.tool"), names, draft) else { continue };
                let line = Line::new("use", inner.value.span).text(AGENT, agent);
                draft.inside(Section::Repositories, REPOSITORY, &pattern, span, Some(line));
                continue;
            }
            setting(inner, &format!("{what}."), audience, names, draft, &mut |draft, section, line| {
                let section = if section == Section::Granted { section } else { Section::Repositories };
                draft.inside(section, REPOSITORY, &pattern, span, Some(line));
            });
        }
    }
}

/// The pattern for a part of a remote's address: itself, without login and protocol, when it begins with a host, and anything around it
/// otherwise.
fn pattern(part: &str) -> Option<String> {
    let part = part.split_once("://").map_or(part, |(_, rest)| rest);
    let part = part.rsplit_once('@').map_or(part, |(_, rest)| rest);
    let part = part.trim_end_matches(".git").trim_matches('/').replacen(':', "/", 1);
    if part.is_empty() || part.contains(['*', '?', '|', '!']) || !fits_line(&part) {
        return None;
    }
    let host = part.split('/').next().is_some_and(|first| first.contains('.'));
    Some(literal(&if host { part } else { format!("**{part}**") }))
}

fn shape(field: &Field, wanted: &str, draft: &mut Draft) {
    draft.missing(field.value.span, &field.name, format!("it is {}, and should be {wanted}", field.value.describe()));
}
