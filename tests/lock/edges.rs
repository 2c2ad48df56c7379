//! What can be wrong with a `silo.lock`, and what becomes of it, by the real program: one table.
//!
//! | what happened to the lock | here | elsewhere |
//! |---|---|---|
//! | missing, stale, corrupt, cut off, emptied, not UTF-8, a newer format | [`DAMAGES`] | `tests/cli.rs` (`MISTAKES`), `text.rs` |
//! | merge-conflict markers, a merge that took one side, an entry twice | [`DAMAGES`] | `text.rs` |
//! | a checksum, a version or a source edited by hand | [`DAMAGES`] ||
//! | an entry removed or renamed, an artefact of one architecture removed | [`DAMAGES`] | `state.rs` |
//! | two architectures | [`one_lock_is_for_both_architectures`] | `tests/identity_properties.rs` |
//! | silo.kdl formatted anew or in another order | [`CHANGES`] | `state.rs`, `tests/identity_properties.rs` |
//! | several writers at once | [`writers_at_the_same_time_tear_nothing`] | |
//! | a folder that is read-only, a disk that is full | [`a_folder_that_nobody_may_write`], [`a_full_disk_leaves_the_old_lock`] | |
//! | interrupted, some answers missing | | `update.rs` |

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use super::server::{Server, archive, serve};
use crate::cli::{Place, Ran};
use crate::real::project::say;
use crate::support::words;

/// Two tools of files for each architecture, and packages.
fn configuration(address: &str) -> String {
    let tool = |name: &str| {
        format!(
            "define tool {name} {{\n    install vendor {{\n        versions \"{address}/{name}.json\" json=\"*\"\n        \
             download \"{address}/{name}-%{{version}}-%{{arch}}.tgz\"\n        bin \"{name}\" \"{name}\"\n    }}\n}}\n"
        )
    };
    format!(
        "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap {{\n    apt \"curl\"\n}}\n{}{}tool one version=\"1\"\ntool two\n",
        tool("one"),
        tool("two")
    )
}

async fn server() -> Server {
    let mut answers = archive();
    for path in ["/one.json", "/two.json"] {
        answers.insert(path, vec![(200, "", b"[\"1.2.3\"]".to_vec())]);
    }
    for path in ["/one-1.2.3-amd64.tgz", "/one-1.2.3-arm64.tgz", "/two-1.2.3-amd64.tgz", "/two-1.2.3-arm64.tgz"] {
        answers.insert(path, vec![(200, "", path.as_bytes().to_vec())]);
    }
    serve(answers).await
}

async fn output(mut command: Command) -> Ran {
    Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

fn command(place: &Place, server: &Server, args: &[&str]) -> Command {
    let mut command = place.command(args);
    command.env("SILO_APT_MIRROR", &server.mirror);
    command
}

async fn silo(place: &Place, server: &Server, args: &[&str]) -> Ran {
    output(command(place, server, args)).await
}

/// A project with a lock that was looked up.
async fn locked(server: &Server) -> (Place, String) {
    let place = Place::new();
    place.write("silo.kdl", configuration(&server.address));
    silo(&place, server, &["lock"]).await.expect(0);
    let text = read(&place);
    (place, text)
}

fn read(place: &Place) -> String {
    fs::read_to_string(place.repository().join("silo.lock")).unwrap()
}

/// What `silo lock` does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The lock is as it was before, and the server was asked as often as this.
    Mends(usize),
    /// It says the same as `silo lock --check`, and touches nothing.
    Refuses,
    /// There is nothing to do: the text stays.
    Fits,
}

struct Damage {
    name: &'static str,
    make: fn(&str) -> Vec<u8>,
    /// What `silo lock --check` says.
    says: &'static [&'static str],
    then: Then,
}

/// The text without the block of an entry.
fn without(text: &str, entry: &str) -> String {
    let start = text.find(&format!("{entry} ")).unwrap();
    let end = start + text[start..].find("\n}\n").unwrap() + 3;
    format!("{}{}", &text[..start], &text[end..])
}

