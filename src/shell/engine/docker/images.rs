//! Images.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use bollard::models::{ContainerCreateBody, ImageInspect};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, DownloadFromContainerOptionsBuilder, ListImagesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptions,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::AsyncReadExt;

use super::buildkit::{Credentials, TOKEN_USER};
use super::transport::{self, Task};
use super::{Docker, failed, says_no_space, status_of};
use crate::shell::engine::{Cause, EngineError, Image, Operation, PullEvent};

/// The largest file that is read out of an image, in bytes.
const LARGEST_FILE: u64 = 16 << 20;
/// Bytes of a root file system in one piece.
pub(super) const CHUNK: usize = 256 * 1024;

impl Docker {
    /// Looks an image up by tag, digest or identifier.
    ///
    /// # Errors
    /// When the engine fails; an image that is not there is `None`.
    pub async fn find(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        let operation = || Operation::Find(reference.to_owned());
        check(reference).map_err(|cause| failed(operation(), cause))?;
        match self.client.inspect_image(reference).await {
            Ok(found) => Ok(Some(image_of(found))),
            Err(error) if status_of(&error) == Some(404) => Ok(None),
            Err(error) => Err(failed(operation(), error)),
        }
    }

    /// Lists the images with a label: `key`, or `key=value`.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn find_many(&self, label: &str) -> Result<Vec<Image>, EngineError> {
        let filters = [("label", vec![label])].into_iter().collect();
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let found = self.client.list_images(Some(options)).await.map_err(|error| failed(Operation::ListImages(label.to_owned()), error))?;
        let image = |summary: bollard::models::ImageSummary| Image {
            id: summary.id,
            tags: summary.repo_tags,
            labels: summary.labels.into_iter().collect(),
            path: None,
            size: u64::try_from(summary.size).unwrap_or(0),
            created: summary.created,
        };
        Ok(found.into_iter().map(image).collect())
    }

    /// Removes a tag, and the image when it was the last.
    ///
    /// # Errors
    /// [`EngineError::NoImage`], or when the engine fails: a container uses the image, say.
    pub async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let operation = || Operation::RemoveImage(reference.to_owned());
        check(reference).map_err(|cause| failed(operation(), cause))?;
        match self.client.remove_image(reference, None::<RemoveImageOptions>, None).await {
            Ok(_) => Ok(()),
            Err(error) => Err(no_image(reference, &error).unwrap_or_else(|| failed(operation(), error))),
        }
    }

    /// Makes an image of one layer from an archive of a root file system, and returns its identifier.
    ///
    /// # Errors
    /// When the archive cannot be read or the engine fails.
    pub async fn import_rootfs(&self, archive: &Path, reference: &str, labels: &BTreeMap<String, String>) -> Result<String, EngineError> {
        let operation = || Operation::Import(archive.display().to_string());
        check(reference).map_err(|cause| failed(operation(), cause))?;
        let file = tokio::fs::File::open(archive).await.map_err(|cause| failed(operation(), cause))?;
        let pieces = futures_util::stream::try_unfold(file, |mut file| async move {
            let mut piece = Vec::with_capacity(CHUNK);
            let read = (&mut file).take(CHUNK as u64).read_to_end(&mut piece).await?;
            Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
        });
        let (repository, tag) = split_tag(reference);
        let changes: Vec<String> = labels.iter().map(|(key, value)| format!("LABEL {}={}", quoted(key), quoted(value))).collect();
        let options = CreateImageOptionsBuilder::new().from_src("-").repo(repository).tag(tag).changes(changes).build();
        let mut answers = std::pin::pin!(self.client.create_image(Some(options), Some(bollard::body_try_stream(pieces)), None));
        let mut identifier = None;
        while let Some(answer) = answers.try_next().await.map_err(|error| failed(operation(), error))? {
            identifier = answer.status.filter(|status| status.starts_with("sha256:")).or(identifier);
        }
        identifier.ok_or_else(|| failed(operation(), "the engine did not say which image it made"))
    }

    /// Asks a registry, through the engine, for the digest that a reference stands for now: `sha256:…`.
    ///
    /// # Errors
    /// [`EngineError::NoImage`] when the registry has none; [`EngineError::Registry`] when it cannot be reached or does not answer everybody.
    pub async fn resolve_digest(&self, reference: &str) -> Result<String, EngineError> {
        #[derive(serde::Deserialize)]
        struct Distribution {
            #[serde(rename = "Descriptor")]
            descriptor: Descriptor,
        }
        #[derive(serde::Deserialize)]
        struct Descriptor {
            digest: String,
        }
        let operation = || Operation::Resolve(reference.to_owned());
        check(reference).map_err(|cause| failed(operation(), cause))?;
        let path = format!("/distribution/{reference}/json");
        let (response, _connection) = self.with_login(Method::GET, &path, reference).await.map_err(|cause| failed(operation(), cause))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Err(EngineError::NoImage { reference: reference.to_owned() }),
            _ => return Err(registry(reference, transport::refusal(response).await)),
        }
        let body = response.into_body().collect().await.map_err(|cause| failed(operation(), cause))?.to_bytes();
        let distribution: Distribution = serde_json::from_slice(&body).map_err(|cause| failed(operation(), cause))?;
        Ok(distribution.descriptor.digest)
    }

    /// Pulls an image.
    ///
    /// # Errors
    /// [`EngineError::NoImage`] when the registry has none; [`EngineError::Registry`] when it cannot be reached or does not answer everybody.
    pub async fn pull(&self, reference: &str, mut events: impl FnMut(PullEvent)) -> Result<(), EngineError> {
        #[derive(serde::Deserialize)]
        struct Line {
            id: Option<String>,
            status: Option<String>,
            #[serde(rename = "progressDetail")]
            progress: Option<Detail>,
            error: Option<String>,
        }
        #[derive(serde::Deserialize)]
        struct Detail {
            current: Option<u64>,
            total: Option<u64>,
        }
        let operation = || Operation::Pull(reference.to_owned());
        check(reference).map_err(|cause| failed(operation(), cause))?;
        // Without a tag the engine pulls all of them.
        let (name, tag) = split_tag(reference);
        let separator = if tag.starts_with("sha256:") { '@' } else { ':' };
        let path = format!("/images/create?fromImage={name}{separator}{tag}");
        let (response, _connection) = self.with_login(Method::POST, &path, reference).await.map_err(|cause| failed(operation(), cause))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Err(EngineError::NoImage { reference: reference.to_owned() }),
            _ => return Err(registry(reference, transport::refusal(response).await)),
        }
        let mut body = response.into_body().into_data_stream();
        let mut rest = Vec::new();
        while let Some(piece) = body.next().await {
            rest.extend_from_slice(&piece.map_err(|cause| failed(operation(), cause))?);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let bytes: Vec<u8> = rest.drain(..=end).collect();
                if bytes.trim_ascii().is_empty() {
                    continue;
                }
                let line: Line = serde_json::from_slice(&bytes).map_err(|cause| failed(operation(), cause))?;
                if let Some(error) = line.error {
                    return Err(registry(reference, error));
                }
                let bytes = line.progress.and_then(|detail| Some((detail.current?, detail.total?)));
                events(PullEvent { layer: line.id, status: line.status.unwrap_or_default(), bytes });
            }
        }
        Ok(())
    }

    /// Reads one file of an image; `None` when there is no such file. It makes a container that never runs and removes it.
    ///
    /// # Errors
    /// [`EngineError::NoImage`], when the path is not a regular file of at most 16 MiB, or when the engine fails.
    pub async fn image_file(&self, image: &str, path: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let operation = || Operation::ReadFile { image: image.to_owned(), path: path.to_owned() };
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(vec!["/".to_owned()]),
            network_disabled: Some(true),
            ..ContainerCreateBody::default()
        };
        let container = match self.client.create_container(None, body).await {
            Ok(container) => container.id,
            Err(error) => return Err(no_image(image, &error).unwrap_or_else(|| failed(operation(), error))),
        };
        let read = async {
            let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
            let mut pieces = std::pin::pin!(self.client.download_from_container(&container, Some(options)));
            let mut archive = Vec::new();
            loop {
                match pieces.try_next().await {
                    Ok(Some(piece)) => archive.extend_from_slice(&piece),
                    Ok(None) => break,
                    Err(error) if status_of(&error) == Some(404) => return Ok(None),
                    Err(error) => return Err(failed(operation(), error)),
                }
                if archive.len() as u64 > LARGEST_FILE {
                    return Err(failed(operation(), "it is larger than 16 MiB"));
                }
            }
            only_file(&archive).map(Some).map_err(|cause| failed(operation(), cause))
        }
        .await;
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        self.client.remove_container(&container, Some(options)).await.map_err(|error| failed(operation(), error))?;
        read
    }

    /// The address under which the Docker client files credentials for the engine's default registry. Asked for only when there is a
    /// configuration at all.
    pub(super) async fn default_registry(&self) -> Option<String> {
        let config = self.config.as_ref()?.join("config.json");
        tokio::fs::metadata(config).await.ok()?;
        self.client.info().await.ok()?.index_server_address
    }

    /// Sends a request with the credentials for a reference's registry. `bollard` encodes them with the wrong alphabet.
    async fn with_login(&self, method: Method, path: &str, reference: &str) -> Result<(Response<Incoming>, Task), Cause> {
        let mut headers = HeaderMap::new();
        let credentials = Credentials { folder: self.config.clone(), index: self.default_registry().await };
        let host = match reference.split_once('/') {
            Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => Some(host),
            Some(_) | None => credentials.index.as_deref(),
        };
        if let Some(host) = host
            && let Some(login) = credentials.login(host).await
        {
            let words = if login.user == TOKEN_USER {
                serde_json::json!({ "identitytoken": login.secret, "serveraddress": host })
            } else {
                serde_json::json!({ "username": login.user, "password": login.secret, "serveraddress": host })
            };
            let encoded = base64::engine::general_purpose::URL_SAFE.encode(words.to_string());
            let mut value = HeaderValue::from_str(&encoded)?;
            value.set_sensitive(true);
            headers.insert("X-Registry-Auth", value);
        }
        transport::send(&self.address, method, path, headers, Bytes::new()).await
    }
}

