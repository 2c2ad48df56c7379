//! Making sure that a lock fits and that an image exists.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use silo::emit;
use silo::identity;
use silo::lock::{self, Lock, LockState, LockedBase, LockedImage};
use silo::plan::{self, Instruction, Plan, Target};
use silo::problem::Problems;
use silo::spec::{BaseFrom, Distribution, ImageSpec};

use super::bootstrap;
use super::cli::Locking;
use super::command::failed;
use super::engine::{self, docker::Docker};
use super::engine::{BuildError, BuildEvent, BuildRequest, Cache, EngineOptions, FailedStep, Image};
use super::facts;
use super::failure::{Failure, system};
use super::fetch;
use super::files;
use super::project::{Compiled, Project, Scope};
use super::trust;
use super::ui::Ui;
use super::ui::progress::{Picture, Progress, Step, seconds};

/// A lock that fits; one that is missing or stale is brought up to date first, unless the caller forbids it.
pub async fn ensure_lock(ui: &Ui, project: &mut Project, scope: Scope, locking: Locking) -> Result<Lock, Failure> {
    let lock = project.read_lock(scope)?;
    match (lock::state(&project.lockable(scope)?, lock.as_ref()), lock) {
        (LockState::Fresh, Some(lock)) => Ok(lock),
        _ if locking.locked => project.fresh_lock(scope),
        (LockState::Stale(changes), _) => {
            ui.say(&format!("{} does not match the configuration ({}): updating it", project.lock_name(scope), changes.join("; ")));
            update_lock(ui, project, scope, fetch::Update::Changed).await
        }
        (LockState::Missing | LockState::Fresh, _) => {
            ui.say(&format!("there is no {} yet: writing it", project.lock_name(scope)));
            update_lock(ui, project, scope, fetch::Update::Changed).await
        }
    }
}

/// Resolves what the lock does not answer, or everything, and writes it.
pub async fn update_lock(ui: &Ui, project: &mut Project, scope: Scope, update: fetch::Update) -> Result<Lock, Failure> {
    let resolved = resolve_lock(ui, project, scope, update).await?;
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
pub async fn resolve_lock(ui: &Ui, project: &mut Project, scope: Scope, update: fetch::Update) -> Result<Resolved, Failure> {
    let started = Instant::now();
    let old = project.read_lock(scope)?;
    // The caller's own lock starts from the committed one, so that both pin the same versions.
    let start = match (&old, scope) {
        (None, Scope::Personal) => project.read_lock(Scope::Shared)?,
        (Some(_), _) | (None, Scope::Shared) => old.clone(),
    };
    let image = project.lockable(scope)?;
    let (new, problems) = look_up(ui, project, &image, start.as_ref(), update).await?;
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
) -> Result<(Lock, Problems), Failure> {
    let surroundings = fetch::Surroundings::of_process(trust::npmrc(project));
    let options = fetch::Options { surroundings: &surroundings, update, resolve_image: &resolve_image };
    let report = reporter(ui);
    let resolved = fetch::resolve(image, old, &options, &report).await;
    ui.clear_transient();
    resolved.map_err(|problems| Failure::Problems { problems, sources: Box::new(project.sources.clone()) })
}

/// Asks the engine's registry for the digest of an image.
pub fn resolve_image<'a>(reference: &str) -> fetch::Digest<'a> {
    let reference = reference.to_string();
    Box::pin(async move {
        let engine = Docker::connect(&EngineOptions::from_environment()).await.map_err(|error| fetch::chain(&error))?;
        engine.resolve_digest(&reference).await.map_err(|error| fetch::chain(&error))
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
            });
        }
    }
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
) -> Result<Made, Failure> {
    let reference = compiled.reference();
    if cache == Cache::Use
        && let Some(image) = engine.find(&reference).await?
    {
        return Ok(Made::Found(image));
    }
    let LockedImage { base, distribution, fetch, fetch_distribution, .. } = &compiled.locked;
    ensure_base(ui, project, base, distribution, engine).await?;
    ensure_base(ui, project, fetch, fetch_distribution, engine).await?;
    build(ui, project, compiled, target, &reference, engine, cache).await?;
    Ok(Made::Built)
}

