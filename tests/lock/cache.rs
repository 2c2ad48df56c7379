//! What servers answered is used while it is good, asked about when it is not, and never trusted when it is damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::server::{archive, archive_of, locked, serve, surroundings};
use super::shell::fetch::cache::{Terms, Validators};
use super::shell::fetch::client::Ask;
use super::shell::fetch::login::Login;
use super::shell::fetch::{Client, Freshness};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use silo::lock::npm::{Packument, reduced};
use silo::problem::Code;

/// The 24th of November 2026, 12:00:00.
const NOW: u64 = 1_795_521_600;
const NOON: (&str, &str) = ("date", "Tue, 24 Nov 2026 12:00:00 GMT");

fn terms(header: &[(&str, &str)]) -> Terms {
    let mut headers = HeaderMap::new();
    for (name, value) in header {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Terms::read(&headers, NOW)
}

#[test]
fn how_long_an_answer_is_good() {
    type Header = &'static [(&'static str, &'static str)];
    let lifetimes: &[(Header, Option<u64>)] = &[
        (&[("cache-control", "public, max-age=300")], Some(300)),
        (&[("cache-control", "Max-Age=\"300\""), ("age", "100")], Some(200)),
        (&[("cache-control", "max-age=300"), ("date", "Tue, 24 Nov 2026 11:59:00 GMT")], Some(240)),
        (&[("cache-control", "max-age=300"), ("expires", "Tue, 24 Nov 2026 13:00:00 GMT"), NOON], Some(300)),
        (&[("expires", "Tue, 24 Nov 2026 13:00:00 GMT"), NOON], Some(3600)),
        // By the server's clock, which need not be ours.
        (&[("expires", "Tue, 24 Nov 2026 15:00:00 GMT"), ("date", "Tue, 24 Nov 2026 14:00:00 GMT")], Some(3600)),
        (&[("expires", "0"), NOON], Some(0)),
        (&[("cache-control", "max-age=soon")], Some(0)),
        (&[("cache-control", "no-cache, max-age=300")], Some(0)),
        (&[("cache-control", "no-store"), ("cache-control", "max-age=300")], None),
        (&[("cache-control", "max-age=300"), ("vary", "*")], None),
        (&[("vary", "Accept, Accept-Encoding")], Some(600)),
        (&[], Some(600)),
        (&[("last-modified", "Tue, 24 Nov 2020 12:00:00 GMT"), NOON], Some(600)),
        (&[("last-modified", "Tue, 24 Nov 2026 11:50:00 GMT"), NOON], Some(60)),
    ];
    for (header, lifetime) in lifetimes {
        assert_eq!(terms(header).lifetime, *lifetime, "{header:?}");
    }
    let asked = terms(&[("etag", "W/\"1\""), ("last-modified", "x")]).validators;
    assert!(terms(&[("cache-control", "no-cache")]).said && !terms(&[("last-modified", "x")]).said);
    assert_eq!(asked, Validators { etag: Some("W/\"1\"".to_string()), modified: Some("x".to_string()) });
}

fn client(folder: &Path, freshness: Freshness) -> Client<'static> {
    Client::new(Some(folder.to_path_buf()), freshness).unwrap()
}