/// The text without the lines that have a word.
fn less(text: &str, word: &str) -> String {
    assert!(text.contains(word), "{word} is in\n{text}");
    text.lines().filter(|line| !line.contains(word)).map(|line| format!("{line}\n")).collect()
}

fn replaced(text: &str, from: &str, to: &str) -> Vec<u8> {
    assert!(text.contains(from), "{from} is in\n{text}");
    text.replacen(from, to, 1).into_bytes()
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "cut off",
        make: |text| text.as_bytes()[..text.len() / 2].to_vec(),
        says: &["silo::lock::syntax", "silo.lock", "silo lock"],
        then: Then::Refuses,
    },
    Damage { name: "emptied", make: |_| Vec::new(), says: &["silo::lock::syntax", "silo.lock"], then: Then::Refuses },
    Damage { name: "not text", make: |_| vec![0xff, 0xfe, 0, 1], says: &["silo.lock is not UTF-8"], then: Then::Refuses },
    Damage {
        name: "of a newer format",
        make: |text| replaced(text, "silo-lock version=2 ", "silo-lock version=4 "),
        says: &["silo::lock::version", "format 4", "update silo"],
        then: Then::Refuses,
    },
    Damage {
        name: "with the marks of a merge",
        make: |text| replaced(text, "tool \"one\"", "<<<<<<< HEAD\ntool \"one\""),
        says: &["silo::lock::syntax", "silo.lock:", "merge"],
        then: Then::Refuses,
    },
    Damage {
        name: "merged by taking the first line of one side",
        make: |text| replaced(text, "inputs=\"sha256:", "inputs=\"sha256:0"),
        says: &["silo::lock::stale", "a merge of two locks?"],
        then: Then::Mends(0),
    },
    Damage {
        name: "with an entry twice",
        make: |text| {
            let block = &text[text.find("tool \"two\"").unwrap()..];
            format!("{text}{block}").into_bytes()
        },
        says: &["silo::lock::syntax", "tool two"],
        then: Then::Refuses,
    },
    Damage {
        name: "a checksum that is none",
        make: |text| replaced(text, "sha256=\"", "sha256=\"x"),
        says: &["silo::lock::syntax", "silo.lock:"],
        then: Then::Refuses,
    },
    Damage {
        name: "another version",
        make: |text| replaced(text, "version=\"1.2.3\"", "version=\"1.2.4\""),
        says: &["silo::lock::stale", "tool one 1.2.4 is locked without the file", "/one-1.2.4-amd64.tgz for amd64"],
        then: Then::Mends(3),
    },
    Damage {
        name: "another source",
        make: |text| replaced(text, "source=\"vendor\"", "source=\"elsewhere\""),
        says: &["silo::lock::stale", "tool one is locked from `elsewhere`, which is none of its sources"],
        then: Then::Mends(3),
    },
    Damage {
        name: "an entry removed",
        make: |text| without(text, "tool \"two\"").into_bytes(),
        says: &["silo::lock::stale", "tool two is new"],
        then: Then::Mends(3),
    },
    Damage {
        name: "an entry renamed",
        make: |text| replaced(text, "tool \"two\"", "tool \"zwei\""),
        says: &["silo::lock::stale", "tool two is new", "tool zwei is no longer asked for"],
        then: Then::Mends(3),
    },
    Damage {
        name: "an artefact of one architecture removed",
        make: |text| less(text, "two-1.2.3-arm64").into_bytes(),
        says: &["silo::lock::stale", "tool two 1.2.3 is locked without the file", "/two-1.2.3-arm64.tgz for arm64"],
        then: Then::Mends(3),
    },
    Damage {
        name: "a package removed",
        make: |text| {
            let line = text.lines().find(|line| line.contains("package") && line.contains("\"git\"") || line.contains("\"curl\"")).unwrap();
            text.replacen(&format!("{line}\n"), "", 1).into_bytes()
        },
        says: &["silo::lock::stale", "curl is new"],
        then: Then::Mends(5),
    },
    Damage {
        name: "with the line breaks of Windows",
        make: |text| text.replace('\n', "\r\n").into_bytes(),
        says: &["silo.lock fits"],
        then: Then::Mends(0),
    },
    Damage { name: "untouched", make: |text| text.as_bytes().to_vec(), says: &["silo.lock fits"], then: Then::Fits },
];

