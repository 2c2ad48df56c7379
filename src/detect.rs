//! What a repository is written in, by its files.
//!
//! The definitions say what gives them away (`detect`), so nothing here knows a language. The caller lists the files of the repository and reads
//! those that [`Rules::reads`] asks for; out comes a proposal, which is text of a `silo.kdl` with the reason behind each node. A file of a
//! repository is read as data, whatever is in it: one that cannot be read is named, and the others still count.

mod propose;
mod read;
mod rule;
mod version;

use crate::document;
use crate::import::Format;

pub use propose::propose;
pub use rule::{Rules, rules};
pub use version::{Answer, Question, Settled, Taken, VersionFiles, questions};

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its path from the repository's root, with `/`.
    pub path: String,
    /// What is in it, when it was asked for and could be read.
    pub text: Option<String>,
}

/// Why something is proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A file, and the line of it that says the version.
    File(String, Option<usize>),
    /// A language that was found.
    Language(String),
}

/// An entry of the catalog that the repository needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The version that the repository asks for.
    pub version: Option<String>,
    /// Why: first what says the version, if anything does.
    pub reasons: Vec<Reason>,
    /// Files that ask for another version, with it.
    pub others: Vec<(String, String)>,
}

/// What a repository seems to need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Entries of the catalog: languages, then servers, then tools.
    pub found: Vec<Found>,
    /// Packages of the distribution for what the catalog has no entry for, with the file that shows it.
    pub packages: Vec<(String, String)>,
    /// What neither the catalog nor the distribution stands for: kind, name, and a file that shows it.
    pub unknown: Vec<(String, String, String)>,
    /// Configurations of other tools.
    pub foreign: Vec<(String, Format)>,
    /// Files that should have said a version, and why they could not be read.
    pub unread: Vec<(String, String)>,
}

impl Reason {
    /// Whether it is that file.
    fn is_of(&self, file: &str) -> bool {
        match self {
            Reason::File(path, _) => path == file,
            Reason::Language(_) => false,
        }
    }

    fn text(&self) -> String {
        match self {
            Reason::File(path, Some(line)) => format!("{path}:{line}"),
            Reason::File(path, None) => path.clone(),
            Reason::Language(name) => format!("for language {name}"),
        }
    }
}

impl Proposal {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && self.packages.is_empty()
    }

    /// The text of a `silo.kdl`. Without an agent, `agents` stand there as comments.
    pub fn text(&self, agent: Option<&str>, base: Option<&str>, agents: &[String]) -> String {
        let mut out = String::from(
            "// Proposed by `silo init --detect`: what stands behind a node is why it is here.\n\
             // `silo config default` explains every node; `silo check` says what is wrong.\n\
             silo edition=\"2026\"\n",
        );
        if base.is_some() || !self.packages.is_empty() {
            out.push_str("\nbase");
            out.extend(base.map(|base| format!(" {}", document::quote(base))));
            if self.packages.is_empty() {
                out.push('\n');
            } else {
                out.push_str(" {\n");
                for (package, path) in &self.packages {
                    out.push_str(&format!("    apt {} // {}\n", document::quote(package), document::one_line(path)));
                }
                out.push_str("}\n");
            }
        }
        if !self.found.is_empty() {
            out.push('\n');
        }
        for Found { kind, name, version, reasons, others } in &self.found {
            let version = version.as_ref().map(|version| format!(" version={}", document::quote(version))).unwrap_or_default();
            // The first reasons are enough.
            let mut reasons: Vec<String> = reasons.iter().take(2).map(Reason::text).collect();
            reasons.extend(others.iter().map(|(path, version)| format!("but {path} says {version}")));
            out.push_str(&format!("{kind} {}{version} // {}\n", document::quote(name), document::one_line(&reasons.join(", "))));
        }
        out.push('\n');
        match agent {
            Some(agent) => out.push_str(&format!("agent {}\n", document::quote(agent))),
            None => out.extend(agents.iter().map(|agent| format!("// agent {}\n", document::quote(agent)))),
        }
        let remarks = self.remarks();
        if !remarks.is_empty() {
            out.push('\n');
            out.extend(remarks.iter().map(|remark| format!("// {remark}\n")));
        }
        out
    }

    /// What is not proposed and should be known, a line each.
    pub fn remarks(&self) -> Vec<String> {
        let unknown = self.unknown.iter().map(|(kind, name, path)| {
            format!(
                "{path}: the catalog has no {kind} `{name}`: `define {kind} {name} {{ … }}` describes it, `base {{ apt … }}` may install it"
            )
        });
        let foreign = self.foreign.iter().map(|(path, _)| format!("{path}: `silo import {path} --stdout` shows what it comes to"));
        let unread = self.unread.iter().map(|(path, why)| format!("{path}: not read: {why}"));
        unknown.chain(foreign).chain(unread).map(|line| document::one_line(&line)).collect()
    }
}
