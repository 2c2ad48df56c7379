//! What a configuration asks of the host, and whether the user has seen it.
//!
//! A repository's files decide what runs in a container: the base, the hooks, the agent. So in a directory with project files everything of
//! the host that a container would get is a [`Request`], whoever wrote it down: the project, the catalog, or the user for all projects. Only
//! what the command line asks for is not, since it is said for the very run. Nothing is handed over until the user trusts the
//! [`Closure`]: the texts that the project contributes, byte for byte.
//!
//! Trust decides nothing about an image. What is withheld is in [`RunSpec`] alone, which no identity sees.

mod difference;
mod record;
mod show;

use std::fmt;

use crate::digest::Sha256;
use crate::problem::{Code, Problem, Problems};
use crate::source::{Layer, Sources, Span};
use crate::spec::{Access, ComponentId, EnvName, EnvValue, ImageSpec, Install, Mirror, Mount, Name, RunEnv, RunSpec, Spec, Step, Template};

pub use difference::{Difference, FileChange, difference};
pub use record::{Record, RecordedFile};
pub use show::{Inside, Screen, screen};

/// Something of the host that a configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub what: What,
    /// The agent whose containers get it; `None` is every container.
    pub agent: Option<Name>,
    /// Where it was written; `None` when no file says so.
    pub origin: Option<Span>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The value of a variable of the host.
    Variable(EnvName),
    /// A file or folder of the host that is not below the workspace.
    Mount {
        /// Where it is on the host.
        source: Template,
        /// Where it is in the container.
        target: Template,
        /// Whether the container may write to it.
        access: Access,
    },
    /// A configuration file outside the repository, as the importing file calls it.
    Import(String),
    /// The value of a variable, in requests to the registries that the project's `.npmrc` names.
    Registry(String),
    /// The package managers' own logins, mounted while a script of the project installs this.
    Logins(ComponentId),
    /// A proxy variable with a password in it.
    Proxy(String),
    /// Another place from which things come, under the names of the ones that they are known by.
    Mirror {
        /// What has the mirror, as it is written.
        of: String,
        /// Where it is.
        to: String,
    },
}

impl Request {
    /// What is asked for, in one line. Two requests are the same when their texts are.
    pub fn text(&self) -> String {
        let whom = match &self.agent {
            Some(agent) => format!("agent {agent}"),
            None => "every container".to_string(),
        };
        match &self.what {
            What::Variable(name) => format!("the host's {name} is handed to {whom}"),
            What::Mount { source, target, access } => {
                let access = match access {
                    Access::ReadOnly => "read-only",
                    Access::ReadWrite => "read and write",
                };
                let at = if source == target { String::new() } else { format!(" at {}", target.0) };
                format!("{} is mounted into {whom}{at}, {access}", source.0)
            }
            What::Import(target) => format!("{target}, outside the repository, is imported"),
            What::Registry(name) => format!("the host's {name} is sent to the registries that .npmrc names"),
            What::Logins(component) => {
                format!("the logins of ~/.npmrc, ~/.netrc, pip.conf and Cargo are seen by a script that installs {component}")
            }
            What::Proxy(name) => format!("the host's {name}, with its password, is handed to {whom}"),
            What::Mirror { of, to } => format!("what is of {of} is fetched from {to}, for your own agents and tools too"),
        }
    }

    /// Whether a container of this agent is concerned; `None` is the one without an agent.
    pub fn concerns(&self, agent: Option<&Name>) -> bool {
        self.agent.is_none() || self.agent.as_ref() == agent
    }

    /// Whether a project's file asks for it, rather than the catalog or the user.
    pub fn is_of_project(&self, sources: &Sources) -> bool {
        self.origin.is_some_and(|span| !sources.get(span.source).layer.is_operator())
    }
}

/// What the command line hands over: it is said for this very run, so it is not asked for, and no file changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Variables that are passed through.
    pub env: Vec<RunEnv>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
}

impl CommandLine {
    /// From what the command line alone means.
    pub fn of(run: &RunSpec) -> CommandLine {
        CommandLine { env: run.env.iter().filter(|variable| is_of_host(variable)).cloned().collect(), mounts: run.mounts.clone() }
    }

    fn passes(&self, variable: &RunEnv) -> bool {
        self.env.iter().any(|own| own.name == variable.name)
    }

    fn mounts(&self, mount: &Mount) -> bool {
        let Mount { source, target, access, presence: _, origin: _ } = mount;
        self.mounts.iter().any(|own| own.source == *source && own.target == *target && own.access == *access)
    }
}

