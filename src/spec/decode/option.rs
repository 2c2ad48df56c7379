//! The options of a definition: their types, the values that a request gives them, and what holds because of those.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Definition;
use crate::document::{Entry, Node, Value, canonical};
use crate::layers;
use crate::problem::{Code, Edit, Problem};
use crate::schema::contract::unknown_type;
use crate::schema::types::{self, ValueType};
use crate::schema::{nearest, surely};
use crate::source::Span;
use crate::spec::Kind;

use super::Decoder;
use super::text::{Options, heading, list, suggestion};

/// What is set for a component.
pub(super) struct Settings {
    /// The version asked for.
    pub(super) version: String,
    /// The one way to install it that is wanted.
    pub(super) source: Option<(String, Span)>,
    /// Every option with its value.
    pub(super) options: Options,
}

/// The version of a component that nothing else is said about.
const NEWEST: &str = "latest";

/// An option as its definition describes it.
#[derive(Clone)]
struct Described {
    kind: ValueType,
    /// All values that it may have; none when its type alone says.
    words: Vec<String>,
    span: Span,
}

/// A value as a request writes it.
#[derive(Clone, Copy)]
enum Written<'n> {
    /// A property.
    Property(&'n Entry),
    /// A node of the block.
    Node(&'n Node),
}

/// Properties and children of a request that are not options of the definition.
fn reserved(kind: Kind) -> &'static [&'static str] {
    match kind {
        // A `version_file` whose version is known has become a `version`; what is wrong with another was said where it was read.
        Kind::Language => &["version", "version_file", "source", "release_age", "lsp"],
        Kind::Tool => &["version", "version_file", "source", "release_age"],
        Kind::Client => &["version", "source", "release_age"],
        Kind::Lsp => &["version", "source", "release_age", "command", "extensions", "env"],
        Kind::Mcp => &["version", "source", "release_age", "command", "env", "url", "transport"],
        Kind::Agent => {
            &["version", "source", "release_age", "update", "args", "mcp", "lsp", "env", "mount", "pre_run", "post_build", "command"]
        }
    }
}