#[tokio::test]
async fn every_damage_is_told_and_mended_or_refused() {
    let server = server().await;
    let (place, text) = locked(&server).await;
    for Damage { name, make, says, then } in DAMAGES {
        let made = make(&text);
        place.write("silo.lock", &made);
        let asked = || server.asked.lock().unwrap().len();
        let before = asked();
        let check = silo(&place, &server, &["lock", "--check"]).await;
        let fits = says[0].ends_with("fits");
        assert_eq!(check.code, i32::from(!fits), "{name}: {}", check.err);
        for part in *says {
            assert!(words(&check.err).contains(part), "{name}: `{part}` in\n{}", check.err);
        }
        // What `--check` says, a build says.
        let build = silo(&place, &server, &["check", "--locked"]).await;
        assert_eq!(build.code, i32::from(!fits), "{name}: {}", build.err);
        assert_eq!(silo(&place, &server, &["hash"]).await.code, i32::from(!fits), "{name}");
        assert_eq!(
            (fs::read(place.repository().join("silo.lock")).unwrap(), asked()),
            (made.clone(), before),
            "{name}: looking changes nothing"
        );
        let lock = silo(&place, &server, &["lock"]).await;
        match then {
            Then::Mends(count) => {
                lock.expect(0);
                assert_eq!(read(&place), text, "{name}: as it was before");
                let again = asked() - before;
                assert!(
                    again <= *count,
                    "{name}: asked {again} times: {:?}",
                    server.asked.lock().unwrap().iter().rev().take(again).collect::<Vec<_>>()
                );
            }
            Then::Refuses => {
                lock.expect(1);
                assert_eq!(
                    (fs::read(place.repository().join("silo.lock")).unwrap(), asked()),
                    (made, before),
                    "{name}: nothing is overwritten"
                );
            }
            Then::Fits => {
                assert!(lock.expect(0).err.contains("is up to date"), "{name}: {}", lock.err);
                assert_eq!((read(&place), asked()), (text.clone(), before), "{name}");
            }
        }
    }
    // Without a lock everything is looked up, and is the same.
    fs::remove_file(place.repository().join("silo.lock")).unwrap();
    let check = silo(&place, &server, &["lock", "--check"]).await;
    assert!(check.expect(1).err.contains("there is no silo.lock"), "{}", check.err);
    silo(&place, &server, &["lock"]).await.expect(0);
    assert_eq!(read(&place), text);
}

/// A checksum that could be one is believed, since only the file itself could tell: it is another image, whose build fails.
#[tokio::test]
async fn another_checksum_is_another_identity() {
    let server = server().await;
    let (place, text) = locked(&server).await;
    let before = silo(&place, &server, &["hash"]).await.expect(0).out.clone();
    let at = text.find("sha256=\"").unwrap() + 8;
    let digit = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
    place.write("silo.lock", format!("{}{digit}{}", &text[..at], &text[at + 1..]));
    let after = silo(&place, &server, &["hash"]).await.expect(0).out.clone();
    assert_ne!(before, after);
}

