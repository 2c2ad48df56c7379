//! From a working directory to a decoded configuration and its lock: reading what the pipeline asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use silo::catalog::Catalog;
use silo::contract;
use silo::detect::{Taken, VersionFiles};
use silo::digest;
use silo::document;
use silo::identity::{self, Identity, Preimage};
use silo::launch::{self, Host, Launch, Program, Start, Terminal};
use silo::layers::{self, Facts, File, Layered, Reach};
use silo::lock::{self, Lock, LockState, LockedImage};
use silo::plan::{self, Plan, Target, Tree};
use silo::problem::{Code, Problem, Problems};
use silo::source::{Layer, Source, SourceId, Sources, Span};
use silo::spec::decode as spec_decode;
use silo::spec::{Backend, EnvValue, ImageSpec, Mirror, Mirrors, Name, Spec, same_image};
use silo::trust::{self, CommandLine};

use super::cli::ContainerOptions;
use super::facts::{self, Caller};
use super::failure::{Failure, system};
use super::files::{self, LOCK_FILE, Places};
use super::reader::{self, Outside, Reading};
use super::trust::Standing;

/// A configuration, read and decoded.
#[derive(Clone, Debug)]
pub struct Project {
    /// The caller.
    pub caller: Caller,
    /// Where files are looked for.
    pub places: Places,
    /// Every text that was read.
    pub sources: Sources,
    /// Paths of the files that exist, weakest first, with their layer.
    pub files: Vec<(PathBuf, Layer)>,
    /// All layers, merged.
    pub layered: Layered,
    /// The meaning of all layers.
    pub spec: Spec,
    /// The meaning of the layers that every machine shares: what the project's own image is made of.
    pub shared: Spec,
    /// Warnings so far.
    pub warnings: Problems,
    /// Options of the command line that configure.
    pub options: ContainerOptions,
    /// What the command line alone hands over.
    pub own: CommandLine,
    /// Imports of the project's files that lead out of the repository.
    pub outside: Vec<(String, Span)>,
    /// The project's `.npmrc`.
    pub npmrc: Option<SourceId>,
    /// The files of the repository that say versions.
    pub versions: VersionFiles,
    /// The versions that the project takes from them.
    pub taken: BTreeSet<Taken>,
    /// The mirrors that the user's own files name, whatever the project's say.
    own_mirrors: Mirrors,
    /// Whether the user trusts what is asked for.
    pub trust: Standing,
    /// Locks that were read: what was looked at once is what is used.
    pub locks: BTreeMap<PathBuf, Option<String>>,
    /// Files and folders of `copy` steps that were read.
    pub trees: BTreeMap<String, Tree>,
    /// Files that imports out of the repository brought, by index: no other machine has them.
    foreign: Vec<usize>,
    /// The files as they were read, for those who need to look at them under other facts.
    documents: Vec<File>,
    /// What conditions looked at.
    facts: Facts,
    /// The meanings for each agent, where a condition looks at the agent: of all layers, and of the shared ones.
    agents: BTreeMap<Name, (Spec, Spec)>,
}

/// Everything silo knows about one image.
#[derive(Debug)]
pub struct Compiled {
    /// The pinned image.
    pub locked: LockedImage,
    /// Stages and context.
    pub plan: Plan,
    /// What is hashed.
    pub preimage: Preimage,
    /// The identity.
    pub identity: Identity,
}

impl Compiled {
    /// The image's local reference.
    pub fn reference(&self) -> String {
        identity::reference(&self.plan, &self.identity)
    }

    /// The identity's first twelve digits, for people.
    pub fn short(&self) -> &str {
        self.identity.as_str().get(..12).unwrap_or_default()
    }
}

/// Which image is meant: the one every machine compiles alike, or the caller's with what their own files add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of the catalog and the committed files.
    Shared,
    /// Of all layers.
    Personal,
}

