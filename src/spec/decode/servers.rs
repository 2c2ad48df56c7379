//! Language servers and MCP servers, as agents are told about them.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Node, Value};
use crate::problem::{Code, Problem};
use crate::spec::{ComponentId, EnvName, Kind, LspServer, McpServer, McpTransport, Name, Template};

use super::run::Given;
use super::text::{Options, Scope, suggestion};
use super::{Decoder, Request};

/// The variable in which a container finds its workspace.
const WORKSPACE: &str = "SILO_WORKSPACE";

impl Decoder<'_> {
    /// Whether a server is the user's own: somewhere else, or a command with no definition. Nothing is installed for it.
    pub(super) fn is_own_server(&mut self, id: &ComponentId, request: &Request) -> bool {
        let Some(node) = &request.node else { return false };
        match id.kind {
            Kind::Lsp => node.named("command").next().is_some() && self.lookup_kind(id.kind.as_str(), id.name.as_str()).is_none(),
            Kind::Mcp => {
                node.property("url").is_some()
                    || (node.named("command").next().is_some() && self.lookup_kind(id.kind.as_str(), id.name.as_str()).is_none())
            }
            Kind::Language | Kind::Tool | Kind::Agent | Kind::Client => false,
        }
    }

    /// A command of a node: its arguments, with the places of a container.
    pub(super) fn command(&mut self, node: &Node, name: &str, scope: Scope, options: &Options) -> Vec<Template> {
        let nodes: Vec<&Node> = node.named(name).collect();
        let words: Vec<_> = nodes.into_iter().flat_map(|node| self.arguments(node)).collect();
        words.into_iter().map(|(text, span)| self.template(text, span, scope, options)).collect()
    }

    /// The definition's node and the values of its options; nothing when the server is the user's own.
    fn defined(&mut self, id: &ComponentId, request: &Request) -> Option<(Option<Node>, Options)> {
        if self.is_own_server(id, request) {
            return Some((None, Options::new()));
        }
        let definition = self.lookup_kind(id.kind.as_str(), id.name.as_str())?;
        // Problems of the settings are reported where the component is decoded.
        let before = self.problems.clone();
        let settings = self.settings(id.kind, &definition, request.node.as_ref());
        let node = self.effective(&definition, &settings.options, &settings.version);
        self.problems = before;
        Some((Some(node), settings.options))
    }

    /// A language server, decoded once however many agents get it.
    pub(super) fn lsp_server(&mut self, name: &Name, request: &Request) -> Option<LspServer> {
        if let Some(known) = self.lsp.get(name) {
            return known.clone();
        }
        let server = self.read_lsp_server(name, request);
        self.lsp.insert(name.clone(), server.clone());
        server
    }

    /// An MCP server, decoded once however many agents get it.
    pub(super) fn mcp_server(&mut self, name: &Name, request: &Request) -> Option<McpServer> {
        if let Some(known) = self.mcp.get(name) {
            return known.clone();
        }
        let server = self.read_mcp_server(name, request);
        self.mcp.insert(name.clone(), server.clone());
        server
    }

    /// Servers that no agent gets are checked as well.
    pub(super) fn servers(&mut self) {
        let requests: Vec<_> = self.requests.iter().map(|(id, request)| (id.clone(), request.clone())).collect();
        for (id, request) in requests {
            match id.kind {
                Kind::Lsp => drop(self.lsp_server(&id.name, &request)),
                Kind::Mcp => drop(self.mcp_server(&id.name, &request)),
                Kind::Language | Kind::Tool | Kind::Agent | Kind::Client => {}
            }
        }
    }

    fn read_lsp_server(&mut self, name: &Name, request: &Request) -> Option<LspServer> {
        let id = ComponentId { kind: Kind::Lsp, name: name.clone() };
        let (definition, options) = self.defined(&id, request)?;
        let nodes: Vec<Node> = definition.into_iter().chain(request.node.clone()).collect();
        let mut command = Vec::new();
        let mut languages = BTreeMap::new();
        for node in &nodes {
            let own = self.command(node, "command", Scope::Server, &options);
            if !own.is_empty() {
                command = own;
            }
            for list in node.named("extensions") {
                for entry in &list.entries {
                    let (Some(extension), Some(language)) = (&entry.name, self.text(entry)) else {
                        self.bad(entry.span, "an ending needs its language", "write `\".ts\"=\"typescript\"`");
                        continue;
                    };
                    let fits = extension.len() > 1
                        && extension.starts_with('.')
                        && !extension.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
                    if fits && !language.is_empty() {
                        let language = self.exact(language, entry.span, &Options::new());
                        languages.insert(extension.clone(), language);
                    } else {
                        self.bad(
                            entry.span,
                            format!("`{}` is not a file ending", extension.escape_debug()),
                            "it starts with a dot: `\".ts\"=\"typescript\"`",
                        );
                    }
                }
            }
        }
        if command.is_empty() || languages.is_empty() {
            let (what, help) = if command.is_empty() {
                ("command", "add `command \"…\"`")
            } else {
                ("file endings", "add `extensions \".x\"=\"language\"`")
            };
            self.problem(Problem::new(Code::MissingArgument, format!("lsp `{name}` has no {what}")).at(request.origin, "").help(help));
            return None;
        }
        Some(LspServer { name: name.clone(), command, languages })
    }

    fn read_mcp_server(&mut self, name: &Name, request: &Request) -> Option<McpServer> {
        let id = ComponentId { kind: Kind::Mcp, name: name.clone() };
        let (definition, options) = self.defined(&id, request)?;
        let mut needed = BTreeSet::new();
        let mut env = BTreeMap::new();
        let mut command = Vec::new();
        for node in definition.iter().chain(request.node.as_ref()) {
            let own = self.command(node, "command", Scope::Server, &options);
            if !own.is_empty() {
                command = own;
            }
            for variable in self.given(node) {
                match variable.value {
                    Given::Host => {
                        env.remove(&variable.name);
                        needed.insert(variable.name);
                    }
                    Given::Text(text) => {
                        needed.remove(&variable.name);
                        let value = self.template(&text, variable.span, Scope::Server, &options);
                        env.insert(variable.name, value);
                    }
                }
            }
        }
        let named = |template: &Template| template.0.contains("%{workspace}");
        if command.iter().chain(env.values()).any(named) {
            needed.extend(EnvName::new(WORKSPACE));
        }
        let own = request.node.as_ref().and_then(|node| Some((node, node.property("url")?)));
        let given = definition.as_ref().and_then(|node| node.named("url").next()).and_then(|node| Some((node, node.arguments().next()?)));
        let transport = match own.or(given.filter(|_| command.is_empty())) {
            None => {
                if let Some(entry) = request.node.as_ref().and_then(|node| node.property("transport")) {
                    self.bad(entry.span, "a server that is a program has no `transport`", "add `url=\"https://…\"`, or take it out");
                }
                if command.is_empty() {
                    self.problem(
                        Problem::new(Code::MissingArgument, format!("mcp `{name}` has no command"))
                            .at(request.origin, "")
                            .help("add `command \"…\"` or `url=\"https://…\"`"),
                    );
                    return None;
                }
                McpTransport::Stdio { command, env }
            }
            Some((node, entry)) => {
                if let Some(command) = node.named("command").next() {
                    self.problem(
                        Problem::new(Code::BadValue, format!("mcp `{name}` has both a URL and a command"))
                            .at(entry.span, "")
                            .at(command.name_span, "")
                            .help("take one of them out"),
                    );
                }
                let text = self.text(entry)?;
                let url = self.url(text, entry.span, Scope::Plain, &options)?;
                let asked = request.node.as_ref().filter(|request| request.property("transport").is_some());
                let protocol = match self.property(asked.unwrap_or(node), "transport") {
                    None => "http",
                    Some((word @ ("http" | "sse"), _)) => word,
                    Some((other, span)) => {
                        let help = suggestion(other, &["http", "sse"]);
                        self.bad(span, format!("`{other}` is not a transport"), help);
                        "http"
                    }
                };
                McpTransport::Remote { protocol: protocol.to_string(), url: url.0.replace("%%{", "%{") }
            }
        };
        Some(McpServer { name: name.clone(), transport, env: needed.into_iter().collect(), origin: request.origin })
    }

    /// The servers of a kind that an agent gets: those that its block names, or else all of the configuration's; and those that its definition
    /// brings along.
    pub(super) fn selection(&mut self, kind: Kind, definition: &Node, block: Option<&Node>) -> Vec<(Name, std::rc::Rc<Request>)> {
        let mut names = BTreeSet::new();
        let chosen = block.is_some_and(|node| node.named(kind.as_str()).next().is_some());
        for node in std::iter::once(definition).chain(block).flat_map(|node| node.named(kind.as_str())) {
            for (text, span) in self.arguments(node) {
                let Some(name) = self.name(text, span) else { continue };
                let id = ComponentId { kind, name };
                if !self.requests.contains_key(&id) {
                    if self.lookup(&id, span).is_none() {
                        continue;
                    }
                    self.require(id.clone(), span);
                }
                names.insert(id.name);
            }
            for entry in node.entries.iter().filter(|entry| entry.name.is_some() || !matches!(entry.value, Value::String(_))) {
                let help = format!("say it where the server is described: `{} NAME …` outside of the agent", kind.as_str());
                self.problem(Problem::new(Code::UnknownProperty, "an agent only chooses servers by name").at(entry.span, "").help(help));
            }
        }
        let configured = |request: &Request| request.cause == crate::spec::Cause::Configured;
        let all =
            self.requests.iter().filter(|(id, request)| id.kind == kind && (names.contains(&id.name) || !chosen && configured(request)));
        all.map(|(id, request)| (id.name.clone(), request.clone())).collect()
    }
}