type Change = (&'static str, fn(&str) -> String);

/// Changes of silo.kdl that ask nothing else.
const CHANGES: &[Change] = &[
    ("formatted anew", |text| text.replace("    ", "\t").replace("tool one version=\"1\"", "tool \"one\" /* x */ version=\" 1 \" // y")),
    ("with a comment", |text| format!("// a comment\n{text}/-tool three\n")),
    ("in another order", |text| {
        let at = text.find("\ntool one").unwrap() + 1;
        let (start, end) = text.split_at(at);
        let (first, rest) = start.split_once("base \"").unwrap();
        let (base, definitions) = rest.split_once("\n}\n").unwrap();
        let lines: Vec<&str> = end.lines().rev().collect();
        format!("{first}{}\n{definitions}base \"{base}\n}}\n", lines.join("\n"))
    }),
    ("with the line breaks of Windows", |text| text.replace('\n', "\r\n")),
    ("with something to run", |text| format!("{text}env EDITOR=\"vi\"\npost_build \"echo nothing to look up\"\n")),
];

#[tokio::test]
async fn what_asks_nothing_else_keeps_the_lock() {
    let server = server().await;
    let (place, text) = locked(&server).await;
    let asked = server.asked.lock().unwrap().len();
    for (name, make) in CHANGES {
        let changed = make(&configuration(&server.address));
        assert_ne!(changed, configuration(&server.address), "{name}");
        place.write("silo.kdl", &changed);
        let check = silo(&place, &server, &["lock", "--check"]).await;
        assert_eq!(check.code, 0, "{name}: {}\n{changed}", check.err);
        assert!(silo(&place, &server, &["lock"]).await.expect(0).err.contains("up to date"), "{name}");
        assert_eq!((read(&place), server.asked.lock().unwrap().len()), (text.clone(), asked), "{name}");
    }
    for (change, says) in [
        (
            configuration(&server.address).replace("tool one version=\"1\"", "tool one version=\"1.2\""),
            "tool one is asked for as `1.2`, locked as `1`",
        ),
        (configuration(&server.address).replace("tool two\n", ""), "tool two is no longer asked for"),
        (configuration(&server.address).replace("\"curl\"", "\"curl\" \"python3\""), "package python3 is new"),
    ] {
        place.write("silo.kdl", change);
        let check = silo(&place, &server, &["lock", "--check"]).await;
        assert!(words(&check.expect(1).err).contains(says), "`{says}` in\n{}", check.err);
    }
}

#[tokio::test]
async fn one_lock_is_for_both_architectures() {
    let server = server().await;
    let (place, text) = locked(&server).await;
    let folder = place.home().join("out");
    silo(&place, &server, &["compile", "--output", folder.to_str().unwrap()]).await.expect(0);
    let mut compiled = String::new();
    let mut pending = vec![folder];
    while let Some(path) = pending.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => pending.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => compiled.push_str(&fs::read_to_string(path).unwrap()),
        }
    }
    for arch in ["amd64", "arm64"] {
        for tool in ["one", "two"] {
            let path = format!("/{tool}-1.2.3-{arch}.tgz");
            let hash = silo::digest::sha256_hex(path.as_bytes());
            assert!(text.contains(&format!("arch=\"{arch}\" sha256=\"{hash}\"")), "{text}");
            assert!(compiled.contains(&hash), "the build of either checks {path}");
        }
    }
}

/// Runs a program as somebody for whom the modes of files count: root without its rights over them.
fn modest(command: Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let mut modest = Command::new("setpriv");
    modest.args(["--inh-caps=-all", "--bounding-set=-all", "--"]).arg(command.get_program()).args(command.get_args()).env_clear();
    modest.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(command.get_current_dir().unwrap());
    modest.stdin(Stdio::null());
    modest
}

