//! Crates: the sparse index, which release is chosen, what its own `Cargo.lock` makes of it, and looking it up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use silo::digest::sha256_hex;
use silo::lock::crates::{Config, Need, Packed, Registry, Release, Root, Rust, Solution, Target, Unsolved, index_path, resolve};
use silo::lock::time::{Cutoff, Time};
use silo::lock::{Artifact, CrateRole, parse};
use silo::problem::Code;
use silo::source::{Layer, Source, Sources};
use silo::spec::{Mirror, Mirrored, Mirrors, Registry as Place};

use super::server::{Answers, locked, serve, suites, surroundings};
use super::shell::fetch::secrets::{Keep, secrets};
use super::shell::fetch::{CratesIndex, Surroundings};
use crate::cli::{Place as Project, Ran};
use crate::support::crates::{line, lock, pack};

// ------------------------------------------------------------------------------------------------------------------------------- the index

#[test]
fn a_crate_lies_in_an_index_where_the_first_letters_of_its_name_say() {
    for (name, path) in [
        ("a", "1/a"),
        ("ab", "2/ab"),
        ("abc", "3/a/abc"),
        ("abcd", "ab/cd/abcd"),
        ("Inflector", "in/fl/inflector"),
        ("cargo-nextest", "ca/rg/cargo-nextest"),
        ("X_y", "3/x/x_y"),
    ] {
        assert_eq!(index_path(name), path);
    }
}

