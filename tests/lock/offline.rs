//! Offline nobody is asked: what servers answered before is used, and what they did not answer is named.

use std::collections::BTreeMap;
use std::fs;

use silo::digest::sha256_hex;

use super::server::{Answers, Server, archive, serve};
use crate::cli::{Place, Ran};

fn tool(address: &str, name: &str) -> String {
    format!(
        "define tool {name} {{\n    install vendor {{\n        versions \"{address}/{name}/index.json\" json=\"*/version\"\n        \
         download \"{address}/{name}/%{{version}}.tgz\"\n        bin \"{name}\" \"{name}\"\n    }}\n    install apt {{ apt \"git\"; }}\n}}\ntool {name}\n"
    )
}

fn configuration(address: &str, tools: &[&str]) -> String {
    let tools: String = tools.iter().map(|name| tool(address, name)).collect();
    format!("silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n{tools}")
}

fn answers() -> Answers {
    let mut answers = archive();
    for (index, file) in [("/one/index.json", "/one/1.0.0.tgz"), ("/two/index.json", "/two/1.0.0.tgz")] {
        answers.insert(index, vec![(200, "Cache-Control: max-age=0", br#"[{"version": "1.0.0"}]"#.to_vec())]);
        answers.insert(file, vec![(200, "Cache-Control: max-age=0", file.as_bytes().to_vec())]);
    }
    answers
}

async fn silo(place: &Place, server: &Server, variable: Option<&str>, args: &[&str]) -> Ran {
    let mut command = place.command(args);
    command.env("SILO_APT_MIRROR", &server.mirror);
    variable.into_iter().for_each(|value| _ = command.env("SILO_OFFLINE", value));
    Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

fn read(place: &Place) -> String {
    fs::read_to_string(place.repository().join("silo.lock")).unwrap()
}

#[tokio::test]
async fn what_was_answered_is_used_however_old_and_nobody_is_asked() {
    let server = serve(answers()).await;
    let place = Place::new();
    place.write("silo.kdl", configuration(&server.address, &["one", "two"]));
    silo(&place, &server, None, &["lock"]).await.expect(0);
    let (first, asked) = (read(&place), server.asked.lock().unwrap().len());
    assert!(first.contains(&sha256_hex(b"/one/1.0.0.tgz")) && first.contains(&sha256_hex(b"/two/1.0.0.tgz")), "{first}");

    // Every answer is stale by its server's word, and good enough.
    for variable in [None, Some("1"), Some("true"), Some("YES"), Some("on")] {
        fs::remove_file(place.repository().join("silo.lock")).unwrap();
        let args: &[&str] = if variable.is_some() { &["lock"] } else { &["lock", "--offline"] };
        silo(&place, &server, variable, args).await.expect(0);
        assert_eq!(read(&place), first, "{variable:?}");
    }
    silo(&place, &server, None, &["update", "--offline"]).await.expect(0);
    silo(&place, &server, None, &["outdated", "--offline"]).await.expect(0);
    assert_eq!((read(&place), server.asked.lock().unwrap().len()), (first, asked));
    // A word for no is no.
    for word in ["", "0", "No", "false", "off"] {
        silo(&place, &server, Some(word), &["outdated"]).await.expect(0);
    }
    assert!(server.asked.lock().unwrap().len() > asked);
}

#[tokio::test]
async fn what_was_not_answered_is_named_and_no_other_source_is_taken_instead() {
    let server = serve(answers()).await;
    let place = Place::new();
    place.write("silo.kdl", configuration(&server.address, &["one"]));
    silo(&place, &server, None, &["lock"]).await.expect(0);
    let (first, asked) = (read(&place), server.asked.lock().unwrap().len());
    place.write("silo.kdl", configuration(&server.address, &["one", "two"]));
    // The distribution's index is kept, and `git` is in it: it is not what is locked online.
    let ran = silo(&place, &server, None, &["lock", "--offline"]).await;
    let said = crate::support::words(&ran.expect(1).err);
    assert!(said.contains("/two/index.json is not among what was kept of servers' answers, and silo is offline"), "{said}");
    assert!(said.contains("run the same once without that") && !said.contains("silo::lock::fallback"), "{said}");
    assert_eq!((read(&place), server.asked.lock().unwrap().len()), (first, asked));
    // Nothing was ever answered here.
    let other = Place::new();
    other.write("silo.kdl", configuration(&server.address, &["one"]));
    let said = crate::support::words(&silo(&other, &server, None, &["lock", "--offline"]).await.expect(1).err);
    assert!(said.contains("/dists/bookworm/InRelease is not among") && !said.contains("set SILO_APT_MIRROR"), "{said}");
    assert_eq!(server.asked.lock().unwrap().len(), asked);

    place.write("silo.kdl", "silo edition=\"2026\"\nbase \"registry.example.test/debian:12\"\n");
    let said = crate::support::words(&silo(&place, &server, Some("1"), &["lock"]).await.expect(1).err);
    assert!(said.contains("the digest of registry.example.test/debian:12 is asked of its registry, and silo is offline"), "{said}");
}

#[tokio::test]
async fn a_word_that_is_neither_yes_nor_no_is_an_error() {
    let server = serve(BTreeMap::new()).await;
    let place = Place::new();
    place.write("silo.kdl", configuration(&server.address, &[]));
    for args in [&["lock"][..], &["update"], &["outdated"], &["build"], &["run", "claude"], &["shell"], &["vendor", "v"], &[]] {
        let ran = silo(&place, &server, Some("maybe"), args).await;
        assert!(ran.err.contains("the variable SILO_OFFLINE is `maybe`, which is neither yes nor no"), "{args:?}: {}", ran.err);
        assert!(ran.expect(2).err.contains("`SILO_OFFLINE=1`"));
    }
    assert!(server.asked.lock().unwrap().is_empty());
}
