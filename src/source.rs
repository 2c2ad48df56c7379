//! Texts that were read, and places in them.
//!
//! Every value silo works with can say where it was written. A [`Span`] is a range of bytes in one [`Source`]; [`Sources`] owns the texts.

/// Which layer of the configuration a text belongs to. The order of the variants is the order of strength: a later one overrides an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The built-in catalog and silo's defaults.
    Catalog,
    /// `/etc/silo/silo.kdl`: whoever administers the machine.
    System,
    /// `$XDG_CONFIG_HOME/silo/silo.kdl`: the user.
    User,
    /// A `silo.kdl` above the repository's root; the number counts directories from the file system's root, so deeper is stronger.
    Above(u16),
    /// A `silo.kdl` from the repository's root down to the working directory; deeper is stronger.
    Project(u16),
    /// A `silo.local.kdl` beside a project file: this checkout only, not committed.
    Local(u16),
    /// A `repo` block of the user's own files: what they want of this repository, whatever it says itself.
    Repository,
    /// `SILO_*` variables.
    Environment,
    /// Options of the command line.
    CommandLine,
}

impl Layer {
    /// Whether the layer is written by the person who runs silo (or by silo itself), rather than by whoever wrote the repository.
    pub fn is_operator(self) -> bool {
        match self {
            Layer::Catalog
            | Layer::System
            | Layer::User
            | Layer::Above(_)
            | Layer::Repository
            | Layer::Environment
            | Layer::CommandLine => true,
            Layer::Project(_) | Layer::Local(_) => false,
        }
    }

    /// Whether the layer takes part in the project's image, which every machine must compile alike: the catalog and the committed files.
    pub fn is_shared(self) -> bool {
        match self {
            Layer::Catalog | Layer::Project(_) => true,
            Layer::System
            | Layer::User
            | Layer::Above(_)
            | Layer::Local(_)
            | Layer::Repository
            | Layer::Environment
            | Layer::CommandLine => false,
        }
    }
}

/// One text: a file, a variable or the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What people call it: a path relative to the working directory, `~/…`, `catalog:agent/x`, `$SILO_…`.
    pub name: String,
    /// The text itself.
    pub text: String,
    /// The layer it speaks for.
    pub layer: Layer,
}

/// A handle of a [`Source`] within its [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A range of bytes of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

/// A line and a column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// All texts of one compilation.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
    /// Where the lines of each begin, by offset: whoever prints a configuration asks for the line of each of its values.
    lines: Vec<Vec<u32>>,
}

impl Sources {
    /// Adds a text and returns its handle; the same text under the same name is kept once.
    pub fn add(&mut self, source: Source) -> SourceId {
        if let Some(index) = self.list.iter().position(|known| *known == source) {
            return SourceId(index as u32);
        }
        let id = SourceId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        let ends = source.text.match_indices('\n').map(|(end, _)| u32::try_from(end + 1).unwrap_or(u32::MAX));
        self.lines.push(std::iter::once(0).chain(ends).collect());
        self.list.push(source);
        id
    }

    /// The text of a handle.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.list[id.0 as usize]
    }

    /// All texts in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.list.iter().enumerate().map(|(index, source)| (SourceId(index as u32), source))
    }

    /// The written text of a span; empty when the span lies outside its text.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Line and column of a span's first byte.
    pub fn position(&self, span: Span) -> Position {
        let text = &self.get(span.source).text;
        let start = usize::try_from(span.start).unwrap_or(usize::MAX).min(text.len());
        let lines = &self.lines[span.source.0 as usize];
        let line = lines.partition_point(|begin| *begin as usize <= start);
        let begin = lines[line - 1] as usize;
        let column = text.get(begin..start).unwrap_or("").chars().count() + 1;
        Position { line, column }
    }

    /// `name:line` of a span, as people write a place.
    pub fn place(&self, span: Span) -> String {
        format!("{}:{}", self.get(span.source).name, self.position(span).line)
    }
}
