//! How containers and builds end.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use super::online;
use super::project::{Built, KDL, LOCK, Project, SHORT, end, run, signal, until};

#[test]
fn the_exit_code_is_the_programs_own_and_nothing_stays() {
    online!();
    let project = Built::ready();
    for code in [0, 7, 125, 255] {
        project.run(&["shell", "codex", "--", "sh", "-c", &format!("exit {code}")]).exited(code);
    }
    project.run(&["shell", "codex", "--", "/no/such/program"]).exited(127);
    let failing = project.run(&["codex", "--", "--no-such-flag"]);
    assert_eq!(failing.code, Some(2), "codex's own: {}", failing.stderr);
    let fresh = Project::fixture();
    fresh.run(&["shell", "codex", "--", "true"]).succeeded();
    assert_eq!(fresh.containers(), Vec::<serde_json::Value>::new());
}

#[test]
fn a_signal_to_silo_ends_the_container() {
    online!();
    Built::ready();
    for (sent, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let project = Project::fixture();
        let mut child = project.silo(&["shell", "codex", "--", "sleep", "600"]).spawn().unwrap();
        until("the container runs", SHORT, || project.containers().iter().any(|container| container["state"] == "running"));
        // While it runs, other commands can be run in it.
        let inside = project.run(&["exec", "sh", "-c", "pwd; cat /proc/1/cmdline /proc/[2-9]*/cmdline | tr '\\0' ' '"]).succeeded().stdout;
        assert!(inside.starts_with(project.workspace().to_str().unwrap()) && inside.contains("sleep 600"), "{inside}");
        signal(&child, sent);
        assert_eq!(end(&mut child, Duration::from_secs(15)), Some(code));
        assert_eq!(project.containers(), Vec::<serde_json::Value>::new());
        project.run(&["exec", "true"]).exited(1).says("no container runs for");
    }
}

#[test]
fn input_and_output_are_pipes_like_any_other() {
    online!();
    let project = Built::ready();
    let mut command = project.silo(&["shell", "codex", "--", "sh", "-c", "wc -c; echo to-stderr >&2"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &vec![b'x'; 3_000_000]));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3000000\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "to-stderr\n");
    // Input that never ends holds nobody up.
    let mut child = project.silo(&["shell", "codex", "--", "true"]).stdin(Stdio::piped()).spawn().unwrap();
    assert_eq!(end(&mut child, SHORT), Some(0));
}

#[test]
fn a_failing_script_ends_with_its_last_lines_its_place_and_help() {
    online!();
    Built::ready();
    let script = "post_build \"echo what-it-said-last; frobnicate-nothing\"";
    let project = Project::with(&format!("{KDL}{script}\n"), Some(LOCK));
    let ran = project.run(&["build", "--locked", "codex"]).exited(1);
    let line = KDL.lines().count() + 1;
    let last: Vec<&str> = ran.stderr.lines().skip_while(|line| !line.starts_with("the last lines of ")).collect();
    let last = last.join("\n");
    assert!(last.contains("| what-it-said-last"), "{}", ran.stderr);
    assert!(last.contains("frobnicate-nothing: not found"), "{last}");
    assert!(last.contains(&format!("silo.kdl:{line}:")), "{last}");
    let ran = ran.says("exit code 127").says("help: a program is missing in the image");
    assert!(!ran.stderr.contains("built codex"));
}

#[test]
fn ctrl_c_cancels_a_build_and_leaves_nothing_running() {
    online!();
    Built::ready();
    // A length that no other process sleeps.
    let length = format!("4{:06}", std::process::id());
    let project = Project::with(&format!("{KDL}post_build \"echo now-$((6*7)); exec sleep {length}\"\n"), Some(LOCK));
    let mut child = project.silo(&["build", "--locked", "codex"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("now-42") {
        assert_ne!(stderr.read_line(&mut seen).unwrap(), 0, "the script starts: {seen}");
    }
    let sleeping = || {
        let mut command = std::process::Command::new("ps");
        command.args(["-eo", "args"]);
        run(command).succeeded().stdout.lines().any(|line| line.trim() == format!("sleep {length}"))
    };
    until("the step runs", SHORT, sleeping);
    signal(&child, Signal::INT);
    assert_eq!(end(&mut child, Duration::from_secs(10)), Some(130));
    until("the step is gone", Duration::from_secs(10), || !sleeping());
    stderr.read_to_string(&mut seen).unwrap();
    assert!(seen.contains("cancelled"), "{seen}");
}
