use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// A registry on this machine's loopback, with the image [`Registry::image`] in it; it ends with the test.
struct Registry {
    child: Child,
    _folder: tempfile::TempDir,
    host: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The registry program of the distribution's package, installed or unpacked beside the tests, once.
fn program() -> &'static Path {
    static PROGRAM: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    PROGRAM.get_or_init(|| {
        let unpacked = std::env::temp_dir().join("engine-test-registry");
        let program = unpacked.join("usr/bin/docker-registry");
        if Path::new("/usr/bin/docker-registry").exists() {
            return "/usr/bin/docker-registry".into();
        }
        if !program.exists() {
            // Put there in one step: other processes may be looking for it.
            let folder = tempfile::tempdir().unwrap();
            let script = "apt-get download docker-registry && dpkg -x docker-registry_*.deb unpacked";
            let made = Command::new("sh").args(["-ec", script]).current_dir(folder.path()).output().expect("sh runs");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let moved = std::fs::rename(folder.path().join("unpacked"), &unpacked);
            assert!(moved.is_ok() || program.exists(), "{moved:?}");
        }
        program
    })
}

impl Registry {
    async fn start(authentication: &str) -> Registry {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let data = folder.path().display();
        let config = format!(
            "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {data} }} }}\nhttp: {{ addr: \"{host}\" }}\n{authentication}\n"
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let mut command = Command::new(program());
        command.arg("serve").arg(folder.path().join("config.yml")).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the registry runs");
        let started = Instant::now();
        while std::net::TcpStream::connect(&host).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "the registry answers");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Registry { child, _folder: folder, host }
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }
}

/// A small image, made for one test.
async fn small(engine: &Docker, reference: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    std::fs::write(folder.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
    // A layer that no other test has.
    std::fs::write(folder.path().join("etc/name"), reference).unwrap();
    std::os::unix::fs::symlink("passwd", folder.path().join("etc/link")).unwrap();
    let archive = folder.path().join("small.tar");
    let made = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(folder.path()).arg("etc").status().expect("tar runs");
    assert!(made.success());
    let labels =
        BTreeMap::from([("dev.silo.test".to_owned(), format!("{reference} \"$x\" \\ é")), ("dev.silo.other".to_owned(), String::new())]);
    engine.import_rootfs(&archive, reference, &labels).await.unwrap()
}

#[tokio::test]
async fn an_imported_image_is_found_tagged_read_and_removed() {
    let engine = engine().await;
    let id = small(&engine, "engine-test-import:one").await;
    let image = engine.find("engine-test-import:one").await.unwrap().expect("it is there");
    assert_eq!(image.id, id);
    assert_eq!(image.labels["dev.silo.test"], "engine-test-import:one \"$x\" \\ é");
    assert!(image.created > 1_700_000_000 && image.size > 0, "{image:?}");

    assert!(docker(&["tag", &id, "engine-test-import:two"]).status.success());
    let found = engine.find_many("dev.silo.test=engine-test-import:one \"$x\" \\ é").await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), found[0].tags.len()), (id.as_str(), 2));

    let file = async |path| engine.image_file("engine-test-import:one", path).await;
    assert_eq!(file("/etc/passwd").await.unwrap().as_deref(), Some(&b"root:x:0:0::/:/bin/sh\n"[..]));
    assert_eq!(file("/etc/group").await.unwrap(), None);
    assert!(matches!(file("/etc/link").await, Err(EngineError::Operation { operation: Operation::ReadFile { .. }, .. })));
    assert!(matches!(file("/etc").await, Err(EngineError::Operation { operation: Operation::ReadFile { .. }, .. })));
    assert_eq!(stdout(&docker(&["ps", "-aq", "--filter", &format!("ancestor={id}")])), "", "nothing is left of the reading");

    for tag in ["engine-test-import:one", "engine-test-import:two"] {
        engine.remove_image(tag).await.unwrap();
    }
    assert_eq!(engine.find(&id).await.unwrap(), None);
    assert!(matches!(engine.remove_image(&id).await, Err(EngineError::NoImage { .. })));
    assert!(matches!(engine.image_file(&id, "/etc/passwd").await, Err(EngineError::NoImage { .. })));
}

#[tokio::test]
async fn what_is_no_reference_reaches_no_path() {
    let engine = engine().await;
    for reference in ["../containers/json?all=1", "a/../../info", "a b", "a?b", "a%2fb", "", "/a"] {
        assert!(matches!(engine.find(reference).await, Err(EngineError::Operation { .. })), "{reference}");
        assert!(matches!(engine.resolve_digest(reference).await, Err(EngineError::Operation { .. })), "{reference}");
    }
}

