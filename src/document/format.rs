//! One way to write KDL, which changes nothing of what it says.
//!
//! The formatter puts the tokens of the text in their places again, with all comments, and chooses only the space between them: four spaces
//! for each level, one node a line, one space between what is in a node. A block that its author wrote on one line stays on one line; all
//! others have a line for each node. Runs of empty lines become one, and there is none at the start and the end of a file or a block. A text
//! of several lines moves with its node, one level deeper than it. Quotes, numbers and the lines of a comment stay as they were written.
//!
//! Whatever comes out is read again and compared with what went in before anyone gets to see it.

use super::scan::is_newline;
use super::token::{Kind, Token, tokens};
use super::{Annotation, Document, Entry, MAX_BYTES, Node, canonical, parse};
use crate::problem::{Code, Problem, Problems};
use crate::source::{SourceId, Span};

/// Why a text was not formatted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// The text is not KDL, or would be longer than silo reads.
    Problems(Problems),
    /// The formatted text would not mean the same: a mistake of the formatter.
    Unfaithful,
}

/// The text in silo's style: the same nodes and the same comments, in other places at most. Formatting it again changes nothing.
///
/// # Errors
///
/// When the text cannot be read, with the problems of reading it; and when the result would mean something else, which it never should.
pub fn format(id: SourceId, text: &str) -> Result<String, FormatError> {
    let (document, problems) = parse(id, text);
    let Some(document) = document.filter(|_| !problems.has_errors()) else {
        return Err(FormatError::Problems(problems));
    };
    let formatted = print(text);
    if formatted == text {
        return Ok(formatted);
    }
    if formatted.len() > MAX_BYTES {
        let message = format!("formatted, the file would have {} bytes, and silo reads at most {MAX_BYTES}", formatted.len());
        let mut problems = Problems::default();
        let place = Span { source: id, start: 0, end: 0 };
        problems.push(Problem::new(Code::TooLarge, message).at(place, "").help("split it with `import`"));
        return Err(FormatError::Problems(problems));
    }
    let faithful = parse(id, &formatted).0.is_some_and(|other| same(&document, &other)) && essence(text) == essence(&formatted);
    if faithful { Ok(formatted) } else { Err(FormatError::Unfaithful) }
}

/// Whether two documents say the same, in whatever places.
pub fn same(one: &Document, other: &Document) -> bool {
    same_nodes(&one.nodes, &other.nodes)
}

fn same_nodes(one: &[Node], other: &[Node]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_node(one, other))
}

fn same_node(one: &Node, other: &Node) -> bool {
    let Node { name, name_span: _, annotation, entries, children, span: _ } = one;
    let blocks = match (children, &other.children) {
        (Some(one), Some(other)) => same_nodes(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    let entries = entries.len() == other.entries.len() && entries.iter().zip(&other.entries).all(|(one, other)| same_entry(one, other));
    *name == other.name && same_annotation(annotation.as_ref(), other.annotation.as_ref()) && entries && blocks
}

fn same_entry(one: &Entry, other: &Entry) -> bool {
    let Entry { name, annotation, value, span: _ } = one;
    *name == other.name && same_annotation(annotation.as_ref(), other.annotation.as_ref()) && *value == other.value
}

fn same_annotation(one: Option<&Annotation>, other: Option<&Annotation>) -> bool {
    one.map(|annotation| &annotation.text) == other.map(|annotation| &annotation.text)
}

/// Everything in a text that formatting keeps, in order: what is commented out and the comments too, which a document does not have.
fn essence(text: &str) -> Vec<String> {
    let text = without_mark(text);
    let kept = |token: &Token| match token.kind {
        Kind::Space | Kind::Newline | Kind::Continue | Kind::Semicolon => None,
        Kind::Word | Kind::Quoted => Some(canonical_name(token.of(text)).unwrap_or_else(|| trimmed(token.of(text)))),
        Kind::LineComment
        | Kind::BlockComment
        | Kind::Slashdash
        | Kind::Open
        | Kind::Close
        | Kind::ParenOpen
        | Kind::ParenClose
        | Kind::Equals
        | Kind::Block => Some(trimmed(token.of(text))),
    };
    tokens(text).iter().filter_map(kept).collect()
}

/// The lines of a text without the space around them.
fn trimmed(text: &str) -> String {
    lines(text).map(str::trim).collect::<Vec<_>>().join("\n")
}

/// A text without the mark that some editors put at its start.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The lines of a text, at whatever KDL takes for a line end.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let now = rest?;
        let Some(end) = now.find(is_newline) else {
            rest = None;
            return Some(now);
        };
        let length = if now[end..].starts_with("\r\n") { 2 } else { now[end..].chars().next().map_or(1, char::len_utf8) };
        rest = Some(&now[end + length..]);
        Some(&now[..end])
    })
}

