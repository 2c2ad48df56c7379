//! A specification and its lock become one value: exactly one way to install each component, with its version and artefacts.

use std::collections::BTreeMap;

use super::package::{closure, of_components};
use super::query::{Query, queries, split};
use super::time::Time;
use super::variants::missing;
use super::{Artifact, Lock, LockedBase, Package};
use crate::problem::{Code, Problem, Problems};
use crate::source::Span;
use crate::spec::{
    AgentImage, Base, BuildEnv, Cause, Check, Component, ComponentId, Distribution, EnvName, Hook, ImageLayer, ImageSpec, Install, Kind,
    LspServer, McpServer, Name, Registration, Step,
};

/// An image whose every part is pinned: what the plan is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedImage {
    /// The image's root file system.
    pub base: LockedBase,
    /// The root file system of the stages that download and unpack.
    pub fetch: LockedBase,
    /// What the catalog knows about the image's distribution.
    pub distribution: Distribution,
    /// What the catalog knows about the fetch stage's distribution.
    pub fetch_distribution: Distribution,
    /// The steps of the `base` block with their downloads.
    pub base_layer: PinnedLayer,
    /// The user's `layer` blocks, in the order in which they apply.
    pub layers: Vec<PinnedLayer>,
    /// Packages of the distribution in the image: its own, those of the `base` and of the `layer` blocks, what these need, and the updates of
    /// the base's packages. Sorted by name.
    pub packages: Vec<Package>,
    /// Packages of the distribution in the fetch stage, with what they need. Sorted by name.
    pub fetch_packages: Vec<Package>,
    /// When the states of the archive were that these are of. No part of the image.
    pub snapshots: Vec<Time>,
    /// Languages, tools, language servers, MCP servers and clients, sorted by identifier.
    pub components: Vec<PinnedComponent>,
    /// The agents, sorted by name.
    pub agents: Vec<PinnedAgent>,
    /// Scripts run as root on the base, before anything is installed.
    pub pre_build: Vec<Hook>,
    /// Scripts run after everything but the agent is installed.
    pub post_build: Vec<Hook>,
    /// Environment of the image.
    pub env: BTreeMap<EnvName, BuildEnv>,
}

impl LockedImage {
    /// Whether any part of it is compiled from crates.
    pub fn has_crates(&self) -> bool {
        let components = self.components.iter().chain(self.agents.iter().map(|agent| &agent.component));
        let layers = self.layers.iter().chain([&self.base_layer]);
        let artifacts = components.flat_map(|component| &component.artifacts).chain(layers.flat_map(|layer| &layer.artifacts));
        artifacts.into_iter().any(|artifact| matches!(artifact, Artifact::Crate { .. }))
    }
}

/// A `base` or `layer` block with what its steps download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedLayer {
    /// The layer's name; `None` for the `base` block.
    pub name: Option<Name>,
    /// Its steps in written order.
    pub steps: Vec<Step>,
    /// Its downloads and packages of npm, PyPI, Go and the crates' registry, sorted. Its packages of the distribution are in
    /// [`LockedImage::packages`].
    pub artifacts: Vec<Artifact>,
    /// Where it was written.
    pub origin: Span,
}

/// A component with its version and the one way in which it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedComponent {
    /// Which one.
    pub id: ComponentId,
    /// What was asked for.
    pub request: String,
    /// The version.
    pub version: String,
    /// How it is installed.
    pub install: Install,
    /// Values of the definition's options, by name.
    pub options: BTreeMap<String, String>,
    /// Variables the image sets for it.
    pub env: BTreeMap<EnvName, String>,
    /// Commands that must succeed in the finished image.
    pub checks: Vec<Check>,
    /// Everything that is downloaded for it; of packages of the distribution those that it asks for. Sorted.
    pub artifacts: Vec<Artifact>,
    /// Those packages with their files, and what they need. Sorted by name.
    pub packages: Vec<Package>,
    /// Whether somebody asked for it by name.
    pub cause: Cause,
    /// Where it was asked for.
    pub origin: Span,
}

/// An agent with its version and what it adds to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedAgent {
    /// The agent itself.
    pub component: PinnedComponent,
    /// The MCP servers it gets, sorted by name.
    pub mcp: Vec<McpServer>,
    /// The language servers it gets, sorted by name.
    pub lsp: Vec<LspServer>,
    /// How it is told about them.
    pub registrations: Vec<Registration>,
    /// Files it needs in the image, absolute path and exact text.
    pub files: BTreeMap<String, String>,
    /// `post_build` scripts inside the `agent` block.
    pub post_build: Vec<Hook>,
}

