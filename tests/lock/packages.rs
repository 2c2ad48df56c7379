//! The distribution's packages with everything that they need, from an archive of this test's own.

use super::server::{Answers, locked, serve, suites, surroundings};
use super::shell::fetch::snapshot::addresses;
use silo::lock::apt::solve::Role;
use silo::lock::time::Time;
use silo::lock::{Lock, LockState, parse, state};
use silo::problem::Code;
use silo::source::{Layer, Source, Sources};

const KDL: &str = "base \"debian:bookworm\" from=bootstrap { apt \"curl\"; }\n";

/// What every release here has.
const COMMON: &[(&str, &str, &str)] = &[
    ("ca-certificates", "1", "Depends: openssl"),
    ("openssl", "3.0-1", "Depends: libssl (>= 3.0)"),
    ("libssl", "3.0-1", ""),
    ("bzip2", "1", ""),
    ("unzip", "1", ""),
    ("xz-utils", "1", ""),
    ("python3", "3.11", ""),
    ("libc6", "2.36-1", "Essential: yes"),
    ("git", "2-1", "Depends: libssl (>= 3.0-2)"),
];

fn with(more: &[(&'static str, &'static str, &'static str)]) -> Vec<(&'static str, &'static str, &'static str)> {
    COMMON.iter().copied().chain(more.iter().copied()).collect()
}

/// The lists of an archive, one after the other.
fn later(mut first: Answers, then: Answers) -> Answers {
    for (path, list) in then {
        first.entry(path).or_default().extend(list);
    }
    first
}

fn versions(lock: &Lock) -> Vec<String> {
    let mark = |role: Role| match role {
        Role::Asked => "",
        Role::Needed => "+",
        Role::Update => "*",
    };
    lock.packages.iter().map(|package| format!("{}{} {}", mark(package.role), package.pin.name, package.pin.version())).collect()
}

fn read(text: &str) -> Lock {
    let mut sources = Sources::default();
    let id = sources.add(Source { name: "silo.lock".to_string(), text: text.to_string(), layer: Layer::Project(0) });
    let (lock, problems) = parse(id, text);
    lock.unwrap_or_else(|| panic!("{problems:?}"))
}

#[tokio::test]
async fn a_lock_has_what_is_needed_and_the_security_updates() {
    let folder = tempfile::tempdir().unwrap();
    let release = with(&[("curl", "8-1", "Depends: libcurl (= 8-1) | libcurl-small"), ("libcurl", "8-1", "")]);
    let updates = [("curl", "8-1+deb12u1", "Depends: libcurl (= 8-1+deb12u1)"), ("libcurl", "8-1+deb12u1", ""), ("libc6", "2.36-2", "")];
    let server = serve(suites(&release, &updates, 11)).await;
    let here = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let (lock, problems) = locked(KDL, None, &here).await.0.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let expected = ["ca-certificates 1", "curl 8-1+deb12u1", "*libc6 2.36-2", "+libcurl 8-1+deb12u1", "+libssl 3.0-1", "+openssl 3.0-1"];
    assert_eq!(versions(&lock), expected);
    // One line each, and the fetch stage's are those of the image where they are the same.
    let text = lock.print();
    assert!(text.contains("package \"libcurl\" \"8-1+deb12u1\" in=\"pool/main/libcurl\" all=\""), "{text}");
    assert!(text.contains("\nfetch-package \"libc6\"\n") && text.contains("\nfetch-package \"unzip\" \"1\" in="), "{text}");
    assert_eq!(read(&text), lock);
}

#[tokio::test]
async fn updates_that_cannot_be_reached_are_an_error_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = suites(&with(&[("curl", "8-1", "")]), &[], 11);
    answers.remove("/debian-security/dists/bookworm-security/InRelease");
    let server = serve(answers).await;
    let here = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let problems = locked(KDL, None, &here).await.0.unwrap_err();
    let message = &problems.iter().next().unwrap().message;
    assert!(message.contains("the updates bookworm-security") && message.contains("set SILO_APT_MIRROR"), "{message}");
}

#[tokio::test]
async fn what_is_missing_names_what_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(suites(&with(&[("curl", "8-1", "Depends: libcurl (>= 9)"), ("libcurl", "8-1", "")]), &[], 11)).await;
    let here = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let problems = locked(KDL, None, &here).await.0.unwrap_err();
    let message = &problems.iter().next().unwrap().message;
    assert!(message.contains("curl 8-1 needs libcurl (>= 9), and the distribution's archive has libcurl 8-1"), "{message}");
}

