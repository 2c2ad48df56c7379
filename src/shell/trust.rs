//! Whether the user trusts a project: what it contributes, what was trusted before, and the question.
//!
//! The decision is made on the texts that were read for this very run. What is not trusted is taken out of the run, and the whole is kept
//! beside it, so that what was shown is what runs when the user says yes.

mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use silo::detect::Taken;
use silo::lock::LockedImage;
use silo::source::{Layer, SourceId, Span};
use silo::spec::{Hook, Name};
use silo::trust::{self, Closure, ClosureFile, Digest, Inside, Record, Request, Role, Screen, What};

use super::facts::{self, Caller};
use super::failure::{Failure, system};
use super::fetch::secrets::{Keep, Secret};
use super::fetch::{self, CratesIndex, Expansion, Surroundings};
use super::files;
use super::project::{Project, Scope};
use super::reader::Outside;
use super::ui::Ui;

pub use store::Store;

/// Whether a configuration gets what it asks of the host.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It asks for nothing, or no project has a say in it.
    Free,
    /// The user trusts it.
    Trusted(Box<Asked>),
    /// It does not.
    Withheld(Box<Withheld>),
}

/// A configuration that does not get what it asks for.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// What it asks for, and whether the host has it.
    requests: Vec<(Request, bool)>,
    /// The same configuration with all that it asks for; `None` where files outside the repository would have to be read for it.
    whole: Option<(Asked, Project)>,
}

/// What a project contributes and asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The project's folder, links resolved.
    pub folder: PathBuf,
    /// What it asks for, and whether the host has it.
    pub requests: Vec<(Request, bool)>,
    /// What it contributes.
    pub closure: Closure,
    /// Its digest.
    pub digest: Digest,
    /// What runs with that in reach.
    inside: Inside,
    /// What was trusted here before.
    before: Option<Record>,
}

impl Standing {
    /// Whether something is kept from the project.
    pub fn is_withheld(&self) -> bool {
        match self {
            Standing::Free | Standing::Trusted(_) => false,
            Standing::Withheld(_) => true,
        }
    }

    /// Whether the package managers' logins are kept from builds.
    pub fn keeps_logins(&self) -> bool {
        match self {
            Standing::Free | Standing::Trusted(_) => false,
            Standing::Withheld(withheld) => withheld.requests.iter().any(|(request, _)| matches!(request.what, What::Logins(_))),
        }
    }

    /// How many things of the host are kept from the project.
    pub fn kept(&self) -> usize {
        match self {
            Standing::Free | Standing::Trusted(_) => 0,
            Standing::Withheld(withheld) => withheld.requests.iter().filter(|(_, present)| *present).count(),
        }
    }
}

impl Asked {
    /// Everything about a project that was read with its imports. Its lock and the files it copies are read here, and kept in it.
    pub fn of(project: &mut Project) -> Asked {
        let root = project.places.root.clone();
        let mut contributed: Vec<ClosureFile> = project
            .sources
            .iter()
            .filter(|(_, source)| matches!(source.layer, Layer::Project(_) | Layer::Local(_)))
            .filter(|(id, source)| source.name != project.lock_name(Scope::Shared) && !project.versions.is_read(*id))
            .map(|(id, source)| ClosureFile {
                path: below(&root, &named(project, &source.name)),
                role: if project.npmrc == Some(id) { Role::Registries } else { Role::Configuration },
                bytes: source.text.clone().into_bytes(),
            })
            .collect();
        contributed.extend(version_files(project, &root));
        let mut base = project.spec.image.base.reference.clone();
        if project.is_committed() {
            // One that cannot be read stops whatever needs it.
            let lock = project.read_lock(Scope::Shared).ok().flatten();
            let path = project.lock_path(Scope::Shared);
            if let Some(text) = project.locks.get(&path).cloned().flatten() {
                contributed.push(ClosureFile { path: below(&root, &path), role: Role::Lock, bytes: text.into_bytes() });
            }
            match lock {
                Some(lock) if lock.base.reference == base => base = format!("{base} ({})", lock.base.digest),
                Some(_) | None => base.push_str(" (not in the lock)"),
            }
        }
        let sources: BTreeSet<String> = project.specs().flat_map(|spec| trust::copies(&spec.image)).collect();
        for source in sources {
            match files::read_tree(&root, &source) {
                Ok(tree) => {
                    for (inside, file) in &tree {
                        let path = root.join(&source).join(inside);
                        let role = Role::Copied { executable: file.mode & 0o111 != 0 };
                        contributed.push(ClosureFile { path: below(&root, &path), role, bytes: file.bytes.clone() });
                    }
                    project.trees.insert(source, tree);
                }
                Err(_) => contributed.push(ClosureFile { path: source, role: Role::Missing, bytes: Vec::new() }),
            }
        }
        let closure = Closure::new(contributed);
        let digest = closure.digest();
        let folder = folder(project).unwrap_or_else(|| project.places.workspace.clone());
        let before = Store::of(&project.caller).read(&folder);
        let requests = requests(project);
        let inside = Inside { base, agents: agents(project), hooks: hooks(project), network: network(project).to_string() };
        Asked { folder, requests, closure, digest, inside, before }
    }

