//! How a container is run: variables, mounts, caches, limits, and the choice of backend and agent.

use std::collections::BTreeMap;

use crate::document::{Entry, Node, Value};
use crate::problem::{Code, Problem};
use crate::schema::table::UPDATES;
use crate::schema::types::{size, thousandths};
use crate::source::Span;
use crate::spec::update::{Update, Updates};
use crate::spec::{Access, Backend, BuildEnv, Cache, EnvName, Mount, Name, Phase, Presence, Resources, RunEnv};
use crate::template::has_placeholder;

use super::Decoder;
use super::text::{Options, Scope, heading, suggestion};

/// A variable as it is written.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: EnvName,
    pub(super) value: Given,
    /// `phase=` and its place.
    pub(super) phase: Option<(Phase, Span)>,
    pub(super) presence: Presence,
    /// Whether its value must not be seen in the image.
    pub(super) secret: bool,
    pub(super) span: Span,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// It is written.
    Text(String),
    /// The variable of that name outside: of the host, or for a server that of the container.
    Host,
}

/// The variables of a configuration, by where they are set.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub(super) image: BTreeMap<EnvName, BuildEnv>,
    pub(super) run: Vec<RunEnv>,
}

/// Programs that take orders over a socket can do anything to the host, so their sockets are in no container.
pub(crate) const CONTROL_SOCKETS: [&str; 6] =
    ["docker.sock", "containerd.sock", "podman.sock", "buildkitd.sock", "crio.sock", "dockershim.sock"];

