//! Each folder of `tests/cases/` is a configuration; its `snapshot.txt` is everything that silo makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use silo::emit;
use silo::launch::apple::{AppleOptions, apple};
use silo::launch::to_json;
use silo::plan::ContextFile;
use silo::problem::Code;

use crate::support::dockerfile;
use crate::support::project::{Compiled, Loaded, Project};

const MEND: &str = "SILO_BLESS=1 cargo test --test main cases::";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn cases() -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect()
}

/// Exact text: each line behind a bar. A line that holds a control character is escaped and stands behind `\` instead.
fn quoted(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => return format!("  (bytes) {}\n", bytes.escape_ascii()),
    };
    let mut out = String::new();
    let mut lines: Vec<&str> = text.split('\n').collect();
    let ends = lines.last() == Some(&"");
    if ends {
        lines.pop();
    }
    for line in lines {
        let odd = line.chars().any(char::is_control);
        let line = if odd { format!("  \\ {}", line.escape_debug()) } else { format!("  | {line}") };
        // A space at the end of a line would be invisible, and lost in some editors.
        let mark = if line.ends_with(' ') && line.len() > 4 { "␠" } else { "" };
        out.push_str(&format!("{}{mark}\n", if mark.is_empty() { line.trim_end() } else { line.as_str() }));
    }
    if !ends && !text.is_empty() {
        out.push_str("  (no line break at the end)\n");
    }
    out
}

/// Files that are the same for every configuration: they are in `images/build/`.
fn is_own(path: &str) -> bool {
    path == "install.sh" || path == "apt.sh" || path.ends_with("/apt.sh") || path.ends_with("/cargo.sh")
}

fn image(out: &mut String, compiled: &Compiled, written: &mut BTreeMap<(String, u32, Vec<u8>), String>) {
    let Compiled { target, plan, identity, launch } = compiled;
    out.push_str(&format!("\n==== {target}\nidentity {identity}\n\n-- Dockerfile\n"));
    let text = emit::dockerfile(plan);
    out.push_str(&quoted(text.as_bytes()));
    assert_eq!(dockerfile::instructions(&text), dockerfile::planned(plan), "the Dockerfile has other instructions than the plan");
    for (path, file) in plan.context.iter().filter(|(path, _)| !is_own(path)) {
        out.push_str(&format!("\n-- context/{path} {:04o}", file.mode));
        let ContextFile { mode, bytes } = file;
        let key = (path.clone(), *mode, bytes.clone());
        match written.get(&key) {
            Some(known) => out.push_str(&format!(": as for {known}\n")),
            None => {
                out.push_str(&format!("\n{}", quoted(&file.bytes)));
                written.insert(key, target.to_string());
            }
        }
    }
    match launch {
        Some(launch) => out.push_str(&format!("\n-- launch\n{}", quoted(format!("{:#}\n", to_json(launch)).as_bytes()))),
        None => out.push_str("\n-- launch\nrefused\n"),
    }
    let options = AppleOptions { staging: "/home/ada/.cache/silo/run/0a1b2c3d".to_string(), ..AppleOptions::default() };
    out.push_str("\n-- Apple's build.json\n");
    match apple(plan, identity, launch.as_ref(), &options) {
        Ok(spec) => {
            assert_eq!(spec.dockerfile, text, "the Apple specification has a Dockerfile of its own");
            out.push_str(&quoted(spec.build.as_bytes()));
        }
        Err(problems) => {
            for problem in problems.iter() {
                out.push_str(&format!("{}: {}\n", problem.code.as_str(), problem.message));
                out.push_str(&problem.help.iter().map(|help| format!("    help: {help}\n")).collect::<String>());
            }
        }
    }
}

fn snapshot(project: &Project) -> String {
    let mut loaded: Loaded = project.load();
    let mut images = String::new();
    let mut written = BTreeMap::new();
    if let (Some(spec), Some(shared)) = (loaded.spec.clone(), loaded.shared.clone()) {
        if !loaded.is_shared() {
            images.push_str("\n==== the project's own images, without what the user's files add\n");
            let before = loaded.problems.clone();
            for Compiled { target, identity, .. } in loaded.compile(&shared) {
                images.push_str(&format!("{identity}  {target}\n"));
            }
            loaded.problems = before;
        }
        for compiled in loaded.compile(&spec) {
            image(&mut images, &compiled, &mut written);
        }
    }
    let merged = silo::layers::print_with_sources(&loaded.layered, &loaded.sources);
    if !merged.is_empty() && !loaded.problems.has_errors() {
        images.insert_str(0, &format!("\n==== merged\n{}", quoted(merged.as_bytes())));
    }
    let problems = loaded.rendered();
    let head = if problems.is_empty() { "no problems\n".to_string() } else { problems };
    format!("{head}{images}").lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The lines around the first difference.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let first = old.iter().zip(&new).position(|(a, b)| a != b).unwrap_or(old.len().min(new.len()));
    let same_end = old[first..].iter().rev().zip(new[first..].iter().rev()).take_while(|(a, b)| a == b).count();
    let shown = |sign: char, lines: &[&str]| -> String {
        let middle = &lines[first..lines.len() - same_end];
        let mut text: String = middle.iter().take(20).map(|line| format!("{sign} {line}\n")).collect();
        if middle.len() > 20 {
            text.push_str(&format!("{sign} … and {} lines more\n", middle.len() - 20));
        }
        text
    };
    let context: String = old[first.saturating_sub(3)..first].iter().map(|line| format!("  {line}\n")).collect();
    format!("line {}:\n{context}{}{}", first + 1, shown('-', &old), shown('+', &new))
}

