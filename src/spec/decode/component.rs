//! Components: a definition with the settings of whoever asks for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Entry, Node};
use crate::problem::{Code, Edit, Problem};
use crate::schema::table::DEFAULT_SOURCE;
use crate::schema::types::Pattern;
use crate::schema::{nearest, surely};
use crate::source::Span;
use crate::spec::{Arch, Check, Component, ComponentId, EnvName, EnvValue, Install, Kind, Name, Presence, RunEnv, Step, Template};
use crate::template::{fill, has_placeholder};

use super::run::Given;
use super::text::{Options, Scope, heading, list, suggestion};
use super::{Decoder, Places, Request};

/// The clients that steps need while building.
pub(super) fn clients(steps: &[Step]) -> BTreeSet<ComponentId> {
    let client = |step: &Step| match step {
        Step::Npm { packages: _ } => Name::new("npm"),
        Step::Pip { packages: _ } => Name::new("pip"),
        Step::Go { packages: _ } => Name::new("go"),
        Step::Cargo { packages: _, features: _ } => Name::new("cargo"),
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

impl Decoder<'_> {
    /// A component with every way to install it. What those need is asked for.
    pub(super) fn component(&mut self, id: &ComponentId, request: &Request) -> Option<Component> {
        let definition = self.lookup(id, request.origin)?;
        let settings = self.settings(id.kind, &definition, request.node.as_ref());
        let options = &settings.options;
        let node = &self.effective(&definition, options, &settings.version);

        let common: Vec<&Node> = node.named("requires").collect();
        let mut installs = Vec::new();
        for block in node.named("install") {
            let (text, span) = match block.arguments().next() {
                Some(_) => match self.argument(block, 0) {
                    Some(given) => given,
                    None => continue,
                },
                None => (DEFAULT_SOURCE, block.name_span),
            };
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
            let versions = self.versions(block, options);
            let steps = self.steps(block.children(), Scope::Install, options);
            self.alone(&steps, id.kind, heading(block));
            if !wanted {
                continue;
            }
            for client in clients(&steps) {
                if client != *id {
                    self.require(client, heading(block));
                }
            }
            installs.push(Install { source, requires, arch, versions, steps });
        }
        if let Some((wanted, span)) = &settings.source
            && installs.is_empty()
        {
            let sources: Vec<&str> = node.named("install").map(|block| block.text(0).unwrap_or(DEFAULT_SOURCE)).collect();
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

    /// Crates are compiled on the image's processor, and everything else is unpacked on the builder's: one installation has one place.
    fn alone(&mut self, steps: &[Step], kind: Kind, span: Span) {
        let crates = steps.iter().any(|step| matches!(step, Step::Cargo { .. }));
        let others = steps.iter().any(|step| matches!(step, Step::Npm { .. } | Step::Pip { .. }));
        if crates && others {
            self.bad(
                span,
                "crates and packages of npm or PyPI cannot be installed together",
                "write an `install` block for each, or two tools",
            );
        }
        if crates && kind == Kind::Client {
            self.bad(span, "a client cannot be compiled from crates", "install it from packages or downloads");
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
            let matches = self.property(node, "matches").and_then(|(text, span)| self.pattern_template(text, span, options));
            if argv.is_empty() {
                self.problem(Problem::new(Code::MissingArgument, "`check` needs a command").at(node.name_span, ""));
            } else {
                checks.push(Check { argv, contains, matches });
            }
        }
        checks
    }

    /// A regular expression with placeholders. What these stand for is matched as it is.
    fn pattern_template(&mut self, text: &str, span: Span, options: &Options) -> Option<Template> {
        let literal: Options = options.iter().map(|(name, value)| (name.clone(), Pattern::escape(value))).collect();
        let template = self.template(text, span, Scope::Check, &literal);
        // Any version will do to see whether it can be compiled.
        match Pattern::parse(&fill(&template.0, |_| Some("1".to_string())).unwrap_or_default()) {
            Ok(_) => Some(template),
            Err(reason) => {
                self.bad(span, format!("this is not a regular expression: {reason}"), "put `\\` before a character that is meant as it is");
                None
            }
        }
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
