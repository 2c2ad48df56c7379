//! A terminal with a program in its foreground.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::real::project::{Running, SHORT};

/// A terminal with a program in its foreground.
pub struct Terminal {
    pub master: File,
    pub slave: File,
    pub child: Running,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts a program with its folder and variables; of the environment it gets what the command sets, besides `HOME` and so on.
    pub fn open(program: &Command, rows: u16, columns: u16) -> Terminal {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(slave.to_str().unwrap()).unwrap();
        let master = File::from(master);
        resize(&master, rows, columns);
        // A session of its own, whose controlling terminal this is.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(program.get_program()).args(program.get_args());
        command.current_dir(program.get_current_dir().unwrap()).env("TERM", "xterm-256color");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
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
        Terminal { master, slave, child: Running(child), seen }
    }

    /// All that was printed so far.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits until a text was printed.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let started = std::time::Instant::now();
        while !self.seen().contains(text) {
            assert!(started.elapsed() < SHORT, "{text:?} appears in {:?}", self.seen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Gives a terminal another size.
pub fn resize(master: &File, rows: u16, columns: u16) {
    rustix::termios::tcsetwinsize(master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}
