//! The progress of a build: what happened so far as a value, and its picture.
//!
//! A terminal gets one line for each stage, redrawn in place; anything else gets plain lines as things happen.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use silo::problem::escape;
use unicode_width::UnicodeWidthChar;

use super::Ui;

/// A step of the build as the engine last described it.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The stage that it belongs to.
    pub stage: String,
    /// What it is for: `language node 22.11.0 (npm)`.
    pub what: String,
    /// Whether its result was there already.
    pub cached: bool,
    /// When it started, from the build's start.
    pub started: Option<Duration>,
    /// When it ended.
    pub completed: Option<Duration>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Where a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done,
    Cached,
    Failed,
}

#[derive(Clone, Debug, Default)]
struct Stage {
    /// Steps in the order in which the engine named them.
    steps: Vec<String>,
    log: String,
}

/// All that is known of a build.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    order: Vec<String>,
    stages: BTreeMap<String, Stage>,
    steps: BTreeMap<String, Step>,
    stage_of: BTreeMap<String, String>,
}

impl Progress {
    /// Takes in what the engine says of a step; it says it again at every change. Returns a plain line worth printing.
    pub fn step(&mut self, digest: &str, step: Step) -> Option<String> {
        let stage = step.stage.clone();
        let name = format!("{stage}: {}", step.what);
        if !self.stages.contains_key(&stage) {
            self.order.push(stage.clone());
        }
        let entry = self.stages.entry(stage.clone()).or_default();
        if !entry.steps.iter().any(|known| known == digest) {
            entry.steps.push(digest.to_string());
        }
        self.stage_of.insert(digest.to_string(), stage.clone());
        let before = self.steps.insert(digest.to_string(), step.clone());
        let was_started = before.as_ref().is_some_and(|step| step.started.is_some());
        let was_completed = before.as_ref().is_some_and(|step| step.completed.is_some());
        if step.completed.is_some() && !was_completed {
            let took = step.completed.unwrap_or_default().saturating_sub(step.started.unwrap_or_default());
            let how = match (&step.error, step.cached) {
                (Some(_), _) => "failed".to_string(),
                (None, true) => "cached".to_string(),
                (None, false) => format!("done in {}", seconds(took)),
            };
            return Some(format!("{name}: {how}"));
        }
        (step.started.is_some() && !was_started && !step.cached).then_some(name)
    }

    /// Takes in output of a step; returns plain lines worth printing.
    pub fn log(&mut self, digest: &str, text: &str) -> Vec<String> {
        let Some(stage) = self.stage_of.get(digest) else { return Vec::new() };
        let lines: Vec<String> =
            text.split(['\n', '\r']).map(|line| escape(line.trim_end())).filter(|line| !line.trim().is_empty()).collect();
        if let (Some(last), Some(entry)) = (lines.last(), self.stages.get_mut(stage)) {
            entry.log = last.clone();
        }
        lines.into_iter().map(|line| format!("{stage} | {line}")).collect()
    }

    fn state(&self, stage: &Stage) -> State {
        let steps = || stage.steps.iter().filter_map(|digest| self.steps.get(digest));
        if steps().any(|step| step.error.is_some()) {
            State::Failed
        } else if steps().all(|step| step.cached) {
            State::Cached
        } else if steps().all(|step| step.completed.is_some()) {
            State::Done
        } else if steps().any(|step| step.started.is_some()) {
            State::Running
        } else {
            State::Waiting
        }
    }

    /// Time from the first start to the last end; to `now` while it runs.
    fn elapsed(&self, stage: &Stage, now: Duration) -> Duration {
        let steps = || stage.steps.iter().filter_map(|digest| self.steps.get(digest)).filter(|step| !step.cached);
        let start = steps().filter_map(|step| step.started).min().unwrap_or(now);
        let open = steps().any(|step| step.started.is_some() && step.completed.is_none());
        let end = if open { now } else { steps().filter_map(|step| step.completed).max().unwrap_or(now) };
        end.saturating_sub(start)
    }

