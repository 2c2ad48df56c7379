//! Making sure that a lock fits and that an image exists.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use silo::emit;
use silo::identity;
use silo::lock::time::Time;
use silo::lock::{self, ImageDigests, Lock, LockState, LockedImage};
use silo::plan::{self, Instruction, Plan, Target};
use silo::problem::Problems;
use silo::spec::ImageSpec;

use super::base;
use super::cli::{Hold, Means};
use super::command::failed;
use super::engine;
use super::engine::docker::{Docker, repository};
use super::engine::{BuildError, BuildEvent, BuildNetwork, BuildRequest, Cache, EngineOptions, FailedStep, Image};
use super::failure::{Failure, system};
use super::fetch::registry::Images;
use super::fetch::{self, Client, Freshness, Servers, Surroundings};
use super::files;
use super::project::{Compiled, Project, Scope};
use super::trust;
use super::ui::Ui;
use super::ui::progress::{Picture, Progress, Step, seconds};
use super::vendor;

/// A lock that fits; one that is missing or stale is brought up to date first, unless the caller forbids it.
pub async fn ensure_lock(ui: &Ui, project: &mut Project, scope: Scope, means: &Means) -> Result<Lock, Failure> {
    let lock = project.read_lock(scope)?;
    match (lock::state(&project.lockable(scope)?, lock.as_ref()), lock) {
        (LockState::Fresh, Some(lock)) => {
            warn_of_age(ui, project, scope, &lock);
            Ok(lock)
        }
        _ if means.hold == Hold::Locked => project.fresh_lock(scope),
        (LockState::Stale(changes), _) => {
            ui.say(&format!("{} does not match the configuration ({}): updating it", project.lock_name(scope), changes.join("; ")));
            update_lock(ui, project, scope, fetch::Update::Changed, means.servers).await
        }
        (LockState::Missing | LockState::Fresh, _) => {
            ui.say(&format!("there is no {} yet: writing it", project.lock_name(scope)));
            update_lock(ui, project, scope, fetch::Update::Changed, means.servers).await
        }
    }
}

/// Says in a line that newer versions were not looked for in a long time. That never fails.
pub fn warn_of_age(ui: &Ui, project: &Project, scope: Scope, lock: &Lock) {
    if let Some(words) = age(project, scope, lock) {
        ui.warn(&words);
    }
}

/// That newer versions were not looked for in a long time, in words.
pub fn age(project: &Project, scope: Scope, lock: &Lock) -> Option<String> {
    let days = lock.overdue(time()?, project.spec.lock.warn_after)?;
    let (name, day) = (project.lock_name(scope), lock.looked?.day());
    Some(format!("{name} is of {day}, {days} days ago: `silo update` looks for newer versions"))
}

/// Resolves what the lock does not answer, or everything, and writes it.
pub async fn update_lock(ui: &Ui, project: &mut Project, scope: Scope, update: fetch::Update, servers: Servers) -> Result<Lock, Failure> {
    let resolved = resolve_lock(ui, project, scope, update, servers).await?;
    write_lock(ui, project, scope, &resolved)?;
    Ok(resolved.new)
}

/// A lock that was looked up and is written nowhere yet.
pub struct Resolved {
    /// The lock that was there.
    pub old: Option<Lock>,
    /// The one that answers everything.
    pub new: Lock,
    started: Instant,
}

/// Resolves what the lock does not answer, or more. Warnings are said; when anything fails, everything that fails is the failure.
pub async fn resolve_lock(
    ui: &Ui,
    project: &mut Project,
    scope: Scope,
    update: fetch::Update,
    servers: Servers,
) -> Result<Resolved, Failure> {
    let started = Instant::now();
    let old = project.read_lock(scope)?;
    // The caller's own lock starts from the committed one, so that both pin the same versions.
    let start = match (&old, scope) {
        (None, Scope::Personal) => project.read_lock(Scope::Shared)?,
        (Some(_), _) | (None, Scope::Shared) => old.clone(),
    };
    let image = project.lockable(scope)?;
    let (new, problems) = look_up(ui, project, &image, start.as_ref(), update, servers).await?;
    ui.problems(&problems, &project.sources);
    Ok(Resolved { old, new, started })
}

/// Resolves what a lock does not answer, or is to answer anew. Nothing is written. The problems are warnings.
pub async fn look_up(
    ui: &Ui,
    project: &Project,
    image: &ImageSpec,
    old: Option<&Lock>,
    update: fetch::Update,
    servers: Servers,
) -> Result<(Lock, Problems), Failure> {
    let surroundings = trust::surroundings(project);
    let options = fetch::Options {
        surroundings: &surroundings,
        update,
        servers,
        policy: &project.spec.lock,
        now: time(),
        resolve_image: &|reference| resolve_image(&surroundings, reference),
    };
    let report = reporter(ui);
    let resolved = fetch::resolve(image, old, &options, &report).await;
    ui.clear_transient();
    resolved.map_err(|problems| Failure::Problems { problems, sources: Box::new(project.sources.clone()) })
}

