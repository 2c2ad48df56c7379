use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use silo::launch::{Launch, LaunchMount, Limits};
use silo::spec::Access;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::shell::engine::{Accounts, ExecRequest, Exit, Network, RunRequest, Security};

pub(super) fn launch(name: &str, argv: &[&str]) -> Launch {
    Launch {
        name: name.to_owned(),
        image: BASE.to_owned(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        workdir: "/".to_owned(),
        user: (1234, 2345),
        passwd: String::new(),
        group: String::new(),
        mounts: Vec::new(),
        tmpfs: BTreeMap::from([("/tmp".to_owned(), "rw,exec,nosuid,nodev,size=64m,mode=1777".to_owned())]),
        create: Vec::new(),
        limits: Limits { milli_cpus: Some(1500), memory: Some(512 << 20), pids: 256 },
        labels: BTreeMap::from([("dev.silo.test".to_owned(), name.to_owned())]),
        terminal: false,
    }
}

pub(super) fn security() -> Security {
    Security { seccomp: None, masked_paths: None, readonly_paths: None }
}

pub(super) fn request<'a>(launch: &'a Launch, security: &'a Security, private: PathBuf) -> RunRequest<'a> {
    let accounts = Accounts { passwd: "tester:x:1234:2345::/tmp:/bin/sh\n".to_owned(), group: "testers:x:2345:\n".to_owned() };
    RunRequest { launch, security, accounts: Some(accounts), private, network: Network::None }
}

/// Runs with some input and returns the end, standard output and standard error.
async fn run(launch: &Launch, input: &[u8]) -> (Result<Exit, EngineError>, Vec<u8>, Vec<u8>) {
    let private = tempfile::tempdir().unwrap();
    let engine = engine_with_base().await;
    let (mut output, output_end) = tokio::io::duplex(1 << 16);
    let (mut error, error_end) = tokio::io::duplex(1 << 16);
    let streams =
        Streams { input: Box::new(std::io::Cursor::new(input.to_vec())), output: Box::new(output_end), error: Box::new(error_end) };
    let (security, mut out, mut err) = (security(), Vec::new(), Vec::new());
    let request = request(launch, &security, private.path().to_owned());
    let (exit, _, _) = tokio::join!(engine.run(&request, streams), output.read_to_end(&mut out), error.read_to_end(&mut err));
    assert!(std::fs::read_dir(private.path()).unwrap().next().is_none(), "the container's files are removed");
    (exit, out, err)
}

fn is_gone(name: &str) {
    assert_eq!(stdout(&docker(&["ps", "-aq", "--filter", &format!("name=^{name}$")])), "", "the container {name} is removed");
}

#[tokio::test]
async fn output_error_and_code_pass_through() {
    let launch = launch("engine-test-code", &["sh", "-c", "echo out; echo err >&2; exit 42"]);
    let (exit, out, err) = run(&launch, b"").await;
    let exit = exit.unwrap();
    assert!(exit.left_behind.is_none());
    assert_eq!((exit.code, out.as_slice(), err.as_slice()), (42, &b"out\n"[..], &b"err\n"[..]));
    is_gone("engine-test-code");
}

#[tokio::test]
async fn input_passes_through_byte_by_byte_and_ends() {
    let mut input: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    input.extend_from_slice(&[0, 1, 2]);
    let (exit, out, err) = run(&launch("engine-test-input", &["cat"]), &input).await;
    assert_eq!((exit.unwrap().code, err.as_slice()), (0, &b""[..]));
    assert!(out == input, "{} bytes came back of {}", out.len(), input.len());
}

#[tokio::test]
async fn the_profile_holds() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "kept").unwrap();
    let script = "id; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; touch /x || echo root-read-only; touch /mnt/file || echo mount-read-only; \
                  cat /mnt/file; echo; touch /tmp/x && echo tmp-writable; ulimit -c; cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; \
                  ls /sys/class/net; cat /proc/1/comm";
    let mut launch = launch("engine-test-profile", &["sh", "-c", script]);
    let source = folder.path().to_string_lossy().into_owned();
    launch.mounts = vec![LaunchMount::Bind { source, target: "/mnt".to_owned(), access: Access::ReadOnly }];
    let (exit, out, _) = run(&launch, b"").await;
    let out = String::from_utf8(out).unwrap();
    assert_eq!(exit.unwrap().code, 0, "{out}");
    let expected = "uid=1234(tester) gid=2345(testers) groups=2345(testers)\nCapBnd:\t0000000000000000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n\
                    root-read-only\nmount-read-only\nkept\ntmp-writable\n0\n256\nlo\n";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let out: Vec<String> = sorted(&out).into_iter().filter(|line| !line.contains("init") && !line.contains("tini")).collect();
    assert_eq!(out, sorted(expected));
}

