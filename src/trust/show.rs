//! What a configuration asks for, on one screen.

use super::{Difference, Digest, FileChange, Request, What, whose};
use crate::problem::escape;
use crate::source::{Sources, Span};

/// The most names of files that are shown; the others are counted.
const NAMES: usize = 12;
/// The most lines that are shown of what changed in files; the others are counted.
const CHANGES: usize = 36;

/// The titles of the groups of requests.
const VALUES: &str = "values of this machine";
const FILES: &str = "files and folders of this machine";
const IMPORTS: &str = "configuration outside the repository";
const MIRRORS: &str = "other places to fetch from";

fn group_of(what: &What) -> &'static str {
    match what {
        What::Variable(_) | What::Registry(_) | What::Logins(_) | What::Proxy(_) => VALUES,
        What::Mount { .. } => FILES,
        What::Import(_) => IMPORTS,
        What::Mirror { .. } => MIRRORS,
    }
}

/// What is shown.
#[derive(Clone, Copy, Debug)]
pub struct Screen<'a> {
    /// The project's folder.
    pub project: &'a str,
    /// What is asked for, and whether the host has it.
    pub requests: &'a [(Request, bool)],
    /// What runs with that in reach.
    pub inside: &'a Inside,
    /// The closure's files, by path.
    pub files: &'a [String],
    /// The closure's digest.
    pub digest: &'a Digest,
    /// What changed since it was trusted, if it ever was.
    pub difference: Option<&'a Difference>,
    /// The texts that the requests are in.
    pub sources: &'a Sources,
}

/// What runs with the host's things in reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// The base, with its digest when the lock has one.
    pub base: String,
    /// The agents.
    pub agents: Vec<String>,
    /// Scripts, by the name of their node, with the places where they were written.
    pub hooks: Vec<(&'static str, Vec<Span>)>,
    /// What the network is like.
    pub network: String,
}

/// The screen, as lines for a terminal. Nothing in it can move the cursor.
pub fn screen(screen: &Screen<'_>) -> String {
    let Screen { project, requests, inside, files, digest, difference, sources } = *screen;
    let mut out = vec![format!("{project} asks for this:")];
    for title in [VALUES, FILES, IMPORTS, MIRRORS] {
        let those = || requests.iter().filter(|(request, _)| group_of(&request.what) == title);
        let mut lines: Vec<String> = those().filter(|(_, present)| *present).map(|(request, _)| line(request, sources)).collect();
        lines.extend(absent(those().filter(|(_, present)| !present).map(|(request, _)| request), sources));
        group(&mut out, title, lines);
    }
    if requests.is_empty() {
        group(&mut out, "it asks for nothing of this machine", vec!["but the working directory, which every container has".to_string()]);
    }
    group(&mut out, "what runs with these in reach", running(inside, sources));
    let count = files.len();
    let names: Vec<&str> = files.iter().take(NAMES).map(String::as_str).collect();
    let more = if count > names.len() { format!(" and {} more", count - names.len()) } else { String::new() };
    group(&mut out, "what is trusted, byte for byte", vec![format!("{}{more}", names.join(", ")), digest.to_string()]);
    if let Some(difference) = difference {
        changes(&mut out, difference);
    }
    out.iter().map(|line| format!("{}\n", escape(line))).collect()
}

fn group(out: &mut Vec<String>, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    out.push(format!("  {title}"));
    // All of them: one that is left out would be one that nobody saw.
    out.extend(lines.into_iter().map(|line| format!("    {line}")));
}

fn line(request: &Request, sources: &Sources) -> String {
    format!("{}{}", request.text(), place(request, sources))
}

fn place(request: &Request, sources: &Sources) -> String {
    match request.origin {
        Some(span) if request.is_of_project(sources) => format!("  ({})", sources.place(span)),
        Some(span) => format!("  ({}, {})", whose(sources.get(span.source).layer), sources.place(span)),
        None => String::new(),
    }
}

/// What the host does not have now, one line for each place that asks.
fn absent<'r>(requests: impl Iterator<Item = &'r Request>, sources: &Sources) -> Vec<String> {
    let mut groups: Vec<(String, String, Vec<String>)> = Vec::new();
    for request in requests {
        let What::Variable(name) = &request.what else {
            groups.push((String::new(), line(request, sources), Vec::new()));
            continue;
        };
        let whom = request.agent.as_ref().map_or_else(|| "every container".to_string(), |agent| format!("agent {agent}"));
        let place = place(request, sources);
        match groups.iter_mut().find(|(known, at, names)| *known == whom && *at == place && !names.is_empty()) {
            Some((_, _, names)) => names.push(name.to_string()),
            None => groups.push((whom, place, vec![name.to_string()])),
        }
    }
    let line = |(whom, place, names): (String, String, Vec<String>)| match names.as_slice() {
        [] => place,
        names => format!("{whom} is handed these too once they are set: {}{place}", names.join(", ")),
    };
    groups.into_iter().map(line).collect()
}

fn running(inside: &Inside, sources: &Sources) -> Vec<String> {
    let Inside { base, agents, hooks, network } = inside;
    let mut lines = vec![format!("the base {base}")];
    if !agents.is_empty() {
        lines.push(format!("the agent{} {}", if agents.len() == 1 { "" } else { "s" }, agents.join(", ")));
    }
    for (name, places) in hooks.iter().filter(|(_, places)| !places.is_empty()) {
        let shown: Vec<String> = places.iter().take(4).map(|span| sources.place(*span)).collect();
        let more = if places.len() > shown.len() { ", …" } else { "" };
        lines.push(format!("{} {name}  ({}{more})", places.len(), shown.join(", ")));
    }
    lines.push(network.clone());
    lines
}

fn changes(out: &mut Vec<String>, difference: &Difference) {
    let Difference { new, gone, files } = difference;
    let mut lines: Vec<String> = new.iter().map(|text| format!("+ {text}")).collect();
    lines.extend(gone.iter().map(|text| format!("- {text}")));
    group(out, "asked for since it was trusted (+), and no longer (-)", lines);
    let mut lines = Vec::new();
    for (path, change) in files {
        match change {
            FileChange::Added => lines.push(format!("{path} is new")),
            FileChange::Removed => lines.push(format!("{path} is gone")),
            FileChange::Changed { lines: None, more: _ } => lines.push(format!("{path} changed")),
            FileChange::Changed { lines: Some(changed), more } => {
                lines.push(format!("{path} changed"));
                lines.extend(changed.iter().map(|line| format!("  {line}")));
                if *more > 0 {
                    lines.push(format!("  … and {more} lines more"));
                }
            }
        }
    }
    let more = lines.len().saturating_sub(CHANGES);
    if !lines.is_empty() {
        out.push("  files since it was trusted".to_string());
        out.extend(lines.into_iter().take(CHANGES).map(|line| format!("    {line}")));
        if more > 0 {
            out.push(format!("    … and {more} lines more"));
        }
    }
}