#[tokio::test]
async fn a_folder_that_nobody_may_write() {
    let server = server().await;
    let (place, text) = locked(&server).await;
    let mode = |mode| fs::set_permissions(place.repository(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    // A lock that fits is all that is needed.
    for args in [&["lock", "--check"][..], &["check", "--locked"], &["hash"], &["lock"]] {
        output(modest(command(&place, &server, args))).await.expect(0);
    }
    mode(0o755);
    place.write("silo.kdl", configuration(&server.address).replace("tool two\n", ""));
    mode(0o555);
    let ran = output(modest(command(&place, &server, &["lock"]))).await;
    mode(0o755);
    assert!(words(&ran.expect(1).err).contains("writing silo.lock: Permission denied"), "{}", ran.err);
    assert_eq!(read(&place), text);
}

/// The program with room for files of so many bytes, told in an error and not by a signal.
fn cramped(command: &Command, bytes: usize) -> Command {
    let mut cramped = Command::new("sh");
    cramped.args(["-c", "trap '' XFSZ; exec prlimit --fsize=\"$0\" \"$@\""]).arg(bytes.to_string());
    cramped.arg(command.get_program()).args(command.get_args()).env_clear();
    cramped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(command.get_current_dir().unwrap());
    cramped.stdin(Stdio::null());
    cramped
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_lock() {
    let server = server().await;
    let (place, text) = locked(&server).await;
    place.write("silo.kdl", configuration(&server.address).replace("version=\"1\"", "version=\"1.2\""));
    let files = |place: &Place| {
        let mut names: Vec<_> = fs::read_dir(place.repository()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files(&place);
    let ran = output(cramped(&command(&place, &server, &["lock"]), 200)).await;
    assert!(words(&ran.expect(1).err).contains("writing silo.lock: File too large"), "{}", ran.err);
    assert_eq!((read(&place), files(&place)), (text.clone(), before), "nothing half-written is left");
    // The same where there is no room at all: a small file system, filled.
    let mut mounted = Command::new("unshare");
    let fill = "mount -t tmpfs -o size=64k silo-lock-full \"$1\" && cp -r \"$0\"/. \"$1\" && { cat /dev/zero >\"$1\"/filler 2>/dev/null; cd \"$1\"; } \
                && { shift; \"$@\"; code=$?; cat silo.lock; ls -A; exit $code; }";
    let other = place.home().join("full");
    fs::create_dir(&other).unwrap();
    mounted.args(["--mount", "--map-root-user", "sh", "-c", fill]).arg(place.repository()).arg(&other);
    let silo = command(&place, &server, &["lock"]);
    mounted.arg(silo.get_program()).args(silo.get_args()).env_clear();
    mounted.envs(silo.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    let ran = output(mounted).await;
    if ran.err.contains("unshare failed") || ran.err.contains("permission denied") || ran.err.contains("Operation not permitted") {
        say("SKIPPED a full file system: mounting one is not permitted here");
        return;
    }
    assert!(words(&ran.expect(1).err).contains("writing silo.lock: No space left on device"), "{}", ran.err);
    assert!(ran.out.starts_with(&text), "the old lock is whole: {}", ran.out);
    assert!(!ran.out[text.len()..].contains(".tmp"), "nothing half-written is left: {}", ran.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_tear_nothing() {
    let server = server().await;
    let (place, whole) = locked(&server).await;
    let smaller = configuration(&server.address).replace("tool two\n", "");
    place.write("silo.kdl", &smaller);
    silo(&place, &server, &["lock"]).await.expect(0);
    let small = read(&place);
    assert_ne!(small, whole);
    let done = AtomicBool::new(false);
    let path = place.repository().join("silo.lock");
    /// Ends the reader, also when a writer failed: the scope waits for it.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let seen = std::thread::scope(|scope| {
        let end = End(&done);
        let reader = scope.spawn(|| {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            while !done.load(Ordering::Relaxed) {
                *seen.entry(fs::read_to_string(&path).unwrap()).or_default() += 1;
            }
            seen
        });
        for _ in 0..3 {
            let mut writers = Vec::new();
            for text in [&smaller, &configuration(&server.address)] {
                // As an editor does it: nobody reads half of it.
                place.write("silo.kdl.new", text);
                fs::rename(place.repository().join("silo.kdl.new"), place.repository().join("silo.kdl")).unwrap();
                for _ in 0..3 {
                    // Every process is the first of its own world, as in containers that share a folder.
                    let own = command(&place, &server, &["lock"]);
                    let mut command = Command::new("unshare");
                    command.args(["--pid", "--fork", "--map-root-user"]).arg(own.get_program()).args(own.get_args()).env_clear();
                    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(place.repository());
                    command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
                    writers.push(command.spawn().unwrap());
                }
                std::thread::sleep(std::time::Duration::from_millis(30));
            }
            for writer in writers {
                let out = writer.wait_with_output().unwrap();
                let text = String::from_utf8_lossy(&out.stderr);
                assert!(out.status.success() || text.contains("unshare failed"), "{text}");
            }
        }
        drop(end);
        reader.join().unwrap()
    });
    for text in seen.keys() {
        assert!(*text == whole || *text == small, "a lock that nobody wrote:\n{text}");
    }
    let left: Vec<String> =
        fs::read_dir(place.repository()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
    silo(&place, &server, &["lock"]).await.expect(0);
    assert_eq!(read(&place), whole);
}