impl Decoder<'_> {
    /// All `env` nodes of a block: arguments, properties and children.
    pub(super) fn given(&mut self, block: &Node) -> Vec<Variable> {
        let nodes: Vec<&Node> = block.named("env").collect();
        nodes.into_iter().flat_map(|node| self.given_by(node)).collect()
    }

    fn given_by(&mut self, node: &Node) -> Vec<Variable> {
        let mut variables = Vec::new();
        for entry in &node.entries {
            let Some(text) = self.text(entry) else { continue };
            let (name, value) = match &entry.name {
                None => (text, Given::Host),
                Some(name) => (name.as_str(), Given::Text(text.to_string())),
            };
            let name = match value {
                Given::Host => self.env_name(name, entry.span),
                Given::Text(_) => self.settable(name, entry.span),
            };
            let Some(name) = name else { continue };
            variables.push(Variable { name, value, phase: None, presence: Presence::Optional, secret: false, span: entry.span });
        }
        for child in node.children() {
            variables.extend(self.given_child(child));
        }
        variables
    }

    /// `NAME "value" from=host phase=run required=#false secret=#true`
    fn given_child(&mut self, node: &Node) -> Option<Variable> {
        let text = node.arguments().next().and_then(|entry| self.text(entry));
        let host = match self.property(node, "from") {
            None => false,
            Some(("host", _)) => true,
            Some((other, span)) => {
                let help = suggestion(other, &["host"]);
                self.bad(span, format!("a variable does not come from `{other}`"), help);
                true
            }
        };
        let phase = self.property(node, "phase").and_then(|(word, span)| {
            let phase = match word {
                "build" => Phase::Build,
                "run" => Phase::Run,
                "both" => Phase::Both,
                other => {
                    let help = suggestion(other, &["build", "run", "both"]);
                    self.bad(span, format!("`{other}` is not a phase"), help);
                    return None;
                }
            };
            Some((phase, span))
        });
        let presence = if self.flag(node, "required") == Some(false) { Presence::Optional } else { Presence::Required };
        let secret = self.flag(node, "secret").unwrap_or(false);
        let span = heading(node);
        let value = match (text, host) {
            (Some(_), true) => {
                self.bad(span, "this variable has a value and comes from the host as well", "take one of them out");
                return None;
            }
            (Some(text), false) => Given::Text(text.to_string()),
            (None, true) => Given::Host,
            (None, false) if node.arguments().next().is_some() => return None,
            (None, false) => {
                self.problem(
                    Problem::new(Code::MissingArgument, format!("`{}` has no value", node.name))
                        .at(span, "")
                        .help("give it one, or write `from=host`"),
                );
                return None;
            }
        };
        let name = match value {
            Given::Host => self.env_name(&node.name, node.name_span),
            Given::Text(_) => self.settable(&node.name, node.name_span),
        };
        Some(Variable { name: name?, value, phase, presence, secret, span })
    }

    /// The top-level variables. Without `phase=`, a value of a committed file is in the image, and one of the user's own files is not, so
    /// that a variable in somebody's HOME does not make an image of its own.
    pub(super) fn variables(&mut self, nodes: &[Node]) -> Variables {
        let mut by_name: BTreeMap<EnvName, Variable> = BTreeMap::new();
        for node in nodes.iter().filter(|node| node.name == "env") {
            by_name.extend(self.given_by(node).into_iter().map(|variable| (variable.name.clone(), variable)));
        }
        let none = Options::new();
        let mut variables = Variables::default();
        for variable in by_name.into_values() {
            let shared = self.sources.get(variable.span.source).layer.is_shared();
            let text = match &variable.value {
                Given::Text(text) if !variable.secret => Some(text.clone()),
                Given::Text(_) | Given::Host => None,
            };
            let phase = match (&text, variable.phase) {
                (_, Some((phase, _))) => phase,
                (Some(text), None) if shared && !has_placeholder(text) => Phase::Both,
                (_, None) => Phase::Run,
            };
            match (phase, text) {
                (Phase::Build | Phase::Both, Some(text)) => {
                    let value = self.exact(&text, variable.span, &none);
                    variables.image.insert(variable.name, BuildEnv { value, phase });
                }
                (Phase::Build | Phase::Both, None) => {
                    let span = variable.phase.map_or(variable.span, |(_, span)| span);
                    let what = if variable.secret { "a secret" } else { "a variable of the host" };
                    self.bad(span, format!("{what} cannot be part of an image"), "take `phase=` out; the container gets it when it runs");
                }
                (Phase::Run, _) => variables.run.push(self.run_variable(variable, &none)),
            }
        }
        variables
    }

    pub(super) fn mounts(&mut self, nodes: &[Node]) -> Vec<Mount> {
        nodes.iter().filter(|node| node.name == "mount").flat_map(|node| self.mount(node)).collect()
    }

    fn mount(&mut self, node: &Node) -> Vec<Mount> {
        let access = match self.property(node, "mode") {
            None | Some(("ro", _)) => Access::ReadOnly,
            Some(("rw", _)) => Access::ReadWrite,
            Some((other, span)) => {
                let help = suggestion(other, &["ro", "rw"]);
                self.bad(span, format!("`{other}` is not a mode of mounts"), help);
                Access::ReadOnly
            }
        };
        let presence = if self.flag(node, "optional") == Some(true) { Presence::Optional } else { Presence::Required };
        let to = self.property(node, "to");
        let sources = self.arguments(node);
        if node.arguments().next().is_none() {
            self.problem(Problem::new(Code::MissingArgument, "`mount` needs a path of the host").at(node.name_span, ""));
        }
        if let (Some((_, span)), true) = (to, sources.len() > 1) {
            self.bad(span, "several mounts cannot have one target", "write a `mount` for each");
            return Vec::new();
        }
        let mut mounts = Vec::new();
        for (text, span) in sources {
            if text.is_empty() || text.split('/').any(|part| part == "..") {
                self.bad(span, format!("`{text}` is not a path without `..`"), "write the path that is meant");
                continue;
            }
            let last = text.trim_end_matches('/').rsplit('/').next().unwrap_or("");
            if CONTROL_SOCKETS.contains(&last) {
                self.bad(span, format!("`{last}` gives a container the whole host"), "silo never mounts such a socket");
                continue;
            }
            // A relative path is one of the working directory.
            let relative = !text.starts_with(['/', '~']) && !text.starts_with("%{");
            let below = format!("%{{workspace}}/{}", text.trim_start_matches("./"));
            let text = if relative { below.as_str() } else { text };
            let before = self.problems.len();
            let source = self.template(text, span, Scope::Container, &Options::new());
            if self.problems.len() > before {
                continue;
            }
            let target = match to {
                Some((to, span)) => {
                    if !self.container_path(to, span) {
                        continue;
                    }
                    self.template(to, span, Scope::Container, &Options::new())
                }
                None => {
                    if !self.container_path(text, span) {
                        continue;
                    }
                    source.clone()
                }
            };
            mounts.push(Mount { source, target, access, presence, origin: span });
        }
        mounts
    }

    pub(super) fn caches(&mut self, nodes: &[Node]) -> Vec<Cache> {
        let mut caches = Vec::new();
        for node in nodes.iter().filter(|node| node.name == "cache") {
            let Some((text, span)) = self.argument(node, 0) else { continue };
            let name = self.name(text, span);
            let Some((to, span)) = self.property(node, "to") else {
                self.problem(
                    Problem::new(Code::MissingArgument, "`cache` needs `to=`")
                        .at(heading(node), "")
                        .help("say where it is: `to=\"~/.cache/x\"`"),
                );
                continue;
            };
            let fits = self.container_path(to, span);
            let target = self.template(to, span, Scope::Container, &Options::new());
            if let (Some(name), true) = (name, fits) {
                caches.push(Cache { name, target, origin: heading(node) });
            }
        }
        caches
    }

    pub(super) fn resources(&mut self, nodes: &[Node]) -> Resources {
        let mut resources = Resources::default();
        for node in nodes.iter().filter(|node| node.name == "resources") {
            resources.milli_cpus = self.limit(node, "cpus", "a number such as `4` or `1.5`", thousandths).or(resources.milli_cpus);
            resources.memory = self.limit(node, "memory", "a size such as `\"8GiB\"`", size).or(resources.memory);
            resources.disk = self.limit(node, "disk", "a size such as `\"60GiB\"`", size).or(resources.disk);
            if let Some(entry) = node.property("disk").filter(|_| resources.disk.is_some()) {
                let warning =
                    Problem::new(Code::NotLimited, "containers share the engine's disk: neither Docker nor Apple's tool limits it")
                        .at(entry.span, "not kept")
                        .help("leave it out; the engine's own settings limit its disk");
                self.problem(warning);
            }
            resources.pids = self.limit(node, "pids", "a whole number such as `4096`", |text| text.parse().ok()).or(resources.pids);
        }
        resources
    }

    fn limit(&mut self, node: &Node, name: &str, expected: &str, read: fn(&str) -> Option<u64>) -> Option<u64> {
        let entry: &Entry = node.property(name)?;
        let text = match &entry.value {
            Value::String(text) | Value::Decimal(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Bool(_) | Value::Null => String::new(),
        };
        let value = read(&text).filter(|value| *value > 0);
        if value.is_none() {
            self.bad(entry.span, format!("`{name}` is not {expected}"), format!("write {expected}"));
        }
        value
    }

    /// `use backend=… agent=… update=… update_hours=…`
    pub(super) fn choice(&mut self, nodes: &[Node]) -> Choice {
        let mut choice = Choice::default();
        for node in nodes.iter().filter(|node| node.name == "use") {
            match self.property(node, "backend") {
                None => {}
                Some(("docker", _)) => choice.backend = Some(Backend::Docker),
                Some(("apple", _)) => choice.backend = Some(Backend::Apple),
                Some((other, span)) => {
                    let help = suggestion(other, &["docker", "apple"]);
                    self.bad(span, format!("`{other}` is not a backend"), help);
                }
            }
            if let Some((text, span)) = self.property(node, "agent") {
                choice.agent = self.agent_name(text, span);
            }
            if let Some(most) = self.update(node) {
                choice.updates.most = most;
            }
            if let Some(entry) = node.property("update_hours") {
                match entry.value {
                    Value::Integer(hours) if (0..=8760).contains(&hours) => choice.updates.hours = hours as u64,
                    Value::Integer(_) | Value::Decimal(_) | Value::String(_) | Value::Bool(_) | Value::Null => {
                        self.bad(
                            entry.span,
                            "`update_hours` is not a whole number from 0 to 8760",
                            "write hours such as `update_hours=24`",
                        );
                    }
                }
            }
        }
        choice
    }

    /// The property `update` of a node, when it is there and right.
    pub(super) fn update(&mut self, node: &Node) -> Option<Update> {
        let (text, span) = self.property(node, "update")?;
        let update = Update::parse(text);
        if update.is_none() {
            self.bad(span, format!("`{text}` is not a way to keep an agent new"), suggestion(text, UPDATES));
        }
        update
    }
}

/// What `use` chooses.
#[derive(Default)]
pub(super) struct Choice {
    /// The backend.
    pub(super) backend: Option<Backend>,
    /// The agent that `silo` alone starts, and where it is named.
    pub(super) agent: Option<(Name, Span)>,
    /// What may be done to keep agents new.
    pub(super) updates: Updates,
}
