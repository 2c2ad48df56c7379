//! Projects to run silo in: folders of their own with a HOME of their own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long anything short may take.
pub const SHORT: Duration = Duration::from_secs(60);
/// The agents of the fixture.
pub const AGENTS: [&str; 4] = ["claude", "codex", "copilot", "opencode"];
/// The fixture's files.
pub const KDL: &str = include_str!("project/silo.kdl");
pub const LOCK: &str = include_str!("project/silo.lock");

/// Says something to whoever runs the tests: the harness hides only what its own macros print.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A project and the HOME of whoever works in it.
pub struct Project {
    root: tempfile::TempDir,
}

impl Project {
    /// The fixture, unchanged.
    pub fn fixture() -> Project {
        Project::with(KDL, Some(LOCK))
    }

    /// A project with this configuration, and this lock if any.
    pub fn with(kdl: &str, lock: Option<&str>) -> Project {
        Project::named("silo-real-", kdl, lock)
    }

    fn named(prefix: &str, kdl: &str, lock: Option<&str>) -> Project {
        let project = Project { root: tempfile::Builder::new().prefix(prefix).tempdir().unwrap() };
        fs::create_dir(project.home()).unwrap();
        fs::create_dir(project.workspace()).unwrap();
        project.write("silo.kdl", kdl);
        if let Some(lock) = lock {
            project.write("silo.lock", lock);
        }
        // Clients' configuration: whoever needs a mirror or a login for the build needs it for these tests too.
        if let Some(home) = std::env::var_os("HOME").map(PathBuf::from) {
            for file in [".npmrc", ".netrc", ".config/pip/pip.conf"] {
                if let Ok(text) = fs::read(home.join(file)) {
                    let copy = project.home().join(file);
                    fs::create_dir_all(copy.parent().unwrap()).unwrap();
                    fs::write(copy, text).unwrap();
                }
            }
        }
        project
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    pub fn workspace(&self) -> PathBuf {
        self.root().join("work")
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.workspace().join(file), text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.workspace().join(file)).unwrap()
    }

    /// silo in this project, with nothing to read from standard input.
    pub fn silo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_silo"));
        command.args(args).current_dir(self.workspace()).env("HOME", self.home()).stdin(Stdio::null());
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "SILO_BACKEND"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs silo to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        run(self.silo(args))
    }

    /// The identity of an agent's image.
    pub fn identity(&self, agent: &str) -> String {
        let text = self.run(&["hash", agent]).succeeded().stdout;
        let identity = text.split_whitespace().next().unwrap_or_default().to_string();
        assert_eq!(identity.len(), 64, "{text}");
        identity
    }

    /// The containers that silo has for this project's folder.
    pub fn containers(&self) -> Vec<serde_json::Value> {
        let listed: serde_json::Value = serde_json::from_str(&self.run(&["ls", "--json"]).succeeded().stdout).unwrap();
        let workspace = self.workspace().display().to_string();
        listed["containers"].as_array().unwrap().iter().filter(|container| container["workspace"] == workspace.as_str()).cloned().collect()
    }
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    #[track_caller]
    pub fn succeeded(self) -> Ran {
        self.exited(0)
    }

    #[track_caller]
    pub fn exited(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Ran {
        // Messages are wrapped to the width of a terminal.
        let flat = |text: &str| text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&self.stderr).contains(&flat(text)), "{text:?} is in\n{}", self.stderr);
        self
    }
}

pub fn run(mut command: Command) -> Ran {
    let started = Instant::now();
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr), took: started.elapsed() }
}

/// Runs the engine's own command line.
pub fn docker(args: &[&str]) -> Ran {
    let mut command = Command::new("docker");
    command.args(args);
    run(command)
}

/// The address that containers reach this machine by: the gateway of the engine's own network, which is the first address of it when the
/// engine does not say.
pub fn gateway() -> String {
    let asked = docker(&["network", "inspect", "bridge", "--format", "{{range .IPAM.Config}}{{.Gateway}};{{.Subnet}}{{end}}"]).succeeded();
    let (gateway, subnet) = asked.stdout.trim().split_once(';').unwrap_or_default();
    let first = subnet.split('/').next().and_then(|network| Some(format!("{}.1", network.rsplit_once('.')?.0)));
    if gateway.is_empty() { first.expect("the engine's network has a subnet") } else { gateway.to_string() }
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, patience: Duration, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < patience, "{what} within {patience:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The exit code of a program that ends in time.
#[track_caller]
pub fn end(child: &mut Child, patience: Duration) -> Option<i32> {
    let mut code = None;
    until("it ends", patience, || {
        code = child.try_wait().unwrap();
        code.is_some()
    });
    code.unwrap().code()
}

/// A silo that runs beside a test, and is asked to end when the test fails: killed it would leave its container.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            signal(&self.0, rustix::process::Signal::TERM);
            let asked = Instant::now();
            while matches!(self.0.try_wait(), Ok(None)) && asked.elapsed() < Duration::from_secs(15) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Sends a signal.
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, signal).unwrap();
}

/// The version that a lock pins an agent to.
pub fn pinned(lock: &str, kind: &str, name: &str) -> String {
    let start = format!("{kind} \"{name}\" ");
    let line = lock.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("the lock has {kind} {name}"));
    let (_, rest) = line.split_once(" version=\"").unwrap();
    rest.split_once('"').unwrap().0.to_string()
}

/// The fixture with all of its images built from the committed lock, made once for all tests of a run.
pub struct Built {
    pub project: Project,
    pub build: Ran,
}

/// How the folder of the project begins that all tests of a run share; the process follows.
const SHARED: &str = "silo-real-shared-";

/// Removes what earlier runs shared: nothing runs at the end of a test program, so the next one tidies up.
fn remove_earlier() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(SHARED)?.split('-').next()?.parse().ok());
        let ended = |process| rustix::process::Pid::from_raw(process).is_some_and(|id| rustix::process::test_kill_process(id).is_err());
        if process.is_some_and(ended) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        remove_earlier();
        let project = Project::named(&format!("{SHARED}{}-", std::process::id()), KDL, Some(LOCK));
        // What an earlier run left is no proof that this one can build; the engine keeps its cache of steps.
        for agent in AGENTS {
            let reference = format!("localhost/silo/{agent}:{}", project.identity(agent));
            let _ = project.run(&["rm", "--force", &reference]);
        }
        let build = project.run(&["build", "--locked"]);
        say(&format!("silo build of the fixture: {:.1}s", build.took.as_secs_f64()));
        Built { project, build }
    })
}

impl Built {
    /// The project, after its images are known to be there.
    #[track_caller]
    pub fn ready() -> &'static Project {
        let Built { project, build } = built();
        assert_eq!(build.code, Some(0), "the fixture builds: {}", build.stderr);
        project
    }
}
