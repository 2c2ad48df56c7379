//! Newer agents over a lock that stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use super::image;
use crate::support::answers::lock as answered;
use silo::lock::apt::solve::Role;
use silo::lock::{AptPackage, Artifact, Lock, LockState, LockedComponent, Package, apply, overlaid, state};
use silo::spec::{Arch, ComponentId, Kind, Name};

const TEXT: &str = "base \"debian:bookworm\" from=bootstrap\ntool jq\nagent claude\nagent codex\n";

fn id(name: &str) -> ComponentId {
    ComponentId { kind: Kind::Agent, name: Name::new(name).unwrap() }
}

fn component<'l>(lock: &'l mut Lock, name: &str) -> &'l mut LockedComponent {
    lock.components.iter_mut().find(|component| component.id.name.as_str() == name).unwrap()
}

/// The lock of the text, and one with other versions of everything.
fn two(version: &str) -> (Lock, Lock) {
    let committed = answered(&image(TEXT));
    let mut overlay = committed.clone();
    overlay.components.iter_mut().for_each(|component| component.version = version.to_string());
    (committed, overlay)
}

#[test]
fn only_the_one_agent_is_newer_and_the_lock_still_fits() {
    let (committed, overlay) = two("1.3.0");
    let lock = overlaid(&committed, &overlay, &id("claude")).unwrap();
    assert_eq!(state(&image(TEXT), Some(&lock)), LockState::Fresh);
    assert!(apply(&image(TEXT), &lock).0.is_some());
    for (before, after) in committed.components.iter().zip(&lock.components) {
        if before.id == id("claude") {
            assert_eq!((before.version.as_str(), after.version.as_str()), ("1.1.2", "1.3.0"));
        } else {
            assert_eq!(before, after);
        }
    }
    assert_eq!(Lock { components: committed.components.clone(), ..lock }, committed, "nothing else is taken over");
}

#[test]
fn what_is_not_newer_is_not_taken() {
    for version in ["1.1.2", "1.1.1", "1.1.2-rc.1", "0.9"] {
        let (committed, overlay) = two(version);
        assert_eq!(overlaid(&committed, &overlay, &id("claude")), None, "{version}");
    }
}

#[test]
fn what_answers_another_question_is_not_taken() {
    let (committed, overlay) = two("1.3.0");
    let mut other = overlay.clone();
    component(&mut other, "claude").inputs = format!("sha256:{}", "1".repeat(64));
    assert_eq!(overlaid(&committed, &other, &id("claude")), None, "the definition or its options changed");
    let mut other = overlay.clone();
    component(&mut other, "claude").request = "^1".to_string();
    assert_eq!(overlaid(&committed, &other, &id("claude")), None, "another version was asked for");
    let mut other = overlay.clone();
    other.components.retain(|component| component.id != id("claude"));
    assert_eq!(overlaid(&committed, &other, &id("claude")), None, "it has no answer");
    let mut gone = committed.clone();
    gone.components.retain(|component| component.id != id("claude"));
    assert_eq!(overlaid(&gone, &overlay, &id("claude")), None, "nobody asks");
}

#[test]
fn what_was_chosen_for_another_base_is_not_taken() {
    let (committed, overlay) = two("1.3.0");
    let mut other = overlay.clone();
    other.base.reference = "debian:trixie".to_string();
    assert_eq!(overlaid(&committed, &other, &id("claude")), None);
    // The same release a day later is as good, but packages have to be among those whose files are locked.
    let mut later = overlay.clone();
    later.base.digest = "sha256:01".to_string();
    assert!(overlaid(&committed, &later, &id("claude")).is_some());
    let package = AptPackage { name: "claude".to_string(), versions: BTreeMap::from([(Arch::Amd64, "1.3.0".to_string())]) };
    component(&mut later, "claude").artifacts = vec![Artifact::Apt(package.clone())];
    assert_eq!(overlaid(&committed, &later, &id("claude")), None);
    let mut committed = committed;
    committed.packages = vec![Package { pin: package, files: BTreeMap::new(), needs: BTreeSet::new(), role: Role::Asked }];
    assert!(overlaid(&committed, &later, &id("claude")).is_some());
}
