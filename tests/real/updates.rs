//! Newer agents in the background, with a registry of the tests' own that has two versions of one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use sha2::Digest;

use super::online;
use super::project::{Project, Ran, SHORT, docker, end, gateway, run, until};
use crate::support::terminal::Terminal;

const AGENT: &str = "autoup-ticker";
const PACKAGE: &str = "@silo-autoup/ticker";
const OLD: &str = "1.0.0";
const NEW: &str = "1.1.0";

/// How long a build may take on a machine that does other things.
const BUILD: Duration = Duration::from_secs(420);

/// What the registry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// It has the versions up to this one.
    Up(&'static str),
    /// It takes connections and says nothing.
    Silent,
    /// It closes them.
    Down,
}

/// A registry of npm that knows one package.
struct Registry {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
}

/// A package with one command that prints the version, as npm packs it. A broken one prints another.
fn tarball(version: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6)));
    let package = json!({ "name": PACKAGE, "version": version, "bin": { "ticker": "ticker.sh" } }).to_string();
    let said = if version.ends_with(".9") { "nothing" } else { version };
    let script = format!("#!/bin/sh\necho {said}\n");
    for (path, text, mode) in [("package/package.json", package, 0o644), ("package/ticker.sh", script, 0o755)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

impl Registry {
    fn start(mood: Mood) -> Registry {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mood, asked) = (Arc::new(Mutex::new(mood)), Arc::new(AtomicUsize::new(0)));
        let (now, count) = (Arc::clone(&mood), Arc::clone(&asked));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (now, count) = (Arc::clone(&now), Arc::clone(&count));
                std::thread::spawn(move || answer(socket, &now, &count));
            }
        });
        Registry { port, mood, asked }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(mut socket: TcpStream, mood: &Mutex<Mood>, count: &AtomicUsize) {
    let mut request = Vec::new();
    let mut buffer = [0; 2048];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match socket.read(&mut buffer) {
            Ok(read @ 1..) => request.extend_from_slice(&buffer[..read]),
            Ok(0) | Err(_) => return,
        }
    }
    count.fetch_add(1, Ordering::SeqCst);
    let newest = match *mood.lock().unwrap() {
        Mood::Up(newest) => newest,
        Mood::Silent => {
            // Until the other side gives up.
            let _ = socket.read(&mut buffer);
            return;
        }
        Mood::Down => return,
    };
    let request = String::from_utf8(request).unwrap();
    let mut words = request.split_whitespace().skip(1);
    let path = words.next().unwrap_or_default();
    let host = request.lines().find_map(|line| line.to_lowercase().strip_prefix("host:").map(|host| host.trim().to_string())).unwrap();
    let versions = [OLD, NEW, "1.1.9"];
    let body = if path.ends_with(".tgz") {
        tarball(path.rsplit('-').next().unwrap().trim_end_matches(".tgz"))
    } else {
        let known = versions.iter().filter(|version| **version <= newest);
        let versions: BTreeMap<&str, Value> = known
            .map(|version| {
                let integrity =
                    format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(sha2::Sha512::digest(tarball(version))));
                let dist = json!({ "tarball": format!("http://{host}/t/ticker-{version}.tgz"), "integrity": integrity });
                (*version, json!({ "name": PACKAGE, "version": version, "bin": { "ticker": "ticker.sh" }, "dist": dist }))
            })
            .collect();
        let time: BTreeMap<&str, &str> = versions.keys().map(|version| (*version, "2020-01-01T00:00:00.000Z")).collect();
        json!({ "name": PACKAGE, "dist-tags": { "latest": newest }, "versions": versions, "time": time }).to_string().into_bytes()
    };
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n", body.len());
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body));
}

fn configuration(settings: &str) -> String {
    format!(
        "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\ndefine agent {AGENT} {{\n    doc \"Says which version it is.\"\n    \
         install npm {{\n        npm \"{PACKAGE}\" version=\"%{{version}}\"\n        bin \"ticker\" \"node_modules/{PACKAGE}/ticker.sh\"\n    }}\n    \
         command \"ticker\"\n    check \"ticker\" contains=\"%{{version}}\"\n}}\nagent {AGENT} {settings}\n"
    )
}