/// The spelling of the table for the name of a node or a property, when it is another one. `written` may be in plain quotes.
fn canonical_name(written: &str) -> Option<String> {
    let name = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(written);
    let name_in_table = canonical(name);
    (name_in_table != name).then_some(name_in_table)
}

/// What stands on the line that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Nothing: the next token begins a line.
    Fresh,
    /// A `{`, and comments after it at most.
    AfterOpen,
    /// Comments that stand before a node.
    Leading,
    /// A node that may go on.
    Node,
    /// A node that a `;` has ended.
    Ended,
}

/// How a block is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `{ a; b }`.
    OneLine,
    /// A line for each node.
    Lines,
}

struct Printer<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    out: String,
    at: At,
    /// The blocks that are open.
    blocks: Vec<Style>,
    /// Line ends since the last thing written.
    newlines: usize,
    /// The last thing written.
    last: Option<Kind>,
    /// Whether the node that is being written has its name already.
    named: bool,
    /// Parentheses that are open.
    parens: usize,
    /// Between `/-` and what it comments out, where line ends mean nothing.
    gap: Option<At>,
    /// Between a backslash and the end of its line.
    joining: bool,
    /// Whether the node goes on in a line of its own.
    broken: bool,
    /// Whether the next line end is that of a backslash that was left out.
    skip_newline: bool,
}

/// Writes a text that is KDL.
fn print(text: &str) -> String {
    let text = without_mark(text);
    let tokens = tokens(text);
    let styles = styles(text, &tokens);
    let mut printer = Printer {
        text,
        tokens,
        out: String::with_capacity(text.len() + text.len() / 4),
        at: At::Fresh,
        blocks: Vec::new(),
        newlines: 0,
        last: None,
        named: false,
        parens: 0,
        gap: None,
        joining: false,
        broken: false,
        skip_newline: false,
    };
    for (index, style) in styles.into_iter().enumerate() {
        printer.token(index, style);
    }
    let mut out = printer.out;
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// For each token that is a `{`, how its block is written.
fn styles(text: &str, tokens: &[Token]) -> Vec<Style> {
    let mut styles = vec![Style::OneLine; tokens.len()];
    let mut open: Vec<usize> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => open.push(index),
            Kind::Close => {
                let closed = open.pop();
                if let (Some(inner), Some(outer)) = (closed, open.last())
                    && styles[inner] == Style::Lines
                {
                    styles[*outer] = Style::Lines;
                }
            }
            Kind::Newline | Kind::LineComment | Kind::BlockComment | Kind::Quoted | Kind::Block => {
                let breaks = matches!(token.kind, Kind::Newline | Kind::LineComment) || token.of(text).contains(is_newline);
                if let (true, Some(outer)) = (breaks, open.last()) {
                    styles[*outer] = Style::Lines;
                }
            }
            Kind::Space
            | Kind::Continue
            | Kind::Slashdash
            | Kind::ParenOpen
            | Kind::ParenClose
            | Kind::Equals
            | Kind::Semicolon
            | Kind::Word => {}
        }
    }
    styles
}

