//! Versions and checksums by lists of versions, from servers of this machine: none of the real ones can be asked here.

use std::fmt::Write;

use super::server::{archive, locked, serve, surroundings};
use silo::digest::{Sha512, sha256_hex};
use silo::lock::{Artifact, Lock, LockedComponent, Trust};
use silo::problem::Code;

fn only(lock: &Lock) -> &LockedComponent {
    lock.components.iter().find(|component| component.id.name.as_str() == "x").unwrap()
}

fn hashes(component: &LockedComponent) -> Vec<(&str, Trust)> {
    let mut found = Vec::new();
    for artifact in &component.artifacts {
        if let Artifact::File { arch: _, url: _, sha256, trust } = artifact {
            found.push((sha256.as_str(), *trust));
        }
    }
    found
}

fn tool(install: &str, request: &str) -> String {
    format!(
        "define tool x {{\n install vendor {{\n{install}\n bin \"x\" \"x\"\n }}\n}}\nbase \"debian:bookworm\" from=bootstrap\ntool x version=\"{request}\"\n"
    )
}

#[tokio::test]
async fn a_beginning_is_found_in_a_list_that_has_the_checksums_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = archive();
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let list = format!(
        r#"[{{"version":"v2.0.0","files":[]}},{{"version":"v1.4.2","files":[{{"name":"x-1.4.2-amd64.tgz","sha256":"{a}"}},{{"name":"x-1.4.2-arm64.tgz","sha256":"{b}"}}]}}]"#
    );
    answers.insert("/index.json", vec![(200, "", list.into_bytes())]);
    let server = serve(answers).await;
    let surroundings = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let install = format!(
        "versions \"{0}/index.json\" json=\"*/version\" prefix=\"v\"\ndownload \"{0}/x-%{{version}}-%{{arch}}.tgz\"",
        server.address
    );
    let (lock, problems) = locked(&tool(&install, "1"), None, &surroundings).await.0.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(only(&lock).version, "1.4.2");
    assert_eq!(hashes(only(&lock)), [(a.as_str(), Trust::Published), (b.as_str(), Trust::Published)]);
    // What is not there is said, with what is.
    let problems = locked(&tool(&install, "1.9"), None, &surroundings).await.0.unwrap_err();
    let message = &problems.iter().next().unwrap().message;
    assert!(message.contains("there is no version `1.9`: the newest of 1 is 1.4.2, of all 2.0.0"), "{message}");
    // Another place for the same list asks nothing new.
    let moved = tool(&install, "1").replace("/index.json", "/moved.json");
    assert_eq!(silo::lock::state(&super::image(&moved), Some(&lock)), silo::lock::LockState::Fresh);
}

