//! A program at a real terminal: this test program again, as the leader of a session on a new pseudo terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::OpenptFlags;
use rustix::termios::{Termios, Winsize};

use super::run::{launch, request, security};
use super::*;
use crate::shell::engine::ExecRequest;

const LONG: Duration = Duration::from_secs(20);

/// The part of the tests below that runs at the terminal, or at pipes; alone it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::exit, reason = "what a caller of `run` has to do")]
async fn inside() {
    if std::env::var_os("ENGINE_TEST_WHAT").is_none() {
        return;
    }
    let variable = |name: &str| std::env::var(name).unwrap();
    if variable("ENGINE_TEST_WHAT") == "panic" {
        let _raw = crate::shell::engine::docker::terminal::RawTerminal::enter().unwrap();
        println!("raw");
        panic!("in the middle of it");
    }
    if variable("ENGINE_TEST_WHAT") == "exec" {
        let exec = ExecRequest {
            container: variable("ENGINE_TEST_NAME"),
            argv: ["sh", "-c", &variable("ENGINE_TEST_SCRIPT")].map(str::to_owned).to_vec(),
            env: Default::default(),
            user: (1234, 2345),
            workdir: "/".to_owned(),
            terminal: true,
        };
        let exit = engine().await.exec(&exec, Streams::standard()).await.unwrap();
        std::process::exit(exit.code.into());
    }
    let mut launch = launch(&variable("ENGINE_TEST_NAME"), &["sh", "-c", &variable("ENGINE_TEST_SCRIPT")]);
    launch.terminal = variable("ENGINE_TEST_WHAT") != "pipes";
    let private = tempfile::tempdir().unwrap();
    let security = security();
    let request = request(&launch, &security, private.path().to_owned());
    let exit = engine_with_base().await.run(&request, Streams::standard()).await.unwrap();
    assert!(exit.left_behind.is_none());
    drop(private);
    std::process::exit(exit.code.into());
}

fn inside_command(what: &str, name: &str, script: &str) -> Command {
    let mut command = Command::new("setsid");
    if what != "pipes" {
        command.arg("--ctty");
    }
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "shell::engine::docker::tests::tty::inside", "--nocapture"]);
    command.env("ENGINE_TEST_WHAT", what).env("ENGINE_TEST_NAME", name).env("ENGINE_TEST_SCRIPT", script);
    command
}

