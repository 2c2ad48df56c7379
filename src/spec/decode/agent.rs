//! Agents: what they add to an image, how they are started, and how they are told about servers.

use std::collections::BTreeMap;

use crate::document::{Node, Value};
use crate::problem::{Code, Problem};
use crate::source::Span;
use crate::spec::update::Update;
use crate::spec::{
    AgentImage, AgentRun, ComponentId, EnvName, EnvValue, FileFormat, Hook, Kind, LspServer, McpServer, McpTransport, Name, Pattern,
    Presence, Registration, RunAs, RunEnv, Template,
};

use super::text::{Options, Scope, heading, suggestion};
use super::{Decoder, Request};

/// How a variable is referred to when the definition does not say.
const SHELL_REFERENCE: &str = "${%{name}}";

impl Decoder<'_> {
    /// Every agent of the configuration, with how it is started.
    pub(super) fn agents(&mut self, default: Option<&(Name, Span)>) -> Vec<(AgentImage, AgentRun)> {
        if let Some((name, span)) = default {
            self.require(ComponentId { kind: Kind::Agent, name: name.clone() }, *span);
        }
        let requests: Vec<_> =
            self.requests.iter().filter(|(id, _)| id.kind == Kind::Agent).map(|(id, request)| (id.name.clone(), request.clone())).collect();
        requests.into_iter().filter_map(|(name, request)| self.agent(&name, &request)).collect()
    }

    pub(super) fn agent(&mut self, name: &Name, request: &Request) -> Option<(AgentImage, AgentRun)> {
        let id = ComponentId { kind: Kind::Agent, name: name.clone() };
        let component = self.component(&id, request)?;
        let definition = self.lookup(&id, request.origin)?;
        let options = component.options.clone();
        // Problems of the definition's conditions were reported just now, with the component.
        let before = self.problems.clone();
        let defined = self.effective(&definition, &options, &component.request);
        self.problems = before;
        let nodes: Vec<&Node> = std::iter::once(&defined).chain(request.node.as_ref()).collect();

        let mcp: Vec<McpServer> = self
            .selection(Kind::Mcp, &defined, request.node.as_ref())
            .into_iter()
            .filter_map(|(name, request)| self.mcp_server(&name, &request))
            .collect();
        let lsp: Vec<LspServer> = self
            .selection(Kind::Lsp, &defined, request.node.as_ref())
            .into_iter()
            .filter_map(|(name, request)| self.lsp_server(&name, &request))
            .collect();

        let mut command = Vec::new();
        let mut args = Vec::new();
        let mut env: BTreeMap<EnvName, RunEnv> = BTreeMap::new();
        let mut mounts = Vec::new();
        let mut pre_run = Vec::new();
        let mut post_build: Vec<Hook> = Vec::new();
        let none = Options::new();
        for node in &nodes {
            let own = std::ptr::eq(*node, &defined);
            let options = if own { &options } else { &none };
            let replaced = self.command(node, "command", Scope::Container, options);
            if !replaced.is_empty() {
                command = replaced;
            }
            args.extend(self.command(node, "args", Scope::Container, options));
            for variable in self.run_variables(node, options) {
                env.insert(variable.name.clone(), variable);
            }
            mounts.extend(self.mounts(node.children()));
            pre_run.extend(self.pre_run(node.children()));
            post_build.extend(self.hooks(node.children(), "post_build", RunAs::Root));
        }
        if command.is_empty() {
            self.problem(
                Problem::new(Code::MissingArgument, format!("agent `{name}` has no command"))
                    .at(definition.span, "")
                    .help("add `command \"…\"`"),
            );
        }

        let mut registrations = Vec::new();
        let overridden = request.node.as_ref().is_some_and(|node| node.named("command").next().is_some());
        for node in defined.named("register") {
            let Some(registration) = self.registration(node, &options) else { continue };
            let remote = registration.remote.is_some();
            let told = match registration.servers {
                Kind::Mcp => mcp.iter().any(|server| remote || matches!(server.transport, McpTransport::Stdio { .. })),
                Kind::Lsp => !lsp.is_empty(),
                Kind::Language | Kind::Tool | Kind::Agent | Kind::Client => false,
            };
            // The patterns are checked either way; the rest counts only when there is something to tell.
            let words = self.command(node, "arg", Scope::Container, &options);
            let variables = self.run_variables(node, &options);
            if told {
                // A command of the user's own is taken as it is.
                if !overridden {
                    command.extend(words);
                }
                for variable in variables {
                    env.entry(variable.name.clone()).or_insert(variable);
                }
                registrations.push(registration);
            }
        }
        let state = self.state(&defined, &options);
        let files = self.files(&defined);
        let image = AgentImage { component, mcp, lsp, registrations, files, post_build };
        let subcommands = defined.named("subcommands").flat_map(|node| self.arguments(node)).map(|(text, _)| text.to_string()).collect();
        let update = request.node.as_ref().and_then(|node| self.update(node)).unwrap_or(Update::Notify);
        let run =
            AgentRun { name: name.clone(), update, command, args, subcommands, env: env.into_values().collect(), state, mounts, pre_run };
        Some((image, run))
    }

    /// Variables inside a block of an agent: always those of its container.
    fn run_variables(&mut self, node: &Node, options: &Options) -> Vec<RunEnv> {
        let given = self.given(node);
        given.into_iter().map(|variable| self.run_variable(variable, options)).collect()
    }

    fn state(&mut self, definition: &Node, options: &Options) -> Vec<Template> {
        let mut state = Vec::new();
        for node in definition.named("state") {
            for (text, span) in self.arguments(node) {
                let folder = self.template(text, span, Scope::Container, options);
                if !folder.0.starts_with("~/") {
                    self.bad(span, format!("`{text}` is not a folder of HOME"), "start it with `~/`");
                } else if self.container_path(&folder.0, span) {
                    state.push(folder);
                }
            }
        }
        state
    }

    fn files(&mut self, definition: &Node) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for node in definition.named("file") {
            let Some((path, span)) = self.argument(node, 0) else { continue };
            let Some(entry) = node.arguments().nth(1) else {
                self.problem(Problem::new(Code::MissingArgument, "`file` needs a path and a text").at(heading(node), ""));
                continue;
            };
            let Value::String(text) = &entry.value else {
                self.problem(
                    Problem::new(Code::WrongType, "the contents of a file are a text").at(entry.span, "").help("put them in quotes"),
                );
                continue;
            };
            if self.image_path(path, span) && self.lines(text, entry.span) {
                files.insert(path.to_string(), text.clone());
            }
        }
        files
    }

    fn registration(&mut self, node: &Node, options: &Options) -> Option<Registration> {
        let (word, span) = self.argument(node, 0)?;
        let servers = [Kind::Mcp, Kind::Lsp].into_iter().find(|kind| kind.as_str() == word);
        if servers.is_none() {
            let help = suggestion(word, &[Kind::Mcp.as_str(), Kind::Lsp.as_str()]);
            self.bad(span, format!("`{word}` cannot be registered"), help);
        }
        let file = match self.property(node, "file") {
            Some((file, span)) => self.image_path(file, span).then(|| file.to_string()),
            None => {
                self.problem(Problem::new(Code::MissingArgument, "`register` needs `file=`").at(heading(node), ""));
                None
            }
        };
        let format = match self.property(node, "format") {
            None | Some(("json", _)) => FileFormat::Json,
            Some(("toml", _)) => FileFormat::Toml,
            Some((other, span)) => {
                let help = suggestion(other, &["json", "toml"]);
                self.bad(span, format!("`{other}` is not a format"), help);
                FileFormat::Json
            }
        };
        let key = self.property(node, "key").map_or("", |(text, _)| text);
        let key = key.split('.').filter(|part| !part.is_empty()).map(str::to_string).collect();
        let (text, span) = self.property(node, "env_ref").unwrap_or((SHELL_REFERENCE, heading(node)));
        let env_reference = self.template(text, span, Scope::Reference, options);
        let local = node.named("local").next();
        if local.is_none() {
            self.problem(
                Problem::new(Code::MissingArgument, "`register` needs a `local` block")
                    .at(heading(node), "")
                    .help("add `local { … }`: what stands in the file for a server that is a program"),
            );
        }
        let local = self.table(local?.children(), options);
        let remote = node.named("remote").next().map(|node| self.table(node.children(), options));
        Some(Registration { servers: servers?, file: file?, format, key, local, remote, env_reference })
    }

    /// A block of a pattern.
    fn table(&mut self, nodes: &[Node], options: &Options) -> Pattern {
        Pattern::Table(nodes.iter().map(|node| (node.name.clone(), self.pattern(node, options))).collect())
    }

    fn pattern(&mut self, node: &Node, options: &Options) -> Pattern {
        if let Some(children) = &node.children {
            return self.table(children, options);
        }
        let mut values = Vec::new();
        for entry in node.arguments() {
            values.push(match &entry.value {
                Value::String(text) if self.line(text, entry.span) => {
                    Pattern::Text(self.template(text, entry.span, Scope::Pattern, options).0)
                }
                Value::Bool(value) => Pattern::Bool(*value),
                Value::Integer(number) if i64::try_from(*number).is_ok() => Pattern::Integer(i64::try_from(*number).unwrap_or(0)),
                Value::String(_) => continue,
                Value::Integer(_) | Value::Decimal(_) | Value::Null => {
                    self.problem(
                        Problem::new(Code::WrongType, "a pattern holds texts, whole numbers, `#true` and `#false`").at(entry.span, ""),
                    );
                    continue;
                }
            });
        }
        let list =
            |annotation: &Option<crate::document::Annotation>| annotation.as_ref().is_some_and(|annotation| annotation.text == "list");
        let is_list = list(&node.annotation) || node.arguments().any(|entry| list(&entry.annotation));
        match <[Pattern; 1]>::try_from(values) {
            Ok([value]) if !is_list => value,
            Ok(values) => Pattern::List(values.into()),
            Err(values) => Pattern::List(values),
        }
    }

    /// A variable that a container gets, unless its place says that it must not.
    pub(super) fn run_variable(&mut self, variable: super::run::Variable, options: &Options) -> RunEnv {
        let super::run::Variable { name, value, phase, presence, secret: _, span } = variable;
        if let Some((crate::spec::Phase::Build | crate::spec::Phase::Both, span)) = phase {
            self.bad(span, "this variable can only be set while a container runs", "take `phase=` out");
        }
        let value = match value {
            super::run::Given::Host => EnvValue::Host,
            super::run::Given::Text(text) => EnvValue::Set(self.template(&text, span, Scope::Container, options)),
        };
        let presence = if value == EnvValue::Host { presence } else { Presence::Required };
        RunEnv { name, value, presence, origin: span }
    }
}