#[tokio::test]
async fn an_image_that_is_not_there_is_named() {
    let mut launch = launch("engine-test-none", &["true"]);
    launch.image = "engine-test-no-such-image:1".to_owned();
    let (exit, _, _) = run(&launch, b"").await;
    assert!(matches!(&exit, Err(EngineError::NoImage { reference }) if reference == "engine-test-no-such-image:1"), "{exit:?}");
}

#[tokio::test]
async fn a_container_that_does_not_start_is_removed() {
    let mut launch = launch("engine-test-start", &["true"]);
    launch.mounts = vec![LaunchMount::Bind { source: "/no/such/folder".to_owned(), target: "/mnt".to_owned(), access: Access::ReadWrite }];
    let (exit, _, _) = run(&launch, b"").await;
    assert!(matches!(&exit, Err(EngineError::Operation { operation: Operation::Create(_) | Operation::Start(_), .. })), "{exit:?}");
    is_gone("engine-test-start");
    // This one is created and fails only at the start.
    launch.mounts.clear();
    launch.workdir = "/etc/passwd/nowhere".to_owned();
    let (exit, _, _) = run(&launch, b"").await;
    assert!(exit.is_err(), "{exit:?}");
    is_gone("engine-test-start");
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_127() {
    let (exit, _, err) = run(&launch("engine-test-127", &["/no/such/program"]), b"").await;
    assert_eq!(exit.unwrap().code, 127, "{}", String::from_utf8_lossy(&err));
}

#[tokio::test]
async fn a_program_that_closes_its_output_is_waited_for() {
    let (exit, out, _) = run(&launch("engine-test-closes", &["sh", "-c", "echo out; exec >&- 2>&-; sleep 0.5; exit 3"]), b"").await;
    assert_eq!((exit.unwrap().code, out.as_slice()), (3, &b"out\n"[..]));
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_container() {
    let engine = engine_with_base().await;
    let private = tempfile::tempdir().unwrap();
    let (launch, security) = (launch("engine-test-reader", &["sh", "-c", "while echo y; do :; done"]), security());
    let (mut output, output_end) = tokio::io::duplex(1 << 16);
    let streams = Streams { input: Box::new(tokio::io::empty()), output: Box::new(output_end), error: Box::new(tokio::io::sink()) };
    let request = request(&launch, &security, private.path().to_owned());
    let leave = async {
        let mut some = [0; 2];
        output.read_exact(&mut some).await.unwrap();
        drop(output);
    };
    let (exit, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(engine.run(&request, streams), leave) }).await.expect("it ends");
    assert!(exit.unwrap().code >= 128);
    is_gone("engine-test-reader");
}

#[tokio::test]
async fn programs_run_in_a_detached_container() {
    let engine = engine_with_base().await;
    let private = tempfile::tempdir().unwrap();
    let (launch, security) = (launch("engine-test-detached", &["sleep", "1000"]), security());
    let id = engine.start_detached(&request(&launch, &security, private.path().to_owned())).await.unwrap();
    let listed = engine.list("dev.silo.test=engine-test-detached").await.unwrap();
    assert_eq!(
        listed.iter().map(|one| (one.id.as_str(), one.name.as_str(), one.state.as_str())).collect::<Vec<_>>(),
        [(id.as_str(), "engine-test-detached", "running")]
    );

    let exec = ExecRequest {
        container: "engine-test-detached".to_owned(),
        argv: ["sh", "-c", "cat; id -un; pwd; echo $A; echo err >&2; exit 7"].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("A".to_owned(), "b c".to_owned())]),
        user: (1234, 2345),
        workdir: "/tmp".to_owned(),
        terminal: false,
    };
    let (mut output, output_end) = tokio::io::duplex(1 << 16);
    let (mut input_end, input) = tokio::io::duplex(1 << 16);
    let streams = Streams { input: Box::new(input), output: Box::new(output_end), error: Box::new(tokio::io::sink()) };
    let type_in = async {
        input_end.write_all(b"typed\n").await.unwrap();
        drop(input_end);
    };
    let mut out = String::new();
    let (exit, (), _) = tokio::join!(engine.exec(&exec, streams), type_in, output.read_to_string(&mut out));
    assert_eq!((exit.unwrap().code, out.as_str()), (7, "typed\ntester\n/tmp\nb c\n"));

    engine.stop("engine-test-detached", 1).await.unwrap();
    engine.stop("engine-test-detached", 1).await.unwrap();
    engine.remove("engine-test-detached", private.path()).await.unwrap();
    is_gone("engine-test-detached");
    assert!(matches!(engine.remove("engine-test-detached", private.path()).await, Err(EngineError::NoContainer { .. })));
    assert!(matches!(engine.stop("engine-test-detached", 1).await, Err(EngineError::NoContainer { .. })));
}