/// A reference becomes part of a request's path: only what references are made of may be in it.
pub(super) fn check(reference: &str) -> Result<(), Cause> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte);
    let climbs = reference.split('/').any(|part| part.is_empty() || part == "." || part == "..");
    if !climbs && reference.bytes().all(allowed) { Ok(()) } else { Err("it is not an image reference".into()) }
}

/// `name:tag` and `name@digest` in two; the tag of a bare name is `latest`, and a tag beside a digest does not count.
pub(super) fn split_tag(reference: &str) -> (&str, &str) {
    if let Some((name, digest)) = reference.split_once('@') {
        return (split_tag(name).0, digest);
    }
    match reference.rsplit_once(':') {
        // The colon of `host:5000/name` is not a tag's.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        Some(_) | None => (reference, "latest"),
    }
}

/// A word of an instruction's text, exact.
fn quoted(text: &str) -> String {
    let mut word = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\' | '$') {
            word.push('\\');
        }
        word.push(character);
    }
    word.push('"');
    word
}

/// What the engine says of a registry that it could not use.
fn registry(reference: &str, source: impl Into<Cause>) -> EngineError {
    let source = source.into();
    if says_no_space(&source.to_string()) {
        EngineError::NoSpace { source }
    } else {
        EngineError::Registry { reference: reference.to_owned(), source }
    }
}

fn no_image(reference: &str, error: &bollard::errors::Error) -> Option<EngineError> {
    (status_of(error) == Some(404)).then(|| EngineError::NoImage { reference: reference.to_owned() })
}

fn image_of(found: ImageInspect) -> Image {
    let env = found.config.as_ref().and_then(|config| config.env.as_ref());
    let path = env.and_then(|env| env.iter().find_map(|variable| variable.strip_prefix("PATH=")).map(str::to_owned));
    Image {
        path,
        id: found.id.unwrap_or_default(),
        tags: found.repo_tags.unwrap_or_default(),
        labels: found.config.and_then(|config| config.labels).into_iter().flatten().collect(),
        size: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        created: found.created.map(|time| time.unix_timestamp()).unwrap_or(0),
    }
}

/// The contents of the regular file that an archive consists of.
fn only_file(archive: &[u8]) -> Result<Vec<u8>, Cause> {
    let mut archive = tar::Archive::new(archive);
    let mut entry = archive.entries()?.next().ok_or("the engine sent an empty archive")??;
    if !entry.header().entry_type().is_file() {
        return Err("it is not a regular file".into());
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}
