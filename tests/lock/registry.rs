//! Images of registries, from servers of these tests' own.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use super::mirrors::with;
use super::server::{Answers, Server, serve, surroundings};
use super::shell::fetch::login::basic;
use super::shell::fetch::registry::{Images, Part, Registry, RegistryLogin, Repository};
use super::shell::fetch::{Client, Freshness, Surroundings};
use silo::digest::{Algorithm, Digest, sha256_hex};
use silo::lock::ImageDigests;
use silo::spec::Arch;

const LAYER: &[u8] = b"a layer";

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Fetches the layer of a name, of registries in this order.
async fn fetch(surroundings: &Surroundings, registries: Vec<Registry>) -> Result<u64, String> {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::new(None, Freshness::Asked).unwrap().of(surroundings);
    let repository = Repository { registries, name: "acme/base".to_string(), tag: "1".to_string() };
    let digest = Digest::new(Algorithm::Sha256, &sha256_hex(LAYER)).unwrap();
    let target = folder.path().join(&digest.hex);
    let draft = || folder.path().join("draft");
    let fetched = Images::new(&client, &repository).fetch(Part::Blob, &digest, &target, draft, &AtomicU64::new(0)).await;
    assert_eq!(std::fs::read(&target).ok().as_deref(), fetched.is_ok().then_some(LAYER));
    assert!(!folder.path().join("draft").exists());
    fetched
}

fn ada() -> RegistryLogin {
    RegistryLogin::Password { user: "ada".to_string(), password: "hunter2".to_string() }
}

fn registry(server: &Server, login: RegistryLogin) -> Registry {
    Registry { address: server.address.clone(), login }
}

fn asked(server: &Server) -> String {
    server.asked.lock().unwrap().join("\n").to_lowercase()
}

/// A registry that wants something of whoever asks; then it answers.
fn wanting(challenge: &'static str) -> Answers {
    let blob = leaked(format!("/v2/acme/base/blobs/sha256:{}", sha256_hex(LAYER)));
    BTreeMap::from([("/v2/", vec![(401, challenge, Vec::new())]), (blob, vec![(200, "", LAYER.to_vec())])])
}

#[tokio::test]
async fn a_token_is_had_as_whoever_the_docker_client_is_and_renewed_when_it_has_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let here = surroundings(folder.path(), &[]);
    let path = "/token?service=reg.test&scope=repository%3Aacme%2Fbase%3Apull";
    let tokens = |text: &str| (200, "", format!("{{\"token\": \"{text}\"}}").into_bytes());
    let auth = serve(BTreeMap::from([
        (path, vec![tokens("one"), tokens("two")]),
        ("/token", vec![(200, "", b"{\"access_token\": \"three\"}".to_vec())]),
    ]))
    .await;
    let challenge = leaked(format!("WWW-Authenticate: Bearer realm=\"{}/token\",service=\"reg.test\"", auth.address));
    let mut answers = wanting(challenge);
    let blob = *answers.keys().find(|path| path.contains("blobs")).unwrap();
    // The first token is no longer good.
    answers.get_mut(blob).unwrap().insert(0, (401, challenge, Vec::new()));
    let server = serve(answers).await;
    assert_eq!(fetch(&here, vec![registry(&server, ada())]).await, Ok(7));
    let login = format!("authorization: {}", basic("ada", "hunter2").to_lowercase());
    assert!(asked(&auth).matches(&login).count() == 2, "{}", asked(&auth));
    assert!(asked(&server).contains("bearer one") && asked(&server).contains("bearer two"), "{}", asked(&server));
    assert!(!asked(&server).contains(&login), "the password goes to whom gives tokens alone: {}", asked(&server));

    let server = serve(wanting(challenge)).await;
    fetch(&here, vec![registry(&server, RegistryLogin::Nobody)]).await.unwrap();
    assert_eq!(asked(&auth).matches("authorization").count(), 2, "nobody asks without a login: {}", asked(&auth));
    let server = serve(wanting(challenge)).await;
    fetch(&here, vec![registry(&server, RegistryLogin::Token("refresh-me".to_string()))]).await.unwrap();
    assert!(asked(&auth).contains("post /token http") && asked(&server).contains("bearer three"), "{}", asked(&auth));
}

#[tokio::test]
async fn a_password_is_sent_where_it_is_wanted_and_never_to_a_mirror() {
    let folder = tempfile::tempdir().unwrap();
    let here = surroundings(folder.path(), &[]);
    let wants = "WWW-Authenticate: Basic realm=\"x\"";
    let server = serve(wanting(wants)).await;
    fetch(&here, vec![registry(&server, ada())]).await.unwrap();
    assert!(asked(&server).contains(&basic("ada", "hunter2").to_lowercase()), "{}", asked(&server));
    let reason = fetch(&here, vec![registry(&server, RegistryLogin::Nobody)]).await.unwrap_err();
    assert!(reason.contains("docker login"), "{reason}");
    // One that answers everybody sees no password, nor does the mirror of one that does not.
    let open = serve({
        let mut answers = wanting("");
        answers.insert("/v2/", vec![(200, "", b"{}".to_vec())]);
        answers
    })
    .await;
    fetch(&here, vec![registry(&open, ada())]).await.unwrap();
    let mirrored = with(&here, &[("https://reg.example.invalid/", &format!("{}/", open.address))]);
    let original = Registry { address: "https://reg.example.invalid".to_string(), login: ada() };
    fetch(&mirrored, vec![original.clone()]).await.unwrap();
    assert!(!asked(&open).contains("authorization"), "{}", asked(&open));
    let wanting = with(&here, &[("https://reg.example.invalid/", &format!("{}/", server.address))]);
    let before = asked(&server).matches("authorization").count();
    assert!(fetch(&wanting, vec![original]).await.is_err());
    assert_eq!(asked(&server).matches("authorization").count(), before);
}