    /// One line for each stage, at most `width` columns wide and `height` lines long; `now` is the time since the build's start.
    pub fn frame(&self, ui: &Ui, now: Duration, width: usize, height: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let name_width = self.order.iter().map(|name| name.len()).max().unwrap_or(0).min(32);
        let spinner = ["|", "/", "-", "\\"][(now.as_millis() / 150 % 4) as usize];
        for name in &self.order {
            let Some(stage) = self.stages.get(name) else { continue };
            let state = self.state(stage);
            let done = stage.steps.iter().filter(|digest| self.steps.get(*digest).is_some_and(|step| step.completed.is_some())).count();
            let (mark, color) = match state {
                State::Waiting => (".", "2"),
                State::Running => (spinner, "36"),
                State::Done => ("✓", "32"),
                State::Cached => ("=", "2"),
                State::Failed => ("✗", "31"),
            };
            let time = match state {
                State::Cached => "cached".to_string(),
                State::Waiting => String::new(),
                State::Running | State::Done | State::Failed => seconds(self.elapsed(stage, now)),
            };
            let bar = bar(done, stage.steps.len());
            let head = format!(" {name:name_width$} {bar} {time:>7}");
            let log = if state == State::Running { format!("  {}", stage.log) } else { String::new() };
            lines.push((state, format!("{}{}", ui.paint(color, mark), fit(&format!("{head}{log}"), width.saturating_sub(2)))));
        }
        // On a small terminal what is finished goes first.
        let mut surplus = lines.len().saturating_sub(height);
        lines.retain(|(state, _)| {
            let finished = matches!(state, State::Done | State::Cached);
            let drop = surplus > 0 && finished;
            surplus -= usize::from(drop);
            !drop
        });
        lines.into_iter().take(height).map(|(_, line)| line).collect()
    }
}

/// `3.4s`, `2m05s`.
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole >= 60 { format!("{}m{:02}s", whole / 60, whole % 60) } else { format!("{:.1}s", duration.as_secs_f64()) }
}

/// Eight cells, filled as far as the work is.
fn bar(done: usize, all: usize) -> String {
    let filled = (done * 8).checked_div(all).unwrap_or(0);
    format!("{}{}", "█".repeat(filled), "░".repeat(8 - filled))
}

/// Cuts a text to a number of columns.
fn fit(text: &str, columns: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect()
}

/// Draws [`Progress`] on standard error, over and over at the same place.
#[derive(Debug, Default)]
pub struct Picture {
    drawn: usize,
}

impl Picture {
    /// Replaces the last picture by this one.
    pub fn draw(&mut self, ui: &Ui, progress: &Progress, now: Duration) {
        let (columns, rows) = crossterm::terminal::size().unwrap_or((100, 24));
        let lines = progress.frame(ui, now, usize::from(columns), usize::from(rows).saturating_sub(2).max(1));
        let mut text = self.erasure();
        for line in &lines {
            text.push_str(line);
            text.push_str("\r\n");
        }
        self.drawn = lines.len();
        write_raw(&text);
    }

    fn erasure(&self) -> String {
        if self.drawn == 0 { String::new() } else { format!("\x1b[{}A\r\x1b[J", self.drawn) }
    }
}

fn write_raw(text: &str) {
    let mut err = std::io::stderr().lock();
    // Nobody is left to be shown anything when standard error is gone.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ui() -> Ui {
        Ui { color: false, data_color: false, live: true, quiet: false, width: 80 }
    }

    fn step(name: &str, started: Option<u64>, completed: Option<u64>) -> Step {
        Step {
            stage: name.to_string(),
            what: format!("what {name} is for"),
            started: started.map(Duration::from_secs),
            completed: completed.map(Duration::from_secs),
            ..Step::default()
        }
    }

    #[test]
    fn a_frame_says_what_runs_what_is_done_and_what_was_cached() {
        let mut progress = Progress::default();
        progress.step("a", step("base", Some(0), Some(2)));
        progress.step("b", step("language-node", Some(1), None));
        progress.step("c", Step { cached: true, ..step("fetch", Some(1), Some(1)) });
        progress.log("b", "unpacking\n");
        let frame = progress.frame(&ui(), Duration::from_secs(5), 80, 10);
        assert_eq!(
            frame,
            ["✓ base          ████████    2.0s", "/ language-node ░░░░░░░░    4.0s  unpacking", "= fetch         ████████  cached",]
        );
    }

    #[test]
    fn a_small_terminal_keeps_what_still_runs() {
        let mut progress = Progress::default();
        progress.step("a", step("base", Some(0), Some(2)));
        progress.step("b", step("fetch", Some(1), None));
        let frame = progress.frame(&ui(), Duration::from_secs(5), 80, 1);
        assert_eq!(frame.len(), 1);
        assert!(frame[0].contains("fetch"), "{frame:?}");
    }

    #[test]
    fn escape_sequences_of_a_step_do_not_reach_the_terminal() {
        let mut progress = Progress::default();
        progress.step("a", step("base", Some(0), None));
        let lines = progress.log("a", "\x1b]0;title\x07 red \x1b[31m");
        assert!(lines.iter().all(|line| !line.contains('\x1b')), "{lines:?}");
        assert!(progress.frame(&ui(), Duration::from_secs(1), 80, 9).iter().all(|line| !line.contains('\x1b')));
    }
}
