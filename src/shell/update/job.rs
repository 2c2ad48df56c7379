//! The job in the background: one at a time, for one agent.

use std::collections::BTreeSet;
use std::time::Duration;

use silo::lock::version::{Request, compare};
use silo::lock::{self, Lock, LockState};
use silo::plan::Target;
use silo::spec::update::Update;
use silo::spec::{ComponentId, ImageSpec, Name};

use super::{Job, Keeper, Outcome, Record, now};
use crate::shell::cli::Means;
use crate::shell::command::wait;
use crate::shell::engine::docker::Docker;
use crate::shell::engine::{Cache, EngineOptions};
use crate::shell::failure::{Failure, system};
use crate::shell::fetch;
use crate::shell::image;
use crate::shell::project::{Project, Scope};
use crate::shell::smoke;
use crate::shell::ui::Ui;

/// Attempts to become the one job, and milliseconds between them: whoever looks whether one runs holds the lock for a moment.
const ATTEMPTS: (u32, u64) = (3, 100);
/// How much the job stands back behind what people wait for (setpriority(2)).
const NICE: i32 = 10;

/// Looks for a newer version of an agent, and builds it where the configuration lets it float. `limit` is how long that may take.
pub fn run(ui: &Ui, mut project: Project, agent: &Name, limit: Duration) -> Result<u8, Failure> {
    // The terminal that it was started from may go away. It leads a session already when somebody started it so.
    let _ = rustix::process::setsid();
    let _ = rustix::process::nice(NICE);
    let scope = project.image_scope();
    let target = Target::Agent(agent.clone());
    let lock = project.fresh_lock(scope)?;
    let Some(keeper) = Keeper::of(&project, scope, &lock, &target) else { return Ok(0) };
    if keeper.update == Update::Never {
        return Ok(0);
    }
    let directory = project.places.workspace.display().to_string();
    let job = Job { pid: std::process::id(), directory, agent: agent.to_string(), since: now() };
    let Some(_turn) = turn(&keeper, &job)? else { return Ok(0) };
    // Another one may have ended just now.
    if keeper.due(now()) > now() {
        return Ok(0);
    }
    // Best effort: an older log above this one does no harm.
    let _ = keeper.store.clear_log();
    let started = Record {
        looked: job.since,
        outcome: Outcome::Unfinished,
        detail: String::new(),
        inputs: keeper.locked.inputs.clone(),
        locked: keeper.locked.version.clone(),
        found: None,
        update: keeper.update.as_str().to_string(),
    };
    let keep = |record: Record| keeper.store.record(&keeper.path, agent.as_str(), record).map_err(system("keeping what was found"));
    // Before anything is asked: whatever becomes of this process, the next look is not before its time.
    keep(started.clone())?;
    let work = async {
        let work = look(ui, &mut project, scope, &lock, &target, &keeper);
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => {
                Err(Failure::Refused { message: format!("{agent} was not looked up and built within {} s", limit.as_secs()), help: None })
            }
        }
    };
    match wait(work) {
        Ok((outcome, found)) => {
            keep(Record { outcome, found: Some(found), ..started })?;
            Ok(0)
        }
        Err(failure) => {
            keep(Record { outcome: Outcome::Failed, detail: failure.reason(), ..started })?;
            Err(failure)
        }
    }
}

fn turn(keeper: &Keeper, job: &Job) -> Result<Option<super::store::Turn>, Failure> {
    let (attempts, pause) = ATTEMPTS;
    for _ in 0..attempts {
        if let Some(turn) = keeper.store.turn(job).map_err(system("becoming the one job that looks for newer agents"))? {
            return Ok(Some(turn));
        }
        std::thread::sleep(Duration::from_millis(pause));
    }
    Ok(None)
}

/// What came of it, and the version that there is.
async fn look(
    ui: &Ui,
    project: &mut Project,
    scope: Scope,
    lock: &Lock,
    target: &Target,
    keeper: &Keeper,
) -> Result<(Outcome, String), Failure> {
    let image = project.lockable(scope)?;
    let exact = Request::parse(&keeper.locked.request).exact().is_some();
    // Of what is asked for exactly there is nothing newer; what there is besides is worth knowing.
    let asked = if exact { unpinned(image, &keeper.id) } else { image };
    let only = fetch::Update::Only(BTreeSet::from([fetch::Part::Component(keeper.id.clone())]));
    let (found, problems) = image::look_up(ui, project, &asked, Some(lock), only, fetch::Servers::Asked).await?;
    ui.problems(&problems, &project.sources);
    let version = keeper.version_in(&found).ok_or(Failure::Said(crate::shell::failure::code::BUG))?;
    if !compare(&version, &keeper.locked.version).is_gt() {
        ui.say(&format!("{target} {} is the newest", keeper.locked.version));
        return Ok((Outcome::Current, version));
    }
    ui.say(&format!("{target} {version} is newer than {}", keeper.locked.version));
    let newer = match keeper.update {
        Update::Auto if !exact => lock::overlaid(lock, &found, &keeper.id),
        Update::Never | Update::Notify | Update::Auto => None,
    };
    let Some(newer) = newer else { return Ok((Outcome::Available, version)) };
    let compiled = project.compile(scope, &newer, target)?;
    let engine = Docker::connect(&EngineOptions::from_environment()).await?;
    image::ensure(ui, project, &compiled, target, &engine, Cache::Use, &Means::default()).await?;
    // One that does not start must not take the place of one that does. It is tried out where nothing of the user's is in reach.
    let mut alone = project.clone();
    alone.detach(keeper.store.empty_folder().map_err(system("making an empty folder"))?);
    smoke::test(ui, &alone, &compiled, target, &engine, Some(&keeper.id)).await?;
    keeper.store.keep(&merged(project, scope, newer, keeper)).map_err(system("keeping the lock of what was built"))?;
    ui.say(&format!("{target} {version} is ready"));
    Ok((Outcome::Ready, version))
}

/// The same image with the newest version of one agent.
fn unpinned(mut image: ImageSpec, id: &ComponentId) -> ImageSpec {
    for agent in image.agents.iter_mut().filter(|agent| agent.component.id == *id) {
        agent.component.request = "latest".to_string();
    }
    image
}

/// The new version of one agent with those of others that an earlier job made ready.
fn merged(project: &mut Project, scope: Scope, newer: Lock, keeper: &Keeper) -> Lock {
    let Some(before) = keeper.store.overlay() else { return newer };
    let others = before.components.iter().map(|component| &component.id).filter(|id| **id != keeper.id);
    let merged = others.fold(newer, |lock, id| lock::overlaid(&lock, &before, id).unwrap_or(lock));
    debug_assert!(project.lockable(scope).is_ok_and(|image| lock::state(&image, Some(&merged)) == LockState::Fresh));
    merged
}