#[tokio::test]
async fn a_sha512_is_compared_and_the_lock_keeps_the_sha256() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = archive();
    let mut hash = Sha512::default();
    hash.update(b"sdk");
    answers.insert(
        "/10.0/list.json",
        vec![(200, "", format!(r#"[{{"url":"NONE","name":"x-10.0.100.tgz","hash":"{}"}}]"#, hash.finish()).into_bytes())],
    );
    answers.insert("/9.0/list.json", vec![(200, "", format!(r#"[{{"name":"x-9.0.307.tgz","hash":"{}"}}]"#, "0".repeat(128)).into_bytes())]);
    answers.insert("/x-10.0.100.tgz", vec![(200, "", b"sdk".to_vec())]);
    answers.insert("/x-9.0.307.tgz", vec![(200, "", b"sdk".to_vec())]);
    let server = serve(answers).await;
    let surroundings = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let install = format!(
        "download \"{0}/x-%{{version}}.tgz\" {{ checksums \"{0}/%{{version.major}}.%{{version.minor}}/list.json\"; }}",
        server.address
    );
    let (lock, _) = locked(&tool(&install, "10.0.100"), None, &surroundings).await.0.unwrap();
    assert_eq!(hashes(only(&lock)), [(sha256_hex(b"sdk").as_str(), Trust::Published)]);
    let problems = locked(&tool(&install, "9.0.307"), None, &surroundings).await.0.unwrap_err();
    let message = &problems.iter().next().unwrap().message;
    assert!(message.contains("the SHA-512 of") && message.contains(&"0".repeat(128)), "{message}");
}

/// A page of releases as GitHub's API gives it, with what is read of it.
fn page(versions: impl Iterator<Item = (String, bool)>) -> Vec<u8> {
    let mut text = String::from("[");
    for (version, preview) in versions {
        let comma = if text.len() > 1 { "," } else { "" };
        write!(
            text,
            r#"{comma}{{"tag_name":"v{version}","draft":false,"prerelease":{preview},"published_at":"2025-11-11T10:00:00Z","assets":[]}}"#
        )
        .unwrap();
    }
    text.push(']');
    text.into_bytes()
}

#[tokio::test]
async fn releases_of_a_repository_are_read_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = archive();
    let first = (0..100).map(|number| (format!("2.{number}.0"), false)).chain([("3.0.0-rc.1".to_string(), true)]).rev().take(100);
    answers.insert("/repos/acme/x/releases?per_page=100&page=1", vec![(200, "", page(first))]);
    let second = [("1.9.1".to_string(), false), ("1.9.0".to_string(), false)].into_iter();
    answers.insert("/repos/acme/x/releases?per_page=100&page=2", vec![(200, "", page(second))]);
    let hash = "c".repeat(64);
    let tagged =
        format!(r#"{{"tag_name":"v1.8.0","assets":[{{"name":"x-1.8.0","digest":"sha256:{hash}"}},{{"name":"y","digest":null}}]}}"#);
    answers.insert("/repos/acme/x/releases/tags/v1.8.0", vec![(200, "", tagged.into_bytes())]);
    for version in ["2.99.0", "1.9.1", "3.0.0-rc.1"] {
        answers.insert(Box::leak(format!("/x-{version}").into_boxed_str()), vec![(200, "", b"x".to_vec())]);
    }
    let server = serve(answers).await;
    let surroundings =
        surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror), ("GITHUB_API_URL", &server.address), ("GITHUB_TOKEN", "t0ken")]);
    let install = format!("versions github_releases=\"acme/x\" prefix=\"v\"\ndownload \"{}/x-%{{version}}\"", server.address);
    let found = async |request: &str| only(&locked(&tool(&install, request), None, &surroundings).await.0.unwrap().0).clone();
    let latest = found("latest").await;
    assert_eq!((latest.version.as_str(), hashes(&latest)[0].1), ("2.99.0", Trust::FirstUse));
    assert_eq!(server.count("/repos/acme/x/releases?per_page=100&page=2"), 0, "the newest is on the first page");
    assert_eq!(found("1").await.version, "1.9.1");
    assert_eq!(found("3.0.0-rc").await.version, "3.0.0-rc.1");
    let exact = found("1.8.0").await;
    assert_eq!((exact.version.as_str(), hashes(&exact)), ("1.8.0", vec![(hash.as_str(), Trust::Published)]));
    let asked = server.asked.lock().unwrap();
    let with = |path: &str| {
        asked.iter().filter(|request| request.contains(path)).all(|request| request.to_lowercase().contains("authorization: bearer t0ken"))
    };
    assert!(with("GET /repos/"), "{asked:?}");
    assert!(!asked.iter().any(|request| request.contains("GET /x-") && request.contains("t0ken")), "the token is the API's alone");
}

#[tokio::test]
async fn a_spent_limit_is_explained_and_an_exact_version_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = archive();
    let spent = "X-RateLimit-Remaining: 0\r\nRetry-After: 1740";
    answers.insert("/repos/acme/x/releases?per_page=100&page=1", vec![(403, spent, Vec::new())]);
    answers.insert("/repos/acme/x/releases/tags/v1.8.0", vec![(403, spent, Vec::new())]);
    answers.insert("/x-1.8.0", vec![(200, "", b"x".to_vec())]);
    let server = serve(answers).await;
    let mut surroundings = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror), ("GITHUB_API_URL", &server.address)]);
    surroundings.variables.remove("GITHUB_TOKEN");
    surroundings.variables.remove("GH_TOKEN");
    let install = format!("versions github_releases=\"acme/x\" prefix=\"v\"\ndownload \"{}/x-%{{version}}\"", server.address);
    let problems = locked(&tool(&install, "latest"), None, &surroundings).await.0.unwrap_err();
    let message = &problems.iter().next().unwrap().message;
    assert!(message.contains("no more requests for 29 minutes") && message.contains("GITHUB_TOKEN"), "{message}");
    assert_eq!(server.count("/repos/acme/x/releases?per_page=100&page=1"), 1, "asking again would be in vain");
    let (lock, problems) = locked(&tool(&install, "1.8.0"), None, &surroundings).await.0.unwrap();
    assert_eq!(hashes(only(&lock)), [(sha256_hex(b"x").as_str(), Trust::FirstUse)]);
    let warning = problems.iter().next().unwrap();
    assert!(warning.code == Code::LockFallback && warning.message.contains("seen first"), "{warning:?}");
}

