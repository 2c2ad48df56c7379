//! `silo vendor`.

mod base;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};

use silo::digest::Digest;
use silo::lock::time::Time;
use silo::lock::{Lock, PinnedFile};
use silo::plan::{self, Script, Target};
use silo::problem::{Code, Problem};
use silo::spec::{Arch, ImageSpec};

use self::base::{Root, State};
use crate::shell::cli::{ContainerOptions, Means, Vendor};
use crate::shell::failure::{Failure, system};
use crate::shell::fetch::{Client, Freshness, Getter, Servers, chain};
use crate::shell::image;
use crate::shell::project::{Project, Scope};
use crate::shell::trust;
use crate::shell::ui::Ui;
use crate::shell::ui::progress::seconds;
use crate::shell::vendor::{self, Held, Store, Unnamed};

/// The version of what `--json` prints: it becomes larger when a member changes its meaning or goes, not when one comes.
const FORMAT: u32 = 1;
/// How many files are looked at or fetched at the same time.
const PARALLEL: usize = 16;
/// How often the picture on a terminal changes.
const TICK: Duration = Duration::from_millis(120);

/// What became of a file.
enum Fate {
    /// It was there.
    Present(u64),
    /// It was fetched.
    Fetched(u64),
    /// It could not be had.
    Failed(Problem),
}

/// What everything here is done with.
#[derive(Clone, Copy)]
struct Work<'a> {
    ui: &'a Ui,
    project: &'a Project,
    image: &'a ImageSpec,
    store: &'a Store,
    servers: Servers,
}