/// A project with the old version in its lock and on the engine.
struct Place {
    project: Project,
    registry: Registry,
}

/// How many places there are: the last one takes the images of the agent with it.
static PLACES: AtomicUsize = AtomicUsize::new(0);

impl Drop for Place {
    fn drop(&mut self) {
        if PLACES.fetch_sub(1, Ordering::SeqCst) == 1 {
            let listed = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", &format!("localhost/silo/{AGENT}")]);
            listed.stdout.lines().for_each(|image| drop(docker(&["image", "rm", "--force", image])));
        }
    }
}

/// The lock of each configuration with the old version.
fn lock(settings: &str) -> String {
    static LOCKS: OnceLock<Mutex<BTreeMap<String, String>>> = OnceLock::new();
    let mut locks = LOCKS.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // What is done about newer versions is no question of the lock's.
    let key = settings.split_whitespace().find(|word| word.starts_with("version=")).unwrap_or_default().to_string();
    if let Some(lock) = locks.get(&key) {
        return lock.clone();
    }
    let place = Place::unlocked(settings, Mood::Up(OLD));
    run(place.silo(&["build"])).succeeded();
    let lock = place.project.read("silo.lock");
    locks.insert(key, lock.clone());
    lock
}

impl Place {
    fn unlocked(settings: &str, mood: Mood) -> Place {
        let project = Project::with(&configuration(settings), None);
        let registry = Registry::start(mood);
        let file = project.home().join(".npmrc");
        let mut npmrc = fs::read_to_string(&file).unwrap_or_default();
        npmrc.push_str(&format!("\n@silo-autoup:registry=http://{}:{}/\n", gateway(), registry.port));
        fs::write(&file, npmrc).unwrap();
        PLACES.fetch_add(1, Ordering::SeqCst);
        Place { project, registry }
    }

    /// A project of a committed lock; a newer version is there.
    fn new(settings: &str) -> Place {
        let lock = lock(settings);
        let place = Place::unlocked(settings, Mood::Up(NEW));
        place.project.write("silo.lock", &lock);
        place
    }

    /// silo as a person has it, with no limit to how often it looks.
    fn silo(&self, args: &[&str]) -> Command {
        let mut command = self.project.silo(args);
        for name in ["CI", "SILO_AUTO_UPDATE", "SILO_TRUST"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        run(self.silo(args))
    }

    /// The version that a run starts, and what was said to somebody on a terminal.
    fn told(&self, args: &[&str]) -> String {
        let mut terminal = Terminal::open(&self.silo(args), 40, 120);
        assert_eq!(end(&mut terminal.child.0, SHORT), Some(0), "{}", terminal.seen());
        std::thread::sleep(Duration::from_millis(100));
        terminal.seen()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.run(&["status", "--json"]).succeeded().stdout).unwrap()
    }

    /// What came of the last look for the agent, once no job runs.
    #[track_caller]
    fn outcome(&self) -> String {
        let mut outcome = None;
        until("the job ends", BUILD, || {
            let updates = self.status()["updates"].clone();
            outcome = updates["agents"][0]["last"]["outcome"].as_str().filter(|_| updates["running"].is_null()).map(str::to_string);
            outcome.is_some()
        });
        outcome.unwrap()
    }

    /// Everything about the lock that a look must leave alone.
    fn lock(&self) -> (String, std::time::SystemTime) {
        let path = self.project.workspace().join("silo.lock");
        (fs::read_to_string(&path).unwrap(), path.metadata().unwrap().modified().unwrap())
    }

    fn updates(&self) -> std::path::PathBuf {
        self.project.home().join(".local/state/silo/updates")
    }
}

fn image(place: &Place, newer: bool) -> String {
    let status = place.status();
    let images = status["images"].as_array().unwrap();
    images.iter().find(|image| image["newer"] == newer).unwrap_or_else(|| panic!("{status:#}"))["image"].as_str().unwrap().to_string()
}