    /// Whether the store has just this content in just this place, and showed all that is asked for now.
    fn is_recorded(&self) -> bool {
        let shown = |record: &Record| self.requests.iter().all(|(request, present)| !present || record.requests.contains(&request.text()));
        self.before.as_ref().is_some_and(|record| record.covers(&self.folder.display().to_string(), &self.digest) && shown(record))
    }

    /// Whether it is trusted: by the digest that the caller names, which then alone decides, or by what was stored.
    pub fn is_trusted(&self, named: Option<&Digest>) -> bool {
        named.map_or_else(|| self.is_recorded(), |named| *named == self.digest)
    }

    /// What is stored when the user says yes.
    fn record(&self) -> Record {
        let requests = self.requests.iter().map(|(request, _)| request.text()).collect();
        Record::new(self.folder.display().to_string(), &self.closure, requests)
    }

    /// Stores it.
    pub fn store(&self, caller: &Caller) -> Result<(), Failure> {
        Store::of(caller).write(&self.folder, &self.record()).map_err(system("storing what is trusted"))
    }

    /// All of it, for people. `project` is the one it is about.
    pub fn screen(&self, project: &Project) -> String {
        let now = self.record();
        let difference = self.before.as_ref().map(|before| trust::difference(before, &now)).filter(|difference| !difference.is_empty());
        let mut files: Vec<String> = self.closure.files().iter().map(|file| file.path.clone()).collect();
        files.dedup();
        trust::screen(&Screen {
            project: &self.folder.display().to_string(),
            requests: &self.requests,
            inside: &self.inside,
            files: &files,
            digest: &self.digest,
            difference: difference.as_ref(),
            sources: &project.sources,
        })
    }
}

/// Of each file that says versions those that are taken from it, a line each: all that it has a say in.
fn version_files(project: &Project, root: &Path) -> Vec<ClosureFile> {
    let mut lines: BTreeMap<SourceId, String> = BTreeMap::new();
    for Taken { file, of, version } in &project.taken {
        let text = lines.entry(*file).or_default();
        text.push_str(&format!("{of} {version}\n"));
    }
    let file = |(id, text): (SourceId, String)| ClosureFile {
        path: below(root, &named(project, &project.sources.get(id).name)),
        role: Role::Versions,
        bytes: text.into_bytes(),
    };
    lines.into_iter().map(file).collect()
}

/// Takes what is not trusted out of a project that was read without the imports that lead out of the repository.
pub fn settle(plain: Project) -> Result<Project, Failure> {
    let named = named_digest(&plain)?;
    let requests = requests(&plain);
    let Some(folder) = folder(&plain) else { return Ok(plain) };
    if named.is_none() && !requests.iter().any(|(_, present)| *present) {
        return Ok(plain);
    }
    let whole = if plain.outside.is_empty() {
        Some(plain.clone())
    } else if named.is_some() || Store::of(&plain.caller).read(&folder).is_some() {
        // What is wrong with files that may not be read is said when they may.
        followed(&plain).ok()
    } else {
        None
    };
    let whole = whole.map(|mut whole| (Asked::of(&mut whole), whole));
    let whole = match whole {
        Some((asked, mut whole)) if asked.is_trusted(named.as_ref()) => {
            whole.trust = Standing::Trusted(Box::new(asked));
            return Ok(whole);
        }
        other => other,
    };
    let mut project = plain;
    let asked: Vec<Request> = requests.iter().map(|(request, _)| request.clone()).collect();
    project.warnings.extend(trust::warnings(&asked, &project.sources));
    project.withhold();
    project.trust = Standing::Withheld(Box::new(Withheld { requests, whole }));
    Ok(project)
}

/// The same project with the files outside of its repository that it imports.
fn followed(project: &Project) -> Result<Project, Failure> {
    Project::read(Some(&project.places.workspace), &project.options, Outside::Follow)
}

