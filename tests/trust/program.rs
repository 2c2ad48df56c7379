//! Trust as people meet it: the program, its question, its store.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use crate::cli::{Place, Ran};
use crate::real::project::{SHORT, end};
use crate::support::terminal::Terminal;

const ASKS: &str =
    "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nenv SECRET_X\nmount \"~/.aws\"\npre_run \"echo hi\"\nagent claude\n";
const MINIMAL: &str = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nagent claude\n";

fn place(text: &str) -> Place {
    let place = Place::new();
    fs::create_dir_all(place.home().join(".aws")).unwrap();
    place.locked(text);
    place
}

/// With a variable of the host.
fn with(place: &Place, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = place.command(args);
    command.envs(variables.iter().copied());
    Ran::of(command.output().unwrap())
}

/// The text without what differs from machine to machine.
fn stable(place: &Place, text: &str) -> String {
    let text = text.replace(&place.home().display().to_string(), "HOME");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("sha256:") {
        let digits = after.chars().take_while(char::is_ascii_hexdigit).count();
        out.push_str(&format!("{before}sha256:{}", if digits == 64 { "…" } else { &after[..digits] }));
        rest = &after[digits..];
    }
    out + rest
}

fn store(place: &Place) -> PathBuf {
    place.home().join(".local/state/silo/trust")
}

fn digest(place: &Place) -> String {
    place.run(&["trust", "--digest"]).expect(0).out.trim().to_string()
}

#[test]
fn without_a_terminal_nothing_runs_and_it_is_said_what_is_asked_for_and_how_to_allow_it() {
    let place = place(ASKS);
    for args in [&["run", "claude"][..], &["claude"], &[], &["shell"], &["shell", "claude", "--", "true"]] {
        let ran = place.run(args);
        ran.expect(1);
        assert_eq!(ran.out, "");
        assert!(!ran.err.contains("docker"), "no engine was asked: {}", ran.err);
        let said = stable(&place, &ran.err);
        insta::assert_snapshot!("refusal", said);
    }
    // Whatever runs nothing works without.
    for args in [&["check"][..], &["hash"], &["compile"], &["compile", "--to", "json"], &["lock", "--check"], &["config", "show"]] {
        let ran = place.run(args);
        ran.expect(0);
        assert!(ran.err.contains("silo::trust::not-trusted") && ran.err.contains("silo trust"), "{args:?}: {}", ran.err);
    }
    let launch = with(&place, &["compile", "--to", "json"], &[("SECRET_X", "hunter2")]);
    assert!(!launch.out.contains("hunter2") && !launch.out.contains(".aws"), "{}", launch.out);
    assert!(place.run(&["check"]).err.contains("2 things of this machine are asked for and not trusted"));
}

#[test]
fn what_is_trusted_is_handed_over_and_is_in_no_identity() {
    let place = place(ASKS);
    let before = place.run(&["hash"]).expect(0).out.clone();
    let trusted = place.run(&["trust", "--yes"]);
    trusted.expect(0);
    insta::assert_snapshot!("trusting", stable(&place, &trusted.err));
    let launch = with(&place, &["compile", "--to", "json"], &[("SECRET_X", "hunter2")]);
    launch.expect(0);
    assert!(launch.out.contains("hunter2") && launch.out.contains(".aws"), "{}", launch.out);
    assert_eq!(launch.err, "");
    // The next thing that is wrong is that there is no engine.
    let ran = with(&place, &["claude"], &[("SECRET_X", "hunter2")]);
    ran.expect(125);
    assert_eq!(place.run(&["hash"]).out, before);
    assert!(place.run(&["trust"]).expect(0).err.contains("you trust it already"));
}