#[test]
fn what_floats_is_built_in_the_background_and_started_by_the_next_run() {
    online!();
    let place = Place::new("version=latest update=auto");
    let (lock, hash) = (place.lock(), place.run(&["hash", AGENT]).succeeded().stdout);
    let first = place.run(&["run", AGENT]).succeeded();
    assert_eq!(first.stdout.trim(), OLD, "the first run waits for nothing");
    assert_eq!(place.outcome(), "ready", "{:#}", place.status());
    assert_eq!(place.lock(), lock, "the committed lock is as it was");
    let status = place.status();
    assert_eq!(status["updates"]["agents"][0]["ready"], NEW, "{status:#}");
    assert!(status["images"].as_array().unwrap().iter().all(|image| image["present"] == true), "{status:#}");
    let page = place.run(&["status"]).succeeded().stdout;
    assert!(page.contains(&format!("{NEW} is ready, the lock has {OLD}")) && page.contains("silo.lock fits"), "{page}");

    let second = place.told(&["run", AGENT]);
    assert!(second.contains(&format!("{AGENT} {OLD} → {NEW} is ready")), "{second}");
    assert!(second.lines().any(|line| line.trim() == NEW), "{second}");
    let third = place.told(&["run", AGENT]);
    assert!(!third.contains("is ready") && third.lines().any(|line| line.trim() == NEW), "it is said once: {third}");

    // Where the committed version is meant, it is what there is.
    for args in [&["run", AGENT, "--no-update"][..], &["run", AGENT, "--locked"]] {
        assert_eq!(place.run(args).succeeded().stdout.trim(), OLD, "{args:?}");
    }
    for (name, value) in [("CI", "true"), ("SILO_AUTO_UPDATE", "notify"), ("SILO_AUTO_UPDATE", "never")] {
        let mut command = place.silo(&["run", AGENT]);
        command.env(name, value);
        assert_eq!(run(command).succeeded().stdout.trim(), OLD, "{name}={value}");
    }
    let digest = place.run(&["trust", "--digest"]).succeeded().stdout.trim().to_string();
    assert_eq!(place.run(&["run", AGENT, "--trust", &digest]).succeeded().stdout.trim(), OLD, "what is named is what runs");
    assert_eq!(place.run(&["hash", AGENT]).succeeded().stdout, hash);
    assert!(!place.run(&["build", AGENT, "--locked"]).succeeded().says("is there already").stderr.contains("building"));
    assert_eq!(place.lock(), lock);

    // An image that is gone, or an overlay that is damaged, is no reason not to run.
    let newer = image(&place, true);
    docker(&["image", "tag", &newer, "localhost/silo-autoup-kept:1"]).succeeded();
    docker(&["image", "rm", &newer]).succeeded();
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD);
    docker(&["image", "tag", "localhost/silo-autoup-kept:1", &newer]).succeeded();
    docker(&["image", "rm", "localhost/silo-autoup-kept:1"]).succeeded();
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), NEW);
    let overlay = fs::read_dir(place.updates()).unwrap().flatten().map(|entry| entry.path().join("silo.lock")).find(|path| path.exists());
    let overlay = overlay.unwrap();
    let text = fs::read_to_string(&overlay).unwrap();
    for damage in ["", "{", &text[..text.len() / 2], "\0\0\0"] {
        fs::write(&overlay, damage).unwrap();
        assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD, "{damage:?}");
    }
    fs::write(&overlay, &text).unwrap();

    // Once the lock has it too, there is nothing over it.
    place.run(&["update", AGENT]).succeeded();
    let status = place.status();
    assert_eq!(
        (&status["updates"]["agents"][0]["locked"], &status["updates"]["agents"][0]["ready"]),
        (&json!(NEW), &Value::Null),
        "{status:#}"
    );
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), NEW);
    docker(&["image", "rm", &newer]).succeeded();
}

