//! A `Packages` index of a Debian archive. It has tens of megabytes and is never held whole: what is read of it is left by [`Extract`], a third,
//! in an order in which [`Index`] finds a package without reading the others. Source: wiki.debian.org/DebianRepository/Format.

use std::cmp::Ordering;
use std::sync::Arc;

use super::compare;

/// A longer line than this is only kept to its beginning. The longest that is read, `Provides` of packages with many features, has some
/// tens of kilobytes.
const LINE: usize = 1 << 20;

/// No name of a field that is read is longer.
const LONGEST_FIELD: usize = 12;

/// What stands between the fields of an extract's lines.
const TAB: char = '\t';

/// Under which name, which no package has, an extract lists the packages that every root file system has.
const BASE: &str = "";

/// Leaves of an index that comes in pieces what [`Index`] reads of it.
#[derive(Clone, Debug, Default)]
pub struct Extract {
    line: Vec<u8>,
    fields: Fields,
    lines: Vec<String>,
}

/// The fields of one package.
#[derive(Clone, Debug, Default)]
struct Fields {
    name: String,
    version: String,
    architecture: String,
    priority: String,
    essential: bool,
    path: String,
    sha256: String,
    depends: Vec<String>,
    conflicts: Vec<String>,
    provides: String,
}

impl Extract {
    /// Reads the next piece.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            self.finish_line();
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.line.len()).min(bytes.len());
        self.line.extend_from_slice(&bytes[..room]);
    }

    fn finish_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.finish_entry();
        } else if let Some(end) = line.iter().take(LONGEST_FIELD + 1).position(|byte| *byte == b':') {
            let value = || String::from_utf8_lossy(&line[end + 1..]).trim().replace(TAB, " ");
            let fields = &mut self.fields;
            match &line[..end] {
                b"Package" => fields.name = value(),
                b"Version" => fields.version = value(),
                b"Architecture" => fields.architecture = value(),
                b"Priority" => fields.priority = value(),
                b"Essential" => fields.essential = value() == "yes",
                b"Filename" => fields.path = value(),
                b"SHA256" => fields.sha256 = value().to_lowercase(),
                b"Depends" | b"Pre-Depends" => fields.depends.push(value()),
                b"Conflicts" | b"Breaks" => fields.conflicts.push(value()),
                b"Provides" => fields.provides = value(),
                _ => {}
            }
        }
        // The next line is kept where this one was.
        self.line = line;
        self.line.clear();
    }

    fn finish_entry(&mut self) {
        let Fields { name, version, architecture, priority, essential, path, sha256, depends, conflicts, provides } =
            std::mem::take(&mut self.fields);
        if name.is_empty() || version.is_empty() {
            return;
        }
        for virtual_name in relations(&provides).flatten().map(|relation| relation.name) {
            self.lines.push(format!("{virtual_name}{TAB}<{name}"));
        }
        if essential || priority == "required" {
            self.lines.push(format!("{BASE}{TAB}<{name}"));
        }
        let all = if architecture == "all" { "all" } else { "" };
        let rank = Priority::of(&priority).as_str();
        let (depends, conflicts) = (depends.join(", "), conflicts.join(", "));
        let fields = [&name, "=", &version, all, rank, &path, &sha256, &depends, &conflicts, &provides];
        self.lines.push(fields.join("\t"));
    }

    /// What is left of it: sorted lines.
    pub fn finish(mut self) -> Vec<u8> {
        self.finish_line();
        self.finish_entry();
        self.lines.sort();
        self.lines.dedup();
        let mut out = Vec::with_capacity(self.lines.iter().map(|line| line.len() + 1).sum());
        for line in self.lines {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
        out
    }
}

/// How much a distribution thinks of a package. Source: Debian Policy, 2.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// `required`.
    Required,
    /// `important`.
    Important,
    /// `standard`.
    Standard,
    /// `optional`, or anything else.
    Optional,
}

impl Priority {
    fn of(word: &str) -> Priority {
        match word {
            "required" | "r" => Priority::Required,
            "important" | "i" => Priority::Important,
            "standard" | "s" => Priority::Standard,
            _ => Priority::Optional,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Priority::Required => "r",
            Priority::Important => "i",
            Priority::Standard => "s",
            Priority::Optional => "",
        }
    }
}

/// A package as an index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether its file is that of every architecture.
    pub all: bool,
    /// How much the distribution thinks of it.
    pub priority: Priority,
    /// Where its file is, below the archive's address.
    pub path: String,
    /// The file's SHA-256 in hexadecimal.
    pub sha256: String,
    /// What it needs: of each list any one.
    pub depends: Vec<Vec<Relation>>,
    /// What it cannot stand beside.
    pub conflicts: Vec<Relation>,
    /// What it is besides itself; only `=` stands in these.
    pub provides: Vec<Relation>,
}

/// A package and which of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its name.
    pub name: String,
    /// How the version has to stand to another one; `None` for any version.
    pub bound: Option<(Operator, String)>,
}

impl Relation {
    /// Any version of a package.
    pub fn any(name: &str) -> Relation {
        Relation { name: name.to_string(), bound: None }
    }

