use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::image;
use super::shell::fetch::client::Ask;
use super::shell::fetch::{Client, Event, FetchError, Freshness, Options, Servers, Surroundings, Update, resolve};
use silo::digest::sha256_hex;
use silo::lock::{Artifact, ImageDigests, Lock, Trust};
use silo::problem::{Code, Problems};
use silo::spec::{Arch, LockPolicy, Mirrors};

/// What a path answers: one after the other, the last one for ever.
pub type Answers = BTreeMap<&'static str, Vec<(u16, &'static str, Vec<u8>)>>;

pub struct Server {
    pub address: String,
    /// As a mirror of a distribution whose release files nobody signed.
    pub mirror: String,
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|request| request.starts_with(&format!("GET {path} "))).count()
    }
}

/// Whether a request has come, with its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    body.len() >= length
}

pub async fn serve(answers: Answers) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (seen, answers) = (asked.clone(), Arc::new((answers, Mutex::new(BTreeMap::<String, usize>::new()))));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (seen, answers) = (seen.clone(), answers.clone());
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !is_whole(&request) {
                    let mut byte = [0; 1024];
                    match socket.read(&mut byte).await {
                        Ok(size) if size > 0 => request.extend_from_slice(&byte[..size]),
                        _ => return,
                    }
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap().to_string();
                seen.lock().unwrap().push(request.clone());
                let index = {
                    let mut counts = answers.1.lock().unwrap();
                    let count = counts.entry(path.clone()).or_insert(0);
                    *count += 1;
                    *count - 1
                };
                let list = answers.0.get(path.as_str());
                let (status, header, body) = list.map_or((404, "", Vec::new()), |list| list[index.min(list.len() - 1)].clone());
                let matches = header
                    .strip_prefix("ETag: ")
                    .is_some_and(|tag| request.to_lowercase().contains(&format!("if-none-match: {}", tag.to_lowercase())));
                let (status, body) = if matches { (304, Vec::new()) } else { (status, body) };
                let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
                let head = format!("HTTP/1.1 {status} X\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                drop(socket.write_all(head.as_bytes()).await);
                drop(socket.write_all(&body).await);
            });
        }
    });
    Server { mirror: format!("[trusted=yes] {address}"), address, asked }
}

