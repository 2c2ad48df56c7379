//! Files of URLs and their checksums.

use silo::lock::checksum;
use silo::lock::{Artifact, Trust};
use silo::spec::Arch;

use super::chain;
use super::client::{Ask, Client};

/// A file whose checksum is in another one.
pub async fn published(client: &Client, arch: Option<Arch>, url: String, sums: &str) -> Result<Artifact, String> {
    let bytes = client.get(sums, &Ask::default()).await.map_err(|error| chain(&error))?;
    let name = url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    match checksum::find(&String::from_utf8_lossy(&bytes), name) {
        Some(sha256) => Ok(Artifact::File { arch, url, sha256, trust: Trust::Published }),
        None => Err(format!("{sums} has no SHA-256 of {name}")),
    }
}

/// A file whose checksum nobody publishes.
pub async fn first_use(client: &Client, arch: Option<Arch>, url: String) -> Result<Artifact, String> {
    let ((), sha256) = client.stream(&url, || (), |(), _| Ok(())).await.map_err(|error| chain(&error))?;
    Ok(Artifact::File { arch, url, sha256, trust: Trust::FirstUse })
}
