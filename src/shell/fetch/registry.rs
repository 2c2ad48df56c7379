//! Images of registries. Sources: github.com/opencontainers/distribution-spec, spec.md; distribution.github.io, "Token Authentication
//! Specification" and "OAuth2 Token Authentication".

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::StatusCode;
use serde_json::Value;
use silo::digest::{Digest, sha256_hex};
use silo::lock::ImageDigests;
use silo::spec::Arch;
use tokio::sync::Mutex;

use super::client::{Ask, Client};
use super::login::{Login, basic};
use super::pinned::Draft;
use super::{FetchError, chain};

/// Indexes and manifests, those that Docker had before the OCI too. Sources: the specification, "Pulling manifests"; distribution.github.io, "Image
/// Manifest V 2, Schema 2".
const DOCUMENTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// The largest document that is read, in bytes. Source: the specification, "Pushing Manifests".
const LARGEST: usize = 4 << 20;

/// An index or a manifest. Source: github.com/opencontainers/image-spec, image-index.md and manifest.md.
#[derive(serde::Deserialize)]
struct Document {
    manifests: Option<Vec<Entry>>,
    config: Option<Blob>,
}

/// A manifest of an index.
#[derive(serde::Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(serde::Deserialize)]
struct Blob {
    digest: String,
}

/// For which machine an image is: in an index, and in its configuration.
#[derive(serde::Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

impl Platform {
    /// The architecture, if it is one of silo's, for Linux.
    fn arch(&self) -> Option<Arch> {
        Arch::ALL.into_iter().find(|arch| self.os == "linux" && arch.as_str() == self.architecture)
    }
}

/// The manifests of an index by architecture; of several the first counts, as it does for engines.
fn index(manifests: Vec<Entry>) -> BTreeMap<Arch, String> {
    let mut found = BTreeMap::new();
    for Entry { digest, platform } in manifests {
        if let Some(arch) = platform.and_then(|platform| platform.arch()) {
            found.entry(arch).or_insert(digest);
        }
    }
    found
}

/// Where the images of a name are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Registries that have them, the likeliest first.
    pub registries: Vec<Registry>,
    /// What they call the name.
    pub name: String,
    /// The tag that is meant, or the digest.
    pub tag: String,
}

/// A registry of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Its address, without a slash at the end.
    pub address: String,
    /// As whom it is asked.
    pub login: RegistryLogin,
}

/// As whom a registry is asked.
#[derive(Clone, PartialEq, Eq)]
pub enum RegistryLogin {
    /// As nobody.
    Nobody,
    /// With a name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// With an identity token, for which there are tokens.
    Token(String),
}

impl fmt::Debug for RegistryLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            RegistryLogin::Nobody => "Nobody",
            RegistryLogin::Password { user: _, password: _ } => "Password",
            RegistryLogin::Token(_) => "Token",
        })
    }
}

/// A name at its registries.
pub struct Images<'a> {
    client: &'a Client<'a>,
    name: &'a str,
    tag: &'a str,
    places: Vec<Place<'a>>,
}

/// A registry, and what it wants of whoever asks, once that is known.
struct Place<'a> {
    registry: &'a Registry,
    authorization: Mutex<Option<Option<String>>>,
}

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An index or a manifest.
    Document,
    /// A configuration or a layer.
    Blob,
}