impl Project {
    /// Reads every layer and decodes it. All problems of all files come back at once. What is asked of the host and not trusted is not in it.
    pub fn load(directory: Option<&Path>, options: &ContainerOptions) -> Result<Project, Failure> {
        Project::load_editable(directory, options, &mut BTreeMap::new())
    }

    /// As [`Project::load`], noting the files that silo may change for its caller, whatever becomes of the configuration.
    pub fn load_editable(
        directory: Option<&Path>,
        options: &ContainerOptions,
        editable: &mut BTreeMap<SourceId, PathBuf>,
    ) -> Result<Project, Failure> {
        super::trust::settle(Project::read_editable(directory, options, Outside::Skip, editable)?)
    }

    /// Reads every layer and decodes it, with everything that is asked for.
    pub fn read(directory: Option<&Path>, options: &ContainerOptions, outside: Outside) -> Result<Project, Failure> {
        Project::read_editable(directory, options, outside, &mut BTreeMap::new())
    }

    fn read_editable(
        directory: Option<&Path>,
        options: &ContainerOptions,
        outside: Outside,
        editable: &mut BTreeMap<SourceId, PathBuf>,
    ) -> Result<Project, Failure> {
        let caller = Caller::read();
        let directory = match directory {
            Some(directory) => directory.to_path_buf(),
            None => std::env::current_dir().map_err(system("finding the working directory"))?,
        };
        let workspace = directory.canonicalize().map_err(system(format!("opening the directory {}", directory.display())))?;
        let places = Places::find(&caller, &workspace);
        let reading = reader::read(&caller, &places, options, outside);
        let Reading { mut sources, mut problems, files, paths, complete, origins, outside, foreign, npmrc, versions } = reading;
        editable.extend(origins.into_iter().filter(|(id, path)| is_editable(sources.get(*id).layer, path, &places)));
        let facts = facts::facts(&places.root, &files);

        let stop = |problems: Problems, sources: Sources| Failure::Problems { problems, sources: Box::new(sources) };
        // Files that can be read are looked at to the end, so that everything wrong is said at once; only what a stage says again about a
        // place that an earlier one complained of is left out.
        let settled = versions.settle(&files, &facts, &mut sources);
        let (layered, found) = layers::merge(&settled.files, &facts);
        problems.extend_new(found);
        problems.extend_new(settled.problems(&layered.nodes));
        problems.extend_new(contract::check(&layered.nodes));
        let (spec, found) = decode(&layered, &mut sources);
        // Where a file is missing, so may be what others refer to.
        if complete {
            problems.extend_new(found);
        }
        let Some(spec) = spec.filter(|_| !problems.has_errors()) else {
            return Err(stop(problems, sources));
        };
        // What the committed files say is among what all files say, so its problems were reported just now, unless another layer mends them.
        let (shared, found) = if foreign.is_empty() && files.iter().all(|file| file.layer.is_shared()) {
            (Some(spec.clone()), Problems::default())
        } else {
            let settled = versions.settle(&layers::shared(&files, &foreign), &facts, &mut sources);
            let (layered, _) = layers::merge(&settled.files, &facts);
            // The image that everybody builds keeps the contracts that everybody has, and has a version wherever it names a file for it.
            let mut broken = settled.problems(&layered.nodes);
            broken.extend(contract::check(&layered.nodes));
            let (spec, found) = decode(&layered, &mut sources);
            broken.extend(found);
            (spec, broken)
        };
        let Some(shared) = shared.filter(|_| !found.has_errors()) else {
            return Err(stop(found, sources));
        };
        let own_mirrors = own_mirrors(&spec, &files, &facts, &mut sources);
        let alone: Vec<File> = files.iter().filter(|file| file.layer == Layer::CommandLine).cloned().collect();
        let own = if alone.is_empty() { None } else { decode(&versions.merge(&alone, &facts, &mut sources).0, &mut sources).0 };
        let mut project = Project {
            caller,
            places,
            sources,
            files: paths,
            layered,
            spec,
            shared,
            warnings: problems,
            options: options.clone(),
            own: own.map(|own| CommandLine::of(&own.run)).unwrap_or_default(),
            outside,
            npmrc,
            versions,
            taken: settled.taken,
            own_mirrors,
            trust: Standing::Free,
            locks: BTreeMap::new(),
            trees: BTreeMap::new(),
            foreign,
            documents: files,
            facts,
            agents: BTreeMap::new(),
        };
        project.load_agents()?;
        Ok(project)
    }