/// The time; `None` when the host's clock stands before 1970.
pub fn time() -> Option<Time> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| Time(since.as_secs()))
}

/// Asks an image's registry what a reference stands for; where it tells silo nothing, through the engine, which knows of no architectures.
pub fn resolve_image<'a>(surroundings: &'a Surroundings, reference: &str) -> fetch::Image<'a> {
    let reference = reference.to_string();
    Box::pin(async move {
        let options = EngineOptions::from_environment();
        let asked = match repository(&options, &reference).await {
            Ok(found) => {
                let client = Client::new(None, Freshness::Asked).map_err(|error| fetch::chain(&error))?.of(surroundings);
                Images::new(&client, &found).find().await
            }
            Err(error) => Err(fetch::chain(&error)),
        };
        match asked {
            Ok(found) if found.platforms.is_empty() => Err(format!("{reference} has no image for Linux on amd64 or arm64")),
            Ok(found) => Ok(found),
            Err(reason) => {
                let Ok(engine) = Docker::connect(&options).await else { return Err(reason) };
                // What it cannot get either it says at greater length.
                let digest = engine.resolve_digest(&reference).await.map_err(|_| reason)?;
                Ok(ImageDigests { digest, platforms: BTreeMap::new() })
            }
        }
    })
}

/// Shows on a terminal what is being looked up.
pub fn reporter(ui: &Ui) -> impl Fn(fetch::Event) + Sync {
    let ui = *ui;
    move |event| {
        if ui.is_live() {
            ui.transient(&match event {
                fetch::Event::Asking(what) => format!("asking {what}"),
                fetch::Event::Found { what, version } => format!("found {what} {version}"),
                fetch::Event::Waiting { server, seconds } => waiting(&server, seconds),
            });
        } else if let fetch::Event::Waiting { server, seconds } = event {
            ui.say(&waiting(&server, seconds));
        }
    }
}

/// That a server wants to be left alone.
fn waiting(server: &str, seconds: u64) -> String {
    format!("waiting {seconds} s for {server}, which allows no more requests until then")
}

/// Writes a lock in one step, unless the file has this text already. Returns whether it was written.
pub fn write_lock(ui: &Ui, project: &mut Project, scope: Scope, resolved: &Resolved) -> Result<bool, Failure> {
    let Resolved { old: _, new: lock, started } = resolved;
    let path = project.lock_path(scope);
    let name = project.lock_name(scope);
    let text = lock.print();
    if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
        ui.say(&format!("{name} is up to date"));
        return Ok(false);
    }
    files::write_atomically(&path, text.as_bytes()).map_err(system(format!("writing {name}")))?;
    trust::carry(project, &path, &text)?;
    let count = lock.components.len();
    ui.say(&format!("wrote {name}: {count} component{} in {}", if count == 1 { "" } else { "s" }, seconds(started.elapsed())));
    let first = lock.first_uses();
    if first > 0 {
        let (files, are) = if first == 1 { ("file", "is") } else { ("files", "are") };
        ui.say(&format!("{first} {files} {are} trusted on first use, for want of a published checksum: `trust=first-use` in {name}"));
    }
    Ok(true)
}

/// Whether an image was there or had to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was there.
    Found(Image),
    /// It was built.
    Built,
}

/// Makes sure that the engine has the image of an identity; builds it when it has not.
pub async fn ensure(
    ui: &Ui,
    project: &Project,
    compiled: &Compiled,
    target: &Target,
    engine: &Docker,
    cache: Cache,
    means: &Means,
) -> Result<Made, Failure> {
    let reference = compiled.reference();
    if cache == Cache::Use
        && let Some(image) = engine.find(&reference).await?
    {
        return Ok(Made::Found(image));
    }
    let LockedImage { base, distribution, fetch, fetch_distribution, .. } = &compiled.locked;
    let mut names = BTreeMap::new();
    for (base, distribution) in [(base, distribution), (fetch, fetch_distribution)] {
        let name = base::ensure(ui, project, base, distribution, engine, means).await?;
        names.insert(plan::base_reference(base, distribution), name);
    }
    build(ui, project, compiled, target, engine, cache, means, &names).await?;
    Ok(Made::Built)
}