#[test]
fn every_case_is_what_its_snapshot_says() {
    let bless = std::env::var_os("SILO_BLESS").is_some();
    let mut wrong = String::new();
    let cases = cases();
    assert!(cases.len() >= 35, "only {} cases", cases.len());
    for (name, folder) in cases {
        let text = snapshot(&Project::read(&folder));
        assert_eq!(text, snapshot(&Project::read(&folder)), "{name} is not the same twice");
        let path = folder.join("snapshot.txt");
        if bless {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if committed != text {
            wrong.push_str(&format!("\ntests/cases/{name}/snapshot.txt, {}", difference(&committed, &text)));
        }
    }
    assert!(wrong.is_empty(), "snapshots differ (- as committed, + as it is now); when that is meant: {MEND}\n{wrong}");
}

/// Codes that neither a case nor `tests/cli.rs` can show, with the test that does.
const ELSEWHERE: &[(Code, &str)] = &[
    (Code::VendorDamaged, "tests/lock/vendor.rs"),
    (Code::VendorFetch, "tests/lock/vendor.rs"),
    (Code::VendorMissing, "tests/lock/vendor.rs"),
    (Code::ImportOutside, "tests/trust/program.rs: files outside the repository, before and after they are trusted"),
    (Code::BuildChecksum, "tests/real/equal: a wrong byte in an artefact of each kind"),
    (Code::BuildStep, "shell::engine::docker::tests::build: a failing step on a real engine"),
    (Code::SplitIdentity, "tests/cli: one lock holds what every condition may ask for"),
    (Code::LockUnsigned, "tests/lock: a machine without keys"),
    (Code::PlatformMissing, "tests/lock: registries"),
    (Code::LockMoved, "tests/lock: what is new does not fit what is locked"),
    (Code::LockFallback, "tests/lock: a preferred source that does not answer"),
    (Code::CacheUnwritten, "tests/lock: a cache that cannot be written"),
];

#[test]
fn every_error_code_has_a_case() {
    let mut seen: BTreeSet<&str> = crate::cli::codes().map(Code::as_str).collect();
    let snapshots: Vec<String> =
        cases().values().map(|folder| fs::read_to_string(folder.join("snapshot.txt")).unwrap_or_default()).collect();
    for line in snapshots.iter().flat_map(|text| text.lines()) {
        let word = line.split([':', ' ']).next().unwrap_or("");
        if word == "silo" {
            let code = line.split(' ').next().unwrap_or("").trim_end_matches(':');
            seen.insert(code);
        }
    }
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| !ELSEWHERE.iter().any(|(other, _)| other == *code))
        .map(|code| code.as_str())
        .filter(|code| !seen.contains(code))
        .collect();
    assert!(missing.is_empty(), "no case shows {}: add one to tests/cases or tests/cli.rs", missing.join(", "));
    let twice: Vec<&str> = ELSEWHERE.iter().map(|(code, _)| code.as_str()).filter(|code| seen.contains(code)).collect();
    assert!(twice.is_empty(), "{} has a case now: take it out of ELSEWHERE", twice.join(", "));
    let unknown: Vec<&&str> = seen.iter().filter(|code| !Code::ALL.iter().any(|known| known.as_str() == **code)).collect();
    assert!(unknown.is_empty(), "snapshots show codes that do not exist: {unknown:?}");
}

#[test]
fn differences_are_shown_where_they_are() {
    let shown = difference("a\nb\nc\nd\n", "a\nb\nX\nd\n");
    assert_eq!(shown, "line 3:\n  a\n  b\n- c\n+ X\n");
}

#[test]
fn exact_texts_keep_what_cannot_be_seen() {
    assert_eq!(quoted(b"a\tb\nc \n"), "  \\ a\\tb\n  | c ␠\n");
    assert_eq!(quoted(b"x"), "  | x\n  (no line break at the end)\n");
}
