//! Registries of images, and images that come from elsewhere than the engine's own pull.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

use bollard::models::SystemInfo;
use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::io::AsyncReadExt;

use super::buildkit::{Credentials, TOKEN_USER};
use super::images::{CHUNK, check, split_tag};
use super::{Docker, failed};
use crate::shell::engine::{Cause, EngineError, EngineOptions, Operation, StoredFile};
use crate::shell::fetch::registry::{Registry, RegistryLogin, Repository};

/// The size of a tar archive's blocks. Source: POSIX, pax.
const BLOCK: u64 = 512;

/// Where the images of a reference are, with the logins of the Docker client's configuration. Which registry has a name without one, and what
/// mirrors there are of that, only an engine knows; without it the registry that a reference names is known nevertheless.
///
/// # Errors
/// When the reference is none, or names no registry and no engine answers.
pub async fn repository(options: &EngineOptions, reference: &str) -> Result<Repository, EngineError> {
    let operation = || Operation::Registry(reference.to_owned());
    check(reference).map_err(|cause| failed(operation(), cause))?;
    let engine = Docker::connect(options).await;
    let info = match &engine {
        Ok(engine) => engine.client.info().await.unwrap_or_default(),
        Err(_) => SystemInfo::default(),
    };
    let index = info.index_server_address.clone();
    let credentials = Credentials { folder: options.config_folder(), index: index.clone() };
    let (name, tag) = split_tag(reference);
    let named = name.split_once('/').filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost");
    if let Some((host, rest)) = named
        && !index.as_ref().is_some_and(|index| is_of(index, host))
    {
        let schemes: &[&str] = if is_insecure(&info, host) { &["https", "http"] } else { &["https"] };
        let login = login(&credentials, host).await;
        let registries = schemes.iter().map(|scheme| Registry { address: format!("{scheme}://{host}"), login: login.clone() }).collect();
        return Ok(Repository { registries, name: rest.to_owned(), tag: tag.to_owned() });
    }
    engine?;
    let index = index.ok_or_else(|| failed(operation(), "the engine does not name its registry"))?;
    let host = host_of(&index).to_owned();
    let mirrors = info.registry_config.unwrap_or_default().mirrors.unwrap_or_default();
    let mirrors = mirrors.iter().map(|mirror| Registry { address: mirror.trim_end_matches('/').to_owned(), login: RegistryLogin::Nobody });
    let own = Registry { address: format!("https://{host}"), login: login(&credentials, &host).await };
    let rest = named.map_or(name, |(_, rest)| rest);
    let name = if rest.contains('/') { rest.to_owned() } else { format!("library/{rest}") };
    Ok(Repository { registries: mirrors.chain([own]).collect(), name, tag: tag.to_owned() })
}

async fn login(credentials: &Credentials, host: &str) -> RegistryLogin {
    match credentials.login(host).await {
        Some(login) if login.user == TOKEN_USER => RegistryLogin::Token(login.secret),
        Some(login) => RegistryLogin::Password { user: login.user, password: login.secret },
        None => RegistryLogin::Nobody,
    }
}

/// `https://host/v1/` to `host`.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// Whether a host is the name of the engine's default registry: that of its index, or the domain of it, which people write.
fn is_of(index: &str, host: &str) -> bool {
    let index = host_of(index);
    index == host || index.split_once('.').is_some_and(|(_, domain)| domain == host)
}

/// Whether the engine would speak to a registry without TLS: one on this machine, or one that it is configured so for.
fn is_insecure(info: &SystemInfo, host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = name == "localhost" || name == "[::1]" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let configured = info.registry_config.as_ref().and_then(|config| config.index_configs.as_ref()?.get(host)?.secure);
    local || configured == Some(false)
}

/// A piece of an archive.
enum Piece {
    Bytes(Bytes),
    File(PathBuf),
}

impl Docker {
    /// Makes an image of a registry's configuration and layers, the lowest first, as they are, compressed or not, and gives it a tag.
    ///
    /// # Errors
    /// When a file cannot be read, or the engine fails: one that does not know how layers are compressed, say.
    pub async fn load(&self, reference: &str, config: &StoredFile, layers: &[StoredFile]) -> Result<(), EngineError> {
        let operation = || Operation::Load(reference.to_owned());
        check(reference).map_err(|cause| failed(operation(), cause))?;
        let pieces = archive(reference, config, layers).map_err(|cause| failed(operation(), cause))?;
        let stream = futures_util::stream::try_unfold((pieces, None::<tokio::fs::File>), |(mut pieces, mut open)| async move {
            loop {
                if let Some(file) = &mut open {
                    let mut piece = Vec::with_capacity(CHUNK);
                    if file.take(CHUNK as u64).read_to_end(&mut piece).await? > 0 {
                        return Ok::<_, std::io::Error>(Some((Bytes::from(piece), (pieces, open))));
                    }
                    open = None;
                }
                match pieces.pop_front() {
                    Some(Piece::Bytes(bytes)) if bytes.is_empty() => {}
                    Some(Piece::Bytes(bytes)) => return Ok(Some((bytes, (pieces, open)))),
                    Some(Piece::File(path)) => open = Some(tokio::fs::File::open(path).await?),
                    None => return Ok(None),
                }
            }
        });
        let options = ImportImageOptionsBuilder::new().quiet(true).build();
        let mut answers = std::pin::pin!(self.client.import_image(options, bollard::body_try_stream(stream), None));
        while answers.try_next().await.map_err(|error| failed(operation(), error))?.is_some() {}
        match self.find(reference).await? {
            Some(_) => Ok(()),
            None => Err(failed(operation(), "the engine took it and does not have it")),
        }
    }
}

/// An image as `docker save` writes it, which every engine loads. Source: github.com/moby/moby, image/spec/spec.md, "Combined Image JSON +
/// Filesystem Changeset Format".
fn archive(reference: &str, config: &StoredFile, layers: &[StoredFile]) -> Result<VecDeque<Piece>, Cause> {
    // Names of this length are the longest that such an archive holds as they are.
    let path = |file: &StoredFile| file.digest.hex.chars().take(64).collect::<String>();
    let manifest = serde_json::json!([{
        "Config": path(config),
        "RepoTags": [reference],
        "Layers": layers.iter().map(path).collect::<Vec<_>>(),
    }]);
    let manifest = Bytes::from(manifest.to_string());
    let mut pieces = VecDeque::new();
    let mut entry = |path: &str, size: u64, content: Piece| -> Result<(), Cause> {
        let mut header = tar::Header::new_gnu();
        header.set_path(path)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        let padding = usize::try_from(size.next_multiple_of(BLOCK) - size)?;
        pieces.extend([Piece::Bytes(Bytes::copy_from_slice(header.as_bytes())), content, Piece::Bytes(Bytes::from(vec![0; padding]))]);
        Ok(())
    };
    entry("manifest.json", manifest.len() as u64, Piece::Bytes(manifest))?;
    let mut seen = BTreeSet::new();
    for file in std::iter::once(config).chain(layers).filter(|file| seen.insert(&file.digest)) {
        entry(&path(file), file.size, Piece::File(file.path.clone()))?;
    }
    // Two empty blocks are the end.
    pieces.push_back(Piece::Bytes(Bytes::from(vec![0; 2 * BLOCK as usize])));
    Ok(pieces)
}
