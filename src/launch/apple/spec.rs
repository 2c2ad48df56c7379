//! `build.json`, field by field as in `schemas/apple-container-build.schema.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::ContextFile;

/// What is written into one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppleSpec {
    /// `build.json`.
    pub build: String,
    /// `Dockerfile`.
    pub dockerfile: String,
    /// The files of `context/`, by path in it.
    pub context: BTreeMap<String, ContextFile>,
}

#[derive(Serialize)]
pub(super) struct BuildJson {
    pub schema: &'static str,
    pub identity: IdentityJson,
    pub requires: Requires,
    pub builder: Builder,
    pub build: Build,
    pub limits: Sizes,
    pub run: Option<Run>,
    pub argv: Argv,
}

#[derive(Serialize)]
pub(super) struct IdentityJson {
    pub algorithm: &'static str,
    pub hash: String,
    pub inputs: Inputs,
}

#[derive(Serialize)]
pub(super) struct Inputs {
    pub dockerfile: String,
    pub context: String,
    pub args: BTreeMap<String, String>,
    pub target: String,
    pub platform: &'static str,
    pub base: String,
    pub secret_ids: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Requires {
    pub container: String,
    pub macos: &'static str,
    pub because: BTreeMap<&'static str, Vec<&'static str>>,
}

#[derive(Serialize)]
pub(super) struct Builder {
    pub cpus: Option<u64>,
    pub memory: Option<String>,
    pub unset_env: Vec<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Build {
    pub file: &'static str,
    pub context: &'static str,
    pub target: String,
    pub platform: &'static str,
    pub tags: Vec<String>,
    pub args: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub secrets: Vec<SecretJson>,
    pub ssh: bool,
    pub pull: bool,
    pub no_cache: bool,
    pub progress: &'static str,
}

#[derive(Serialize)]
pub(super) struct SecretJson {
    pub id: String,
    pub src: String,
}

#[derive(Serialize)]
pub(super) struct Sizes {
    pub dockerfile_bytes: usize,
    pub metadata_bytes: usize,
    pub max_metadata_bytes: usize,
}

#[derive(Serialize)]
pub(super) struct Run {
    pub name: String,
    pub image: String,
    pub cpus: Option<u64>,
    pub memory: Option<String>,
    pub user: String,
    pub workdir: String,
    pub entrypoint: String,
    pub command: Vec<String>,
    pub env: RunEnvJson,
    pub mounts: Vec<MountJson>,
    pub tmpfs: Vec<String>,
    pub network: &'static str,
    pub ssh_agent: bool,
    pub init: bool,
    pub read_only: bool,
    pub cap_drop: Vec<&'static str>,
    pub cap_add: Vec<&'static str>,
    pub ulimits: BTreeMap<&'static str, u64>,
    pub publish: Vec<String>,
    pub tty: bool,
    pub interactive: bool,
    pub remove: bool,
    pub labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
pub(super) struct RunEnvJson {
    pub set: BTreeMap<String, String>,
    pub inherit: Vec<String>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum MountJson {
    Dir { source: String, target: String, read_only: bool },
    Staged { source: String, target: String, read_only: bool, files: Vec<StagedFile> },
    Volume { source: String, target: String, exclusive: bool },
}

#[derive(Clone, Serialize)]
pub(super) struct StagedFile {
    pub source: String,
    pub target: String,
    pub write_back: bool,
}

impl MountJson {
    /// As `--volume` takes it.
    pub(super) fn volume(&self) -> String {
        let (source, target, read_only) = match self {
            MountJson::Dir { source, target, read_only } | MountJson::Staged { source, target, read_only, files: _ } => {
                (source, target, *read_only)
            }
            MountJson::Volume { source, target, exclusive: _ } => (source, target, false),
        };
        format!("{source}:{target}{}", if read_only { ":ro" } else { "" })
    }
}

#[derive(Serialize)]
pub(super) struct Argv {
    pub build: Vec<String>,
    pub run: Option<Vec<String>>,
}
