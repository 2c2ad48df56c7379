//! The caller's terminal and signals.

use std::io;
use std::sync::Mutex;

use rustix::termios::{OptionalActions, Termios};
use tokio::signal::unix::{Signal, SignalKind};

/// The state of the terminal before it was made raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal that passes every key on; dropping this puts it back.
pub(super) struct RawTerminal(());

impl RawTerminal {
    /// Makes the terminal at standard input raw. No terminal there: nothing is done.
    pub(super) fn enter() -> io::Result<RawTerminal> {
        let input = io::stdin();
        if rustix::termios::isatty(&input) {
            let before = rustix::termios::tcgetattr(&input)?;
            let mut raw = before.clone();
            raw.make_raw();
            if let Ok(mut saved) = BEFORE.lock() {
                saved.get_or_insert(before);
            }
            rustix::termios::tcsetattr(&input, OptionalActions::Now, &raw)?;
        }
        Ok(RawTerminal(()))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the terminal back if it is raw. For whoever ends the process without unwinding: a panic hook, `std::process::exit`.
pub fn restore() {
    // A panic while the lock is held leaves a value that is whole all the same.
    let mut saved = BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(before) = saved.take() {
        // The terminal may be gone; then there is nothing to put back.
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: u16,
    pub(super) columns: u16,
}

/// The size of the terminal at standard output or, failing that, input.
pub(super) fn size() -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).or_else(|_| rustix::termios::tcgetwinsize(io::stdin())).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(Size { rows: size.ws_row, columns: size.ws_col })
}

/// What the caller's signals ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The terminal has another size.
    Resized,
    /// A signal meant for the program.
    Signal(Sent),
    /// The terminal is gone: SIGHUP.
    HungUp(Sent),
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Its name, as the engine wants it.
    pub(super) name: &'static str,
    /// Its number: the same on Linux and macOS for the few used here.
    pub(super) number: u8,
}

/// Listens for signals from its making on. They no longer end this process, even after this is dropped.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    hangup: Signal,
    resize: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Signals> {
        let listen = tokio::signal::unix::signal;
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            quit: listen(SignalKind::quit())?,
            hangup: listen(SignalKind::hangup())?,
            resize: listen(SignalKind::window_change())?,
        })
    }

    pub(super) async fn next(&mut self) -> Event {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Event::Signal(Sent { name: "SIGINT", number: 2 }),
            Some(()) = self.terminate.recv() => Event::Signal(Sent { name: "SIGTERM", number: 15 }),
            Some(()) = self.quit.recv() => Event::Signal(Sent { name: "SIGQUIT", number: 3 }),
            Some(()) = self.hangup.recv() => Event::HungUp(Sent { name: "SIGHUP", number: 1 }),
            Some(()) = self.resize.recv() => Event::Resized,
            else => std::future::pending().await,
        }
    }
}