pub fn surroundings(folder: &Path, more: &[(&str, &str)]) -> Surroundings {
    let mut variables: BTreeMap<String, String> = std::env::vars().filter(|(name, _)| !name.to_lowercase().ends_with("_proxy")).collect();
    variables.insert("HOME".to_string(), folder.display().to_string());
    variables.insert("XDG_CACHE_HOME".to_string(), folder.join("cache").display().to_string());
    variables.extend(more.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    Surroundings { variables, npmrc: None, apt: folder.join("apt"), keyrings: folder.join("keyrings"), mirrors: Mirrors::default() }
}

#[tokio::test]
async fn a_server_that_stumbles_is_asked_again_and_a_missing_file_is_not() {
    let server =
        serve(BTreeMap::from([("/a", vec![(503, "", Vec::new()), (200, "", b"text".to_vec())]), ("/down", vec![(500, "", Vec::new())])]))
            .await;
    let client = Client::new(None, Freshness::Asked).unwrap();
    assert_eq!(client.get(&format!("{}/a", server.address), &Ask::default()).await.unwrap(), b"text");
    assert_eq!(server.count("/a"), 2);
    assert!(matches!(client.get(&format!("{}/b", server.address), &Ask::default()).await, Err(FetchError::Missing { .. })));
    assert_eq!(server.count("/b"), 1);
    assert!(matches!(client.get(&format!("{}/down", server.address), &Ask::default()).await, Err(FetchError::Status { .. })));
    assert_eq!(server.count("/down"), 4);
}

#[tokio::test]
async fn a_refused_connection_fails_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://user:secret@{}/x", listener.local_addr().unwrap());
    drop(listener);
    let start = Instant::now();
    let error = Client::new(None, Freshness::Asked).unwrap().get(&address, &Ask::default()).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let text = super::shell::fetch::chain(&error);
    assert!(text.contains("refused") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_document_that_has_not_changed_comes_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(BTreeMap::from([("/a", vec![(200, "ETag: \"one\"", b"text".to_vec())])])).await;
    for _ in 0..2 {
        let client = Client::new(Some(folder.path().to_path_buf()), Freshness::Asked).unwrap();
        assert_eq!(client.get(&format!("{}/a", server.address), &Ask::default()).await.unwrap(), b"text");
    }
    let asked = server.asked.lock().unwrap();
    assert!(!asked[0].to_lowercase().contains("if-none-match") && asked[1].to_lowercase().contains("if-none-match: \"one\""), "{asked:?}");
}

pub async fn locked(text: &str, old: Option<&Lock>, surroundings: &Surroundings) -> (Result<(Lock, Problems), Problems>, usize) {
    let found = AtomicUsize::new(0);
    let progress = |event: Event| {
        if matches!(event, Event::Found { .. }) {
            found.fetch_add(1, Ordering::Relaxed);
        }
    };
    // An image for one architecture at most, which its name says.
    let digest = |reference: &str| -> super::shell::fetch::Image<'_> {
        let platform = |arch: Arch| (arch, format!("sha256:{}", "1".repeat(64)));
        let platforms = Arch::ALL.into_iter().filter(|arch| reference.contains(arch.as_str())).map(platform).collect();
        Box::pin(async { Ok(ImageDigests { digest: format!("sha256:{}", "0".repeat(64)), platforms }) })
    };
    let options = Options {
        surroundings,
        update: Update::Changed,
        servers: Servers::Asked,
        policy: &LockPolicy::default(),
        now: None,
        resolve_image: &digest,
    };
    let result = resolve(&image(text), old, &options, &progress).await;
    (result, found.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_base_for_one_architecture_is_locked_by_its_manifest_and_said_so() {
    let server = serve(archive()).await;
    let folder = tempfile::tempdir().unwrap();
    let text = "base \"example.test/amd64/dev:1\"\n";
    let (result, _) = locked(text, None, &surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)])).await;
    let (lock, said) = result.unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(lock.base.platforms, BTreeMap::from([(Arch::Amd64, format!("sha256:{}", "1".repeat(64)))]));
    let said: Vec<_> = said.iter().filter(|problem| problem.code == Code::PlatformMissing).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].message.contains("no image for arm64") && said[0].message.contains("for amd64 only"), "{said:#?}");
    assert!(lock.print().contains(&format!(" amd64=\"sha256:{}\"", "1".repeat(64))), "{}", lock.print());
}

/// An archive with one package, made here.
pub fn archive() -> Answers {
    archive_of("1:2.0-1", 11)
}

/// An archive with one version of everything, as of a day of July 2026.
pub fn archive_of(version: &str, day: u32) -> Answers {
    let names = ["ca-certificates", "bzip2", "curl", "unzip", "xz-utils", "git", "python3", "python3-pip", "libc6"];
    suites(&names.map(|name| (name, version, "")), &[], day)
}

/// An archive with some packages: name, version, other fields. The second list is that of the security updates.
pub fn suites(release: &[(&str, &str, &str)], updates: &[(&str, &str, &str)], day: u32) -> Answers {
    let mut answers = Answers::new();
    let lists = [("bookworm", release, day), ("bookworm-updates", &[], day), ("bookworm-security", updates, day + 1)];
    for (suite, packages, day) in lists {
        let (index, hash) = packed(packages);
        let text = format!(
            "Codename: {suite}\nDate: Sat, {day} Jul 2026 10:16:37 UTC\nSHA256:\n {hash} {0} main/binary-amd64/Packages.gz\n {hash} {0} main/binary-arm64/Packages.gz\n",
            index.len()
        );
        let paths: [&'static str; 3] = match suite {
            "bookworm" => [
                "/dists/bookworm/InRelease",
                "/dists/bookworm/main/binary-amd64/Packages.gz",
                "/dists/bookworm/main/binary-arm64/Packages.gz",
            ],
            "bookworm-updates" => [
                "/dists/bookworm-updates/InRelease",
                "/dists/bookworm-updates/main/binary-amd64/Packages.gz",
                "/dists/bookworm-updates/main/binary-arm64/Packages.gz",
            ],
            _ => [
                "/debian-security/dists/bookworm-security/InRelease",
                "/debian-security/dists/bookworm-security/main/binary-amd64/Packages.gz",
                "/debian-security/dists/bookworm-security/main/binary-arm64/Packages.gz",
            ],
        };
        answers.insert(paths[0], vec![(200, "", text.into_bytes())]);
        answers.insert(paths[1], vec![(200, "", index.clone())]);
        answers.insert(paths[2], vec![(200, "", index)]);
    }
    answers
}

