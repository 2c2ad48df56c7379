//! From merged nodes to a [`Spec`]: every name looked up, every text checked, every problem reported.
//!
//! Decoding is a pure function of the nodes and the catalog. Its caller may use it twice: on the shared layers alone, which gives the
//! project's image, and on all layers, which gives how it is run and what the user adds.

mod agent;
mod base;
mod component;
mod lock;
mod mirror;
mod option;
mod run;
mod servers;
mod steps;
mod text;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::catalog::{Catalog, Definition};
use crate::document::Node;
use crate::problem::{Code, Edit, Problem, Problems};
use crate::schema::surely;
use crate::source::{Sources, Span};

use super::{
    Cause, Component, ComponentId, Hook, ImageLayer, ImageSpec, Kind, LspServer, McpServer, Mirrors, Name, RunAs, RunEnv, RunSpec, Spec,
    Step, Template,
};
pub(crate) use run::CONTROL_SOCKETS;
use run::Choice;
pub(crate) use text::{OWN_VARIABLES, unsafe_in_line};
use text::{heading, suggestion};

/// Decodes merged nodes. Catalog entries that they refer to are read and added to the sources.
///
/// The spec is `None` when there are errors. `define` nodes are read from the catalog, which [`Catalog::new`] made from the same nodes.
pub fn decode(nodes: &[Node], catalog: &Catalog, sources: &mut Sources) -> (Option<Spec>, Problems) {
    let mut decoder = Decoder::new(catalog, sources);
    let spec = decoder.spec(nodes);
    let problems = decoder.problems;
    (spec.filter(|_| !problems.has_errors()), problems)
}

/// Decodes the mirrors of merged nodes alone; those that are wrong are not among them.
pub fn mirrors(nodes: &[Node], catalog: &Catalog, sources: &mut Sources) -> Mirrors {
    Decoder::new(catalog, sources).mirrors(nodes)
}

/// What is known so far.
struct Decoder<'a> {
    catalog: &'a Catalog,
    sources: &'a mut Sources,
    problems: Problems,
    /// Definitions that were looked up; `None` when there is no such one.
    definitions: BTreeMap<(String, String), Option<Rc<Definition>>>,
    /// Everything that is asked for, by the configuration or by something it needs.
    requests: BTreeMap<ComponentId, Rc<Request>>,
    /// Requests that have not been looked at.
    waiting: Vec<ComponentId>,
    /// Components that were decoded.
    components: BTreeMap<ComponentId, Component>,
    /// What components set in a container, by component.
    places: BTreeMap<ComponentId, Places>,
    /// Servers that were decoded; `None` when something was wrong with one.
    lsp: BTreeMap<Name, Option<LspServer>>,
    mcp: BTreeMap<Name, Option<McpServer>>,
}

/// Somebody wants a component.
#[derive(Clone, Debug)]
struct Request {
    /// The node of the configuration; `None` when something else needs the component, which then has its defaults.
    node: Option<Node>,
    /// Where it is asked for.
    origin: Span,
    /// Why.
    cause: Cause,
}

/// What a component sets in a container, where HOME is known.
#[derive(Clone, Debug, Default)]
struct Places {
    env: Vec<RunEnv>,
    path: Vec<Template>,
}

impl<'a> Decoder<'a> {
    fn new(catalog: &'a Catalog, sources: &'a mut Sources) -> Decoder<'a> {
        Decoder {
            catalog,
            sources,
            problems: Problems::default(),
            definitions: BTreeMap::new(),
            requests: BTreeMap::new(),
            waiting: Vec::new(),
            components: BTreeMap::new(),
            places: BTreeMap::new(),
            lsp: BTreeMap::new(),
            mcp: BTreeMap::new(),
        }
    }
}

