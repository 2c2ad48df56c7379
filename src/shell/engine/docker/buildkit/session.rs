//! The session: the services that a build calls back.

use std::sync::Arc;

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSyncServer;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_stream::Stream;
use tonic::codegen::Service;
use tonic::{Request, Status};

use super::auth::Credentials;
use super::filesync::Files;
use super::secrets::Vault;
use crate::shell::engine::Cause;
use crate::shell::engine::docker::transport::{self, Address, Task};

/// What the engine may call.
const METHODS: [&str; 4] = [
    "/grpc.health.v1.Health/Check",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
];

/// What a session serves.
pub(super) struct Services {
    pub(super) credentials: Credentials,
    pub(super) files: Files,
    pub(super) secrets: Vault,
}

/// Opens a session under an identifier and serves it until the returned task is dropped.
pub(super) async fn open(address: &Address, identifier: &str, services: Services) -> Result<Task, Cause> {
    let mut headers = HeaderMap::new();
    headers.insert("X-Docker-Expose-Session-Uuid", HeaderValue::from_str(identifier)?);
    headers.insert("X-Docker-Expose-Session-Name", HeaderValue::from_static("silo"));
    // A receiver that knows an earlier state asks only for files whose size, mode or time differ, and silo's files all have one time: a
    // shared key would bring old contents into the image. No two builds share this one.
    headers.insert("X-Docker-Expose-Session-Sharedkey", HeaderValue::from_str(identifier)?);
    for method in METHODS {
        headers.append("X-Docker-Expose-Session-Grpc-Method", HeaderValue::from_static(method));
    }
    let connection = transport::hijack(address, "/session", "h2c", headers, Bytes::new()).await?.into_inner();

    let auth = AuthServer::from_arc(Arc::new(services.credentials));
    let files = FileSyncServer::from_arc(Arc::new(services.files));
    let secrets = SecretsServer::from_arc(Arc::new(services.secrets));
    let health = HealthServer::from_arc(Arc::new(Well));
    let dispatch = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (mut auth, mut files, mut secrets, mut health) = (auth.clone(), files.clone(), secrets.clone(), health.clone());
        async move {
            let service = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
            match service {
                "moby.filesync.v1.Auth" => auth.call(request).await,
                "moby.filesync.v1.FileSync" => files.call(request).await,
                "moby.buildkit.secrets.v1.Secrets" => secrets.call(request).await,
                "grpc.health.v1.Health" => health.call(request).await,
                _ => Ok(Status::unimplemented("no such service").into_http::<tonic::body::Body>()),
            }
            .map(|response: Response<tonic::body::Body>| response)
        }
    });
    Ok(Task::spawn(async move {
        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        // The build ends with an error of its own when the session breaks.
        let _ = server.timer(TokioTimer::new()).serve_connection(connection, dispatch).await;
    }))
}

/// The health service: a session that answers is well.
struct Well;

#[tonic::async_trait]
impl Health for Well {
    type WatchStream = std::pin::Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, _request: Request<HealthCheckRequest>) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        Ok(tonic::Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(&self, _request: Request<HealthListRequest>) -> Result<tonic::Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("only Check is served"))
    }

    async fn watch(&self, _request: Request<HealthCheckRequest>) -> Result<tonic::Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("only Check is served"))
    }
}
