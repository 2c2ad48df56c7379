//! What is newer than a lock's answers: versions only, nothing of it is downloaded.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use silo::lock::apt::solve::Role;
use silo::lock::difference::Subject;
use silo::lock::time::{Cutoff, Time};
use silo::lock::version::{Request, compare};
use silo::lock::{self, AptPackage, Artifact, CrateRole, Lock, LockedBase, Package, Query, go, pypi};
use silo::problem::{Code, Problem, Problems};
use silo::spec::{Component, ComponentId, ImageSpec, Kind, Step};

use super::chain;
use super::client::{Client, Freshness, Servers};
use super::component::Recipe;
use super::resolve::{Options, has_no_index, root};
use super::session::{Event, Kept, Session, Whose};

/// How something stands: what is locked, and what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What kind of thing it is.
    pub subject: Subject,
    /// What it is, in words: `language node`.
    pub name: String,
    /// What is locked; `None` when the lock does not have it.
    pub locked: Option<String>,
    /// The newest that is asked for, which `silo update` would lock; or why it is not known.
    pub allowed: Result<String, String>,
    /// The newest of all, or why it is not known; `None` where there is no such thing.
    pub newest: Option<Result<String, String>>,
    /// A newer one that is asked for and is not old enough.
    pub held: Option<Held>,
}

/// A version that is not old enough to be locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The version.
    pub version: String,
    /// When it was released.
    pub released: Time,
    /// When it is old enough.
    pub until: Time,
}

impl Standing {
    /// Whether `silo update` would lock something else.
    pub fn is_behind(&self) -> bool {
        self.allowed.as_ref().is_ok_and(|allowed| Some(allowed) != self.locked.as_ref())
    }
}

/// Looks at everything that a lock pins.
pub async fn outdated(
    spec: &ImageSpec,
    lock: &Lock,
    options: &Options<'_>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Vec<Standing>, Problems> {
    let freshness = match options.servers {
        Servers::Asked => Freshness::Asked,
        Servers::LeftAlone => Freshness::Kept,
    };
    let client = Client::new(options.surroundings.cache(), freshness).map_err(|error| {
        let mut problems = Problems::default();
        problems.push(Problem::new(Code::Unresolved, chain(&error)).at(spec.base.origin, ""));
        problems
    })?;
    let queries = lock::queries(spec);
    let client = client.of(options.surroundings).telling(progress);
    let cutoffs = |id: &ComponentId| options.cutoff(Some(id));
    let session = Session::new(client, options.surroundings, spec, Kept::default(), &cutoffs, progress);
    spec.components.iter().for_each(|one| session.learn(&one.id, lock.component(&one.id).map(|locked| locked.version.as_str())));
    let same = spec.base.reference == spec.fetch.reference && spec.base.from == spec.fetch.from;
    let asked = queries.iter().filter(|query| !(same && matches!(query, Query::Fetch { .. })));
    let looks = asked.map(|query| {
        let session = &session;
        async move { look(session, query, lock, options).await }
    });
    let found: Vec<Vec<Standing>> = futures_util::stream::iter(looks).buffered(queries.len().max(1)).collect().await;
    Ok(found.into_iter().flatten().collect())
}

