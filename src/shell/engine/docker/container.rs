//! Making, listing, stopping and removing containers.

use std::path::{Path, PathBuf};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountBindOptions,
    MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use silo::launch::LaunchMount;
use silo::spec::Access;

use super::terminal::Size;
use super::{Docker, failed, status_of};
use crate::shell::engine::{Accounts, Container, EngineError, Network, Operation, RunRequest};

/// When the host runs out of memory, a container goes before the user's own programs.
const OOM_SCORE: i64 = 500;
/// Bytes of `/dev/shm`: browsers want more than the engine's 64 MiB.
const SHARED_MEMORY: i64 = 256 << 20;

/// Whether somebody reads what the container says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    /// A caller, attached.
    Attached {
        /// The caller's terminal, when the engine takes its size at creation.
        size: Option<Size>,
    },
    /// Nobody; the engine keeps a little of it.
    #[cfg(test)]
    Nobody,
}

impl Docker {
    /// Starts a container and leaves it running, as a place for [`Docker::exec`]. Returns its identifier.
    ///
    /// # Errors
    /// [`EngineError::NoImage`], or when the engine cannot create or start it; then it is removed again.
    #[cfg(test)]
    pub async fn start_detached(&self, request: &RunRequest<'_>) -> Result<String, EngineError> {
        let id = self.create(request, Listener::Nobody).await?;
        let started = self.client.start_container(&id, None).await;
        match started {
            Ok(()) => Ok(id),
            Err(error) => {
                let error = failed(Operation::Start(request.launch.name.clone()), error);
                // The error to tell is why it did not start.
                let _ = self.remove(&request.launch.name, &request.private).await;
                Err(error)
            }
        }
    }

    /// Lists the containers with a label, running or not: `key`, or `key=value`.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn list(&self, label: &str) -> Result<Vec<Container>, EngineError> {
        let filters = [("label", vec![label])].into_iter().collect();
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found =
            self.client.list_containers(Some(options)).await.map_err(|error| failed(Operation::ListContainers(label.to_owned()), error))?;
        let container = |summary: bollard::models::ContainerSummary| Container {
            id: summary.id.unwrap_or_default(),
            name: summary.names.into_iter().flatten().next().map(|name| name.trim_start_matches('/').to_owned()).unwrap_or_default(),
            image: summary.image.unwrap_or_default(),
            labels: summary.labels.into_iter().flatten().collect(),
            state: summary.state.map(|state| state.to_string()).unwrap_or_default(),
            created: summary.created.unwrap_or(0),
        };
        Ok(found.into_iter().map(container).collect())
    }

    /// Stops a container: SIGTERM, and SIGKILL after `grace_seconds`. One that is stopped already is fine.
    ///
    /// # Errors
    /// [`EngineError::NoContainer`], or when the engine fails.
    pub async fn stop(&self, name: &str, grace_seconds: i32) -> Result<(), EngineError> {
        let options = StopContainerOptionsBuilder::new().t(grace_seconds).build();
        match self.client.stop_container(&path_part(name)?, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if status_of(&error) == Some(304) => Ok(()),
            Err(error) if status_of(&error) == Some(404) => Err(EngineError::NoContainer { name: name.to_owned() }),
            Err(error) => Err(failed(Operation::Stop(name.to_owned()), error)),
        }
    }

    /// Removes a container, running or not, with its anonymous volumes and the files that silo keeps for it in `private`.
    ///
    /// # Errors
    /// [`EngineError::NoContainer`], or when the engine fails.
    pub async fn remove(&self, name: &str, private: &Path) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = match self.client.remove_container(&path_part(name)?, Some(options)).await {
            Ok(()) => Ok(()),
            // Somebody else is removing it.
            Err(error) if status_of(&error) == Some(409) => Ok(()),
            Err(error) if status_of(&error) == Some(404) => Err(EngineError::NoContainer { name: name.to_owned() }),
            Err(error) => return Err(failed(Operation::Remove(name.to_owned()), error)),
        };
        match std::fs::remove_dir_all(folder(private, name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(Operation::Remove(name.to_owned()), error)),
            Ok(()) | Err(_) => removed,
        }
    }

    /// Makes the container and writes the files that go with it; returns its identifier.
    pub(super) async fn create(&self, request: &RunRequest<'_>, listener: Listener) -> Result<String, EngineError> {
        let launch = request.launch;
        path_part(&launch.name)?;
        let accounts = match &request.accounts {
            Some(accounts) => write_accounts(&request.private, &launch.name, accounts)
                .map_err(|cause| failed(Operation::PrivateFiles(request.private.display().to_string()), cause))?,
            None => Vec::new(),
        };
        let options = CreateContainerOptionsBuilder::new().name(&launch.name).build();
        match self.client.create_container(Some(options), body(request, accounts, listener)).await {
            Ok(created) => Ok(created.id),
            Err(error) => {
                if status_of(&error) != Some(409) {
                    // With a name in use the files belong to the other container.
                    let _ = std::fs::remove_dir_all(folder(&request.private, &launch.name));
                }
                if status_of(&error) == Some(404) {
                    return Err(EngineError::NoImage { reference: launch.image.clone() });
                }
                Err(failed(Operation::Create(launch.name.clone()), error))
            }
        }
    }
}