#[tokio::test]
async fn a_registry_is_asked_for_digests_and_images() {
    let engine = engine().await;
    let registry = Registry::start("").await;
    let reference = registry.image("engine-test/pulled:1");
    small(&engine, &reference).await;
    let pushed = docker(&["push", &reference]);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    engine.remove_image(&reference).await.unwrap();

    let digest = engine.resolve_digest(&reference).await.unwrap();
    assert!(digest.starts_with("sha256:") && stdout(&pushed).contains(&digest), "{digest}");
    let mut events = Vec::new();
    let pinned = format!("{}@{digest}", registry.image("engine-test/pulled"));
    engine.pull(&pinned, |event| events.push(event)).await.unwrap();
    // The containerd store tells bytes only now and then; of a layer this small, never.
    assert!(events.iter().any(|event| event.layer.is_some()), "{events:?}");
    assert!(events.iter().all(|event| event.bytes.is_none_or(|(done, total)| done <= total)), "{events:?}");
    assert!(engine.find(&pinned).await.unwrap().is_some());
    assert_eq!(engine.resolve_digest(&pinned).await.unwrap(), digest);
    engine.remove_image(&pinned).await.unwrap();

    let missing = registry.image("engine-test/missing:1");
    for result in [engine.resolve_digest(&missing).await.map(drop), engine.pull(&missing, |_| {}).await] {
        assert!(matches!(&result, Err(EngineError::NoImage { reference }) if *reference == missing), "{result:?}");
    }
    let gone = "127.0.0.1:1/engine-test/unreachable:1";
    for result in [engine.resolve_digest(gone).await.map(drop), engine.pull(gone, |_| {}).await] {
        assert!(matches!(&result, Err(EngineError::Registry { reference, .. }) if reference == gone), "{result:?}");
    }
}