#[test]
fn what_is_pinned_is_only_told_of() {
    online!();
    for (settings, says) in [
        ("", format!("{AGENT} {NEW} is available; `silo update {AGENT}` takes it")),
        ("version=\"1.0.0\" update=auto", format!("{AGENT} {NEW} is available; version=\"1.0.0\" keeps it from being used")),
    ] {
        let place = Place::new(settings);
        let lock = place.lock();
        assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD);
        assert_eq!(place.outcome(), "available", "{:#}", place.status());
        assert_eq!(place.status()["images"].as_array().unwrap().len(), 1, "nothing else is built");
        let quiet = place.told(&["--quiet", "run", AGENT]);
        let piped = place.run(&["run", AGENT]).succeeded();
        let told = place.told(&["run", AGENT]);
        let again = place.told(&["run", AGENT]);
        assert!(told.contains(&says), "{settings}: {told}");
        assert!(![&quiet, &piped.stderr, &again].iter().any(|said| said.contains("available")), "{quiet} {} {again}", piped.stderr);
        assert_eq!(place.lock(), lock);
        assert!(place.registry.asked() > 0);
    }
}

#[test]
fn one_that_does_not_start_never_takes_the_place_of_one_that_does() {
    online!();
    let place = Place::new("version=latest update=auto");
    place.registry.is(Mood::Up("1.1.9"));
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD);
    assert_eq!(place.outcome(), "failed");
    let last = place.status()["updates"]["agents"][0]["last"].clone();
    assert!(last["detail"].as_str().unwrap().contains("smoke test"), "{last:#}");
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD);
}

#[test]
fn a_server_that_does_not_answer_keeps_nobody_waiting_and_one_job_runs() {
    online!();
    let place = Place::new("version=latest update=auto");
    place.registry.is(Mood::Silent);
    let lock = place.lock();
    let started = Instant::now();
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let mut job = Value::Null;
    until("the job runs", SHORT, || {
        job = place.status()["updates"]["running"].clone();
        !job.is_null() && place.registry.asked() > 0
    });
    assert_eq!(job["agent"], AGENT);
    let process = job["pid"].as_u64().unwrap().to_string();
    // It leads a session of its own, stands back, and has nothing of the terminal.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_eq!(
        (fields[3], fields[4], fields[16]),
        (process.as_str(), "0", "10"),
        "session, terminal and niceness (proc_pid_stat(5)): {stat}"
    );

    // Nobody else is let in, by whatever door.
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD);
    let second = place.run(&["background-update", AGENT]).succeeded();
    assert!(second.took < Duration::from_secs(20), "{:?}", second.took);
    assert_eq!(place.status()["updates"]["running"]["pid"], job["pid"], "the job is still the first one");

    // Killed, it leaves nothing half-written, and the next look is an hour away.
    assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    until("the job is gone", SHORT, || place.status()["updates"]["running"].is_null());
    let agent = place.status()["updates"]["agents"][0].clone();
    assert_eq!((&agent["last"]["outcome"], &agent["ready"]), (&json!("unfinished"), &Value::Null));
    assert!(place.run(&["status"]).succeeded().stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains("was interrupted"));
    let pause = agent["next"].as_u64().unwrap() - agent["last"]["looked"].as_u64().unwrap();
    assert_eq!(pause, 3600);
    let asked = place.registry.asked();
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((place.registry.asked(), place.status()["updates"]["running"].clone()), (asked, Value::Null));
    assert_eq!(place.lock(), lock);

    // It ends by itself as well.
    let mut command = place.silo(&["background-update", AGENT, "--limit", "1"]);
    command.env("SILO_AUTO_UPDATE_HOURS", "0");
    run(command).exited(1).says("was not looked up and built within 1 s");
    assert_eq!(place.outcome(), "failed");
}

