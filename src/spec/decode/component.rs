//! Components: a definition with the settings of whoever asks for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Definition;
use crate::document::{Entry, Node, Value};
use crate::problem::{Code, Edit, Problem};
use crate::schema::{nearest, surely};
use crate::source::Span;
use crate::spec::{Arch, Check, Component, ComponentId, EnvName, EnvValue, Install, Kind, Name, Presence, RunEnv, Step};

use super::run::Given;
use super::text::{Options, Scope, has_placeholder, heading, list, suggestion};
use super::{Decoder, Places, Request};

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

/// The clients that steps need while building.
pub(super) fn clients(steps: &[Step]) -> BTreeSet<ComponentId> {
    let client = |step: &Step| match step {
        Step::Npm { packages: _ } => Name::new("npm"),
        Step::Pip { packages: _ } => Name::new("pip"),
        Step::Apt { .. }
        | Step::Download { .. }
        | Step::Copy { .. }
        | Step::Run(_)
        | Step::Bin { .. }
        | Step::Path { .. }
        | Step::Env { .. } => None,
    };
    steps.iter().filter_map(client).map(|name| ComponentId { kind: Kind::Client, name }).collect()
}

/// Properties and children of a request that are not options of the definition.
fn reserved(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Language => &["version", "source", "lsp"],
        Kind::Tool | Kind::Client => &["version", "source"],
        Kind::Lsp => &["version", "source", "command", "extensions", "env"],
        Kind::Mcp => &["version", "source", "command", "env", "url", "transport"],
        Kind::Agent => &["version", "source", "args", "mcp", "lsp", "env", "mount", "pre_run", "post_build", "command"],
    }
}