impl Printer<'_> {
    fn token(&mut self, index: usize, style: Style) {
        let kind = self.tokens[index].kind;
        match kind {
            Kind::Space => {}
            Kind::Newline => self.newline(),
            Kind::LineComment => self.line_comment(index),
            Kind::BlockComment => self.block_comment(index),
            Kind::Continue => self.continuation(index),
            Kind::Semicolon => {
                if self.at == At::Node {
                    self.at = At::Ended;
                }
            }
            Kind::Open => {
                self.begin(kind);
                self.push(kind, "{");
                self.blocks.push(style);
                self.at = At::AfterOpen;
            }
            Kind::Close => self.close(),
            Kind::Slashdash => {
                let before = self.at;
                self.begin(kind);
                self.push(kind, "/-");
                self.gap = Some(before);
            }
            Kind::ParenOpen => {
                self.begin(kind);
                self.push(kind, "(");
                self.parens += 1;
            }
            Kind::ParenClose => {
                self.begin(kind);
                self.push(kind, ")");
                self.parens = self.parens.saturating_sub(1);
            }
            Kind::Equals => {
                self.begin(kind);
                self.push(kind, "=");
            }
            Kind::Word | Kind::Quoted => {
                self.begin(kind);
                let written = self.tokens[index].of(self.text);
                let named = self.named && !self.is_property(index);
                let name = if named || self.parens > 0 { None } else { canonical_name(written) };
                self.named |= self.parens == 0;
                if self.last == Some(Kind::Slashdash) && written == "kdl-version" {
                    // The mark of the version is written with a space everywhere.
                    self.out.push(' ');
                }
                // A line in quotes ends only after a backslash, which takes the space away.
                let written = name.unwrap_or_else(|| lines(written).map(str::trim_end).collect::<Vec<_>>().join("\n"));
                self.push(kind, &written);
            }
            Kind::Block => {
                self.begin(kind);
                self.named |= self.parens == 0;
                let written = self.tokens[index].of(self.text);
                let moved = moved(written, self.blocks.len() + 1);
                self.push(kind, moved.as_deref().unwrap_or(written));
            }
        }
    }

    /// Whether the value of a property follows a token.
    fn is_property(&self, index: usize) -> bool {
        let follows =
            |token: &&Token| !matches!(token.kind, Kind::Space | Kind::BlockComment | Kind::Continue | Kind::Newline | Kind::LineComment);
        self.tokens.iter().skip(index + 1).find(follows).is_some_and(|token| token.kind == Kind::Equals)
    }

    /// Adds a token of a node.
    fn push(&mut self, kind: Kind, text: &str) {
        self.out.push_str(text);
        self.last = Some(kind);
        self.at = At::Node;
        self.gap = None;
        self.newlines = 0;
    }

    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.out.push_str("    ");
        }
    }

    /// Begins a line, after an empty one if there was one.
    fn start_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
            if self.newlines >= 2 && self.last != Some(Kind::Open) {
                self.out.push('\n');
            }
        }
        self.newlines = 0;
        self.indent(self.blocks.len());
    }

    /// Writes the space before a token of a node.
    fn begin(&mut self, kind: Kind) {
        let one_line = self.blocks.last() == Some(&Style::OneLine);
        if self.at != At::Node {
            (self.named, self.parens) = (false, 0);
        }
        match (self.at, one_line) {
            (At::Node, _) => self.separate(kind),
            (At::Leading, _) | (At::AfterOpen, true) => self.out.push(' '),
            (At::Ended, true) => self.out.push_str("; "),
            (At::Fresh, _) | (At::AfterOpen | At::Ended, false) => self.start_line(),
        }
    }

    /// Writes the space between two tokens of one node.
    fn separate(&mut self, kind: Kind) {
        if std::mem::take(&mut self.broken) {
            let begins = self.gap.is_some_and(|before| before != At::Node);
            self.out.push('\n');
            self.indent(self.blocks.len() + usize::from(!begins));
            return;
        }
        let apart = match (self.last, kind) {
            (_, Kind::BlockComment | Kind::Continue) => self.last != Some(Kind::ParenOpen),
            (Some(Kind::BlockComment), _) => kind != Kind::ParenClose,
            (Some(Kind::ParenOpen | Kind::Equals), _) | (_, Kind::ParenClose | Kind::Equals) => false,
            (Some(Kind::ParenClose), Kind::Word | Kind::Quoted | Kind::Block) | (Some(Kind::Slashdash), _) => false,
            (_, _) => true,
        };
        if apart {
            self.out.push(' ');
        }
    }

    fn newline(&mut self) {
        if std::mem::take(&mut self.skip_newline) || self.gap.is_some() {
            return;
        }
        if std::mem::take(&mut self.joining) {
            self.broken = true;
            return;
        }
        if self.at != At::Fresh {
            (self.at, self.newlines) = (At::Fresh, 0);
        }
        self.newlines += 1;
    }

    fn close(&mut self) {
        let style = self.blocks.pop();
        self.newlines = 0;
        if self.last == Some(Kind::Open) || style == Some(Style::OneLine) {
            self.out.push(' ');
        } else {
            self.start_line();
        }
        self.push(Kind::Close, "}");
        (self.named, self.parens) = (true, 0);
    }

    /// A `//` comment, at the end of what stands on its line.
    fn line_comment(&mut self, index: usize) {
        let text = self.tokens[index].of(self.text).trim_end();
        if self.joining {
            self.out.push(' ');
            self.out.push_str(text);
            return;
        }
        if self.gap.is_some() {
            if self.broken {
                self.separate(Kind::LineComment)
            } else {
                self.out.push(' ')
            }
            self.out.push_str(text);
            self.broken = true;
            return;
        }
        if self.at == At::Fresh {
            self.start_line()
        } else {
            self.out.push(' ')
        }
        self.out.push_str(text);
        (self.at, self.newlines, self.last) = (At::Fresh, 0, Some(Kind::LineComment));
    }

    fn block_comment(&mut self, index: usize) {
        if self.joining {
            self.out.push(' ');
        } else if self.gap.is_some() {
            if self.broken { self.separate(Kind::BlockComment) } else { self.out.push(' ') }
        } else {
            match self.at {
                At::Node => self.separate(Kind::BlockComment),
                At::Leading => self.out.push(' '),
                // After the last node of a line, a comment belongs to that line.
                At::AfterOpen | At::Ended if self.ends_line(index) => self.out.push(' '),
                At::Fresh | At::AfterOpen | At::Ended => {
                    self.begin(Kind::BlockComment);
                    self.at = At::Leading;
                }
            }
        }
        self.shifted_comment(index);
        self.newlines = 0;
        if !self.joining {
            self.last = Some(Kind::BlockComment);
        }
    }

    /// Adds a comment; its further lines move as far as its first line has moved.
    fn shifted_comment(&mut self, index: usize) {
        let token = self.tokens[index];
        let before = margin(&self.text[..token.start]).chars().count();
        let after = margin(&self.out).to_string();
        for (number, line) in lines(token.of(self.text)).enumerate() {
            if number == 0 {
                self.out.push_str(line.trim_end());
                continue;
            }
            self.out.push('\n');
            let blanks = line.chars().take_while(|c| c.is_whitespace()).take(before).map(char::len_utf8).sum();
            let rest = line[blanks..].trim_end();
            if !rest.is_empty() {
                self.out.push_str(&after);
                self.out.push_str(rest);
            }
        }
    }

    /// What comes after a token, apart from space, comments between `/*` and `*/`, and joined line ends.
    fn follower(&self, index: usize) -> Option<Kind> {
        let mut joined = self.tokens[index].kind == Kind::Continue;
        for token in &self.tokens[index + 1..] {
            match token.kind {
                Kind::Space | Kind::BlockComment => {}
                Kind::Continue => joined = true,
                Kind::LineComment if joined => {}
                Kind::Newline if joined => joined = false,
                Kind::Newline
                | Kind::LineComment
                | Kind::Slashdash
                | Kind::Open
                | Kind::Close
                | Kind::ParenOpen
                | Kind::ParenClose
                | Kind::Equals
                | Kind::Semicolon
                | Kind::Word
                | Kind::Quoted
                | Kind::Block => return Some(token.kind),
            }
        }
        None
    }

    /// Whether nothing but comments follows on the line of a token.
    fn ends_line(&self, index: usize) -> bool {
        matches!(self.follower(index), None | Some(Kind::Newline | Kind::LineComment | Kind::Close))
    }

    /// A backslash, which is left out where there is nothing to join.
    fn continuation(&mut self, index: usize) {
        let mut after = self.tokens[index + 1..].iter().map(|token| token.kind);
        let commented = after.find(|kind| !matches!(kind, Kind::Space | Kind::BlockComment)) == Some(Kind::LineComment);
        let follower = self.follower(index);
        let ends = self.ends_line(index) || follower == Some(Kind::Semicolon);
        let tight = matches!(self.last, Some(Kind::ParenOpen | Kind::ParenClose | Kind::Equals | Kind::Continue))
            || matches!(follower, Some(Kind::ParenClose | Kind::Equals));
        if self.at != At::Node || self.gap.is_some() || ends || (tight && !commented) {
            self.skip_newline = !commented;
            return;
        }
        self.separate(Kind::Continue);
        self.out.push('\\');
        (self.last, self.joining) = (Some(Kind::Continue), true);
    }
}