/// An index, packed, and its hash.
fn packed(packages: &[(&str, &str, &str)]) -> (Vec<u8>, String) {
    use std::io::Write;
    let entry = |(name, version, more): &(&str, &str, &str)| {
        let file = format!("pool/main/{name}/{name}_{version}_all.deb");
        let hash = sha256_hex(file.as_bytes());
        format!("Package: {name}\nVersion: {version}\nArchitecture: all\nFilename: {file}\nSHA256: {hash}\n{more}\n\n")
            .replace("\n\n\n", "\n\n")
    };
    let text: String = packages.iter().map(entry).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let index = encoder.finish().unwrap();
    let hash = sha256_hex(&index);
    (index, hash)
}

#[tokio::test]
async fn downloads_and_checksums_fallbacks_and_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = archive();
    let sums = format!("{}  x-amd64.tgz\n{} *x-arm64.tgz\n", "a".repeat(64), "b".repeat(64));
    answers.insert("/v1.2.3/SUMS", vec![(200, "", sums.into_bytes())]);
    answers.insert("/plain", vec![(200, "", b"plain".to_vec())]);
    let server = serve(answers).await;
    let surroundings = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let text = |version: &str| {
        format!(
            r#"
define tool x {{
    install vendor {{
        download "{0}/v%{{version}}/x-%{{arch}}.tgz" {{ checksums "{0}/v%{{version}}/SUMS"; }}
        bin "x" "x"
    }}
    install apt {{ apt "git"; bin "x" "/usr/bin/git"; }}
}}
define tool plain {{ install url {{ download "{0}/plain"; bin "plain" "plain"; }}; }}
base "debian:bookworm" from=bootstrap
tool x version="{version}"
tool plain
define tool fallback {{ install gone {{ download "{0}/gone"; bin "x" "x"; }}; install apt {{ apt "git"; }}; }}
tool fallback
"#,
            server.address
        )
    };
    let (first, _) = locked(&text("1.2.3"), None, &surroundings).await;
    let (lock, problems) = first.unwrap();
    let warning = problems.iter().next().unwrap();
    assert_eq!((problems.len(), warning.code), (1, Code::LockFallback));
    assert!(warning.message.contains("tool fallback") && warning.message.contains("`gone`"), "{}", warning.message);
    assert_eq!(lock.base.epoch, Some(1_783_764_997));
    let tool = |lock: &Lock, name: &str| lock.components.iter().find(|component| component.id.name.as_str() == name).unwrap().clone();
    let x = tool(&lock, "x");
    assert_eq!((x.version.as_str(), x.source.as_str(), x.artifacts.len()), ("1.2.3", "vendor", 2));
    assert!(
        x.artifacts
            .iter()
            .any(|artifact| matches!(artifact, Artifact::File { sha256, trust: Trust::Published, .. } if *sha256 == "b".repeat(64)))
    );
    assert!(
        matches!(&tool(&lock, "plain").artifacts[0], Artifact::File { arch: None, sha256, trust: Trust::FirstUse, .. } if *sha256 == sha256_hex(b"plain"))
    );

    // Only what changed is looked up again.
    let before = server.count("/plain");
    let (second, found) = locked(&text("latest"), Some(&lock), &surroundings).await;
    let (second, problems) = second.unwrap();
    assert_eq!((server.count("/plain"), found), (before, 1));
    assert_eq!((tool(&second, "x").version.as_str(), tool(&second, "x").source.as_str()), ("2.0", "apt"));
    // A source without a list of its versions is not for `latest`; that is no fallback, and what was kept warns no more.
    assert!(problems.is_empty(), "{problems:?}");

    // Nothing has it: every source is named.
    let (third, _) = locked(&text("9.9.9"), Some(&lock), &surroundings).await;
    let problems = third.unwrap_err();
    let problem = problems.iter().find(|problem| problem.code == Code::Unresolved).unwrap();
    assert!(
        problem.message.contains("`vendor`") && problem.message.contains("`apt`") && problem.message.contains("9.9.9"),
        "{}",
        problem.message
    );
}

