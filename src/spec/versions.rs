//! Where the versions of something are listed, and how to read the list.

use super::Template;
use crate::schema::types::Pattern;

/// A list of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Where the list is.
    pub place: IndexPlace,
    /// How to read it.
    pub form: IndexForm,
    /// What stands before each version: `v`, `go`, `jdk-`. What begins otherwise is no version of this thing.
    pub prefix: String,
    /// Channels of which the list itself has no mark: the word, and the beginnings of the versions in it.
    pub channels: Vec<(String, Vec<String>)>,
}

/// Where a list of versions is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexPlace {
    /// A file; may hold `%{arch}`, then a version has to be in the list of every architecture.
    Url(Template),
    /// The releases of a repository on GitHub: `owner/name`.
    Github(String),
}

/// How to read a list of versions. In an expression the group `version`, or the first one, is the version, `build` the number of its build,
/// and `date` its day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexForm {
    /// Each line is a version, or what the expression finds in it. With a group `channel` and none `version` the line is that day's version of a
    /// channel: `nightly-2026-11-20`.
    Lines(Option<Pattern>),
    /// JSON.
    Json(JsonIndex),
}

/// Where in a JSON document the versions stand, and what is said about them.
///
/// A path is names between `/`; `*` is every member or element. A path that ends with `*` means an element's own text, or the name of a
/// member. All paths start at the document's root; their first stars are those of the version's own path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonIndex {
    /// The versions: `*/version`.
    pub version: String,
    /// What of the text there is the version; a text that it does not match counts for nothing.
    pub pattern: Option<Pattern>,
    /// Their dates: `2024-05-02`, or that with a time.
    pub date: Option<String>,
    /// Whether it is supported for a long time: `true`, or a name, which is a channel too.
    pub lts: Option<String>,
    /// The channel that it belongs to: a word.
    pub channel: Option<String>,
    /// What has to stand at other paths: the path, and the values of which it has one.
    pub only: Vec<(String, Vec<String>)>,
}