/// A part of the list as it is published.
fn pythons(address: &str) -> String {
    let entry = |version: &str, day: &str, triple: &str, sha256: &str| {
        format!(
            r#""cpython-{version}-{triple}-{day}": {{ "name": "cpython", "major": 3, "prerelease": "",
                "url": "{address}/astral-sh/python-build-standalone/releases/download/{day}/cpython-{version}%2B{day}-{triple}-install_only_stripped.tar.gz",
                "sha256": "{sha256}" }}"#
        )
    };
    let (amd64, arm64) = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu");
    let rows = [
        entry("3.13.0rc2", "20240909", amd64, &"1".repeat(64)),
        entry("3.12.7", "20241008", amd64, &"2".repeat(64)),
        entry("3.12.7", "20241016", amd64, &"3".repeat(64)),
        entry("3.12.7", "20241016", arm64, &"4".repeat(64)),
        entry("3.12.9", "20241016", "aarch64-apple-darwin", &"5".repeat(64)),
        entry("3.11.10", "20241016", "x86_64-unknown-linux-musl", &"6".repeat(64)),
    ];
    format!("{{{}}}", rows.join(","))
}

#[tokio::test]
async fn a_python_that_the_distribution_lacks_is_found_with_its_build_and_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = archive();
    let server = {
        // The list names its own server, which is known when it listens.
        answers
            .insert("/astral-sh/uv/main/crates/uv-python/download-metadata.json", vec![(200, "", pythons("https://x.test").into_bytes())]);
        serve(answers).await
    };
    let surroundings = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let definition = include_str!("../../images/language/python.kdl");
    let install = &definition[definition.find("    install standalone {").unwrap()..];
    let install = &install[..install.find("\n    }\n").unwrap() + 7];
    let install = install.replace("https://raw.githubusercontent.com", &server.address).replace("https://github.com", "https://x.test");
    let text =
        |version: &str| format!("define tool x {{\n{install}\n}}\nbase \"debian:bookworm\" from=bootstrap\ntool x version=\"{version}\"\n");
    for version in ["3.12", "3.12.7", ">=3.12", "latest"] {
        let (lock, problems) = locked(&text(version), None, &surroundings).await.0.unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(only(&lock).version, "3.12.7+20241016", "the newest build, of Linux with glibc, and no preview");
        assert_eq!(only(&lock).released.map(|time| time.day()).as_deref(), Some("2024-10-16"));
        assert_eq!(hashes(only(&lock)), [("3".repeat(64).as_str(), Trust::Published), ("4".repeat(64).as_str(), Trust::Published)]);
    }
    let problems = locked(&text("3.11"), None, &surroundings).await.0.unwrap_err();
    let message = &problems.iter().next().unwrap().message;
    assert!(message.contains("there is no version `3.11`") && message.contains("3.12.7+20241016"), "{message}");
}