#[tokio::test]
async fn an_index_that_is_not_the_signed_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = archive();
    let other = answers["/dists/bookworm/main/binary-amd64/Packages.gz"][0].2.clone();
    let release =
        String::from_utf8(answers["/dists/bookworm/InRelease"][0].2.clone()).unwrap().replace(&sha256_hex(&other), &"0".repeat(64));
    answers.insert("/dists/bookworm/InRelease", vec![(200, "", release.into_bytes())]);
    let server = serve(answers).await;
    let (result, _) =
        locked("base \"debian:bookworm\" from=registry\n", None, &surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]))
            .await;
    let problems = result.unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("is not what the release file says")), "{problems:?}");
}

#[tokio::test]
async fn endpoints_come_from_the_clients_configuration() {
    use super::shell::fetch::endpoint::{Expansion, NpmEndpoint, pypi};
    use super::shell::fetch::sources::{Source, archives};
    let addresses = |list: Vec<Source>| list.into_iter().map(|source| source.uri).collect::<Vec<_>>();
    let folder = tempfile::tempdir().unwrap();
    let npmrc =
        "registry=https://npm.example.test/all\n@acme:registry=https://acme.example.test/\n//acme.example.test/:_authToken=${TOKEN}\n";
    std::fs::write(folder.path().join(".npmrc"), npmrc).unwrap();
    let here = surroundings(folder.path(), &[("TOKEN", "secret"), ("PIP_INDEX_URL", "https://pypi.example.test/root/simple/")]);
    let npm = NpmEndpoint::find(&here).await.unwrap();
    assert_eq!(npm.document("left"), ("https://npm.example.test/all/left".to_string(), None));
    assert_eq!(npm.document("@acme/x"), ("https://acme.example.test/@acme%2fx".to_string(), Some("Bearer secret".to_string())));
    assert_eq!(pypi(&here).await.unwrap(), "https://pypi.example.test/root/simple/");
    // The project's own counts too, but not with values of the host unless it is trusted.
    let text = "@own:registry=https://own.example.test/\n//own.example.test/:_authToken=${TOKEN}\n@evil:registry=https://evil.example.test/${TOKEN}\n";
    for (expansion, registry, token) in [
        (Expansion::Host, "https://evil.example.test/secret/", Some("Bearer secret".to_string())),
        (Expansion::Withheld, "https://npm.example.test/all/", None),
    ] {
        let npm = NpmEndpoint::find(&Surroundings { npmrc: Some((text.to_string(), expansion)), ..here.clone() }).await.unwrap();
        assert_eq!(npm.document("@own/x"), ("https://own.example.test/@own%2fx".to_string(), token));
        assert_eq!(npm.document("@evil/x").0, format!("{registry}@evil%2fx"));
    }
    let apt = folder.path().join("apt/sources.list.d");
    std::fs::create_dir_all(&apt).unwrap();
    std::fs::write(
        folder.path().join("apt/sources.list"),
        "# deb http://no.example.test/ x main\ndeb [arch=amd64] http://one.example.test/debian/ sid main\n",
    )
    .unwrap();
    std::fs::write(apt.join("a.sources"), "Types: deb deb-src\nURIs: http://two.example.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: http://three.example.test\nSuites: bookworm\n").unwrap();
    assert_eq!(addresses(archives(&here, "bookworm")), ["http://two.example.test/debian", "http://one.example.test/debian"]);
    let mirror = surroundings(
        folder.path(),
        &[("SILO_APT_MIRROR", "[trusted=yes check-valid-until=no] http://mine.example.test/ http://other.example.test/a/")],
    );
    assert_eq!(addresses(archives(&mirror, "bookworm")), ["http://mine.example.test", "http://other.example.test/a"]);
}

