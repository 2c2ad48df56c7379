use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use silo::plan::ContextFile;

use super::*;
use crate::shell::engine::{BuildError, BuildEvent, BuildNetwork, BuildRequest, BuiltImage, Cache, Step, StoredFile, Vertex};

type Context = BTreeMap<String, ContextFile>;
type Files = BTreeMap<String, StoredFile>;

fn file(text: &str) -> ContextFile {
    ContextFile { mode: 0o755, bytes: text.as_bytes().to_vec() }
}

fn request<'a>(dockerfile: &'a str, context: &'a Context) -> BuildRequest<'a> {
    BuildRequest {
        dockerfile,
        context,
        target: None,
        tags: Vec::new(),
        labels: BTreeMap::new(),
        arguments: BTreeMap::new(),
        secrets: BTreeMap::new(),
        platform: None,
        cache: Cache::Use,
        files: &NO_FILES,
        network: BuildNetwork::Open,
    }
}

static NO_FILES: Files = Files::new();

async fn build(request: BuildRequest<'_>) -> (Result<BuiltImage, BuildError>, Vec<BuildEvent>) {
    let mut events = Vec::new();
    let engine = engine_with_base().await;
    let result = engine.build(request, |event| events.push(event), std::future::pending()).await;
    (result, events)
}

/// Removes an image that has no tag; its steps stay in the cache.
async fn forget(id: &str) {
    engine().await.remove_image(id).await.unwrap();
}

/// What is known of each vertex in the end.
fn vertices(events: &[BuildEvent]) -> Vec<Vertex> {
    let mut known = BTreeMap::new();
    for event in events {
        if let BuildEvent::Vertex(vertex) = event {
            known.insert(vertex.digest.clone(), vertex.clone());
        }
    }
    known.into_values().collect()
}

/// The steps that were really done: neither taken from the cache nor the base itself.
fn done(events: &[BuildEvent]) -> Vec<String> {
    let done = |vertex: &Vertex| {
        vertex.step.clone().filter(|step| !vertex.cached && !step.instruction.starts_with("FROM")).map(|step| step.instruction)
    };
    vertices(events).iter().filter_map(done).collect()
}

fn log(events: &[BuildEvent]) -> String {
    events.iter().filter_map(|event| if let BuildEvent::Log { text, .. } = event { Some(text.as_str()) } else { None }).collect()
}

/// A text that makes a step's cache key one of this run alone.
fn once() -> String {
    format!("{:?}", std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos())
}

#[tokio::test]
async fn a_build_shows_its_steps_and_tags_its_image() {
    let context = Context::from([
        ("a/b/hello.sh".to_owned(), file("#!/bin/sh\necho hello-from-context\n")),
        ("a/b-c".to_owned(), file("beside")),
        ("a/b/c/large".to_owned(), file(&"0123456789".repeat(100_000))),
        ("z".to_owned(), ContextFile { mode: 0o644, bytes: Vec::new() }),
    ]);
    let dockerfile = format!(
        "FROM {BASE} AS first\nCOPY [\"a\", \"/a\"]\nENV A=b\nRUN [\"/a/b/hello.sh\"]\n\
         FROM {BASE} AS second\nCOPY [\"z\", \"/z\"]\nCOPY --from=first [\"/a\", \"/a\"]\nRUN stat -c '%n %a %u %g %Y' /z /a/b-c /a/b/hello.sh && stat -c '%n %a %u %g' /a/b && tail -c 10 /a/b/c/large\n"
    );
    let mut request = request(&dockerfile, &context);
    request.cache = Cache::Ignore;
    request.tags = vec!["engine-test-first:one".to_owned(), "engine-test-first:two".to_owned()];
    request.labels = BTreeMap::from([("dev.silo.test".to_owned(), "a \"b\" $c".to_owned())]);
    let (result, events) = build(request).await;
    let id = result.unwrap().id;

    let steps: Vec<Step> = vertices(&events).into_iter().filter_map(|vertex| vertex.step).collect();
    let step = |stage: &str, ordinal, total, instruction: &str| Step {
        stage: Some(stage.to_owned()),
        ordinal,
        total,
        instruction: instruction.to_owned(),
    };
    for expected in [
        step("first", 3, 3, "RUN [\"/a/b/hello.sh\"]"),
        step("second", 2, 4, "COPY [z, /z]"),
        step("second", 3, 4, "COPY --from=first [/a, /a]"),
    ] {
        assert!(steps.contains(&expected), "{expected:?} is among {steps:#?}");
    }
    let log = log(&events);
    assert!(log.contains("hello-from-context\n"), "{log}");
    assert!(
        log.contains("/z 644 0 0 315532800\n/a/b-c 755 0 0 315532800\n/a/b/hello.sh 755 0 0 315532800\n/a/b 755 0 0\n0123456789"),
        "{log}"
    );
    assert!(vertices(&events).iter().all(|vertex| vertex.completed.is_some() && vertex.error.is_none()));

    let engine = engine().await;
    for tag in ["engine-test-first:one", "engine-test-first:two"] {
        let image = engine.find(tag).await.unwrap().expect("the tag is there");
        assert_eq!((image.id.as_str(), image.labels.get("dev.silo.test").map(String::as_str)), (id.as_str(), Some("a \"b\" $c")));
        engine.remove_image(tag).await.unwrap();
    }
}