#[tokio::test]
async fn the_first_registry_that_has_the_right_bytes_counts() {
    let folder = tempfile::tempdir().unwrap();
    let here = surroundings(folder.path(), &[]);
    let blob = leaked(format!("/v2/acme/base/blobs/sha256:{}", sha256_hex(LAYER)));
    let of =
        async |body: &[u8]| serve(BTreeMap::from([("/v2/", vec![(200, "", Vec::new())]), (blob, vec![(200, "", body.to_vec())])])).await;
    let (wrong, right, empty) = (of(b"another").await, of(LAYER).await, serve(Answers::new()).await);
    let all = [&empty, &wrong, &right].map(|server| registry(server, RegistryLogin::Nobody)).to_vec();
    fetch(&here, all.clone()).await.unwrap();
    let reason = fetch(&here, all[..2].to_vec()).await.unwrap_err();
    assert!(reason.contains("does not exist") && reason.contains(&format!("its hash is sha256:{}", sha256_hex(b"another"))), "{reason}");
    // A registry with TLS does not send its logins where there is none.
    let secure = Registry { address: "https://reg.example.invalid".to_string(), login: ada() };
    let challenge = "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:9/token\",service=\"x\"";
    let mirror = serve(wanting(challenge)).await;
    let reason = fetch(&with(&here, &[("https://reg.example.invalid/", &format!("{}/", mirror.address))]), vec![secure]).await.unwrap_err();
    assert!(reason.contains("not encrypted"), "{reason}");
}

#[tokio::test]
async fn a_tag_stands_for_an_index_and_what_is_in_it_for_linux_or_for_one_image() {
    let folder = tempfile::tempdir().unwrap();
    let here = surroundings(folder.path(), &[]);
    let hash = |text: &str| format!("sha256:{}", sha256_hex(text.as_bytes()));
    let entry = |os: &str, arch: &str, variant: &str| {
        let platform = format!(r#"{{"os": "{os}", "architecture": "{arch}"{variant}}}"#);
        format!(r#"{{"mediaType": "m", "size": 1, "digest": "{}", "platform": {platform}}}"#, hash(&format!("{os} {arch}{variant}")))
    };
    let list = [
        entry("windows", "amd64", ""),
        entry("linux", "arm64", r#", "variant": "v8""#),
        entry("linux", "s390x", ""),
        entry("linux", "amd64", ""),
        entry("linux", "amd64", r#", "variant": "v3""#),
        entry("unknown", "unknown", ""),
    ];
    let index = format!(r#"{{"schemaVersion": 2, "manifests": [{}]}}"#, list.join(", "));
    let config = r#"{"architecture": "arm64", "os": "linux", "rootfs": {}}"#;
    let manifest = format!(r#"{{"schemaVersion": 2, "config": {{"digest": "{}", "size": 1}}, "layers": []}}"#, hash(config));
    let cases = [
        (index.as_str(), BTreeMap::from([(Arch::Arm64, hash(r#"linux arm64, "variant": "v8""#)), (Arch::Amd64, hash("linux amd64"))])),
        (manifest.as_str(), BTreeMap::from([(Arch::Arm64, hash(&manifest))])),
        ("{}", BTreeMap::new()),
    ];
    for (text, platforms) in cases {
        let blob = leaked(format!("/v2/acme/base/blobs/{}", hash(config)));
        let server = serve(BTreeMap::from([
            ("/v2/", vec![(200, "", Vec::new())]),
            ("/v2/acme/base/manifests/1", vec![(200, "", text.as_bytes().to_vec())]),
            (blob, vec![(200, "", config.as_bytes().to_vec())]),
        ]))
        .await;
        let client = Client::new(None, Freshness::Asked).unwrap().of(&here);
        // A mirror that has nothing is passed over.
        let nothing = serve(BTreeMap::new()).await;
        let registries = vec![registry(&nothing, RegistryLogin::Nobody), registry(&server, RegistryLogin::Nobody)];
        let repository = Repository { registries, name: "acme/base".to_string(), tag: "1".to_string() };
        let found = Images::new(&client, &repository).find().await.unwrap();
        assert_eq!(found, ImageDigests { digest: hash(text), platforms }, "{text}");
        assert!(asked(&server).contains("accept: application/vnd.oci.image.index.v1+json"), "{}", asked(&server));
        let repository = Repository { tag: "2".to_string(), ..repository };
        let reason = Images::new(&client, &repository).find().await.unwrap_err();
        assert!(reason.contains("manifests/2 does not exist"), "{reason}");
    }
}