#[test]
fn the_store_is_the_users_alone() {
    let place = place(ASKS);
    place.run(&["trust", "--yes"]).expect(0);
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let files: Vec<PathBuf> = fs::read_dir(store(&place)).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!((mode(&store(&place)), files.len(), mode(&files[0])), (0o700, 1, 0o600));
    let record = fs::read_to_string(&files[0]).unwrap();
    // Whatever is not just as silo wrote it is no trust, and no error either.
    for broken in ["", "{", "null", "\u{0}", &record[..record.len() / 2], &record.replace("sha256:", "sha256:0")] {
        fs::write(&files[0], broken).unwrap();
        place.run(&["claude"]).expect(1);
    }
    fs::write(&files[0], &record).unwrap();
    place.run(&["claude"]).expect(125);
    for (path, open, shut) in [(&files[0], 0o666, 0o600), (&store(&place), 0o777, 0o700)] {
        fs::set_permissions(path, fs::Permissions::from_mode(open)).unwrap();
        place.run(&["claude"]).expect(1);
        fs::set_permissions(path, fs::Permissions::from_mode(shut)).unwrap();
    }
    fs::rename(&files[0], files[0].with_extension("real")).unwrap();
    symlink(files[0].with_extension("real"), &files[0]).unwrap();
    place.run(&["claude"]).expect(1);
    fs::remove_file(&files[0]).unwrap();
    fs::create_dir(&files[0]).unwrap();
    place.run(&["claude"]).expect(1);
}

#[test]
fn two_at_once_leave_a_whole_record() {
    let place = place(ASKS);
    let all: Vec<_> =
        (0..8).map(|_| place.command(&["trust", "--yes", "--quiet"]).stderr(std::process::Stdio::null()).spawn().unwrap()).collect();
    for mut child in all {
        assert!(child.wait().unwrap().success());
    }
    place.run(&["claude"]).expect(125);
    assert_eq!(fs::read_dir(store(&place)).unwrap().count(), 1, "and nothing else");
}

