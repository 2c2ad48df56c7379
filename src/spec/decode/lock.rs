//! `lock { … }`, and `release_age=` of what is asked for.

use crate::document::{Entry, Node};
use crate::schema::types;
use crate::spec::LockPolicy;

use super::Decoder;

const EXPECTED: &str = "a time such as `24h`, `7d` or `0`";

impl Decoder<'_> {
    /// What is said about the lock; for components by everything that asks for one.
    pub(super) fn policy(&mut self, nodes: &[Node]) -> LockPolicy {
        let mut policy = LockPolicy::default();
        for node in nodes.iter().filter(|node| node.name == "lock") {
            for child in node.named("release_age") {
                if let Some(seconds) = child.arguments().next().and_then(|entry| self.seconds(entry)) {
                    policy.release_age = seconds;
                }
            }
            for child in node.named("warn_after") {
                let Some(entry) = child.arguments().next() else { continue };
                let Some(text) = self.text(entry) else { continue };
                match text {
                    "never" | "0" => policy.warn_after = None,
                    _ => {
                        if let Some(seconds) = self.seconds(entry) {
                            policy.warn_after = Some(seconds).filter(|seconds| *seconds > 0);
                        }
                    }
                }
            }
        }
        for (id, request) in self.requests.clone() {
            let written = request.node.as_ref();
            let property = written.and_then(|node| node.property("release_age"));
            let child = written.and_then(|node| node.named("release_age").next()).and_then(|node| node.arguments().next());
            if let Some(seconds) = property.or(child).and_then(|entry| self.seconds(entry)) {
                policy.ages.insert(id, seconds);
            }
        }
        policy
    }

    fn seconds(&mut self, entry: &Entry) -> Option<u64> {
        let text = self.text(entry)?;
        let seconds = if text == "0" { Some(0) } else { types::duration(text).map(|milliseconds| milliseconds / 1000) };
        if seconds.is_none() {
            self.bad(entry.span, format!("`{text}` is not {EXPECTED}"), "write a number with `d`, `h`, `m` or `s` behind it");
        }
        seconds
    }
}
