//! The nodes that silo knows: one table, from which the check, the example file, the KDL schema and the reference page are made.

pub mod annotation;
mod check;
pub mod contract;
mod json;
mod lookup;
mod render;
pub mod table;
pub mod types;
pub mod version;

pub use check::{annotations, check, check_values, nearest, surely};
pub use json::json_schema;
pub use lookup::{Topic, What, lookup, names_after};
pub use render::{arguments, example, kdl_schema, merging, reference};

/// Everything silo knows about one node before it decodes it.
#[derive(Debug)]
pub struct NodeRule {
    /// Its name, in canonical spelling; `*` in a place where any name will do.
    pub name: &'static str,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// How it is written, as KDL that passes the check in the node's own place; empty for nodes that the example of their parent shows.
    ///
    /// Each stands in a file of its own: examples name agents and tools, which code must not.
    pub example: &'static str,
    /// Its arguments, in order.
    pub arguments: &'static [ArgumentRule],
    /// What any further arguments are; `None` when there may be none.
    pub rest: Option<ArgumentRule>,
    /// Its properties.
    pub properties: &'static [PropertyRule],
    /// What properties of other names are; `None` when there may be none.
    pub other_properties: Option<PropertyRule>,
    /// The nodes of its block.
    pub children: &'static [&'static NodeRule],
    /// What nodes of other names in its block are; `None` when there may be none.
    pub other_children: Option<&'static NodeRule>,
    /// How several of it become one.
    pub merge: Merge,
    /// What of it only the user's own files may ask for; empty when any file may.
    pub operator: &'static str,
}

/// An argument.
#[derive(Clone, Copy, Debug)]
pub struct ArgumentRule {
    /// What it is called in messages.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Whether it must be there.
    pub required: bool,
}

/// A property.
#[derive(Clone, Copy, Debug)]
pub struct PropertyRule {
    /// Its name; `*` when any name will do.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Its type.
    pub kind: Type,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Any text.
    Text,
    /// A version or a range of versions. Text, because KDL reads `1.20` as the number 1.2.
    Version,
    /// A path; `~/` is the home directory.
    Path,
    /// A URL.
    Url,
    /// A name: small letters, digits, `.`, `_` and `-`.
    Name,
    /// The name of an environment variable.
    EnvName,
    /// A shell script of one or more lines.
    Script,
    /// An amount of memory or disk, such as `8GiB`.
    Size,
    /// A length of time, such as `24h`.
    Duration,
    /// A regular expression.
    Regex,
    /// The permission bits of a file in octal, such as `0755`. Text, because KDL reads 0755 as a decimal number.
    Mode,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `#true` or `#false`.
    Bool,
    /// Text, number or boolean.
    Scalar,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// How several mentions of a node in the same place become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// They do not: the node speaks of its own file.
    FileLocal,
    /// There is one such node; the arguments are one value, each property is one, and the block is merged node by node.
    Record,
    /// There is one such node for each first argument; the rest is merged as in a record. Where several arguments are allowed, each is a node.
    Keyed,
    /// There is one such node for each `to`, which is the argument itself where it is not written.
    KeyedByTarget,
    /// Each is an item of an ordered list; two with the same `id`, or without one with the same arguments, are one.
    List,
    /// Each argument is an item of an ordered list without doubles.
    Words,
    /// Variables by name: arguments pass through, properties set, the block says more.
    Variables,
    /// There is one such node for each pair of first arguments, and two of them are never mixed.
    Closed,
    /// All of them hold.
    Accumulating,
    /// Its block is read as if it stood around it, where the condition holds.
    Condition,
}

/// What a file is for; it decides which nodes may stand at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A `silo.kdl`, or a file that one imports.
    Configuration,
    /// A file of the catalog: definitions only.
    Catalog,
}

impl FileKind {
    /// The nodes that may stand at the top of such a file.
    pub fn nodes(self) -> &'static [&'static NodeRule] {
        match self {
            FileKind::Configuration => table::TOP,
            FileKind::Catalog => table::CATALOG,
        }
    }
}

impl Type {
    /// Whether KDL must read the value as text.
    pub fn is_text(self) -> bool {
        match self {
            Type::Text
            | Type::Version
            | Type::Path
            | Type::Url
            | Type::Name
            | Type::EnvName
            | Type::Script
            | Type::Size
            | Type::Duration
            | Type::Regex
            | Type::Mode => true,
            Type::OneOf(_) | Type::Integer | Type::Number | Type::Bool | Type::Scalar => false,
        }
    }

    /// The type's name in messages and in the reference.
    pub fn describe(self) -> String {
        match self {
            Type::Text => "text".into(),
            Type::Version => "a version".into(),
            Type::Path => "a path".into(),
            Type::Url => "a URL".into(),
            Type::Name => "a name".into(),
            Type::EnvName => "a variable's name".into(),
            Type::Script => "a shell script".into(),
            Type::Size => "a size such as `8GiB`".into(),
            Type::Duration => "a time such as `24h` or `30d`".into(),
            Type::Regex => "a regular expression".into(),
            Type::Mode => "an octal mode such as `0755`".into(),
            Type::Integer => "a whole number".into(),
            Type::Number => "a number".into(),
            Type::Bool => "`#true` or `#false`".into(),
            Type::Scalar => "text, a number or a boolean".into(),
            Type::OneOf(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
        }
    }
}

impl NodeRule {
    /// The rule of a node in this one's block.
    pub fn child(&self, name: &str) -> Option<&'static NodeRule> {
        find(self.children, name).or(self.other_children)
    }

    /// The rule of a property.
    pub fn property(&self, name: &str) -> Option<PropertyRule> {
        let known = self.properties.iter().find(|rule| rule.name == name).copied();
        known.or_else(|| self.other_properties.filter(|_| find(self.children, name).is_none()))
    }

    /// Where the value of such a node begins among its arguments: behind its key, where that is its first one and a value of its own may follow.
    pub fn value_argument(&self) -> usize {
        usize::from(self.merge == Merge::Keyed && self.rest.is_none() && self.arguments.len() > 1)
    }

    /// Whether the node may have a block.
    pub fn takes_block(&self) -> bool {
        !self.children.is_empty() || self.other_children.is_some()
    }
}

/// The rule of a name among several.
pub fn find(rules: &'static [&'static NodeRule], name: &str) -> Option<&'static NodeRule> {
    rules.iter().find(|rule| rule.name == name).copied()
}
