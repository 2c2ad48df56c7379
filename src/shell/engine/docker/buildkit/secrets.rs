//! Secrets of a build, from memory.

use std::collections::BTreeMap;

use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::Secrets;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use tonic::{Request, Response, Status};

use crate::shell::engine::BuildNetwork;

/// What a step is told that is not to be done.
const OFFLINE: &str = "this step was not done before, and silo is offline";

/// The secrets of a build.
pub(super) struct Vault {
    /// By identifier.
    pub(super) secrets: BTreeMap<String, Vec<u8>>,
    /// Whether steps get what they ask for.
    pub(super) network: BuildNetwork,
}

#[tonic::async_trait]
impl Secrets for Vault {
    /// One that is absent is `NOT_FOUND`: a mount that is not required is then left out.
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let identifier = request.into_inner().id;
        match self.network {
            BuildNetwork::Open | BuildNetwork::None => {}
            // Any other answer than `NOT_FOUND` ends the step before it starts. One that is in the cache asks for nothing.
            BuildNetwork::Kept => return Err(Status::failed_precondition(OFFLINE)),
        }
        match self.secrets.get(&identifier) {
            Some(data) => Ok(Response::new(GetSecretResponse { data: data.clone() })),
            None => Err(Status::not_found(format!("no secret `{identifier}`"))),
        }
    }
}
