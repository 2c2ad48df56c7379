//! `silo update` and `silo outdated`, by the real program and a server of this test's own.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use silo::lock::difference::{Step, Subject, difference, step};

use super::server::{Server, archive, archive_of, serve};
use crate::cli::{Place, Ran};
use crate::support::answers;

/// Tools of one list of versions each, below an address.
fn configuration(address: &str, tools: &[&str]) -> String {
    let mut text = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n".to_string();
    for tool in tools {
        text.push_str(&format!(
            "define tool {tool} {{\n    install vendor {{\n        versions \"{address}/{tool}/index.json\" json=\"*/version\"\n        \
             download \"{address}/{tool}/%{{version}}.tgz\"\n        bin \"{tool}\" \"{tool}\"\n    }}\n}}\ntool {tool} version=\"1\"\n"
        ));
    }
    text
}

fn index(versions: &[&str]) -> (u16, &'static str, Vec<u8>) {
    let list: Vec<Value> = versions.iter().map(|version| json!({ "version": version })).collect();
    (200, "", Value::Array(list).to_string().into_bytes())
}

fn file(text: &str) -> Vec<(u16, &'static str, Vec<u8>)> {
    vec![(200, "", text.as_bytes().to_vec())]
}

async fn silo(place: &Place, server: &Server, args: &[&str]) -> Ran {
    let mut command = place.command(args);
    command.env("SILO_APT_MIRROR", &server.mirror);
    Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

fn read(place: &Place) -> String {
    fs::read_to_string(place.repository().join("silo.lock")).unwrap()
}

#[tokio::test]
async fn update_takes_what_is_allowed_and_says_what_changed() {
    let mut answers = archive();
    answers.insert("/one/index.json", vec![index(&["1.0.0"]), index(&["1.0.0", "1.2.0", "2.0.0"])]);
    answers.insert("/two/index.json", vec![index(&["1.0.0"])]);
    for path in ["/one/1.0.0.tgz", "/one/1.2.0.tgz", "/two/1.0.0.tgz"] {
        answers.insert(path, file(path));
    }
    let server = serve(answers).await;
    let place = Place::new();
    place.write("silo.kdl", configuration(&server.address, &["one", "two"]));
    assert!(silo(&place, &server, &["outdated"]).await.expect(1).err.contains("there is no silo.lock"));
    silo(&place, &server, &["lock"]).await.expect(0);
    let first = read(&place);
    assert!(first.contains("1.0.0") && !first.contains("1.2.0"), "{first}");
    // Locking again asks nobody, though there is something newer.
    let asked = server.asked.lock().unwrap().len();
    assert!(silo(&place, &server, &["lock"]).await.expect(0).err.contains("silo.lock is up to date"));
    assert_eq!(server.asked.lock().unwrap().len(), asked);

    let ran = silo(&place, &server, &["outdated"]).await;
    let rows: Vec<Vec<&str>> = ran.expect(1).out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [vec!["NAME", "LOCKED", "ALLOWED", "NEWEST"], vec!["tool", "one", "1.0.0", "1.2.0", "2.0.0"]]);
    assert!(ran.err.contains("1 behind") && ran.err.contains("silo update"), "{}", ran.err);
    assert_eq!(server.count("/one/1.2.0.tgz"), 0, "versions only are looked at");

    // Only what is named is looked up.
    let ran = silo(&place, &server, &["update", "two"]).await;
    assert_eq!((ran.expect(0).out.as_str(), read(&place) == first), ("", true));

    let ran = silo(&place, &server, &["update", "--dry-run", "--json"]).await;
    let printed: Value = serde_json::from_str(&ran.expect(0).out).unwrap();
    assert_eq!((&printed["version"], &printed["lock"], &printed["written"]), (&json!(1), &json!("silo.lock"), &json!(false)));
    assert_eq!(
        printed["changes"],
        json!([{
            "kind": "component", "name": "tool one", "from": "1.0.0", "to": "1.2.0", "step": "minor",
            "artifacts": { "added": 0, "changed": 1, "removed": 0, "unchanged": 0 },
        }])
    );
    assert!(printed["unchanged"].as_u64().unwrap() > 1, "{printed}");
    let ran = silo(&place, &server, &["update", "--dry-run"]).await;
    assert!(ran.expect(0).err.contains("silo.lock was not written"), "{}", ran.err);
    assert_eq!(read(&place), first);

    let ran = silo(&place, &server, &["update", "tool/one"]).await;
    let words: Vec<&str> = ran.expect(0).out.split_whitespace().collect();
    assert_eq!(words, ["tool", "one", "1.0.0", "→", "1.2.0", "minor", "1", "artefact", "changed"]);
    assert!(read(&place).contains("1.2.0"));
    silo(&place, &server, &["check", "--locked"]).await.expect(0);
    // What silo.kdl does not allow is shown, and counts as current.
    let ran = silo(&place, &server, &["outdated", "--json"]).await;
    let printed: Value = serde_json::from_str(&ran.expect(0).out).unwrap();
    let entry = printed["entries"].as_array().unwrap().iter().find(|entry| entry["name"] == "tool one").unwrap().clone();
    assert_eq!(
        entry,
        json!({ "kind": "component", "name": "tool one", "locked": "1.2.0", "allowed": "1.2.0", "newest": "2.0.0", "held": null, "behind": false, "error": null })
    );
}