#[tokio::test]
async fn what_a_wheel_needs_comes_from_its_own_metadata_or_is_an_error() {
    use super::pypi::zip;
    use super::shell::fetch::endpoint::pypi;
    let folder = tempfile::tempdir().unwrap();
    let page = |name: &str, mark: &str| {
        let file = format!("{name}-1.0-py3-none-any.whl");
        let text = format!(
            r#"{{"files": [{{"filename": "{file}", "url": "../../f/{file}", "hashes": {{"sha256": "{}"}}{mark}}}]}}"#,
            "a".repeat(64)
        );
        vec![(200, "", text.into_bytes())]
    };
    let beside = "Metadata-Version: 2.1\nRequires-Dist: leaf\n";
    let mut answers = archive();
    answers.insert("/simple/app/", page("app", ""));
    answers.insert(
        "/f/app-1.0-py3-none-any.whl",
        vec![(200, "", zip("app-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nRequires-Dist: mid\n", 0))],
    );
    // A document that disagrees with the wheel is not believed.
    answers.insert("/pypi/app/json", vec![(200, "", br#"{"info": {"version": "1.0", "requires_dist": ["other"]}}"#.to_vec())]);
    answers.insert("/simple/mid/", page("mid", &format!(r#", "core-metadata": {{"sha256": "{}"}}"#, sha256_hex(beside.as_bytes()))));
    answers.insert("/f/mid-1.0-py3-none-any.whl.metadata", vec![(200, "", beside.as_bytes().to_vec())]);
    answers.insert("/simple/leaf/", page("leaf", ""));
    answers.insert("/f/leaf-1.0-py3-none-any.whl", vec![(200, "", zip("leaf-1.0.dist-info/METADATA", "Metadata-Version: 2.1\n", 0))]);
    answers.insert("/simple/lost/", page("lost", ""));
    answers.insert("/simple/forged/", page("forged", &format!(r#", "core-metadata": {{"sha256": "{}"}}"#, "0".repeat(64))));
    answers.insert("/f/forged-1.0-py3-none-any.whl.metadata", vec![(200, "", beside.as_bytes().to_vec())]);
    let server = serve(answers).await;
    let here =
        surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror), ("PIP_INDEX_URL", &format!("{}/simple", server.address))]);
    assert_eq!(pypi(&here).await.unwrap(), format!("{}/simple/", server.address));
    let text = |name: &str| {
        format!(
            "define tool t {{\n install own {{\n pip \"{name}\" version=\"1.0\"\n bin \"t\" \"bin/t\"\n }}\n}}\nbase \"debian:bookworm\" from=bootstrap\ntool t\n"
        )
    };
    let lock = locked(&text("app"), None, &here).await.0.unwrap().0;
    let component = lock.components.iter().find(|component| component.id.name.as_str() == "t").unwrap();
    let names: Vec<&str> = component
        .artifacts
        .iter()
        .filter_map(|artifact| match artifact {
            Artifact::Wheel { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["app", "leaf", "mid"]);
    for (name, why) in [("lost", "does not exist"), ("forged", "not what the index says")] {
        let problems = locked(&text(name), None, &here).await.0.unwrap_err();
        let message = &problems.iter().next().unwrap().message;
        assert!(message.contains(&format!("what {name} needs cannot be learnt")) && message.contains(why), "{message}");
    }
}