#[test]
fn an_archive_is_where_the_index_says_with_or_without_markers() {
    let at = |text: &str, name: &str| Config::parse(json!({ "dl": text }).to_string().as_bytes()).unwrap().address(name, "1.2.3", "00ff");
    assert_eq!(at("https://dl.example.test/crates", "serde"), "https://dl.example.test/crates/serde/1.2.3/download");
    assert_eq!(at("https://dl.example.test/{crate}/{crate}-{version}.crate", "serde"), "https://dl.example.test/serde/serde-1.2.3.crate");
    assert_eq!(at("https://dl.example.test/{prefix}|{lowerprefix}", "SerDe"), "https://dl.example.test/Se/rD|se/rd");
    assert_eq!(at("https://dl.example.test/{lowerprefix}/{sha256-checksum}", "Abc"), "https://dl.example.test/3/a/00ff");
    let config = Config::parse(br#"{"dl":"x","auth-required":true}"#).unwrap();
    assert!(config.auth_required && !Config::parse(br#"{"dl":"x"}"#).unwrap().auth_required);
    for broken in ["", "{}", "[]", r#"{"dl": 1}"#] {
        assert_eq!(Config::parse(broken.as_bytes()), None, "{broken}");
    }
}

#[test]
fn lines_that_are_not_understood_are_passed_over() {
    let good = line("a", "1.0.0", b"x", json!({ "rust_version": "1.63", "pubtime": "2026-11-20T09:12:00Z", "v": 2 }));
    let text = format!(
        "{good}\n{}{}{}{}not json\n",
        line("a", "2.0.0", b"x", json!({ "v": 3 })),
        line("a", "3.0.0", b"x", json!({ "cksum": "00" })),
        line("a", "../4", b"x", json!({})),
        line("../a", "5.0.0", b"x", json!({})),
    );
    let releases = Release::list(&text);
    assert_eq!(releases.iter().map(|release| release.version.as_str()).collect::<Vec<_>>(), ["1.0.0"]);
    assert_eq!(releases[0].rust.map(|rust| rust.to_string()).as_deref(), Some("1.63.0"));
    assert_eq!(releases[0].published, Time::parse("2026-11-20T09:12:00Z"));
}

// --------------------------------------------------------------------------------------------------------------------------------- choosing

const MANIFEST: &str = "[package]\nname = \"a\"\nversion = \"1.0.0\"\nedition = \"2018\"\n";

/// What is in each release: a `Cargo.lock` without any other crate.
fn registry(lines: &str) -> Registry {
    let releases = Release::list(lines);
    let packed = |release: &Release| {
        let text = lock(&release.name, &release.version, &[]);
        let packed = Packed::read(&release.name, &release.version, MANIFEST, Some(&text)).unwrap();
        ((release.name.clone(), release.version.clone()), packed)
    };
    Registry { packed: releases.iter().map(packed).collect(), releases: BTreeMap::from([("a".to_string(), Some(releases))]) }
}

fn asked(request: &str) -> Vec<Root> {
    vec![Root { name: "a".to_string(), request: request.to_string() }]
}

fn chosen(request: &str, target: &Target, registry: &Registry) -> Result<String, String> {
    match resolve(&asked(request), target, registry) {
        Ok(Solution { versions, .. }) => Ok(versions["a"].clone()),
        Err(Unsolved::Failed(reasons)) => Err(reasons.join("; ")),
        Err(Unsolved::Need(need)) => panic!("{need:?}"),
    }
}

#[test]
fn the_newest_release_that_fits_is_taken_and_none_that_was_taken_back() {
    let lines = [
        line("a", "0.9.9", b"x", json!({})),
        line("a", "1.0.0", b"x", json!({})),
        line("a", "1.2.0", b"x", json!({})),
        line("a", "1.10.0+build", b"x", json!({})),
        line("a", "1.11.0", b"x", json!({ "yanked": true })),
        line("a", "2.0.0-rc.1", b"x", json!({})),
    ];
    let registry = registry(&lines.concat());
    let target = Target::default();
    for (request, version) in [
        ("latest", "1.10.0+build"),
        ("", "1.10.0+build"),
        ("1", "1.10.0+build"),
        ("1.2", "1.2.0"),
        ("1.10.0", "1.10.0+build"),
        (">=0.9, <1", "0.9.9"),
        ("^1.0", "1.10.0+build"),
        ("~1.2", "1.2.0"),
        ("2.0.0-rc.1", "2.0.0-rc.1"),
    ] {
        assert_eq!(chosen(request, &target, &registry).as_deref(), Ok(version), "{request}");
    }
    for (request, reason) in [
        ("1.11.0", "a 1.11.0 was yanked by its author"),
        ("3", "there is no version `3`: the newest is 1.10.0+build"),
        ("2", "there is no version `2`"),
        ("nightly", "there is no channel `nightly`"),
    ] {
        let error = chosen(request, &target, &registry).unwrap_err();
        assert!(error.contains(reason), "{request}: {error}");
    }
}

#[test]
fn what_is_too_young_or_for_a_newer_rust_is_not_chosen_unless_it_is_written_out() {
    let lines = [
        line("a", "1.0.0", b"x", json!({ "pubtime": "2026-11-01T00:00:00Z" })),
        line("a", "1.1.0", b"x", json!({ "pubtime": "2026-11-24T00:00:00Z" })),
        line("a", "1.2.0", b"x", json!({ "rust_version": "1.70" })),
    ];
    let registry = registry(&lines.concat());
    let rust = Rust::parse("1.63.0+dfsg1");
    let cutoff = Cutoff::of_age(Time::parse("2026-11-24T12:00:00Z").unwrap(), 86_400);
    let both = Target { rust, cutoff };
    assert_eq!(chosen("latest", &both, &registry).as_deref(), Ok("1.0.0"));
    assert_eq!(chosen("latest", &Target { cutoff: Cutoff::NONE, ..both }, &registry).as_deref(), Ok("1.1.0"));
    assert_eq!(chosen("latest", &Target { rust: Rust::parse("1.70"), ..both }, &registry).as_deref(), Ok("1.2.0"));
    assert_eq!(chosen("1.1.0", &both, &registry).as_deref(), Ok("1.1.0"));
    let error = chosen("1.2.0", &both, &registry).unwrap_err();
    assert!(error.contains("a 1.2.0 needs Rust 1.70.0") && error.contains("is Rust 1.63.0"), "{error}");
    assert!(chosen("1.1", &both, &registry).unwrap_err().contains("is old enough from"));
}

#[test]
fn what_a_crate_is_written_for_counts_where_the_index_does_not_say_it() {
    let rust = |manifest: &str, lock: Option<&str>| {
        let packed = Packed::read("a", "1.0.0", manifest, lock).unwrap();
        packed.rust.map(|rust| rust.to_string()).unwrap_or_default()
    };
    assert_eq!(rust("[package]\nname = \"a\"\n", None), "");
    assert_eq!(rust("[package]\nedition = \"2024\"\n", None), "1.85.0");
    assert_eq!(rust("[package]\nedition = \"2021\"\nrust-version = \"1.74.1\"\n", Some("version = 3\n")), "1.74.1");
    assert_eq!(rust(MANIFEST, Some("version = 4\n")), "1.78.0");
    let mut registry = registry(&[line("a", "1.0.0", b"x", json!({})), line("a", "1.1.0", b"x", json!({}))].concat());
    let newer = Packed::read("a", "1.1.0", MANIFEST, Some("version = 4\n")).unwrap();
    registry.packed.insert(("a".to_string(), "1.1.0".to_string()), newer);
    let old = Target { rust: Rust::parse("1.63"), cutoff: Cutoff::NONE };
    assert_eq!(chosen("latest", &old, &registry).as_deref(), Ok("1.0.0"));
    assert_eq!(chosen("latest", &Target::default(), &registry).as_deref(), Ok("1.1.0"));
}

#[test]
fn one_question_comes_after_the_other() {
    let mut known = Registry::default();
    let ask = |known: &Registry| resolve(&asked("1"), &Target::default(), known).unwrap_err();
    assert_eq!(ask(&known), Unsolved::Need(BTreeSet::from([Need::Releases("a".to_string())])));
    known.releases.insert("a".to_string(), Some(Release::list(&line("a", "1.0.0", b"x", json!({})))));
    let need = Need::Packed { name: "a".to_string(), version: "1.0.0".to_string(), sha256: sha256_hex(b"x") };
    assert_eq!(ask(&known), Unsolved::Need(BTreeSet::from([need])));
    known.releases.insert("a".to_string(), None);
    assert_eq!(ask(&known), Unsolved::Failed(vec!["the registry of crates does not have a".to_string()]));
    known.releases.insert("a".to_string(), Some(Release::list(&line("A", "1.0.0", b"x", json!({})))));
    assert_eq!(ask(&known), Unsolved::Failed(vec!["the registry of crates calls it A, not a".to_string()]));
}

// ------------------------------------------------------------------------------------------------------------------------------- Cargo.lock

fn crates(text: Option<&str>) -> Result<Vec<String>, String> {
    let mut registry = registry(&line("a", "1.0.0", b"x", json!({})));
    let packed = Packed::read("a", "1.0.0", MANIFEST, text)?;
    registry.packed.insert(("a".to_string(), "1.0.0".to_string()), packed);
    match resolve(&asked("1.0.0"), &Target::default(), &registry) {
        Ok(solution) => Ok(solution.crates.iter().map(shown).collect()),
        Err(Unsolved::Failed(reasons)) => Err(reasons.join("; ")),
        Err(Unsolved::Need(need)) => panic!("{need:?}"),
    }
}

fn shown(artifact: &Artifact) -> String {
    match artifact {
        Artifact::Crate { name, version, role, sha256 } => {
            let program = if *role == CrateRole::Program { " program" } else { "" };
            format!("{name} {version} {}{program}", &sha256[..4])
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_crates_are_those_of_the_lock_in_the_crate() {
    let own = format!("a 1.0.0 {} program", &sha256_hex(b"x")[..4]);
    let text = lock("a", "1.0.0", &[("b", "0.1.0", b"b"), ("c_d", "2.0.0+x", b"c")]);
    let sum = |bytes: &[u8]| sha256_hex(bytes)[..4].to_string();
    let list = vec![own.clone(), format!("b 0.1.0 {}", sum(b"b")), format!("c_d 2.0.0+x {}", sum(b"c"))];
    assert_eq!(crates(Some(&text)), Ok(list));
    // The oldest form has its checksums in a table of their own.
    let hash = sha256_hex(b"b");
    let old = format!(
        "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\nsource = \"registry+https://r.example.test/\"\n\n[metadata]\n\"checksum b 0.1.0 (registry+https://r.example.test/)\" = \"{hash}\"\n"
    );
    assert_eq!(crates(Some(&old)), Ok(vec![own, format!("b 0.1.0 {}", sum(b"b"))]));
}

#[test]
fn what_cannot_be_locked_to_the_byte_says_why() {
    let with = |entry: &str| format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\n{entry}");
    let sum = sha256_hex(b"b");
    let entry = |name: &str, source: &str, sum: &str| {
        let line = |key: &str, value: &str| if value.is_empty() { String::new() } else { format!("{key} = \"{value}\"\n") };
        format!("name = \"{name}\"\nversion = \"1.0.0\"\n{}{}", line("source", source), line("checksum", sum))
    };
    let two = format!(
        "{}\n[[package]]\n{}",
        entry("b", "registry+https://r.example.test/", &sum),
        entry("c", "sparse+https://other.example.test/", &sum)
    );
    for (entry, why) in [
        (entry("b", "git+https://git.example.test/b?rev=1#1", ""), "is locked with b 1.0.0 from `git`"),
        (entry("b", "", ""), "is locked with b 1.0.0, which comes from no registry"),
        (entry("b", "registry+https://r.example.test/", ""), "is locked with b 1.0.0 without a checksum"),
        (entry("b", "registry+https://r.example.test/", "00"), "is locked with b 1.0.0 without a checksum"),
        (entry("../b", "registry+https://r.example.test/", &sum), "has a Cargo.lock with a package that has no name or version"),
        (two, "is locked with c 1.0.0, which comes from another registry"),
    ] {
        let error = crates(Some(&with(&entry))).unwrap_err();
        assert!(error.starts_with("a 1.0.0 ") && error.contains(why), "{error}");
    }
    assert!(crates(None).unwrap_err().contains("a 1.0.0 has no Cargo.lock inside"));
    assert!(crates(Some("[[")).unwrap_err().contains("Cargo.lock is not understood"));
}

#[test]
fn a_lock_with_a_crate_that_is_a_path_is_refused() {
    for (name, version, word, good) in
        [("a", "1.0.0", "program=#true", true), ("../a", "1.0.0", "", false), ("a", "1/..", "", false), ("a", "1.0.0", "program=1", false)]
    {
        let hash = "0".repeat(64);
        let text = format!(
            "silo-lock version=2 inputs=\"x\"\nbase \"b\" from=\"registry\" digest=\"sha256:{hash}\"\nfetch \"b\" from=\"registry\" digest=\"sha256:{hash}\"\ntool \"t\" request=\"1\" source=\"crate\" version=\"1\" inputs=\"x\" {{\n    crate \"{name}\" \"{version}\" sha256=\"{hash}\" {word}\n}}\n"
        );
        let mut sources = Sources::default();
        let id = sources.add(Source { name: "silo.lock".into(), text: text.clone(), layer: Layer::Project(0) });
        let (read, problems) = parse(id, &text);
        assert_eq!(read.is_some(), good, "{name} {version} {word}: {problems:?}");
    }
}

// ------------------------------------------------------------------------------------------------------------------------------ looking up

/// A registry with a program of two crates below `/index/` and `/dl/`, and an archive of the distribution with an old Rust.
fn upstream(auth: bool) -> Answers {
    let names = ["ca-certificates", "bzip2", "curl", "unzip", "xz-utils", "gcc", "libc6-dev", "cargo"];
    let mut packages: Vec<(&str, &str, &str)> = names.iter().map(|name| (*name, "1.0-1", "")).collect();
    packages.push(("rustc", "1.63.0+dfsg1-2", ""));
    let mut answers = suites(&packages, &[], 11);
    let small = pack("b", "0.1.0", &[("Cargo.toml", "[package]\nname = \"b\"\nversion = \"0.1.0\"\n")]);
    let text = lock("tool-a", "1.0.0", &[("b", "0.1.0", &small)]);
    let program = pack("tool-a", "1.0.0", &[("Cargo.toml", MANIFEST), ("Cargo.lock", &text)]);
    let bare = pack("bare", "1.0.0", &[("Cargo.toml", MANIFEST)]);
    let lines = [
        line("tool-a", "1.0.0", &program, json!({ "pubtime": "2026-01-02T03:04:05Z" })),
        line("tool-a", "1.1.0", &program, json!({ "rust_version": "1.64" })),
    ];
    let forged = line("forged", "1.0.0", b"something else", json!({}));
    let config = json!({ "dl": "ADDRESS/dl/{crate}/{version}", "auth-required": auth }).to_string();
    let ok = |body: Vec<u8>| vec![(200, "", body)];
    answers.extend([
        ("/index/config.json", if auth { vec![(401, "", Vec::new()), (200, "", config.into_bytes())] } else { ok(config.into_bytes()) }),
        ("/index/to/ol/tool-a", ok(lines.concat().into_bytes())),
        ("/index/ba/re/bare", ok(line("bare", "1.0.0", &bare, json!({})).into_bytes())),
        ("/index/fo/rg/forged", ok(forged.into_bytes())),
        ("/dl/tool-a/1.0.0", ok(program)),
        ("/dl/b/0.1.0", ok(small)),
        ("/dl/bare/1.0.0", ok(bare)),
        ("/dl/forged/1.0.0", ok(b"this".to_vec())),
    ]);
    answers
}

/// The answers know their server's address: what is at this one is fetched from there.
fn mirrors(address: &str) -> Mirrors {
    let origin = Sources::default().add(Source { name: String::new(), text: String::new(), layer: Layer::Project(0) });
    let origin = silo::source::Span { source: origin, start: 0, end: 0 };
    let of = Mirrored::Url("http://dl.example.test/".to_string());
    Mirrors::new(vec![Mirror { of, to: format!("{address}/dl/"), origin }])
}

/// A registry whose crates are at a name that only a mirror makes an address of.
fn named(answers: Answers) -> Answers {
    let text = |body: Vec<u8>| match String::from_utf8(body) {
        Ok(text) => text.replace("ADDRESS/dl/", "http://dl.example.test/").into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let all =
        |list: Vec<(u16, &'static str, Vec<u8>)>| list.into_iter().map(|(status, header, body)| (status, header, text(body))).collect();
    answers.into_iter().map(|(path, list)| if path.ends_with("config.json") { (path, all(list)) } else { (path, list) }).collect()
}

/// A tool that is made from a crate, with the distribution's own Rust.
fn configuration(name: &str, version: &str) -> String {
    format!(
        "(replace)define client cargo {{\n install apt {{\n apt \"rustc\" \"cargo\" \"gcc\" \"libc6-dev\"\n }}\n}}\n\
         define tool t {{\n install crate {{\n cargo \"{name}\" version=\"%{{version}}\" features=\"x,y\"\n bin \"t\" \"bin/t\"\n }}\n}}\n\
         base \"debian:bookworm\" from=bootstrap\ntool t version=\"{version}\"\n"
    )
}

/// What is written down for Cargo.
fn cargo(here: &Surroundings, file: &str, text: &str) {
    let folder = std::path::Path::new(&here.variables["HOME"]).join(".cargo");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(file), text).unwrap();
}

fn bare(folder: &std::path::Path, more: &[(&str, &str)]) -> Surroundings {
    let here = surroundings(folder, more);
    let variables = here.variables.into_iter().filter(|(name, _)| !name.starts_with("CARGO_HOME") && !name.starts_with("CARGO_REGISTR"));
    Surroundings { variables: variables.chain(more.iter().map(|(name, value)| (name.to_string(), value.to_string()))).collect(), ..here }
}

#[tokio::test]
async fn a_program_is_locked_with_every_crate_for_the_rust_that_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(named(upstream(false))).await;
    let here = bare(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let here = Surroundings { mirrors: mirrors(&server.address), ..here };
    cargo(
        &here,
        "config.toml",
        &format!(
            "[source.crates-io]\nreplace-with = \"one\"\n[source.one]\nreplace-with = \"two\"\n[registries.two]\nindex = \"sparse+{}/index/\"\n",
            server.address
        ),
    );
    let (lock, _) = locked(&configuration("tool-a", "latest"), None, &here).await.0.unwrap();
    let tool = lock.components.iter().find(|component| component.id.to_string() == "tool t").unwrap();
    assert_eq!((tool.version.as_str(), tool.released), ("1.0.0", Time::parse("2026-01-02T03:04:05Z")));
    let list: Vec<String> = tool.artifacts.iter().map(shown).collect();
    assert_eq!(list.len(), 2, "{list:?}");
    assert!(list[0].starts_with("b 0.1.0 ") && list[1].starts_with("tool-a 1.0.0 ") && list[1].ends_with(" program"), "{list:?}");
    assert_eq!(server.count("/dl/b/0.1.0"), 0, "nothing but the program is fetched to lock it");
    // Where it is already there is nothing to ask.
    let asked = server.asked.lock().unwrap().len();
    let (again, _) = locked(&configuration("tool-a", "latest"), Some(&lock), &here).await.0.unwrap();
    assert_eq!((again, server.asked.lock().unwrap().len()), (lock, asked));

    for (name, version, why) in [
        ("tool-a", "1.1.0", "tool-a 1.1.0 needs Rust 1.64.0, and what compiles it in a build is Rust 1.63.0"),
        ("bare", "latest", "bare 1.0.0 has no Cargo.lock inside"),
        ("forged", "latest", "and the index says"),
        ("nothing", "latest", "the registry of crates does not have nothing"),
    ] {
        let problems = locked(&configuration(name, version), None, &here).await.0.unwrap_err();
        let found = problems.iter().find(|problem| problem.code == Code::Unresolved && problem.message.contains(why));
        assert!(found.is_some(), "{problems:?}");
    }
}

#[tokio::test]
async fn a_registry_that_is_not_for_everybody_is_asked_with_its_own_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(named(upstream(true))).await;
    let here = bare(folder.path(), &[("SILO_APT_MIRROR", &server.mirror), ("CARGO_REGISTRY_DEFAULT", "acme-own")]);
    let here = Surroundings { mirrors: mirrors(&server.address), ..here };
    cargo(&here, "config.toml", &format!("[registries.acme-own]\nindex = \"sparse+{}/index\"\n", server.address));
    cargo(&here, "credentials.toml", "[registry]\ntoken = \"of another\"\n[registries.acme-own]\ntoken = \"s3cret\"\n");
    locked(&configuration("tool-a", "1.0.0"), None, &here).await.0.unwrap();
    let asked = server.asked.lock().unwrap().clone();
    let with = |path: &str| {
        let all: Vec<bool> = asked
            .iter()
            .filter(|request| request.starts_with(&format!("GET {path} ")))
            .map(|request| request.to_lowercase().contains("authorization: s3cret\r\n"))
            .collect();
        all
    };
    assert_eq!(with("/index/config.json"), [false, true]);
    assert_eq!(with("/index/to/ol/tool-a"), [true]);
    // Crates are elsewhere, and the token is for whom the index names as having them.
    assert!(!asked.iter().any(|request| request.contains("of another")), "{asked:?}");

    // A build is told the same, but for the token where a script could see it.
    let index = CratesIndex::find(&here).await.unwrap();
    let told = |keep| String::from_utf8(secrets(&here, None, &[], Some(&index), keep)["crates"].bytes.clone()).unwrap();
    assert_eq!(told(Keep::Nothing), format!("index\t{0}/index/\ntoken\ts3cret\n", server.address));
    assert_eq!(told(Keep::Logins), format!("index\t{}/index/\n", server.address));
    let index = CratesIndex { url: "https://ada:pw@i.example.test/".to_string(), token: None };
    let told = |keep| String::from_utf8(secrets(&here, None, &[], Some(&index), keep)["crates"].bytes.clone()).unwrap();
    assert_eq!(
        (told(Keep::Nothing), told(Keep::Logins)),
        (format!("index\t{}\n", index.url), "index\thttps://i.example.test/\n".to_string())
    );
}

#[tokio::test]
async fn the_index_is_what_cargo_is_configured_with_or_says() {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("bin");
    fs::create_dir_all(&programs).unwrap();
    let path = programs.display().to_string();
    let here = bare(folder.path(), &[("PATH", &path)]);
    let url = |index: CratesIndex| index.url;
    let problem = CratesIndex::find(&here).await.unwrap_err();
    assert!(problem.message.contains("does not know where the registry of crates is"), "{problem:?}");
    assert!(problem.help.unwrap().contains("mirror crates"));

    // Cargo has a home of its own then, and can reach nothing.
    let script = "#!/bin/sh\n[ \"$*\" = 'search x' ] && [ -d \"$CARGO_HOME\" ] && [ -n \"$CARGO_HTTP_PROXY\" ] || exit 1\n\
                  printf 'error: download of config.json failed\\n  failed to download from `https://own.example.test/i/config.json`\\n' >&2\nexit 101\n";
    fs::write(programs.join("cargo"), script).unwrap();
    fs::set_permissions(programs.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(CratesIndex::find(&here).await.map(url).unwrap(), "https://own.example.test/i/");

    cargo(&here, "config.toml", "[source.crates-io]\nreplace-with = \"m\"\n[source.m]\nregistry = \"sparse+https://m.example.test/x\"\n");
    assert_eq!(CratesIndex::find(&here).await.map(url).unwrap(), "https://m.example.test/x/");
    let variables =
        [("PATH", path.as_str()), ("CARGO_REGISTRY_DEFAULT", "a-b"), ("CARGO_REGISTRIES_A_B_INDEX", "sparse+https://v.example.test/")];
    assert_eq!(CratesIndex::find(&bare(folder.path(), &variables)).await.map(url).unwrap(), "https://v.example.test/");
    let origin = mirrors("x").iter().next().unwrap().origin;
    let mirror = Mirror { of: Mirrored::Registry(Place::Crates), to: "https://n.example.test/".to_string(), origin };
    let mirrored = Surroundings { mirrors: Mirrors::new(vec![mirror]), ..here.clone() };
    assert_eq!(CratesIndex::find(&mirrored).await.map(url).unwrap(), "https://n.example.test/");

    for (text, why) in [
        ("[source.crates-io]\nreplace-with = \"m\"\n", "the source `m`, and nothing says where that is"),
        ("[source.crates-io]\nreplace-with = \"m\"\n[source.m]\ndirectory = \"/x\"\n", "the source `m`, which is no registry"),
        ("[source.crates-io]\nreplace-with = \"m\"\n[source.m]\nregistry = \"https://u:p@git.example.test/x\"\n", "is no sparse index"),
        ("[source.crates-io]\nreplace-with = \"m\"\n[source.m]\nreplace-with = \"m\"\n", "in a circle"),
        ("[registry]\ndefault = \"gone\"\n", "Cargo's registry is `gone`"),
        ("[", "is not understood"),
    ] {
        cargo(&here, "config.toml", text);
        let problem = CratesIndex::find(&here).await.unwrap_err();
        assert!(problem.message.contains(why) && !problem.message.contains("u:p"), "{problem:?}");
        assert!(problem.help.unwrap().contains("mirror crates"));
    }
}

// ---------------------------------------------------------------------------------------------------------------------------- the program

#[tokio::test]
async fn crates_are_vendored_and_newer_ones_are_told() {
    let mut answers = upstream(false);
    let newer = pack("tool-a", "1.0.5", &[("Cargo.toml", MANIFEST), ("Cargo.lock", &lock("tool-a", "1.0.5", &[]))]);
    let lines = answers["/index/to/ol/tool-a"][0].2.clone();
    let lines = [lines, line("tool-a", "1.0.5", &newer, json!({})).into_bytes()].concat();
    answers.get_mut("/index/to/ol/tool-a").unwrap().push((200, "", lines));
    answers.insert("/dl/tool-a/1.0.5", vec![(200, "", newer)]);
    let server = serve(named(answers)).await;
    let place = Project::new();
    let home = |answers: &str| {
        format!(
            "silo edition=\"2026\"\nmirror crates \"sparse+{0}/index\"\nmirror \"http://dl.example.test/\" \"{0}/dl/\"\n{answers}",
            server.address
        )
    };
    let silo = async |args: &[&str]| {
        let mut command = place.command(args);
        command.env("SILO_APT_MIRROR", &server.mirror);
        Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
    };
    place.write("silo.kdl", home(&configuration("tool-a", "latest")));
    silo(&["trust", "--yes"]).await;
    silo(&["lock"]).await.expect(0);
    let text = fs::read_to_string(place.repository().join("silo.lock")).unwrap();
    assert!(text.contains("    crate \"b\" \"0.1.0\" sha256=\"") && text.contains(" program=#true\n"), "{text}");
    assert!(!text.contains(&server.address) && !text.contains("dl.example.test"), "{text}");
    silo(&["trust", "--yes"]).await;
    let outdated = silo(&["outdated"]).await;
    assert!(outdated.out.contains("tool t") && outdated.out.contains("1.0.5"), "{} {}", outdated.out, outdated.err);
    let vendored = silo(&["vendor", "--json", "v"]).await;
    for path in ["/dl/tool-a/1.0.0", "/dl/b/0.1.0"] {
        let bytes = upstream(false)[path][0].2.clone();
        let file = place.repository().join("v/sha256").join(sha256_hex(&bytes));
        assert_eq!(fs::read(&file).ok(), Some(bytes), "{path}: {} {}", vendored.out, vendored.err);
    }
}