    /// Reads the configuration once more for each agent, where that makes a difference.
    fn load_agents(&mut self) -> Result<(), Failure> {
        if !layers::dependencies(self.documents.iter().map(|file| &file.document)).contains("agent") {
            return Ok(());
        }
        let shared = layers::shared(&self.documents, &self.foreign);
        for agent in self.spec.run.agents.iter().map(|agent| agent.name.clone()).collect::<Vec<_>>() {
            let facts = Facts { agent: Some(agent.to_string()), ..self.facts.clone() };
            let all = self.meaning(&self.documents.clone(), &facts)?;
            let shared = self.meaning(&shared, &facts)?;
            self.agents.insert(agent, (all, shared));
        }
        Ok(())
    }

    /// What some files mean under some facts. A problem says under which, where they are not those of this machine.
    fn meaning(&mut self, files: &[File], facts: &Facts) -> Result<Spec, Failure> {
        let (layered, mut problems) = self.versions.merge(files, facts, &mut self.sources);
        let (spec, found) = decode(&layered, &mut self.sources);
        problems.extend_new(found);
        if let Some(spec) = spec.filter(|_| !problems.has_errors()) {
            return Ok(spec);
        }
        let place = layers::difference(facts, &self.facts);
        let mut told = Problems::default();
        for problem in problems.iter().cloned() {
            let message = if place.is_empty() { problem.message } else { format!("{} (where {place})", problem.message) };
            told.push(Problem { message, ..problem });
        }
        Err(Failure::Problems { problems: told, sources: Box::new(self.sources.clone()) })
    }

    /// What the lock of a scope has to answer: the image under every fact that its conditions look at. A committed lock holds for every
    /// machine, the caller's own for this one.
    pub fn lockable(&mut self, scope: Scope) -> Result<ImageSpec, Failure> {
        let (files, reach) = match scope {
            Scope::Shared => (layers::shared(&self.documents, &self.foreign), Reach::EveryMachine),
            Scope::Personal => (self.documents.clone(), Reach::ThisMachine),
        };
        let agents: Vec<String> = self.spec(scope).run.agents.iter().map(|agent| agent.name.to_string()).collect();
        let worlds = layers::worlds(&files, &self.facts, &agents, reach);
        let own = self.spec(scope).image.clone();
        let others: Vec<ImageSpec> =
            worlds[1..].iter().map(|facts| Ok(self.meaning(&files, facts)?.image)).collect::<Result<_, Failure>>()?;
        let (all, problems) = lock::union(&own, &others);
        if problems.has_errors() {
            return Err(Failure::Problems { problems, sources: Box::new(self.sources.clone()) });
        }
        Ok(all)
    }

    /// Warns where the committed files give one commit different images, on the host's system or in CI: what CI builds is then of no use to
    /// anybody else.
    pub fn split_identities(&mut self) -> Result<Problems, Failure> {
        let files = layers::shared(&self.documents, &self.foreign);
        let mut problems = Problems::default();
        for (name, span) in layers::conditions(&files, &["os", "host", "ci"]) {
            let mut other = self.facts.clone();
            match name.as_str() {
                "os" => other.os = if other.os == "linux" { "macos" } else { "linux" }.to_string(),
                "ci" => other.ci = !other.ci,
                _ => other.host = "another".to_string(),
            }
            let (here, there) = (self.meaning(&files, &self.facts.clone())?, self.meaning(&files, &other)?);
            if here.image != there.image {
                problems.push(
                    Problem::new(Code::SplitIdentity, format!("with this condition on `{name}`, one commit has several images"))
                        .at(span, "what CI builds, a laptop may not find")
                        .help("let it guard only what a container gets when it runs, such as `env` with `phase=run`, `pre_run`, `mount`, `resources`"),
                );
            }
        }
        Ok(problems)
    }