async fn look(session: &Session<'_>, query: &Query, lock: &Lock, options: &Options<'_>) -> Vec<Standing> {
    let base = |what: &str, locked: &LockedBase, reference: &str, found: Result<LockedBase, String>| Standing {
        subject: Subject::Base,
        name: format!("{what} {reference}"),
        locked: (locked.reference == reference).then(|| locked.digest.clone()),
        allowed: found.map(|found| found.digest),
        newest: None,
        held: None,
    };
    match query {
        Query::Base { reference, from } => {
            vec![base("base", &lock.base, reference, root(session, Whose::Image, reference, *from, options).await)]
        }
        Query::Fetch { reference, from } => {
            vec![base("fetch stage's base", &lock.fetch, reference, root(session, Whose::Fetch, reference, *from, options).await)]
        }
        Query::Packages { names } => packages(session, Whose::Image, "package", &lock.packages, names).await,
        Query::FetchPackages { names } => packages(session, Whose::Fetch, "fetch stage's package", &lock.fetch_packages, names).await,
        Query::Layer { name, steps } => {
            let locked = lock.layers.iter().find(|layer| layer.name == *name).map(|layer| layer.artifacts.as_slice()).unwrap_or_default();
            layer(session, &lock::layer_words(name), steps, locked, options.cutoff(None)).await
        }
        Query::Component { id, request: _, installs: _, options: _ } => {
            let Some(component) = session.spec.all_components().find(|component| component.id == *id) else {
                return Vec::new();
            };
            session.asking(&id.to_string());
            let (cutoff, request) = (options.cutoff(Some(id)), component.request.as_str());
            let floats = !matches!(Request::parse(request), Request::Latest(_));
            let newest = async { if floats { Some(version(session, component, "latest", Cutoff::NONE).await) } else { None } };
            let (allowed, fitting, newest) = futures_util::join!(
                version(session, component, request, cutoff),
                version(session, component, request, Cutoff::NONE),
                newest
            );
            let locked = lock.component(id).map(|locked| locked.version.clone());
            let allowed = allowed.map(|(allowed, _)| allowed);
            // What is locked is kept while it can be had, even when it is too young itself.
            let allowed = match (locked.as_ref().filter(|_| lock::change(query, lock).is_none()), &fitting) {
                (Some(locked), Ok((fitting, _)))
                    if compare(locked, fitting).is_le() && allowed.as_ref().map_or(true, |allowed| compare(locked, allowed).is_gt()) =>
                {
                    Ok(locked.clone())
                }
                (Some(_) | None, _) => allowed,
            };
            let held = match (&allowed, &fitting) {
                (allowed, Ok((version, Some(released))))
                    if !cutoff.allows(Some(*released)) && allowed.as_ref().map_or(true, |allowed| compare(version, allowed).is_gt()) =>
                {
                    Some(Held { version: version.clone(), released: *released, until: cutoff.ripe(*released) })
                }
                (_, _) => None,
            };
            let newest = newest.unwrap_or(fitting).map(|(newest, _)| newest);
            // Someone who asks for what comes before a release may have what is newer than the newest release.
            let newest = match (&allowed, newest) {
                (Ok(allowed), Ok(newest)) if compare(allowed, &newest).is_gt() => Ok(allowed.clone()),
                (_, newest) => newest,
            };
            vec![Standing { subject: Subject::Component, name: id.to_string(), locked, allowed, newest: Some(newest), held }]
        }
    }
}

/// Every package that blocks ask for, and of the others those that have a newer version.
async fn packages(session: &Session<'_>, whose: Whose, what: &str, locked: &[Package], names: &[String]) -> Vec<Standing> {
    if names.is_empty() && locked.is_empty() {
        return Vec::new();
    }
    let standing = |name: &str, locked: Option<String>, allowed: Result<String, String>| Standing {
        subject: Subject::Package,
        name: name.to_string(),
        locked,
        allowed,
        newest: None,
        held: None,
    };
    let found = async { Ok::<_, String>((session.packages(whose, names.iter().map(String::as_str)).await?, session.stock(whose).await?)) };
    let (asked, stock) = match found.await {
        Ok(found) => found,
        Err(reason) => return vec![standing(&format!("{what}s"), None, Err(reason))],
    };
    let of = |name: &str| locked.iter().find(|package| package.pin.name == name).map(|package| package.pin.version());
    let mut list: Vec<Standing> =
        asked.iter().map(|pin| standing(&format!("{what} {}", pin.name), of(&pin.name), Ok(pin.version()))).collect();
    // Those that components ask for are looked at with these.
    for Package { pin, files: _, needs: _, role: _ } in locked.iter().filter(|package| package.role != Role::Asked) {
        let newest = AptPackage { name: pin.name.clone(), versions: stock.versions(&pin.name, None) };
        if newest != *pin && !newest.versions.is_empty() {
            list.push(standing(&format!("{what} {}", pin.name), Some(pin.version()), Ok(newest.version())));
        }
    }
    list
}

