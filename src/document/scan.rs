//! A linear look at a text before the KDL parser sees it: limits, balance, and the mistakes people make.
//!
//! The parser (kdl 6.7.1) needs exponential time for nested `/-` blocks and overflows the stack on deep nesting, and a repository's file is
//! read before anyone trusts it. The scan also knows what people write by habit from other languages, and says what to write instead.

use super::words::{is_typographic, items, judge, mend};
use super::{MAX_COMMENT_DEPTH, MAX_DEPTH, MAX_SLASHDASH_DEPTH};
use crate::problem::{Code, Edit, Problem};
use crate::source::{SourceId, Span};

/// What is to be done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gravity {
    /// The text must not reach the parser.
    Fatal,
    /// The parser accepts it and would mean something else than the writer.
    Misread,
    /// The parser refuses it; this says it better.
    Refused,
}

/// Something wrong with the text.
pub(super) struct Fault {
    pub(super) gravity: Gravity,
    pub(super) problem: Problem,
}

/// Looks at the whole text.
pub(super) fn scan(id: SourceId, text: &str) -> Vec<Fault> {
    let (faults, blocks, node) = (Vec::new(), Vec::new(), NodeState::default());
    let mut scanner = Scanner { id, text, at: 0, faults, blocks, suspect: None, node, value_end: None, slashdashes: 0 };
    scanner.run();
    scanner.faults
}

/// An open `{`.
struct Block {
    /// Where it stands.
    open: usize,
    /// The column of the first character of its line.
    indent: usize,
    /// The first line in the block that is not indented further than the block's own line.
    dedent: Option<usize>,
    /// The node that the block belongs to.
    outer: NodeState,
    /// How many of the blocks around and including this one are commented out.
    slashdashes: usize,
}

/// What was seen of the node being read.
#[derive(Clone, Copy, Default)]
struct NodeState {
    /// How many words, strings and keywords.
    tokens: usize,
    /// The last word, when it was the last thing read.
    last_word: Option<(usize, usize)>,
    /// Whether a `/-` was seen.
    slashdash: bool,
    /// How many parentheses are open.
    parens: usize,
}