#[tokio::test]
async fn a_good_answer_is_used_and_another_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let old = || (304, "", Vec::new());
    let stale = "Cache-Control: max-age=0\r\nLast-Modified: Tue, 24 Nov 2020 12:00:00 GMT";
    let server = serve(BTreeMap::from([
        ("/good", vec![(200, "ETag: \"1\"\r\nCache-Control: max-age=60", b"one".to_vec()), old(), (200, "", b"two".to_vec())]),
        ("/stale", vec![(200, stale, b"one".to_vec()), old(), old(), (200, "", b"two".to_vec())]),
        ("/secret", vec![(200, "Cache-Control: no-store", b"one".to_vec()), (200, "", b"two".to_vec())]),
        ("/mine", vec![(200, "", b"one".to_vec()), (200, "", b"two".to_vec())]),
    ]))
    .await;
    let get = |path: &'static str, freshness, token: Option<&'static str>| {
        let (client, url) = (client(folder.path(), freshness), format!("{}{path}", server.address));
        async move {
            let login = token.map_or(Login::Nobody, |text| Login::Header { url: url.clone(), text: text.to_string() });
            let ask = Ask { login, ..Ask::default() };
            String::from_utf8(client.get(&url, &ask).await.unwrap()).unwrap()
        }
    };
    use Freshness::{Asked, Trusted};
    for _ in 0..3 {
        assert_eq!(get("/good", Trusted, None).await, "one");
    }
    assert_eq!(server.count("/good"), 1);
    // Whoever wants to know what is new asks, with what the server said of the old one.
    assert_eq!(get("/good", Asked, None).await, "one");
    assert!(server.asked.lock().unwrap()[1].to_lowercase().contains("if-none-match: \"1\""), "{:?}", server.asked);
    assert_eq!(get("/good", Asked, None).await, "two");
    assert_eq!((get("/good", Trusted, None).await.as_str(), server.count("/good")), ("two", 3));

    for body in ["one", "one", "one", "two"] {
        assert_eq!(get("/stale", Trusted, None).await, body);
    }
    let asked = server.asked.lock().unwrap()[4..7].concat().to_lowercase();
    assert_eq!(asked.matches("if-modified-since: tue, 24 nov 2020 12:00:00 gmt").count(), 3, "{asked}");

    assert_eq!((get("/secret", Trusted, None).await, get("/secret", Trusted, None).await), ("one".to_string(), "two".to_string()));
    // What one may read is not what another may.
    let (one, two, again) = (get("/mine", Trusted, Some("Bearer 1")).await, get("/mine", Trusted, None).await, "one");
    assert_eq!((one.as_str(), two.as_str(), get("/mine", Trusted, Some("Bearer 1")).await.as_str()), (again, "two", again));
}

