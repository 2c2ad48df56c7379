//! A container on a terminal.

use std::io::Write;
use std::time::Duration;

use super::online;
use super::project::{Built, SHORT, end};
use crate::support::terminal::{Terminal, resize};

#[test]
fn a_terminal_has_its_size_and_follows_it() {
    online!();
    let project = Built::ready();
    // An engine before API 1.42 tells the size only just after the start.
    let script = "tty; echo $TERM; until [ \"$(stty size)\" != '0 0' ]; do sleep 0.05; done; stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.1; done";
    let mut terminal = Terminal::open(&project.silo(&["shell", "codex", "--", "sh", "-c", script]), 37, 101);
    let before = format!("{:?}", rustix::termios::tcgetattr(&terminal.slave).unwrap());
    terminal.wait_for("ready");
    let seen = terminal.seen();
    assert!(seen.contains("/dev/") && seen.contains("xterm-256color") && seen.contains("37 101"), "{seen:?}");
    assert_ne!(format!("{:?}", rustix::termios::tcgetattr(&terminal.slave).unwrap()), before, "keys reach the program as they are");
    resize(&terminal.master, 50, 120);
    terminal.wait_for("50 120");
    assert_eq!(end(&mut terminal.child.0, SHORT), Some(5));
    assert_eq!(format!("{:?}", rustix::termios::tcgetattr(&terminal.slave).unwrap()), before, "the terminal is as it was");
}

#[test]
fn what_is_typed_reaches_the_shell() {
    online!();
    let project = Built::ready();
    let mut terminal = Terminal::open(&project.silo(&["shell", "codex"]), 24, 80);
    terminal.wait_for(if rustix::process::geteuid().is_root() { "# " } else { "$ " });
    terminal.master.write_all(b"sleep 600\r").unwrap();
    terminal.wait_for("sleep 600");
    std::thread::sleep(Duration::from_millis(300));
    // Ctrl-C ends the program in the container, not silo.
    terminal.master.write_all(b"\x03").unwrap();
    terminal.master.write_all(b"echo still-$((6*7))\r").unwrap();
    terminal.wait_for("still-42");
    terminal.master.write_all(b"exit 9\r").unwrap();
    assert_eq!(end(&mut terminal.child.0, SHORT), Some(9));
}
