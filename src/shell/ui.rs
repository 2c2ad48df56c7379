//! What silo prints. Data goes to standard output, talk to standard error; nothing else in the program writes to either.

pub mod page;
pub mod progress;

use std::io::{BufRead, IsTerminal, Write};

use silo::problem::{self, Problems, RenderOptions};
use silo::source::Sources;

use super::cli;
use super::failure::{Failure, system};
use super::fetch::chain;
use page::Page;

/// The two streams and how to write on them.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    color: bool,
    /// Whether data may be coloured: standard output can be a pipe where standard error is a terminal.
    data_color: bool,
    live: bool,
    quiet: bool,
    width: usize,
}

impl Ui {
    /// Looks at the terminal and at what the caller wants.
    pub fn new(color: cli::Color, quiet: bool) -> Ui {
        let terminal = std::io::stderr().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let colored = |terminal: bool| match color {
            cli::Color::Always => true,
            cli::Color::Never => false,
            cli::Color::Auto => terminal && !dumb && !set("NO_COLOR"),
        };
        let (color, data_color) = (colored(terminal), colored(std::io::stdout().is_terminal()));
        let width = crossterm::terminal::size().map_or(100, |(columns, _)| usize::from(columns)).clamp(60, 120);
        Ui { color, data_color, live: terminal && !dumb && !set("CI"), quiet, width }
    }

    /// Whether progress is drawn in place.
    pub fn is_live(&self) -> bool {
        self.live && !self.quiet
    }

    /// Whether talk is wanted at all.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Data, to standard output, exactly as given. A reader that went away (`silo … | head`) ends the writing quietly.
    pub fn data(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// A line of data.
    pub fn line(&self, text: &str) {
        self.data(&format!("{text}\n"));
    }

    /// An empty page for standard output: as wide as the terminal, 80 columns where there is none.
    pub fn page(&self) -> Page {
        let width = if std::io::stdout().is_terminal() { self.width.min(100) } else { 80 };
        Page::new(width, self.data_color)
    }

    /// JSON, to standard output.
    pub fn json(&self, value: &serde_json::Value) {
        self.data(&format!("{value:#}\n"));
    }

    fn talk(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        // Nobody is left to be told when standard error is gone.
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// A line of talk, left out when the caller wants quiet.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.talk(&format!("{}\n", problem::escape(text)));
        }
    }

    /// What somebody wrote wrongly, with pictures of the places.
    pub fn problems(&self, problems: &Problems, sources: &Sources) {
        if problems.is_empty() || (self.quiet && !problems.has_errors()) {
            return;
        }
        let options = RenderOptions { width: self.width, color: self.color, unicode: true };
        self.talk(&problem::render(problems, sources, options));
    }

    /// A warning.
    pub fn warn(&self, text: &str) {
        self.talk(&format!("{} {}\n", self.paint("33;1", "warning:"), problem::escape(text)));
    }

    /// Why the command stops, with its causes and the next step.
    pub fn failure(&self, failure: &Failure) {
        match failure {
            Failure::Problems { problems, sources } => self.problems(problems, sources),
            Failure::Said(_) => {}
            Failure::Usage { message, help } | Failure::Refused { message, help } => self.error(message, help.as_deref()),
            Failure::System { operation, help, source } => self.error(&format!("{operation}: {source}"), help.as_deref()),
            Failure::Engine(error) => self.error(&chain(error), help_of(error).as_deref()),
            Failure::Build(error) => self.error(&chain(error), help_of(error).as_deref()),
        }
    }

    /// An error and what to do about it.
    pub fn error(&self, message: &str, help: Option<&str>) {
        self.talk(&format!("{} {}\n", self.paint("31;1", "error:"), problem::escape(message)));
        if let Some(help) = help {
            self.talk(&format!(" {} {}\n", self.paint("36", "help:"), problem::escape(help)));
        }
    }

    /// Asks the caller to choose one of several, by number or name; without a terminal it is an error that lists them.
    pub fn choose<'a>(&self, what: &str, names: &'a [String]) -> Result<&'a str, Failure> {
        let listed = names.join(", ");
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Usage {
                message: format!("which {what}? there is a choice of {listed}"),
                help: Some(format!("name the {what}")),
            });
        }
        for (index, name) in names.iter().enumerate() {
            self.talk(&format!("  {} {}\n", index + 1, problem::escape(name)));
        }
        self.talk(&format!("which {what}? [1-{}] ", names.len()));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map_err(system("reading the answer"))?;
        let answer = answer.trim();
        let chosen = match answer.parse::<usize>() {
            Ok(number) => number.checked_sub(1).and_then(|index| names.get(index)),
            Err(_) => names.iter().find(|name| *name == answer),
        };
        chosen.map(String::as_str).ok_or_else(|| Failure::Usage {
            message: format!("`{answer}` is none of them"),
            help: Some(format!("there is a choice of {listed}")),
        })
    }

    /// Talk of several lines, which hold nothing that moves the cursor. On a terminal lines that are too long are folded below themselves.
    pub fn show(&self, text: &str) {
        if self.is_attended() {
            self.talk(&page::folded(text, self.width));
        } else {
            self.talk(text);
        }
    }

    /// Whether somebody sits there who reads what is said.
    pub fn is_attended(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Whether somebody sits there who can be asked.
    pub fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks for yes or no. What was typed before the question is no answer to it.
    pub fn confirm(&self, question: &str) -> Result<bool, Failure> {
        let stdin = std::io::stdin();
        // Where nothing can be thrown away, nothing was typed ahead.
        let _ = rustix::termios::tcflush(&stdin, rustix::termios::QueueSelector::IFlush);
        self.talk(&format!("{} [y/n] ", problem::escape(question)));
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer).map_err(system("reading the answer"))?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// A line that the next one replaces; only for a terminal.
    pub fn transient(&self, text: &str) {
        let line: String = problem::escape(text).chars().take(self.width.saturating_sub(1)).collect();
        self.talk(&format!("\r\x1b[K{line}"));
    }

    /// Takes the last [`Ui::transient`] line away.
    pub fn clear_transient(&self) {
        if self.is_live() {
            self.talk("\r\x1b[K");
        }
    }

    /// The text in a colour, as the number of SGR says.
    pub fn paint(&self, sgr: &str, text: &str) -> String {
        if self.color { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_string() }
    }
}

fn help_of(error: &dyn miette::Diagnostic) -> Option<String> {
    error.help().map(|help| help.to_string())
}

/// Puts the terminal back as it was, for when something breaks while it is in raw mode.
pub fn restore_terminal() {
    super::engine::docker::restore_terminal();
}