impl Decoder<'_> {
    /// Version, source and options of a request, checked against the definition.
    pub(super) fn settings(&mut self, kind: Kind, definition: &Definition, request: Option<&Node>) -> Settings {
        let mut options = Options::new();
        let mut described: BTreeMap<String, Described> = BTreeMap::new();
        for option in definition.node.named("option") {
            let Some((name, span)) = self.argument(option, 0) else { continue };
            if self.name(name, span).is_none() {
                continue;
            }
            let read = canonical(name);
            if read != name {
                self.bad(span, format!("`{name}` is read as `{read}` where it is given"), "call the option otherwise");
                continue;
            }
            let Some(one) = self.described(option) else { continue };
            if let Some(default) = option.property("default")
                && let Some(value) = self.default_value(&one, default)
            {
                options.insert(name.to_string(), value);
            } else {
                options.entry(name.to_string()).or_default();
            }
            described.insert(name.to_string(), one);
        }
        let version = Described { kind: ValueType::Version, words: Vec::new(), span: definition.span };
        described.entry("version".to_string()).or_insert(version);
        let mut source = None;
        let mut given_names = BTreeSet::new();
        for (name, written, span) in request.map(|node| given(kind, node)).unwrap_or_default() {
            if name == "source" {
                let entry = match written {
                    Written::Property(entry) => Some(entry),
                    Written::Node(node) => node.arguments().next(),
                };
                source = entry.and_then(|entry| self.text(entry).map(|text| (text.to_string(), entry.span)));
                continue;
            }
            given_names.insert(name);
            match described.get(name).cloned() {
                Some(one) => {
                    if let Some(value) = self.option_value(name, &one, written) {
                        options.insert(name.to_string(), value);
                    }
                }
                None if definition.node.named("option").any(|option| option.text(0) == Some(name)) => {}
                None => {
                    let names: Vec<&str> = described.keys().map(String::as_str).chain(["source", "release_age"]).collect();
                    let children = reserved(kind).iter().copied().filter(|child| !names.contains(child));
                    let help = match nearest(name, children) {
                        // Something that is no option, but may stand there.
                        Some(near) => format!("did you mean `{near}`?"),
                        None => suggestion(name, &names),
                    };
                    let what = definition.node.text(1).unwrap_or("");
                    self.problem(
                        Problem::new(Code::UnknownOption, format!("{} `{what}` has no option `{name}`", kind.as_str()))
                            .at(span, "")
                            .at(definition.span, "defined here")
                            .help(help)
                            .fix_if(surely(name, names.iter().copied()).map(|near| Edit::words(span, name, near))),
                    );
                }
            }
        }
        if let Some(node) = request {
            for option in definition.node.named("option").filter(|option| option.property("default").is_none()) {
                let name = option.text(0).unwrap_or("");
                if name != "version" && !given_names.contains(name) {
                    self.problem(
                        Problem::new(
                            Code::MissingArgument,
                            format!("{} `{}` needs `{name}=`", kind.as_str(), definition.node.text(1).unwrap_or("")),
                        )
                        .at(heading(node), "")
                        .at(heading(option), "it has no default")
                        .help(format!("add `{name}=\"…\"`")),
                    );
                }
            }
        }
        let version = options.remove("version").filter(|version| !version.is_empty()).unwrap_or_else(|| NEWEST.to_string());
        Settings { version, source, options }
    }

    /// What an `option` node says.
    fn described(&mut self, option: &Node) -> Option<Described> {
        let text = self.property(option, "type").map_or("string", |(text, _)| text).to_string();
        let span = heading(option);
        let Some(kind) = ValueType::parse(&text) else {
            let message = format!("`{text}` is not a type of options");
            self.problem(Problem::new(Code::BadValue, message).at(span, "").help(unknown_type(&text)));
            return None;
        };
        let words = option.named("enum").flat_map(Node::arguments).map(|entry| types::text(&entry.value)).collect();
        Some(Described { kind, words, span })
    }

    /// The default of an option: of a list or a map, its words.
    fn default_value(&mut self, option: &Described, entry: &Entry) -> Option<String> {
        let (ValueType::List(_) | ValueType::Map(_), Value::String(text)) = (&option.kind, &entry.value) else {
            return self.typed(option, entry);
        };
        let is_map = matches!(option.kind, ValueType::Map(_));
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) if is_map => (Some(name), value),
                Some(_) | None => (None, word),
            };
            let value = Entry { value: Value::String(value.to_string()), ..entry.clone() };
            let value = self.typed(option, &value)?;
            words.push(quoted(&name.map_or(value.clone(), |name| format!("{name}={value}"))));
        }
        Some(words.join(" "))
    }

    /// The value that a request gives an option, as text.
    fn option_value(&mut self, name: &str, option: &Described, written: Written<'_>) -> Option<String> {
        let node = match (written, &option.kind) {
            (Written::Property(entry), ValueType::Map(_)) => {
                let help = format!("write it as a node with properties: `{name} a=\"…\" b=\"…\"`");
                self.problem(Problem::new(Code::WrongType, format!("`{name}` must be values by name")).at(entry.span, "").help(help));
                return None;
            }
            (Written::Property(entry), ValueType::List(_)) => return self.typed(option, entry).map(|value| quoted(&value)),
            (Written::Property(entry), _) => return self.typed(option, entry),
            (Written::Node(node), _) => node,
        };
        let named = node.entries.iter().filter(|entry| entry.name.is_some());
        let mut words: Vec<String> = Vec::new();
        if let ValueType::Map(_) = option.kind {
            if let Some(entry) = node.arguments().next() {
                let help = format!("give each value a name: `{name} a=\"…\"`");
                self.problem(Problem::new(Code::WrongType, format!("`{name}` is values by name")).at(entry.span, "has no name").help(help));
            }
            let children = node.children().iter().filter_map(|child| Some((child.name.as_str(), child.arguments().next()?)));
            for (key, entry) in named.filter_map(|entry| Some((entry.name.as_deref()?, entry))).chain(children) {
                let value = self.typed(option, entry)?;
                words.push(quoted(&format!("{key}={value}")));
            }
            return Some(words.join(" "));
        }
        if let Some(extra) = named.map(|entry| entry.span).chain(node.children().iter().map(|child| child.name_span)).next() {
            let message = format!("`{name}` has neither properties nor a block");
            self.problem(Problem::new(Code::UnknownProperty, message).at(extra, "").at(option.span, "defined here").help("take it out"));
        }
        let mut arguments = node.arguments();
        if let ValueType::List(_) = option.kind {
            for entry in arguments {
                let value = self.typed(option, entry)?;
                words.push(quoted(&value));
            }
            return Some(words.join(" "));
        }
        let Some(first) = arguments.next() else {
            let help = format!("write it after the name: `{name} \"…\"`");
            self.problem(
                Problem::new(Code::MissingArgument, format!("`{name}` needs a value"))
                    .at(node.name_span, "")
                    .at(option.span, "defined here")
                    .help(help),
            );
            return None;
        };
        if let Some(second) = arguments.next() {
            let message = format!("`{name}` takes one value");
            let problem = Problem::new(Code::ExtraArgument, message).at(second.span, "one too many").at(option.span, "defined here");
            self.problem(problem.help("keep one of them"));
        }
        self.typed(option, first)
    }

    /// One value of an option, as text.
    fn typed(&mut self, option: &Described, entry: &Entry) -> Option<String> {
        if let Value::String(text) = &entry.value
            && !self.line(text, entry.span)
        {
            return None;
        }
        let read = option.kind.read(&entry.value).and_then(|value| {
            let words: Vec<&str> = option.words.iter().map(String::as_str).collect();
            if words.is_empty() || words.contains(&value.as_str()) { Ok(value) } else { Err(format!("one of {}", list(&words))) }
        });
        let expected = match read {
            // An option is exact: no placeholder is left in it, and the characters of one stand for themselves.
            Ok(value) => return Some(value.replace("%%{", "%{")),
            Err(expected) => expected,
        };
        let what = entry.name.as_deref().unwrap_or("this option");
        let problem =
            Problem::new(Code::WrongType, format!("`{what}` must be {expected}")).at(entry.span, "").at(option.span, "defined here");
        let quoted = match &entry.value {
            Value::Integer(number) if expected.contains("in quotes") => Some(format!("\"{number}\"")),
            Value::Bool(value) if expected.contains("in quotes") => Some(format!("\"{value}\"")),
            Value::Decimal(written) if expected.contains("in quotes") => Some(format!("\"{written}\"")),
            Value::String(_) | Value::Integer(_) | Value::Decimal(_) | Value::Bool(_) | Value::Null => None,
        };
        let edit = match &entry.value {
            Value::Integer(number) => quoted.as_ref().map(|text| Edit::value_written(entry.span, number.to_string(), text)),
            Value::Bool(value) => quoted.as_ref().map(|text| Edit::value_written(entry.span, format!("#{value}"), text)),
            Value::Decimal(written) => quoted.as_ref().map(|text| Edit::value_written(entry.span, written, text)),
            Value::String(_) | Value::Null => None,
        };
        self.problem(problem.fix_if(edit).help(match (quoted, &entry.name) {
            (Some(value), Some(name)) => format!("write `{name}={value}`"),
            (Some(_) | None, _) => format!("it is {expected}"),
        }));
        None
    }

    /// A definition with what its `when` blocks say where they hold, in their place. Problems are reported where the component is decoded.
    pub(super) fn effective(&mut self, definition: &Definition, options: &Options, version: &str) -> Node {
        let (node, problems) = hold(&definition.node, definition.span, options, version);
        for problem in problems {
            self.problem(problem);
        }
        node
    }
}