#[test]
fn any_change_asks_again_and_shows_the_difference() {
    let place = place(&format!("{ASKS}layer x {{ copy \"data\" \"/srv/data\" }}\nimport \"team.kdl\" optional=#true\n"));
    place.write("data/a.sh", "echo one\n");
    place.run(&["trust", "--yes"]).expect(0);
    place.run(&["claude"]).expect(125);
    let text = fs::read_to_string(place.repository().join("silo.kdl")).unwrap();
    place.write("silo.kdl", text.replace("env SECRET_X", "env SECRET_X OTHER").replace("mount \"~/.aws\"\n", ""));
    place.write("data/a.sh", "echo \u{1b}[31mtwo\n");
    let ran = place.run(&["claude"]);
    ran.expect(1);
    insta::assert_snapshot!("difference", stable(&place, &ran.err));
    place.write("data/a.sh", "echo one\n").write("silo.kdl", &text);
    place.run(&["claude"]).expect(125);
    // A file that is copied, an import, a local file, the lock, and a file below, each alone.
    for (path, contents) in [
        ("data/a.sh", "echo two\n"),
        ("data/b.sh", "echo new\n"),
        ("team.kdl", "// new\n"),
        ("silo.local.kdl", "// mine\n"),
        ("silo.lock", "// a comment\n"),
    ] {
        let file = place.repository().join(path);
        let before = fs::read_to_string(&file).ok();
        place.write(path, format!("{}{contents}", before.clone().filter(|_| path == "silo.lock").unwrap_or_default()));
        let ran = place.run(&["claude"]);
        ran.expect(1);
        assert!(ran.err.contains("another than the one that you trusted") && ran.err.contains(path), "{path}: {}", ran.err);
        match before {
            Some(before) => drop(place.write(path, before)),
            None => fs::remove_file(&file).unwrap(),
        }
        place.run(&["claude"]).expect(125);
    }
    let script = place.repository().join("data/a.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    place.run(&["claude"]).expect(1);
}

#[test]
fn a_lock_that_silo_writes_for_a_trusted_project_is_trusted_with_it() {
    let place = place(ASKS);
    let lock = fs::read_to_string(place.repository().join("silo.lock")).unwrap();
    place.write("silo.lock", format!("{lock}// a note, which silo does not keep\n"));
    let ran = place.run(&["lock"]);
    assert!(ran.expect(0).err.contains("wrote silo.lock"), "{}", ran.err);
    place.run(&["claude"]).expect(1);
    place.write("silo.lock", format!("{lock}// a note, which silo does not keep\n"));
    place.run(&["trust", "--yes"]).expect(0);
    place.run(&["lock"]).expect(0);
    assert_eq!(fs::read_to_string(place.repository().join("silo.lock")).unwrap(), lock);
    place.run(&["claude"]).expect(125);
    // But nobody else's.
    place.write("silo.lock", format!("{lock}// another's\n"));
    place.run(&["claude"]).expect(1);
}

#[test]
fn a_digest_trusts_just_that_content() {
    let place = place(ASKS);
    let digest = digest(&place);
    with(&place, &["claude"], &[("SILO_TRUST", &digest)]).expect(125);
    place.run(&["run", "claude", "--trust", &digest]).expect(125);
    place.run(&["shell", "--trust", &digest]).expect(125);
    assert!(!store(&place).exists(), "nothing was stored");
    let other = format!("sha256:{}", "0".repeat(64));
    // The wrong one is refused even where the store would say yes.
    place.run(&["trust", "--yes"]).expect(0);
    for ran in [with(&place, &["claude"], &[("SILO_TRUST", &other)]), place.run(&["run", "claude", "--trust", &other])] {
        ran.expect(1);
        assert!(ran.err.contains(&digest) && ran.err.contains(&other), "{}", ran.err);
    }
    let ran = with(&place, &["claude"], &[("SILO_TRUST", "yes")]);
    ran.expect(2);
    assert!(ran.err.contains("silo trust --digest"), "{}", ran.err);
}

#[test]
fn the_digest_is_that_of_every_checkout_and_trust_of_one() {
    let place = place(ASKS);
    let first = digest(&place);
    let other = place.home().join("elsewhere");
    fs::create_dir_all(other.join(".git")).unwrap();
    for file in ["silo.kdl", "silo.lock"] {
        fs::copy(place.repository().join(file), other.join(file)).unwrap();
    }
    let folder = other.to_str().unwrap();
    assert_eq!(place.run(&["-C", folder, "trust", "--digest"]).out.trim(), first);
    place.run(&["trust", "--yes"]).expect(0);
    place.run(&["-C", folder, "claude"]).expect(1);
    // By a link it is the same place; in a folder below, too.
    let link = place.home().join("link");
    symlink(place.repository(), &link).unwrap();
    place.run(&["-C", link.to_str().unwrap(), "claude"]).expect(125);
    fs::create_dir(place.repository().join("below")).unwrap();
    place.run(&["-C", "below", "claude"]).expect(125);
}

#[test]
fn trust_is_listed_and_taken_back() {
    let place = place(ASKS);
    assert!(place.run(&["trust", "--list"]).expect(0).err.contains("no project is trusted"));
    place.run(&["trust", "--revoke"]).expect(1);
    place.run(&["trust", "--yes"]).expect(0);
    insta::assert_snapshot!("list", stable(&place, &place.run(&["trust", "--list"]).expect(0).out));
    let listed: serde_json::Value = serde_json::from_str(&place.run(&["trust", "--list", "--json"]).expect(0).out).unwrap();
    assert_eq!(listed["trusted"][0]["path"], place.repository().to_str().unwrap());
    assert_eq!(listed["trusted"][0]["digest"], digest(&place));
    place.run(&["trust", "--revoke"]).expect(0);
    place.run(&["claude"]).expect(1);
    // From elsewhere, and of what is gone.
    for gone in [false, true] {
        place.run(&["trust", "--yes"]).expect(0);
        let folder = place.repository();
        let mut command = place.command(&["trust", "--revoke", folder.to_str().unwrap()]);
        if gone {
            fs::rename(&folder, place.home().join("moved")).unwrap();
        }
        Ran::of(command.current_dir(place.home()).output().unwrap()).expect(0);
        assert_eq!(fs::read_dir(store(&place)).unwrap().count(), 0);
    }
}

#[test]
fn keys_that_the_catalog_hands_over_are_asked_for_where_a_project_has_a_say() {
    let place = place(MINIMAL);
    let key = [("ANTHROPIC_API_KEY", "sk-1")];
    // Nothing is set, so nothing is asked for.
    place.run(&["claude"]).expect(125);
    let ran = with(&place, &["claude"], &key);
    ran.expect(1);
    assert!(ran.err.contains("the host's ANTHROPIC_API_KEY is handed to agent claude") && !ran.err.contains("sk-1"), "{}", ran.err);
    assert!(ran.err.contains("silo's catalog"), "{}", ran.err);
    assert!(!with(&place, &["compile", "--to", "json"], &key).out.contains("sk-1"));
    // What the user passes through for all projects is asked for too; what is said for this run is not.
    place.run(&["run", "claude", "--env", "MINE"]).expect(125);
    with(&place, &["run", "claude", "--env", "ANTHROPIC_API_KEY"], &key).expect(125);
    let own = place.home().join(".config/silo/silo.kdl");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "env MINE\n").unwrap();
    let ran = with(&place, &["claude"], &[("MINE", "1")]);
    ran.expect(1);
    assert!(ran.err.contains("the host's MINE is handed to every container  (your own file, ~/.config/silo/silo.kdl:1)"), "{}", ran.err);
    // Once it was shown, a key that is set later is no news.
    place.run(&["trust", "--yes"]).expect(0);
    with(&place, &["claude"], &key).expect(125);
    // And a thing that was not shown is, though no file of the project changed.
    fs::write(&own, "env MINE\nmount \"~/.aws\"\n").unwrap();
    let ran = with(&place, &["claude"], &key);
    ran.expect(1);
    assert!(ran.err.contains("+ ~/.aws is mounted into every container, read-only"), "{}", ran.err);
    // Where there are no files of a project, nobody but the user has a say.
    fs::remove_file(place.repository().join("silo.kdl")).unwrap();
    fs::remove_file(place.repository().join("silo.lock")).unwrap();
    fs::write(&own, format!("{MINIMAL}env MINE\nmount \"~/.aws\"\n")).unwrap();
    assert!(with(&place, &["check"], &key).expect(0).err.lines().all(|line| !line.contains("trust")));
    assert!(place.run(&["trust"]).expect(1).err.contains("no project has a say here"));
}