    /// The specification of a scope for one image, where conditions may look at the agent.
    pub fn spec_of(&self, scope: Scope, target: &Target) -> &Spec {
        match (target, scope) {
            (Target::Environment, _) => self.spec(scope),
            (Target::Agent(name), Scope::Personal) => self.agents.get(name).map_or(&self.spec, |(all, _)| all),
            (Target::Agent(name), Scope::Shared) => self.agents.get(name).map_or(&self.shared, |(_, shared)| shared),
        }
    }

    /// What all layers mean, for every image.
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        std::iter::once(&self.spec).chain(self.agents.values().map(|(all, _)| all))
    }

    /// Takes everything of the host out of every run but what the command line hands over.
    pub fn withhold(&mut self) {
        for spec in std::iter::once(&mut self.spec).chain(self.agents.values_mut().map(|(all, _)| all)) {
            spec.run = trust::withhold(&spec.run, &self.own);
            spec.mirrors.clone_from(&self.own_mirrors);
        }
    }

    /// Takes everything that is not the image's own out of every run, and the working directory with it: what is left tries an image out in
    /// an empty folder.
    pub fn detach(&mut self, folder: PathBuf) {
        self.withhold();
        for spec in std::iter::once(&mut self.spec).chain(self.agents.values_mut().map(|(all, _)| all)) {
            spec.run.mounts.clear();
            spec.run.caches.clear();
            for agent in &mut spec.run.agents {
                agent.state.clear();
                agent.mounts.clear();
            }
        }
        self.places.root.clone_from(&folder);
        self.places.workspace = folder;
    }

    /// The specification of a scope.
    pub fn spec(&self, scope: Scope) -> &Spec {
        match scope {
            Scope::Shared => &self.shared,
            Scope::Personal => &self.spec,
        }
    }

    /// Whether there is a `silo.kdl` of a project, rather than only the caller's own.
    pub fn is_committed(&self) -> bool {
        self.files.iter().any(|(_, layer)| matches!(layer, Layer::Project(_)))
    }

    /// Whether this is CI.
    pub fn is_ci(&self) -> bool {
        self.facts.ci
    }

    /// Which image commands of this directory are about: the project's own, the caller's when their own files change what is in it.
    pub fn image_scope(&self) -> Scope {
        let agents = self.agents.values();
        let same = same_image(&self.spec.image, &self.shared.image)
            && agents.into_iter().all(|(all, shared)| same_image(&all.image, &shared.image));
        if self.is_committed() && same { Scope::Shared } else { Scope::Personal }
    }

    /// The scope of the committed files, when there are any: what the same commit gives on every machine.
    pub fn committed_scope(&self) -> Scope {
        if self.is_committed() { Scope::Shared } else { Scope::Personal }
    }

    /// The image of one agent, or the one that is meant when none is named.
    pub fn one_target(&self, scope: Scope, name: Option<&str>) -> Result<Target, Failure> {
        match name {
            Some(name) => self.agent(name).map(Target::Agent),
            None => self.default_target(scope).ok_or_else(|| {
                let names: Vec<&str> = self.spec.run.agents.iter().map(|agent| agent.name.as_str()).collect();
                Failure::Usage {
                    message: "which agent? the configuration has several".to_string(),
                    help: Some(format!(
                        "name one of {}, or set a default: `use agent={}`",
                        names.join(", "),
                        names.first().unwrap_or(&"NAME")
                    )),
                }
            }),
        }
    }

    /// The images of a scope: of the agents named, else of all; the bare environment when there is no agent.
    pub fn targets(&self, scope: Scope, names: &[String]) -> Result<Vec<Target>, Failure> {
        if !names.is_empty() {
            return names.iter().map(|name| self.agent(name).map(Target::Agent)).collect();
        }
        let agents: Vec<Target> = self.spec(scope).image.agents.iter().map(|agent| Target::Agent(agent.name().clone())).collect();
        Ok(if agents.is_empty() { vec![Target::Environment] } else { agents })
    }

    /// The image that is meant when none is named, if that is clear.
    pub fn default_target(&self, scope: Scope) -> Option<Target> {
        if self.spec(scope).image.agents.is_empty() { Some(Target::Environment) } else { self.default_agent().map(Target::Agent) }
    }

    /// Where the lock of a scope lies: beside the nearest `silo.kdl` of the project; the caller's own additions in silo's state folder.
    pub fn lock_path(&self, scope: Scope) -> PathBuf {
        let project = self.files.iter().rev().find(|(_, layer)| matches!(layer, Layer::Project(_)));
        match (scope, project) {
            (Scope::Shared, Some((path, _))) => path.with_file_name(LOCK_FILE),
            (Scope::Shared, None) | (Scope::Personal, _) => self.state_directory().join(LOCK_FILE),
        }
    }

    /// Where silo keeps what belongs to this directory.
    pub fn state_directory(&self) -> PathBuf {
        self.caller.state_directory().join("projects").join(self.key())
    }

    /// A short text for this directory: its name and a hash of its path.
    pub fn key(&self) -> String {
        let path = self.places.root.display().to_string();
        let name: String = self
            .places
            .root
            .file_name()
            .map(|name| name.to_string_lossy().to_lowercase())
            .unwrap_or_default()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' })
            .take(24)
            .collect();
        let name = name.trim_matches('-');
        let hash = digest::sha256_hex(path.as_bytes());
        format!("{}-{}", if name.is_empty() { "root" } else { name }, &hash[..8])
    }

    /// Reads the lock of a scope, if there is one.
    pub fn read_lock(&mut self, scope: Scope) -> Result<Option<Lock>, Failure> {
        self.must_exist()?;
        let path = self.lock_path(scope);
        let name = files::display_name(&path, &self.places.workspace, &self.caller.home);
        let text = match self.locks.get(&path) {
            Some(known) => known.clone(),
            None => files::read_configuration(&path, &name, document::MAX_GENERATED_BYTES).map_err(|problem| self.stop(problem))?,
        };
        self.locks.insert(path, text.clone());
        let Some(text) = text else { return Ok(None) };
        let id = self.sources.add(Source { name, text: text.clone(), layer: Layer::Project(0) });
        let (lock, problems) = lock::parse(id, &text);
        if problems.has_errors() {
            return Err(Failure::Problems { problems, sources: Box::new(self.sources.clone()) });
        }
        self.warnings.extend(problems);
        Ok(lock)
    }

    /// Nothing can be built of nothing: without any file there is nothing to lock.
    pub fn must_exist(&self) -> Result<(), Failure> {
        if !self.files.is_empty() {
            return Ok(());
        }
        Err(Failure::Refused {
            message: format!("there is no {} here", files::FILE),
            help: Some("`silo init` writes one to start from".to_string()),
        })
    }

    /// A failure of one problem.
    pub fn stop(&self, problem: Problem) -> Failure {
        let mut problems = Problems::default();
        problems.push(problem);
        Failure::Problems { problems, sources: Box::new(self.sources.clone()) }
    }

    /// The lock of a scope, which must fit: nothing is resolved here, so no network is needed.
    pub fn fresh_lock(&mut self, scope: Scope) -> Result<Lock, Failure> {
        let lock = self.read_lock(scope)?;
        let name = self.lock_name(scope);
        match lock::state(&self.lockable(scope)?, lock.as_ref()) {
            LockState::Fresh => {}
            LockState::Missing => {
                return Err(
                    self.stop(Problem::new(Code::LockMissing, format!("there is no {name}")).help("run `silo lock` and commit the file"))
                );
            }
            LockState::Stale(changes) => {
                return Err(self.stop(
                    Problem::new(Code::LockStale, format!("{name} does not match the configuration: {}", changes.join("; ")))
                        .help("run `silo lock` and commit the file"),
                ));
            }
        }
        lock.ok_or(Failure::Said(super::failure::code::BUG))
    }

    /// The lock's file as people call it.
    pub fn lock_name(&self, scope: Scope) -> String {
        files::display_name(&self.lock_path(scope), &self.places.workspace, &self.caller.home)
    }

    /// Compiles one agent's image from a lock that fits.
    pub fn compile(&self, scope: Scope, lock: &Lock, target: &Target) -> Result<Compiled, Failure> {
        let (locked, problems) = lock::apply(&self.spec_of(scope, target).image, lock);
        let Some(locked) = locked.filter(|_| !problems.has_errors()) else {
            return Err(Failure::Problems { problems, sources: Box::new(self.sources.clone()) });
        };
        let files = self.repository_files(&locked)?;
        let (plan, problems) = plan::plan(&locked, target, &files);
        let Some(plan) = plan.filter(|_| !problems.has_errors()) else {
            return Err(Failure::Problems { problems, sources: Box::new(self.sources.clone()) });
        };
        let preimage = identity::preimage(&plan);
        let identity = preimage.identity();
        Ok(Compiled { locked, plan, preimage, identity })
    }

    /// The files and folders that `copy` steps name, read from the repository.
    fn repository_files(&self, locked: &LockedImage) -> Result<plan::Files, Failure> {
        plan::sources(locked)
            .into_iter()
            .map(|source| {
                let tree = match self.trees.get(&source) {
                    Some(known) => known.clone(),
                    None => files::read_tree(&self.places.root, &source).map_err(|problem| self.stop(problem))?,
                };
                Ok((source, tree))
            })
            .collect()
    }

    /// Refuses what only a Docker engine does when the configuration asks for another backend.
    pub fn needs_docker(&self) -> Result<(), Failure> {
        match self.spec.run.backend {
            None | Some(Backend::Docker) => Ok(()),
            Some(Backend::Apple) => Err(Failure::Refused {
                message: "the configuration asks for `use backend=apple`, and silo does not run Apple's tool itself".to_string(),
                help: Some("`silo compile --to apple -o DIR` writes what it builds and runs, or `SILO_BACKEND=docker`".to_string()),
            }),
        }
    }

    /// The container that runs a program in an image. `image_path` is the image's own `PATH`, when it is known.
    pub fn launch(&self, target: &Target, program: &Program, compiled: &Compiled, image_path: Option<String>) -> Result<Launch, Failure> {
        let agent = match target {
            Target::Agent(name) => Some(name.clone()),
            Target::Environment => None,
        };
        let start = Start { agent, program: program.clone() };
        let run = &self.spec_of(Scope::Personal, target).run;
        let wanted = run.env.iter().chain(run.agents.iter().flat_map(|agent| &agent.env));
        let env = wanted
            .filter(|variable| variable.value == EnvValue::Host)
            .filter_map(|variable| Some((variable.name.to_string(), std::env::var(variable.name.as_str()).ok()?)))
            .collect();
        let mut host = Host {
            uid: self.caller.uid,
            gid: self.caller.gid,
            user: self.caller.user.clone(),
            home: self.caller.home.display().to_string(),
            workspace: self.places.workspace.display().to_string(),
            git_common_directory: facts::git_common_directory(&self.places.workspace).map(|path| path.display().to_string()),
            git_identity: facts::git_identity(),
            env,
            existing: BTreeMap::new(),
            guarded: super::trust::guarded(&self.caller),
            state: self.state_directory().display().to_string(),
            certificates: facts::certificate_bundle().map(|path| path.display().to_string()),
            proxies: self.proxies().into_iter().filter(|(name, value)| name == "NO_PROXY" || !facts::is_loopback(value)).collect(),
            image_path,
            project: self.key(),
            unique: unique(),
            terminal: terminal(),
        };
        let real = |path: String| Some((path.clone(), Path::new(&path).canonicalize().ok()?.display().to_string()));
        host.existing = launch::paths(run, &start, &host).into_iter().filter_map(real).collect();
        let (launch, problems) = launch::launch(run, &start, &host, &compiled.identity);
        launch.filter(|_| !problems.has_errors()).ok_or_else(|| Failure::Problems { problems, sources: Box::new(self.sources.clone()) })
    }

    /// The proxies that this project's builds and containers use: one with a password only where that is trusted.
    pub fn proxies(&self) -> BTreeMap<String, String> {
        let kept = self.trust.is_withheld();
        facts::proxy_settings().into_iter().filter(|(_, value)| !(kept && facts::has_password(value))).collect()
    }

    /// The agent that is meant when none is named.
    pub fn default_agent(&self) -> Option<Name> {
        self.spec.run.default_agent.clone().or_else(|| match self.spec.run.agents.as_slice() {
            [only] => Some(only.name.clone()),
            [] | [_, _, ..] => None,
        })
    }

    /// The agent of a name, or an error that lists those there are.
    pub fn agent(&self, name: &str) -> Result<Name, Failure> {
        let names: Vec<&str> = self.spec.run.agents.iter().map(|agent| agent.name.as_str()).collect();
        if let Some(agent) = self.spec.run.agents.iter().find(|agent| agent.name.as_str() == name) {
            return Ok(agent.name.clone());
        }
        self.must_exist()?;
        let help = match silo::schema::nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => format!("no agent is configured: add `agent {name}` to {}", files::FILE),
            None => format!("configured are: {}; add `agent {name}` to {} for another", names.join(", "), files::FILE),
        };
        Err(Failure::Usage { message: format!("there is no agent `{name}` in this configuration"), help: Some(help) })
    }
}