#[tokio::test]
async fn a_login_is_found_for_calls_and_for_builds() {
    // The JSON with this password needs the URL alphabet of base64. Its hash comes from crypt(3) with `$2y$05$`.
    let folder = tempfile::tempdir().unwrap();
    let password = "pass~?word>";
    let hashed = "tester:$2y$05$abcdefghijklmnopqrstuuWJWaemTWVQ1xtTFLY2wHY.BeRBUSNUW\n";
    std::fs::write(folder.path().join("htpasswd"), hashed).unwrap();
    let registry = Registry::start(&format!("auth: {{ htpasswd: {{ realm: test, path: {}/htpasswd }} }}", folder.path().display())).await;

    let config = folder.path().join(".docker");
    let anonymous = engine().await;
    let reference = registry.image("engine-test/private:1");
    small(&anonymous, &reference).await;
    std::fs::create_dir(&config).unwrap();
    let login = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("tester:{password}"));
    std::fs::write(config.join("config.json"), format!(r#"{{"auths":{{"http://{}/v1/":{{"auth":"{login}"}}}}}}"#, registry.host)).unwrap();
    let mut options = EngineOptions::from_environment();
    options.config = Some(config.clone());
    let engine = Docker::connect(&options).await.unwrap();
    // The client looks for the bare host.
    let client = folder.path().join("client");
    std::fs::create_dir(&client).unwrap();
    std::fs::write(client.join("config.json"), format!(r#"{{"auths":{{"{}":{{"auth":"{login}"}}}}}}"#, registry.host)).unwrap();
    let pushed = docker(&["--config", &client.to_string_lossy(), "push", &reference]);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    anonymous.remove_image(&reference).await.unwrap();

    let denied = anonymous.resolve_digest(&reference).await;
    assert!(matches!(&denied, Err(EngineError::Registry { .. })), "{denied:?}");
    let digest = engine.resolve_digest(&reference).await.unwrap();
    engine.pull(&reference, |_| {}).await.unwrap();
    engine.remove_image(&reference).await.unwrap();

    // A helper that knows it, and nothing else.
    let helper = folder.path().join("docker-credential-engine-test");
    std::fs::write(
        &helper,
        format!(
            "#!/bin/sh\nread -r server; [ \"$server\" = {} ] || exit 1\necho '{{\"Username\":\"tester\",\"Secret\":\"{password}\"}}'\n",
            registry.host
        ),
    )
    .unwrap();
    std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(config.join("config.json"), format!(r#"{{"credsStore":"{}"}}"#, "engine-test")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut asked = Command::new(std::env::current_exe().unwrap());
    asked.args(["--exact", "shell::engine::docker::tests::images::with_a_helper", "--nocapture"]);
    asked.env("PATH", path).env("ENGINE_TEST_CONFIG", &config).env("ENGINE_TEST_HOST", &registry.host);
    let asked = stdout(&asked.output().unwrap());
    assert!(asked.contains("found: Some(Login { user: \"tester\", secret: \"pass~?word>\" }), other: None"), "{asked}");

    let dockerfile = format!("FROM {}@{digest}\nCOPY [\"f\", \"/f\"]\n", registry.image("engine-test/private"));
    let context = BTreeMap::from([("f".to_owned(), silo::plan::ContextFile { mode: 0o644, bytes: Vec::new() })]);
    let request = crate::shell::engine::BuildRequest {
        dockerfile: &dockerfile,
        context: &context,
        target: None,
        tags: Vec::new(),
        labels: BTreeMap::new(),
        arguments: BTreeMap::new(),
        secrets: BTreeMap::new(),
        platform: None,
        cache: Default::default(),
        files: &BTreeMap::new(),
        network: crate::shell::engine::BuildNetwork::Open,
    };
    let result = anonymous.build(request.clone(), |_| {}, std::future::pending()).await;
    assert!(result.is_err(), "nobody may pull without a login: {result:?}");
    std::fs::write(folder.path().join(".docker/config.json"), std::fs::read(client.join("config.json")).unwrap()).unwrap();
    let built = engine.build(request, |_| {}, std::future::pending()).await.unwrap();
    engine.remove_image(&built.id).await.unwrap();
}

#[tokio::test]
async fn where_images_are_is_what_the_engine_and_the_client_s_configuration_say() {
    use crate::shell::engine::docker::repository;
    use crate::shell::fetch::registry::RegistryLogin;
    let folder = tempfile::tempdir().unwrap();
    let engine = engine().await;
    let index = engine.client.info().await.unwrap().index_server_address.unwrap();
    let host = index.split('/').nth(2).unwrap().to_owned();
    let (_, domain) = host.split_once('.').unwrap();
    let login = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "ada:hunter2");
    let auths = format!(
        r#"{{"auths":{{"{index}":{{"auth":"{login}"}},"127.0.0.1:5000":{{"identitytoken":"t"}},"reg.example.test":{{"auth":"{login}"}}}}}}"#
    );
    std::fs::write(folder.path().join("config.json"), auths).unwrap();
    let mut options = EngineOptions::from_environment();
    options.config = Some(folder.path().to_owned());
    let password = RegistryLogin::Password { user: "ada".to_owned(), password: "hunter2".to_owned() };
    // A name without a registry is of the engine's own, whose domain people write too.
    for (reference, name) in [
        ("busybox:1".to_owned(), "library/busybox"),
        ("acme/base".to_owned(), "acme/base"),
        (format!("{domain}/busybox@sha256:{}", "a".repeat(64)), "library/busybox"),
        (format!("{host}/acme/base:1"), "acme/base"),
    ] {
        let found = repository(&options, &reference).await.unwrap();
        let own = found.registries.last().unwrap();
        assert_eq!((found.name.as_str(), &own.address, &own.login), (name, &format!("https://{host}"), &password), "{reference}");
    }
    // One on this machine may have no TLS; others are asked with it alone.
    let found = repository(&options, "127.0.0.1:5000/a/b:1").await.unwrap();
    let addresses: Vec<&str> = found.registries.iter().map(|registry| registry.address.as_str()).collect();
    assert_eq!((addresses, found.name.as_str()), (vec!["https://127.0.0.1:5000", "http://127.0.0.1:5000"], "a/b"));
    assert_eq!(found.registries[0].login, RegistryLogin::Token("t".to_owned()));
    // Without an engine nobody knows where a bare name is.
    options.host = Some(format!("unix://{}", folder.path().join("none.sock").display()));
    let found = repository(&options, "reg.example.test/a:1").await.unwrap();
    assert_eq!((found.registries.len(), &found.registries[0].login), (1, &password));
    assert!(matches!(repository(&options, "busybox:1").await, Err(EngineError::NotRunning { .. })));
}

/// The part of the test above that runs with another `PATH`; alone it has nothing to do.
#[tokio::test]
async fn with_a_helper() {
    if std::env::var_os("ENGINE_TEST_CONFIG").is_none() {
        return;
    }
    let variable = |name: &str| std::env::var(name).unwrap();
    let credentials = buildkit::Credentials { folder: Some(variable("ENGINE_TEST_CONFIG").into()), index: None };
    let found = credentials.login(&variable("ENGINE_TEST_HOST")).await;
    println!("found: {found:?}, other: {:?}", credentials.login("another.example").await);
}
