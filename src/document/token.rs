//! The tokens of a KDL text, with everything that a reader skips: space, comments, line ends.
//!
//! Only texts that were read successfully are cut into tokens, so nothing is checked here; whatever the text holds, every byte is in exactly
//! one token and nothing panics.

use super::scan::is_newline;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Blanks within a line.
    Space,
    /// One line end; the pair CR LF is one.
    Newline,
    /// `// …`, without the line end.
    LineComment,
    /// `/* … */`.
    BlockComment,
    /// A backslash that joins the next line to this one.
    Continue,
    /// `/-`.
    Slashdash,
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// `(`.
    ParenOpen,
    /// `)`.
    ParenClose,
    /// `=`.
    Equals,
    /// `;`.
    Semicolon,
    /// A word without quotes: a name, a number, `#true`.
    Word,
    /// A text in quotes on one line, raw or not; a whitespace escape may break the line.
    Quoted,
    /// A text of several lines, raw or not.
    Block,
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Offset of its first byte.
    pub(super) start: usize,
    /// Offset after its last byte.
    pub(super) end: usize,
}

impl Token {
    /// What is written.
    pub(super) fn of<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start..self.end).unwrap_or("")
    }
}

/// All tokens of a text, in order.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(c) = text[start..].chars().next() {
        let rest = &text[start..];
        let (kind, length) = next(rest, c);
        let end = start + length.max(c.len_utf8());
        tokens.push(Token { kind, start, end });
        start = end;
    }
    tokens
}

/// The kind and the length in bytes of the token that a text starts with; `c` is its first character.
fn next(rest: &str, c: char) -> (Kind, usize) {
    if is_newline(c) {
        return (Kind::Newline, if rest.starts_with("\r\n") { 2 } else { c.len_utf8() });
    }
    if c.is_whitespace() {
        let blank = |c: char| c.is_whitespace() && !is_newline(c);
        return (Kind::Space, rest.find(|c| !blank(c)).unwrap_or(rest.len()));
    }
    if rest.starts_with("//") {
        return (Kind::LineComment, rest.find(is_newline).unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::BlockComment, comment(rest));
    }
    if rest.starts_with("/-") {
        return (Kind::Slashdash, 2);
    }
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if rest[hashes..].starts_with('"') {
        return string(rest, hashes);
    }
    match c {
        '{' => (Kind::Open, 1),
        '}' => (Kind::Close, 1),
        '(' => (Kind::ParenOpen, 1),
        ')' => (Kind::ParenClose, 1),
        '=' => (Kind::Equals, 1),
        ';' => (Kind::Semicolon, 1),
        '\\' => (Kind::Continue, 1),
        _ => (Kind::Word, hashes + rest[hashes..].find(ends_word).unwrap_or(rest.len() - hashes)),
    }
}

/// Whether a character cannot be in a word (specification, "Non-identifier characters").
fn ends_word(c: char) -> bool {
    c.is_whitespace() || is_newline(c) || matches!(c, '{' | '}' | '(' | ')' | '[' | ']' | '/' | '\\' | '"' | '#' | ';' | '=')
}

/// The length of a `/* */` comment, with the comments in it.
fn comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (2, 1);
    while depth > 0 && at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => (at, depth) = (at + 2, depth + 1),
            (b'*', Some(b'/')) => (at, depth) = (at + 2, depth - 1),
            (_, _) => at += 1,
        }
    }
    at.min(rest.len())
}

/// A text in quotes, after as many `#` as `hashes` says.
fn string(rest: &str, hashes: usize) -> (Kind, usize) {
    let block = rest[hashes..].strip_prefix("\"\"\"").is_some_and(|body| body.starts_with(is_newline));
    let (kind, quotes) = if block { (Kind::Block, "\"\"\"") } else { (Kind::Quoted, "\"") };
    let end = format!("{quotes}{}", "#".repeat(hashes));
    let mut at = hashes + quotes.len();
    while let Some(c) = rest[at..].chars().next() {
        if rest[at..].starts_with(end.as_str()) {
            return (kind, at + end.len());
        }
        at += c.len_utf8();
        if c == '\\' && hashes == 0 {
            at += rest[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    (kind, rest.len())
}