#[tokio::test]
async fn a_failing_step_says_which_why_and_its_last_lines() {
    let dockerfile = format!(
        "FROM {BASE} AS fine\nRUN sleep 60 # {0}\nFROM {BASE} AS bad\nENV X=y\nRUN true\nRUN seq 100; sleep 0.5; echo on-error >&2; exit 43 # {0}\n\
         FROM {BASE}\nCOPY --from=fine /etc/hostname /a\nCOPY --from=bad /etc/hostname /b\n",
        once()
    );
    let started = Instant::now();
    let (result, _) = build(request(&dockerfile, &Context::new())).await;
    let Err(BuildError::Step(failed)) = result else { panic!("{result:?}") };
    let step = failed.step.expect("it is an instruction");
    assert_eq!((step.stage.as_deref(), step.ordinal, step.total), (Some("bad"), 3, 3));
    assert!(step.instruction.starts_with("RUN seq 100"), "{}", step.instruction);
    assert_eq!(failed.exit_code, Some(43));
    assert_eq!(failed.log.len(), 40);
    assert!(failed.log.contains(&"on-error".to_owned()) && failed.log.contains(&"100".to_owned()), "{:?}", failed.log);
    assert!(started.elapsed() < Duration::from_secs(30), "the other stage is not waited for");
}

#[tokio::test]
async fn a_dockerfile_that_is_none_is_refused() {
    let (result, _) = build(request("FROM scratch\nFETCH me\n", &Context::new())).await;
    let Err(BuildError::Refused { source }) = result else { panic!("{result:?}") };
    assert!(source.to_string().contains("FETCH"), "{source}");
}

#[tokio::test]
async fn a_missing_context_file_is_a_failing_copy() {
    let dockerfile = format!("FROM {BASE}\nCOPY [\"no/such\", \"/x\"]\n");
    let (result, _) = build(request(&dockerfile, &Context::new())).await;
    let Err(BuildError::Step(failed)) = result else { panic!("{result:?}") };
    assert_eq!(failed.step.map(|step| (step.ordinal, step.total)), Some((2, 2)));
    assert_eq!(failed.exit_code, None);
}

#[tokio::test]
async fn contents_of_the_same_size_are_not_confused() {
    let dockerfile = format!("FROM {BASE}\nCOPY [\"word\", \"/word\"]\nRUN cat /word # {}\n", once());
    for word in ["first", "other"] {
        let context = Context::from([("word".to_owned(), file(word))]);
        let (result, events) = build(request(&dockerfile, &context)).await;
        assert_eq!(log(&events), word);
        forget(&result.unwrap().id).await;
    }
}

#[tokio::test]
async fn a_secret_is_seen_and_in_no_cache_key() {
    let dockerfile = format!("FROM {BASE}\nRUN --mount=type=secret,id=engine,target=/run/it cat /run/it || echo absent # {}\n", once());
    let context = Context::new();
    let with = |secret: Option<&str>| {
        let mut request = request(&dockerfile, &context);
        request.secrets = secret.map(|secret| ("engine".to_owned(), secret.as_bytes().to_vec())).into_iter().collect();
        request
    };
    let (result, events) = build(with(Some("one"))).await;
    let id = result.unwrap().id;
    assert_eq!((log(&events).as_str(), done(&events).len()), ("one", 1));
    for secret in [Some("another"), None] {
        let (result, events) = build(with(secret)).await;
        assert_eq!((result.unwrap().id, done(&events)), (id.clone(), Vec::new()), "everything stays cached");
    }
    let mut again = with(None);
    again.cache = Cache::Ignore;
    let (result, events) = build(again).await;
    assert!(log(&events).contains("absent\n"), "{}", log(&events));
    forget(&result.unwrap().id).await;
    forget(&id).await;
}

