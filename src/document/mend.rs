//! Carries out the changes that problems ask for.

use super::token::{Kind, Token, tokens};
use crate::problem::{Edit, Part, Problem, Problems};
use crate::source::{SourceId, Sources, Span};

/// A text that was mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// Which text.
    pub source: SourceId,
    /// Its new contents.
    pub text: String,
    /// What was changed, in the order of the text.
    pub changes: Vec<Change>,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What stood where.
    pub span: Span,
    /// What stands there now.
    pub text: String,
    /// The words around it before.
    pub before: String,
    /// The words around it afterwards.
    pub after: String,
}

/// The exact places of a problem's fixes and what to write there: all of them, or none when one does not apply.
pub fn fixes(problem: &Problem, sources: &Sources) -> Vec<(Span, String)> {
    let found: Option<Vec<(Span, String)>> = problem.fixes.iter().map(|edit| Some((place(edit, sources)?, edit.text.clone()))).collect();
    found.unwrap_or_default()
}

/// Makes all changes that problems ask for, in the texts that may be changed. Of fixes that overlap, the first is made; another round may
/// make the others.
pub fn mend(problems: &Problems, sources: &Sources, may: impl Fn(SourceId) -> bool) -> Vec<Mended> {
    let mut accepted: Vec<(Span, String)> = Vec::new();
    for problem in problems.iter() {
        let wanted = fixes(problem, sources);
        let overlap = |one: &Span, other: &Span| {
            one.source == other.source && (one.start == other.start || one.start < other.end && other.start < one.end)
        };
        let free = |(span, _): &(Span, String)| may(span.source) && !accepted.iter().any(|(other, _)| overlap(span, other));
        if wanted.iter().all(free) {
            accepted.extend(wanted);
        }
    }
    accepted.sort();
    let mut mended: Vec<Mended> = Vec::new();
    for (span, text) in accepted {
        let (before, after) = around(&sources.get(span.source).text, span, &text);
        let change = Change { span, text, before, after };
        match mended.last_mut() {
            Some(last) if last.source == span.source => last.changes.push(change),
            Some(_) | None => mended.push(Mended { source: span.source, text: String::new(), changes: vec![change] }),
        }
    }
    for one in &mut mended {
        one.text = sources.get(one.source).text.clone();
        for change in one.changes.iter().rev() {
            one.text.replace_range(change.span.start as usize..change.span.end as usize, &change.text);
        }
    }
    mended
}

/// The words that a change touches, before and afterwards.
fn around(written: &str, span: Span, text: &str) -> (String, String) {
    let (start, end) = (span.start as usize, span.end as usize);
    let (head, tail) = (written.get(..start).unwrap_or(""), written.get(end..).unwrap_or(""));
    let head = &head[head.trim_end_matches(|c: char| !c.is_whitespace()).len()..];
    let tail = &tail[..tail.find(char::is_whitespace).unwrap_or(tail.len())];
    let old = written.get(start..end).unwrap_or("");
    (format!("{head}{old}{tail}"), format!("{head}{text}{tail}"))
}

/// The bytes that an edit replaces.
fn place(edit: &Edit, sources: &Sources) -> Option<Span> {
    let Edit { span, part, text: _ } = edit;
    let written = sources.get(span.source).text.get(span.start as usize..span.end as usize)?;
    let within = |start: usize, end: usize| Span { source: span.source, start: span.start + start as u32, end: span.start + end as u32 };
    match part {
        Part::Whole => Some(*span),
        Part::Name(name) => {
            let token =
                tokens(written).into_iter().next().filter(|token| token.of(written) == name || token.of(written) == super::quote(name))?;
            Some(within(token.start, token.end))
        }
        Part::Value => value(written).map(|token| within(token.start, token.end)),
        Part::ValueWritten(like) => value(written).filter(|token| token.of(written) == like).map(|token| within(token.start, token.end)),
        Part::Words(words) => {
            let mut found = written.match_indices(words.as_str());
            let (start, _) = found.next()?;
            found.next().is_none().then(|| within(start, start + words.len()))
        }
    }
}

/// The value of an argument or a property: its last token.
fn value(written: &str) -> Option<Token> {
    tokens(written).into_iter().next_back().filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Block))
}