/// The blanks at the start of a text's last line.
fn margin(text: &str) -> &str {
    let line = text.char_indices().rev().find(|(_, c)| is_newline(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let line = &text[line..];
    &line[..line.len() - line.trim_start().len()]
}

/// A text of several lines with its lines at `depth`; `None` when it is not written in a way that this knows.
fn moved(written: &str, depth: usize) -> Option<String> {
    let hashes = written.len() - written.trim_start_matches('#').len();
    let end = format!("\"\"\"{}", "#".repeat(hashes));
    let body = written.get(hashes + 3..)?.strip_suffix(end.as_str())?;
    let mut body: Vec<&str> = lines(body).collect();
    // The first line ends after the quotes; the last is the margin of all.
    let margin = body.pop().filter(|margin| margin.chars().all(char::is_whitespace))?;
    let (first, body) = body.split_first()?;
    if !first.is_empty() || written.replace("\r\n", "\n").contains(|c: char| is_newline(c) && c != '\n') {
        return None;
    }
    let new = "    ".repeat(depth);
    let mut out = format!("{}\"\"\"\n", "#".repeat(hashes));
    // Whether an escape at the end of the line before has taken this line's margin.
    let mut joined = false;
    for line in body {
        let line = match line.strip_prefix(margin) {
            Some(rest) => rest,
            None if joined || line.trim().is_empty() => line.trim_start(),
            None => return None,
        };
        let blank = line.trim().is_empty();
        if !blank {
            joined = hashes == 0 && ends_in_escape(line);
            out.push_str(&new);
            out.push_str(if joined { line.trim_end() } else { line });
        }
        out.push('\n');
    }
    out.push_str(&new);
    out.push_str(&end);
    Some(out)
}

/// Whether a line ends in a backslash that takes the line end and all space after it away.
fn ends_in_escape(line: &str) -> bool {
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.as_str().trim().is_empty() {
            return true;
        }
        if c == '\\' {
            chars.next();
        }
    }
    false
}
