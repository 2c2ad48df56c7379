//! Keeping agents new without anybody waiting for it.
//!
//! `silo run` starts a job ([`job`]) that looks for a newer version of the agent, at most once in so many hours. Where the configuration lets
//! the agent float, the job builds an image with that version and then writes it down in an overlay of the lock, in the user's own state; the
//! next run starts that image. Where it does not, the next run says that there is something newer. The committed lock is only read, and
//! whatever goes wrong here leaves a run as it would have been.

pub mod job;
mod store;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use silo::lock::version::{Request, compare};
use silo::lock::{self, Lock, LockedComponent};
use silo::plan::Target;
use silo::spec::update::{Update, Updates};
use silo::spec::{ComponentId, Kind, Name};

use super::engine::docker::Docker;
use super::project::{Compiled, Project, Scope};
use super::ui::Ui;

pub use store::{Job, Outcome, Record, Store};

/// Seconds of a day: nothing is said more often.
const DAY: u64 = 24 * 60 * 60;
/// Seconds after which a look that failed may be tried again.
const AGAIN: u64 = 60 * 60;

/// Whether a run may use something newer than the lock, and look for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// As the configuration says.
    Configured,
    /// The lock holds, and nothing is looked for.
    Locked,
}

/// One agent, and what may be done to keep it new.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// What is known of it.
    pub store: Store,
    /// What is done.
    pub update: Update,
    /// Hours between two looks.
    pub hours: u64,
    agent: Name,
    id: ComponentId,
    /// What the lock has.
    locked: LockedComponent,
    /// Where the lock is.
    path: PathBuf,
}

/// The moment, in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Keeper {
    /// For an agent of a project with a lock that fits; `None` when there is nothing to keep new. What is done is the least that the agent,
    /// `use`, and the place allow.
    pub fn of(project: &Project, scope: Scope, lock: &Lock, target: &Target) -> Option<Keeper> {
        let Target::Agent(agent) = target else { return None };
        let run = &project.spec_of(Scope::Personal, target).run;
        let asked = run.agents.iter().find(|known| known.name == *agent)?.update;
        let Updates { most, hours } = run.updates;
        // What CI runs is what is committed.
        let update = if project.is_ci() { Update::Never } else { asked.min(most) };
        let id = ComponentId { kind: Kind::Agent, name: agent.clone() };
        let locked = lock.component(&id)?.clone();
        let path = project.lock_path(scope);
        let store = Store::of(&project.caller, &path);
        Some(Keeper { store, update, hours, agent: agent.clone(), id, locked, path })
    }

    /// The version that the lock has.
    pub fn locked_version(&self) -> &str {
        &self.locked.version
    }

    /// The version that another lock has.
    pub fn version_in(&self, lock: &Lock) -> Option<String> {
        lock.component(&self.id).map(|component| component.version.clone())
    }

    /// What came of the last look, if that was about what the lock asks now.
    pub fn record(&self) -> Option<Record> {
        self.store.records().agents.remove(self.agent.as_str()).filter(|record| record.inputs == self.locked.inputs)
    }

    /// The lock with the newer version that is ready, where that may be used.
    pub fn floating(&self, lock: &Lock) -> Option<Lock> {
        match self.update {
            Update::Never | Update::Notify => None,
            Update::Auto => lock::overlaid(lock, &self.store.overlay()?, &self.id),
        }
    }

    /// The newer image, if it is there already, and its version. Whatever is wrong with it is no more than that there is none.
    pub async fn ready(&self, project: &Project, scope: Scope, lock: &Lock, engine: &Docker) -> Option<(Compiled, String)> {
        let newer = self.floating(lock)?;
        let version = self.version_in(&newer)?;
        let compiled = project.compile(scope, &newer, &Target::Agent(self.agent.clone())).ok()?;
        engine.find(&compiled.reference()).await.ok()??;
        Some((compiled, version))
    }

    /// When the next look is due, in seconds since 1970.
    pub fn due(&self, now: u64) -> u64 {
        let Some(record) = self.store.records().agents.remove(self.agent.as_str()) else { return now };
        // A clock that was put back must not end all looking, and who asks for more than to be told waits no day for it.
        let more = Update::parse(&record.update).is_none_or(|before| before < self.update);
        if record.looked > now || more {
            return now;
        }
        let pause = self.hours.saturating_mul(3600);
        record.looked.saturating_add(if record.outcome.is_answer() { pause } else { pause.min(AGAIN) })
    }

    /// Says what is new, to somebody who sits there, and the same thing at most once a day.
    pub fn tell(&self, ui: &Ui, started: Option<&str>) {
        if !ui.is_attended() || ui.is_quiet() {
            return;
        }
        let mut told = self.store.told();
        let before = told.get(self.agent.as_str());
        let (agent, now) = (self.agent.to_string(), now());
        let (version, text) = match started {
            Some(version) => {
                // It is news once; before it there was what was started last, or what the lock has.
                if before.is_some_and(|message| message.version == version) {
                    return;
                }
                let last = before.map(|message| message.version.as_str()).filter(|last| compare(last, version).is_lt());
                let last = last.filter(|last| compare(last, &self.locked.version).is_gt()).unwrap_or(&self.locked.version);
                (version.to_string(), format!("{agent} {last} → {version} is ready"))
            }
            None => {
                let Some(version) = self.available() else { return };
                if before.is_some_and(|message| message.version == version && message.at <= now && now - message.at < DAY) {
                    return;
                }
                let text = match Request::parse(&self.locked.request).exact() {
                    Some(exact) => format!("{agent} {version} is available; version=\"{exact}\" keeps it from being used"),
                    None => format!("{agent} {version} is available; `silo update {agent}` takes it"),
                };
                (version, text)
            }
        };
        told.insert(agent, store::Message { version, at: now });
        // Without a note of it the user would be told again and again.
        if self.store.tell(&told).is_ok() {
            ui.say(&text);
        }
    }

    /// The newer version that was found and is not in use.
    pub fn available(&self) -> Option<String> {
        let record = self.record()?;
        match (self.update, record.outcome) {
            (Update::Notify | Update::Auto, Outcome::Available) => {
                record.found.filter(|found| compare(found, &self.locked.version).is_gt())
            }
            (Update::Never, _) | (_, Outcome::Unfinished | Outcome::Current | Outcome::Ready | Outcome::Failed) => None,
        }
    }

    /// Starts the job, when a look is due and no job runs. Nothing is waited for, and nothing that goes wrong is said.
    pub fn look(&self, project: &Project) {
        let now = now();
        if self.update == Update::Never || self.due(now) > now || self.store.running().is_some() {
            return;
        }
        let (Ok(log), Ok(program)) = (self.store.open_log(), std::env::current_exe()) else { return };
        let mut command = Command::new(program);
        command.arg("-C").arg(&project.places.workspace).args(["--color", "never", "background-update", self.agent.as_str()]);
        // It keeps no folder busy, and nothing of the caller's terminal.
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let Ok(mut child) = command.spawn() {
            // It is buried when it ends, as long as this process lives.
            std::thread::spawn(move || child.wait());
        }
    }
}
