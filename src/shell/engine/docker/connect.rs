//! Finding an engine that answers and can do what silo needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

use silo::spec::Arch;

use super::transport::{self, Address};
use super::{Docker, failed};
use crate::shell::engine::{EngineError, EngineOptions, Operation};

/// The first API version whose engine has BuildKit, its session and everything else used here: Docker 20.10.
const OLDEST: (u32, u32) = (1, 41);
/// How long an engine may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long `bollard` waits for the head of an answer. An import or a removal of gigabytes says nothing before its end.
const SLOWEST_SECONDS: u64 = 3600;

impl EngineOptions {
    /// What this process's environment says.
    pub fn from_environment() -> EngineOptions {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        EngineOptions {
            host: text("DOCKER_HOST"),
            tls_verify: text("DOCKER_TLS_VERIFY"),
            context: text("DOCKER_CONTEXT"),
            config: text("DOCKER_CONFIG").map(PathBuf::from),
            home: text("HOME").map(PathBuf::from),
            runtime: text("XDG_RUNTIME_DIR").map(PathBuf::from),
            system_socket: PathBuf::from("/var/run/docker.sock"),
        }
    }

    /// The folder with the Docker client's configuration.
    pub(super) fn config_folder(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| self.home.as_ref().map(|home| home.join(".docker")))
    }
}

impl Docker {
    /// Finds the engine and asks it once (`/_ping`) who it is.
    ///
    /// In order: `DOCKER_HOST`; the docker context; the system's socket; the sockets of rootless Docker, Docker Desktop, Colima,
    /// OrbStack and Rancher Desktop. The first that exists is taken.
    ///
    /// # Errors
    /// One variant each for what can be the matter; see [`EngineError`].
    pub async fn connect(options: &EngineOptions) -> Result<Docker, EngineError> {
        let address = address(options)?;
        let patience = tokio::time::timeout(PATIENCE, transport::send(&address, Method::GET, "/_ping", HeaderMap::new(), Bytes::new()));
        let response = match patience.await {
            Ok(Ok((response, _connection))) => response,
            Ok(Err(cause)) => return Err(unanswered(&address, cause)),
            Err(elapsed) => return Err(EngineError::Silent { address: address.to_string(), source: elapsed.into() }),
        };
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        if header("server").starts_with("Libpod/") || response.headers().contains_key("libpod-api-version") {
            return Err(EngineError::Podman { address: address.to_string() });
        }
        if !response.status().is_success() {
            let source = transport::refusal(response).await.into();
            return Err(EngineError::Silent { address: address.to_string(), source });
        }
        let version = header("api-version");
        let api = parse_version(&version).unwrap_or((0, 0));
        if api < OLDEST {
            return Err(EngineError::TooOld { address: address.to_string(), version });
        }
        let client = match &address {
            Address::Unix(path) => {
                bollard::Docker::connect_with_unix(&path.to_string_lossy(), SLOWEST_SECONDS, bollard::API_DEFAULT_VERSION)
            }
            Address::Tcp(host) => bollard::Docker::connect_with_http(host, SLOWEST_SECONDS, bollard::API_DEFAULT_VERSION),
        };
        let client = client.map_err(|cause| EngineError::Silent { address: address.to_string(), source: cause.into() })?;
        Ok(Docker { client, address, api, config: options.config_folder() })
    }
}