#[test]
fn only_what_this_container_would_get_is_asked_for() {
    let place = place(&format!("{MINIMAL}agent codex\nuse agent=claude\n"));
    with(&place, &["claude"], &[("OPENAI_API_KEY", "sk-2")]).expect(125);
    with(&place, &["codex"], &[("OPENAI_API_KEY", "sk-2")]).expect(1);
}

#[test]
fn what_is_asked_for_one_agent_alone_is_kept_back_too() {
    let place = place(&format!("{MINIMAL}agent codex\nuse agent=claude\nwhen agent=codex {{ env SECRET_X }}\n"));
    place.run(&["claude"]).expect(1);
    let launch = with(&place, &["compile", "codex", "--to", "json"], &[("SECRET_X", "hunter2")]);
    assert!(!launch.expect(0).out.contains("hunter2"));
    place.run(&["trust", "--yes"]).expect(0);
    assert!(with(&place, &["compile", "codex", "--to", "json"], &[("SECRET_X", "hunter2")]).expect(0).out.contains("hunter2"));
}

#[test]
fn files_outside_the_repository_are_read_when_they_are_trusted() {
    let place = place(MINIMAL);
    let outside = place.home().join("mine.kdl");
    fs::write(&outside, "env FROM_OUTSIDE=\"1\"\n").unwrap();
    symlink(&outside, place.repository().join("linked.kdl")).unwrap();
    let identity = place.run(&["hash"]).expect(0).out.clone();
    for import in ["../../mine.kdl", "~/mine.kdl", "linked.kdl"] {
        place.write("silo.kdl", format!("{MINIMAL}import \"{import}\"\n"));
        let ran = place.run(&["config", "show"]);
        ran.expect(0);
        assert!(ran.err.contains("silo::import::outside") && ran.err.contains("not read until you trust"), "{import}: {}", ran.err);
        assert!(!ran.out.contains("FROM_OUTSIDE"), "{import}: {}", ran.out);
        let ran = place.run(&["claude"]);
        ran.expect(1);
        assert!(ran.err.contains("~/mine.kdl, outside the repository, is imported"), "{import}: {}", ran.err);
        place.run(&["trust", "--yes"]).expect(0);
        let ran = place.run(&["config", "show"]);
        assert!(ran.expect(0).out.contains("FROM_OUTSIDE") && ran.err.is_empty(), "{import}: {}", ran.err);
        // What is on this machine alone is in nobody's identity.
        assert_eq!(place.run(&["hash"]).expect(0).out, identity, "{import}");
        // It is part of what is trusted.
        fs::write(&outside, "env FROM_OUTSIDE=\"2\"\n").unwrap();
        assert!(!place.run(&["config", "show"]).expect(0).out.contains("FROM_OUTSIDE"), "{import}");
        fs::write(&outside, "env FROM_OUTSIDE=\"1\"\n").unwrap();
    }
    // One that is no configuration is not even looked at before.
    fs::write(&outside, "root:x:0:0 {{{ \"\n").unwrap();
    place.write("silo.kdl", format!("{MINIMAL}import \"/etc/passwd\"\n"));
    let ran = place.run(&["check"]);
    assert!(!ran.expect(0).err.contains("root:"), "{}", ran.err);
}