#[test]
fn of_two_that_start_at_once_one_looks() {
    online!();
    let place = Place::new("version=latest update=auto");
    place.registry.is(Mood::Silent);
    let mut jobs: Vec<_> = (0..6)
        .map(|_| {
            let mut command = place.silo(&["background-update", AGENT, "--limit", "8"]);
            // Each of them is due, so that nothing but the others holds it back.
            command.env("SILO_AUTO_UPDATE_HOURS", "0");
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let codes: Vec<_> = jobs.iter_mut().map(|job| end(job, SHORT)).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(1)).count(), 1, "one was cut off, the others had no turn: {codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 5, "{codes:?}");
}

#[test]
fn offline_or_turned_off_or_without_a_place_to_write_a_run_is_as_it_was() {
    online!();
    let place = Place::new("version=latest update=auto");
    let lock = place.lock();
    for (name, value) in [("SILO_AUTO_UPDATE", "never"), ("CI", "true"), ("SILO_OFFLINE", "1")] {
        let mut command = place.silo(&["run", AGENT]);
        command.env(name, value);
        assert_eq!(run(command).succeeded().stdout.trim(), OLD);
        assert!(!place.updates().exists(), "{name}={value}: nothing was started");
    }
    assert_eq!(place.run(&["run", AGENT, "--no-update"]).succeeded().stdout.trim(), OLD);
    assert_eq!(place.run(&["run", AGENT, "--offline"]).succeeded().stdout.trim(), OLD);
    assert!(!place.updates().exists(), "--no-update, --offline: nothing was started");

    // Whoever tests may be root, whom no permission stops: a file is where the folder has to be.
    fs::write(place.updates(), "").unwrap();
    let ran = place.run(&["run", AGENT]).succeeded();
    assert_eq!((ran.stdout.trim(), ran.stderr.contains("updates")), (OLD, false), "{}", ran.stderr);
    assert!(place.status()["updates"]["agents"][0]["last"].is_null());
    fs::remove_file(place.updates()).unwrap();

    place.registry.is(Mood::Down);
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD);
    assert_eq!(place.outcome(), "failed");
    let last = place.status()["updates"]["agents"][0]["last"].clone();
    assert!(last["detail"].as_str().unwrap().contains("cannot"), "{last:#}");
    assert_eq!(place.run(&["run", AGENT]).succeeded().stdout.trim(), OLD);
    assert_eq!(place.lock(), lock);

    // The user's own word is the last, whatever the project says. What they say of an agent makes no other image.
    let own = place.project.home().join(".config/silo/silo.kdl");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    place.project.write("silo.kdl", &configuration("version=latest"));
    let image = image(&place, false);
    for (text, update) in [("", "notify"), (&format!("agent {AGENT} update=auto\n"), "auto")] {
        fs::write(&own, text).unwrap();
        assert_eq!(place.status()["updates"]["agents"][0]["update"], update, "{text}");
        assert_eq!(self::image(&place, false), image);
    }
    place.project.write("silo.kdl", &configuration("version=latest update=auto"));
    fs::write(&own, "use update=(force)never\n").unwrap();
    let status = place.status();
    assert_eq!((&status["updates"]["agents"][0]["update"], &status["updates"]["agents"][0]["next"]), (&json!("never"), &Value::Null));
}

#[test]
fn the_status_needs_no_engine() {
    online!();
    let place = Place::new("update=auto");
    let mut command = place.silo(&["status", "--json"]);
    command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let status: Value = serde_json::from_str(&run(command).succeeded().stdout).unwrap();
    assert_eq!((&status["engine"]["answers"], &status["images"][0]["present"]), (&json!(false), &Value::Null), "{status:#}");
    assert_eq!((&status["lock"]["state"], &status["trust"]), (&json!("fits"), &json!("free")));
    let mut command = place.silo(&["status"]);
    command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let page = run(command).succeeded().stdout;
    assert!(page.contains("none answers") && page.contains("not known"), "{page}");
    assert_eq!(place.registry.asked(), 0, "and no network");
    place.project.write("silo.kdl", &format!("{}tool jq\n", configuration("")));
    let status = place.status();
    assert_eq!((&status["lock"]["state"], status["lock"]["changes"].as_array().unwrap().len()), (&json!("stale"), 1), "{status:#}");
    fs::write(place.project.workspace().join("silo.lock"), "<<<<<<< ours\n").unwrap();
    assert_eq!(place.status()["lock"]["state"], "unreadable");
    fs::remove_file(place.project.workspace().join("silo.lock")).unwrap();
    assert_eq!(place.status()["lock"]["state"], "missing");
}
