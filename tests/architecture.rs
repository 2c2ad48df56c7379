//! The house's rules that the compiler does not hold: imports run up the pipeline only, and every foreign crate has one owner.

use std::fs;
use std::path::{Path, PathBuf};

/// The stages in pipeline order: a module may use those before it.
const PIPELINE: &[&str] = &[
    "digest", "source", "template", "problem", "document", "schema", "layers", "contract", "catalog", "spec", "import", "detect", "trust",
    "lock", "plan", "identity", "emit", "launch",
];

/// Foreign crates and the one place that may name each.
const OWNERS: &[(&str, &[&str])] = &[
    ("kdl", &["document"]),
    ("miette", &["problem", "shell/engine", "shell/ui"]),
    ("regex", &["schema/types"]),
    ("strsim", &["schema/"]),
    ("nodejs_semver", &["lock/"]),
    ("pep440_rs", &["lock/"]),
    ("pep508_rs", &["lock/"]),
    ("sha2", &["digest"]),
    ("tar", &["emit/", "shell/"]),
    ("toml", &["import/tables", "lock/crates", "plan/registration", "shell/fetch/cargo"]),
    ("jsonc_parser", &["import/jsonc"]),
    ("clap", &["shell/cli", "shell/command/completions"]),
    ("clap_complete", &["shell/cli", "shell/command/completions"]),
    ("bollard", &["shell/engine/docker"]),
    ("bollard_buildkit_proto", &["shell/engine/docker"]),
    ("tonic", &["shell/engine/docker"]),
    ("prost", &["shell/engine/docker"]),
    ("hyper", &["shell/engine/docker"]),
    ("hyper_util", &["shell/engine/docker"]),
    ("http_body_util", &["shell/engine/docker"]),
    ("tower", &["shell/engine/docker"]),
    ("crossterm", &["shell/ui", "shell/engine/docker/terminal"]),
    ("reqwest", &["shell/fetch"]),
    ("oci_spec", &["shell/vendor"]),
    ("similar", &["trust/difference", "shell/command/fmt"]),
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The text without comments, so that prose may name anything.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or("")))
        .filter(|(_, line)| !line.trim().is_empty())
}

fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + word.len()..];
        after.starts_with("::") && !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// Modules of the library that a line imports by `crate::`.
fn imported(line: &str) -> Vec<&str> {
    line.match_indices("crate::")
        .map(|(at, found)| line[at + found.len()..].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(""))
        .filter(|module| !module.is_empty())
        .collect()
}

#[test]
fn imports_run_up_the_pipeline_only() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let Some(own) = PIPELINE.iter().position(|stage| name == *stage || name.starts_with(&format!("{stage}/"))) else {
            continue;
        };
        for (number, line) in code(&text) {
            for module in imported(line) {
                match PIPELINE.iter().position(|stage| *stage == module) {
                    Some(other) if other <= own => {}
                    _ => wrong.push(format!("src/{name}.rs:{number} uses {module}, which comes later: {}", line.trim())),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "back edges in the pipeline:\n{}", wrong.join("\n"));
}

#[test]
fn every_stage_of_the_pipeline_is_a_module_in_this_order() {
    let root = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules: Vec<&str> =
        root.lines().filter_map(|line| line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'))).collect();
    assert_eq!(modules, PIPELINE);
}

#[test]
fn every_foreign_crate_has_one_owner() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        for (number, line) in code(&text) {
            for (word, owners) in OWNERS {
                let owned = owners.iter().any(|owner| name.starts_with(owner));
                if names(line, word) && !owned {
                    wrong.push(format!("src/{name}.rs:{number} names {word}, which belongs to {owners:?}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "foreign words outside their owners:\n{}", wrong.join("\n"));
}

#[test]
fn the_rules_see_what_they_should() {
    assert!(names("use kdl::KdlDocument;", "kdl"));
    assert!(!names("let x = akdl::y;", "kdl"));
    assert!(!names("use crate::kdl::x;", "kdl"));
    assert_eq!(imported("use crate::plan::Plan;"), ["plan"]);
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| text.lines().count() > 700)
        .map(|(name, text)| format!("src/{name}.rs has {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "split by topic:\n{}", long.join("\n"));
}
