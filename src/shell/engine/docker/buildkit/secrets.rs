//! Secrets of a build, from memory.

use std::collections::BTreeMap;

use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::Secrets;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use tonic::{Request, Response, Status};

/// The secrets by identifier.
pub(super) struct Vault(pub(super) BTreeMap<String, Vec<u8>>);

#[tonic::async_trait]
impl Secrets for Vault {
    /// One that is absent is `NOT_FOUND`: a mount that is not required is then left out.
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let identifier = request.into_inner().id;
        match self.0.get(&identifier) {
            Some(data) => Ok(Response::new(GetSecretResponse { data: data.clone() })),
            None => Err(Status::not_found(format!("no secret `{identifier}`"))),
        }
    }
}
