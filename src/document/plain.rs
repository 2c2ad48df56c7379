//! A reader of the KDL that people write every day.
//!
//! The KDL crate builds the text of its error messages while it tries alternatives, and reads about one megabyte a second; the catalog and
//! a project's files would cost it most of a command's time. This reader knows the plain part of the grammar, gives up at the first
//! character outside of it, and leaves the text to the crate then. Where it does answer, the answer is the crate's: a test holds them
//! together.

use super::scan::is_newline;
use super::{Annotation, Entry, Node, Value, canonical};
use crate::source::{SourceId, Span};

/// The nodes of a text, or `None` when it holds anything but plain KDL. The text must have passed the scan.
pub(super) fn read(id: SourceId, text: &str) -> Option<Vec<Node>> {
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    Plain { id, text, at }.nodes(false)
}

struct Plain<'a> {
    id: SourceId,
    text: &'a str,
    at: usize,
}

impl Plain<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn starts(&self, with: &str) -> bool {
        self.text.as_bytes()[self.at..].starts_with(with.as_bytes())
    }

    fn span(&self, start: usize) -> Span {
        Span { source: self.id, start: start as u32, end: self.at as u32 }
    }

    /// Moves over blanks and says how many.
    fn blanks(&mut self) -> usize {
        let start = self.at;
        while let Some(b' ' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.at - start
    }

    /// Moves over a `//` comment, up to the end of its line.
    fn comment(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        if !rest.starts_with("//") {
            return None;
        }
        let end = rest.find(is_newline).unwrap_or(rest.len());
        // Of the line ends, only LF and CR LF are plain.
        let plain = end == rest.len() || rest[end..].starts_with(['\n', '\r']);
        self.at += end;
        plain.then_some(())
    }

    /// Moves over the end of a line, if there is one.
    fn line_end(&mut self) -> bool {
        let length = if self.starts("\r\n") { 2 } else { usize::from(self.byte() == Some(b'\n')) };
        self.at += length;
        length > 0
    }

    /// The nodes up to the end of the text, or up to and with the `}` of their block.
    fn nodes(&mut self, block: bool) -> Option<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            self.blanks();
            match self.byte() {
                None => return (!block).then_some(nodes),
                Some(b'}') if block => {
                    self.at += 1;
                    return Some(nodes);
                }
                Some(b'/') => self.comment()?,
                Some(b'\n' | b'\r') => {
                    if !self.line_end() {
                        return None;
                    }
                }
                Some(_) => nodes.push(self.node()?),
            }
        }
    }

    fn node(&mut self) -> Option<Node> {
        let start = self.at;
        let annotation = self.annotation()?;
        let name_start = self.at;
        let name = self.string()?;
        let name_span = self.span(name_start);
        let mut node = Node { name: canonical(&name), name_span, annotation, entries: Vec::new(), children: None, span: self.span(start) };
        loop {
            let blanks = self.blanks();
            match self.byte() {
                None | Some(b'\n' | b'}') => return Some(node),
                Some(b'\r') if self.starts("\r\n") => return Some(node),
                Some(b'/') if blanks > 0 => {
                    self.comment()?;
                    return Some(node);
                }
                Some(b';') => {
                    self.at += 1;
                    return Some(node);
                }
                Some(b'{') if blanks > 0 && node.children.is_none() => {
                    self.at += 1;
                    node.children = Some(self.nodes(true)?);
                    node.span = self.span(start);
                }
                Some(_) if blanks > 0 && node.children.is_none() => {
                    node.entries.push(self.entry()?);
                    node.span = self.span(start);
                }
                Some(_) => return None,
            }
        }
    }

    /// `(word)`, without blanks; `Some(None)` when there is none.
    #[expect(clippy::option_option, reason = "giving up is not the same as finding nothing")]
    fn annotation(&mut self) -> Option<Option<Annotation>> {
        if self.byte() != Some(b'(') {
            return Some(None);
        }
        self.at += 1;
        let start = self.at;
        let text = self.string()?;
        let span = self.span(start);
        if self.byte() != Some(b')') {
            return None;
        }
        self.at += 1;
        Some(Some(Annotation { text, span }))
    }

    fn entry(&mut self) -> Option<Entry> {
        let start = self.at;
        let (name, annotation, value) = match self.annotation()? {
            Some(annotation) => (None, Some(annotation), self.value()?),
            None => match self.value()? {
                Value::String(text) if self.byte() == Some(b'=') => {
                    self.at += 1;
                    let annotation = self.annotation()?;
                    (Some(canonical(&text)), annotation, self.value()?)
                }
                value => (None, None, value),
            },
        };
        let span = self.span(start);
        // A blank before the `=` is KDL too, but not plain.
        let next = self.text[self.at..].trim_start_matches([' ', '\t']);
        (!next.starts_with('=')).then_some(Entry { name, annotation, value, span })
    }

    fn value(&mut self) -> Option<Value> {
        match self.byte()? {
            b'#' => self.keyword(),
            b'0'..=b'9' => self.number(),
            b'-' | b'+' | b'.' => {
                let next = self.text.as_bytes().get(self.at + 1).copied().unwrap_or(b' ');
                if next.is_ascii_digit() || next == b'.' { self.number() } else { self.string().map(Value::String) }
            }
            _ => self.string().map(Value::String),
        }
    }

    fn keyword(&mut self) -> Option<Value> {
        if self.starts("#\"") {
            return self.raw().map(Value::String);
        }
        let (word, value) = [("#true", Value::Bool(true)), ("#false", Value::Bool(false)), ("#null", Value::Null)]
            .into_iter()
            .find(|(word, _)| self.starts(word))?;
        self.at += word.len();
        self.ended().then_some(value)
    }

    /// `12`, `-12`, `1.25`.
    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let whole = self.digits();
        let mut decimal = false;
        if self.byte() == Some(b'.') {
            self.at += 1;
            decimal = true;
            if self.digits() == 0 {
                return None;
            }
        }
        if !(1..=18).contains(&whole) || !self.ended() {
            return None;
        }
        let written = &self.text[start..self.at];
        if decimal { Some(Value::Decimal(written.to_string())) } else { written.parse().ok().map(Value::Integer) }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    /// Whether a value ends here.
    fn ended(&self) -> bool {
        matches!(self.byte(), None | Some(b' ' | b'\t' | b'\n' | b'\r' | b';' | b'}'))
    }

    /// A bare or quoted string.
    fn string(&mut self) -> Option<String> {
        match self.byte()? {
            b'"' if self.starts("\"\"\"") => self.block(),
            b'"' => self.quoted(),
            b'#' => self.raw(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<String> {
        let start = self.at;
        while self.byte().is_some_and(|b| b.is_ascii_alphanumeric() || b"_-.:@+$%*".contains(&b)) {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        let signless = word.trim_start_matches(['+', '-', '.']);
        let plain = !word.is_empty()
            && !signless.starts_with(|c: char| c.is_ascii_digit())
            && !matches!(word, "true" | "false" | "null" | "inf" | "-inf" | "nan")
            && (self.ended() || matches!(self.byte(), Some(b'=' | b')')));
        plain.then(|| word.to_string())
    }

    fn quoted(&mut self) -> Option<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let end = rest.find(['"', '\\'])?;
            if rest[..end].contains(is_newline) {
                return None;
            }
            out.push_str(&rest[..end]);
            self.at += end + 1;
            if rest.as_bytes()[end] == b'"' {
                return (self.ended() || matches!(self.byte(), Some(b'=' | b')'))).then_some(out);
            }
            out.push(match self.byte()? {
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'\\' => '\\',
                b'"' => '"',
                _ => return None,
            });
            self.at += 1;
        }
    }

    /// `#"…"#` on one line.
    fn raw(&mut self) -> Option<String> {
        if !self.starts("#\"") || self.starts("#\"\"") {
            return None;
        }
        let rest = &self.text[self.at + 2..];
        let body = &rest[..rest.find("\"#")?];
        if body.contains(is_newline) {
            return None;
        }
        let body = body.to_string();
        self.at += body.len() + 4;
        self.ended().then_some(body)
    }

    /// A text of several lines, without escapes.
    fn block(&mut self) -> Option<String> {
        let rest = self.text[self.at..].strip_prefix("\"\"\"\n")?;
        let end = rest.find("\"\"\"")?;
        let body = &rest[..end];
        if body.contains('\\') || body.contains(|c: char| is_newline(c) && c != '\n') {
            return None;
        }
        let (lines, prefix) = body.rsplit_once('\n').unwrap_or(("", body));
        if !prefix.bytes().all(|byte| matches!(byte, b' ' | b'\t')) {
            return None;
        }
        let mut out = String::with_capacity(lines.len());
        if body.contains('\n') {
            for (index, line) in lines.split('\n').enumerate() {
                if index > 0 {
                    out.push('\n');
                }
                let blank = line.chars().all(char::is_whitespace);
                out.push_str(if blank { "" } else { line.strip_prefix(prefix)? });
            }
        }
        self.at += 4 + end + 3;
        self.ended().then_some(out)
    }
}