/// How many files there are, and how many bytes they have.
#[derive(Default)]
struct Sum {
    files: usize,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Puts everything that the lock pins into a folder, or with `--offline` says what is not in it.
pub fn vendor(ui: &Ui, directory: Option<&Path>, args: &Vendor) -> Result<u8, Failure> {
    let means = Means { hold: args.locking.hold(), servers: args.locking.servers()?, vendor: None };
    let mut project = Project::load(directory, &ContainerOptions::default())?;
    ui.problems(&project.warnings, &project.sources);
    project.must_exist()?;
    let scope = project.image_scope();
    let targets = project.targets(scope, &args.agents)?;
    let architectures: BTreeSet<Arch> =
        if args.platform.is_empty() { Arch::ALL.into_iter().collect() } else { args.platform.iter().copied().collect() };
    super::wait(async {
        let started = Instant::now();
        let lock = image::ensure_lock(ui, &mut project, scope, &means).await?;
        let (all, image) = (lock.files(), project.lockable(scope)?);
        let chosen: BTreeSet<PinnedFile> = if args.agents.is_empty() { all.clone() } else { needed(&project, scope, &lock, &targets)? };
        let wanted = chosen.into_iter().filter(|file| file.arch.is_none_or(|arch| architectures.contains(&arch)));
        let store = Store::new(&args.folder);
        store.create()?;
        let work = Work { ui, project: &project, image: &image, store: &store, servers: means.servers };
        let fates = gather(&work, wanted.collect(), &lock.snapshots).await?;
        let (mut present, mut fetched, mut problems) = (Sum::default(), Sum::default(), Vec::new());
        for fate in fates {
            match fate {
                Fate::Present(bytes) => present.add(bytes),
                Fate::Fetched(bytes) => fetched.add(bytes),
                Fate::Failed(problem) => problems.push(problem),
            }
        }
        let bases = base::bases(&work, &lock, &architectures).await;
        for Root { reference: _, arch: _, state } in &bases {
            match state {
                State::Present(bytes) => present.add(*bytes),
                State::Made(bytes) | State::Fetched(bytes) => fetched.add(*bytes),
                State::Failed(problem) => problems.push(problem.clone()),
                State::Elsewhere | State::Nowhere => {}
            }
        }
        let known = [&lock.base, &lock.fetch].into_iter().flat_map(|base| Arch::ALL.map(|arch| store.base(base, arch))).flatten();
        let named = all.into_iter().filter_map(|file| file.digest).chain(known.map(|file| file.digest)).collect();
        let unnamed = store.unnamed(&named, &[&lock.base, &lock.fetch])?;
        // Where something failed nothing is taken away: what is there may be all that can be had.
        let pruned = args.prune && problems.is_empty();
        if pruned {
            remove(&unnamed)?;
            let parts = store.parts(&[&lock.base, &lock.fetch]);
            store.unlist(&parts).map_err(system(format!("writing the list of images in {}", args.folder.display())))?;
        }
        let scripts = scripts(&project, scope, &lock, &targets)?;
        if args.json {
            let told = Told {
                present: &present,
                fetched: &fetched,
                problems: &problems,
                unnamed: &unnamed,
                pruned,
                scripts: &scripts,
                bases: &bases,
            };
            ui.json(&told.as_json(&project, &args.folder));
        }
        base::say(ui, &bases);
        say_scripts(ui, &project, &scripts);
        say_unnamed(ui, &unnamed, pruned);
        let count = present.files + fetched.files;
        ui.say(&format!(
            "{}: {count} file{}, {}; {} there already, {} fetched in {}{}",
            args.folder.display(),
            if count == 1 { "" } else { "s" },
            size(present.bytes + fetched.bytes),
            present.files,
            fetched.files,
            seconds(started.elapsed()),
            if problems.is_empty() { String::new() } else { format!("; {} could not be had", problems.len()) },
        ));
        if problems.is_empty() { Ok(0) } else { Err(vendor::stop(&project, problems)) }
    })
}

/// The files that some images are built from.
fn needed(project: &Project, scope: Scope, lock: &Lock, targets: &[Target]) -> Result<BTreeSet<PinnedFile>, Failure> {
    let mut files = BTreeSet::new();
    for target in targets {
        let compiled = project.compile(scope, lock, target)?;
        files.extend(compiled.plan.downloads.into_values().flatten());
    }
    Ok(files)
}

/// The scripts of some images, each once.
fn scripts(project: &Project, scope: Scope, lock: &Lock, targets: &[Target]) -> Result<BTreeSet<Script>, Failure> {
    let mut found = BTreeSet::new();
    for target in targets {
        found.extend(plan::scripts(&project.compile(scope, lock, target)?.locked, target));
    }
    Ok(found)
}

/// Looks at every file and fetches what is not there. Each hash is fetched once, whatever it is called. The moments are those of the lock.
async fn gather(work: &Work<'_>, wanted: Vec<PinnedFile>, moments: &[Time]) -> Result<Vec<Fate>, Failure> {
    let Work { ui, project, image, store: _, servers } = *work;
    let mut fates = Vec::new();
    let mut files: BTreeMap<Digest, PinnedFile> = BTreeMap::new();
    for file in wanted {
        match &file.digest {
            Some(digest) => drop(files.entry(digest.clone()).or_insert(file)),
            None => fates.push(Fate::Failed(weak(&file))),
        }
    }
    let surroundings = trust::surroundings(project);
    let freshness = match servers {
        Servers::Asked => Freshness::Asked,
        Servers::LeftAlone => Freshness::Kept,
    };
    let client = Client::new(surroundings.cache(), freshness)
        .map(|client| client.of(&surroundings))
        .map_err(|error| project.stop(Problem::new(Code::VendorFetch, format!("nothing can be fetched: {}", chain(&error)))))?;
    let getter = Getter::new(&client, &surroundings, vec![&image.base.distribution, &image.fetch.distribution], moments);
    let (moved, count) = (AtomicU64::new(0), files.len());
    let mut ongoing =
        futures_util::stream::iter(&files).map(|(digest, file)| one(work, &getter, digest, file, &moved)).buffer_unordered(PARALLEL);
    let mut tick = tokio::time::interval(TICK);
    let mut done = 0;
    loop {
        tokio::select! {
            fate = ongoing.next() => match fate {
                Some(fate) => {
                    done += 1;
                    fates.push(fate);
                }
                None => break,
            },
            _ = tick.tick(), if ui.is_live() => {
                ui.transient(&format!("{done} of {count} files, {} fetched", size(moved.load(Ordering::Relaxed))));
            }
        }
    }
    drop(ongoing);
    ui.clear_transient();
    // In one order, whoever answered first.
    let message = |fate: &Fate| match fate {
        Fate::Present(_) | Fate::Fetched(_) => String::new(),
        Fate::Failed(problem) => problem.message.clone(),
    };
    fates.sort_by_cached_key(message);
    Ok(fates)
}

async fn one(work: &Work<'_>, getter: &Getter<'_>, digest: &Digest, file: &PinnedFile, moved: &AtomicU64) -> Fate {
    let Work { ui, project: _, image: _, store, servers } = *work;
    let target = store.path(digest);
    let look = {
        let (target, digest) = (target.clone(), digest.clone());
        tokio::task::spawn_blocking(move || vendor::look(&target, &digest)).await
    };
    match look {
        Ok(Ok(Held::Sound(bytes))) => return Fate::Present(bytes),
        Ok(Ok(Held::Missing)) => {}
        Ok(Ok(Held::Damaged(found))) => match servers {
            Servers::Asked => ui.warn(&format!("{} was not what its name says, and is fetched anew", target.display())),
            Servers::LeftAlone => return Fate::Failed(vendor::other(&target, digest, &found)),
        },
        Ok(Err(error)) => return Fate::Failed(vendor::damaged(&target, &error.to_string())),
        Err(_) => return Fate::Failed(vendor::damaged(&target, "reading it broke")),
    }
    let name = file.place.name();
    match servers {
        Servers::LeftAlone => {
            let help = format!(
                "there is no {}, and silo is offline: without --offline, --frozen and SILO_OFFLINE it is fetched",
                target.display()
            );
            Fate::Failed(Problem::new(Code::VendorMissing, format!("{name} is not vendored")).help(help))
        }
        Servers::Asked => match getter.fetch(&file.place, digest, &target, || vendor::unfinished(&target), moved).await {
            Ok(bytes) => Fate::Fetched(bytes),
            Err(reason) => {
                let advice =
                    "what was fetched stays: run the same again when the server answers, or `silo update` when it has something else now";
                Fate::Failed(unfetched(&name, &format!("{reason}; {advice}")))
            }
        },
    }
}

/// Why is long, and messages are not: it stands with what helps.
fn unfetched(name: &str, help: &str) -> Problem {
    Problem::new(Code::VendorFetch, format!("{name} could not be vendored")).help(help)
}

/// A file that no strong hash is known of.
fn weak(file: &PinnedFile) -> Problem {
    let help = "silo.lock has no hash of it that is strong enough: an old package of npm may have a SHA-1 only, a newer version has more";
    unfetched(&file.place.name(), help)
}

fn remove(unnamed: &Unnamed) -> Result<(), Failure> {
    for file in &unnamed.files {
        std::fs::remove_file(file).map_err(system(format!("removing {}", file.display())))?;
    }
    Ok(())
}

fn say_scripts(ui: &Ui, project: &Project, scripts: &BTreeSet<Script>) {
    if scripts.is_empty() {
        return;
    }
    ui.say("scripts run without a network in an offline build; what they download is not vendored:");
    for Script { origin, what } in scripts {
        ui.say(&format!("  {what} ({})", project.sources.place(*origin)));
    }
}

fn say_unnamed(ui: &Ui, unnamed: &Unnamed, pruned: bool) {
    let (count, bytes) = (unnamed.files.len(), size(unnamed.bytes));
    let noun = if count == 1 { "file" } else { "files" };
    match (count, pruned) {
        (0, _) => {}
        (_, true) => ui.say(&format!("removed {count} {noun}, {bytes}, that this lock does not name")),
        (_, false) => ui.say(&format!("{count} other {noun}, {bytes}, that this lock does not name; --prune removes them")),
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// What is told at the end.
struct Told<'a> {
    present: &'a Sum,
    fetched: &'a Sum,
    problems: &'a [Problem],
    unnamed: &'a Unnamed,
    pruned: bool,
    scripts: &'a BTreeSet<Script>,
    bases: &'a [Root],
}

impl Told<'_> {
    fn as_json(&self, project: &Project, folder: &Path) -> Value {
        let Told { present, fetched, problems, unnamed, pruned, scripts, bases } = self;
        let sum = |Sum { files, bytes }: &Sum| json!({ "files": files, "bytes": bytes });
        let scripts: Vec<Value> =
            scripts.iter().map(|Script { origin, what }| json!({ "script": what, "place": project.sources.place(*origin) })).collect();
        json!({
            "version": FORMAT,
            "folder": folder.display().to_string(),
            "present": sum(present),
            "fetched": sum(fetched),
            "failed": problems.iter().map(|problem| json!({ "code": problem.code.as_str(), "message": problem.message, "help": problem.help })).collect::<Vec<_>>(),
            "unnamed": { "files": unnamed.files.len(), "bytes": unnamed.bytes, "removed": pruned },
            "bases": bases.iter().map(Root::as_json).collect::<Vec<_>>(),
            "scripts": scripts,
        })
    }
}