#[test]
fn a_link_out_of_the_workspace_is_not_mounted() {
    let place = place(&format!("{MINIMAL}mount \"data\" to=\"/srv/data\"\n"));
    symlink(place.home().join(".aws"), place.repository().join("data")).unwrap();
    let ran = place.run(&["compile", "--to", "json"]);
    ran.expect(1);
    assert!(ran.err.contains("silo::launch::target") && ran.err.contains("is a link out of the working directory"), "{}", ran.err);
    fs::remove_file(place.repository().join("data")).unwrap();
    fs::create_dir(place.repository().join("real")).unwrap();
    symlink("real", place.repository().join("data")).unwrap();
    assert!(place.run(&["compile", "--to", "json"]).expect(0).out.contains("work/api/real"));
}

#[test]
fn no_container_can_write_to_what_is_trusted() {
    let place = place(MINIMAL);
    fs::create_dir_all(place.home().join(".local/state/silo/trust")).unwrap();
    fs::create_dir_all(place.home().join(".config/silo")).unwrap();
    symlink(place.home().join(".local"), place.home().join("other-name")).unwrap();
    let own = place.home().join(".config/silo/silo.kdl");
    for (path, mode, code) in [
        ("~/.local", "rw", 1),
        ("~/.local/state/silo", "rw", 1),
        ("~/.local/state/silo/trust", "rw", 1),
        ("~/other-name", "rw", 1),
        ("~/.config", "rw", 1),
        ("/", "rw", 1),
        ("~/.local", "ro", 0),
        ("~/.aws", "rw", 0),
    ] {
        fs::write(&own, format!("mount \"{path}\" to=\"/srv/x\" mode={mode}\n")).unwrap();
        place.run(&["trust", "--yes"]).expect(0);
        let ran = place.run(&["compile", "--to", "json"]);
        ran.expect(code);
        assert_eq!(ran.err.contains("lets a container write to"), code == 1, "{path} {mode}: {}", ran.err);
    }
    // Nor is a folder that holds it a working directory.
    fs::remove_file(&own).unwrap();
    let state = place.repository().join("state");
    let ran = with(&place, &["compile", "--to", "json"], &[("XDG_STATE_HOME", state.to_str().unwrap())]);
    ran.expect(1);
    let said = ran.err.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("where silo keeps what it is told to trust"), "{}", ran.err);
}

