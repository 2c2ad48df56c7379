//! Problems as text for people: the code, the sentence, the lines concerned, the help.
//!
//! What is shown comes from files that nobody has vetted, so nothing of it may move the cursor, colour the text or hide: control characters
//! and characters without a shape are written as escapes.

use std::collections::BTreeMap;
use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use super::{Code, Problem, Problems, Severity};
use crate::source::{SourceId, Sources, Span};

/// The most problems that are shown; the others are counted.
pub const MAX_SHOWN: usize = 20;

/// The most lines that are begun with another problem: problems of many places, such as long circles of imports, would fill more than a
/// screen's history otherwise.
const MAX_LINES: usize = 400;
/// The most places of one problem that are shown; of more, the first ones and the last.
const MAX_PLACES: usize = 10;

/// The longest line that is shown whole, in characters; of a longer one, what is near a label.
const MAX_LINE: usize = 240;
/// How many characters of a long line are shown on each side of a label.
const NEAR: usize = 60;

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to colour.
    pub color: bool,
    /// Whether to draw lines with Unicode characters.
    pub unicode: bool,
}

/// The text of all problems, as a person mends them: errors before warnings, then file by file and from top to bottom; empty when there are
/// none.
pub fn render(problems: &Problems, sources: &Sources, options: RenderOptions) -> String {
    let theme = match (options.unicode, options.color) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => GraphicalTheme { characters: miette::ThemeCharacters::ascii(), styles: miette::ThemeStyles::ansi() },
        (false, false) => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(options.width.max(40)).with_links(false).with_context_lines(1);
    let mut out = String::new();
    let mut shown = 0;
    for problem in problems.by_place().into_iter().take(MAX_SHOWN) {
        if out.lines().count() > MAX_LINES {
            break;
        }
        shown += 1;
        let picture = Picture::of(problem, sources);
        // Writing to a `String` does not fail; a snippet that cannot be read must not hide the problem.
        if handler.render_report(&mut out, &picture).is_err() {
            out.push_str(&format!("{}: {}\n", problem.code.as_str(), escape(&problem.message)));
        }
        out.push('\n');
    }
    let more = problems.len().saturating_sub(shown);
    if more > 0 {
        out.push_str(&format!("… and {more} more; mend these first.\n"));
    }
    if !options.unicode {
        out = out.replace('…', "...");
    }
    out
}

/// `docs/errors.md`: every code, and what it means.
pub fn reference() -> String {
    let mut out =
        String::from("# Errors and warnings\n\n<!-- Generated from src/problem.rs: SILO_BLESS=1 cargo test --test main generated -->\n\n");
    out.push_str(
        "Every problem that silo reports has a code, which never changes its meaning. An error stops the command; a warning does not.\n\n",
    );
    out.push_str("| code | kind | meaning |\n|---|---|---|\n");
    for code in Code::ALL {
        let kind = match code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        out.push_str(&format!("| `{}` | {kind} | {} |\n", code.as_str(), code.meaning()));
    }
    out
}

/// A text on one line in which nothing is invisible and nothing commands the terminal.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_escaped(&mut out, c);
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if c.is_control() || is_invisible(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
        _ => out.push(c),
    }
}

/// Characters that have no shape of their own, or change the direction of the text: Unicode's `Default_Ignorable_Code_Point` and its
/// line and paragraph separators.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A problem as miette wants it.
#[derive(Debug)]
struct Picture {
    code: &'static str,
    severity: Severity,
    message: String,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    map: SourceMap,
}

/// A sentence whose middle is left out when it is too long to read: it quotes what somebody wrote.
fn shortened(text: &str) -> String {
    if text.chars().count() <= MAX_LINE {
        return text.to_string();
    }
    let start: String = text.chars().take(MAX_LINE / 2).collect();
    let end: Vec<char> = text.chars().rev().take(MAX_LINE / 4).collect();
    format!("{start}…{}", end.into_iter().rev().collect::<String>())
}