impl Decoder<'_> {
    /// A component with every way to install it. What those need is asked for.
    pub(super) fn component(&mut self, id: &ComponentId, request: &Request) -> Option<Component> {
        let definition = self.lookup(id, request.origin)?;
        let settings = self.settings(id.kind, &definition, request.node.as_ref());
        let options = &settings.options;
        let node = &definition.node;

        let common: Vec<&Node> = node.named("requires").collect();
        let mut installs = Vec::new();
        for block in node.named("install") {
            let Some((text, span)) = self.argument(block, 0) else { continue };
            let Some(source) = self.name(text, span) else { continue };
            let wanted = settings.source.as_ref().is_none_or(|(wanted, _)| *wanted == text);
            let mut requires = Vec::new();
            for needed in common.iter().copied().chain(block.named("requires")) {
                for entry in &needed.entries {
                    if let Some(needed) = self.needed(entry) {
                        if wanted {
                            self.require(needed.clone(), entry.span);
                        }
                        requires.push(needed);
                    }
                }
            }
            requires.sort();
            requires.dedup();
            let arch = self.arches(block);
            let steps = self.steps(block.children(), Scope::Install, options);
            if !wanted {
                continue;
            }
            for client in clients(&steps) {
                if client != *id {
                    self.require(client, heading(block));
                }
            }
            installs.push(Install { source, requires, arch, steps });
        }
        if let Some((wanted, span)) = &settings.source
            && installs.is_empty()
        {
            let sources: Vec<&str> = node.named("install").filter_map(|block| block.text(0)).collect();
            self.problem(
                Problem::new(Code::UnknownSource, format!("{id} cannot be installed from `{wanted}`"))
                    .at(*span, "")
                    .at(definition.span, "its sources are given here")
                    .fix_if(surely(wanted, sources.iter().copied()).map(|near| Edit::words(*span, wanted, near)))
                    .help(match nearest(wanted, sources.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if sources.is_empty() => "it has no `install` block".to_string(),
                        None => format!("it can come from {}", list(&sources)),
                    }),
            );
        }
        if node.named("install").next().is_none() {
            // A server may be part of something else that is in the image.
            if !matches!(id.kind, Kind::Lsp | Kind::Mcp) {
                self.problem(
                    Problem::new(Code::BadValue, format!("{id} has no `install` block"))
                        .at(definition.span, "")
                        .help("add `install NAME { … }` with the steps that put it into an image"),
                );
            }
            return None;
        }
        let checks = self.checks(node, options);
        let env = match id.kind {
            Kind::Agent | Kind::Mcp => BTreeMap::new(),
            Kind::Language | Kind::Tool | Kind::Lsp | Kind::Client => self.component_env(id, node, options),
        };
        self.component_path(id, node, options);
        Some(Component {
            id: id.clone(),
            request: settings.version,
            installs,
            options: settings.options,
            env,
            checks,
            cause: request.cause,
            origin: request.origin,
        })
    }

    /// Version, source and options of a request, checked against the definition.
    pub(super) fn settings(&mut self, kind: Kind, definition: &Definition, request: Option<&Node>) -> Settings {
        let mut options = Options::new();
        let mut types: BTreeMap<String, (String, Span)> = BTreeMap::new();
        for option in definition.node.named("option") {
            let Some((name, span)) = self.argument(option, 0) else { continue };
            if self.name(name, span).is_none() {
                continue;
            }
            let kind = self.property(option, "type").map_or("string", |(text, _)| text).to_string();
            if let Some(default) = option.property("default")
                && let Some(value) = self.typed(&kind, default, heading(option))
            {
                options.insert(name.to_string(), value);
            } else {
                options.entry(name.to_string()).or_default();
            }
            types.insert(name.to_string(), (kind, heading(option)));
        }
        let version = ("version".to_string(), definition.span);
        types.entry("version".to_string()).or_insert(version);
        let mut source = None;
        let mut given_names = BTreeSet::new();
        for (name, entry, span) in request.map(|node| given(kind, node)).unwrap_or_default() {
            if name == "source" {
                source = self.text(entry).map(|text| (text.to_string(), entry.span));
                continue;
            }
            given_names.insert(name);
            match types.get(name).cloned() {
                Some((kind, defined)) => {
                    if let Some(value) = self.typed(&kind, entry, defined) {
                        options.insert(name.to_string(), value);
                    }
                }
                None => {
                    let names: Vec<&str> = types.keys().map(String::as_str).chain(["source"]).collect();
                    let what = definition.node.text(1).unwrap_or("");
                    self.problem(
                        Problem::new(Code::UnknownOption, format!("{} `{what}` has no option `{name}`", kind.as_str()))
                            .at(span, "")
                            .at(definition.span, "defined here")
                            .help(suggestion(name, &names))
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

    /// The value of an option, as text.
    fn typed(&mut self, kind: &str, entry: &Entry, defined: Span) -> Option<String> {
        let value = match &entry.value {
            Value::String(text) => {
                if !self.line(text, entry.span) {
                    return None;
                }
                match kind {
                    "int" | "bool" => Err(if kind == "int" { "a whole number" } else { "`#true` or `#false`" }.to_string()),
                    "path" if !text.starts_with('/') || text.split('/').any(|part| part == "..") => {
                        Err("an absolute path without `..`".to_string())
                    }
                    "url" if !text.starts_with("https://") && !text.starts_with("http://") => {
                        Err("a URL, starting with `https://`".to_string())
                    }
                    "version" if !version(text) => Err("a version or a range of versions".to_string()),
                    "string" | "version" | "path" | "url" => Ok(text.clone()),
                    other => match other.strip_prefix("enum:") {
                        Some(words) if words.split(',').any(|word| word == text) => Ok(text.clone()),
                        Some(words) => {
                            let words: Vec<&str> = words.split(',').collect();
                            Err(format!("one of {}", list(&words)))
                        }
                        None => {
                            let help = "types are string, int, bool, version, path, url and enum:a,b";
                            self.problem(
                                Problem::new(Code::BadValue, format!("`{other}` is not a type of options")).at(defined, "").help(help),
                            );
                            return None;
                        }
                    },
                }
            }
            Value::Integer(number) => match kind {
                "int" | "version" => Ok(number.to_string()),
                "bool" => Err("`#true` or `#false`".to_string()),
                _ => Err("a text in quotes".to_string()),
            },
            Value::Bool(value) => match kind {
                "bool" => Ok(value.to_string()),
                "int" => Err("a whole number".to_string()),
                _ => Err("a text in quotes".to_string()),
            },
            Value::Decimal(_) => Err("a text in quotes".to_string()),
            Value::Null => Err("a value".to_string()),
        };
        match value {
            // An option is exact: no placeholder is left in it, and the characters of one stand for themselves.
            Ok(value) => Some(value.replace("%%{", "%{")),
            Err(expected) => {
                let what = entry.name.as_deref().unwrap_or("this option");
                let mut problem =
                    Problem::new(Code::WrongType, format!("`{what}` must be {expected}")).at(entry.span, "").at(defined, "defined here");
                let quoted = match &entry.value {
                    Value::Integer(number) if expected.contains("in quotes") => Some(format!("\"{number}\"")),
                    Value::Bool(value) if expected.contains("in quotes") => Some(format!("\"{value}\"")),
                    Value::Decimal(written) => Some(format!("\"{written}\"")),
                    Value::String(_) | Value::Integer(_) | Value::Bool(_) | Value::Null => None,
                };
                let edit = match &entry.value {
                    Value::Integer(number) => quoted.as_ref().map(|text| Edit::value_written(entry.span, number.to_string(), text)),
                    Value::Bool(value) => quoted.as_ref().map(|text| Edit::value_written(entry.span, format!("#{value}"), text)),
                    Value::Decimal(written) => quoted.as_ref().map(|text| Edit::value_written(entry.span, written, text)),
                    Value::String(_) | Value::Null => None,
                };
                problem = problem.fix_if(edit).help(match (quoted, &entry.name) {
                    (Some(value), Some(name)) => format!("write `{name}={value}`"),
                    (Some(_) | None, _) => format!("it is {expected}"),
                });
                self.problem(problem);
                None
            }
        }
    }

    /// `language="node"` of a `requires`.
    fn needed(&mut self, entry: &Entry) -> Option<ComponentId> {
        let text = self.text(entry)?;
        let name = self.name(text, entry.span)?;
        let word = entry.name.as_deref().unwrap_or("");
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
        if kind.is_none() {
            let words = Kind::ALL.map(Kind::as_str);
            let help = if word.is_empty() { format!("write what it is: `tool=\"{name}\"`") } else { suggestion(word, &words) };
            self.problem(Problem::new(Code::UnknownProperty, "this needs the kind of what is needed").at(entry.span, "").help(help));
        }
        let id = ComponentId { kind: kind?, name };
        self.lookup(&id, entry.span)?;
        Some(id)
    }

    /// What `%{arch}` means in an `install` block.
    fn arches(&mut self, block: &Node) -> BTreeMap<Arch, String> {
        let Some(node) = block.named("arch").next() else {
            return Arch::ALL.into_iter().map(|arch| (arch, arch.as_str().to_string())).collect();
        };
        let mut names = BTreeMap::new();
        for entry in &node.entries {
            let Some(word) = self.text(entry) else { continue };
            if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
                self.bad(entry.span, format!("`{word}` is not the name of an architecture"), "write letters, digits, `.`, `_` and `-`");
                continue;
            }
            let name = entry.name.as_deref().unwrap_or("");
            if let Some(arch) = self.arch(name, entry.span) {
                names.insert(arch, word.to_string());
            }
        }
        names
    }

    fn checks(&mut self, definition: &Node, options: &Options) -> Vec<Check> {
        let mut checks = Vec::new();
        for node in definition.named("check") {
            let argv: Vec<String> = self.arguments(node).into_iter().map(|(text, span)| self.exact(text, span, options)).collect();
            let contains = self.property(node, "contains").map(|(text, span)| self.template(text, span, Scope::Check, options));
            if argv.is_empty() {
                self.problem(Problem::new(Code::MissingArgument, "`check` needs a command").at(node.name_span, ""));
            } else {
                checks.push(Check { argv, contains });
            }
        }
        checks
    }

    /// The variables of a component: what depends on the container's user is set there, the rest is in the image.
    fn component_env(&mut self, id: &ComponentId, definition: &Node, options: &Options) -> BTreeMap<EnvName, String> {
        let mut image = BTreeMap::new();
        for variable in self.given(definition) {
            match variable.value {
                Given::Host => self.bad(
                    variable.span,
                    "only an agent may take a variable from the host",
                    "give it a value, or leave it to the user's `env`",
                ),
                Given::Text(text) => {
                    let template = self.template(&text, variable.span, Scope::Container, options);
                    if has_placeholder(&template.0) {
                        let value = EnvValue::Set(template);
                        let variable = RunEnv { name: variable.name, value, presence: Presence::Required, origin: variable.span };
                        self.places(id).env.push(variable);
                    } else {
                        image.insert(variable.name, template.0.replace("%%{", "%{"));
                    }
                }
            }
        }
        image
    }

    /// `path` of a definition: folders of a container's user.
    fn component_path(&mut self, id: &ComponentId, definition: &Node, options: &Options) {
        for node in definition.named("path") {
            for (text, span) in self.arguments(node) {
                let folder = self.template(text, span, Scope::Container, options);
                if self.container_path(&folder.0, span) {
                    self.places(id).path.push(folder);
                }
            }
        }
    }

    fn places(&mut self, id: &ComponentId) -> &mut Places {
        self.places.entry(id.clone()).or_default()
    }
}

/// Properties and single-valued children of a request that set an option, with the place of their name.
fn given(kind: Kind, node: &Node) -> Vec<(&str, &Entry, Span)> {
    let plain = |name: &str| name == "version" || name == "source" || !reserved(kind).contains(&name);
    let properties = node.entries.iter().filter_map(|entry| Some((entry.name.as_deref()?, entry, entry.span)));
    let children = node.children().iter().filter_map(|child| Some((child.name.as_str(), child.arguments().next()?, child.name_span)));
    properties.chain(children).filter(|(name, _, _)| plain(name)).collect()
}

/// Whether a text can be a version or a range of them: of any of the languages that sources use for it.
fn version(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+-~:^<>=!*|, ".contains(c))
}