#[test]
fn a_registry_gets_no_value_of_the_host_unasked() {
    let place = place(MINIMAL);
    place.write(".npmrc", "//r.example.test/:_authToken=${NPM_TOKEN}\n");
    let ran = place.run(&["check"]);
    assert!(ran.expect(0).err.contains("the host's NPM_TOKEN is sent to no registry until you trust this project"), "{}", ran.err);
    let ran = place.run(&["claude"]);
    assert!(ran.expect(1).err.contains("the host's NPM_TOKEN is sent to the registries that .npmrc names  (.npmrc:1)"), "{}", ran.err);
    place.run(&["trust", "--yes"]).expect(0);
    place.run(&["claude"]).expect(125);
    place.write(".npmrc", "//evil.example.test/:_authToken=${NPM_TOKEN}\n");
    place.run(&["claude"]).expect(1);
}

#[test]
fn a_proxys_password_is_asked_for() {
    let place = place(MINIMAL);
    let plain = [("HTTPS_PROXY", "http://proxy.example.test:3128")];
    with(&place, &["claude"], &plain).expect(125);
    let password = [("HTTPS_PROXY", "http://ada:hunter2@proxy.example.test:3128")];
    let ran = with(&place, &["claude"], &password);
    ran.expect(1);
    assert!(ran.err.contains("HTTPS_PROXY, with its password") && !ran.err.contains("hunter2"), "{}", ran.err);
    assert!(!with(&place, &["compile", "--to", "json"], &password).out.contains("hunter2"));
    place.run(&["trust", "--yes"]).expect(0);
    with(&place, &["claude"], &password).expect(1);
    with(&place, &["trust", "--yes"], &password).expect(0);
    assert!(with(&place, &["compile", "--to", "json"], &password).out.contains("hunter2"));
}

/// silo on a terminal, without this machine's own keys.
fn terminal(place: &Place, args: &[&str]) -> Terminal {
    let mut command: Command = place.command(args);
    for name in ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "SILO_TRUST", "XDG_STATE_HOME", "XDG_CONFIG_HOME"]
    {
        command.env_remove(name);
    }
    Terminal::open(&command, 40, 120)
}

#[test]
fn on_a_terminal_the_user_is_asked_once() {
    let place = place(ASKS);
    for (answer, code) in [(&b"n\r"[..], 1), (b"\r", 1), (b"what\r", 1)] {
        let mut terminal = terminal(&place, &["claude"]);
        terminal.wait_for("trust this, and go on? [y/n]");
        terminal.master.write_all(answer).unwrap();
        assert_eq!(end(&mut terminal.child.0, SHORT), Some(code), "{}", terminal.seen());
        terminal.wait_for("nothing was started");
        assert!(!store(&place).exists());
    }
    let mut first = terminal(&place, &["claude"]);
    first.wait_for("trust this, and go on? [y/n]");
    assert!(first.seen().contains("the host's SECRET_X is handed to every container"), "{}", first.seen());
    // What changes while the user reads is not what the user says yes to.
    let text = fs::read_to_string(place.repository().join("silo.kdl")).unwrap();
    place.write("silo.kdl", text.replace("SECRET_X", "ANOTHER"));
    first.master.write_all(b"y\r").unwrap();
    assert_eq!(end(&mut first.child.0, SHORT), Some(125), "{}", first.seen());
    place.run(&["claude"]).expect(1);
    place.write("silo.kdl", &text);
    let mut second = terminal(&place, &["claude"]);
    assert_eq!(end(&mut second.child.0, SHORT), Some(125), "{}", second.seen());
    assert!(!second.seen().contains("trust this"), "{}", second.seen());
}

#[test]
fn silo_trust_asks_on_a_terminal_too() {
    let place = place(ASKS);
    let mut terminal = terminal(&place, &["trust"]);
    terminal.wait_for("trust this? [y/n]");
    terminal.master.write_all(b"y\r").unwrap();
    assert_eq!(end(&mut terminal.child.0, SHORT), Some(0), "{}", terminal.seen());
    place.run(&["claude"]).expect(125);
    place.run(&["trust", "--revoke"]).expect(0);
    let ran = place.run(&["trust"]);
    ran.expect(1);
    assert!(ran.err.contains("trust --yes` trusts it as shown"), "{}", ran.err);
}