#[tokio::test]
async fn proxy_arguments_reach_steps_and_no_cache_key() {
    let dockerfile = format!("FROM {BASE}\nRUN echo \"[$HTTPS_PROXY]\" # {}\n", once());
    let context = Context::new();
    let with = |proxy: &str| {
        let mut request = request(&dockerfile, &context);
        request.arguments = BTreeMap::from([("HTTPS_PROXY".to_owned(), proxy.to_owned())]);
        request
    };
    let (result, events) = build(with("http://one:3128")).await;
    let id = result.unwrap().id;
    assert_eq!(log(&events), "[http://one:3128]\n");
    let (result, events) = build(with("http://two:3128")).await;
    assert_eq!((result.unwrap().id, done(&events)), (id.clone(), Vec::new()));
    let inspected = stdout(&docker(&["image", "inspect", &id]));
    assert!(inspected.contains(&id) && !inspected.contains("3128"), "no proxy in the image: {inspected}");
    forget(&id).await;
}

#[tokio::test]
async fn a_full_disk_has_its_own_error() {
    let dockerfile = format!("FROM {BASE}\nRUN dd if=/dev/zero of=/dev/full bs=1k count=1 # {}\n", once());
    let (result, _) = build(request(&dockerfile, &Context::new())).await;
    assert!(matches!(&result, Err(BuildError::NoSpace { step: Some(step), .. }) if step.exit_code == Some(1)), "{result:?}");
}

/// Whether a process with these words runs anywhere on this machine; the engine's are among them.
fn runs(words: &str) -> bool {
    let all = Command::new("ps").args(["-eo", "args"]).output().expect("ps runs");
    String::from_utf8_lossy(&all.stdout).lines().any(|line| line.starts_with(words))
}

