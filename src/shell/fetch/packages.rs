//! The packages of the distribution with everything that they need: what is locked stays, unless something new needs it to move.

use std::collections::{BTreeMap, BTreeSet};

use silo::lock::apt::solve::{Base, Question, Solution, Updates, solve};
use silo::lock::apt::upstream;
use silo::lock::package::{Package, combined, locked, of_components, reduced};
use silo::lock::time::Time;
use silo::lock::{self, AptPackage, Artifact, LockedBase, LockedComponent};
use silo::spec::{Arch, BaseFrom, Kind, Step};

use super::archive::Stock;
use super::session::{Session, Whose};

/// What installs packages: every base has it, though no release calls it required.
const MANAGER: &str = "apt";

/// The packages, and which of those that were locked had to move, in words.
pub struct Listed {
    /// Sorted by name.
    pub packages: Vec<Package>,
    /// One sentence for each.
    pub moved: Vec<String>,
    /// When the archive was as it was read; `None` when it was not read.
    pub moment: Option<Time>,
}

/// Lists the packages of an image or of the fetch stage: those of blocks, those of components, and what these need. Components whose packages
/// have to move get their new versions.
pub async fn list(
    session: &Session<'_>,
    whose: Whose,
    names: &[String],
    base: &LockedBase,
    components: &mut [LockedComponent],
) -> Result<Listed, String> {
    let clients = whose == Whose::Fetch;
    let pins: Vec<AptPackage> = of_components(components, clients).map(|(_, pin)| pin.clone()).collect();
    let wishes: BTreeSet<String> = names.iter().cloned().chain(of_steps(session, components, clients)).collect();
    let asked: BTreeSet<String> = wishes.iter().map(|wish| lock::split(wish).0.to_string()).collect();
    if asked.is_empty() {
        return Ok(Listed { packages: Vec::new(), moved: Vec::new(), moment: None });
    }
    if let Some(packages) = reduced(session.kept.of(whose), &asked).filter(|packages| answers(packages, &wishes, &pins)) {
        return Ok(Listed { packages, moved: Vec::new(), moment: None });
    }
    let stock = session.stock(whose).await?;
    // Everything is there on some architecture, or it is said what is not.
    let found = session.packages(whose, wishes.iter().map(String::as_str)).await?;
    let mut questions: BTreeMap<Arch, BTreeMap<String, Option<String>>> = BTreeMap::new();
    for wish in &wishes {
        let (name, version) = lock::split(wish);
        for arch in found.iter().filter(|pin| pin.name == name).flat_map(|pin| pin.versions.keys()) {
            let known = questions.entry(*arch).or_default().entry(name.to_string()).or_default();
            match (&known, version) {
                (Some(known), Some(version)) if known != version => {
                    return Err(format!("{name} is asked for as {known} and as {version}"));
                }
                (_, Some(version)) => *known = Some(version.to_string()),
                (_, None) => {}
            }
        }
    }
    let release = session.release(whose).await?;
    let base = match base.from {
        BaseFrom::Bootstrap if base.digest == release.digest => Base::Release,
        BaseFrom::Bootstrap | BaseFrom::Registry => Base::Unknown,
    };
    let kept = session.kept.of(whose);
    let updates = if kept.iter().any(|package| !package.files.is_empty()) { Updates::Locked } else { Updates::Newest };
    let solutions = solutions(stock, questions, kept, base, updates).await?;
    let moved = moved(&solutions);
    let packages = combined(&solutions);
    for component in components.iter_mut().filter(|component| (component.id.kind == Kind::Client) == clients) {
        repin(component, &packages);
    }
    Ok(Listed { packages, moved, moment: stock.date.map(Time) })
}

/// The packages (`name` or `name=version`) that components ask for by the sources that were chosen for them.
fn of_steps(session: &Session<'_>, components: &[LockedComponent], clients: bool) -> Vec<String> {
    let whose = components.iter().filter(|component| (component.id.kind == Kind::Client) == clients);
    let installs = whose.filter_map(|locked| {
        let component = session.spec.all_components().find(|component| component.id == locked.id)?;
        component.installs.iter().find(|install| install.source == locked.source)
    });
    let steps = installs.flat_map(|install| &install.steps);
    steps.filter_map(|step| if let Step::Apt { packages } = step { Some(packages.clone()) } else { None }).flatten().collect()
}

/// Whether a list has everything in the versions that are asked for.
fn answers(packages: &[Package], wishes: &BTreeSet<String>, pins: &[AptPackage]) -> bool {
    let find = |name: &str| packages.iter().find(|package| package.pin.name == name);
    let fits = |name: &String| match lock::split(name) {
        (name, Some(version)) => find(name).is_some_and(|package| package.pin.versions.values().all(|locked| locked == version)),
        (name, None) => find(name).is_some(),
    };
    wishes.iter().all(fits) && pins.iter().all(|pin| find(&pin.name).is_some_and(|package| package.pin == *pin))
}

/// Solves for each architecture, side by side.
async fn solutions(
    stock: &Stock,
    asked: BTreeMap<Arch, BTreeMap<String, Option<String>>>,
    kept: &[Package],
    base: Base,
    updates: Updates,
) -> Result<BTreeMap<Arch, Solution>, String> {
    let tasks = asked.into_iter().map(|(arch, asked)| {
        let (shelf, kept) = (stock.shelves().get(&arch).cloned().unwrap_or_default(), locked(kept, arch));
        let work = move || solve(&Question { shelf: &shelf, asked: &asked, locked: &kept, present: &[MANAGER], base, updates });
        async move {
            let solution = tokio::task::spawn_blocking(work).await.map_err(|_| "finding out what packages need broke".to_string())?;
            Ok::<_, String>((arch, solution.map_err(|reason| format!("{reason} (on {})", arch.as_str()))?))
        }
    });
    futures_util::future::try_join_all(tasks).await.map(|list| list.into_iter().collect())
}

/// What had to move, once for all architectures.
fn moved(solutions: &BTreeMap<Arch, Solution>) -> Vec<String> {
    let mut words = BTreeMap::new();
    for solution in solutions.values() {
        for (name, by) in &solution.moved {
            let version = solution.packages.get(name).map_or("", |package| package.version.as_str());
            let why =
                by.as_ref().map_or_else(|| "for the packages of the lock to fit together".to_string(), |by| format!("since {by} needs it"));
            words.entry(name.clone()).or_insert_with(|| format!("{name} moves to {version}, {why}"));
        }
    }
    words.into_values().collect()
}

/// Gives a component the versions that its packages have now; its own, where that is its first package's.
fn repin(component: &mut LockedComponent, packages: &[Package]) {
    for artifact in &mut component.artifacts {
        let Artifact::Apt(pin) = artifact else { continue };
        let Some(package) = packages.iter().find(|package| package.pin.name == pin.name).filter(|package| package.pin != *pin) else {
            continue;
        };
        let (before, after) = (pin.versions.values().next(), package.pin.versions.values().next());
        if let (Some(before), Some(after)) = (before, after)
            && component.version == upstream(before)
        {
            component.version = upstream(after).to_string();
        }
        *pin = package.pin.clone();
    }
}