/// Before a container of an agent starts: the project with all that it asks for, when it is trusted or the user says so now; as it is, when
/// nothing that this container would get is asked for; else nothing runs.
pub fn ask(ui: &Ui, project: Project, agent: Option<&Name>) -> Result<Project, Failure> {
    let Standing::Withheld(withheld) = &project.trust else { return Ok(project) };
    let named = named_digest(&project)?;
    let (asked, mut whole) = match &withheld.whole {
        Some((asked, whole)) => (asked.clone(), whole.clone()),
        None => {
            let mut whole = followed(&project)?;
            (Asked::of(&mut whole), whole)
        }
    };
    if let Some(named) = named {
        return Err(Failure::Refused {
            message: format!("the project's files have the digest {}, and only {named} is to be trusted", asked.digest),
            help: Some("look at what changed, then name the digest that `silo trust --digest` prints".to_string()),
        });
    }
    if !asked.requests.iter().any(|(request, present)| *present && request.concerns(agent)) {
        return Ok(project);
    }
    ui.show(&asked.screen(&whole));
    if !ui.can_ask() {
        return Err(Failure::Refused {
            message: format!("{} and nothing was started", untrusted(&asked)),
            help: Some(format!(
                "`{}` trusts it as shown; where nobody can be asked, SILO_TRUST={} trusts just this content",
                command(&asked, " --yes"),
                asked.digest
            )),
        });
    }
    if !ui.confirm("trust this, and go on?")? {
        return Err(Failure::Refused { message: "it is not trusted, and nothing was started".to_string(), help: None });
    }
    asked.store(&whole.caller)?;
    whole.trust = Standing::Trusted(Box::new(asked));
    Ok(whole)
}

/// Why nothing is started, up to its `and`.
pub fn untrusted(asked: &Asked) -> String {
    match asked.before {
        None => "the project asks for the above, which you have not trusted,".to_string(),
        Some(_) => "the project is another than the one that you trusted,".to_string(),
    }
}

/// The command that trusts a project, to be typed anywhere.
pub fn command(asked: &Asked, more: &str) -> String {
    let folder = asked.folder.display().to_string();
    let plain = folder.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c));
    let folder = if plain { folder } else { format!("'{}'", folder.replace('\'', r"'\''")) };
    format!("silo -C {folder} trust{more}")
}

/// A lock that silo itself wrote for a project that is trusted is trusted with it, so that `silo lock` needs no second look.
pub fn carry(project: &mut Project, path: &Path, text: &str) -> Result<(), Failure> {
    project.locks.insert(path.to_path_buf(), Some(text.to_string()));
    let Standing::Trusted(asked) = &project.trust else { return Ok(()) };
    if !asked.is_recorded() || path != project.lock_path(Scope::Shared) {
        return Ok(());
    }
    let lock = ClosureFile { path: below(&project.places.root, path), role: Role::Lock, bytes: text.as_bytes().to_vec() };
    let others = asked.closure.files().iter().filter(|file| file.role != Role::Lock).cloned();
    let closure = Closure::new(others.chain([lock]).collect());
    let asked = Asked { digest: closure.digest(), closure, ..(**asked).clone() };
    asked.store(&project.caller)
}

/// What a project's things are looked up with.
pub fn surroundings(project: &Project) -> Surroundings {
    Surroundings::of_process(npmrc(project), project.spec.mirrors.clone())
}

/// What a build gets besides its context, and no identity: the host's certificate authorities, the clients' own configuration, mirrors.
pub async fn secrets(project: &Project, image: &LockedImage) -> BTreeMap<String, Secret> {
    let keep = if project.trust.keeps_logins() { Keep::Logins } else { Keep::Nothing };
    let surroundings = surroundings(project);
    let mirrors = [&image.distribution, &image.fetch_distribution].map(|distribution| fetch::mirrors(&surroundings, distribution));
    let mut archives: Vec<String> = mirrors.into_iter().flatten().map(|uri| format!("mirror {uri}\n")).collect();
    let snapshots = fetch::snapshot::addresses(&surroundings, &image.snapshots, None);
    archives.extend(snapshots.iter().map(|uri| format!("snapshot {uri}\n")));
    archives.extend(fetch::snapshot::moments(&image.snapshots).map(|moment| format!("moment {moment}\n")));
    // Where this machine does not know it, the image's own Cargo may.
    let crates = if image.has_crates() { CratesIndex::find(&surroundings).await.ok() } else { None };
    fetch::secrets::secrets(&surroundings, facts::certificate_bundle(), &archives, crates.as_ref(), keep)
}

/// The project's `.npmrc`, and whether it gets the values of the host that it asks for.
fn npmrc(project: &Project) -> Option<(String, Expansion)> {
    let text = project.sources.get(project.npmrc?).text.clone();
    Some((text, if project.trust.is_withheld() { Expansion::Withheld } else { Expansion::Host }))
}