struct Scanner<'a> {
    id: SourceId,
    text: &'a str,
    at: usize,
    faults: Vec<Fault>,
    blocks: Vec<Block>,
    /// A closed block whose `}` looks as if it was meant for one around it: where it opens, and the first line that falls back.
    suspect: Option<(usize, usize)>,
    node: NodeState,
    /// How many `/-` were read since anything else.
    slashdashes: usize,
    /// Where the last word, text or keyword ended.
    value_end: Option<usize>,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { source: self.id, start: start as u32, end: end as u32 }
    }

    fn fault(&mut self, gravity: Gravity, problem: Problem) {
        self.faults.push(Fault { gravity, problem });
    }

    fn run(&mut self) {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        let mut line_start = true;
        while let Some(c) = self.rest().chars().next() {
            let start = self.at;
            if is_newline(c) {
                self.at += c.len_utf8();
                self.end_node();
                line_start = true;
                continue;
            }
            if c.is_whitespace() {
                self.at += c.len_utf8();
                continue;
            }
            if line_start {
                line_start = false;
                self.note_indent(start, c);
            }
            if !self.token(c) {
                return;
            }
            debug_assert!(self.at > start, "the scan moves on");
        }
        self.unclosed();
    }

    /// Reads one token that begins with `c`; false when there is no use in reading on.
    fn token(&mut self, c: char) -> bool {
        let start = self.at;
        if self.rest().starts_with("//") {
            self.at += self.rest().find(is_newline).unwrap_or(self.rest().len());
            return self.controls(start);
        }
        if self.rest().starts_with("/*") {
            return self.comment() && self.controls(start);
        }
        if self.rest().starts_with("/-") {
            self.touching();
            self.at += 2;
            self.node.slashdash = true;
            self.slashdashes += 1;
            if self.slashdashes > MAX_SLASHDASH_DEPTH {
                let problem = Problem::new(Code::TooDeep, format!("more than {MAX_SLASHDASH_DEPTH} `/-` stand in a row"))
                    .at(self.span(start, start + 2), "this one is too much")
                    .help("one `/-` comments out what follows it; remove the others");
                self.fault(Gravity::Fatal, problem);
                return false;
            }
            return true;
        }
        if !c.is_whitespace() {
            self.slashdashes = 0;
        }
        match c {
            '{' => self.open(),
            '}' => self.close(),
            ';' => {
                self.at += 1;
                self.end_node();
                true
            }
            '(' | ')' => {
                if c == '(' {
                    self.touching();
                }
                self.at += 1;
                if c == ')' && self.node.parens == 0 {
                    let problem = Problem::new(Code::Syntax, "a `)` closes nothing")
                        .at(self.span(start, start + 1), "here")
                        .help("remove it; parentheses stand only around an annotation, as in `(default)`");
                    self.fault(Gravity::Refused, problem);
                }
                self.node.parens = if c == '(' { self.node.parens + 1 } else { self.node.parens.saturating_sub(1) };
                self.node.last_word = None;
                true
            }
            '=' => self.equals(),
            '"' => self.apart(|scanner| scanner.string(0)),
            '#' => self.apart(Scanner::hash),
            '[' | ']' => self.bracket(c),
            '\\' if self.continues_line() => true,
            _ if is_forbidden(c) => {
                self.at += c.len_utf8();
                self.forbidden(start, c);
                true
            }
            _ => self.apart(Scanner::word),
        }
    }

    /// Reads a word, a text or a keyword.
    fn apart(&mut self, read: impl FnOnce(&mut Self) -> bool) -> bool {
        // A comma is explained for itself.
        if !self.rest().starts_with(',') {
            self.touching();
        }
        let start = self.at;
        let more = read(self);
        let only_commas = self.text[start..self.at].chars().all(|c| c == ',');
        self.value_end = (!only_commas).then_some(self.at);
        more
    }

    /// A value or its `/-` begins here, and must not touch the value before it: the parser takes some for a new node without a word.
    fn touching(&mut self) {
        let start = self.at;
        if self.value_end == Some(start) {
            let (length, message, label) = if self.rest().starts_with("/-") {
                (2, "a value and a `/-` stand together without a space", "the `/-` begins here")
            } else {
                let length = self.rest().chars().next().map_or(0, char::len_utf8);
                (length, "two values stand together without a space", "the second begins here")
            };
            let problem = Problem::new(Code::Syntax, message)
                .at(self.span(start, start + length), label)
                .help("put a space between them")
                .fix_if((!self.rest().starts_with('(')).then(|| Edit::whole(self.span(start, start), " ")));
            self.fault(Gravity::Misread, problem);
        }
    }

    /// A backslash at the end of a line joins the next one to it.
    fn continues_line(&mut self) -> bool {
        let mut end = 1;
        for c in self.rest()[1..].chars() {
            if is_newline(c) {
                // The pair CR LF is one line end.
                let crlf = c == '\r' && self.rest()[end..].starts_with("\r\n");
                self.at += end + if crlf { 2 } else { c.len_utf8() };
                return true;
            }
            if !c.is_whitespace() {
                let comment = self.rest()[end..].starts_with("//");
                if comment {
                    let line = self.rest()[end..].find(is_newline).map_or(self.rest().len(), |found| end + found);
                    let newline = self.rest()[line..].chars().next().map_or(0, char::len_utf8);
                    self.at += line + newline;
                }
                return comment;
            }
            end += c.len_utf8();
        }
        self.at += end;
        true
    }

    fn end_node(&mut self) {
        // `/-` may stand on the line before what it comments out.
        if self.node.tokens > 0 || !self.node.slashdash {
            self.node = NodeState::default();
        }
    }

    fn note_indent(&mut self, start: usize, c: char) {
        let indent = self.indent(start);
        for block in &mut self.blocks {
            if c != '}' && block.dedent.is_none() && indent <= block.indent {
                block.dedent = Some(start);
            }
        }
    }

    /// How many characters stand before the first one of the line of a place.
    fn indent(&self, at: usize) -> usize {
        let line = self.text[..at].char_indices().rev().find(|(_, c)| is_newline(*c)).map_or(0, |(found, c)| found + c.len_utf8());
        self.text[line..].chars().take_while(|c| *c == ' ' || *c == '\t').count()
    }

    fn open(&mut self) -> bool {
        let start = self.at;
        let around = self.blocks.last().map_or(0, |block| block.slashdashes);
        let slashdashes = around + usize::from(self.node.slashdash);
        if self.blocks.len() == MAX_DEPTH {
            let problem = Problem::new(Code::TooDeep, format!("blocks are nested more than {MAX_DEPTH} deep"))
                .at(self.span(start, start + 1), "this block is one too deep")
                .help("silo.kdl never needs more than a handful of levels; is a `}` missing further up?");
            self.fault(Gravity::Fatal, problem);
            return false;
        }
        if slashdashes > MAX_SLASHDASH_DEPTH {
            let problem = Problem::new(
                Code::TooDeep,
                format!("more than {MAX_SLASHDASH_DEPTH} blocks inside each other are commented out with `/-`"),
            )
            .at(self.span(start, start + 1), "this block is one too deep")
            .help("one `/-` before the outermost block comments out everything in it; remove the inner ones");
            self.fault(Gravity::Fatal, problem);
            return false;
        }
        let indent = self.indent(start);
        self.blocks.push(Block { open: start, indent, dedent: None, outer: self.node, slashdashes });
        self.node = NodeState::default();
        self.at += 1;
        true
    }

    fn close(&mut self) -> bool {
        let start = self.at;
        self.at += 1;
        match self.blocks.pop() {
            Some(block) => {
                if let (None, Some(dedent)) = (self.suspect, block.dedent)
                    && self.indent(start) < block.indent
                {
                    self.suspect = Some((block.open, dedent));
                }
                self.node = block.outer;
                self.node.tokens += 1;
                self.node.last_word = None;
            }
            None => {
                let problem = Problem::new(Code::Syntax, "a `}` closes nothing")
                    .at(self.span(start, start + 1), "there is no open block here")
                    .help("remove this `}`, or add the `{` it belongs to");
                self.fault(Gravity::Fatal, problem);
            }
        }
        true
    }

    fn unclosed(&mut self) {
        let Some(block) = self.blocks.last() else { return };
        // The block that is meant is the innermost one whose contents fall back to its own indentation; else the innermost one.
        let block = self.blocks.iter().rev().find(|block| block.dedent.is_some()).unwrap_or(block);
        let (open, dedent) = self.suspect.map_or((block.open, block.dedent), |(open, dedent)| (open, Some(dedent)));
        let mut problem = Problem::new(Code::Syntax, "a block is never closed").at(self.span(open, open + 1), "this `{` has no `}`");
        if let Some(at) = dedent {
            let end = at + self.text[at..].find(|c: char| c.is_whitespace()).unwrap_or(self.text.len() - at);
            problem = problem.at(self.span(at, end), "the `}` is probably missing before this line");
        }
        self.fault(Gravity::Fatal, problem.help("add a `}` on a line of its own where the block ends"));
    }

    fn comment(&mut self) -> bool {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
                if depth > MAX_COMMENT_DEPTH {
                    let problem = Problem::new(Code::TooDeep, format!("comments are nested more than {MAX_COMMENT_DEPTH} deep"))
                        .at(self.span(self.at - 2, self.at), "this comment is one too deep")
                        .help("use `//` at the start of each line instead");
                    self.fault(Gravity::Fatal, problem);
                    return false;
                }
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return true;
                }
            } else if let Some(c) = rest.chars().next() {
                self.at += c.len_utf8();
            } else {
                let problem = Problem::new(Code::Syntax, "a comment is never closed")
                    .at(self.span(start, start + 2), "this `/*` has no `*/`")
                    .help("add `*/` where the comment ends, or start each line with `//`");
                self.fault(Gravity::Fatal, problem);
                return false;
            }
        }
    }

    /// Reports the characters that KDL forbids between `start` and here.
    fn controls(&mut self, start: usize) -> bool {
        let found: Vec<(usize, char)> =
            self.text[start..self.at].char_indices().filter(|(_, c)| is_forbidden(*c)).map(|(at, c)| (start + at, c)).collect();
        for (at, c) in found {
            self.forbidden(at, c);
        }
        true
    }

    fn forbidden(&mut self, at: usize, c: char) {
        let code = c as u32;
        let what = match c {
            '\0' => "a NUL byte".to_string(),
            c if c.is_control() => format!("the control character U+{code:04X}"),
            c => format!("the invisible character U+{:04X}", c as u32),
        };
        let problem = Problem::new(Code::Syntax, format!("{what} stands in the file"))
            .at(self.span(at, at + c.len_utf8()), "here")
            .help(format!("remove it; if a value needs it, write `\\u{{{code:x}}}` inside a quoted string"));
        self.fault(Gravity::Fatal, problem);
    }

    /// A quoted string, with the opening quote here; `hashes` stand before it when it is raw.
    fn string(&mut self, hashes: usize) -> bool {
        let start = self.at - hashes;
        let multiline = self.rest().starts_with("\"\"\"");
        let quotes = if multiline { "\"\"\"" } else { "\"" };
        let end = format!("{quotes}{}", "#".repeat(hashes));
        self.at += quotes.len();
        let body = self.at;
        loop {
            let rest = self.rest();
            if rest.starts_with(end.as_str()) {
                self.at += end.len();
                self.node.tokens += 1;
                self.node.last_word = None;
                return self.controls(start);
            }
            let Some(c) = rest.chars().next() else {
                return self.unclosed_string(start, body, multiline);
            };
            if is_newline(c) && !multiline {
                return self.unclosed_string(start, body, multiline);
            }
            if c == '\\' && hashes == 0 {
                self.escape();
                self.at += 1;
                let spaces = self.rest().len() - self.rest().trim_start().len();
                self.at += if spaces > 0 { spaces } else { self.rest().chars().next().map_or(0, char::len_utf8) };
            } else {
                self.at += c.len_utf8();
            }
        }
    }

    /// A backslash stands here, in a quoted string.
    fn escape(&mut self) {
        let Some(c) = self.rest()[1..].chars().next() else { return };
        if matches!(c, 'n' | 'r' | 't' | '\\' | '"' | 'b' | 'f' | 's' | 'u') || c.is_whitespace() || is_newline(c) {
            return;
        }
        let problem =
            Problem::new(Code::Syntax, format!("`\\{c}` is not an escape")).at(self.span(self.at, self.at + 1 + c.len_utf8()), "here");
        let backslash = self.span(self.at, self.at + 1);
        // As JSON has it.
        let problem = if c == '/' {
            problem.help("write `/`, which needs no backslash").fix(Edit::whole(backslash, ""))
        } else {
            problem
                .help(format!("write `\\\\{c}` for a backslash, or a raw string, `#\"…\"#`, in which a backslash is itself"))
                .fix(Edit::whole(backslash, "\\\\"))
        };
        self.fault(Gravity::Refused, problem);
    }

    fn unclosed_string(&mut self, start: usize, body: usize, multiline: bool) -> bool {
        let (message, help) = if multiline {
            ("a text of several lines is never closed", "end it with `\"\"\"` on a line of its own")
        } else {
            (
                "a text is not closed on its line",
                "add the closing quote; a text of several lines begins and ends with `\"\"\"`, each on a line of its own",
            )
        };
        let problem = Problem::new(Code::Syntax, message).at(self.span(start, body), "it begins here").help(help);
        self.fault(Gravity::Fatal, problem);
        // What follows an unclosed quote cannot be told apart from text.
        false
    }

    /// `#true`, a raw string, or a comment as shells write it.
    fn hash(&mut self) -> bool {
        let start = self.at;
        let hashes = self.rest().len() - self.rest().trim_start_matches('#').len();
        if self.rest()[hashes..].starts_with('"') {
            self.at += hashes;
            return self.string(hashes);
        }
        let word = self.bare_run();
        let first = word.split("/-").next().unwrap_or(&word);
        if matches!(first, "#true" | "#false" | "#null" | "#inf" | "#-inf" | "#nan") {
            // A `/-` that touches it is a token of its own, and complained of there.
            self.at = start + first.len();
            self.node.tokens += 1;
            self.node.last_word = None;
            return true;
        }
        let (message, help) = if word.trim_matches('#').is_empty() || self.node.tokens == 0 {
            ("a comment begins with `//`, not with `#`".to_string(), "write `//` instead of `#`".to_string())
        } else {
            let quoted = super::quote(&word);
            (format!("`{word}` is not a keyword"), format!("write `#true`, `#false` or `#null`, or quote the text: `{quoted}`"))
        };
        let keyword = word.to_lowercase();
        let edit = if word.trim_matches('#').is_empty() || self.node.tokens == 0 {
            Some(Edit::whole(self.span(start, start + hashes), "//"))
        } else {
            let known = matches!(keyword.as_str(), "#true" | "#false" | "#null");
            known.then(|| Edit::whole(self.span(start, self.at), keyword))
        };
        let problem = Problem::new(Code::Syntax, message).at(self.span(start, self.at), "here").help(help).fix_if(edit);
        self.fault(Gravity::Refused, problem);
        if self.node.tokens == 0 || word.trim_matches('#').is_empty() {
            self.at += self.rest().find(is_newline).unwrap_or(self.rest().len());
        }
        true
    }

    fn bracket(&mut self, c: char) -> bool {
        let start = self.at;
        self.at += 1;
        if c == '[' {
            let line = self.rest().find(is_newline).unwrap_or(self.rest().len());
            let end = self.rest()[..line].find(']').map_or(self.at, |found| self.at + found + 1);
            let apart = self.text[..start].ends_with([' ', '\t']) && self.is_over(end);
            let problem = Problem::new(Code::Syntax, "KDL has no lists in brackets")
                .at(self.span(start, end), "here")
                .help("write the items one after the other, separated by spaces: `args \"a\" \"b\"`")
                .fix_if(items(&self.text[start..end]).filter(|_| apart).map(|items| Edit::whole(self.span(start, end), items)));
            self.fault(Gravity::Refused, problem);
            if end > self.at {
                self.at = end;
            }
        }
        true
    }

    fn equals(&mut self) -> bool {
        let start = self.at;
        self.at += 1;
        if self.node.tokens == 1
            && self.node.parens == 0
            && let Some((word, end)) = self.node.last_word
        {
            let name = self.text[word..end].to_string();
            let after = self.at + (self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len());
            let value: String = self.rest().split(is_newline).next().unwrap_or("").trim().chars().take(40).collect();
            let plain = self.text[end..start].trim_matches([' ', '\t']).is_empty() && !value.is_empty();
            let problem = Problem::new(Code::Syntax, format!("`{name}` is a node, and a node is not assigned to"))
                .at(self.span(start, start + 1), "there is no `=` after a node's name")
                .help(format!("write `{name} {value}`; an `=` belongs between a property and its value, as in `{name} key=\"value\"`"))
                .fix_if(plain.then(|| Edit::whole(self.span(end, after), " ")));
            self.fault(Gravity::Refused, problem);
        }
        true
    }

    /// Moves over characters that are not space, block, quote, parenthesis, `;` or `=`, and returns them.
    fn bare_run(&mut self) -> String {
        let rest = self.rest();
        let stop = |c: char| {
            c.is_whitespace() || is_newline(c) || is_forbidden(c) || matches!(c, '{' | '}' | '"' | '(' | ')' | ';' | '=' | '[' | ']')
        };
        let mut end = rest.find(stop).unwrap_or(rest.len());
        // A comment ends a word too, except in what looks like a URL.
        let slashes = rest[..end].find("//").filter(|at| !rest[..*at].ends_with(':'));
        let comment = rest[..end].find("/*");
        for at in [slashes, comment].into_iter().flatten().filter(|at| *at > 0) {
            end = end.min(at);
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let run = rest[..end.max(first)].to_string();
        self.at += run.len();
        run
    }

    /// Reads on, after a `%`, to the end of a word with placeholders; false when the brace that follows is none of theirs.
    fn placeholders(&mut self) -> bool {
        let start = self.at;
        while self.text[..self.at].ends_with('%') && self.rest().starts_with('{') {
            let rest = self.rest();
            let line = &rest[..rest.find(is_newline).unwrap_or(rest.len())];
            let Some(close) = line.find('}') else { break };
            let after = &line[close + 1..];
            let end =
                after.find(|c: char| c.is_whitespace() || matches!(c, ';' | '{' | '}' | '(' | ')' | '"' | '=')).unwrap_or(after.len());
            self.at += close + 1 + end;
        }
        self.at > start
    }

    /// Whether what was read ends at a place: nothing that belongs to it follows.
    fn is_over(&self, at: usize) -> bool {
        let next = self.text[at..].chars().next();
        next.is_none_or(|c| c.is_whitespace() || is_newline(c) || matches!(c, ';' | '}' | '{' | ','))
    }

    /// Several words between quotes that only look like quotes, if that is what stands here.
    fn typographic(&mut self) -> Option<String> {
        let rest = self.rest();
        let first = rest.chars().next().filter(|c| is_typographic(*c) || *c == '\'')?;
        let ends = |c: char| if first == '\'' { c == '\'' } else { is_typographic(c) };
        let line = rest.find(is_newline).unwrap_or(rest.len());
        let body = &rest[first.len_utf8()..line];
        let (end, last) = body.char_indices().find(|(_, c)| ends(*c))?;
        let length = first.len_utf8() + end + last.len_utf8();
        // Where the text goes on at once, it is something else, such as an apostrophe.
        if !self.is_over(self.at + length) || body[..end].contains(['"', '{', '}']) {
            return None;
        }
        let quoted = rest[..length].to_string();
        self.at += length;
        Some(quoted)
    }

    fn word(&mut self) -> bool {
        let start = self.at;
        let name = self.node.tokens == 0 && self.node.parens == 0;
        let word = match self.typographic() {
            Some(quoted) => quoted,
            None => self.bare_run(),
        };
        if word.ends_with('%') && self.placeholders() {
            let span = self.span(start, self.at);
            let quoted = super::quote(&self.text[start..self.at]);
            let problem = Problem::new(Code::Syntax, "a text with `%{…}` needs quotes: without them the brace begins a block")
                .at(span, "here")
                .help(format!("quote it: `{quoted}`"))
                .fix_if((!name).then(|| Edit::whole(span, quoted)));
            self.fault(Gravity::Misread, problem);
            self.node.tokens += usize::from(self.node.parens == 0);
            self.node.last_word = None;
            return true;
        }
        let span = self.span(start, self.at);
        if let Some((gravity, message, help)) = judge(&word, name) {
            let problem = Problem::new(Code::Syntax, message).at(span, "here").help(help);
            let only_commas = word.chars().all(|c| c == ',');
            let mend = mend(&word, name).filter(|_| only_commas || self.is_over(self.at));
            // Between two texts, a comma is all that keeps them apart.
            let touches = self.rest().chars().next().is_some_and(|c| !c.is_whitespace() && !is_newline(c));
            let mend = mend.map(|text| if text.is_empty() && touches { " ".to_string() } else { text });
            self.fault(gravity, problem.fix_if(mend.map(|text| Edit::whole(span, text))));
        }
        if self.node.parens == 0 {
            self.node.tokens += 1;
            self.node.last_word = Some((start, self.at));
        }
        true
    }
}

/// The line ends of KDL 2 (specification, "Newline").
pub(super) fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}')
}

/// The characters that KDL 2 forbids everywhere (specification, "Disallowed Literal Code Points").
pub(super) fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
