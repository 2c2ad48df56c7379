//! A container on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use super::online;
use super::project::{Built, Project, SHORT, end};

/// A terminal with silo in its foreground.
struct Terminal {
    master: File,
    slave: File,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn open(project: &Project, args: &[&str], rows: u16, columns: u16) -> Terminal {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(slave.to_str().unwrap()).unwrap();
        let master = File::from(master);
        resize(&master, rows, columns);
        // A session of its own, whose controlling terminal this is.
        let silo = project.silo(args);
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(silo.get_program()).args(silo.get_args()).current_dir(project.workspace());
        command.env("HOME", project.home()).env("TERM", "xterm-256color");
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, sink) = (master.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Terminal { master, slave, child, seen }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let started = std::time::Instant::now();
        while !self.seen().contains(text) {
            assert!(started.elapsed() < SHORT, "{text:?} appears in {:?}", self.seen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn resize(master: &File, rows: u16, columns: u16) {
    rustix::termios::tcsetwinsize(master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

#[test]
fn a_terminal_has_its_size_and_follows_it() {
    online!();
    let project = Built::ready();
    // An engine before API 1.42 tells the size only just after the start.
    let script = "tty; echo $TERM; until [ \"$(stty size)\" != '0 0' ]; do sleep 0.05; done; stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.1; done";
    let mut terminal = Terminal::open(project, &["shell", "codex", "--", "sh", "-c", script], 37, 101);
    let before = format!("{:?}", rustix::termios::tcgetattr(&terminal.slave).unwrap());
    terminal.wait_for("ready");
    let seen = terminal.seen();
    assert!(seen.contains("/dev/") && seen.contains("xterm-256color") && seen.contains("37 101"), "{seen:?}");
    assert_ne!(format!("{:?}", rustix::termios::tcgetattr(&terminal.slave).unwrap()), before, "keys reach the program as they are");
    resize(&terminal.master, 50, 120);
    terminal.wait_for("50 120");
    assert_eq!(end(&mut terminal.child, SHORT), Some(5));
    assert_eq!(format!("{:?}", rustix::termios::tcgetattr(&terminal.slave).unwrap()), before, "the terminal is as it was");
}

#[test]
fn what_is_typed_reaches_the_shell() {
    online!();
    let project = Built::ready();
    let mut terminal = Terminal::open(project, &["shell", "codex"], 24, 80);
    terminal.wait_for(if rustix::process::geteuid().is_root() { "# " } else { "$ " });
    terminal.master.write_all(b"sleep 600\r").unwrap();
    terminal.wait_for("sleep 600");
    std::thread::sleep(Duration::from_millis(300));
    // Ctrl-C ends the program in the container, not silo.
    terminal.master.write_all(b"\x03").unwrap();
    terminal.master.write_all(b"echo still-$((6*7))\r").unwrap();
    terminal.wait_for("still-42");
    terminal.master.write_all(b"exit 9\r").unwrap();
    assert_eq!(end(&mut terminal.child, SHORT), Some(9));
}
