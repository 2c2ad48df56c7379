//! `silo init --detect`: what repositories come to.

use silo::catalog::{self, Catalog};
use silo::detect::{Proposal, Reason, Rules, Seen, propose, rules};
use silo::document;
use silo::source::{Layer, Source, Sources};

use crate::support::project::Project;

fn builtin() -> Rules {
    let (rules, problems) = rules(&Catalog::builtin(), &mut Sources::default());
    assert!(problems.is_empty(), "{problems:?}");
    rules
}

fn of(files: &[(&str, &str)]) -> Proposal {
    let files: Vec<Seen> = files.iter().map(|(path, text)| Seen { path: path.to_string(), text: Some(text.to_string()) }).collect();
    propose(&builtin(), &files)
}

/// `kind name version` of everything found.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let text = |found: &silo::detect::Found| format!("{} {} {}", found.kind, found.name, found.version.as_deref().unwrap_or("-"));
    of(files).found.iter().map(text).collect()
}

#[test]
fn versions_come_from_the_files_that_say_them() {
    let node = |files: &[(&str, &str)]| found(files).into_iter().find(|text| text.starts_with("language node ")).unwrap();
    assert_eq!(node(&[("package.json", "{}")]), "language node -");
    assert_eq!(node(&[("package.json", r#"{ "engines": { "node": ">=20 <23" } }"#)]), "language node >=20 <23");
    assert_eq!(node(&[("package.json", r#"{ "engines": { "node": "20" }, "volta": { "node": "20.11.1" } }"#)]), "language node 20.11.1");
    assert_eq!(node(&[("package.json", "{}"), (".nvmrc", "v22.1.0\n")]), "language node 22.1.0");
    assert_eq!(node(&[(".nvmrc", "lts/*\n")]), "language node lts");
    assert_eq!(node(&[("package.json", "{}"), (".nvmrc", "lts/iron\n")]), "language node iron");
    assert_eq!(node(&[("package.json", "{}"), (".nvmrc", "lts/-1\n")]), "language node -");
    assert_eq!(node(&[("package.json", r#"{ "engines": { "node": "$(touch x)" } }"#)]), "language node -");

    let first = |files: &[(&str, &str)]| found(files).remove(0);
    assert_eq!(first(&[("go.mod", "module x\n\ngo 1.22\n")]), "language go 1.22");
    assert_eq!(first(&[("go.mod", "module x\n\ngo 1.22\n\ntoolchain go1.22.5\n")]), "language go 1.22.5");
    assert_eq!(first(&[("pyproject.toml", "[project]\nrequires-python = \">=3.11\"\n")]), "language python >=3.11");
    assert_eq!(first(&[("pyproject.toml", ""), (".python-version", "3.12\n")]), "language python 3.12");
    assert_eq!(first(&[("requirements.txt", "")]), "language python -");
    assert_eq!(first(&[("rust-toolchain.toml", "[toolchain]\nchannel = \"1.80.0\"\n")]), "language rust 1.80.0");
    assert_eq!(first(&[("rust-toolchain", "1.79\n")]), "language rust 1.79");
    assert_eq!(
        first(&[("Cargo.toml", ""), ("rust-toolchain.toml", "[toolchain]\nchannel = \"nightly-2026-01-01\"\n")]),
        "language rust nightly-2026-01-01"
    );
    assert_eq!(first(&[("Cargo.toml", ""), ("rust-toolchain.toml", "[toolchain]\npath = \"/opt/rust\"\n")]), "language rust -");
}

#[test]
fn a_language_brings_its_server() {
    assert_eq!(found(&[("Cargo.toml", "")]), ["language rust -", "lsp rust-analyzer -"]);
    let proposal = of(&[("go.mod", "")]);
    assert_eq!(proposal.found[1].reasons, [Reason::Language("go".to_string())]);
}

#[test]
fn what_is_said_further_out_counts_and_the_rest_is_told() {
    let proposal = of(&[("web/.nvmrc", "22\n"), ("package.json", r#"{ "engines": { "node": "20" } }"#), ("web/package.json", "{}")]);
    let node = &proposal.found[0];
    assert_eq!((node.name.as_str(), node.version.as_deref()), ("node", Some("20")));
    assert_eq!(node.reasons[0], Reason::File("package.json".to_string(), Some(1)));
    assert_eq!(node.others, [("web/.nvmrc".to_string(), "22".to_string())]);
    assert!(proposal.text(None, None, &[]).contains("but web/.nvmrc says 22"));
}

#[test]
fn what_nobody_knows_is_told() {
    let (rules, _) = rules(&Catalog::builtin(), &mut Sources::default());
    assert!(rules.knows("stack.yaml") && !rules.reads("stack.yaml") && rules.reads("web/package.json") && !rules.knows("README.md"));
    let proposal = of(&[("meson.build", ""), ("package.json", "{"), (".tool-versions", ""), ("Package.swift", "")]);
    let remarks = proposal.remarks().join("\n");
    for said in ["define language swift", "silo import .tool-versions", "package.json:1: not read: this is not JSON"] {
        assert!(remarks.contains(said), "{remarks}");
    }
    assert_eq!(proposal.packages, ["build-essential", "meson"].map(|package| (package.to_string(), "meson.build".to_string())));
}

#[test]
fn hostile_files_are_data() {
    let long = "x".repeat(250_000);
    let path = "a\n(remove)agent \"claude\"\u{202e}/go.mod";
    let proposal = of(&[(path, "go 1.22"), ("package.json", &"[".repeat(200_000)), (".nvmrc", &long), ("pyproject.toml", &long)]);
    let text = proposal.text(Some("claude"), Some("debian:bookworm"), &[]);
    let loaded = Project::of(&text).load();
    assert!(!loaded.problems.has_errors(), "{text}\n{}", loaded.rendered());
    assert!(text.contains("language \"go\" version=\"1.22\""), "{text}");
}

#[test]
fn every_sign_of_the_catalog_leads_to_its_entry() {
    let mut signs = 0;
    for (kind, name, text) in catalog::entries() {
        let mut sources = Sources::default();
        let id = sources.add(Source { name: name.into(), text: text.into(), layer: Layer::Catalog });
        let node = document::parse(id, text).0.unwrap().nodes.remove(0);
        for detect in node.named("detect") {
            let plain = detect.entries.iter().all(|entry| entry.name.is_none());
            for file in detect.arguments().filter_map(|entry| entry.value.as_str()).filter(|_| plain) {
                signs += 1;
                let path = file.replace('*', "x");
                let entries = found(&[(&path, "")]);
                assert!(entries.iter().any(|entry| entry.starts_with(&format!("{kind} {name} "))), "{file}: {entries:?}");
            }
        }
    }
    assert!(signs >= 10, "only {signs} signs");
}

#[test]
fn every_proposal_compiles() {
    let everything = [
        ("package.json", r#"{ "engines": { "node": "^20 || >=22" } }"#),
        ("go.mod", "go 1.23\n"),
        ("Cargo.toml", ""),
        ("pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.11\"\n"),
        ("uv.lock", ""),
        ("CMakeLists.txt", ""),
        ("pom.xml", ""),
    ];
    for count in 0..=everything.len() {
        let text = of(&everything[..count]).text(Some("claude"), None, &[]);
        let mut loaded = Project::of(&text).load();
        let spec = loaded.spec.clone().unwrap_or_else(|| panic!("{text}\n{}", loaded.rendered()));
        loaded.compile(&spec);
        assert!(!loaded.problems.has_errors(), "{text}\n{}", loaded.rendered());
    }
}
