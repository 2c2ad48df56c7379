use std::collections::BTreeMap;
use std::sync::Mutex;

use super::image;
use super::shell::bootstrap::{BootstrapError, bootstrap, usual_mirror};
use super::shell::fetch::client::Ask;
use super::shell::fetch::{Client, Freshness, Surroundings, open};
use crate::support::archive::{Answer, serve};
use silo::digest::sha256_hex;
use silo::lock::LockedBase;
use silo::lock::time::Time;
use silo::spec::{BaseFrom, Distribution, Mirrors};

async fn base() -> (LockedBase, Distribution, Surroundings) {
    let distribution = image("base \"debian:bookworm\" from=bootstrap\n").base.distribution;
    let surroundings = Surroundings::of_process(None, Mirrors::default());
    let archive = open(&Client::new(None, Freshness::Asked).unwrap(), &surroundings, &distribution).await.unwrap();
    let base = LockedBase {
        reference: "debian:bookworm".to_string(),
        from: BaseFrom::Bootstrap,
        digest: archive.digest,
        platforms: BTreeMap::new(),
        epoch: archive.release.date,
    };
    (base, distribution, surroundings)
}

/// The address of the archive that has Debian 12.
pub async fn archive() -> String {
    let (_, distribution, surroundings) = base().await;
    open(&Client::new(None, Freshness::Asked).unwrap(), &surroundings, &distribution).await.unwrap().source.uri
}

#[tokio::test]
async fn two_runs_give_the_same_bytes_and_nothing_of_this_machine() {
    let (base, distribution, surroundings) = base().await;
    let mut hashes = Vec::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let lines = Mutex::new(Vec::new());
        let start = std::time::Instant::now();
        let tar = bootstrap(&base, &distribution, &surroundings, folder.path(), &|line: &str| lines.lock().unwrap().push(line.to_string()))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        println!("{:?}, {} bytes", start.elapsed(), tar.metadata().unwrap().len());
        assert!(lines.lock().unwrap().len() > 5);
        let bytes = std::fs::read(&tar).unwrap();
        hashes.push(sha256_hex(&bytes));
        let mut files = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().trim_start_matches("./").trim_end_matches('/').to_string();
            let mut text = String::new();
            if path == "etc/apt/sources.list" {
                std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
            }
            files.insert(path, text);
        }
        let sources = &files["etc/apt/sources.list"];
        assert!(sources.contains("bookworm main") && sources.contains("bookworm-security main"), "{sources}");
        assert!(sources.contains(&usual_mirror("bookworm").await.unwrap()), "{sources}");
        for gone in
            ["etc/apt/sources.list.silo", "etc/apt/apt.conf.d/99mmdebstrap", "var/log/dpkg.log", "etc/ssl/certs/ca-certificates.crt"]
        {
            assert!(!files.contains_key(gone), "{gone}");
        }
        assert!(!files.keys().any(|path| path.starts_with("var/lib/apt/lists/") && path.contains("Packages")));
        // A second call uses what is there.
        let again = bootstrap(&base, &distribution, &surroundings, folder.path(), &|_| panic!("it was made again")).await.unwrap();
        assert_eq!(again, tar);
    }
    assert_eq!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn an_archive_that_moved_on_is_an_error_with_advice() {
    let (base, distribution, surroundings) = base().await;
    let old = LockedBase { digest: format!("sha256:{}", "0".repeat(64)), ..base };
    let folder = tempfile::tempdir().unwrap();
    let error = bootstrap(&old, &distribution, &surroundings, folder.path(), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BootstrapError::Moved { .. }), "{error}");
    assert!(error.help().unwrap().contains("silo update base"));
    let nowhere = Surroundings { variables: [("PATH".to_string(), "/nonexistent".to_string())].into(), ..surroundings };
    let error = bootstrap(&old, &distribution, &nowhere, folder.path(), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BootstrapError::NoProgram), "{error}");
}

#[tokio::test]
async fn a_base_whose_release_has_moved_on_is_made_from_the_snapshot_that_the_new_one_names() {
    let (base, distribution, surroundings) = base().await;
    let client = Client::new(None, Freshness::Asked).unwrap();
    let archive = archive().await;
    let release = client.get(&format!("{archive}/dists/bookworm/InRelease"), &Ask::default()).await.unwrap();
    let release = String::from_utf8(release).unwrap();
    let moment = Time(base.epoch.unwrap());
    // Taken a little later than the moment that the lock names, and asked by the time of the day after.
    let kept = moment.plus(86_400).compact();
    let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    let port = serve("127.0.0.1", move |path| {
        seen.lock().unwrap().push(path.to_string());
        // Its own address is what whoever asks says: one archive names a place of old states, the other one does not.
        if path.ends_with("/dists/bookworm/InRelease") && path.starts_with("/now") {
            let newer = format!("Codename: bookworm\nDate: Sat, 07 Nov 2099 10:00:00 UTC\n{}", release.replace("Codename: bookworm\n", ""));
            let port = path.trim_start_matches("/now-").split('/').next().unwrap();
            let place = format!("Snapshots: http://127.0.0.1:{port}/old/@SNAPSHOTID@/\n{newer}");
            return Answer::Bytes(if path.starts_with("/now-") { place } else { newer }.into_bytes());
        }
        match path.strip_prefix(&format!("/old/{kept}/")) {
            Some(file) => Answer::Elsewhere(format!("{archive}/{file}")),
            None => Answer::Missing,
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let with = |name: &str| {
        let mut here = surroundings.clone();
        here.variables.insert("SILO_APT_MIRROR".to_string(), format!("[trusted=yes] http://127.0.0.1:{port}/{name}"));
        here
    };
    let error = bootstrap(&base, &distribution, &with("now"), folder.path(), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BootstrapError::Moved { .. }) && error.help().unwrap().contains("SILO_APT_SNAPSHOT"), "{error}");
    let tar = bootstrap(&base, &distribution, &with(&format!("now-{port}")), folder.path(), &|_| {})
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let asked = asked.lock().unwrap().join("\n");
    assert!(asked.contains(&format!("/old/{}/dists/bookworm/InRelease", moment.compact())), "the moment itself comes first: {asked}");
    assert!(asked.contains("/pool/"), "packages are of the snapshot: {asked}");
    let bytes = std::fs::read(&tar).unwrap();
    let mut tar = tar::Archive::new(&bytes[..]);
    let sources = tar.entries().unwrap().map(Result::unwrap).find(|entry| entry.path().unwrap().ends_with("etc/apt/sources.list"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut sources.unwrap(), &mut text).unwrap();
    assert!(text.contains("bookworm main") && !text.contains("127.0.0.1"), "the image keeps the ordinary sources: {text}");
}
