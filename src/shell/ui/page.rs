//! Text that people read from top to bottom: headings, paragraphs, rows and code, folded to a width.

use silo::problem::escape;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text so far. Everything that is added is escaped, so that nothing in it moves a cursor.
#[derive(Debug)]
pub struct Page {
    out: String,
    width: usize,
    color: bool,
}

/// How a piece of text is drawn, as numbers of SGR.
pub mod style {
    /// What a page is about.
    pub const TITLE: &str = "1";
    /// Code in running text.
    pub const CODE: &str = "36";
    /// What matters less.
    pub const FAINT: &str = "2";
    /// What is in force.
    pub const GOOD: &str = "32;1";
    /// What is not.
    pub const WEAK: &str = "33";
    /// What is wrong.
    pub const BAD: &str = "31;1";
}

impl Page {
    /// An empty page of so many columns.
    pub fn new(width: usize, color: bool) -> Page {
        Page { out: String::new(), width: width.max(40), color }
    }

    /// The text.
    pub fn finish(self) -> String {
        self.out
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.width
    }

    fn paint(&self, sgr: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// An empty line, unless there is one already.
    pub fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A heading with an empty line before it.
    pub fn heading(&mut self, text: &str) {
        self.gap();
        let line = self.paint(style::TITLE, &escape(text));
        self.out.push_str(&line);
        self.out.push('\n');
    }

    /// A line of pieces, each with its style; an empty style is plain. It is not folded.
    pub fn line(&mut self, pieces: &[(&str, &str)]) {
        let line: String =
            pieces.iter().map(|(sgr, text)| if sgr.is_empty() { escape(text) } else { self.paint(sgr, &escape(text)) }).collect();
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// A paragraph, folded, so many columns in.
    pub fn paragraph(&mut self, indent: usize, text: &str) {
        let mut coding = false;
        for line in fold(&escape(text), self.width.saturating_sub(indent)) {
            let line = self.colored(&line, &mut coding);
            self.out.push_str(&" ".repeat(indent));
            self.out.push_str(&line);
            self.out.push('\n');
        }
    }

    /// Code, line by line and never folded, so many columns in.
    pub fn code(&mut self, indent: usize, text: &str) {
        for line in text.lines() {
            let line = escape(&line.replace('\t', "    "));
            if !line.is_empty() {
                self.out.push_str(&" ".repeat(indent));
                let line = self.paint(style::CODE, &line);
                self.out.push_str(&line);
            }
            self.out.push('\n');
        }
    }

    /// Rows of columns, each column as wide as what is in it and with its style. They are not folded.
    pub fn columns<const N: usize>(&mut self, rows: &[[String; N]], styles: &[&str; N]) {
        let widths: Vec<usize> = (0..N).map(|column| rows.iter().map(|row| escape(&row[column]).width()).max().unwrap_or(0)).collect();
        for row in rows {
            let mut line = String::new();
            let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
            for (column, cell) in row.iter().enumerate().take(last + 1) {
                let cell = escape(cell);
                let padding = if column == last { 0 } else { widths[column] - cell.width() + if widths[column] == 0 { 0 } else { 2 } };
                line.push_str(&if styles[column].is_empty() { cell } else { self.paint(styles[column], &cell) });
                line.push_str(&" ".repeat(padding));
            }
            self.out.push_str(&line);
            self.out.push('\n');
        }
    }

    /// Rows of a name and what is to be said of it, in two columns.
    pub fn rows(&mut self, rows: &[(String, String)]) {
        let names: Vec<String> = rows.iter().map(|(name, _)| escape(name)).collect();
        let limit = self.width / 3;
        let column = names.iter().map(|name| name.width()).filter(|width| *width <= limit).max().unwrap_or(limit) + 4;
        for (name, (_, text)) in names.iter().zip(rows) {
            let mut coding = false;
            let mut lines = fold(&escape(text), self.width.saturating_sub(column)).into_iter();
            let mut line = format!("  {}", self.paint(style::TITLE, name));
            if name.width() + 4 <= column
                && let Some(first) = lines.next()
            {
                line.push_str(&" ".repeat(column - 2 - name.width()));
                line.push_str(&self.colored(&first, &mut coding));
            }
            self.out.push_str(line.trim_end());
            self.out.push('\n');
            for line in lines {
                let line = self.colored(&line, &mut coding);
                self.out.push_str(&" ".repeat(column));
                self.out.push_str(&line);
                self.out.push('\n');
            }
        }
    }

    /// A line with what stands between backticks coloured; `coding` says whether one is open.
    fn colored(&self, line: &str, coding: &mut bool) -> String {
        if !self.color {
            return line.to_string();
        }
        let mut out = String::new();
        for (index, part) in line.split('`').enumerate() {
            if index > 0 {
                *coding = !*coding;
            }
            out.push_str(&if *coding { self.paint(style::CODE, part) } else { part.to_string() });
        }
        out
    }
}

/// Folds a text at spaces; a word that is longer than a line stands alone.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A text whose lines have at most `width` columns, where their words allow it. What is folded is indented a little more than its first line.
pub fn folded(text: &str, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if line.width() <= width {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        for (index, piece) in fold(line, width.saturating_sub(indent + 2)).into_iter().enumerate() {
            out.push_str(&" ".repeat(if index == 0 { indent } else { indent + 2 }));
            out.push_str(&piece);
            out.push('\n');
        }
    }
    out
}

/// A line as it is shown in `width` columns: without the space around it, and of a longer one what is near the byte `at`.
pub fn excerpt(line: &str, at: usize, width: usize) -> String {
    let start = line.len() - line.trim_start().len();
    let text = escape(&line.trim().replace('\t', " "));
    if text.width() <= width {
        return text;
    }
    let from = at.saturating_sub(start).saturating_sub(width / 3);
    let mut out = String::new();
    let mut skipped = false;
    let mut used = 1;
    for (index, c) in line.trim().char_indices() {
        if index < from {
            skipped = true;
            continue;
        }
        let shown = escape(&c.to_string());
        let columns = if shown.chars().count() == 1 { c.width().unwrap_or(1) } else { shown.width() };
        if used + columns + usize::from(skipped) > width {
            out.push('…');
            break;
        }
        used += columns;
        out.push_str(&shown);
    }
    if skipped { format!("…{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_folded_and_nothing_commands_the_terminal() {
        let mut page = Page::new(40, false);
        page.heading("a\u{1b}[31mb");
        page.paragraph(2, "one two three four five six seven eight nine ten");
        page.rows(&[("name".into(), "what it is, said at some length for once".into()), ("x".into(), String::new())]);
        assert_eq!(
            page.finish(),
            "a\\u{1b}[31mb\n  one two three four five six seven\n  eight nine ten\n  name  what it is, said at some length\n        for once\n  x\n"
        );
    }

    #[test]
    fn code_is_coloured_over_the_end_of_a_line() {
        let mut page = Page::new(40, true);
        page.paragraph(0, "see `a b`");
        assert_eq!(page.finish(), "see \u{1b}[36ma b\u{1b}[0m\n");
    }

    #[test]
    fn of_a_long_line_the_part_is_shown_that_matters() {
        let line = format!("    env {} X=\"1\" {}", "A ".repeat(40), "B ".repeat(40));
        let shown = excerpt(&line, line.find("X=").unwrap(), 40);
        assert!(shown.contains("X=\"1\"") && shown.starts_with('…') && shown.ends_with('…') && shown.width() <= 40, "{shown}");
        assert_eq!(excerpt("  a b  ", 2, 40), "a b");
    }

    #[test]
    fn long_lines_are_folded_below_themselves_and_others_stay() {
        let text = "short  line\n    one two three four five six\n  https://a.test/very/long/address/that/nobody/folds\n";
        let folded = super::folded(text, 20);
        assert_eq!(folded, "short  line\n    one two three\n      four five six\n  https://a.test/very/long/address/that/nobody/folds\n");
    }
}