/// The packages of npm, PyPI, Go and the crates' registry that a block names; files of URLs have no versions.
async fn layer(session: &Session<'_>, block: &str, steps: &[Step], locked: &[Artifact], cutoff: Cutoff) -> Vec<Standing> {
    let (arch, options) = (BTreeMap::new(), BTreeMap::new());
    let steps: Vec<Step> = steps
        .iter()
        .filter(|step| matches!(step, Step::Npm { .. } | Step::Pip { .. } | Step::Go { .. } | Step::Cargo { .. }))
        .cloned()
        .collect();
    if steps.is_empty() {
        return Vec::new();
    }
    let recipe = Recipe { request: None, steps: &steps, versions: None, arch: &arch, options: &options, apt: None, cutoff };
    let is_go = |step: &Step| matches!(step, Step::Go { .. });
    let others: Vec<Step> = steps.iter().filter(|step| !is_go(step)).cloned().collect();
    let found = match others.is_empty() {
        true => Ok(Vec::new()),
        false => Recipe { steps: &others, ..recipe }.find(session).await.map(|found| found.artifacts),
    };
    // Their checksums are of no use here, and may cost their archives.
    let modules = match steps.iter().any(is_go) {
        true => recipe.go_versions(session).await,
        false => Ok(BTreeMap::new()),
    };
    let version = |list: &[Artifact], step: &Step, name: &str| {
        list.iter().find_map(|artifact| match (artifact, step) {
            (Artifact::Npm(package), Step::Npm { .. }) if package.path == format!("node_modules/{name}") => Some(package.version.clone()),
            (Artifact::Wheel { name: wheel, version, .. }, Step::Pip { .. }) if *wheel == pypi::normalized(name) => Some(version.clone()),
            (Artifact::Module(module), Step::Go { .. }) if module.has(name) => Some(go::bare(&module.module.version).to_string()),
            (Artifact::Crate { name: program, version, role: CrateRole::Program, .. }, Step::Cargo { .. }) if program == name => {
                Some(version.clone())
            }
            (Artifact::Npm(_) | Artifact::Wheel { .. } | Artifact::Module(_) | Artifact::Crate { .. }, _) => None,
            (Artifact::Apt(_) | Artifact::File { .. }, _) => None,
        })
    };
    let mut list = Vec::new();
    for step in &steps {
        let packages = match step {
            Step::Npm { packages } | Step::Pip { packages } | Step::Go { packages } | Step::Cargo { packages, features: _ } => packages,
            Step::Apt { .. } | Step::Download { .. } | Step::Copy { .. } | Step::Run(_) => continue,
            Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => continue,
        };
        for package in packages {
            let name = package.name.0.split('[').next().unwrap_or_default();
            let newest = match step {
                Step::Go { .. } => modules.as_ref().map(|modules| modules.get(name).cloned()),
                Step::Npm { .. }
                | Step::Pip { .. }
                | Step::Cargo { .. }
                | Step::Apt { .. }
                | Step::Download { .. }
                | Step::Copy { .. }
                | Step::Run(_) => found.as_ref().map(|found| version(found, step, name)),
                Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => continue,
            };
            let allowed = match newest {
                Ok(version) => version.ok_or_else(|| "it is not among what would be downloaded".to_string()),
                Err(reason) => Err(reason.clone()),
            };
            list.push(Standing {
                subject: Subject::Layer,
                name: format!("{block}: {name}"),
                locked: version(locked, step, name),
                allowed,
                newest: None,
                held: None,
            });
        }
    }
    list
}

/// The version that a request means today: by the first of the component's sources that knows, as a lock is made.
async fn version(session: &Session<'_>, component: &Component, request: &str, cutoff: Cutoff) -> Result<(String, Option<Time>), String> {
    let Component { id, request: _, installs, options, env: _, checks: _, cause: _, origin: _ } = component;
    let parsed = Request::parse(request);
    let whose = if id.kind == Kind::Client { Whose::Fetch } else { Whose::Image };
    let mut reasons = Vec::new();
    for install in installs {
        if install.versions.is_none() && has_no_index(&install.steps) {
            match parsed.exact() {
                Some(exact) => return Ok((exact.to_string(), None)),
                None => reasons.push(format!("`{}`: it has no list of its versions", install.source)),
            }
            continue;
        }
        let downloads = install.steps.iter().any(|step| matches!(step, Step::Download { .. }));
        let knows = |step: &&Step| match step {
            Step::Npm { .. } | Step::Pip { .. } | Step::Go { .. } | Step::Cargo { .. } => true,
            Step::Apt { .. } => !downloads,
            Step::Download { .. } | Step::Copy { .. } | Step::Run(_) | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => false,
        };
        let steps: Vec<Step> = install.steps.iter().filter(knows).cloned().collect();
        let recipe = Recipe {
            request: Some(request),
            steps: &steps,
            versions: install.versions.as_ref(),
            arch: &install.arch,
            options,
            apt: Some(whose),
            cutoff,
        };
        let npm = recipe.packages(|step| if let Step::Npm { packages } = step { Some(packages) } else { None });
        let found = match recipe.npm_version(session, &parsed, &npm).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) if steps.iter().all(|step| matches!(step, Step::Go { .. })) && !steps.is_empty() => recipe.go_version(session).await,
            Ok(None) => recipe.find(session).await.map(|found| (found.version, found.released)),
            Err(reason) => Err(reason),
        };
        match found {
            Ok(found) => return Ok(found),
            Err(reason) => reasons.push(format!("`{}`: {reason}", install.source)),
        }
    }
    Err(if reasons.is_empty() { "there is no source to install it from".to_string() } else { reasons.join("; ") })
}