/// A base must be on the engine before a build: made here, or pulled with the caller's own login.
async fn ensure_base(ui: &Ui, project: &Project, base: &LockedBase, distribution: &Distribution, engine: &Docker) -> Result<(), Failure> {
    let reference = plan::base_reference(base, distribution);
    if engine.find(&reference).await?.is_some() {
        return Ok(());
    }
    match base.from {
        BaseFrom::Registry => {
            ui.say(&format!("pulling {reference}"));
            let pulled = engine
                .pull(&reference, |event| {
                    if ui.is_live() {
                        let bytes = event.bytes.map(|(done, total)| format!(" {} of {} MB", done / 1_000_000, total / 1_000_000));
                        let layer = event.layer.unwrap_or_default();
                        ui.transient(&format!("{layer} {}{}", event.status, bytes.unwrap_or_default()));
                    }
                })
                .await;
            ui.clear_transient();
            Ok(pulled?)
        }
        BaseFrom::Bootstrap => make_base(ui, project, base, distribution, engine, &reference).await,
    }
}

/// Makes a base from its distribution's packages and gives it to the engine.
async fn make_base(
    ui: &Ui,
    project: &Project,
    base: &LockedBase,
    distribution: &Distribution,
    engine: &Docker,
    reference: &str,
) -> Result<(), Failure> {
    ui.say(&format!("making the base {} from its distribution's packages (once)", base.reference));
    let started = Instant::now();
    let folder = project.caller.cache_directory().join("bootstrap");
    let surroundings = fetch::Surroundings::of_process(trust::npmrc(project));
    let report = |line: &str| {
        if ui.is_live() {
            ui.transient(line);
        }
    };
    let made = bootstrap::bootstrap(base, distribution, &surroundings, &folder, &report).await;
    ui.clear_transient();
    let tar = made.map_err(|error| Failure::Refused { message: fetch::chain(&error), help: error.help().map(str::to_string) })?;
    let labels = BTreeMap::from([("dev.silo.base".to_string(), base.digest.clone())]);
    engine.import_rootfs(&tar, reference, &labels).await?;
    // The engine has it now; a copy on disk is of no more use.
    let _ = std::fs::remove_file(&tar);
    ui.say(&format!("made {reference} in {}", seconds(started.elapsed())));
    Ok(())
}

/// What reaches a build besides its context, and no identity: the host's certificate authorities and the clients' own configuration.
fn secrets(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let home = &project.caller.home;
    let read = |path: std::path::PathBuf| std::fs::read(path).ok();
    if project.trust.keeps_logins() {
        return facts::certificate_bundle().and_then(read).map(|bundle| ("ca".to_string(), bundle)).into_iter().collect();
    }
    let npmrc = || {
        let mut text = read(home.join(".npmrc")).unwrap_or_default();
        if let Some(registry) = ["NPM_CONFIG_REGISTRY", "npm_config_registry"].iter().find_map(|name| std::env::var(name).ok()) {
            text.extend_from_slice(format!("\nregistry={registry}\n").as_bytes());
        }
        (!text.is_empty()).then_some(text)
    };
    let pip = || {
        let index = ["PIP_INDEX_URL"].iter().find_map(|name| std::env::var(name).ok());
        match index {
            Some(index) => Some(format!("[global]\nindex-url = {index}\n").into_bytes()),
            None => read(home.join(".config/pip/pip.conf")).or_else(|| read(home.join(".pip/pip.conf"))),
        }
    };
    [("ca", facts::certificate_bundle().and_then(read)), ("npmrc", npmrc()), ("pip", pip()), ("netrc", read(home.join(".netrc")))]
        .into_iter()
        .filter_map(|(id, value)| Some((id.to_string(), value?)))
        .collect()
}

async fn build(
    ui: &Ui,
    project: &Project,
    compiled: &Compiled,
    target: &Target,
    reference: &str,
    engine: &Docker,
    cache: Cache,
) -> Result<(), Failure> {
    let started = Instant::now();
    let origin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ui.say(&format!("building {target} ({})", compiled.short()));
    if project.is_committed() && project.image_scope() == Scope::Personal {
        ui.say("your own files add to this image, so it is yours alone; the project's has another identity (`silo hash`)");
    }
    let dockerfile = emit::dockerfile(&compiled.plan);
    let request = BuildRequest {
        dockerfile: &dockerfile,
        context: &compiled.plan.context,
        target: None,
        tags: vec![reference.to_string()],
        labels: identity::labels(&compiled.identity),
        arguments: project.proxies(),
        secrets: secrets(project),
        platform: None,
        cache,
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
        Err(BuildError::Step(step)) => Err(explain(ui, project, &compiled.plan, &step)),
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
fn explain(ui: &Ui, project: &Project, plan: &Plan, failed_step: &FailedStep) -> Failure {
    let cause = failed_step.step.as_ref().and_then(|step| instruction(plan, step));
    let problem = failed::problem(failed_step, cause);
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
