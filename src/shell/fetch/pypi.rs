//! PyPI: pages and wheels' metadata are fetched until the wheels are known.

use futures_util::StreamExt;
use silo::digest::sha256_hex;
use silo::lock::pypi::{Need, Registry, Root, Solution, Target, Unsolved, resolve};
use silo::lock::simple::{ACCEPT, File, Metadata, Project, requirements};
use silo::lock::wheel::{self, TAIL, Unread, Wheel};

use super::cache::Terms;
use super::client::{Ask, Client, shown};
use super::{FetchError, chain};

/// As many parts of a wheel are asked for; a sound one needs three.
const PARTS: usize = 6;

enum Answer {
    Project(String, Option<Project>),
    Wheel(String, Vec<String>),
}

/// The wheels of some projects, from an index at an address that ends with `/`.
pub async fn wheels(client: &Client<'_>, index: &str, roots: &[Root], target: &Target) -> Result<Solution, String> {
    let mut registry = Registry::default();
    loop {
        let need = match resolve(roots, target, &registry) {
            Ok(solution) => return Ok(solution),
            Err(Unsolved::Failed(reasons)) => return Err(reasons.join("; ")),
            Err(Unsolved::Need(need)) => need,
        };
        let mut answers = futures_util::stream::iter(need)
            .map(|need| async move {
                match need {
                    Need::Project(name) => {
                        let found = project(client, index, &name).await?;
                        Ok(Answer::Project(name, found))
                    }
                    Need::Wheel(name, file) => match needs(client, index, &name, &file).await {
                        Ok(list) => Ok(Answer::Wheel(file.filename, list)),
                        Err(reason) => Err(format!("what {name} needs cannot be learnt from {}: {reason}", file.filename)),
                    },
                }
            })
            .buffer_unordered(16);
        while let Some(answer) = answers.next().await {
            match answer? {
                Answer::Project(name, found) => drop(registry.projects.insert(name, found)),
                Answer::Wheel(file, list) => drop(registry.requirements.insert(file, list)),
            }
        }
    }
}

async fn project(client: &Client<'_>, index: &str, name: &str) -> Result<Option<Project>, String> {
    let url = format!("{index}{name}/");
    match client.get(&url, &Ask { accept: Some(ACCEPT), ..Ask::default() }).await {
        Ok(page) => Project::parse(&page).map(Some).map_err(|error| format!("{} is not understood: {error}", shown(&url))),
        Err(FetchError::Missing { url: _ }) => Ok(None),
        Err(error) => Err(chain(&error)),
    }
}

/// Where the index has a file of a project.
pub async fn address_of(client: &Client<'_>, index: &str, name: &str, file: &str) -> Result<String, String> {
    let found = project(client, index, name).await?.unwrap_or_default();
    let found = found.releases.into_values().flatten().find(|known| known.filename == file);
    let url = found.map(|known| known.url).ok_or_else(|| format!("the index of Python projects has no file {file} of {name}"))?;
    address(&format!("{index}{name}/"), &url).ok_or_else(|| format!("`{}` is no address", shown(&url)))
}

/// What a wheel needs, from its `METADATA`: beside it where the index says so, otherwise inside.
async fn needs(client: &Client<'_>, index: &str, name: &str, file: &File) -> Result<Vec<String>, String> {
    let url = address(&format!("{index}{name}/"), &file.url).ok_or_else(|| format!("`{}` is no address", shown(&file.url)))?;
    // What is inside a file of a known digest is learnt once, from each place that has it: what is beside it need not be of it.
    let key = file.sha256.as_ref().map(|hash| format!("metadata\n{}\n{hash}", client.address(&url)));
    if let (Some(key), Some(cache)) = (&key, client.cache())
        && let Some(entry) = cache.read(key).await
        && let Some(list) = String::from_utf8(entry.body).ok().as_deref().and_then(requirements)
    {
        return Ok(list);
    }
    let text = match &file.metadata {
        Metadata::Beside(hash) => match client.get(&format!("{url}.metadata"), &Ask::default()).await {
            Ok(bytes) if hash.as_ref().is_some_and(|hash| *hash != sha256_hex(&bytes)) => {
                return Err("its .metadata is not what the index says".to_string());
            }
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| "its .metadata is not text".to_string())?,
            Err(FetchError::Missing { url: _ }) => inside(client, &url).await?,
            Err(error) => return Err(chain(&error)),
        },
        Metadata::Inside => inside(client, &url).await?,
    };
    let list = requirements(&text).ok_or_else(|| "its METADATA is not understood".to_string())?;
    if let (Some(key), Some(cache)) = (&key, client.cache()) {
        cache.write(key, &Terms::for_ever(), text.as_bytes()).await;
    }
    Ok(list)
}

async fn inside(client: &Client<'_>, url: &str) -> Result<String, String> {
    let mut known = Wheel::default();
    let mut range = format!("bytes=-{TAIL}");
    for _ in 0..PARTS {
        let (start, size, bytes) = client.part(url, &range).await.map_err(|error| chain(&error))?;
        known.size = size;
        known.parts.push((start, bytes));
        match wheel::metadata(&known) {
            Ok(text) => return Ok(text),
            Err(Unread::Need(lacking)) => range = format!("bytes={}-{}", lacking.start, lacking.end.saturating_sub(1)),
            Err(Unread::Broken(reason)) => return Err(reason.to_string()),
        }
    }
    Err("the server does not send the parts that are asked for".to_string())
}

/// The address of a file; on the index's own server it is asked for with the index's user and password.
fn address(page: &str, file: &str) -> Option<String> {
    let page = reqwest::Url::parse(page).ok()?;
    let mut url = page.join(file).ok()?;
    if url.origin() == page.origin() && url.username().is_empty() && url.password().is_none() {
        url.set_username(page.username()).ok()?;
        url.set_password(page.password()).ok()?;
    }
    Some(url.to_string())
}
