//! The whole lock: what the old one still answers is kept, the rest is looked up, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use futures_util::StreamExt;
use silo::lock::apt::solve::Role;
use silo::lock::package::of_components;
use silo::lock::time::{Cutoff, Time};
use silo::lock::version::{Request, compare};
use silo::lock::{self, ImageDigests, Lock, LockedBase, LockedComponent, LockedLayer, Package, Query};
use silo::plan;
use silo::problem::{Code, Problem, Problems};
use silo::source::Span;
use silo::spec::{Arch, BaseFrom, Component, ComponentId, ImageSpec, Kind, LockPolicy, Name, Step};

use super::chain;
use super::client::{Client, Freshness, Servers};
use super::component::{Found, Recipe};
use super::endpoint::Surroundings;
use super::packages;
use super::session::{Event, Kept, Looked, Session, Whose};

/// Which answers of an old lock are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// All whose question is the same.
    Changed,
    /// Those as well, but not of these parts.
    Only(BTreeSet<Part>),
    /// None.
    All,
}

/// A part of a lock that can be looked up anew by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The root file systems, the distribution's packages, and what the `base` block downloads.
    Base,
    /// The distribution's packages, those of components among them: all are of one state of its archive.
    Packages,
    /// What a `layer` block downloads.
    Layer(Name),
    /// A component.
    Component(ComponentId),
}

impl Part {
    /// Whether a query is about this part, by what the old lock answered it with.
    fn is_of(&self, query: &Query, old: &Lock) -> bool {
        match (self, query) {
            (Part::Base, Query::Base { .. } | Query::Fetch { .. } | Query::Packages { .. } | Query::FetchPackages { .. }) => true,
            (Part::Packages, Query::Packages { .. } | Query::FetchPackages { .. }) => true,
            (Part::Base, Query::Layer { name, steps: _ }) => name.is_none(),
            (Part::Layer(this), Query::Layer { name, steps: _ }) => name.as_ref() == Some(this),
            (Part::Component(this), Query::Component { id, request: _, installs: _, options: _ }) => this == id,
            (Part::Base | Part::Packages, Query::Component { id, request: _, installs: _, options: _ }) => {
                old.component(id).is_some_and(LockedComponent::is_packaged)
            }
            (Part::Packages, Query::Base { .. } | Query::Fetch { .. } | Query::Layer { .. }) => false,
            (Part::Layer(_) | Part::Component(_), _) => false,
        }
    }
}

impl Options<'_> {
    /// Which versions of a component are old enough; those of blocks that are no component when none is named.
    pub(super) fn cutoff(&self, id: Option<&ComponentId>) -> Cutoff {
        self.now.map_or(Cutoff::NONE, |now| Cutoff::of_age(now, self.policy.age(id)))
    }
}

/// An image that is being looked up.
pub type Image<'a> = Pin<Box<dyn Future<Output = Result<ImageDigests, String>> + Send + 'a>>;

/// How to look things up.
pub struct Options<'a> {
    /// What endpoints are found from.
    pub surroundings: &'a Surroundings,
    /// What to look up again.
    pub update: Update,
    /// Whether servers may be asked, or just what they said before is used.
    pub servers: Servers,
    /// How old versions have to be.
    pub policy: &'a LockPolicy,
    /// What they are so old at; `None` when their age does not count.
    pub now: Option<Time>,
    /// Asks a registry of images what a reference stands for, or why not.
    pub resolve_image: &'a (dyn Fn(&str) -> Image<'a> + Sync),
}

fn unresolved(message: String, origin: Span) -> Problem {
    Problem::new(Code::Unresolved, message).at(origin, "")
}

/// Says what helps where nothing may be asked.
fn connect(problem: &mut Problem) {
    if problem.code == Code::Unresolved {
        problem.help = Some(
            "silo is offline (--offline, --frozen or SILO_OFFLINE) and asks no server; run the same once without that: what servers answer is kept"
                .to_string(),
        );
    }
}

