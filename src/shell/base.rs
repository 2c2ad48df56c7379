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
use super::vendor::image::{Parts, Standing};
use super::vendor::{self, Held, Store};

/// A base must be on the engine before a build: made here, vendored, or pulled with the caller's own login. Returns the name by which the engine
/// has it, which is not the plan's when an image of a registry was vendored: an engine knows an image by its digest only from its registry.
pub async fn ensure(
    ui: &Ui,
    project: &Project,
    base: &LockedBase,
    distribution: &Distribution,
    engine: &Docker,
    means: &Means,
) -> Result<String, Failure> {
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
        return Ok(reference);
    }
    if let Some(folder) = &means.vendor
        && let Some(arch) = engine.architecture().await?
    {
        let store = vendor::Store::new(folder);
        match base.from {
            BaseFrom::Bootstrap => {
                if let Some(file) = store.base(base, arch) {
                    take(ui, project, base, engine, &reference, &file).await?;
                    return Ok(reference);
                }
            }
            BaseFrom::Registry => match store.image(base, arch) {
                Standing::Whole(parts) => return load(ui, project, base, engine, &store, &parts).await,
                Standing::Damaged(path, why) => return Err(project.stop(vendor::damaged(&path, &why))),
                Standing::Nowhere | Standing::Lacking(_) => {}
            },
        }
    }
    let missing = |help: String| Failure::Refused {
        message: format!("the engine does not have the base {reference}, and silo is offline"),
        help: Some(help),
    };
    match (means.servers, base.from) {
        (Servers::LeftAlone, BaseFrom::Registry) => Err(missing(format!(
            "`silo vendor DIR` where there is a network, then `--vendor DIR` here; or `docker pull {reference}` while the engine reaches its registry"
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
            pulled?;
            Ok(reference)
        }
        (Servers::Asked, BaseFrom::Bootstrap) => {
            make(ui, project, base, distribution, engine, &reference).await?;
            Ok(reference)
        }
    }
}

/// Gives the engine an image of a registry that was vendored, after a look whether every part is the one that the lock leads to, under a tag of
/// silo's own, which it returns. No image depends on that tag.
async fn load(ui: &Ui, project: &Project, base: &LockedBase, engine: &Docker, store: &Store, parts: &Parts) -> Result<String, Failure> {
    let short: String = parts.config.hex.chars().take(32).collect();
    let tag = format!("localhost/silo/base:vendored-{short}");
    // Where the engine names images by their configurations, the one that it has is known to be this one. Others name them by manifests that they
    // make themselves: they take it again, which costs them no more than reading it.
    if engine.find(&tag).await?.is_some_and(|image| image.id == parts.config.to_string()) {
        return Ok(tag);
    }
    ui.say(&format!("taking the base {} out of {}", base.reference, store.blobs(parts.config.algorithm).display()));
    let mut files = BTreeMap::new();
    for digest in parts.all() {
        let path = store.blob(digest);
        match vendor::look(&path, digest).map_err(system(format!("reading {}", path.display())))? {
            Held::Sound(size) => drop(files.insert(digest, StoredFile { path, digest: digest.clone(), size })),
            Held::Damaged(found) => return Err(project.stop(vendor::other(&path, digest, &found))),
            Held::Missing => return Err(project.stop(vendor::damaged(&path, "it has just gone"))),
        }
    }
    let file = |digest| files.get(digest).cloned();
    let layers: Vec<StoredFile> = parts.layers.iter().filter_map(file).collect();
    let Some(config) = file(&parts.config) else {
        return Err(project.stop(vendor::damaged(&store.blob(&parts.config), "it has just gone")));
    };
    engine.load(&tag, &config, &layers).await.map_err(|error| Failure::Refused {
        message: format!("the engine does not take the vendored base {}", base.reference),
        help: Some(format!(
            "{}; an engine has to know how the layers are compressed: a newer one does, or `docker pull {}@{}` while this one reaches the registry, \
             or a base `from=bootstrap`",
            fetch::chain(&error),
            base.reference,
            base.digest
        )),
    })?;
    Ok(tag)
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