/// Puts a lock's answers into a specification. A lock that does not answer every question gives `lock::stale` and no image; one that answers
/// more may be the lock of several variants of an image ([`union`](super::union)).
pub fn apply(spec: &ImageSpec, lock: &Lock) -> (Option<LockedImage>, Problems) {
    let mut problems = Problems::default();
    let missing = missing(spec, lock);
    if !missing.is_empty() {
        problems.push(stale(spec, &missing));
    }
    if problems.has_errors() {
        return (None, problems);
    }
    let asked = queries(spec);
    let names = |of: fn(&Query) -> Option<&Vec<String>>| asked.iter().find_map(of).map(Vec::as_slice).unwrap_or_default();
    let ImageSpec { base, fetch, layers, components, agents, pre_build, post_build, env } = spec;
    let Base { reference: _, from: _, steps, distribution, origin } = base;
    let Base { reference: _, from: _, steps: _, distribution: fetch_distribution, origin: _ } = fetch;
    let components = components.iter().filter_map(|component| pin(component, lock, &mut problems)).collect();
    let agents = agents
        .iter()
        .filter_map(|agent| {
            let AgentImage { component, mcp, lsp, registrations, files, post_build } = agent;
            Some(PinnedAgent {
                component: pin(component, lock, &mut problems)?,
                mcp: mcp.clone(),
                lsp: lsp.clone(),
                registrations: registrations.clone(),
                files: files.clone(),
                post_build: post_build.clone(),
            })
        })
        .collect();
    let image = LockedImage {
        base: lock.base.clone(),
        fetch: lock.fetch.clone(),
        distribution: distribution.clone(),
        fetch_distribution: fetch_distribution.clone(),
        base_layer: pin_layer(None, steps, *origin, lock),
        layers: layers.iter().map(|ImageLayer { name, steps, origin }| pin_layer(Some(name), steps, *origin, lock)).collect(),
        packages: pinned(&lock.packages, names(|query| if let Query::Packages { names } = query { Some(names) } else { None })),
        fetch_packages: pinned(
            &lock.fetch_packages,
            names(|query| if let Query::FetchPackages { names } = query { Some(names) } else { None }),
        ),
        snapshots: lock.snapshots.clone(),
        components,
        agents,
        pre_build: pre_build.clone(),
        post_build: post_build.clone(),
        env: env.clone(),
    };
    if problems.has_errors() { (None, problems) } else { (Some(image), problems) }
}

/// The packages that some names ask for, with what these need.
fn pinned(list: &[Package], names: &[String]) -> Vec<Package> {
    closure(list, names.iter().map(|name| split(name).0))
}

fn stale(spec: &ImageSpec, changes: &[String]) -> Problem {
    Problem::new(Code::LockStale, format!("silo.lock does not match the configuration: {}", changes.join("; ")))
        .at(spec.base.origin, "")
        .help("silo lock")
}

fn pin_layer(name: Option<&Name>, steps: &[Step], origin: Span, lock: &Lock) -> PinnedLayer {
    let locked = lock.layers.iter().find(|layer| layer.name.as_ref() == name);
    PinnedLayer {
        name: name.cloned(),
        steps: steps.to_vec(),
        artifacts: locked.map(|layer| layer.artifacts.clone()).unwrap_or_default(),
        origin,
    }
}

fn pin(component: &Component, lock: &Lock, problems: &mut Problems) -> Option<PinnedComponent> {
    let Component { id, request, installs, options, env, checks, cause, origin } = component;
    let Some(locked) = lock.component(id) else {
        problems.push(Problem::new(Code::LockStale, format!("{id} is not in silo.lock")).at(*origin, "").help("silo lock"));
        return None;
    };
    let Some(install) = installs.iter().find(|install| install.source == locked.source) else {
        let message = format!("silo.lock installs {id} from `{}`, which is none of its sources", locked.source);
        problems.push(Problem::new(Code::LockStale, message).at(*origin, "").help("silo lock"));
        return None;
    };
    let client = id.kind == Kind::Client;
    let asked: Vec<&str> = of_components(std::slice::from_ref(locked), client).map(|(_, pin)| pin.name.as_str()).collect();
    let list = if client { &lock.fetch_packages } else { &lock.packages };
    let packages = if asked.is_empty() { Vec::new() } else { closure(list, asked) };
    Some(PinnedComponent {
        id: id.clone(),
        request: request.clone(),
        version: locked.version.clone(),
        install: install.clone(),
        options: options.clone(),
        env: env.clone(),
        checks: checks.clone(),
        artifacts: locked.artifacts.clone(),
        packages,
        cause: *cause,
        origin: *origin,
    })
}
