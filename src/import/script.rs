//! Commands that another tool runs, as scripts.

use super::draft::{Draft, Line, Section};
use super::literal;
use crate::source::Span;

/// One word of a shell command.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Whether a script can be carried through.
pub(super) fn fits(script: &str) -> bool {
    !script.contains('\0') && !script.replace("\r\n", "\n").contains('\r')
}

/// A command that is run when a container of the other tool is made or started, where the repository is.
///
/// What only installs packages of the distribution becomes a layer, what else needs root is done while the image is built; everything else
/// runs when a container starts, since that is when the repository is there.
pub(super) fn lifecycle(draft: &mut Draft, script: &str, span: Span, what: &str) {
    let script = script.replace("\r\n", "\n");
    let script = script.trim_matches('\n');
    if script.trim().is_empty() {
        draft.missing(span, what, "it is empty");
        return;
    }
    if !fits(script) {
        draft.missing(span, what, "it holds a character that no script can carry");
        return;
    }
    let Some(parts) = privileged(script) else {
        if script.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == "sudo") {
            draft.changed(span, what, "it uses `sudo`, and nothing is root in a container of silo: move that part to `post_build`");
        }
        draft.add(Section::PreRun, Line::new("pre_run", span).argument(literal(script)));
        return;
    };
    match packages(&parts) {
        Some(packages) if !packages.is_empty() => {
            let line = packages.into_iter().fold(Line::new("apt", span), |line, package| line.argument(package));
            draft.inside(Section::Layers, "layer", "packages", span, Some(line));
        }
        Some(_) => draft.missing(span, what, "it only fetches lists of packages, which silo.lock stands for"),
        None if parts.iter().any(|part| needs_files(part)) => {
            draft.missing(span, what, "it needs root and files that are there when a container runs, where nothing is root: what an image must have is put there by `post_build`");
        }
        None => {
            draft.add(Section::PostBuild, Line::new("post_build", span).argument(literal(&parts.join(" && "))));
            draft.changed(span, what, "it needs root, so it runs while the image is built, where the repository is not");
        }
    }
}

/// The commands of a line on which every one is run by root: joined by `&&`, each with `sudo` or of the distribution's package manager.
fn privileged(script: &str) -> Option<Vec<String>> {
    if script.contains(['\n', ';', '|', '`', '\'', '"', '<', '>', '(', '\\', '$', '#']) || script.replace("&&", "").contains('&') {
        return None;
    }
    let parts = script.split("&&").map(|part| {
        let part = part.trim();
        let bare = part.strip_prefix("sudo ").map(|rest| rest.trim_start().trim_start_matches("-E ").trim_start());
        let manager = bare.unwrap_or(part).split(' ').find(|word| !word.contains('='));
        let apt = matches!(manager, Some("apt" | "apt-get"));
        match bare {
            Some(rest) if !rest.starts_with('-') => Some(rest.to_string()),
            Some(_) => None,
            None if apt => Some(part.to_string()),
            None => None,
        }
    });
    parts.collect()
}

/// Whether a command is about files of the repository or of a container: by a path that is not absolute, or by what it does.
fn needs_files(command: &str) -> bool {
    let relative =
        |word: &str| word.starts_with('.') || (word.contains('/') && !word.starts_with(['/', '-', '@']) && !word.contains("://"));
    let first = command.split_whitespace().next().unwrap_or("");
    matches!(first, "chown" | "chmod" | "chgrp" | "mkdir" | "ln" | "cp" | "mv" | "rm") || command.split_whitespace().any(relative)
}

/// The packages that are installed, when nothing else is done.
fn packages(parts: &[String]) -> Option<Vec<String>> {
    let mut packages: Vec<String> = Vec::new();
    for part in parts {
        let mut words =
            part.split_whitespace().filter(|word| !(word.starts_with('-') || word.contains('=') && word.starts_with(char::is_uppercase)));
        if !matches!(words.next(), Some("apt" | "apt-get")) {
            return None;
        }
        match words.next() {
            Some("update" | "clean" | "autoremove") => {}
            Some("install") => {
                for word in words {
                    let name = word.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+.-".contains(c));
                    if !name {
                        return None;
                    }
                    if !packages.iter().any(|known| known == word) {
                        packages.push(word.to_string());
                    }
                }
            }
            Some(_) | None => return None,
        }
    }
    Some(packages)
}
