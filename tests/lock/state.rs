use super::image;
use crate::support::answers::lock as answered;
use silo::lock::{Lock, LockState, apply, inputs, state};
use silo::spec::Name;

const TEXT: &str = r#"
base "debian:bookworm" from=bootstrap { apt "make" "curl"; }
layer certs { apt "openssl"; download "https://example.test/a.tar.gz" to="/opt/a" { sha256 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; }; }
language node version="22"
tool jq
agent claude
"#;

#[test]
fn order_and_formatting_are_not_part_of_the_question() {
    let other = r#"
agent "claude" {
    // nothing
}
tool jq; language node version=" 22 "
layer certs { download "https://example.test/a.tar.gz" to="/opt/b" strip=3 { sha256 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; }
  apt "openssl" }
base "debian:bookworm" from=bootstrap { apt "curl"; apt "make"; }
post_build "echo nothing to look up"
"#;
    assert_eq!(inputs(&image(TEXT)), inputs(&image(other)));
}

#[test]
fn what_is_asked_is_part_of_it() {
    let first = inputs(&image(TEXT));
    for (from, to) in [
        ("\"22\"", "\"23\""),
        ("tool jq", "tool gh"),
        ("\"make\"", "\"cmake\""),
        ("bookworm", "trixie"),
        (&"a".repeat(64), &"b".repeat(64)),
        ("node version=\"22\"", "node version=\"22\" source=npm"),
    ] {
        assert_ne!(first, inputs(&image(&TEXT.replace(from, to))), "{to}");
    }
}

#[test]
fn a_stale_lock_says_what_changed() {
    let lock = answered(&image(TEXT));
    assert_eq!(state(&image(TEXT), Some(&lock)), LockState::Fresh);
    assert_eq!(state(&image(TEXT), None), LockState::Missing);
    let changes = |from: &str, to: &str| match state(&image(&TEXT.replace(from, to)), Some(&lock)) {
        LockState::Stale(changes) => changes,
        other => panic!("{other:?}"),
    };
    assert_eq!(changes("\"22\"", "\"20\""), ["language node is asked for as `20`, locked as `22`"]);
    assert_eq!(changes("tool jq", "tool gh"), ["tool gh is new", "tool jq is no longer asked for"]);
    assert_eq!(changes("\"make\"", "\"cmake\""), ["package cmake is new, package make is no longer asked for"]);
    assert_eq!(changes(&"a".repeat(64), &"b".repeat(64)), ["downloads of layer certs changed"]);
    assert!(changes("from=bootstrap", "from=registry")[0].contains("from=registry, locked is debian:bookworm from=bootstrap"));
    let merged = Lock { inputs: "sha256:other".to_string(), ..lock.clone() };
    assert!(matches!(state(&image(TEXT), Some(&merged)), LockState::Stale(changes) if changes[0].contains("merge")));
}

#[test]
fn applying_leaves_one_install_for_each_component() {
    let spec = image(TEXT);
    let lock = answered(&spec);
    let (image, problems) = apply(&spec, &lock);
    assert!(problems.is_empty(), "{problems:?}");
    let image = image.unwrap();
    assert_eq!(image.components.len(), spec.components.len());
    assert_eq!(image.agents[0].component.version, "1.1.2");
    assert_eq!(image.layers[0].name, Name::new("certs"));
    let mut stale = lock.clone();
    stale.components.remove(0);
    stale.inputs = "sha256:other".to_string();
    let (image, problems) = apply(&spec, &stale);
    assert!(image.is_none() && problems.has_errors());
    let mut gone = lock;
    gone.components[0].source = Name::new("elsewhere").unwrap();
    let (image, problems) = apply(&spec, &gone);
    assert!(image.is_none() && problems.iter().any(|problem| problem.message.contains("elsewhere")));
}