/// Puts the nodes of `when` blocks that hold in the place of these, and drops the others.
fn hold(node: &Node, defined: Span, options: &Options, version: &str) -> (Node, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut result = Vec::new();
    // Nodes that have not been looked at, the next one last.
    let mut open: Vec<&Node> = node.children().iter().rev().collect();
    while let Some(child) = open.pop() {
        if child.name != "when" {
            result.push(child.clone());
            continue;
        }
        let mut holds = true;
        if child.entries.is_empty() {
            let help = "write `when option.NAME=VALUE { … }`";
            problems.push(Problem::new(Code::MissingArgument, "`when` has no condition").at(child.name_span, "").help(help));
        }
        for entry in &child.entries {
            let name = entry.name.as_deref().unwrap_or("");
            let Some(option) = name.strip_prefix("option.") else {
                let message = "inside a definition `when` asks for options only";
                let help =
                    if options.contains_key(name) { format!("write `option.{name}=…`") } else { "write `option.NAME=…`".to_string() };
                problems.push(Problem::new(Code::UnknownProperty, message).at(entry.span, "").help(help));
                holds = false;
                continue;
            };
            let value = if option == "version" { Some(version) } else { options.get(option).map(String::as_str) };
            let Some(value) = value else {
                let names: Vec<&str> = options.keys().map(String::as_str).chain(["version"]).collect();
                let problem = Problem::new(Code::UnknownOption, format!("this definition has no option `{option}`"));
                problems.push(problem.at(entry.span, "").at(defined, "defined here").help(suggestion(option, &names)));
                holds = false;
                continue;
            };
            let pattern = types::text(&entry.value);
            let any = |pattern: &str| pattern.split('|').any(|glob| layers::matches(glob.trim(), value));
            holds &= match pattern.strip_prefix('!') {
                Some(positive) => !any(positive),
                None => any(&pattern),
            };
        }
        if holds {
            open.extend(child.children().iter().rev());
        }
    }
    (Node { children: node.children.as_ref().map(|_| result), ..node.clone() }, problems)
}

/// A word of a list as a POSIX shell reads it as one: as it is where that is safe, else in single quotes.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Properties and nodes of a request that set an option, with the place of their name.
fn given(kind: Kind, node: &Node) -> Vec<(&str, Written<'_>, Span)> {
    let plain = |name: &str| name == "version" || name == "source" || !reserved(kind).contains(&name);
    let properties = node.entries.iter().filter_map(|entry| Some((entry.name.as_deref()?, Written::Property(entry), entry.span)));
    let children = node.children().iter().map(|child| (child.name.as_str(), Written::Node(child), child.name_span));
    properties.chain(children).filter(|(name, _, _)| plain(name)).collect()
}