#[tokio::test]
async fn the_digest_of_a_large_file_is_kept_and_not_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let body = vec![7; 1 << 20];
    let server = serve(BTreeMap::from([("/large", vec![(200, "", body.clone())])])).await;
    for _ in 0..2 {
        let found = client(folder.path(), Freshness::Trusted).digest(&format!("{}/large", server.address)).await.unwrap();
        assert_eq!(found, silo::digest::sha256_hex(&body));
    }
    let size: u64 = files(folder.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert_eq!((server.count("/large"), size < 1000), (1, true));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_damaged_entry_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(BTreeMap::from([("/a", vec![(200, "ETag: \"1\"", b"a whole text".to_vec())])])).await;
    let url = format!("{}/a", server.address);
    let damages: [fn(Vec<u8>) -> Vec<u8>; 4] = [
        |text| text[..text.len() - 1].to_vec(),
        |text| text.iter().map(|byte| if *byte == b'w' { b'W' } else { *byte }).collect(),
        |_| Vec::new(),
        |_| b"\xff\n{}\n".to_vec(),
    ];
    for (count, damage) in damages.into_iter().enumerate() {
        assert_eq!(client(folder.path(), Freshness::Trusted).get(&url, &Ask::default()).await.unwrap(), b"a whole text");
        assert_eq!(server.count("/a"), count + 1);
        let [file] = &files(folder.path())[..] else { panic!("one entry") };
        fs::write(file, damage(fs::read(file).unwrap())).unwrap();
    }
    // Nothing is asked of it either: the server is not told that there is something that is none.
    assert!(!server.asked.lock().unwrap().concat().to_lowercase().contains("if-none-match"));
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_the_same_time_leave_whole_entries() {
    let folder = tempfile::tempdir().unwrap();
    let body = vec![b'x'; 300_000];
    let server = serve(BTreeMap::from([("/a", vec![(200, "", body.clone())])])).await;
    let tasks = (0..24).map(|count| {
        let freshness = if count % 2 == 0 { Freshness::Asked } else { Freshness::Trusted };
        let (client, url) = (client(folder.path(), freshness), format!("{}/a", server.address));
        tokio::spawn(async move { client.get(&url, &Ask::default()).await.unwrap() })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert!(task.await.unwrap() == body);
    }
    let before = server.count("/a");
    assert!(client(folder.path(), Freshness::Trusted).get(&format!("{}/a", server.address), &Ask::default()).await.unwrap() == body);
    assert_eq!((server.count("/a"), files(folder.path()).len()), (before, 1));
}

const TEXT: &str = "base \"debian:bookworm\" from=bootstrap { apt \"curl\"; }\n";

#[tokio::test]
async fn a_second_look_asks_nobody_and_a_new_index_asks_for_its_release_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = archive();
    for (path, later) in archive_of("1:3.0-1", 18) {
        answers.entry(path).or_default().extend(later);
    }
    let server = serve(answers).await;
    let surroundings = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let look = async || locked(TEXT, None, &surroundings).await.0.unwrap().0;
    let first = look().await;
    let asked = server.asked.lock().unwrap().len();
    assert_eq!(look().await, first);
    assert_eq!(server.asked.lock().unwrap().len(), asked, "{:?}", server.asked);
    // An index that is not here any more is not asked of an archive that may have moved on: what it has now is taken as a whole.
    let indexes: Vec<PathBuf> = files(&folder.path().join("cache/silo/http"))
        .into_iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains("\ncurl\t=\t"))
        .collect();
    assert!(!indexes.is_empty());
    indexes.into_iter().for_each(|file| fs::remove_file(file).unwrap());
    let second = look().await;
    assert!(second.base.digest != first.base.digest && second.print().contains("1:3.0-1"), "{}", second.print());
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    // Where the folder should be is a file: not even root can write there.
    fs::write(folder.path().join("cache"), "").unwrap();
    let server = serve(archive()).await;
    let (result, _) = locked(TEXT, None, &surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)])).await;
    let problems = result.unwrap().1;
    let [problem] = &problems.iter().collect::<Vec<_>>()[..] else { panic!("one warning: {problems:?}") };
    assert_eq!(problem.code, Code::CacheUnwritten);
    assert!(problem.message.contains("cache/silo/http: "), "{}", problem.message);
}

#[test]
fn a_reduced_document_reads_like_the_whole() {
    let text = r#"{
        "_id": "x", "name": "x", "readme": "long", "dist-tags": { "latest": "1.0.0" }, "time": { "1.0.0": "2026-01-01T00:00:00Z" },
        "versions": { "1.0.0": {
            "name": "x", "version": "1.0.0", "scripts": { "test": "true" }, "exports": { ".": "./x.js" },
            "dependencies": { "a": "^1" }, "optionalDependencies": { "b": "1" }, "peerDependencies": { "c": "*" },
            "peerDependenciesMeta": { "c": { "optional": true } }, "bundledDependencies": ["a"], "os": ["linux"], "cpu": "x64",
            "libc": ["glibc"], "bin": "./x.js", "deprecated": "use y",
            "dist": { "integrity": "sha512-AA==", "shasum": "00", "signatures": [{ "sig": "s" }] } } } }"#;
    let short = reduced(text.as_bytes()).unwrap();
    let read = |bytes: &[u8]| format!("{:?}", serde_json::from_slice::<Packument>(bytes).unwrap());
    assert_eq!(read(&short), read(text.as_bytes()));
    let short = String::from_utf8(short).unwrap();
    for gone in ["readme", "scripts", "exports", "signatures", "_id"] {
        assert!(!short.contains(gone), "{gone} in {short}");
    }
    assert_eq!(reduced(b"[1]"), None);
    assert_eq!(reduced(b"{\"error\": \"no\"}"), None);
}
