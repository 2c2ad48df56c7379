//! Reads what a file says of a version, by the signs of a definition.

use super::rule::{Read, Sign};
use crate::import::tree::Value;
use crate::import::{read_json, read_toml};
use crate::problem::Problem;
use crate::source::{SourceId, Span};

/// The most lines of a file that are looked at, and the most bytes of one: a version stands near the top.
const LINES: (usize, usize) = (2_000, 1_000);

/// What a file says.
pub(super) struct Hit {
    /// The version, as it is written there; `None` when the file only shows that the thing is used.
    pub version: Option<String>,
    /// Where.
    pub span: Span,
}

/// A text that was added to the sources.
#[derive(Clone, Copy)]
pub(super) struct Opened<'a> {
    pub id: SourceId,
    pub text: &'a str,
}

/// A file that was read in a format.
struct Parsed {
    id: SourceId,
    json: bool,
    value: Result<Value, Problem>,
}

/// Files that were parsed, each once.
#[derive(Default)]
pub(super) struct Reader {
    parsed: Vec<Parsed>,
}

impl Reader {
    /// What a sign finds in a file. A file that is not of the sign's format says nothing by it: [`Reader::unread`] tells why.
    pub(super) fn hit(&mut self, sign: &Sign, file: Opened<'_>) -> Option<Hit> {
        let (written, span) = match &sign.read {
            Read::Nothing => return Some(Hit { version: None, span: Span { source: file.id, start: 0, end: 0 } }),
            Read::Lines => return lines(sign, file),
            Read::Json(at) => self.value(file, at, true)?,
            Read::Toml(at) => self.value(file, at, false)?,
        };
        let found = match &sign.pattern {
            None => Some(written),
            Some(_) if written.len() > LINES.1 => return None,
            Some(pattern) => pattern.first_group(&written)?,
        };
        Some(Hit { version: sign.version.clone().or(found), span })
    }

    /// Files that should be of a format by their name, and are not.
    pub(super) fn unread(&self) -> impl Iterator<Item = (SourceId, &Problem)> {
        self.parsed.iter().filter_map(|parsed| Some((parsed.id, parsed.value.as_ref().err()?)))
    }

    fn value(&mut self, file: Opened<'_>, at: &str, json: bool) -> Option<(String, Span)> {
        // Of several versions the first is the one that is used.
        let value = self.parse(file, json)?.at(at)?.items().first()?;
        Some((value.scalar()?, value.span))
    }

    fn parse(&mut self, file: Opened<'_>, json: bool) -> Option<&Value> {
        let known = self.parsed.iter().position(|known| known.id == file.id && known.json == json);
        let index = known.unwrap_or_else(|| {
            let value = if json { read_json(file.id, file.text) } else { read_toml(file.id, file.text) };
            self.parsed.push(Parsed { id: file.id, json, value });
            self.parsed.len() - 1
        });
        self.parsed[index].value.as_ref().ok()
    }
}

/// The first line that fits the sign's pattern.
fn lines(sign: &Sign, file: Opened<'_>) -> Option<Hit> {
    let pattern = sign.pattern.as_ref()?;
    let mut start = 0;
    for line in file.text.split_inclusive('\n').take(LINES.0) {
        let bare = line.trim_end_matches(['\n', '\r']);
        if bare.len() <= LINES.1
            && let Some(group) = pattern.first_place(bare)
        {
            let found = group.clone().map(|group| bare[group].to_string());
            let group = group.unwrap_or(0..bare.len());
            let place = |at: usize| u32::try_from(start + at).unwrap_or(u32::MAX);
            let span = Span { source: file.id, start: place(group.start), end: place(group.end) };
            return Some(Hit { version: sign.version.clone().or(found), span });
        }
        start += line.len();
    }
    None
}
