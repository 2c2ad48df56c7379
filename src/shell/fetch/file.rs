//! Files of URLs and their checksums.

use silo::digest::Sha512;
use silo::lock::checksum::{self, Sum};
use silo::lock::{Artifact, Trust};
use silo::spec::Arch;

use super::chain;
use super::client::{Ask, Client};

/// A file whose checksum is in another one.
pub async fn published(client: &Client<'_>, arch: Option<Arch>, url: String, sums: &str) -> Result<Artifact, String> {
    let bytes = client.get(sums, &Ask::default()).await.map_err(|error| chain(&error))?;
    match checksum::find(&String::from_utf8_lossy(&bytes), &url) {
        Some(sum) => summed(client, arch, url, sum).await,
        None => Err(format!("{sums} has no checksum of {}", url.rsplit('/').next().unwrap_or_default())),
    }
}

/// A file with a published checksum. The lock keeps SHA-256: where another one is published, the file is fetched and compared with that.
pub async fn summed(client: &Client<'_>, arch: Option<Arch>, url: String, sum: Sum) -> Result<Artifact, String> {
    let sha256 = match sum {
        Sum::Sha256(sha256) => sha256,
        Sum::Sha512(published) => {
            let add = |hash: &mut Sha512, bytes: &[u8]| {
                hash.update(bytes);
                Ok(())
            };
            let (hash, sha256) = client.stream(&url, Sha512::default, add).await.map_err(|error| chain(&error))?;
            let found = hash.finish();
            if found != published {
                return Err(format!("the SHA-512 of {url} is {found}, and {published} is published"));
            }
            sha256
        }
    };
    Ok(Artifact::File { arch, url, sha256, trust: Trust::Published })
}

/// A file whose checksum nobody publishes.
pub async fn first_use(client: &Client<'_>, arch: Option<Arch>, url: String) -> Result<Artifact, String> {
    let sha256 = client.digest(&url).await.map_err(|error| chain(&error))?;
    Ok(Artifact::File { arch, url, sha256, trust: Trust::FirstUse })
}