    /// Whether a version is one of those that are meant.
    pub fn allows(&self, version: &str) -> bool {
        let Some((operator, bound)) = &self.bound else { return true };
        let order = compare(version, bound);
        match operator {
            Operator::Earlier => order == Ordering::Less,
            Operator::EarlierOrSame => order != Ordering::Greater,
            Operator::Same => order == Ordering::Equal,
            Operator::LaterOrSame => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }
}

impl std::fmt::Display for Relation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.bound {
            Some((operator, version)) => write!(f, "{} ({} {version})", self.name, operator.as_str()),
            None => f.write_str(&self.name),
        }
    }
}

/// How a version stands to another one. Source: deb-control(5) and Debian Policy, 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrSame,
    /// `=`
    Same,
    /// `>=`
    LaterOrSame,
    /// `>>`
    Later,
}

impl Operator {
    fn as_str(self) -> &'static str {
        match self {
            Operator::Earlier => "<<",
            Operator::EarlierOrSame => "<=",
            Operator::Same => "=",
            Operator::LaterOrSame => ">=",
            Operator::Later => ">>",
        }
    }

    /// The one that a text begins with, and what comes after it. `<` and `>` are old words for `<=` and `>=`.
    fn parse(text: &str) -> Option<(Operator, &str)> {
        let words = [
            ("<<", Operator::Earlier),
            ("<=", Operator::EarlierOrSame),
            (">=", Operator::LaterOrSame),
            (">>", Operator::Later),
            ("=", Operator::Same),
            ("<", Operator::EarlierOrSame),
            (">", Operator::LaterOrSame),
        ];
        words.into_iter().find_map(|(word, operator)| Some((operator, text.strip_prefix(word)?)))
    }
}

/// Reads `a (>= 1) | b, c:any`: a list of alternatives for each comma.
pub fn relations(text: &str) -> impl Iterator<Item = Vec<Relation>> {
    text.split(',').filter(|group| !group.trim().is_empty()).map(|group| group.split('|').filter_map(relation).collect())
}

fn relation(text: &str) -> Option<Relation> {
    let (name, rest) = text.split_once('(').map_or((text, ""), |(name, rest)| (name, rest));
    let name = name.split_whitespace().next()?;
    // Which architecture's package is meant makes no difference where there is one.
    let name = name.split(':').next().unwrap_or(name).to_string();
    let bound = Operator::parse(rest.trim()).map(|(operator, rest)| {
        let version = rest.split(')').next().unwrap_or(rest).trim();
        (operator, version.to_string())
    });
    Some(Relation { name, bound })
}

/// What [`Extract`] left of an index.
#[derive(Clone, Debug, Default)]
pub struct Index {
    bytes: Arc<Vec<u8>>,
}

impl Index {
    /// Reads an extract.
    pub fn new(bytes: Vec<u8>) -> Index {
        Index { bytes: Arc::new(bytes) }
    }

    /// Every version of a package.
    pub fn entries(&self, name: &str) -> impl Iterator<Item = Entry> {
        self.lines(name).filter_map(entry)
    }

    /// The newest version of a package.
    pub fn newest(&self, name: &str) -> Option<Entry> {
        self.entries(name).max_by(|a, b| compare(&a.version, &b.version))
    }

    /// The packages that say that they are one of another name.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.lines(name).filter_map(|line| line.split_once("\t<").map(|(_, provider)| provider))
    }

    /// The packages that every root file system has: the essential and the required ones.
    pub fn base(&self) -> impl Iterator<Item = &str> {
        self.providers(BASE)
    }

    /// The lines that begin with a name.
    fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        let (mut low, mut high) = (0, self.bytes.len());
        // Between them is the beginning of the first line that is not before the name.
        while low < high {
            let middle = low + (high - low) / 2;
            let start = self.bytes[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let (line, end) = self.line(start);
            let found = line.split(|byte| *byte == b'\t').next().unwrap_or(line);
            if found < name.as_bytes() {
                low = end.min(high);
            } else {
                high = start;
            }
        }
        let mut at = low;
        std::iter::from_fn(move || {
            let (line, end) = self.line(at);
            at = end;
            let line = std::str::from_utf8(line).ok()?;
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(TAB)).then_some(line)
        })
    }

    /// The line at a place, and where the next one begins.
    fn line(&self, start: usize) -> (&[u8], usize) {
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        (&rest[..length], start + length + 1)
    }
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split(TAB);
    let (name, "=") = (fields.next()?, fields.next()?) else { return None };
    let mut next = || fields.next();
    let (version, all, priority, path, sha256) = (next()?, next()?, next()?, next()?, next()?);
    let (depends, conflicts, provides) = (next()?, next()?, next()?);
    Some(Entry {
        name: name.to_string(),
        version: version.to_string(),
        all: all == "all",
        priority: Priority::of(priority),
        path: path.to_string(),
        sha256: sha256.to_string(),
        depends: relations(depends).collect(),
        conflicts: relations(conflicts).flatten().collect(),
        provides: relations(provides).flatten().collect(),
    })
}
