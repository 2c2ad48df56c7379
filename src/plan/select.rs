//! Which components an image holds: those that were asked for, and what these need; nothing that only another agent needs.

use std::collections::BTreeSet;

use super::Target;
use crate::lock::template::{Values, expand};
use crate::lock::{LockedImage, PinnedAgent, PinnedComponent};
use crate::schema::types::Pattern;
use crate::spec::{Arch, Cause, Check, ComponentId, Kind, Name, Step};

/// The client that installs packages of npm.
pub fn npm_client() -> Option<ComponentId> {
    Name::new("npm").map(|name| ComponentId { kind: Kind::Client, name })
}

/// The client that installs packages of PyPI.
pub fn pip_client() -> Option<ComponentId> {
    Name::new("pip").map(|name| ComponentId { kind: Kind::Client, name })
}

/// The client that compiles packages of Go.
pub fn go_client() -> Option<ComponentId> {
    Name::new("go").map(|name| ComponentId { kind: Kind::Client, name })
}

/// The client that compiles crates.
pub fn cargo_client() -> Option<ComponentId> {
    Name::new("cargo").map(|name| ComponentId { kind: Kind::Client, name })
}

/// A component's smoke test, to be run in the finished image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmokeTest {
    /// Whose.
    pub component: ComponentId,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// A text that its output must hold.
    pub contains: Option<String>,
    /// An expression that its output must match.
    pub matches: Option<Pattern>,
}

/// The smoke tests of everything in an image, in the order in which it is installed.
pub fn smoke_tests(image: &LockedImage, target: &Target) -> Vec<SmokeTest> {
    let Ok(Selection { components, clients: _, agent }) = select(image, target) else { return Vec::new() };
    let all = components.into_iter().chain(agent.map(|agent| &agent.component));
    all.flat_map(|component| {
        component.checks.iter().map(|Check { argv, contains, matches }| {
            let values = Values {
                version: Some(&component.version),
                // The text of a check is the same for all architectures: it runs in an image of any.
                arch: Arch::Amd64,
                arch_names: &component.install.arch,
                options: &component.options,
            };
            let contains = contains.as_ref().and_then(|text| expand(text, &values).ok());
            let version = Pattern::escape(&component.version);
            let literal = Values { version: Some(&version), ..values };
            // The decoder has seen that it can be compiled.
            let matches = matches.as_ref().and_then(|text| Pattern::parse(&expand(text, &literal).ok()?).ok());
            SmokeTest { component: component.id.clone(), argv: argv.clone(), contains, matches }
        })
    })
    .collect()
}

/// What an image is made of.
pub struct Selection<'a> {
    /// Languages, tools and servers, in the order in which they are installed.
    pub components: Vec<&'a PinnedComponent>,
    /// What other stages install with; a client stands after those that it needs.
    pub clients: Vec<&'a PinnedComponent>,
    /// The agent.
    pub agent: Option<&'a PinnedAgent>,
}

/// Chooses the components of an image. A needed component that is not locked, or an agent that does not exist, is the error: its name.
pub fn select<'a>(image: &'a LockedImage, target: &Target) -> Result<Selection<'a>, String> {
    let agent = match target {
        Target::Environment => None,
        Target::Agent(name) => {
            Some(image.agents.iter().find(|agent| agent.component.id.name == *name).ok_or_else(|| format!("agent {name}"))?)
        }
    };
    let mut wanted: BTreeSet<ComponentId> = BTreeSet::new();
    let mut queue: Vec<ComponentId> = Vec::new();
    for component in &image.components {
        let root = match (component.id.kind, component.cause) {
            (Kind::Language | Kind::Tool, Cause::Configured) => true,
            (Kind::Language | Kind::Tool, Cause::Required) | (Kind::Client | Kind::Agent, _) => false,
            (Kind::Mcp, cause) => match agent {
                Some(agent) => agent.mcp.iter().any(|server| server.name == component.id.name),
                None => cause == Cause::Configured,
            },
            (Kind::Lsp, cause) => match agent {
                Some(agent) => agent.lsp.iter().any(|server| server.name == component.id.name),
                None => cause == Cause::Configured,
            },
        };
        if root {
            queue.push(component.id.clone());
        }
    }
    let steps = image.layers.iter().chain([&image.base_layer]).flat_map(|layer| &layer.steps);
    queue.extend(clients_of(steps));
    if let Some(agent) = agent {
        queue.extend(needs(&agent.component));
    }
    while let Some(id) = queue.pop() {
        if wanted.contains(&id) {
            continue;
        }
        let component = find(image, &id).ok_or_else(|| id.to_string())?;
        queue.extend(needs(component));
        wanted.insert(id);
    }
    let of = |kind: Kind| image.components.iter().filter(move |component| component.id.kind == kind);
    let components = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Client).flat_map(of).filter(|c| wanted.contains(&c.id)).collect();
    let mut clients: Vec<&PinnedComponent> = of(Kind::Client).filter(|client| wanted.contains(&client.id)).collect();
    clients.sort_by_key(|client| (needs(client).len(), client.id.clone()));
    Ok(Selection { components, clients, agent })
}

/// What a component needs besides itself: at run time, and to be installed.
pub fn needs(component: &PinnedComponent) -> BTreeSet<ComponentId> {
    let mut needs: BTreeSet<ComponentId> = component.install.requires.iter().cloned().collect();
    needs.extend(clients_of(&component.install.steps));
    needs.remove(&component.id);
    needs
}

/// The clients that steps are installed with.
pub fn clients_of<'a>(steps: impl IntoIterator<Item = &'a Step>) -> BTreeSet<ComponentId> {
    let mut clients = BTreeSet::new();
    for step in steps {
        match step {
            Step::Npm { packages: _ } => clients.extend(npm_client()),
            Step::Pip { packages: _ } => clients.extend(pip_client()),
            Step::Go { packages: _ } => clients.extend(go_client()),
            Step::Cargo { packages: _, features: _ } => clients.extend(cargo_client()),
            Step::Apt { .. }
            | Step::Download { .. }
            | Step::Copy { .. }
            | Step::Run(_)
            | Step::Bin { .. }
            | Step::Path { .. }
            | Step::Env { .. } => {}
        }
    }
    clients
}

fn find<'a>(image: &'a LockedImage, id: &ComponentId) -> Option<&'a PinnedComponent> {
    image.components.iter().find(|component| component.id == *id)
}
