//! `.tool-versions`: a tool a line, with one or several versions.

use super::component;
use super::draft::Draft;
use crate::catalog::Names;
use crate::problem::{Code, Problem};
use crate::source::{SourceId, Span};

/// Reads every line.
pub(super) fn read(id: SourceId, text: &str, names: &Names, draft: &mut Draft) -> Result<(), Problem> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let body = line.split('#').next().unwrap_or("");
        let words: Vec<(&str, Span)> =
            words(body).into_iter().map(|(offset, word)| (word, span(id, start + offset, start + offset + word.len()))).collect();
        let Some(((tool, tool_span), versions)) = words.split_first() else { continue };
        if let Some((word, span)) = words.iter().find(|(word, _)| !is_word(word)) {
            let shown: String = word.chars().take(40).collect();
            return Err(Problem::new(Code::ForeignSyntax, format!("`{shown}` is neither a tool nor a version"))
                .at(*span, "")
                .help("a line is `TOOL VERSION`, with further versions after a space, and `#` begins a comment"));
        }
        if versions.is_empty() {
            return Err(Problem::new(Code::ForeignSyntax, format!("`{tool}` has no version"))
                .at(*tool_span, "")
                .help(format!("write `{tool} latest`, or the version that is meant")));
        }
        let versions: Vec<(String, Span)> = versions.iter().map(|(word, span)| (word.to_string(), *span)).collect();
        component::managed(draft, names, tool, *tool_span, &versions);
    }
    Ok(())
}

/// The words of a line with their offsets.
fn words(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut at = 0;
    for word in line.split(|c: char| c.is_whitespace() || c == '\u{feff}') {
        let offset = line[at..].find(word).map_or(at, |found| at + found);
        if !word.is_empty() {
            words.push((offset, word));
            at = offset + word.len();
        }
    }
    words
}

fn is_word(word: &str) -> bool {
    word.len() <= 256 && word.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '{' | '}' | '`' | '\\' | ';'))
}

fn span(id: SourceId, start: usize, end: usize) -> Span {
    let at = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span { source: id, start: at(start), end: at(end) }
}