impl Picture {
    fn of(problem: &Problem, sources: &Sources) -> Picture {
        let hidden = problem.labels.len().saturating_sub(MAX_PLACES);
        let (first, last) = problem.labels.split_at(if hidden > 0 { MAX_PLACES - 1 } else { problem.labels.len() });
        let places = || first.iter().chain(last.iter().skip(hidden));
        let mut texts: BTreeMap<SourceId, Vec<Span>> = BTreeMap::new();
        for label in places() {
            texts.entry(label.span.source).or_default().push(label.span);
        }
        let mut map = SourceMap { texts: Vec::new() };
        let mut shown: BTreeMap<SourceId, Shown> = BTreeMap::new();
        let mut base = 0;
        for (id, spans) in &texts {
            let source = sources.get(*id);
            let text = Shown::of(&source.text, spans);
            map.texts.push(Placed { base, name: escape(&source.name), text: text.text.clone() });
            // One byte apart, so that no range reaches from one text into the next.
            let start = base;
            base += text.text.len() + 1;
            shown.insert(*id, Shown { base: start, ..text });
        }
        let mut labels: Vec<LabeledSpan> = Vec::new();
        for (index, label) in places().enumerate() {
            let Some(text) = shown.get(&label.span.source) else { continue };
            let (start, end) = (text.offset(label.span.start as usize), text.offset(label.span.end as usize));
            let span = SourceSpan::from(start..end.max(start));
            let words = (!label.text.is_empty()).then(|| escape(&label.text));
            labels.push(if index == 0 { LabeledSpan::new_primary_with_span(words, span) } else { LabeledSpan::new_with_span(words, span) });
        }
        let mut help = problem.help.as_deref().map(escape);
        if hidden > 0 {
            let note = format!("{hidden} more places of {} are not shown", problem.labels.len());
            help = Some(help.map_or_else(|| note.clone(), |help| format!("{help}; {note}")));
        }
        Picture {
            code: problem.code.as_str(),
            severity: problem.severity(),
            message: escape(&shortened(&problem.message)),
            help,
            labels,
            map,
        }
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Picture {}

impl Diagnostic for Picture {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.map.texts.is_empty()).then_some(&self.map as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan> + '_>)
    }
}

/// A text as it is shown, and where its bytes went.
struct Shown {
    /// The offset of its first byte among all texts of the problem.
    base: usize,
    text: String,
    /// For a byte of the written text, the byte of the shown one; sorted, one pair wherever the distance changes.
    moves: Vec<(usize, usize)>,
}

impl Shown {
    fn of(written: &str, spans: &[Span]) -> Shown {
        let mut shown = Shown { base: 0, text: String::with_capacity(written.len()), moves: vec![(0, 0)] };
        let mut at = 0;
        for line in written.split_inclusive('\n') {
            let body = line.trim_end_matches('\n');
            let body = body.strip_suffix('\r').unwrap_or(body);
            let long = body.chars().count() > MAX_LINE;
            let mut skipping = false;
            for (offset, c) in body.char_indices() {
                let place = at + offset;
                let near =
                    |span: &Span| place + NEAR >= span.start as usize && place <= span.end.min(span.start + NEAR as u32) as usize + NEAR;
                if long && !spans.iter().any(near) {
                    if !skipping {
                        shown.text.push('…');
                    }
                    skipping = true;
                    continue;
                }
                skipping = false;
                shown.moved(place);
                match c {
                    '\t' => shown.text.push('\t'),
                    '\u{feff}' if place == 0 => {}
                    _ => push_escaped(&mut shown.text, c),
                }
            }
            shown.moved(at + body.len());
            if line.ends_with('\n') {
                shown.text.push('\n');
            }
            at += line.len();
        }
        shown.moved(at);
        shown
    }

    /// Notes that the written byte `at` is shown at the end of what is shown so far.
    fn moved(&mut self, at: usize) {
        let to = self.text.len();
        let expected = self.moves.last().map(|(from, shown)| shown + (at - from));
        if expected != Some(to) {
            self.moves.push((at, to));
        }
    }

    fn offset(&self, at: usize) -> usize {
        let index = self.moves.partition_point(|(from, _)| *from <= at).saturating_sub(1);
        let (from, to) = self.moves[index];
        let limit = self.moves.get(index + 1).map_or(self.text.len(), |(_, next)| *next);
        self.base + (to + (at - from)).min(limit)
    }
}

/// Several texts, one after the other, for miette, which knows one.
#[derive(Debug)]
struct SourceMap {
    texts: Vec<Placed>,
}

#[derive(Debug)]
struct Placed {
    base: usize,
    name: String,
    text: String,
}

impl SourceCode for SourceMap {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let holds = |placed: &&Placed| span.offset() >= placed.base && span.offset() + span.len() <= placed.base + placed.text.len();
        let placed = self.texts.iter().find(holds).ok_or(MietteError::OutOfBounds)?;
        let local = SourceSpan::from((span.offset() - placed.base, span.len()));
        let contents = placed.text.as_str().read_span(&local, context_lines_before, context_lines_after)?;
        let found = SourceSpan::from((contents.span().offset() + placed.base, contents.span().len()));
        let data = contents.data();
        let (line, column, count) = (contents.line(), contents.column(), contents.line_count());
        Ok(Box::new(MietteSpanContents::new_named(placed.name.clone(), data, found, line, column, count)))
    }
}