#[tokio::test]
async fn cancelling_leaves_nothing_running() {
    let seconds = 100_000 + std::process::id();
    let words = format!("sleep {seconds}");
    let dockerfile = format!("FROM {BASE}\nRUN [\"sleep\", \"{seconds}\"]\n");
    let context = Context::new();
    for by_drop in [false, true] {
        let engine = engine_with_base().await;
        let (started, wait) = tokio::sync::oneshot::channel::<()>();
        let until_it_runs = async {
            while !runs(&words) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let _ = started.send(());
        };
        let building = async {
            let cancel = async { if by_drop { std::future::pending().await } else { wait.await.unwrap() } };
            engine.build(request(&dockerfile, &context), |_| {}, cancel).await
        };
        let asked = if by_drop {
            tokio::select! {
                result = building => panic!("{result:?}"),
                () = until_it_runs => Instant::now(),
            }
        } else {
            let (result, asked) = tokio::join!(building, async {
                until_it_runs.await;
                Instant::now()
            });
            assert!(matches!(result, Err(BuildError::Cancelled)), "{result:?}");
            asked
        };
        assert!(asked.elapsed() < Duration::from_millis(500), "it ends at once");
        while runs(&words) && asked.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(asked.elapsed() < Duration::from_millis(500), "the step is gone after {:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn only_the_target_and_what_it_needs_is_built() {
    let once = once();
    let dockerfile =
        format!("FROM {BASE} AS a\nRUN echo in-a # {once}\nFROM {BASE} AS b\nRUN echo in-b # {once}\nFROM {BASE} AS c\nRUN false\n");
    let context = Context::new();
    let mut request = request(&dockerfile, &context);
    request.target = Some("b".to_owned());
    request.platform = Some(if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" }.to_owned());
    let (result, events) = build(request).await;
    assert_eq!(log(&events), "in-b\n");
    forget(&result.unwrap().id).await;
}

#[tokio::test]
async fn a_base_that_cannot_be_had_is_a_failing_step_without_instruction() {
    let (result, _) = build(request("FROM 127.0.0.1:1/engine-test/none:1\nRUN true\n", &Context::new())).await;
    let Err(BuildError::Step(failed)) = result else { panic!("{result:?}") };
    assert!(failed.step.is_none() && failed.name.contains("127.0.0.1:1/engine-test/none:1"), "{failed:?}");
}

#[tokio::test]
async fn an_engine_at_a_port_builds_until_it_goes() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let forward = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut far = tokio::net::UnixStream::connect("/var/run/docker.sock").await.unwrap();
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    engine_with_base().await;
    let engine = Docker::connect(&only(Some(&host), Path::new("/"), Path::new("/nowhere"))).await.unwrap();
    let once = once();
    let dockerfile = format!("FROM {BASE}\nRUN echo through-the-port # {once}\n");
    let mut said = String::new();
    let tell = |event| {
        if let BuildEvent::Log { text, .. } = event {
            said += &text;
        }
    };
    let built = engine.build(request(&dockerfile, &Context::new()), tell, std::future::pending()).await.unwrap();
    assert_eq!(said, "through-the-port\n");
    engine.remove_image(&built.id).await.unwrap();

    let dockerfile = format!("FROM {BASE}\nRUN echo ready; sleep 1000 # {once}\n");
    let context = Context::new();
    let tell = |event| {
        if matches!(&event, BuildEvent::Log { text, .. } if text == "ready\n") {
            forward.abort();
        }
    };
    let broken = engine.build(request(&dockerfile, &context), tell, std::future::pending());
    let broken = tokio::time::timeout(Duration::from_secs(20), broken).await.expect("it notices");
    assert!(matches!(broken, Err(BuildError::Connection { .. })), "{broken:?}");
}

#[tokio::test]
async fn a_large_file_is_read_from_the_disk_and_refused_when_it_is_not_the_one() {
    use silo::digest::{Algorithm, Digest, sha256_hex};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    // Neither a whole number of packets nor of blocks.
    let text = format!("{}end of {}\n", "0123456789".repeat(200_000), once());
    std::fs::write(&path, &text).unwrap();
    let digest = Digest::new(Algorithm::Sha256, &sha256_hex(text.as_bytes())).unwrap();
    let context = Context::from([("a/recipe".to_owned(), file("small"))]);
    let dockerfile =
        format!("FROM {BASE}\nRUN --mount=type=bind,source=a,target=/dev/a sha256sum < /dev/a/vendor/x && cat /dev/a/recipe\n");
    let size = text.len() as u64;
    let stored =
        |digest: &Digest| Files::from([("a/vendor/x".to_owned(), StoredFile { path: path.clone(), digest: digest.clone(), size })]);
    let files = stored(&digest);
    let (result, events) = build(BuildRequest { files: &files, ..request(&dockerfile, &context) }).await;
    forget(&result.unwrap().id).await;
    assert!(log(&events).contains(&format!("{}  -\nsmall", digest.hex)), "{}", log(&events));

    let other = Digest::new(Algorithm::Sha512, &"0".repeat(128)).unwrap();
    let files = stored(&other);
    let (result, _) = build(BuildRequest { files: &files, cache: Cache::Ignore, ..request(&dockerfile, &context) }).await;
    let error = result.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(matches!(&error, BuildError::Stored { path: known, .. } if *known == path), "{error:?}");
    assert!(cause.contains("sha512:") && cause.contains(&other.to_string()), "{cause}");

    std::fs::remove_file(&path).unwrap();
    let files = stored(&digest);
    let (result, _) = build(BuildRequest { files: &files, cache: Cache::Ignore, ..request(&dockerfile, &context) }).await;
    assert!(matches!(result, Err(BuildError::Stored { .. })), "{result:?}");
}

#[tokio::test]
async fn without_a_network_steps_reach_nothing() {
    let context = Context::new();
    let dockerfile = format!("FROM {BASE}\nRUN cat /proc/net/dev; echo {}\n", once());
    let (open, events) = build(request(&dockerfile, &context)).await;
    assert!(log(&events).contains("eth0:"), "{}", log(&events));
    let (closed, events) = build(BuildRequest { network: BuildNetwork::None, ..request(&dockerfile, &context) }).await;
    assert!(log(&events).contains("lo:") && !log(&events).contains("eth0:"), "another network is another step: {}", log(&events));
    for id in std::collections::BTreeSet::from([open.unwrap().id, closed.unwrap().id]) {
        forget(&id).await;
    }
}

#[tokio::test]
async fn what_was_done_before_is_kept_offline_and_what_asks_for_secrets_is_not_done() {
    let context = Context::new();
    let dockerfile =
        |text: &str| format!("FROM {BASE}\nRUN --mount=type=secret,id=ca cat /proc/net/dev; echo {text}\nRUN echo after {text}\n");
    let first = dockerfile(&once());
    let (result, events) = build(request(&first, &context)).await;
    assert_eq!(done(&events).len(), 2);
    let id = result.unwrap().id;
    let (result, events) = build(BuildRequest { network: BuildNetwork::Kept, ..request(&first, &context) }).await;
    assert_eq!((result.unwrap().id, done(&events)), (id.clone(), Vec::new()));
    forget(&id).await;

    let other = dockerfile(&once());
    let (result, events) = build(BuildRequest { network: BuildNetwork::Kept, ..request(&other, &context) }).await;
    let Err(BuildError::Step(step)) = result else { panic!("{result:?}") };
    assert!(step.message.contains("silo is offline"), "{step:?}");
    assert!(!log(&events).contains("eth0"), "it was not started: {}", log(&events));
}
