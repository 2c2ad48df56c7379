//! `silo status`.

use std::path::Path;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use silo::identity;
use silo::lock::{self, Lock, LockState};
use silo::plan::Target;
use silo::spec::update::Update;

use crate::shell::cli::{ContainerOptions, Status};
use crate::shell::engine::docker::Docker;
use crate::shell::engine::{Container, EngineOptions};
use crate::shell::failure::Failure;
use crate::shell::files;
use crate::shell::project::{Compiled, Project};
use crate::shell::trust::Standing;
use crate::shell::ui::Ui;
use crate::shell::update::{Job, Keeper, Outcome, Record, Store, now};

/// Hexadecimal digits of an identity that people are shown.
const SHORT: usize = 12;

/// How things stand.
struct Stand {
    directory: String,
    files: Vec<String>,
    trust: (&'static str, String),
    lock: LockStand,
    /// Whether there is an engine, or why not.
    engine: Result<(), String>,
    images: Vec<ImageStand>,
    containers: Vec<Container>,
    job: Option<Job>,
    agents: Vec<AgentStand>,
    log: String,
}

struct LockStand {
    name: String,
    /// `None` when it cannot be read; the reason was said.
    state: Option<LockState>,
    /// Seconds since the file was written here.
    age: Option<u64>,
}

struct ImageStand {
    target: String,
    reference: String,
    identity: String,
    /// The version of the agent in it.
    version: Option<String>,
    /// Whether it is a newer one than the lock's.
    newer: bool,
    /// Whether the engine has it; `None` when there is no engine to ask.
    present: Option<bool>,
}

struct AgentStand {
    name: String,
    update: Update,
    locked: String,
    available: Option<String>,
    ready: Option<String>,
    last: Option<Record>,
    /// When the next look is due; `None` when there will be none.
    next: Option<u64>,
}

/// Says how things stand with the project of a directory. It changes nothing, resolves nothing, and needs no engine.
pub fn status(ui: &Ui, directory: Option<&Path>, args: &Status) -> Result<u8, Failure> {
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    project.must_exist()?;
    let stand = stand(ui, &mut project)?;
    if args.json {
        ui.json(&as_json(&stand))
    } else {
        show(ui, &stand)
    }
    Ok(0)
}

fn stand(ui: &Ui, project: &mut Project) -> Result<Stand, Failure> {
    let scope = project.image_scope();
    let path = project.lock_path(scope);
    let written = path.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let age = written.map(|written| now().saturating_sub(written.as_secs()));
    let (lock, state) = match project.read_lock(scope) {
        Ok(lock) => {
            let state = lock::state(&project.lockable(scope)?, lock.as_ref());
            lock.iter().for_each(|lock| crate::shell::image::warn_of_age(ui, project, scope, lock));
            (lock.filter(|_| state == LockState::Fresh), Some(state))
        }
        Err(failure) => {
            ui.failure(&failure);
            (None, None)
        }
    };
    let targets = project.targets(scope, &[])?;
    let (mut images, mut keepers) = (Vec::new(), Vec::new());
    for target in &targets {
        let Some(lock) = &lock else { continue };
        images.push(image(&project.compile(scope, lock, target)?, target, None));
        let Some(keeper) = Keeper::of(project, scope, lock, target) else { continue };
        let newer = keeper.floating(lock);
        if let Some(compiled) = newer.as_ref().and_then(|newer| project.compile(scope, newer, target).ok()) {
            images.push(image(&compiled, target, newer.as_ref()));
        }
        keepers.push((keeper, target, newer));
    }
    let store = Store::of(&project.caller, &path);
    let agents = || -> Vec<AgentStand> { keepers.iter().map(|(keeper, target, newer)| agent(keeper, target, newer.as_ref())).collect() };
    let unfinished =
        |agents: &[AgentStand]| agents.iter().any(|agent| agent.last.as_ref().is_some_and(|last| last.outcome == Outcome::Unfinished));
    let (mut job, mut agents_now) = (store.running(), agents());
    // A job that began or ended between the two looks was not interrupted.
    if job.is_none() && unfinished(&agents_now) {
        job = store.running();
        agents_now = agents();
    }
    let workspace = project.places.workspace.display().to_string();
    let references: Vec<String> = images.iter().map(|image| image.reference.clone()).collect();
    let asked = crate::shell::command::wait(async {
        let engine = Docker::connect(&EngineOptions::from_environment()).await?;
        let mut present = Vec::new();
        for reference in &references {
            present.push(engine.find(reference).await?.is_some());
        }
        let mut containers = engine.list("dev.silo.workspace").await?;
        containers.retain(|container| container.labels.get("dev.silo.workspace") == Some(&workspace));
        Ok((present, containers))
    });
    let (engine, containers) = match asked {
        Ok((present, containers)) => {
            images.iter_mut().zip(present).for_each(|(image, present)| image.present = Some(present));
            (Ok(()), containers)
        }
        Err(failure) => (Err(failure.reason()), Vec::new()),
    };
    let name = |path: &Path| files::display_name(path, &project.places.workspace, &project.caller.home);
    Ok(Stand {
        directory: workspace.clone(),
        files: project.files.iter().map(|(path, _)| name(path)).collect(),
        trust: trust(project),
        lock: LockStand { name: project.lock_name(scope), state, age },
        engine,
        images,
        containers,
        job,
        agents: agents_now,
        log: name(&store.log()),
    })
}

fn trust(project: &Project) -> (&'static str, String) {
    match &project.trust {
        Standing::Free => ("free", "nothing of this machine is asked for".to_string()),
        Standing::Trusted(_) => ("trusted", "you trust it".to_string()),
        Standing::Withheld(_) => {
            let kept = project.trust.kept();
            let things = if kept == 1 { "one thing is" } else { "things are" };
            let count = if kept == 1 { String::new() } else { format!("{kept} ") };
            ("withheld", format!("{count}{things} kept from it until you trust it: `silo trust` shows all"))
        }
    }
}

fn image(compiled: &Compiled, target: &Target, newer: Option<&Lock>) -> ImageStand {
    let agent = match target {
        Target::Agent(name) => compiled.locked.agents.iter().find(|agent| agent.component.id.name == *name),
        Target::Environment => None,
    };
    ImageStand {
        target: target.to_string(),
        reference: identity::reference(&compiled.plan, &compiled.identity),
        identity: compiled.identity.to_string(),
        version: agent.map(|agent| agent.component.version.clone()),
        newer: newer.is_some(),
        present: None,
    }
}

fn agent(keeper: &Keeper, target: &Target, newer: Option<&Lock>) -> AgentStand {
    let now = now();
    AgentStand {
        name: target.to_string(),
        update: keeper.update,
        locked: keeper.locked_version().to_string(),
        available: keeper.available(),
        ready: newer.and_then(|newer| keeper.version_in(newer)),
        last: keeper.record(),
        next: (keeper.update != Update::Never).then(|| keeper.due(now)),
    }
}

fn as_json(stand: &Stand) -> Value {
    let Stand { directory, files, trust, lock, engine, images, containers, job, agents, log } = stand;
    let (state, changes) = match &lock.state {
        None => ("unreadable", Vec::new()),
        Some(LockState::Fresh) => ("fits", Vec::new()),
        Some(LockState::Missing) => ("missing", Vec::new()),
        Some(LockState::Stale(changes)) => ("stale", changes.clone()),
    };
    let images: Vec<Value> = images
        .iter()
        .map(|image| {
            let ImageStand { target, reference, identity, version, newer, present } = image;
            json!({ "target": target, "image": reference, "identity": identity, "version": version, "newer": newer, "present": present })
        })
        .collect();
    let containers: Vec<Value> = containers
        .iter()
        .map(|container| {
            let agent = container.labels.get("dev.silo.agent");
            json!({ "name": container.name, "agent": agent, "state": container.state, "created": container.created })
        })
        .collect();
    let agents: Vec<Value> = agents
        .iter()
        .map(|agent| {
            let AgentStand { name, update, locked, available, ready, last, next } = agent;
            let last = last.as_ref().map(|last| {
                json!({ "looked": last.looked, "outcome": last.outcome.as_str(), "found": last.found, "detail": last.detail })
            });
            json!({
                "agent": name, "update": update.as_str(), "locked": locked, "available": available, "ready": ready, "last": last, "next": next,
            })
        })
        .collect();
    json!({
        "directory": directory,
        "files": files,
        "trust": trust.0,
        "lock": { "file": lock.name, "state": state, "changes": changes, "age": lock.age },
        "engine": engine.as_ref().err().map_or_else(|| json!({ "answers": true }), |why| json!({ "answers": false, "why": why })),
        "images": images,
        "containers": containers,
        "updates": {
            "running": job.as_ref().map(|job| json!({ "pid": job.pid, "directory": job.directory, "agent": job.agent, "since": job.since })),
            "agents": agents,
            "log": log,
        },
    })
}

fn show(ui: &Ui, stand: &Stand) {
    let Stand { directory, files, trust, lock, engine, images, containers, job, agents, log } = stand;
    let now = now();
    let mut page = ui.page();
    let row = |name: &str, text: String| (name.to_string(), text);
    let age = lock.age.map(|age| format!(", written here {} ago", span(age))).unwrap_or_default();
    let lock = match &lock.state {
        None => format!("{} cannot be read", lock.name),
        Some(LockState::Fresh) => format!("{} fits{age}", lock.name),
        Some(LockState::Missing) => format!("there is no {}: `silo lock` writes it", lock.name),
        Some(LockState::Stale(changes)) => format!("{} is stale ({}): `silo lock` updates it", lock.name, changes.join("; ")),
    };
    page.heading(directory);
    page.rows(&[row("files", files.join(", ")), row("trust", trust.1.clone()), row("lock", lock)]);
    page.heading("images");
    let mut rows: Vec<(String, String)> = images
        .iter()
        .map(|image| {
            let presence = match image.present {
                None => "not known",
                Some(true) => "there",
                Some(false) => "not built",
            };
            let version = image.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
            let newer = if image.newer { ", newer than the lock's" } else { "" };
            let short: String = image.identity.chars().take(SHORT).collect();
            row(&format!("{}{version}", image.target), format!("{short}  {presence}{newer}"))
        })
        .collect();
    match engine {
        Ok(()) if rows.is_empty() => rows.push(row("none", "they are known when the lock fits".to_string())),
        Ok(()) => {}
        Err(why) => rows.push(row("engine", format!("none answers: {why}"))),
    }
    page.rows(&rows);
    if engine.is_ok() {
        page.heading("containers");
        let mut rows: Vec<_> = containers
            .iter()
            .map(|container| {
                let agent = container.labels.get("dev.silo.agent").cloned().unwrap_or_default();
                let since = now.saturating_sub(u64::try_from(container.created).unwrap_or(0));
                row(&container.name, format!("{agent}, {} for {}", container.state, span(since)))
            })
            .collect();
        if rows.is_empty() {
            rows.push(row("none", String::new()));
        }
        page.rows(&rows);
    }
    page.heading("newer agents");
    let mut rows = vec![row(
        "job",
        match job {
            Some(job) => {
                format!("looks for {} of {} since {} (process {})", job.agent, job.directory, span(now.saturating_sub(job.since)), job.pid)
            }
            None => "none runs".to_string(),
        },
    )];
    rows.extend(agents.iter().map(|agent| row(&agent.name, words(agent, job.as_ref(), now))));
    if agents.iter().any(|agent| agent.last.is_some()) {
        rows.push(row("log", log.clone()));
    }
    if agents.iter().any(|agent| agent.update != Update::Never) {
        rows.push(row("off", "`update=never` beside an agent, or `SILO_AUTO_UPDATE=never`".to_string()));
    }
    page.rows(&rows);
    ui.data(&page.finish());
}

/// What is known of newer versions of one agent.
fn words(agent: &AgentStand, job: Option<&Job>, now: u64) -> String {
    let AgentStand { name, update, locked, available, ready, last, next } = agent;
    let mut text = match (ready, available) {
        (Some(ready), _) => format!("{ready} is ready, the lock has {locked}"),
        (None, Some(available)) => format!("{available} is available, the lock has {locked}; `silo update {name}` takes it"),
        (None, None) => locked.clone(),
    };
    text.push_str(&format!("; update={}", update.as_str()));
    if let Some(last) = last {
        let came = match last.outcome {
            Outcome::Unfinished if job.is_some_and(|job| job.since == last.looked && job.agent == *name) => "has not ended",
            Outcome::Unfinished => "was interrupted",
            Outcome::Current | Outcome::Available | Outcome::Ready => "",
            Outcome::Failed => "failed",
        };
        let detail = if last.detail.is_empty() { String::new() } else { format!(": {}", last.detail) };
        let came = if came.is_empty() { String::new() } else { format!(" and that {came}{detail}") };
        text.push_str(&format!("; looked {} ago{came}", span(now.saturating_sub(last.looked))));
    }
    match next {
        Some(next) if *next > now => text.push_str(&format!("; next in {} at the earliest", span(next - now))),
        Some(_) => text.push_str("; next with the next run"),
        None => {}
    }
    text
}

/// A time of so many seconds, for people: in its largest unit.
fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86400 => (seconds / 3600, "hour"),
        86400.. => (seconds / 86400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