struct Terminal {
    master: Option<File>,
    child: Child,
    before: Termios,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn open(what: &str, name: &str, script: &str) -> Terminal {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(slave.to_str().unwrap()).unwrap();
        let mut command = inside_command(what, name, script);
        let master = File::from(master);
        let terminal = |slave: &File| Stdio::from(slave.try_clone().unwrap());
        resize(&master, 31, 97);
        let before = rustix::termios::tcgetattr(&slave).unwrap();
        let child = command.stdin(terminal(&slave)).stdout(terminal(&slave)).stderr(terminal(&slave)).spawn().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, sink) = (master.try_clone().unwrap(), Arc::clone(&seen));
        if what != "hang-up" {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(read) = reader.read(&mut buffer) {
                    if read == 0 {
                        break;
                    }
                    sink.lock().unwrap().extend_from_slice(&buffer[..read]);
                }
            });
        }
        Terminal { master: Some(master), child, before, seen }
    }

    fn wait_for(&self, bytes: &[u8]) {
        let started = Instant::now();
        while !self.seen.lock().unwrap().windows(bytes.len()).any(|window| window == bytes) {
            let seen = String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned();
            assert!(started.elapsed() < LONG, "{:?} appears in {seen:?}", String::from_utf8_lossy(bytes));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn type_in(&self, bytes: &[u8]) {
        self.master.as_ref().unwrap().write_all(bytes).unwrap();
    }

    /// Waits for the end, looks whether the terminal is as it was, and returns the exit code.
    fn end(mut self) -> i32 {
        let status = wait(&mut self.child);
        let after = rustix::termios::tcgetattr(self.master.as_ref().unwrap()).unwrap();
        assert_eq!(format!("{after:?}"), format!("{:?}", self.before), "the terminal is as it was");
        status
    }
}

fn wait(child: &mut Child) -> i32 {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or_else(|| 1000 + status.signal().unwrap());
        }
        assert!(started.elapsed() < LONG, "it ends");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn resize(master: &File, rows: u16, columns: u16) {
    rustix::termios::tcsetwinsize(master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

fn runs(name: &str) -> bool {
    !stdout(&docker(&["ps", "-q", "--filter", &format!("name=^{name}$")])).is_empty()
}

fn exists(name: &str) -> bool {
    !stdout(&docker(&["ps", "-aq", "--filter", &format!("name=^{name}$")])).is_empty()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn bytes_that_look_like_a_frame_pass() {
    let script =
        r"stty raw -echo; printf '\001\000\000\000\000\000\000\377'; sleep 0.2; printf '\002hello\r'; sleep 0.2; printf '\000END'; exit 7";
    let terminal = Terminal::open("terminal", "engine-test-tty-bytes", script);
    terminal.wait_for(b"\x01\0\0\0\0\0\0\xff\x02hello\r\0END");
    assert_eq!(terminal.end(), 7);
    assert!(!exists("engine-test-tty-bytes"));
}

#[test]
fn every_key_arrives_at_once() {
    let script = "stty raw -echo; echo ready; for i in 1 2 3 4 5; do dd bs=1 count=1 2>/dev/null | od -An -tx1; done";
    let terminal = Terminal::open("terminal", "engine-test-tty-keys", script);
    terminal.wait_for(b"ready");
    // Ctrl-P and Ctrl-Q would detach, Ctrl-C and Ctrl-Z would be signals, Ctrl-D an end.
    for (key, seen) in [(0x10, " 10"), (0x11, " 11"), (0x03, " 03"), (0x1a, " 1a"), (0x04, " 04")] {
        terminal.type_in(&[key]);
        terminal.wait_for(seen.as_bytes());
    }
    assert_eq!(terminal.end(), 0);
}

#[test]
fn the_size_arrives_and_follows() {
    let script = "while :; do stty size; sleep 0.05; [ \"$(stty size)\" = '12 34' ] && exit 3; done";
    let terminal = Terminal::open("terminal", "engine-test-tty-size", script);
    terminal.wait_for(b"31 97");
    resize(terminal.master.as_ref().unwrap(), 12, 34);
    assert_eq!(terminal.end(), 3);
}

#[test]
fn a_program_in_a_running_container_has_the_terminal_too() {
    let name = "engine-test-tty-exec";
    tokio::runtime::Runtime::new().unwrap().block_on(engine_with_base());
    assert!(docker(&["run", "-d", "--name", name, "--network=none", BASE, "sleep", "1000"]).status.success());
    let script = "stty raw -echo; until [ \"$(stty size)\" = '31 97' ]; do sleep 0.05; done; echo ready; dd bs=1 count=1 2>/dev/null | od -An -tx1; \
                  until [ \"$(stty size)\" = '12 34' ]; do sleep 0.05; done; exit 5";
    let terminal = Terminal::open("exec", name, script);
    terminal.wait_for(b"ready");
    terminal.type_in(&[0x10]);
    terminal.wait_for(b" 10");
    resize(terminal.master.as_ref().unwrap(), 12, 34);
    assert_eq!(terminal.end(), 5);

    let terminal = Terminal::open("exec", name, "echo ready; sleep 1000");
    terminal.wait_for(b"ready");
    assert!(Command::new("kill").args(["-TERM", &terminal.child.id().to_string()]).status().unwrap().success());
    assert_eq!(terminal.end(), 143);
    docker(&["rm", "-f", name]);
}

#[test]
fn a_terminal_that_goes_takes_the_container_with_it() {
    let mut terminal = Terminal::open("terminal", "engine-test-tty-hangup", "trap '' HUP; echo ready; while :; do sleep 1; done");
    terminal.wait_for(b"ready");
    // The reading thread has another handle on it: a hang-up is what the kernel sends to the session's leader when the last one goes.
    let hung_up = Command::new("kill").args(["-HUP", &terminal.child.id().to_string()]).status().unwrap();
    assert!(hung_up.success());
    terminal.master = None;
    assert_ne!(wait(&mut terminal.child), 0);
    assert!(!exists("engine-test-tty-hangup"));
}

#[test]
fn a_terminal_that_really_goes_takes_the_container_with_it() {
    let mut terminal = Terminal::open("hang-up", "engine-test-tty-gone", "sleep 1000");
    until("the container runs", || runs("engine-test-tty-gone"));
    terminal.master = None;
    assert_ne!(wait(&mut terminal.child), 0);
    assert!(!exists("engine-test-tty-gone"));
}

#[test]
fn termination_restores_the_terminal_and_removes_the_container() {
    let terminal = Terminal::open("terminal", "engine-test-tty-term", "echo ready; sleep 1000");
    terminal.wait_for(b"ready");
    assert!(Command::new("kill").args(["-TERM", &terminal.child.id().to_string()]).status().unwrap().success());
    assert_eq!(terminal.end(), 143);
    assert!(!exists("engine-test-tty-term"));
}

#[test]
fn a_panic_restores_the_terminal() {
    let terminal = Terminal::open("panic", "", "");
    terminal.wait_for(b"raw");
    assert_eq!(terminal.end(), 101);
}

#[test]
fn signals_reach_a_program_without_a_terminal() {
    for (signal, script, code) in [
        ("INT", "trap 'exit 9' INT; echo ready; while :; do sleep 0.1; done", 9),
        ("TERM", "echo ready; exec sleep 1000", 143),
        ("HUP", "trap '' HUP TERM; echo ready; while :; do sleep 0.1; done", 137),
    ] {
        let name = format!("engine-test-signal-{}", signal.to_lowercase());
        let mut child = inside_command("pipes", &name, script).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"ready\n") {
            let mut byte = [0];
            output.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
        assert_eq!(wait(&mut child), code, "{signal}");
        assert!(!exists(&name));
    }
}