/// Everything of the host that a decoded configuration asks for, in the order of the containers that get it.
pub fn requests(spec: &Spec, own: &CommandLine, sources: &Sources) -> Vec<Request> {
    let Spec { image, run, lock: _, mirrors } = spec;
    let mut found = of_container(None, &run.env, &run.mounts, own);
    for agent in &run.agents {
        found.extend(of_container(Some(&agent.name), &agent.env, &agent.mounts, own));
    }
    // The catalog's scripts are silo's own, and those of the user's files the user's.
    found.extend(logins(image).filter(|request| request.is_of_project(sources)));
    let mirror = |Mirror { of, to, origin }: &Mirror| {
        let what = What::Mirror { of: of.as_str().to_string(), to: to.clone() };
        Request { what, agent: None, origin: Some(*origin) }
    };
    found.extend(mirrors.iter().map(mirror).filter(|request| request.is_of_project(sources)));
    found
}

fn of_container(agent: Option<&Name>, env: &[RunEnv], mounts: &[Mount], own: &CommandLine) -> Vec<Request> {
    let request = |what, origin| Request { what, agent: agent.cloned(), origin: Some(origin) };
    let variables = env.iter().filter(|variable| is_of_host(variable) && !own.passes(variable));
    let variables = variables.map(|variable| request(What::Variable(variable.name.clone()), variable.origin));
    let mounts = mounts.iter().filter(|mount| is_outside(mount) && !own.mounts(mount)).map(|mount| {
        let Mount { source, target, access, presence: _, origin } = mount;
        request(What::Mount { source: source.clone(), target: target.clone(), access: *access }, *origin)
    });
    variables.chain(mounts).collect()
}

/// Components that run a script where the package managers' configuration is mounted.
fn logins(image: &ImageSpec) -> impl Iterator<Item = Request> {
    let installs = image.all_components().flat_map(|component| component.installs.iter().map(move |install| (component, install)));
    installs.filter_map(|(component, install)| {
        let script = script_beside_a_client(install)?;
        Some(Request { what: What::Logins(component.id.clone()), agent: None, origin: Some(script) })
    })
}

/// The script of an installation that also uses a client with logins of the user's.
fn script_beside_a_client(install: &Install) -> Option<Span> {
    let client = |step: &Step| match step {
        Step::Npm { .. } | Step::Pip { .. } | Step::Go { .. } | Step::Cargo { .. } | Step::Download { .. } => true,
        Step::Apt { .. } | Step::Copy { .. } | Step::Run(_) | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => false,
    };
    let script = |step: &Step| match step {
        Step::Run(hook) => Some(hook.origin),
        Step::Apt { .. }
        | Step::Download { .. }
        | Step::Npm { .. }
        | Step::Pip { .. }
        | Step::Go { .. }
        | Step::Cargo { .. }
        | Step::Copy { .. }
        | Step::Bin { .. }
        | Step::Path { .. }
        | Step::Env { .. } => None,
    };
    if install.steps.iter().any(client) { install.steps.iter().find_map(script) } else { None }
}

fn is_of_host(variable: &RunEnv) -> bool {
    match variable.value {
        EnvValue::Host => true,
        EnvValue::Set(_) => false,
    }
}

/// Whether a mount's source is anything but the workspace and what is below it, as it is written. Links in it are the launch's to follow.
fn is_outside(mount: &Mount) -> bool {
    let text = mount.source.0.as_str();
    !(text == "%{workspace}" || text.starts_with("%{workspace}/"))
}

/// The same run without anything of the host but what the command line hands over, just as it says. No file decides any part of that.
pub fn withhold(run: &RunSpec, own: &CommandLine) -> RunSpec {
    let mut run = run.clone();
    run.env.retain(|variable| !is_of_host(variable) && !own.passes(variable));
    run.env.extend(own.env.iter().cloned());
    run.env.sort_by(|a, b| a.name.cmp(&b.name));
    run.mounts.retain(|mount| !is_outside(mount) && !own.mounts.iter().any(|own| own.target == mount.target));
    run.mounts.extend(own.mounts.iter().cloned());
    for agent in &mut run.agents {
        agent.env.retain(|variable| !is_of_host(variable) && !own.passes(variable));
        agent.mounts.retain(|mount| !is_outside(mount) && !own.mounts.iter().any(|own| own.target == mount.target));
    }
    run
}

/// A warning for each request of a project's file: it has no effect.
pub fn warnings(requests: &[Request], sources: &Sources) -> Problems {
    let mut problems = Problems::default();
    for request in requests.iter().filter(|request| request.is_of_project(sources)) {
        let code = match request.what {
            What::Import(_) => Code::ImportOutside,
            What::Variable(_) | What::Mount { .. } | What::Registry(_) | What::Logins(_) | What::Proxy(_) | What::Mirror { .. } => {
                Code::NotTrusted
            }
        };
        let message = match &request.what {
            What::Variable(name) => format!("the host's {name} is kept from this project until you trust it"),
            What::Mount { source, .. } => {
                format!("`{}` is outside of the workspace, and not mounted until you trust this project", source.0)
            }
            What::Import(target) => format!("{target} is outside the repository, and not read until you trust this project"),
            What::Registry(name) => format!("the host's {name} is sent to no registry until you trust this project"),
            What::Logins(component) => {
                format!(
                    "this script sees none of your logins for package managers until you trust this project, when it installs {component}"
                )
            }
            What::Proxy(name) => format!("the host's {name} is kept from this project until you trust it"),
            What::Mirror { of, to } => format!("nothing of {of} is fetched from {to} until you trust this project"),
        };
        let problem = Problem::new(code, message).help("`silo trust` shows all that this configuration asks for");
        problems.push(match request.origin {
            Some(origin) => problem.at(origin, ""),
            None => problem,
        });
    }
    problems
}