/// Says what helps against a certificate that nobody vouches for. The word is that of rustls' `CertificateError`.
fn vouch(problem: &mut Problem) {
    if problem.code == Code::Unresolved && problem.message.contains("UnknownIssuer") {
        problem.help = Some(
            "no authority that this machine trusts has signed the server's certificate; behind a proxy that opens connections, add the proxy's \
             authority to the system's certificates, or name a file with all of them in SSL_CERT_FILE"
                .to_string(),
        );
    }
}

/// One problem for each reason, at all the places that it concerns.
fn together(said: Vec<Problem>) -> Vec<Problem> {
    let mut out: Vec<Problem> = Vec::new();
    for problem in said {
        match out.iter_mut().find(|known| (known.code, &known.message, &known.help) == (problem.code, &problem.message, &problem.help)) {
            Some(known) => known.labels.extend(problem.labels),
            None => out.push(problem),
        }
    }
    out
}

/// What keeps every component with such steps from being found, whatever its version: a server that cannot be reached.
async fn obstacle(session: &Session<'_>, steps: &[Step], whose: Whose) -> Option<Problem> {
    let unreachable = |client: &Client<'_>, url: &str, help: &str| {
        let (server, why) = client.unreachable(url)?;
        Some(Problem::new(Code::Unresolved, format!("cannot reach {server}: {why}")).help(help))
    };
    for step in steps {
        let found = match step {
            Step::Npm { packages } => {
                let (endpoint, client) = (session.npm_endpoint().await.ok()?, session.npm_client().await.ok()?);
                let mut urls = packages.iter().map(|package| endpoint.document(&package.name.0).0);
                urls.find_map(|url| unreachable(client, &url, "check the network, and HTTPS_PROXY when there is a proxy; NPM_CONFIG_REGISTRY, or `registry=…` in ~/.npmrc, names another registry"))
            }
            Step::Pip { packages: _ } => {
                let base = session.pypi_endpoint().await.ok()?;
                unreachable(
                    &session.client,
                    base,
                    "check the network, and HTTPS_PROXY when there is a proxy; PIP_INDEX_URL, or `index-url` in pip.conf, names another index",
                )
            }
            Step::Go { packages: _ } => unreachable(
                &session.client,
                session.go_endpoint().await.ok()?.proxy(),
                "check the network, and HTTPS_PROXY when there is a proxy; GOPROXY, or `mirror go`, names another server of modules",
            ),
            Step::Cargo { packages: _, features: _ } => unreachable(
                &session.client,
                &session.crates_index().await.ok()?.url,
                "check the network, and HTTPS_PROXY when there is a proxy; `mirror crates \"URL\"`, or ~/.cargo/config.toml, names another registry",
            ),
            Step::Apt { packages: _ } => session.stock(whose).await.err().map(|reason| Problem::new(Code::Unresolved, reason)),
            Step::Download { .. } | Step::Copy { .. } | Step::Run { .. } | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Makes a lock. Everything that cannot be looked up is a problem, and then there is no lock.
pub async fn resolve(
    spec: &ImageSpec,
    old: Option<&Lock>,
    options: &Options<'_>,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<(Lock, Problems), Problems> {
    let mut problems = Problems::default();
    // Who wants what is new is not told what was new some minutes ago.
    let freshness = match (options.servers, &options.update) {
        (Servers::LeftAlone, _) => Freshness::Kept,
        (Servers::Asked, Update::Changed) => Freshness::Trusted,
        (Servers::Asked, Update::Only(_) | Update::All) => Freshness::Asked,
    };
    let client = match Client::new(options.surroundings.cache(), freshness) {
        Ok(client) => client.of(options.surroundings).telling(progress),
        Err(error) => {
            problems.push(unresolved(chain(&error), spec.base.origin));
            return Err(problems);
        }
    };
    let known = old;
    let old = old.filter(|_| options.update != Update::All);
    let queries = lock::queries(spec);
    let kept = |query: &Query| {
        let again = |old: &Lock| match &options.update {
            Update::Only(parts) => parts.iter().any(|part| part.is_of(query, old)),
            Update::Changed | Update::All => false,
        };
        old.filter(|old| !again(old) && !rebased(spec, query, old) && lock::change(query, old).is_none())
    };
    let toolchain = queries.iter().find_map(|query| match query {
        Query::Component { id, request: _, installs: _, options: _ } if plan::go_client().as_ref() == Some(id) => {
            kept(query)?.component(id).map(|component| component.version.clone())
        }
        Query::Component { .. } | Query::Base { .. } | Query::Fetch { .. } | Query::Layer { .. } => None,
        Query::Packages { .. } | Query::FetchPackages { .. } => None,
    });
    let staying = Kept { toolchain, ..staying(spec, old, &options.update) };
    let cutoffs = |id: &ComponentId| options.cutoff(Some(id));
    let session = Session::new(client, options.surroundings, spec, staying, &cutoffs, progress);

    let (mut base, mut fetch) = (None, None);
    let (mut layers, mut components): (Vec<LockedLayer>, Vec<LockedComponent>) = (Vec::new(), Vec::new());
    let mut answers = futures_util::stream::iter(queries.iter().map(|query| {
        let (session, kept) = (&session, kept(query));
        async move { answer(session, query, kept, known, options).await }
    }))
    .buffer_unordered(queries.len().max(1));
    let mut found = Vec::new();
    while let Some((answer, said)) = answers.next().await {
        found.push(said);
        match answer {
            Some(Answer::Base(pin)) => base = Some(pin),
            Some(Answer::Fetch(pin)) => fetch = Some(pin),
            Some(Answer::Layer(layer)) => layers.push(layer),
            Some(Answer::Component(component)) => components.push(component),
            None => {}
        }
    }
    drop(answers);
    components.sort_by(|a, b| a.id.cmp(&b.id));
    let mut lists = Vec::new();
    let mut snapshots = session.kept.snapshots.clone();
    if let (Some(base), Some(fetch)) = (&base, &fetch) {
        for query in &queries {
            let (whose, base, names) = match query {
                Query::Packages { names } => (Whose::Image, base, names),
                Query::FetchPackages { names } => (Whose::Fetch, fetch, names),
                Query::Base { .. } | Query::Fetch { .. } | Query::Layer { .. } | Query::Component { .. } => continue,
            };
            match packages::list(&session, whose, names, base, &mut components).await {
                Ok(packages::Listed { packages, moved, moment }) => {
                    snapshots.extend(moment);
                    let moved = moved.into_iter().map(|words| Problem::new(Code::LockMoved, words).at(spec.base.origin, ""));
                    found.push(moved.collect());
                    lists.push(packages);
                }
                Err(reason) => found.push(vec![unresolved(reason, spec.base.origin)]),
            }
        }
    }
    for (why, name) in session.unchecked() {
        let message = format!("nobody knows who signed the release of {name}: {why}");
        let help = format!(
            "the lock pins what was seen first; with gpgv and the distribution's keys (the package {name}-archive-keyring) it is checked"
        );
        found.push(vec![Problem::new(Code::LockUnsigned, message).at(spec.base.origin, "").help(help)]);
    }
    if let Some(cache) = session.client.cache().filter(|_| !session.client.is_offline()) {
        cache.clean().await;
        if let Some(reason) = cache.unwritten() {
            let message = format!("what servers answer cannot be kept in {reason}");
            let help = "everything is fetched again each time; XDG_CACHE_HOME names another folder for caches";
            problems.push(Problem::new(Code::CacheUnwritten, message).help(help));
        }
    }
    // In the order of what they are about, not in that in which servers answered.
    let mut said: Vec<Problem> = found.into_iter().flatten().collect();
    if session.client.is_offline() {
        said.iter_mut().for_each(connect);
    } else {
        said.iter_mut().for_each(vouch);
    }
    said.sort_by(|a, b| {
        (&a.labels.first().map(|label| label.span), &a.message).cmp(&(&b.labels.first().map(|label| label.span), &b.message))
    });
    said.dedup();
    together(said).into_iter().for_each(|problem| problems.push(problem));
    layers.sort_by(|a, b| a.name.cmp(&b.name));
    let fetch_packages = lists.pop();
    match (base, fetch, lists.pop(), fetch_packages) {
        (Some(base), Some(fetch), Some(packages), Some(fetch_packages)) if !problems.has_errors() => {
            let mut lock = Lock {
                inputs: lock::inputs(spec),
                base,
                fetch,
                looked: None,
                snapshots: snapshots.into_iter().collect(),
                packages,
                fetch_packages,
                layers,
                components,
            };
            lock.looked = lock.looked_on(known, options.update == Update::All, options.now.map(Time::midnight));
            Ok((lock, problems))
        }
        _ => Err(problems),
    }
}

/// Whether an answer is for another base than there is now.
fn rebased(spec: &ImageSpec, query: &Query, old: &Lock) -> bool {
    match query {
        Query::Component { id, request: _, installs: _, options: _ } => {
            let whose = if id.kind == Kind::Client { Whose::Fetch } else { Whose::Image };
            old.component(id).is_some_and(LockedComponent::is_packaged) && !same_base(spec, whose, old)
        }
        Query::Base { .. } | Query::Fetch { .. } | Query::Packages { .. } | Query::FetchPackages { .. } | Query::Layer { .. } => false,
    }
}

fn same_base(spec: &ImageSpec, whose: Whose, old: &Lock) -> bool {
    let (base, locked) = match whose {
        Whose::Image => (&spec.base, &old.base),
        Whose::Fetch => (&spec.fetch, &old.fetch),
    };
    (&base.reference, base.from) == (&locked.reference, locked.from)
}

/// The packages of the distribution that stay as they are locked.
fn staying(spec: &ImageSpec, old: Option<&Lock>, update: &Update) -> Kept {
    let Some(old) = old else { return Kept::default() };
    let parts = match update {
        Update::Changed => None,
        Update::Only(parts) => Some(parts),
        Update::All => return Kept::default(),
    };
    if parts.is_some_and(|parts| parts.contains(&Part::Base) || parts.contains(&Part::Packages)) {
        return Kept::default();
    }
    let of = |whose: Whose, list: &[Package]| {
        if !same_base(spec, whose, old) {
            return Vec::new();
        }
        let (mut list, clients) = (list.to_vec(), whose == Whose::Fetch);
        list.retain(|package| !package.pin.versions.is_empty());
        for (component, pin) in of_components(&old.components, clients) {
            if parts.is_some_and(|parts| parts.contains(&Part::Component(component.id.clone()))) {
                list.retain(|package| package.pin.name != pin.name);
            } else if !list.iter().any(|package| package.pin.name == pin.name) && list.iter().all(|package| package.files.is_empty()) {
                // A lock of an older silo has these in their components only.
                let (files, needs) = (BTreeMap::new(), BTreeSet::new());
                list.push(Package { pin: pin.clone(), files, needs, role: Role::Asked });
            }
        }
        list
    };
    let (image, fetch) = (of(Whose::Image, &old.packages), of(Whose::Fetch, &old.fetch_packages));
    let snapshots = if image.is_empty() && fetch.is_empty() { BTreeSet::new() } else { old.snapshots.iter().copied().collect() };
    Kept { image, fetch, snapshots, toolchain: None }
}

enum Answer {
    Base(LockedBase),
    Fetch(LockedBase),
    Layer(LockedLayer),
    Component(LockedComponent),
}

async fn answer(
    session: &Session<'_>,
    query: &Query,
    kept: Option<&Lock>,
    known: Option<&Lock>,
    options: &Options<'_>,
) -> (Option<Answer>, Vec<Problem>) {
    let (answer, said) = found(session, query, kept, known, options).await;
    if let Query::Component { id, request: _, installs: _, options: _ } = query {
        let version = match &answer {
            Some(Answer::Component(component)) => Some(component.version.as_str()),
            Some(Answer::Base(_) | Answer::Fetch(_) | Answer::Layer(_)) | None => None,
        };
        session.learn(id, version);
    }
    (answer, said)
}

async fn found(
    session: &Session<'_>,
    query: &Query,
    kept: Option<&Lock>,
    known: Option<&Lock>,
    options: &Options<'_>,
) -> (Option<Answer>, Vec<Problem>) {
    let origin = session.spec.base.origin;
    let fail = |reason: String, from: BaseFrom| {
        let problem = unresolved(reason, origin);
        let help =
            "check the name and the network; a registry is asked as whoever `docker login` made you, and `from=bootstrap` needs none";
        (None, vec![if from == BaseFrom::Registry { problem.help(help) } else { problem }])
    };
    match query {
        Query::Base { reference, from } => match kept {
            Some(lock) => (Some(Answer::Base(lock.base.clone())), Vec::new()),
            None => match root(session, Whose::Image, reference, *from, options).await {
                Ok(pin) => {
                    let said = partial(&pin, origin);
                    (Some(Answer::Base(pin)), said)
                }
                Err(reason) => fail(reason, *from),
            },
        },
        Query::Fetch { reference, from } => match kept {
            Some(lock) => (Some(Answer::Fetch(lock.fetch.clone())), Vec::new()),
            None => match root(session, Whose::Fetch, reference, *from, options).await {
                Ok(pin) => {
                    let said = partial(&pin, origin);
                    (Some(Answer::Fetch(pin)), said)
                }
                Err(reason) => match from {
                    BaseFrom::Registry => fail(format!("what silo's own stages are made from, {reason}"), *from),
                    // One archive may serve both, and then there is one thing to say.
                    BaseFrom::Bootstrap => fail(reason, *from),
                },
            },
        },
        // These come when it is known what components need. What they are looked up in can be read meanwhile.
        Query::Packages { names } | Query::FetchPackages { names } => {
            let whose = if matches!(query, Query::Packages { .. }) { Whose::Image } else { Whose::Fetch };
            if kept.is_none() && !names.is_empty() {
                drop(session.stock(whose).await);
            }
            (None, Vec::new())
        }
        Query::Layer { name, steps: _ } => match kept.and_then(|lock| lock.layers.iter().find(|layer| layer.name == *name)) {
            Some(layer) => (Some(Answer::Layer(layer.clone())), Vec::new()),
            None => layer(session, query, name.as_ref(), options.cutoff(None)).await,
        },
        Query::Component { id, request: _, installs: _, options: _ } => match kept.and_then(|lock| lock.component(id)) {
            Some(component) => (Some(Answer::Component(component.clone())), Vec::new()),
            None => {
                let cutoff = options.cutoff(Some(id));
                let (answer, said) = if plan::go_client().as_ref() == Some(id) {
                    let (found, said) = go_client(session).await;
                    (found.clone().map(Answer::Component), said.clone())
                } else {
                    component(session, query, id, cutoff).await
                };
                let before = known.filter(|lock| lock::change(query, lock).is_none()).and_then(|lock| lock.component(id));
                match before.filter(|before| !cutoff.allows(before.released)) {
                    Some(before) if is_older(&answer, before) => match component(session, query, id, Cutoff::NONE).await {
                        // Age is no reason to go back to an older version while the one that is locked can be had.
                        (found @ Some(_), _) if !is_older(&found, before) => (Some(Answer::Component(before.clone())), Vec::new()),
                        _ => (answer, said),
                    },
                    Some(_) | None => (answer, said),
                }
            }
        },
    }
}

/// Whether a component was not found, or in an older version than before.
fn is_older(answer: &Option<Answer>, before: &LockedComponent) -> bool {
    match answer {
        Some(Answer::Component(found)) => compare(&found.version, &before.version).is_lt(),
        Some(Answer::Base(_) | Answer::Fetch(_) | Answer::Layer(_)) | None => true,
    }
}

pub(super) async fn root(
    session: &Session<'_>,
    whose: Whose,
    reference: &str,
    from: BaseFrom,
    options: &Options<'_>,
) -> Result<LockedBase, String> {
    let (digest, platforms, epoch) = match from {
        BaseFrom::Registry if session.client.is_offline() => {
            return Err(format!("the digest of {reference} is asked of its registry, and silo is offline"));
        }
        BaseFrom::Registry => {
            session.asking(reference);
            let found = (options.resolve_image)(reference).await.map_err(|reason| format!("{reference} cannot be looked up: {reason}"))?;
            (found.digest, found.platforms, None)
        }
        BaseFrom::Bootstrap => {
            let suite = session.release(whose).await?;
            let date = suite.release.date.ok_or_else(|| format!("the release file of {} has no date", suite.source.uri))?;
            (suite.digest.clone(), BTreeMap::new(), Some(date))
        }
    };
    (session.progress)(Event::Found { what: reference.to_string(), version: digest.clone() });
    Ok(LockedBase { reference: reference.to_string(), from, digest, platforms, epoch })
}

/// That a registry's image is there for some architectures only, which nobody should learn in the middle of a build.
fn partial(base: &LockedBase, origin: Span) -> Vec<Problem> {
    let LockedBase { reference, from: _, digest: _, platforms, epoch: _ } = base;
    let (has, lacks): (Vec<Arch>, Vec<Arch>) = Arch::ALL.into_iter().partition(|arch| platforms.contains_key(arch));
    let words = |list: Vec<Arch>| list.into_iter().map(Arch::as_str).collect::<Vec<_>>().join(" and ");
    if has.is_empty() || lacks.is_empty() {
        return Vec::new();
    }
    let message = format!("{reference} has no image for {}: this can be built for {} only", words(lacks), words(has));
    vec![Problem::new(Code::PlatformMissing, message).at(origin, "").help("choose a base for both, if somebody needs the other one")]
}

async fn layer(session: &Session<'_>, query: &Query, name: Option<&Name>, cutoff: Cutoff) -> (Option<Answer>, Vec<Problem>) {
    let base = &session.spec.base;
    let (steps, origin) = match name {
        None => (base.steps.as_slice(), base.origin),
        Some(name) => match session.spec.layers.iter().find(|layer| layer.name == *name) {
            Some(layer) => (layer.steps.as_slice(), layer.origin),
            None => return (None, Vec::new()),
        },
    };
    let (arch, options) = (BTreeMap::new(), BTreeMap::new());
    let recipe = Recipe { request: None, steps, versions: None, arch: &arch, options: &options, apt: None, cutoff };
    match recipe.find(session).await {
        Ok(Found { version: _, released: _, artifacts, warnings: _, fallbacks: _ }) => {
            (Some(Answer::Layer(LockedLayer { name: name.cloned(), inputs: query.inputs(), artifacts })), Vec::new())
        }
        Err(reason) => (None, vec![unresolved(reason, origin)]),
    }
}

/// Whether the steps download files of a version without asking anybody which versions there are.
pub(super) fn has_no_index(steps: &[Step]) -> bool {
    let indexed = steps
        .iter()
        .any(|step| matches!(step, Step::Npm { .. } | Step::Pip { .. } | Step::Go { .. } | Step::Cargo { .. } | Step::Apt { .. }));
    let versioned = |step: &Step| match step {
        Step::Download { url, .. } => lock::template::mentions(url, "%{version}"),
        _ => false,
    };
    !indexed && steps.iter().any(versioned)
}

/// A component that is being looked up.
type Looking<'a> = Pin<Box<dyn Future<Output = (Option<Answer>, Vec<Problem>)> + 'a>>;

/// The client that compiles packages of Go, looked up once: which versions of modules can be built depends on it.
async fn go_client<'s>(session: &'s Session<'_>) -> &'s Looked {
    let look = || async {
        let Some(id) = plan::go_client() else { return (None, Vec::new()) };
        let queries = lock::queries(session.spec);
        let is = |query: &&Query| matches!(query, Query::Component { id: found, .. } if *found == id);
        let Some(query) = queries.iter().find(is) else { return (None, Vec::new()) };
        // It may be installed with a client of its own, and a component's look-up is what asks for this one.
        let found: Looking<'_> = Box::pin(component(session, query, &id, (session.cutoffs)(&id)));
        let (answer, said) = found.await;
        match answer {
            Some(Answer::Component(component)) => (Some(component), said),
            Some(Answer::Base(_) | Answer::Fetch(_) | Answer::Layer(_)) | None => (None, said),
        }
    };
    session.toolchain.get_or_init(look).await
}

/// The version of the client that compiles packages of Go; `None` when there is none to be found.
pub(super) async fn toolchain(session: &Session<'_>) -> Option<String> {
    match &session.kept.toolchain {
        Some(kept) => Some(kept.clone()),
        None => go_client(session).await.0.as_ref().map(|client| client.version.clone()),
    }
}

async fn component(session: &Session<'_>, query: &Query, id: &ComponentId, cutoff: Cutoff) -> (Option<Answer>, Vec<Problem>) {
    let Some(component) = session.spec.all_components().find(|component| component.id == *id) else {
        return (None, Vec::new());
    };
    let Component { id, request, installs, options, env: _, checks: _, cause: _, origin } = component;
    session.asking(&id.to_string());
    let mut reasons: Vec<(String, String)> = Vec::new();
    // A source that has files but no list of its versions is meant for requests that name one: passing it over is no fallback.
    let mut passed: Vec<String> = Vec::new();
    let exact = Request::parse(request).exact().is_some();
    // What silo itself installs others with is needed where that happens.
    let whose = if id.kind == Kind::Client { Whose::Fetch } else { Whose::Image };
    for install in installs {
        if !exact && installs.len() > 1 && install.versions.is_none() && has_no_index(&install.steps) {
            passed.push(install.source.to_string());
            continue;
        }
        let recipe = Recipe {
            request: Some(request),
            steps: &install.steps,
            versions: install.versions.as_ref(),
            arch: &install.arch,
            options,
            apt: Some(whose),
            cutoff,
        };
        match recipe.find(session).await {
            // What is locked must not depend on what happens to be kept.
            Ok(Found { version: _, released: _, artifacts: _, warnings: _, fallbacks })
                if session.client.is_offline() && !fallbacks.is_empty() =>
            {
                reasons.push((install.source.to_string(), fallbacks.join("; ")));
                break;
            }
            Ok(Found { version, released, artifacts, warnings: _, fallbacks }) => {
                (session.progress)(Event::Found { what: id.to_string(), version: version.clone() });
                let mut problems = Vec::new();
                if !reasons.is_empty() {
                    let why =
                        reasons.iter().map(|(source, reason)| format!("not from `{source}`: {reason}")).collect::<Vec<_>>().join("; ");
                    let message = format!("{id} {version} comes from `{}`, {why}", install.source);
                    problems.push(Problem::new(Code::LockFallback, message).at(*origin, "").help(if id.kind == Kind::Client {
                        "it does its work as well, and is in no image; the lock keeps it".to_string()
                    } else {
                        format!("write source={} to ask for just that one", install.source)
                    }));
                }
                for fallback in fallbacks {
                    let message = format!("{id} {version}: {fallback}");
                    problems.push(
                        Problem::new(Code::LockFallback, message)
                            .at(*origin, "")
                            .help(format!("run `silo update {}` when the server answers", id.name)),
                    );
                }
                let locked = LockedComponent {
                    id: id.clone(),
                    request: request.trim().to_string(),
                    inputs: query.inputs(),
                    source: install.source.clone(),
                    version,
                    released,
                    artifacts,
                };
                return (Some(Answer::Component(locked)), problems);
            }
            Err(reason) => {
                reasons.push((install.source.to_string(), reason));
                if session.client.is_offline() {
                    break;
                }
            }
        }
    }
    reasons
        .extend(passed.into_iter().map(|source| (source, "it has no list of its versions; name one like version=\"1.2.3\"".to_string())));
    for install in installs {
        if let Some(problem) = obstacle(session, &install.steps, whose).await {
            return (None, vec![problem.at(*origin, "")]);
        }
    }
    let why = reasons.iter().map(|(source, reason)| format!("`{source}`: {reason}")).collect::<Vec<_>>().join("; ");
    let message = if reasons.is_empty() {
        format!("{id} has no source to install it from")
    } else {
        format!("{id} `{request}` cannot be found: {why}")
    };
    (
        None,
        vec![
            unresolved(message, *origin)
                .help("silo.lock stays as it was; write another version= or source=, or try again when the server answers"),
        ],
    )
}