impl Docker {
    /// The architecture of the machine that the engine builds on; `None` when it is none that silo builds for.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn architecture(&self) -> Result<Option<Arch>, EngineError> {
        let version = self.client.version().await.map_err(|error| failed(Operation::Version, error))?;
        Ok(Arch::ALL.into_iter().find(|arch| Some(arch.as_str()) == version.arch.as_deref()))
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Says why a socket that should have answered did not.
fn unanswered(address: &Address, cause: crate::shell::engine::Cause) -> EngineError {
    let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    match (address, kind) {
        (Address::Unix(path), Some(std::io::ErrorKind::PermissionDenied)) => {
            EngineError::Permission { socket: path.display().to_string(), source: cause }
        }
        (_, Some(std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)) => {
            EngineError::NotRunning { address: address.to_string(), source: cause }
        }
        _ => EngineError::Silent { address: address.to_string(), source: cause },
    }
}

/// Chooses the address without asking anybody.
fn address(options: &EngineOptions) -> Result<Address, EngineError> {
    if let Some(host) = &options.host {
        return parse_host(host, options);
    }
    if let Some(host) = context_host(options)? {
        return parse_host(&host, options);
    }
    let candidates = candidates(options);
    // A socket without permission still is the engine to talk about, so existence decides.
    match candidates.iter().find(|path| std::fs::symlink_metadata(path).is_ok()) {
        Some(path) => Ok(Address::Unix(path.clone())),
        None => {
            Err(EngineError::NoEngine { tried: candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ") })
        }
    }
}

fn candidates(options: &EngineOptions) -> Vec<PathBuf> {
    let mut paths = vec![options.system_socket.clone()];
    if let Some(runtime) = &options.runtime {
        paths.push(runtime.join("docker.sock"));
    }
    if let Some(home) = &options.home {
        for socket in [
            ".docker/run/docker.sock",
            ".docker/desktop/docker.sock",
            ".colima/default/docker.sock",
            ".orbstack/run/docker.sock",
            ".rd/docker.sock",
        ] {
            paths.push(home.join(socket));
        }
    }
    paths
}

fn parse_host(host: &str, options: &EngineOptions) -> Result<Address, EngineError> {
    match host.split_once("://") {
        Some(("unix", path)) if !path.is_empty() => Ok(Address::Unix(PathBuf::from(path))),
        Some(("tcp" | "http", rest)) if options.tls_verify.is_none() => {
            let rest = rest.trim_end_matches('/');
            // An address in brackets contains colons of its own.
            let has_port =
                rest.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
            Ok(Address::Tcp(if has_port { rest.to_owned() } else { format!("{rest}:2375") }))
        }
        _ => Err(EngineError::UnsupportedHost { host: host.to_owned() }),
    }
}

/// The host of the docker context in use; `None` for the default context.
fn context_host(options: &EngineOptions) -> Result<Option<String>, EngineError> {
    #[derive(serde::Deserialize)]
    struct Meta {
        #[serde(rename = "Name")]
        name: String,
        #[serde(rename = "Endpoints")]
        endpoints: Endpoints,
    }
    #[derive(serde::Deserialize)]
    struct Endpoints {
        docker: Option<Endpoint>,
    }
    #[derive(serde::Deserialize)]
    struct Endpoint {
        #[serde(rename = "Host")]
        host: Option<String>,
    }

    let Some(folder) = options.config_folder() else { return Ok(None) };
    let Some(name) = options.context.clone().or_else(|| current_context(&folder)) else { return Ok(None) };
    if name == "default" {
        return Ok(None);
    }
    // The folders are named by a hash of the context's name; the files in them say the name itself.
    let metas = std::fs::read_dir(folder.join("contexts/meta")).into_iter().flatten().flatten();
    for entry in metas {
        let Ok(bytes) = std::fs::read(entry.path().join("meta.json")) else { continue };
        let Ok(meta) = serde_json::from_slice::<Meta>(&bytes) else { continue };
        if meta.name == name {
            return match meta.endpoints.docker.and_then(|endpoint| endpoint.host) {
                Some(host) if !host.is_empty() => Ok(Some(host)),
                Some(_) | None => Ok(None),
            };
        }
    }
    Err(EngineError::NoContext { name })
}

fn current_context(folder: &Path) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Config {
        #[serde(rename = "currentContext")]
        current_context: Option<String>,
    }
    let bytes = std::fs::read(folder.join("config.json")).ok()?;
    serde_json::from_slice::<Config>(&bytes).ok()?.current_context.filter(|name| !name.is_empty())
}
