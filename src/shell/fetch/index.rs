//! Lists of versions: of vendors, and the releases of repositories on GitHub.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use silo::lock::index::{self, Entry};
use silo::lock::time::Cutoff;
use silo::lock::version::Request;
use silo::spec::{Arch, IndexForm, IndexPlace, JsonIndex, Versions};

use super::client::{Ask, shown};
use super::component::Recipe;
use super::login::Login;
use super::session::Session;
use super::{FetchError, chain};

/// How many pages of a hundred releases are read: GitHub has no more than ten of them. Source: docs.github.com, "List releases".
const PAGES: usize = 10;

/// A list of versions as it was read.
pub struct Listed {
    entries: Vec<Entry>,
    /// Where it was read.
    place: String,
    /// Its text for each architecture, in which checksums may stand.
    pub documents: BTreeMap<Arch, String>,
}

impl Listed {
    /// The newest version that fits a request and is old enough. The error says what there is instead.
    pub fn choose(&self, request: &Request, cutoff: &Cutoff) -> Result<&Entry, String> {
        index::choose(request, &self.entries, cutoff).map_err(|reason| format!("{reason} (by {})", self.place))
    }
}

/// Reads a list of versions.
pub async fn list(recipe: &Recipe<'_>, session: &Session<'_>, versions: &Versions, request: &Request) -> Result<Listed, String> {
    let template = match &versions.place {
        IndexPlace::Github(repository) => return releases(session, repository, versions, request, &recipe.cutoff).await,
        IndexPlace::Url(url) => url,
    };
    let mut documents: BTreeMap<Arch, String> = BTreeMap::new();
    let mut entries: Option<Vec<Entry>> = None;
    let mut place = String::new();
    let mut read: BTreeMap<String, String> = BTreeMap::new();
    for arch in Arch::ALL {
        let url = recipe.fill(template, arch, None)?;
        place = shown(&url);
        if let Some(text) = read.get(&url) {
            documents.insert(arch, text.clone());
            continue;
        }
        session.asking(&url);
        let bytes = session.client.get(&url, &Ask::default()).await.map_err(|error| chain(&error))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let found = index::read(versions, &text).map_err(|reason| format!("{place} is not the list of versions it should be: {reason}"))?;
        // A version has to be there for every architecture.
        entries = Some(match entries {
            None => found,
            Some(known) => {
                let names: BTreeSet<&String> = found.iter().map(|entry| &entry.version).collect();
                known.into_iter().filter(|entry| names.contains(&entry.version)).collect()
            }
        });
        documents.insert(arch, text.clone());
        read.insert(url, text);
    }
    Ok(Listed { entries: entries.unwrap_or_default(), place, documents })
}

/// The releases of a repository: the one that is asked for, or the pages of their list until there is one that fits.
async fn releases(
    session: &Session<'_>,
    repository: &str,
    versions: &Versions,
    request: &Request,
    cutoff: &Cutoff,
) -> Result<Listed, String> {
    let api = session.surroundings.variable("GITHUB_API_URL").unwrap_or("https://api.github.com").trim_end_matches('/');
    let api = format!("{api}/repos/{repository}/releases");
    let place = format!("the releases of {repository}");
    let json = |only: Vec<(String, Vec<String>)>| JsonIndex {
        version: "*/tag_name".to_string(),
        date: Some("*/published_at".to_string()),
        only,
        ..JsonIndex::default()
    };
    let read = |releases: &[Value], only: Vec<(String, Vec<String>)>| {
        let text = Value::Array(releases.to_vec()).to_string();
        let versions = Versions { form: IndexForm::Json(json(only)), ..versions.clone() };
        let entries = index::read(&versions, &text);
        let documents = Arch::ALL.into_iter().map(|arch| (arch, text.clone())).collect();
        entries.map(|entries| Listed { entries, place: place.clone(), documents })
    };
    if let Some(whole) = request.whole()
        && let Some(release) = ask(session, &format!("{api}/tags/{}{whole}", versions.prefix)).await?
    {
        return read(&[release], Vec::new()).map_err(|reason| format!("{place} cannot be read: {reason}"));
    }
    let is = |path: &str| (format!("*/{path}"), vec!["false".to_string()]);
    let released = || vec![is("draft"), is("prerelease")];
    let mut all: Vec<Value> = Vec::new();
    for page in 1..=PAGES {
        let Some(found) = ask(session, &format!("{api}?per_page=100&page={page}")).await? else {
            return Err(format!("{repository} is no repository of GitHub that can be read"));
        };
        let Value::Array(found) = found else { return Err(format!("{place} are not the list that they should be")) };
        let last = found.len() < 100;
        all.extend(found);
        // The newest releases come first; an older line may go on for long, so that only the newest of all can be told early.
        let early =
            matches!(request, Request::Latest(_)) && read(&all, released()).is_ok_and(|listed| listed.choose(request, cutoff).is_ok());
        if last || early {
            break;
        }
    }
    // Someone who names what comes before a release may have it.
    let only = if silo::lock::version::is_preview(request.text()) { vec![is("draft")] } else { released() };
    read(&all, only).map_err(|reason| format!("{place} cannot be read: {reason}"))
}

/// What GitHub answers; `None` when there is no such thing.
async fn ask(session: &Session<'_>, url: &str) -> Result<Option<Value>, String> {
    let token = ["GITHUB_TOKEN", "GH_TOKEN"].into_iter().find_map(|name| session.surroundings.variable(name));
    session.asking(url);
    let accept = Some("application/vnd.github+json");
    let login = token.map(|token| Login::Header { url: url.to_string(), text: format!("Bearer {token}") }).unwrap_or_default();
    match session.client.get(url, &Ask { accept, login, ..Ask::default() }).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| format!("{} is not JSON: {error}", shown(url))),
        Err(FetchError::Missing { url: _ }) => Ok(None),
        Err(error @ FetchError::Limited { .. }) if token.is_none() => {
            Err(format!("{}; with a token of yours in GITHUB_TOKEN or GH_TOKEN it allows more", chain(&error)))
        }
        Err(error) => Err(chain(&error)),
    }
}