/// Folders that no container may write to: what is trusted is written there, and what the user's own configuration says.
pub fn guarded(caller: &Caller) -> Vec<String> {
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path).display().to_string();
    [caller.state_directory(), caller.config_directory()].map(real).to_vec()
}

/// Whether the caller names the one content that is to run.
pub fn is_named(project: &Project) -> bool {
    project.options.trust.is_some() || std::env::var_os("SILO_TRUST").is_some_and(|value| !value.is_empty())
}

/// The digest that the caller names on the command line, or in `SILO_TRUST`.
fn named_digest(project: &Project) -> Result<Option<Digest>, Failure> {
    let variable = || std::env::var("SILO_TRUST").ok().filter(|text| !text.is_empty());
    let Some(text) = project.options.trust.clone().or_else(variable) else { return Ok(None) };
    Digest::parse(&text).map(Some).ok_or_else(|| Failure::Usage {
        message: format!("`{text}` is not the digest of a project"),
        help: Some("`silo trust --digest` prints it: sha256: and 64 digits".to_string()),
    })
}

/// The folder that trust is about: that of the nearest file of the project; `None` when no project has a say.
pub fn folder(project: &Project) -> Option<PathBuf> {
    let file = project.files.iter().rev().find(|(_, layer)| matches!(layer, Layer::Project(_) | Layer::Local(_)));
    let asks = !registries(project).is_empty();
    file.and_then(|(path, _)| path.parent().map(Path::to_path_buf)).or_else(|| asks.then(|| project.places.workspace.clone()))
}

/// Everything that is asked for, and whether the host has it. What a project's file asks for counts as there.
fn requests(project: &Project) -> Vec<(Request, bool)> {
    let mut found: Vec<Request> = Vec::new();
    for spec in project.specs() {
        let more = trust::requests(spec, &project.own, &project.sources);
        found.extend(more.into_iter().filter(|request| !found.contains(request)).collect::<Vec<_>>());
    }
    let import = |(name, span): &(String, Span)| Request { what: What::Import(name.clone()), agent: None, origin: Some(*span) };
    found.extend(project.outside.iter().map(import));
    found.extend(registries(project));
    let proxies = facts::proxy_settings().into_iter().filter(|(_, value)| facts::has_password(value));
    found.extend(proxies.map(|(name, _)| Request { what: What::Proxy(name), agent: None, origin: None }));
    found
        .into_iter()
        .map(|request| {
            let present = match &request.what {
                What::Variable(name) => request.is_of_project(&project.sources) || std::env::var_os(name.as_str()).is_some(),
                What::Mount { .. } | What::Import(_) | What::Registry(_) | What::Logins(_) | What::Proxy(_) | What::Mirror { .. } => true,
            };
            (request, present)
        })
        .collect()
}

/// Values of the host that the project's `.npmrc` asks for.
fn registries(project: &Project) -> Vec<Request> {
    let Some(source) = project.npmrc else { return Vec::new() };
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let variables = trust::registry_variables(&project.sources.get(source).text);
    variables
        .into_iter()
        .map(|(name, range)| Request {
            what: What::Registry(name),
            agent: None,
            origin: Some(Span { source, start: offset(range.start), end: offset(range.end) }),
        })
        .collect()
}

fn agents(project: &Project) -> Vec<String> {
    project.spec.run.agents.iter().map(|agent| agent.name.to_string()).collect()
}

/// The project's scripts.
fn hooks(project: &Project) -> Vec<(&'static str, Vec<Span>)> {
    let own = |hooks: Vec<&Hook>| -> Vec<Span> {
        let spans = hooks.into_iter().map(|hook| hook.origin);
        spans.filter(|span| !project.sources.get(span.source).layer.is_operator()).collect()
    };
    let (image, run) = (&project.spec.image, &project.spec.run);
    let post_build = image.post_build.iter().chain(image.agents.iter().flat_map(|agent| &agent.post_build));
    let pre_run = run.pre_run.iter().chain(run.agents.iter().flat_map(|agent| &agent.pre_run));
    vec![
        ("pre_build", own(image.pre_build.iter().collect())),
        ("post_build", own(post_build.collect())),
        ("pre_run", own(pre_run.collect())),
    ]
}

fn network(project: &Project) -> &'static str {
    if project.options.no_network { "no network" } else { "the open network" }
}

/// The file that a source was read from, by what people call it.
fn named(project: &Project, name: &str) -> PathBuf {
    match name.strip_prefix("~/") {
        Some(rest) => project.caller.home.join(rest),
        None => project.places.workspace.join(name),
    }
}

/// A path relative to the repository's root, so that every checkout has the same; absolute when it lies outside.
fn below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string().trim_end_matches('/').to_string()
}