#[tokio::test]
async fn what_is_locked_stays_when_something_is_new_and_moves_only_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = suites(&with(&[("curl", "8-1", ""), ("jq", "1", "")]), &[], 11);
    let second =
        suites(&with(&[("curl", "8-2", ""), ("jq", "2", "")]), &[("libssl", "3.0-2", ""), ("openssl", "3.0-2", "Depends: libssl")], 18);
    let server = serve(later(first, second)).await;
    let here = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let (lock, _) = locked(KDL, None, &here).await.0.unwrap();
    // A second look asks for the release files again, whose indexes are others now.
    std::fs::remove_dir_all(folder.path().join("cache")).unwrap();
    let (more, problems) = locked(&KDL.replace("\"curl\"", "\"curl\" \"jq\""), Some(&lock), &here).await.0.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(versions(&more), ["ca-certificates 1", "curl 8-1", "jq 2", "+libssl 3.0-1", "+openssl 3.0-1"]);
    assert_eq!(more.base, lock.base);
    // Of either moment an archive that keeps old files may have them.
    let moments = |lock: &Lock| lock.snapshots.iter().map(|moment| moment.compact()).collect::<Vec<_>>();
    assert_eq!(
        (moments(&lock), moments(&more)),
        (vec!["20260712T101637Z".into()], vec!["20260712T101637Z".into(), "20260719T101637Z".into()])
    );
    // What is new needs a newer library: that moves, and is told.
    let (moved, problems) = locked(&KDL.replace("\"curl\"", "\"curl\" \"git\""), Some(&lock), &here).await.0.unwrap();
    let warnings: Vec<_> = problems.iter().map(|problem| (problem.code, problem.message.as_str())).collect();
    assert_eq!(warnings, [(Code::LockMoved, "libssl moves to 3.0-2, since git needs it")]);
    assert_eq!(versions(&moved), ["ca-certificates 1", "curl 8-1", "git 2-1", "+libssl 3.0-2", "+openssl 3.0-1"]);
    // What nobody asks for any more goes with what it needed; nobody is asked.
    let asked = server.asked.lock().unwrap().len();
    let (less, _) = locked("base \"debian:bookworm\" from=bootstrap\n", Some(&moved), &here).await.0.unwrap();
    assert_eq!(versions(&less), ["ca-certificates 1", "+libssl 3.0-2", "+openssl 3.0-1"]);
    assert_eq!(server.asked.lock().unwrap().len(), asked);
}

#[tokio::test]
async fn a_lock_without_files_is_stale_and_mended_with_its_versions() {
    let folder = tempfile::tempdir().unwrap();
    let release = with(&[("curl", "8-1", ""), ("curl", "8-2", ""), ("jq", "1", ""), ("jq", "2", "")]);
    let server = serve(suites(&release, &[("libc6", "2.36-2", "")], 11)).await;
    let here = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.mirror)]);
    let kdl = format!("{KDL}define tool j {{ install apt {{ apt \"jq\"; }}; }}\ntool j\n");
    let (new, _) = locked(&kdl, None, &here).await.0.unwrap();
    assert!(versions(&new).contains(&"curl 8-2".to_string()));
    // As an older silo wrote it.
    let text: String = new
        .print()
        .lines()
        .filter(|line| !line.contains("needed=") && !line.contains("update=") && !line.starts_with("snapshot"))
        .map(|line| if line == "fetch-package \"ca-certificates\"" { "fetch-package \"ca-certificates\" \"1\" in=" } else { line })
        .filter(|line| !line.starts_with("fetch-package") || line.contains(" in="))
        .map(|line| match line.split_once(" in=") {
            Some((before, _)) => format!("{before}\n"),
            None => format!("{line}\n"),
        })
        .filter(|line| !line.starts_with("package \"jq\""))
        .collect();
    let text = text.replace("version=2 inputs", "version=1 inputs").replace("\"curl\" \"8-2\"", "\"curl\" \"8-1\"");
    let text = text.replace("apt \"jq\" \"2\"", "apt \"jq\" \"1\"").replace("version=\"2\"", "version=\"1\"");
    let old = read(&text);
    let LockState::Stale(reasons) = state(&crate::support::project::Project::of(&kdl).load().shared.unwrap().image, Some(&old)) else {
        panic!("an old lock is stale")
    };
    assert!(reasons[0].contains("every package is locked without its file, as an older silo did it"), "{reasons:?}");
    let (mended, _) = locked(&kdl, Some(&old), &here).await.0.unwrap();
    assert_eq!(versions(&mended), ["ca-certificates 1", "curl 8-1", "jq 1", "*libc6 2.36-2", "+libssl 3.0-1", "+openssl 3.0-1"]);
}

#[test]
fn snapshots_of_the_moments_of_a_lock_the_latest_first() {
    let time = |text: &str| Time::parse(text).unwrap();
    assert_eq!(Time::parse_compact("20261120T091200Z"), Some(time("2026-11-20T09:12:00Z")));
    for wrong in ["20261120", "20261120T091200", "2026-11-20T09:12:00Z", "20261320T091200Z", "éééééééé"] {
        assert_eq!(Time::parse_compact(wrong), None, "{wrong}");
    }
    let folder = tempfile::tempdir().unwrap();
    let moments = [time("2026-11-01T00:00:00Z"), time("2026-11-20T09:12:00Z")];
    assert!(addresses(&surroundings(folder.path(), &[]), &moments, None).is_empty());
    let here = surroundings(folder.path(), &[("SILO_APT_SNAPSHOT", "http://a.test/debian/%{moment}/ http://a.test/security/%{moment}")]);
    let found = addresses(&here, &moments, Some("https://b.test/@SNAPSHOTID@/"));
    let expected = [
        "http://a.test/debian/20261120T091200Z",
        "http://a.test/security/20261120T091200Z",
        "https://b.test/20261120T091200Z",
        "http://a.test/debian/20261121T091200Z",
    ];
    assert_eq!((&found[..4], found.len()), (&expected.map(str::to_string)[..], 12));
}