/// The files that `copy` steps of the configuration name, relative to the repository's root.
pub fn copies(image: &ImageSpec) -> Vec<String> {
    let ImageSpec { base, fetch: _, layers, components, agents, pre_build: _, post_build: _, env: _ } = image;
    let components = components.iter().chain(agents.iter().map(|agent| &agent.component));
    let installs = components.flat_map(|component| component.installs.iter().flat_map(|install| &install.steps));
    let steps = base.steps.iter().chain(layers.iter().flat_map(|layer| &layer.steps)).chain(installs);
    let mut found: Vec<String> = steps
        .filter_map(|step| match step {
            Step::Copy { source, target: _, mode: _, origin: _ } => Some(source.clone()),
            Step::Apt { .. }
            | Step::Download { .. }
            | Step::Npm { .. }
            | Step::Pip { .. }
            | Step::Go { .. }
            | Step::Cargo { .. }
            | Step::Run(_)
            | Step::Bin { .. }
            | Step::Path { .. }
            | Step::Env { .. } => None,
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// What a file of a closure is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `silo.kdl`, `silo.local.kdl` and what they import.
    Configuration,
    /// `silo.lock`.
    Lock,
    /// The project's `.npmrc`.
    Registries,
    /// The versions that are taken from a file of the repository, a line each. The rest of that file has no effect.
    Versions,
    /// A file that a `copy` step takes into the image.
    Copied {
        /// Whether it is a program.
        executable: bool,
    },
    /// Something that a `copy` step names and that cannot be read.
    Missing,
}

impl Role {
    /// The word that is hashed.
    fn as_str(self) -> &'static str {
        match self {
            Role::Configuration => "configuration",
            Role::Lock => "lock",
            Role::Registries => "registries",
            Role::Versions => "versions",
            Role::Copied { executable: false } => "copied",
            Role::Copied { executable: true } => "copied program",
            Role::Missing => "missing",
        }
    }
}

/// One text that a project contributes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClosureFile {
    /// Its path, relative to the repository's root.
    pub path: String,
    /// What it is there for.
    pub role: Role,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Everything that a project contributes to a run: what is trusted, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    files: Vec<ClosureFile>,
}

/// Changes when the same files are to have another digest: another layout of what is hashed.
const VERSION: &str = "silo-trust-1";

impl Closure {
    /// From files in any order; one that is there twice counts once.
    pub fn new(mut files: Vec<ClosureFile>) -> Closure {
        files.sort();
        files.dedup();
        Closure { files }
    }

    /// The files, by path.
    pub fn files(&self) -> &[ClosureFile] {
        &self.files
    }

    /// SHA-256 over the version, then for each file its path, its role and its contents, everything after its length in bytes as `LENGTH:`.
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::default();
        let mut add = |bytes: &[u8]| {
            hash.update(format!("{}:", bytes.len()).as_bytes());
            hash.update(bytes);
        };
        add(VERSION.as_bytes());
        for ClosureFile { path, role, bytes } in &self.files {
            add(path.as_bytes());
            add(role.as_str().as_bytes());
            add(bytes);
        }
        Digest(hash.finish())
    }
}

/// The digest of a closure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(String);

impl Digest {
    /// Reads `sha256:` and 64 hexadecimal digits; `None` when it is something else.
    pub fn parse(text: &str) -> Option<Digest> {
        let hex = text.strip_prefix("sha256:")?;
        let fits = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        fits.then(|| Digest(hex.to_string()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// Names of variables that a project's `.npmrc` takes from the host, with their byte ranges: `${NAME}`, `${NAME?}`. Source: npmrc(5).
pub fn registry_variables(text: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let comment = line.trim_start().starts_with(['#', ';']);
        for (at, _) in line.match_indices("${").filter(|_| !comment) {
            if let Some(length) = line[at..].find('}') {
                let name = line[at + 2..at + length].trim_end_matches('?').to_string();
                found.push((name, start + at..start + at + length + 1));
            }
        }
        start += line.len();
    }
    found
}

/// Who says that something is handed over, as people call them.
fn whose(layer: Layer) -> &'static str {
    match layer {
        Layer::Catalog => "silo's catalog",
        Layer::System => "this machine's administrator",
        Layer::User | Layer::Above(_) | Layer::Repository => "your own file",
        Layer::Project(_) | Layer::Local(_) => "the project",
        Layer::Environment => "your environment",
        Layer::CommandLine => "your command line",
    }
}