#[tokio::test]
async fn what_is_packaged_moves_with_the_packages() {
    let mut answers = archive();
    for (path, later) in archive_of("1:2.0-2", 18) {
        answers.entry(path).or_default().extend(later);
    }
    let server = serve(answers).await;
    let place = Place::new();
    let text = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap { apt \"curl\"; }\n\
                define tool x { install apt { apt \"git\"; }; }\ntool x\n";
    place.write("silo.kdl", text);
    silo(&place, &server, &["lock"]).await.expect(0);
    assert!(!read(&place).contains("2.0-2"), "{}", read(&place));
    // A component whose packages stayed behind would ask the archive for what it no longer has.
    silo(&place, &server, &["update", "base"]).await.expect(0);
    assert!(read(&place).contains("2.0-2") && !read(&place).contains("2.0-1"), "{}", read(&place));
}

#[tokio::test]
async fn a_name_that_is_not_there_is_told_with_the_one_that_is() {
    let server = serve(BTreeMap::new()).await;
    let place = Place::new();
    place.write("silo.kdl", "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nlanguage node version=\"22\"\n");
    let ran = silo(&place, &server, &["update", "nod"]).await;
    assert!(ran.expect(2).err.contains("`nod` is not in this configuration"), "{}", ran.err);
    assert!(ran.err.contains("did you mean `node` (silo.kdl:3)?"), "{}", ran.err);
    let ran = silo(&place, &server, &["update", "language/deno"]).await;
    assert!(ran.expect(2).err.contains("`language deno` in silo.kdl adds it"), "{}", ran.err);
    assert!(silo(&place, &server, &["lock", "node"]).await.expect(2).err.contains("`silo update node`"));
    assert!(server.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn when_some_fail_all_are_listed_and_the_lock_stays() {
    let mut answers = archive();
    let gone = || (404, "", Vec::new());
    answers.insert("/one/index.json", vec![index(&["1.0.0"]), index(&["1.0.0", "1.1.0"])]);
    answers.insert("/two/index.json", vec![index(&["1.0.0"]), gone()]);
    answers.insert("/three/index.json", vec![index(&["1.0.0"]), gone()]);
    for path in ["/one/1.0.0.tgz", "/one/1.1.0.tgz", "/two/1.0.0.tgz", "/three/1.0.0.tgz"] {
        answers.insert(path, file(path));
    }
    let server = serve(answers).await;
    let place = Place::new();
    place.write("silo.kdl", configuration(&server.address, &["one", "two", "three"]));
    silo(&place, &server, &["lock"]).await.expect(0);
    let first = read(&place);
    let ran = silo(&place, &server, &["update", "--json"]).await;
    assert_eq!(ran.expect(1).out, "");
    assert!(ran.err.contains("tool two") && ran.err.contains("tool three") && !ran.err.contains("tool one"), "{}", ran.err);
    assert_eq!(read(&place), first);
    let left: Vec<_> = fs::read_dir(place.repository()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing else is left: {left:?}");
    // Looking shows what could be found, and says what could not.
    let ran = silo(&place, &server, &["outdated"]).await;
    assert!(ran.expect(1).out.contains("tool one  1.0.0   1.1.0"), "{}", ran.out);
    assert!(ran.err.contains("tool two cannot be looked up") && ran.err.contains("2 unknown"), "{}", ran.err);
    assert_eq!(read(&place), first);
}

#[test]
fn an_interrupted_lock_leaves_the_old_one() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new();
    let text = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n";
    place.locked(text);
    let first = read(&place);
    place.write("silo.kdl", format!("{text}tool git\n"));
    let mut command = place.command(&["lock"]);
    let mut child = command.env("SILO_APT_MIRROR", format!("http://{}", silent.local_addr().unwrap())).spawn().unwrap();
    // It waits for an answer once the server has its connection.
    let connection = silent.accept().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert!(!child.wait().unwrap().success());
    drop(connection);
    assert_eq!(read(&place), first);
    assert_eq!(fs::read_dir(place.repository()).unwrap().count(), 3, "nothing half-written is left");
}

#[test]
fn how_far_a_version_goes() {
    let far = |from: &str, to: &str| step(from, to);
    assert_eq!(far("1.9.0", "2.0.0"), Some(Step::Major));
    assert_eq!(far("1.9.0", "1.10.0"), Some(Step::Minor));
    assert_eq!(far("1.9.0", "1.9.1-2"), Some(Step::Patch));
    assert_eq!(far("1.10.0", "1.9.0"), Some(Step::Older));
    assert_eq!(far("1.9.0", "1.9.0"), None);
}

#[test]
fn a_difference_counts_what_stayed_and_tells_what_came_and_went() {
    let image = |text: &str| super::image(&format!("base \"debian:bookworm\" from=bootstrap\n{text}"));
    let old = answers::lock(&image("tool jq\nlanguage node version=\"22\"\n"));
    let mut new = answers::lock(&image("language node version=\"22\"\ntool gh\n"));
    new.base.digest = format!("sha256:{}", "1".repeat(64));
    let found = difference(Some(&old), &new);
    let told: Vec<(Subject, &str, bool, bool)> =
        found.changes.iter().map(|change| (change.subject, change.name.as_str(), change.from.is_some(), change.to.is_some())).collect();
    assert!(told.contains(&(Subject::Base, "base debian:bookworm", true, true)), "{told:?}");
    assert!(told.contains(&(Subject::Component, "tool jq", true, false)), "{told:?}");
    assert!(told.contains(&(Subject::Component, "tool gh", false, true)), "{told:?}");
    assert!(!told.iter().any(|(_, name, _, _)| *name == "language node"), "{told:?}");
    let same = difference(Some(&new), &new);
    assert!(same.changes.is_empty() && same.unchanged > 3, "{same:?}");
    let all = difference(None, &new);
    assert!(all.unchanged == 0 && all.changes.iter().all(|change| change.from.is_none() && change.step.is_none()), "{all:?}");
}
