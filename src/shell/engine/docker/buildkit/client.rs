//! One build: `Solve` and `Status` of BuildKit's control service side by side.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{CacheOptions, SolveRequest, StatusRequest};
use bytes::Bytes;
use http::{HeaderMap, Uri};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::auth::Credentials;
use super::filesync::{DOCKERFILE, Files, Spoiled};
use super::progress::Progress;
use super::secrets::Vault;
use super::session::{self, Services};
use crate::shell::engine::docker::transport::{self, Task};
use crate::shell::engine::docker::{Docker, says_no_space};
use crate::shell::engine::{BuildError, BuildEvent, BuildNetwork, BuildRequest, BuiltImage, Cache, Cause};

/// How long the rest of the status is waited for once the build is over.
const REST: Duration = Duration::from_secs(3);
/// The exporter that puts the result into the engine's own image store, whichever that is.
const EXPORTER: &str = "moby";

impl Docker {
    /// Builds an image with the engine's own BuildKit and its built-in Dockerfile frontend.
    ///
    /// The build ends when `cancel` does or when this future is dropped: the connections close, and BuildKit kills what runs.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub async fn build(
        &self,
        request: BuildRequest<'_>,
        mut events: impl FnMut(BuildEvent),
        cancel: impl Future<Output = ()>,
    ) -> Result<BuiltImage, BuildError> {
        tokio::select! {
            biased;
            () = cancel => Err(BuildError::Cancelled),
            result = self.solve(request, &mut events) => result,
        }
    }

    async fn solve(&self, request: BuildRequest<'_>, events: &mut impl FnMut(BuildEvent)) -> Result<BuiltImage, BuildError> {
        let connection = |source: Cause| BuildError::Connection { source };
        let spoiled = Spoiled::default();
        let reference = transport::unique().await.map_err(|cause| connection(cause.into()))?;
        let services = Services {
            credentials: Credentials { folder: self.config.clone(), index: self.default_registry().await },
            files: Files::new(request.dockerfile, request.context, request.files, spoiled.clone()),
            secrets: Vault { secrets: request.secrets.clone(), network: request.network },
        };
        let _session = session::open(&self.address, &reference, services).await.map_err(connection)?;

        let wire = transport::hijack(&self.address, "/grpc", "h2c", HeaderMap::new(), Bytes::new()).await.map_err(connection)?;
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (sender, driver) = builder
            .timer(TokioTimer::new())
            .handshake::<_, tonic::body::Body>(wire.into_inner())
            .await
            .map_err(|cause| connection(cause.into()))?;
        let _driver = Task::spawn(async move {
            // A broken connection is seen by the calls on it.
            let _ = driver.await;
        });
        let service = tower::service_fn(move |request| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let mut control = ControlClient::with_origin(service, Uri::from_static("http://engine")).max_decoding_message_size(usize::MAX);

        let mut status_control = control.clone();
        let status_request = StatusRequest { r#ref: reference.clone() };
        let mut progress = Progress::default();
        let follow = async {
            // Without a status there is no progress; whether there is an image is for `Solve` to say.
            let Ok(stream) = status_control.status(status_request).await else { return };
            let mut stream = stream.into_inner();
            while let Ok(Some(status)) = stream.message().await {
                progress.take(status, &mut *events);
            }
        };
        let solved = {
            let mut follow = std::pin::pin!(follow);
            let mut solve = std::pin::pin!(control.solve(solve_request(&request, &reference)));
            let mut followed = false;
            let solved = loop {
                tokio::select! {
                    solved = &mut solve => break solved,
                    () = &mut follow, if !followed => followed = true,
                }
            };
            if !followed {
                // The failing step's last lines may still be on their way.
                let _ = tokio::time::timeout(REST, follow).await;
            }
            solved
        };
        match solved {
            Ok(response) => {
                let answer: BTreeMap<String, String> = response.into_inner().exporter_response.into_iter().collect();
                // With the containerd store the image's identifier is its manifest's digest; both stores give it under this key.
                match answer.get("containerimage.digest").or_else(|| answer.get("containerimage.config.digest")) {
                    Some(id) => Ok(BuiltImage { id: id.clone() }),
                    None => Err(BuildError::Refused { source: "the engine exported no image".into() }),
                }
            }
            Err(status) => Err(spoiled.error().unwrap_or_else(|| failure(&progress, status))),
        }
    }
}

/// Finds out what kind of failure it was.
fn failure(progress: &Progress, status: tonic::Status) -> BuildError {
    let step = progress.failure(status.message()).map(Box::new);
    let full = says_no_space(status.message())
        || step.as_ref().is_some_and(|step| says_no_space(&step.message) || step.log.iter().any(|line| says_no_space(line)));
    match step {
        _ if full => BuildError::NoSpace { step, source: status.message().to_owned().into() },
        Some(step) => BuildError::Step(step),
        // What `tonic` makes of a broken connection; BuildKit's own errors come as `Unknown` and others.
        None if std::error::Error::source(&status).is_some() => BuildError::Connection { source: status.into() },
        None => BuildError::Refused { source: status.message().to_owned().into() },
    }
}

fn solve_request(request: &BuildRequest<'_>, reference: &str) -> SolveRequest {
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut attributes = vec![text("filename", DOCKERFILE), text("image-resolve-mode", "local")];
    attributes.extend(request.target.iter().map(|target| text("target", target)));
    attributes.extend(request.platform.iter().map(|platform| text("platform", platform)));
    match request.cache {
        Cache::Use => {}
        // Empty means every stage.
        Cache::Ignore => attributes.push(text("no-cache", "")),
    }
    match request.network {
        BuildNetwork::Open | BuildNetwork::Kept => {}
        BuildNetwork::None => attributes.push(text("force-network-mode", "none")),
    }
    attributes.extend(request.arguments.iter().map(|(name, value)| (format!("build-arg:{name}"), value.clone())));
    attributes.extend(request.labels.iter().map(|(key, value)| (format!("label:{key}"), value.clone())));
    SolveRequest {
        r#ref: reference.to_owned(),
        session: reference.to_owned(),
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: attributes.into_iter().collect(),
        // 20.10 knows only this way to name an exporter, and every later one still does.
        exporter_deprecated: EXPORTER.to_owned(),
        exporter_attrs_deprecated: [text("name", &request.tags.join(","))].into_iter().filter(|(_, names)| !names.is_empty()).collect(),
        // 20.10 does not expect it to be absent.
        cache: Some(CacheOptions::default()),
        ..SolveRequest::default()
    }
}