/// Builds an image, of bases that the engine has under these names.
#[expect(clippy::too_many_arguments, reason = "each is another thing")]
async fn build(
    ui: &Ui,
    project: &Project,
    compiled: &Compiled,
    target: &Target,
    engine: &Docker,
    cache: Cache,
    means: &Means,
    names: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let started = Instant::now();
    let files = match &means.vendor {
        Some(folder) => vendor::beside(ui, project, &compiled.plan, engine.architecture().await?, folder, means.servers)?,
        None => BTreeMap::new(),
    };
    let network = match (means.servers, &means.vendor) {
        (Servers::Asked, _) => BuildNetwork::Open,
        // What is vendored is done anew, and nothing else is needed. Without that, there is only what was done before.
        (Servers::LeftAlone, Some(_)) => BuildNetwork::None,
        (Servers::LeftAlone, None) => BuildNetwork::Kept,
    };
    let origin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ui.say(&format!("building {target} ({})", compiled.short()));
    if project.is_committed() && project.image_scope() == Scope::Personal {
        ui.say("your own files add to this image, so it is yours alone; the project's has another identity (`silo hash`)");
    }
    let dockerfile = emit::dockerfile(&compiled.plan.upon(names));
    let request = BuildRequest {
        dockerfile: &dockerfile,
        context: &compiled.plan.context,
        target: None,
        tags: vec![compiled.reference()],
        labels: identity::labels(&compiled.identity),
        arguments: project.proxies(),
        secrets: trust::secrets(project, &compiled.locked).await.into_iter().map(|(id, secret)| (id, secret.bytes)).collect(),
        platform: None,
        cache,
        files: &files,
        network,
    };
    let (events, mut received) = tokio::sync::mpsc::unbounded_channel();
    let cancel = async {
        // Without a handler for the signal nothing could be cancelled; the default action of the signal then ends silo.
        let _ = tokio::signal::ctrl_c().await;
    };
    let work = engine.build(request, move |event| drop(events.send(event)), cancel);
    tokio::pin!(work);
    let mut progress = Progress::default();
    let mut picture = Picture::default();
    let mut tick = tokio::time::interval(Duration::from_millis(120));
    let result = loop {
        tokio::select! {
            biased;
            Some(event) = received.recv() => take(ui, &compiled.plan, &mut progress, event, origin),
            _ = tick.tick(), if ui.is_live() => picture.draw(ui, &progress, started.elapsed()),
            result = &mut work => break result,
        }
    };
    while let Ok(event) = received.try_recv() {
        take(ui, &compiled.plan, &mut progress, event, origin);
    }
    if ui.is_live() {
        picture.draw(ui, &progress, started.elapsed());
    }
    match result {
        Ok(_) => {
            ui.say(&format!("built {target} in {}", seconds(started.elapsed())));
            Ok(())
        }
        Err(BuildError::Step(step)) => Err(explain(ui, project, compiled, &step, network)),
        Err(BuildError::Stored { path, source }) => Err(project.stop(vendor::damaged(&path, &source.to_string()))),
        Err(error) => Err(Failure::Build(error)),
    }
}

fn instruction<'p>(plan: &'p Plan, step: &engine::Step) -> Option<&'p Instruction> {
    plan.instruction(step.stage.as_deref()?, step.ordinal as usize, step.total as usize)
}

fn take(ui: &Ui, plan: &Plan, progress: &mut Progress, event: BuildEvent, origin: Duration) {
    match event {
        BuildEvent::Vertex(vertex) => {
            let since = |time: Option<Duration>| time.map(|time| time.saturating_sub(origin));
            let Some(known) = &vertex.step else { return };
            let Some(stage) = known.stage.clone() else { return };
            let what = instruction(plan, known).map_or_else(|| known.instruction.clone(), |instruction| instruction.reason.clone());
            let line = progress.step(
                &vertex.digest,
                Step {
                    stage,
                    what,
                    cached: vertex.cached,
                    started: since(vertex.started),
                    completed: since(vertex.completed),
                    error: vertex.error,
                },
            );
            if let Some(line) = line.filter(|_| !ui.is_live()) {
                ui.say(&line);
            }
        }
        BuildEvent::Log { digest, text, .. } => {
            for line in progress.log(&digest, &text) {
                if !ui.is_live() {
                    ui.say(&line);
                }
            }
        }
        BuildEvent::Status { .. } => {}
    }
}

/// A failed step: its own last lines, the place in the configuration that caused it, and what to try.
fn explain(ui: &Ui, project: &Project, compiled: &Compiled, failed_step: &FailedStep, network: BuildNetwork) -> Failure {
    let cause = failed_step.step.as_ref().and_then(|step| instruction(&compiled.plan, step));
    let problem = failed::problem(failed_step, cause, &compiled.locked, network);
    let mut problems = Problems::default();
    problems.push(problem);
    if !failed_step.log.is_empty() && !ui.is_quiet() {
        let what = cause.map_or(failed_step.name.as_str(), |instruction| instruction.reason.as_str());
        ui.say(&format!("the last lines of {what}:"));
        for line in failed_step.log.iter().rev().take(20).rev() {
            ui.say(&format!("  | {line}"));
        }
    }
    Failure::Problems { problems, sources: Box::new(project.sources.clone()) }
}
