//! One committed lock on clean machines: other homes, caches, paths, clocks and users, no network and no engine.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cli::Ran;
use crate::real::project::{KDL, LOCK, say};

/// Everything that is compiled from a lock without a network.
const COMMANDS: [&[&str]; 5] =
    [&["lock", "--check"], &["check", "--locked"], &["hash"], &["hash", "claude", "--explain"], &["compile", "codex"]];

/// A clock that is some seconds off, for a program that is linked dynamically.
const CLOCK: &str = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <time.h>\n#include <stdlib.h>\n\
    int clock_gettime(clockid_t id, struct timespec *now) {\n\
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, \"clock_gettime\");\n\
    int result = real(id, now);\n    if (id == CLOCK_REALTIME) now->tv_sec += atol(getenv(\"SKEW\"));\n    return result;\n}\n\
    time_t time(time_t *out) { struct timespec now; clock_gettime(CLOCK_REALTIME, &now); if (out) *out = now.tv_sec; return now.tv_sec; }\n";

/// Compiles [`CLOCK`].
fn clock(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, CLOCK).unwrap();
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    library
}

/// A folder that is a machine's whole memory: a checkout of the project, and a home.
struct Machine {
    folder: tempfile::TempDir,
    checkout: &'static str,
}

impl Machine {
    fn new(checkout: &'static str) -> Machine {
        let machine = Machine { folder: tempfile::tempdir().unwrap(), checkout };
        fs::set_permissions(machine.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(machine.repository().join(".git")).unwrap();
        fs::write(machine.repository().join("silo.kdl"), KDL).unwrap();
        fs::write(machine.repository().join("silo.lock"), LOCK).unwrap();
        machine
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join(self.checkout)
    }

    /// What is there, with the time of its last change.
    fn files(&self) -> Vec<(PathBuf, std::time::SystemTime)> {
        let mut found = Vec::new();
        let mut pending = vec![self.repository()];
        while let Some(path) = pending.pop() {
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() {
                pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            found.push((path, metadata.modified().unwrap()));
        }
        found.sort();
        found
    }

    /// All that is said to standard output, by a program that is started by another one.
    fn compiled(&self, before: &[String], more: &[(&str, String)]) -> Vec<String> {
        let files = self.files();
        let outputs = COMMANDS.map(|args| {
            let mut words = before.to_vec();
            words.push(env!("CARGO_BIN_EXE_silo").to_string());
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).args(args).current_dir(self.repository()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            command.env("HOME", self.folder.path().join("home")).env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
            let ran = Ran::of(command.envs(more.iter().map(|(name, value)| (name, value))).output().unwrap());
            ran.expect(0).out.clone()
        });
        assert_eq!(self.files(), files, "nothing is written beside the lock");
        outputs.into()
    }
}

#[test]
fn clean_machines_compile_the_same_from_one_lock() {
    // Whoever is asked counts it, and answers nobody.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        listener.incoming().for_each(|_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
    });
    let everywhere = |name| (name, address.clone());
    let watched = ["SILO_APT_MIRROR", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]
        .map(everywhere);
    let first = Machine::new("work/api");
    let expected = first.compiled(&[], &watched);
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nothing is resolved");
    assert!(expected[2].lines().count() == 4 && expected[4].contains("FROM "), "{expected:?}");

    // Another path, home and cache, fourteen years later and earlier.
    let tools = tempfile::tempdir().unwrap();
    let library = clock(tools.path());
    for years in [14, -14] {
        let machine = Machine::new("srv/checkouts/with a space/api");
        let skewed = |seconds: i64| {
            let mut command = Command::new("date");
            command.args(["+%Y"]).env("LD_PRELOAD", &library).env("SKEW", seconds.to_string());
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        let seconds = years * 31_557_600;
        assert_ne!(skewed(seconds), skewed(0), "the clock is another one");
        let more = [("LD_PRELOAD", library.display().to_string()), ("SKEW", seconds.to_string())];
        let cache = ("XDG_CACHE_HOME", machine.folder.path().join("elsewhere").display().to_string());
        assert_eq!(machine.compiled(&[], &[&more[..], &[cache]].concat()), expected, "{years} years");
    }

    // Another user, without a network; only root can become both.
    if rustix::process::geteuid().is_root() {
        let machine = Machine::new("home/somebody/api");
        let program = machine.folder.path().join("silo");
        fs::copy(env!("CARGO_BIN_EXE_silo"), &program).unwrap();
        let owned = Command::new("chown").args(["-R", "12345:12345"]).arg(machine.folder.path()).status().unwrap();
        assert!(owned.success());
        let other = ["unshare", "--net", "--", "setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--", "sh", "-c"];
        let mut before: Vec<String> = other.map(str::to_string).into();
        before.push(format!("test $(id -u) = 12345 && test $(grep -c : /proc/net/dev) = 1 && shift && exec {} \"$@\"", program.display()));
        before.push("sh".to_string());
        assert_eq!(machine.compiled(&before, &[]), expected);
    } else {
        say("SKIPPED another user without a network: only root can become one");
    }
}