impl<'a> Images<'a> {
    /// Asks nobody yet.
    pub fn new(client: &'a Client<'a>, repository: &'a Repository) -> Images<'a> {
        let Repository { registries, name, tag } = repository;
        let places = registries.iter().map(|registry| Place { registry, authorization: Mutex::default() }).collect();
        Images { client, name, tag, places }
    }

    /// Fetches a part of an image into its place, of the first registry that has it; the folder has to exist, and `draft` makes names of files beside
    /// it that nobody else uses. `moved` counts the bytes that arrive. Returns the part's size, or why it was not fetched.
    pub async fn fetch(
        &self,
        part: Part,
        digest: &Digest,
        target: &Path,
        draft: impl Fn() -> PathBuf,
        moved: &AtomicU64,
    ) -> Result<u64, String> {
        let mut reasons: Vec<String> = Vec::new();
        for place in &self.places {
            let sink = || Draft::new(draft(), digest);
            let push = |draft: &mut Draft, bytes: &[u8]| {
                moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                draft.push(bytes)
            };
            match self.get(place, part, &digest.to_string(), sink, push).await.and_then(|draft| draft.finish(digest, target)) {
                Ok(size) => return Ok(size),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons.join("; "))
    }

    /// What the tag stands for now, by the first registry that has it, or why nobody says it.
    pub async fn find(&self) -> Result<ImageDigests, String> {
        let mut reasons: Vec<String> = Vec::new();
        for place in &self.places {
            match self.digests(place).await {
                Ok(found) => return Ok(found),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons.join("; "))
    }

    async fn digests(&self, place: &Place<'_>) -> Result<ImageDigests, String> {
        let push = |bytes: &mut Vec<u8>, piece: &[u8]| {
            bytes.extend_from_slice(piece);
            if bytes.len() > LARGEST { Err(std::io::Error::other("it is too large for a document of an image")) } else { Ok(()) }
        };
        let text = self.get(place, Part::Document, self.tag, Vec::new, push).await?;
        let digest = format!("sha256:{}", sha256_hex(&text));
        let not_understood = |error: serde_json::Error| {
            format!("{} says something of {} that is not understood: {error}", place.registry.address, self.name)
        };
        let document: Document = serde_json::from_slice(&text).map_err(not_understood)?;
        let platforms = match document {
            Document { manifests: Some(manifests), config: _ } => index(manifests),
            Document { manifests: None, config: Some(config) } => {
                let text = self.get(place, Part::Blob, &config.digest, Vec::new, push).await?;
                let platform: Platform = serde_json::from_slice(&text).map_err(not_understood)?;
                platform.arch().map(|arch| (arch, digest.clone())).into_iter().collect()
            }
            Document { manifests: None, config: None } => BTreeMap::new(),
        };
        Ok(ImageDigests { digest, platforms })
    }

    async fn get<S>(
        &self,
        place: &Place<'_>,
        part: Part,
        which: &str,
        sink: impl Fn() -> S,
        push: impl Fn(&mut S, &[u8]) -> std::io::Result<()>,
    ) -> Result<S, String> {
        let (folder, accept) = match part {
            Part::Document => ("manifests", Some(DOCUMENTS)),
            Part::Blob => ("blobs", None),
        };
        let url = format!("{}/v2/{}/{folder}/{which}", place.registry.address, self.name);
        let mut renewed = false;
        loop {
            let login = match self.authorization(place, renewed).await? {
                // It is meant for whoever is asked, a mirror or not.
                Some(text) => Login::Header { url: self.client.address(&url), text },
                None => Login::Nobody,
            };
            match self.client.stream_as(&url, &Ask { accept, login, ..Ask::default() }, &sink, &push).await {
                // Tokens are good for some minutes only.
                Err(FetchError::Status { url: _, status: StatusCode::UNAUTHORIZED }) if !renewed => renewed = true,
                other => return other.map_err(|error| chain(&error)),
            }
        }
    }

    /// The header that allows to read the name's images; `None` where none is wanted. It is asked for once, and when it is to be renewed.
    async fn authorization(&self, place: &Place<'_>, renew: bool) -> Result<Option<String>, String> {
        let mut known = place.authorization.lock().await;
        match known.as_ref() {
            Some(authorization) if !renew => Ok(authorization.clone()),
            Some(_) | None => {
                let found = self.authorize(place.registry).await?;
                *known = Some(found.clone());
                Ok(found)
            }
        }
    }

    async fn authorize(&self, registry: &Registry) -> Result<Option<String>, String> {
        let Registry { address, login } = registry;
        let url = format!("{address}/v2/");
        let challenges = self.client.challenges(&url).await.map_err(|error| chain(&error))?;
        // A login is not for the mirror of what it is for.
        let login = if self.client.address(&url) == url { login } else { &RegistryLogin::Nobody };
        let of = |scheme: &str| {
            let rest = |text: &String| text.get(..scheme.len())?.eq_ignore_ascii_case(scheme).then(|| text[scheme.len()..].to_string());
            challenges.iter().find_map(rest)
        };
        match (of("Bearer "), of("Basic"), login) {
            (Some(challenge), _, login) => self.token(address, &challenge, login).await.map(|token| Some(format!("Bearer {token}"))),
            (None, Some(_), RegistryLogin::Password { user, password }) => Ok(Some(basic(user, password))),
            (None, Some(_), RegistryLogin::Nobody | RegistryLogin::Token(_)) => Err(format!(
                "{address} wants a name and a password, and the Docker client's configuration has none for it (`docker login`)"
            )),
            (None, None, _) => Ok(None),
        }
    }

    /// A token for reading the name's images.
    async fn token(&self, address: &str, challenge: &str, login: &RegistryLogin) -> Result<String, String> {
        let parameters = parameters(challenge);
        let parameter = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let not_understood = || format!("{address} asks for a token in a way that is not understood");
        let mut realm = parameter("realm").and_then(|realm| reqwest::Url::parse(realm).ok()).ok_or_else(not_understood)?;
        // What is secret goes nowhere less safe than the registry itself.
        if realm.scheme() != "https" && address.starts_with("https:") {
            return Err(format!("{address} wants its logins sent to {realm}, which is not encrypted"));
        }
        let (service, scope) = (parameter("service").unwrap_or_default(), format!("repository:{}:pull", self.name));
        let answer = match login {
            RegistryLogin::Token(token) => {
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("service", service),
                    ("client_id", "silo"),
                    ("scope", scope.as_str()),
                    ("refresh_token", token.as_str()),
                ];
                self.client.submit(realm.as_str(), &fields).await
            }
            RegistryLogin::Nobody | RegistryLogin::Password { user: _, password: _ } => {
                realm.query_pairs_mut().append_pair("service", service).append_pair("scope", &scope);
                let login = match login {
                    RegistryLogin::Password { user, password } => Login::Header { url: realm.to_string(), text: basic(user, password) },
                    RegistryLogin::Nobody | RegistryLogin::Token(_) => Login::Nobody,
                };
                let push = |bytes: &mut Vec<u8>, piece: &[u8]| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                };
                self.client.stream_as(realm.as_str(), &Ask { login, ..Ask::default() }, Vec::new, push).await
            }
        };
        let answer: Value = serde_json::from_slice(&answer.map_err(|error| chain(&error))?).map_err(|_| not_understood())?;
        let token = answer["token"].as_str().or_else(|| answer["access_token"].as_str());
        token.map(str::to_string).ok_or_else(not_understood)
    }
}

/// The parameters of a challenge: `realm="https://a.test/token",service="a.test"`. Source: RFC 9110, 11.2.
fn parameters(text: &str) -> Vec<(String, String)> {
    let (mut list, mut rest) = (Vec::new(), text.trim_start_matches([' ', ',']));
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        list.push((name.trim().to_ascii_lowercase(), value.to_string()));
        rest = after.trim_start_matches([' ', ',']);
    }
    list
}
