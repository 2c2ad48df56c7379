//! One image for whoever runs it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::online;
use super::project::{Built, KDL, LOCK, Project, Ran, run};

/// A user of this machine who has no account on it.
pub struct User {
    name: &'static str,
    id: u32,
    engine: Engine,
}

/// Whether a user may use the engine's socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Allowed,
    Forbidden,
}

fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    PathBuf::from(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"))
}

/// A program run with root's rights.
fn privileged(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        Command::new(program)
    } else {
        let mut command = Command::new("sudo");
        command.args(["-n", program]);
        command
    }
}

impl User {
    pub fn new(name: &'static str, id: u32, engine: Engine) -> User {
        User { name, id, engine }
    }

    /// Gives a project to the user, and a copy of silo where they can reach it.
    pub fn given(&self, project: &Project) {
        fs::set_permissions(project.root(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_silo"), project.root().join("silo")).unwrap();
        let mut chown = privileged("chown");
        chown.args(["-R", &format!("{}:{}", self.id, self.id)]).arg(project.home()).arg(project.workspace());
        run(chown).succeeded();
    }

    /// Takes it back, so that it can be removed.
    pub fn returned(&self, project: &Project) {
        let mut chown = privileged("chown");
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        chown.args(["-R", &format!("{uid}:{gid}")]).arg(project.root());
        run(chown).succeeded();
    }

    /// Runs silo as the user, in a project that was given to them.
    pub fn run(&self, project: &Project, args: &[&str]) -> Ran {
        let mut command = privileged("setpriv");
        command.arg(format!("--reuid={}", self.id)).arg(format!("--regid={}", self.id));
        match self.engine {
            Engine::Allowed => command.arg(format!("--groups={}", fs::metadata(socket()).unwrap().gid())),
            Engine::Forbidden => command.arg("--clear-groups"),
        };
        let assign = |name: &str, value: &Path| format!("{name}={}", value.display());
        command.args(["env", "-i", &assign("HOME", &project.home()), &format!("USER={}", self.name)]);
        for name in ["PATH", "DOCKER_HOST", "SSL_CERT_FILE"] {
            command.args(std::env::var(name).map(|value| format!("{name}={value}")));
        }
        command.arg(project.root().join("silo")).args(args).current_dir(project.workspace());
        run(command)
    }
}

#[test]
fn one_image_runs_as_whoever_calls() {
    online!();
    let built = Built::ready();
    let identity = built.identity("claude");
    let users = [User::new("ada", 12_345, Engine::Allowed), User::new("brian", 23_456, Engine::Allowed)];
    for user in users {
        let (name, id) = (user.name, user.id);
        let project = Project::fixture();
        user.given(&project);
        let hash = user.run(&project, &["hash", "claude"]).succeeded().stdout;
        assert!(hash.starts_with(&identity), "{name}: {hash}");
        let script = "whoami; id -u; id -g; echo $HOME; pwd; touch \"$HOME/writable\" made && echo touched; tee -a silo.kdl </dev/null && echo appended";
        let ran = user.run(&project, &["shell", "claude", "--locked", "--", "sh", "-c", script]).succeeded();
        assert!(!ran.stderr.contains("building"), "the image that is there is used: {}", ran.stderr);
        let (home, workspace) = (project.home().display().to_string(), project.workspace().display().to_string());
        let id_text = id.to_string();
        let wanted = [name, &id_text, &id_text, &home, &workspace, "touched", "appended"];
        assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), wanted);
        let made = fs::metadata(project.workspace().join("made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (id, id), "what is made in the container is the caller's");
        assert!(!project.home().join("writable").exists(), "the container's HOME is its own");
        let version = user.run(&project, &["claude", "--", "--version"]).succeeded().stdout;
        assert!(version.contains("Claude Code"), "{version}");
        user.returned(&project);
    }
}

#[test]
fn without_permission_for_the_socket_silo_says_how_to_get_it() {
    online!();
    let user = User::new("carol", 34_567, Engine::Forbidden);
    let project = Project::fixture();
    user.given(&project);
    let ran = user.run(&project, &["claude", "--", "--version"]);
    user.returned(&project);
    let socket = socket().display().to_string();
    ran.exited(125).says(&format!("you may not use the engine's socket {socket}")).says("usermod -aG docker");
}

/// A user's own configuration. Behind a proxy that signs TLS itself it needs to say nothing: what the host trusts, the container trusts.
const OWN: &str = "silo edition=\"2026\"\nmount \"~/.npmrc\" mode=ro optional=#true\nenv TZ=\"UTC\"\n";

#[test]
fn users_install_what_they_like_inside() {
    online!();
    let built = Built::ready();
    let user = User::new("ada", 12_345, Engine::Allowed);
    let project = Project::fixture();
    let configuration = project.home().join(".config/silo");
    fs::create_dir_all(&configuration).unwrap();
    fs::write(configuration.join("silo.kdl"), OWN).unwrap();
    user.given(&project);
    // What is mounted for all projects is shown for each.
    user.run(&project, &["trust", "--yes"]).succeeded();
    let hash = user.run(&project, &["hash", "claude"]).succeeded().stdout;
    let script = "
        set -eu
        npm install --global --silent semver
        test \"$(command -v semver)\" = \"$HOME/.local/bin/semver\"
        semver 1.2.3
        pip3 install --user --quiet --no-warn-script-location tabulate
        test \"$(command -v tabulate)\" = \"$HOME/.local/bin/tabulate\"
        printf 'a b\\n' | tabulate
        python3 -m venv \"$HOME/venv\"
        \"$HOME/venv/bin/pip\" install --quiet six
        \"$HOME/venv/bin/python\" -c 'import six; print(\"six\", six.__name__)'
        uv tool install --quiet pycowsay
        pycowsay moo | grep moo
    ";
    let ran = user.run(&project, &["shell", "claude", "--", "sh", "-c", script]);
    user.returned(&project);
    assert!(hash.starts_with(&built.identity("claude")), "what a user mounts and sets is not of the image: {hash}");
    let ran = ran.succeeded();
    for word in ["1.2.3", "a  b", "six six", "moo"] {
        assert!(ran.stdout.contains(word), "{word:?}: {}", ran.stdout);
    }
}

#[test]
fn the_fixture_is_what_the_lock_was_made_from() {
    // Needs neither engine nor network: a stale fixture would make every test above resolve versions anew.
    let project = Project::with(KDL, Some(LOCK));
    project.run(&["lock", "--check"]).succeeded();
}
