//! The program against a real engine, with the real agents, language servers and MCP servers.
//!
//! On by default; `SILO_TEST_OFFLINE=1` leaves these tests out, and each of them says so. The fixture's images are built once for all tests
//! of a run. They need a Docker engine, its command line, `setpriv` and `setsid` (util-linux), and root or a `sudo` that does not ask for
//! what involves other users.

mod agents;
mod crates;
mod equal;
mod errors;
mod lifecycle;
mod mirrors;
mod modules;
mod packages;
pub mod project;
mod rebuild;
mod registry;
mod servers;
mod terminal;
mod trust;
mod updates;
mod users;
mod vendor;

/// Leaves a test, and says so where the test harness does not hide it, when tests without engine and network are wanted.
macro_rules! online {
    () => {
        if std::env::var_os("SILO_TEST_OFFLINE").is_some_and(|value| value == "1") {
            crate::real::project::say(concat!("SKIPPED ", module_path!(), ": SILO_TEST_OFFLINE=1"));
            return;
        }
    };
}
use online;