/// The keys of a distribution, and its release file as of the day: signed with a key made for this test, which nobody else has.
fn signed(folder: &std::path::Path, text: &str) -> Vec<u8> {
    let home = folder.join("gnupg");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::write(folder.join("release"), text).unwrap();
    let gpg = |args: &[&str]| {
        let mut command = std::process::Command::new("gpg");
        command.args(["--batch", "--yes", "--quiet", "--homedir"]).arg(&home).args(args).current_dir(folder);
        let made = command.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        made.stdout
    };
    if !folder.join("keyrings").exists() {
        gpg(&["--passphrase", "", "--quick-generate-key", "test", "ed25519", "sign", "never"]);
        std::fs::create_dir_all(folder.join("keyrings")).unwrap();
        let keys = gpg(&["--export"]);
        std::fs::write(folder.join("keyrings/debian-archive-keyring.gpg"), keys).unwrap();
    }
    gpg(&["--clearsign", "--output", "-", "release"])
}

#[tokio::test]
async fn a_release_is_believed_when_it_is_signed_with_the_distributions_keys() {
    let folder = tempfile::tempdir().unwrap();
    if std::process::Command::new("gpg").arg("--version").output().is_err() {
        crate::real::project::say("SKIPPED a_release_is_believed_when_it_is_signed_with_the_distributions_keys: gpg is not installed");
        return;
    }
    let plain = suites(&with(&[("curl", "8-1", "")]), &[], 11);
    let releases: Vec<&'static str> = plain.keys().copied().filter(|path| path.ends_with("InRelease")).collect();
    let look = async |change: &dyn Fn(&str, Vec<u8>) -> Vec<u8>, keys: bool| {
        let mut answers = plain.clone();
        for path in &releases {
            let list = answers.get_mut(path).unwrap();
            let text = String::from_utf8(list[0].2.clone()).unwrap();
            list[0].2 = change(&text, signed(folder.path(), &text));
        }
        let server = serve(answers).await;
        let mut here = surroundings(folder.path(), &[("SILO_APT_MIRROR", &server.address)]);
        if !keys {
            here.keyrings = folder.path().join("none");
        }
        locked(KDL, None, &here).await.0
    };
    let (_, problems) = look(&|_, signed| signed, true).await.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    // Changed on its way.
    let changed = |_: &str, signed: Vec<u8>| String::from_utf8(signed).unwrap().replace("11 Jul", "10 Jul").into_bytes();
    let problems = look(&changed, true).await.unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("the signature of the release file of")), "{problems:?}");
    // What stands before what is signed does not count.
    let before = |_: &str, signed: Vec<u8>| [b"Codename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n\n".as_slice(), &signed].concat();
    let (lock, _) = look(&before, true).await.unwrap();
    assert_eq!(lock.base.epoch, Some(1_783_764_997));
    let problems = look(&|text, _| text.as_bytes().to_vec(), true).await.unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("is not signed; write [trusted=yes]")), "{problems:?}");
    // Keys of somebody else are none.
    std::fs::write(folder.path().join("keyrings/debian-archive-keyring.gpg"), b"").unwrap();
    let problems = look(&|_, signed| signed, true).await.unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("nobody whose keys this machine has")), "{problems:?}");
    // Without any keys it is said, once.
    let (_, problems) = look(&|_, signed| signed, false).await.unwrap();
    let codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::LockUnsigned]);
}

#[tokio::test]
async fn a_release_that_is_no_longer_valid_is_refused_with_its_fix() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = suites(&with(&[("curl", "8-1", "")]), &[], 11);
    let list = answers.get_mut("/debian-security/dists/bookworm-security/InRelease").unwrap();
    let text = String::from_utf8(list[0].2.clone()).unwrap().replace("SHA256:", "Valid-Until: Sat, 18 Jul 2020 10:00:00 UTC\nSHA256:");
    list[0].2 = text.into_bytes();
    let server = serve(answers).await;
    let here = |mirror: &str| surroundings(folder.path(), &[("SILO_APT_MIRROR", mirror)]);
    let problems = locked(KDL, None, &here(&server.mirror)).await.0.unwrap_err();
    let message = &problems.iter().next().unwrap().message;
    assert!(message.contains("was valid until 2020-07-18T10:00:00Z") && message.contains("[check-valid-until=no]"), "{message}");
    let old = server.mirror.replace("trusted=yes", "trusted=yes check-valid-until=no");
    locked(KDL, None, &here(&old)).await.0.unwrap();
}
