//! The whole lock: what the old one still answers is kept, the rest is looked up, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use futures_util::StreamExt;
use silo::lock::version::Request;
use silo::lock::{self, AptPackage, Lock, LockedBase, LockedComponent, LockedLayer, Query};
use silo::problem::{Code, Problem, Problems};
use silo::source::Span;
use silo::spec::{BaseFrom, Component, ComponentId, ImageSpec, Kind, Name, Step};

use super::chain;
use super::client::Client;
use super::component::{Found, Recipe};
use super::endpoint::Surroundings;
use super::session::{Event, LIBC, PYTHON, Session, Whose};

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

/// A digest that is being looked up.
pub type Digest<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;

/// How to look things up.
pub struct Options<'a> {
    /// What endpoints are found from.
    pub surroundings: &'a Surroundings,
    /// What to look up again.
    pub update: Update,
    /// Asks an image registry for the digest of a reference: `sha256:…`, or why not.
    pub resolve_image: &'a (dyn Fn(&str) -> Digest<'a> + Sync),
}

fn unresolved(message: String, origin: Span) -> Problem {
    Problem::new(Code::Unresolved, message).at(origin, "")
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
    let unreachable = |url: &str, help: &str| {
        let (server, why) = session.client.unreachable(url)?;
        Some(Problem::new(Code::Unresolved, format!("cannot reach {server}: {why}")).help(help))
    };
    for step in steps {
        let found = match step {
            Step::Npm { packages } => {
                let endpoint = session.npm_endpoint().await.ok()?;
                let mut urls = packages.iter().map(|package| endpoint.document(&package.name.0).0);
                urls.find_map(|url| unreachable(&url, "check the network, and HTTPS_PROXY when there is a proxy; NPM_CONFIG_REGISTRY, or `registry=…` in ~/.npmrc, names another registry"))
            }
            Step::Pip { packages: _ } => {
                let base = session.pypi_endpoint().await.ok()?;
                unreachable(
                    base,
                    "check the network, and HTTPS_PROXY when there is a proxy; PIP_INDEX_URL, or `index-url` in pip.conf, names another index",
                )
            }
            Step::Apt { packages: _ } => session.archive(whose).await.err().map(|reason| Problem::new(Code::Unresolved, reason)),
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
    let client = match Client::new(options.surroundings.cache()) {
        Ok(client) => client,
        Err(error) => {
            problems.push(unresolved(chain(&error), spec.base.origin));
            return Err(problems);
        }
    };
    let old = old.filter(|_| options.update != Update::All);
    let queries = lock::queries(spec);
    let kept = |query: &Query| {
        let again = |old: &Lock| match &options.update {
            Update::Only(parts) => parts.iter().any(|part| part.is_of(query, old)),
            Update::Changed | Update::All => false,
        };
        old.filter(|old| !again(old) && lock::change(query, old).is_none())
    };
    let session = Session::new(client, options.surroundings, spec, wanted(&queries), progress);

    let (mut base, mut fetch, mut packages, mut fetch_packages) = (None, None, None, None);
    let (mut layers, mut components): (Vec<LockedLayer>, Vec<LockedComponent>) = (Vec::new(), Vec::new());
    let mut answers = futures_util::stream::iter(queries.iter().map(|query| {
        let (session, kept) = (&session, kept(query));
        async move { answer(session, query, kept, options).await }
    }))
    .buffer_unordered(queries.len().max(1));
    let mut found = Vec::new();
    while let Some((answer, said)) = answers.next().await {
        found.push(said);
        match answer {
            Some(Answer::Base(pin)) => base = Some(pin),
            Some(Answer::Fetch(pin)) => fetch = Some(pin),
            Some(Answer::Packages(list)) => packages = Some(list),
            Some(Answer::FetchPackages(list)) => fetch_packages = Some(list),
            Some(Answer::Layer(layer)) => layers.push(layer),
            Some(Answer::Component(component)) => components.push(component),
            None => {}
        }
    }
    drop(answers);
    // In the order of what they are about, not in that in which servers answered.
    let mut said: Vec<Problem> = found.into_iter().flatten().collect();
    said.sort_by(|a, b| {
        (&a.labels.first().map(|label| label.span), &a.message).cmp(&(&b.labels.first().map(|label| label.span), &b.message))
    });
    said.dedup();
    together(said).into_iter().for_each(|problem| problems.push(problem));
    layers.sort_by(|a, b| a.name.cmp(&b.name));
    components.sort_by(|a, b| a.id.cmp(&b.id));
    match (base, fetch, packages, fetch_packages) {
        (Some(base), Some(fetch), Some(packages), Some(fetch_packages)) if !problems.has_errors() => {
            Ok((Lock { inputs: lock::inputs(spec), base, fetch, packages, fetch_packages, layers, components }, problems))
        }
        _ => Err(problems),
    }
}

pub(super) fn wanted(queries: &[Query]) -> BTreeSet<String> {
    let mut names = BTreeSet::from([PYTHON.to_string(), LIBC.to_string()]);
    for query in queries {
        match query {
            Query::Packages { names: list } | Query::FetchPackages { names: list } => names.extend(list.iter().cloned()),
            Query::Component { id: _, request: _, installs, options: _ } => {
                for step in installs.iter().flat_map(|install| &install.steps) {
                    if let Step::Apt { packages } = step {
                        names.extend(packages.iter().cloned());
                    }
                }
            }
            Query::Base { .. } | Query::Fetch { .. } | Query::Layer { .. } => {}
        }
    }
    names
}

enum Answer {
    Base(LockedBase),
    Fetch(LockedBase),
    Packages(Vec<AptPackage>),
    FetchPackages(Vec<AptPackage>),
    Layer(LockedLayer),
    Component(LockedComponent),
}

async fn answer(session: &Session<'_>, query: &Query, kept: Option<&Lock>, options: &Options<'_>) -> (Option<Answer>, Vec<Problem>) {
    let origin = session.spec.base.origin;
    let fail = |reason: String| (None, vec![unresolved(reason, origin)]);
    match query {
        Query::Base { reference, from } => match kept {
            Some(lock) => (Some(Answer::Base(lock.base.clone())), Vec::new()),
            None => match root(session, Whose::Image, reference, *from, options).await {
                Ok(pin) => (Some(Answer::Base(pin)), Vec::new()),
                Err(reason) => fail(reason),
            },
        },
        Query::Fetch { reference, from } => match kept {
            Some(lock) => (Some(Answer::Fetch(lock.fetch.clone())), Vec::new()),
            None => match root(session, Whose::Fetch, reference, *from, options).await {
                Ok(pin) => (Some(Answer::Fetch(pin)), Vec::new()),
                Err(reason) => fail(reason),
            },
        },
        Query::Packages { names } => match kept {
            Some(lock) => (Some(Answer::Packages(lock.packages.clone())), Vec::new()),
            None => match list(session, Whose::Image, names).await {
                Ok(list) => (Some(Answer::Packages(list)), Vec::new()),
                Err(reason) => fail(reason),
            },
        },
        Query::FetchPackages { names } => match kept {
            Some(lock) => (Some(Answer::FetchPackages(lock.fetch_packages.clone())), Vec::new()),
            None => match list(session, Whose::Fetch, names).await {
                Ok(list) => (Some(Answer::FetchPackages(list)), Vec::new()),
                Err(reason) => fail(reason),
            },
        },
        Query::Layer { name, steps: _ } => match kept.and_then(|lock| lock.layers.iter().find(|layer| layer.name == *name)) {
            Some(layer) => (Some(Answer::Layer(layer.clone())), Vec::new()),
            None => layer(session, query, name.as_ref()).await,
        },
        Query::Component { id, request: _, installs: _, options: _ } => match kept.and_then(|lock| lock.component(id)) {
            Some(component) => (Some(Answer::Component(component.clone())), Vec::new()),
            None => component(session, query, id).await,
        },
    }
}

pub(super) async fn list(session: &Session<'_>, whose: Whose, names: &[String]) -> Result<Vec<AptPackage>, String> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    session.packages(whose, names.iter().map(String::as_str)).await
}

pub(super) async fn root(
    session: &Session<'_>,
    whose: Whose,
    reference: &str,
    from: BaseFrom,
    options: &Options<'_>,
) -> Result<LockedBase, String> {
    let (digest, epoch) = match from {
        BaseFrom::Registry => {
            session.asking(reference);
            (
                (options.resolve_image)(reference).await.map_err(|reason| {
                    format!("the digest of {reference} cannot be found: {reason}; `from=bootstrap` makes a base without a registry")
                })?,
                None,
            )
        }
        BaseFrom::Bootstrap => {
            let archive = session.archive(whose).await?;
            let date = archive.release.date.ok_or_else(|| format!("the release file of {} has no date", archive.uri))?;
            (archive.digest.clone(), Some(date))
        }
    };
    (session.progress)(Event::Found { what: reference.to_string(), version: digest.clone() });
    Ok(LockedBase { reference: reference.to_string(), from, digest, epoch })
}

async fn layer(session: &Session<'_>, query: &Query, name: Option<&Name>) -> (Option<Answer>, Vec<Problem>) {
    let base = &session.spec.base;
    let (steps, origin) = match name {
        None => (base.steps.as_slice(), base.origin),
        Some(name) => match session.spec.layers.iter().find(|layer| layer.name == *name) {
            Some(layer) => (layer.steps.as_slice(), layer.origin),
            None => return (None, Vec::new()),
        },
    };
    let (arch, options) = (BTreeMap::new(), BTreeMap::new());
    let recipe = Recipe { request: None, steps, versions: None, arch: &arch, options: &options, apt: None };
    match recipe.find(session).await {
        Ok(Found { version: _, artifacts, warnings: _, fallbacks: _ }) => {
            (Some(Answer::Layer(LockedLayer { name: name.cloned(), inputs: query.inputs(), artifacts })), Vec::new())
        }
        Err(reason) => (None, vec![unresolved(reason, origin)]),
    }
}

/// Whether the steps download files of a version without asking anybody which versions there are.
pub(super) fn has_no_index(steps: &[Step]) -> bool {
    let indexed = steps.iter().any(|step| matches!(step, Step::Npm { .. } | Step::Pip { .. } | Step::Apt { .. }));
    let versioned = |step: &Step| match step {
        Step::Download { url, .. } => lock::template::mentions(url, "%{version}"),
        _ => false,
    };
    !indexed && steps.iter().any(versioned)
}

async fn component(session: &Session<'_>, query: &Query, id: &ComponentId) -> (Option<Answer>, Vec<Problem>) {
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
        };
        match recipe.find(session).await {
            Ok(Found { version, artifacts, warnings: _, fallbacks }) => {
                (session.progress)(Event::Found { what: id.to_string(), version: version.clone() });
                let mut problems = Vec::new();
                if !reasons.is_empty() {
                    let why =
                        reasons.iter().map(|(source, reason)| format!("not from `{source}`: {reason}")).collect::<Vec<_>>().join("; ");
                    let message = format!("{id} {version} comes from `{}`, {why}", install.source);
                    problems.push(
                        Problem::new(Code::LockFallback, message)
                            .at(*origin, "")
                            .help(format!("write source={} to ask for just that one", install.source)),
                    );
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
                    artifacts,
                };
                return (Some(Answer::Component(locked)), problems);
            }
            Err(reason) => reasons.push((install.source.to_string(), reason)),
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
