//! The root file systems that images and their stages start from: made here, or pulled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use silo::lock::LockedBase;
use silo::plan;
use silo::spec::{BaseFrom, Distribution};

use super::bootstrap;
use super::cli::Means;
use super::engine::StoredFile;
use super::engine::docker::Docker;
use super::failure::{Failure, system};
use super::fetch::{self, Servers};
use super::project::Project;
use super::trust;
use super::ui::Ui;
use super::ui::progress::seconds;
use super::vendor::{self, Held};

/// A base must be on the engine before a build: made here, or pulled with the caller's own login.
pub async fn ensure(
    ui: &Ui,
    project: &Project,
    base: &LockedBase,
    distribution: &Distribution,
    engine: &Docker,
    means: &Means,
) -> Result<(), Failure> {
    let reference = plan::base_reference(base, distribution);
    if let Some(arch) = engine.architecture().await?
        && !base.platforms.is_empty()
        && !base.platforms.contains_key(&arch)
    {
        let has: Vec<&str> = base.platforms.keys().map(|arch| arch.as_str()).collect();
        return Err(Failure::Refused {
            message: format!(
                "{} has no image for {}, which the engine runs; it has one for {}",
                base.reference,
                arch.as_str(),
                has.join(", ")
            ),
            help: Some("choose another base, or an engine of that architecture".to_string()),
        });
    }
    if engine.find(&reference).await?.is_some() {
        return Ok(());
    }
    if base.from == BaseFrom::Bootstrap
        && let Some(folder) = &means.vendor
        && let Some(arch) = engine.architecture().await?
        && let Some(file) = vendor::Store::new(folder).base(base, arch)
    {
        return take(ui, project, base, engine, &reference, &file).await;
    }
    let missing = |help: String| Failure::Refused {
        message: format!("the engine does not have the base {reference}, and silo is offline"),
        help: Some(help),
    };
    match (means.servers, base.from) {
        (Servers::LeftAlone, BaseFrom::Registry) => Err(missing(format!(
            "`docker pull {reference}` while the engine reaches its registry; a base `from=bootstrap` can be vendored instead (`silo vendor`)"
        ))),
        (Servers::LeftAlone, BaseFrom::Bootstrap) => {
            Err(missing("`silo vendor DIR` on a machine of the same architecture with a network, then `--vendor DIR` here".to_string()))
        }
        (Servers::Asked, BaseFrom::Registry) => {
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
        (Servers::Asked, BaseFrom::Bootstrap) => make(ui, project, base, distribution, engine, &reference).await,
    }
}

/// Gives the engine a base that was vendored, after a look whether it is the one that was put there.
async fn take(ui: &Ui, project: &Project, base: &LockedBase, engine: &Docker, reference: &str, file: &StoredFile) -> Result<(), Failure> {
    ui.say(&format!("taking the base {} out of {}", base.reference, file.path.display()));
    match vendor::look(&file.path, &file.digest).map_err(system(format!("reading {}", file.path.display())))? {
        Held::Sound(_) => import(base, engine, reference, &file.path).await,
        Held::Damaged(found) => Err(project.stop(vendor::other(&file.path, &file.digest, &found))),
        Held::Missing => Err(project.stop(vendor::damaged(&file.path, "it has just gone"))),
    }
}

async fn import(base: &LockedBase, engine: &Docker, reference: &str, tar: &Path) -> Result<(), Failure> {
    let labels = BTreeMap::from([("dev.silo.base".to_string(), base.digest.clone())]);
    engine.import_rootfs(tar, reference, &labels).await?;
    Ok(())
}

/// Makes a base from its distribution's packages and gives it to the engine.
async fn make(
    ui: &Ui,
    project: &Project,
    base: &LockedBase,
    distribution: &Distribution,
    engine: &Docker,
    reference: &str,
) -> Result<(), Failure> {
    ui.say(&format!("making the base {} from its distribution's packages (once)", base.reference));
    let started = Instant::now();
    let tar = bootstrap(ui, project, base, distribution, &project.caller.cache_directory().join("bootstrap")).await?;
    import(base, engine, reference, &tar).await?;
    // The engine has it now; a copy on disk is of no more use.
    let _ = std::fs::remove_file(&tar);
    ui.say(&format!("made {reference} in {}", seconds(started.elapsed())));
    Ok(())
}

/// Makes the root file system of a base for this machine's architecture, as a file in a folder.
pub async fn bootstrap(
    ui: &Ui,
    project: &Project,
    base: &LockedBase,
    distribution: &Distribution,
    folder: &Path,
) -> Result<PathBuf, Failure> {
    let surroundings = trust::surroundings(project);
    let report = |line: &str| {
        if ui.is_live() {
            ui.transient(line);
        }
    };
    let made = bootstrap::bootstrap(base, distribution, &surroundings, folder, &report).await;
    ui.clear_transient();
    made.map_err(|error| Failure::Refused { message: fetch::chain(&error), help: error.help().map(str::to_string) })
}
