//! Contracts as one file writes them. Whether they are kept is seen once all files are one.

use super::check::nearest;
use super::types::{self, Pattern, ValueType};
use super::version::Range;
use crate::document::{Entry, Node, Value};
use crate::problem::{Code, Problem, Problems};
use crate::source::Span;

/// One `contract` node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// What others call it by, and where that stands.
    pub name: Option<(String, Span)>,
    /// The path that it is about, and where that stands.
    pub on: Option<(String, Span)>,
    /// Why it is there.
    pub doc: Option<String>,
    /// What it asks: all of it.
    pub predicates: Vec<Predicate>,
}

/// One thing that is asked of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predicate {
    /// What.
    pub test: Test,
    /// Where it is written: the name and the arguments.
    pub span: Span,
}

/// What can be asked of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It has the type.
    Type(ValueType),
    /// It keeps the contract of this name.
    Is(String),
    /// It is one of these, as texts.
    Enum(Vec<String>),
    /// The expression matches somewhere in it.
    Matches(Pattern),
    /// It is at least this.
    Min(Value),
    /// It is at most this.
    Max(Value),
    /// Every version it stands for is in the range, which is kept as it was written too.
    Satisfies(Range, String),
    /// So many values or characters.
    Length {
        /// At least.
        min: Option<i128>,
        /// At most.
        max: Option<i128>,
    },
    /// One of these paths, or below one.
    Under(Vec<String>),
    /// None of these paths, nor below or around one.
    NotUnder(Vec<String>),
    /// It begins with one of these.
    StartsWith(Vec<String>),
    /// All of this holds for each value.
    Each(Vec<Predicate>),
    /// At least one of these holds.
    AnyOf(Vec<Predicate>),
    /// Not all of these hold.
    Not(Vec<Predicate>),
    /// It is there.
    Present,
    /// It is not there.
    Absent,
}

impl Contract {
    /// Reads a `contract` node. What the table forbids is left out without a word, since the check says it.
    pub fn parse(node: &Node) -> (Contract, Problems) {
        let mut problems = Problems::default();
        let text = |entry: &Entry| Some((entry.value.as_str()?.to_string(), entry.span));
        let name = node.arguments().next().and_then(text);
        let on = node.property("on").and_then(text);
        let doc = node.named("doc").find_map(|doc| doc.text(0)).map(str::to_string);
        let children: Vec<&Node> = node.children().iter().filter(|child| child.name != "doc").collect();
        let predicates = predicates(&children, &mut problems);
        let missing = |message: &str, help: &str| {
            Problem::new(Code::MissingArgument, message.to_string()).at(node.name_span, "").help(help.to_string())
        };
        if node.entries.is_empty() {
            problems.push(missing(
                "this contract is about nothing",
                "write `contract on=\"PATH\" { … }`, or give it a name that others refer to with `is`",
            ));
        }
        if children.is_empty() {
            problems.push(missing("this contract asks nothing", "put a predicate into its block, such as `matches \"^v\"`"));
        }
        (Contract { name, on, doc, predicates }, problems)
    }
}

fn predicates(nodes: &[&Node], problems: &mut Problems) -> Vec<Predicate> {
    nodes.iter().filter_map(|node| Some(Predicate { test: test(node, problems)?, span: heading(node) })).collect()
}

/// From the node's name to its last argument or property.
fn heading(node: &Node) -> Span {
    let end = node.entries.last().map_or(node.name_span.end, |entry| entry.span.end);
    Span { end: end.max(node.name_span.end), ..node.name_span }
}

fn test(node: &Node, problems: &mut Problems) -> Option<Test> {
    let first = node.arguments().next();
    let word = || first.and_then(|entry| Some((entry.value.as_str()?, entry.span)));
    let words = || -> Vec<String> { node.arguments().filter_map(|entry| entry.value.as_str()).map(str::to_string).collect() };
    let mut bad = |span: Span, message: String, help: String| {
        problems.push(Problem::new(Code::BadValue, message).at(span, "").help(help));
        None
    };
    match node.name.as_str() {
        "type" => {
            let (text, span) = word()?;
            match ValueType::parse(text) {
                Some(kind) => Some(Test::Type(kind)),
                None => bad(span, format!("`{text}` is not a type"), unknown_type(text)),
            }
        }
        "is" => word().map(|(text, _)| Test::Is(text.to_string())),
        "enum" => Some(Test::Enum(node.arguments().map(|entry| types::text(&entry.value)).collect())),
        "matches" => {
            let (text, span) = word()?;
            match Pattern::parse_at(text, span) {
                Ok(pattern) => Some(Test::Matches(pattern)),
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            }
        }
        "min" | "max" => {
            let Entry { name: _, annotation: _, value, span } = first?;
            let fits = match value {
                Value::Integer(_) | Value::Decimal(_) => true,
                Value::String(text) => types::size(text).is_some() || types::duration(text).is_some() || Range::parse(text).is_some(),
                Value::Bool(_) | Value::Null => false,
            };
            if !fits {
                let help = format!("write a number, a size, a time or a version: `{} \"8GiB\"`", node.name);
                return bad(*span, format!("`{}` is no limit", types::text(value)), help);
            }
            Some(if node.name == "min" { Test::Min(value.clone()) } else { Test::Max(value.clone()) })
        }
        "satisfies" => {
            let (text, span) = word()?;
            match Range::parse(text) {
                Some(range) => Some(Test::Satisfies(range, text.to_string())),
                None => bad(span, format!("`{text}` is not a range of versions"), "write something like `satisfies \">=20 <23\"`".into()),
            }
        }
        "length" => {
            let number = |name: &str| match node.property(name)?.value {
                Value::Integer(number) => Some(number),
                Value::String(_) | Value::Decimal(_) | Value::Bool(_) | Value::Null => None,
            };
            let (min, max) = (number("min"), number("max"));
            if node.entries.is_empty() || min.zip(max).is_some_and(|(min, max)| min > max) {
                return bad(
                    heading(node),
                    "no length is like this".to_string(),
                    "write `length min=1 max=63`, or one of the two".to_string(),
                );
            }
            Some(Test::Length { min, max })
        }
        "under" => Some(Test::Under(words())),
        "not_under" => Some(Test::NotUnder(words())),
        "starts_with" => Some(Test::StartsWith(words())),
        "each" | "any_of" | "not" => {
            if node.children().is_empty() {
                problems.push(
                    Problem::new(Code::MissingArgument, format!("`{}` needs predicates", node.name))
                        .at(node.name_span, "")
                        .help(format!("write them into its block: `{} {{ enum \"a\" \"b\"; }}`", node.name)),
                );
                return None;
            }
            let children: Vec<&Node> = node.children().iter().collect();
            let inner = predicates(&children, problems);
            Some(match node.name.as_str() {
                "each" => Test::Each(inner),
                "not" => Test::Not(inner),
                _ => Test::AnyOf(inner),
            })
        }
        "present" => Some(Test::Present),
        "absent" => Some(Test::Absent),
        // Unknown nodes are the check's.
        _ => None,
    }
}

/// Help for a type that does not exist.
pub fn unknown_type(text: &str) -> String {
    let all = types::names().collect::<Vec<_>>().join(", ");
    match nearest(text, types::names()) {
        Some(near) => format!("did you mean `{near}`? Types are {all}"),
        None => format!("types are {all}"),
    }
}
