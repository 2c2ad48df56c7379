//! What is known of a build so far, merged from BuildKit's status stream, which sends a vertex again on every change of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1 as wire;

use crate::shell::engine::{BuildEvent, FailedStep, LogStream, Step, Vertex};

/// How many of a step's last lines are kept.
const LINES: usize = 40;
/// How many bytes of one line are kept.
const LINE_BYTES: usize = 4096;

#[derive(Default)]
pub(super) struct Progress {
    vertices: BTreeMap<String, Vertex>,
    logs: BTreeMap<String, Tail>,
    /// The start of a character whose rest comes with the next piece of its stream.
    partial: BTreeMap<(String, LogStream), Vec<u8>>,
}

impl Progress {
    /// Takes one message in and tells what it changed.
    pub(super) fn take(&mut self, status: wire::StatusResponse, mut tell: impl FnMut(BuildEvent)) {
        for vertex in status.vertexes {
            let known = self.vertices.entry(vertex.digest.clone()).or_default();
            let before = known.clone();
            merge(known, vertex);
            if *known != before {
                tell(BuildEvent::Vertex(known.clone()));
            }
        }
        for status in status.statuses {
            tell(BuildEvent::Status {
                digest: status.vertex,
                id: status.id,
                current: u64::try_from(status.current).unwrap_or(0),
                total: u64::try_from(status.total).unwrap_or(0),
                completed: status.completed.is_some(),
            });
        }
        for log in status.logs {
            let stream = if log.stream == 2 { LogStream::Error } else { LogStream::Output };
            let partial = self.partial.entry((log.vertex.clone(), stream)).or_default();
            partial.extend_from_slice(&log.msg);
            let text = whole_characters(partial);
            self.logs.entry(log.vertex.clone()).or_default().push(stream, &text);
            if !text.is_empty() {
                tell(BuildEvent::Log { digest: log.vertex, stream, text });
            }
        }
    }

    /// The step that made the build fail: the first that ended with an error of its own. Its siblings, cancelled because of it, have errors
    /// too, but end later.
    pub(super) fn failure(&self, message: &str) -> Option<FailedStep> {
        let own = |vertex: &&Vertex| vertex.error.as_ref().is_some_and(|error| !error.contains("context canceled"));
        let vertex = self.vertices.values().filter(own).min_by_key(|vertex| vertex.completed.unwrap_or(Duration::MAX))?;
        let error = vertex.error.clone().unwrap_or_else(|| message.to_owned());
        Some(FailedStep {
            name: vertex.name.clone(),
            step: vertex.step.clone(),
            exit_code: exit_code(&error),
            log: self.logs.get(&vertex.digest).map(Tail::lines).unwrap_or_default(),
            message: error,
        })
    }
}

fn merge(known: &mut Vertex, vertex: wire::Vertex) {
    known.digest = vertex.digest;
    if !vertex.name.is_empty() && known.name != vertex.name {
        known.step = step(&vertex.name);
        known.name = vertex.name;
    }
    if !vertex.inputs.is_empty() {
        known.inputs = vertex.inputs;
    }
    known.cached |= vertex.cached;
    known.started = vertex.started.map(since_1970).or(known.started);
    // A vertex may run several times (a cache lookup, then the work); what it ended with last counts.
    known.completed = vertex.completed.map(since_1970);
    known.error = Some(vertex.error).filter(|error| !error.is_empty());
}

fn since_1970(time: Timestamp) -> Duration {
    Duration::new(u64::try_from(time.seconds).unwrap_or(0), u32::try_from(time.nanos).unwrap_or(0))
}

/// Reads `[base 3/7] RUN …`; with several platforms it is `[linux/arm64 base 3/7] RUN …`.
pub(super) fn step(name: &str) -> Option<Step> {
    let (head, instruction) = name.strip_prefix('[')?.split_once("] ")?;
    let mut words: Vec<&str> = head.split_whitespace().collect();
    let (ordinal, total) = words.pop()?.split_once('/')?;
    let (ordinal, total) = (ordinal.parse().ok()?, total.parse().ok()?);
    let stage = words.pop().filter(|word| !word.contains('/')).map(str::to_owned);
    Some(Step { stage, ordinal, total, instruction: instruction.to_owned() })
}

/// The exit code at the end of BuildKit's message: its status carries it nowhere else (20.10 has no details at all).
fn exit_code(message: &str) -> Option<i64> {
    let (_, code) = message.rsplit_once("exit code: ")?;
    code.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// Takes the whole characters out of a buffer and leaves an incomplete last one in it; what is not UTF-8 becomes U+FFFD.
fn whole_characters(buffer: &mut Vec<u8>) -> String {
    let keep = match std::str::from_utf8(buffer) {
        Ok(_) => 0,
        Err(error) if error.error_len().is_none() => buffer.len() - error.valid_up_to(),
        Err(_) => {
            // Something in the middle is wrong; the end may still be the start of a character.
            let start = buffer.iter().rposition(|byte| byte & 0xC0 != 0x80).unwrap_or(0);
            match std::str::from_utf8(&buffer[start..]) {
                Err(error) if error.error_len().is_none() => buffer.len() - start,
                Ok(_) | Err(_) => 0,
            }
        }
    };
    let rest = buffer.split_off(buffer.len() - keep);
    let text = String::from_utf8_lossy(buffer).into_owned();
    *buffer = rest;
    text
}

/// The last lines of two streams that come in pieces, in the order in which the lines ended.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    /// The lines that have not ended.
    current: BTreeMap<LogStream, String>,
}

impl Tail {
    fn push(&mut self, stream: LogStream, text: &str) {
        let current = self.current.entry(stream).or_default();
        for character in text.chars() {
            match character {
                '\n' => {
                    self.lines.push_back(std::mem::take(current));
                    if self.lines.len() > LINES {
                        self.lines.pop_front();
                    }
                }
                _ if current.len() < LINE_BYTES => current.push(character),
                _ => {}
            }
        }
    }

    /// The lines as they look on a terminal: of a line overwritten with carriage returns, the last state.
    fn lines(&self) -> Vec<String> {
        let all = self.lines.iter().chain(self.current.values().filter(|line| !line.is_empty()));
        let seen: Vec<String> = all.map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default().to_owned()).collect();
        seen[seen.len().saturating_sub(LINES)..].to_vec()
    }
}

#[cfg(test)]
mod tests;