impl Decoder<'_> {
    fn spec(&mut self, nodes: &[Node]) -> Option<Spec> {
        let bases = self.base(nodes);
        let layers = self.layers(nodes);
        let pre_build = self.hooks(nodes, "pre_build", RunAs::Root);
        let post_build = self.hooks(nodes, "post_build", RunAs::Root);
        self.collect(nodes);
        self.bring();
        self.step_clients(bases.as_ref().map_or(&[], |(base, _)| base.steps.as_slice()), &layers);
        let variables = self.variables(nodes);
        let Choice { backend, agent: default_agent, updates } = self.choice(nodes);
        let agents = self.agents(default_agent.as_ref());
        self.components();
        let lock = self.policy(nodes);
        let mirrors = self.mirrors(nodes);
        self.servers();
        self.unused();

        let (images, runs) = agents.into_iter().unzip();
        let mut run_env: BTreeMap<_, RunEnv> = BTreeMap::new();
        let mut path: Vec<Template> = Vec::new();
        for places in std::mem::take(&mut self.places).into_values() {
            run_env.extend(places.env.into_iter().map(|variable| (variable.name.clone(), variable)));
            path.extend(places.path.into_iter().filter(|folder| !path.contains(folder)).collect::<Vec<_>>());
        }
        // A value of the user's for both phases is in the image, and what a component would set must not hide it.
        run_env.retain(|name, _| !variables.image.contains_key(name));
        run_env.extend(variables.run.into_iter().map(|variable| (variable.name.clone(), variable)));
        let run = RunSpec {
            default_agent: default_agent.map(|(name, _)| name),
            backend,
            agents: runs,
            pre_run: self.pre_run(nodes),
            mounts: self.mounts(nodes),
            caches: self.caches(nodes),
            env: run_env.into_values().collect(),
            path,
            resources: self.resources(nodes),
            updates,
        };
        let (base, fetch) = bases?;
        let components = std::mem::take(&mut self.components).into_values().filter(|component| component.id.kind != Kind::Agent).collect();
        let image = ImageSpec { base, fetch, layers, components, agents: images, pre_build, post_build, env: variables.image };
        Some(Spec { image, run, lock, mirrors })
    }

    /// Scripts that an image is built with.
    fn hooks(&mut self, nodes: &[Node], name: &str, user: RunAs) -> Vec<Hook> {
        nodes.iter().filter(|node| node.name == name).filter_map(|node| self.hook(node, user, None)).collect()
    }

    /// Scripts that run in a container, always as its user.
    fn pre_run(&mut self, nodes: &[Node]) -> Vec<Hook> {
        for node in nodes.iter().filter(|node| node.name == "pre_run") {
            if let Some(("root", span)) = self.property(node, "as") {
                self.bad(span, "nothing runs as root in a container", "do it while the image is built: `post_build`");
            }
        }
        self.hooks(nodes, "pre_run", RunAs::User)
    }

    /// What the configuration itself asks for.
    fn collect(&mut self, nodes: &[Node]) {
        for node in nodes {
            let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == node.name) else { continue };
            self.configure(kind, node);
            if kind == Kind::Language {
                for lsp in node.named("lsp") {
                    self.configure(Kind::Lsp, lsp);
                }
            }
        }
    }

    fn configure(&mut self, kind: Kind, node: &Node) {
        let names = self.arguments(node);
        if node.arguments().next().is_none() {
            self.problem(Problem::new(Code::MissingArgument, format!("`{}` needs a name", node.name)).at(node.name_span, ""));
        }
        for (text, span) in names {
            let Some(name) = self.name(text, span) else { continue };
            let id = ComponentId { kind, name };
            let known = self
                .requests
                .get(&id)
                .is_some_and(|known| known.node.as_ref().is_some_and(|node| node.entries.len() > 1 || node.children.is_some()));
            if known {
                // `lsp x` inside a language adds nothing to what `lsp x version=…` says elsewhere.
                continue;
            }
            self.ask(id, Request { node: Some(node.clone()), origin: heading(node), cause: Cause::Configured });
        }
    }

    /// What comes along with what the configuration asks for, and with that.
    fn bring(&mut self) {
        let mut open: Vec<ComponentId> = self.requests.keys().filter(|id| id.kind != Kind::Agent).cloned().collect();
        while let Some(id) = open.pop() {
            let Some(request) = self.requests.get(&id).cloned() else { continue };
            // What does not exist is reported where the component is decoded.
            if self.is_own_server(&id, &request) {
                continue;
            }
            let Some(definition) = self.lookup_kind(id.kind.as_str(), id.name.as_str()) else { continue };
            let before = self.problems.clone();
            let option::Settings { version, source: _, options } = self.settings(id.kind, &definition, request.node.as_ref());
            let node = self.effective(&definition, &options, &version);
            self.problems = before;
            for kind in [Kind::Lsp, Kind::Mcp, Kind::Tool] {
                for (text, span) in node.named(kind.as_str()).flat_map(|node| self.arguments(node)).collect::<Vec<_>>() {
                    let Some(name) = self.name(text, span) else { continue };
                    let brought = ComponentId { kind, name };
                    if self.requests.contains_key(&brought) || self.lookup(&brought, span).is_none() {
                        continue;
                    }
                    self.ask(brought.clone(), Request { node: None, origin: request.origin, cause: Cause::Configured });
                    open.push(brought);
                }
            }
        }
    }

    /// Asks for a component; what the configuration says about it stands.
    fn require(&mut self, id: ComponentId, origin: Span) {
        if !self.requests.contains_key(&id) {
            self.ask(id, Request { node: None, origin, cause: Cause::Required });
        }
    }

    fn ask(&mut self, id: ComponentId, request: Request) {
        self.requests.insert(id.clone(), Rc::new(request));
        if id.kind != Kind::Agent {
            self.waiting.push(id);
        }
    }

    /// Steps of the base and of layers that need a client.
    fn step_clients(&mut self, base: &[Step], layers: &[ImageLayer]) {
        let blocks: Vec<(Vec<Step>, Option<Span>)> =
            std::iter::once((base.to_vec(), None)).chain(layers.iter().map(|layer| (layer.steps.clone(), Some(layer.origin)))).collect();
        for (steps, origin) in blocks {
            let origin = origin.or_else(|| self.requests.values().next().map(|request| request.origin));
            for client in component::clients(&steps) {
                let known = self.lookup_kind(Kind::Client.as_str(), client.name.as_str());
                if let Some(origin) = origin.or(known.map(|definition| definition.span)) {
                    self.require(client, origin);
                }
            }
        }
    }

    /// Decodes everything that is asked for, and what that needs.
    fn components(&mut self) {
        let mut seen = BTreeSet::new();
        while let Some(id) = self.waiting.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            let Some(request) = self.requests.get(&id).cloned() else { continue };
            if self.is_own_server(&id, &request) {
                continue;
            }
            if let Some(component) = self.component(&id, &request) {
                self.components.insert(id, component);
            }
        }
    }

    /// A definition by kind and name, read once.
    fn lookup_kind(&mut self, kind: &str, name: &str) -> Option<Rc<Definition>> {
        let key = (kind.to_string(), name.to_string());
        if let Some(known) = self.definitions.get(&key) {
            return known.clone();
        }
        let (definition, problems) = self.catalog.get(kind, name, self.sources);
        self.problems.extend(problems);
        let definition = definition.map(Rc::new);
        self.definitions.insert(key, definition.clone());
        definition
    }

    /// A definition, or a problem that says which there are.
    fn lookup(&mut self, id: &ComponentId, origin: Span) -> Option<Rc<Definition>> {
        let found = self.lookup_kind(id.kind.as_str(), id.name.as_str());
        if found.is_none() {
            let kind = id.kind.as_str();
            let names: Vec<String> = self.catalog.names(kind).into_iter().map(str::to_string).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let near = suggestion(id.name.as_str(), &names);
            let mark = if near.ends_with('?') { "" } else { ";" };
            let own = match id.kind {
                Kind::Lsp | Kind::Mcp => "a `command` in its block makes it one of your own".to_string(),
                Kind::Language | Kind::Tool | Kind::Agent | Kind::Client => format!("`define {kind} {} {{ … }}` adds one", id.name),
            };
            let help = format!("{near}{mark} {own}");
            let edit = surely(id.name.as_str(), names.iter().copied()).map(|near| Edit::words(origin, id.name.as_str(), near));
            let problem = Problem::new(Code::UnknownDefinition, format!("there is no {kind} `{}`", id.name)).at(origin, "").help(help);
            self.problem(problem.fix_if(edit));
        }
        found
    }

    /// Definitions of the configuration that it does not use are checked as well.
    fn unused(&mut self) {
        let own: Vec<Definition> = self.catalog.own().collect();
        for definition in own {
            let (Some(kind), Some(name)) = (definition.node.text(0), definition.node.text(1)) else { continue };
            let kind = Kind::ALL.into_iter().find(|other| other.as_str() == kind);
            let span = definition.span;
            let (Some(kind), Some(name)) = (kind, self.name(name, span)) else { continue };
            let id = ComponentId { kind, name };
            if self.requests.contains_key(&id) {
                continue;
            }
            let request = Request { node: None, origin: span, cause: Cause::Required };
            let before = (self.requests.clone(), self.waiting.clone(), self.places.clone());
            // An agent is a component, and read as one where it is read as an agent.
            if kind != Kind::Agent {
                self.component(&id, &request);
            }
            match kind {
                Kind::Agent => drop(self.agent(&id.name, &request)),
                Kind::Lsp => drop(self.lsp_server(&id.name, &request)),
                Kind::Mcp => drop(self.mcp_server(&id.name, &request)),
                Kind::Language | Kind::Tool | Kind::Client => {}
            }
            (self.requests, self.waiting, self.places) = before;
        }
    }

    /// A name that the configuration refers to.
    fn agent_name(&mut self, text: &str, span: Span) -> Option<(Name, Span)> {
        Some((self.name(text, span)?, span))
    }
}