/// A name that is part of a request's path and of a file's.
pub(super) fn path_part(name: &str) -> Result<String, EngineError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed) {
        Ok(name.to_owned())
    } else {
        Err(EngineError::NoContainer { name: name.to_owned() })
    }
}

/// The folder with the files of one container.
fn folder(private: &Path, name: &str) -> PathBuf {
    private.join(name)
}

/// Writes the files and returns their mounts.
fn write_accounts(private: &Path, name: &str, accounts: &Accounts) -> std::io::Result<Vec<Mount>> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let folder = folder(private, name);
    // The engine mounts the files themselves: nobody but it and the caller needs to get through the folder.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let mut mounts = Vec::new();
    for (file, text) in [("passwd", &accounts.passwd), ("group", &accounts.group)] {
        let path = folder.join(file);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444))?;
        mounts.push(bind(&path.to_string_lossy(), &format!("/etc/{file}"), Access::ReadOnly));
    }
    Ok(mounts)
}

fn bind(source: &str, target: &str, access: Access) -> Mount {
    let read_only = match access {
        Access::ReadOnly => true,
        Access::ReadWrite => false,
    };
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            // Old engines make only the topmost mount read only: what is mounted below would stay writable, so it is left out.
            non_recursive: read_only.then_some(true),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

fn mount(mount: &LaunchMount) -> Mount {
    match mount {
        LaunchMount::Bind { source, target, access } => bind(source, target, *access),
        LaunchMount::Volume { name, target } => {
            Mount { typ: Some(MountType::VOLUME), source: Some(name.clone()), target: Some(target.clone()), ..Mount::default() }
        }
    }
}

fn body(request: &RunRequest<'_>, accounts: Vec<Mount>, listener: Listener) -> ContainerCreateBody {
    let launch = request.launch;
    let (attached, size) = match listener {
        Listener::Attached { size } => (true, size),
        #[cfg(test)]
        Listener::Nobody => (false, None),
    };
    let (program, arguments) = match launch.argv.split_first() {
        Some((program, arguments)) => (vec![program.clone()], arguments.to_vec()),
        None => (Vec::new(), Vec::new()),
    };
    let mut security = vec!["no-new-privileges".to_owned()];
    security.extend(request.security.seccomp.iter().map(|profile| format!("seccomp={profile}")));
    let network = match request.network {
        Network::Bridge => "bridge",
        Network::None => "none",
    };
    let log = match listener {
        Listener::Attached { .. } => HostConfigLogConfig { typ: Some("none".to_owned()), config: None },
        #[cfg(test)]
        Listener::Nobody => HostConfigLogConfig {
            typ: Some("local".to_owned()),
            config: Some(
                [("max-size", "2m"), ("max-file", "2")].map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect(),
            ),
        },
    };
    let memory = launch.limits.memory.map(signed);
    let host = HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(security),
        readonly_rootfs: Some(true),
        masked_paths: request.security.masked_paths.clone(),
        readonly_paths: request.security.readonly_paths.clone(),
        init: Some(true),
        oom_score_adj: Some(OOM_SCORE),
        shm_size: Some(SHARED_MEMORY),
        network_mode: Some(network.to_owned()),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        mounts: Some(accounts.into_iter().chain(launch.mounts.iter().map(mount)).collect()),
        tmpfs: Some(launch.tmpfs.iter().map(|(path, options)| (path.clone(), options.clone())).collect()),
        nano_cpus: launch.limits.milli_cpus.map(|milli| signed(milli.saturating_mul(1_000_000))),
        memory,
        // Equal to the memory: no swap.
        memory_swap: memory,
        pids_limit: Some(signed(launch.limits.pids)),
        ulimits: Some(vec![ResourcesUlimits { name: Some("core".to_owned()), soft: Some(0), hard: Some(0) }]),
        log_config: Some(log),
        // The engine's own removal loses the exit code when the engine restarts.
        auto_remove: Some(false),
        console_size: size.map(|size| vec![usize::from(size.rows), usize::from(size.columns)]),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(launch.image.clone()),
        entrypoint: Some(program),
        cmd: Some(arguments),
        env: Some(launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: Some(launch.workdir.clone()),
        user: Some(format!("{}:{}", launch.user.0, launch.user.1)),
        labels: Some(launch.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect()),
        tty: Some(launch.terminal),
        attach_stdin: Some(attached),
        attach_stdout: Some(attached),
        attach_stderr: Some(attached),
        open_stdin: Some(attached),
        stdin_once: Some(attached),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