/// Whether a file is the project's or the caller's own. One of the project may be a link, but not out of it.
fn is_editable(layer: Layer, path: &Path, places: &Places) -> bool {
    match layer {
        Layer::Project(_) | Layer::Local(_) => path.canonicalize().is_ok_and(|path| path.starts_with(&places.root)),
        Layer::User => true,
        Layer::Catalog | Layer::System | Layer::Above(_) | Layer::Repository | Layer::Environment | Layer::CommandLine => false,
    }
}

/// What the mirrors would be without the project's files, which only the user's trust lets name some.
fn own_mirrors(spec: &Spec, files: &[File], facts: &Facts, sources: &mut Sources) -> Mirrors {
    let is_own = |mirror: &Mirror| sources.get(mirror.origin.source).layer.is_operator();
    if spec.mirrors.iter().all(is_own) {
        return spec.mirrors.clone();
    }
    let nodes = layers::merge(&layers::own(files), facts).0.nodes;
    spec_decode::mirrors(&nodes, &Catalog::new(&nodes).0, sources)
}

/// Decodes a merged configuration with the built-in catalog and its own definitions.
fn decode(layered: &Layered, sources: &mut Sources) -> (Option<Spec>, Problems) {
    let (catalog, mut problems) = Catalog::new(&layered.nodes);
    let (spec, found) = spec_decode::decode(&layered.nodes, &catalog, sources);
    problems.extend(found);
    (spec, problems)
}

/// Eight hexadecimal digits that no other launch of this moment has.
fn unique() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    digest::sha256_hex(format!("{} {}", std::process::id(), now.as_nanos()).as_bytes())[..8].to_string()
}

/// Whether the caller sits at a terminal: both ends of it, since a terminal in the container needs both.
fn terminal() -> Terminal {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        let term = std::env::var("TERM").ok().filter(|term| !term.is_empty()).unwrap_or_else(|| "xterm-256color".to_string());
        Terminal::Interactive { term, colorterm: std::env::var("COLORTERM").ok().filter(|value| !value.is_empty()) }
    } else {
        Terminal::Pipe
    }
}
