//! Modules of Go: documents of a proxy are fetched until the modules are known, then their checksums. Source: go.dev/ref/mod, "Module proxies"
//! and "Checksum database".

use std::collections::BTreeMap;

use futures_util::StreamExt;
use serde_json::Value;
use silo::digest::go::of_zip;
use silo::lock::go::{self, GoMod, Module, Need, Needed, Registry, Root, Solution, Target, Unsolved, Version, escaped, is_among, is_tag};
use silo::lock::{Artifact, GoModule, Trust};
use silo::problem::{Code, Problem};
use tokio::sync::{Mutex, OnceCell};

use super::cache::Terms;
use super::client::{Ask, Client, Freshness, shown};
use super::endpoint::{Surroundings, first_server};
use super::{FetchError, chain};

/// How many documents are fetched at the same time.
const PARALLEL: usize = 16;

/// Where modules and their checksums are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoEndpoint {
    /// The address of the proxy, without a slash at its end.
    proxy: String,
    /// Patterns of modules that no proxy is asked for.
    private: String,
    /// Patterns of modules that are in no checksum database.
    unlisted: String,
    /// The checksum database; `None` when there is to be none.
    database: Option<Database>,
}

/// A checksum database.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Database {
    name: String,
    /// Its address, where it is another than its name.
    url: Option<String>,
}

/// The settings that are read here.
const SETTINGS: [&str; 5] = ["GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB"];

impl GoEndpoint {
    /// From the configuration's mirror, Go's variables, the user's file of them, and Go itself, in this order.
    pub async fn find(surroundings: &Surroundings) -> Result<GoEndpoint, Problem> {
        let named = surroundings.go_proxy();
        let mut settings: BTreeMap<&str, String> =
            SETTINGS.into_iter().filter_map(|name| Some((name, surroundings.go_setting(name)?))).collect();
        if named.is_none() || !settings.contains_key("GOSUMDB") {
            let question: Vec<&str> = ["env", "-json"].into_iter().chain(SETTINGS).collect();
            let answer = surroundings.ask("go", &question).await.and_then(|text| serde_json::from_str::<Value>(&text).ok());
            for name in SETTINGS {
                let value = answer.as_ref().and_then(|answer| answer[name].as_str()).filter(|value| !value.is_empty());
                if let Some(value) = value {
                    settings.entry(name).or_insert_with(|| value.to_string());
                }
            }
        }
        let said = named.or_else(|| settings.get("GOPROXY").map(|list| first_server(list)));
        let proxy = match said {
            Some(Ok(proxy)) => proxy,
            Some(Err(list)) => {
                let message = format!("GOPROXY is `{list}`, and names no server that modules of Go can be looked up at");
                return Err(Problem::new(Code::Unresolved, message)
                    .help("set GOPROXY to the address of a proxy (`direct` and `off` are none), or write `mirror go \"https://…\"` into your silo.kdl"));
            }
            None => {
                let message = "silo does not know where modules of Go are: Go is not installed here, and nothing names a proxy";
                return Err(Problem::new(Code::Unresolved, message)
                    .help("set GOPROXY to the address of a proxy, or write `mirror go \"https://…\"` into your silo.kdl, or install Go"));
            }
        };
        let setting = |name: &str| settings.get(name).or_else(|| settings.get("GOPRIVATE")).cloned().unwrap_or_default();
        Ok(GoEndpoint {
            proxy: proxy.trim_end_matches('/').to_string(),
            private: setting("GONOPROXY"),
            unlisted: setting("GONOSUMDB"),
            database: settings.get("GOSUMDB").and_then(|text| Database::parse(text)),
        })
    }

    /// The address of everything about a module. An error where no proxy may be asked for it.
    fn module(&self, path: &str) -> Result<String, String> {
        if is_among(path, &self.private) {
            return Err(format!(
                "{path} is private by GOPRIVATE or GONOPROXY (`{}`): Go takes it from its repository, and silo from proxies alone; GONOPROXY=none asks the proxy for it",
                self.private
            ));
        }
        Ok(format!("{}/{}", self.proxy, escaped(path)))
    }

    /// The address of something about a version of a module: `info`, `mod` or `zip`.
    pub fn version(&self, Module { path, version }: &Module, what: &str) -> Result<String, String> {
        Ok(format!("{}/@v/{}.{what}", self.module(path)?, escaped(version)))
    }

    /// The proxy.
    pub fn proxy(&self) -> &str {
        &self.proxy
    }
}

impl Database {
    /// `name`, `name+key` or `name+key URL`; nothing for `off`.
    fn parse(text: &str) -> Option<Database> {
        let (key, url) = text.trim().split_once(' ').map_or((text.trim(), None), |(key, url)| (key, Some(url)));
        let name = key.split('+').next().filter(|name| !name.is_empty() && *name != "off")?;
        Some(Database { name: name.to_string(), url: url.map(|url| url.trim().trim_end_matches('/').to_string()) })
    }

    /// Its address if it is not had by way of the proxy.
    fn direct(&self) -> String {
        self.url.clone().unwrap_or_else(|| format!("https://{}", self.name))
    }
}

/// What a run knows of modules.
#[derive(Default)]
pub struct Modules {
    known: Mutex<Registry>,
    /// The address of the checksum database.
    database: OnceCell<String>,
}

/// The modules of a solution with their checksums.
pub struct Summed {
    /// Sorted.
    pub artifacts: Vec<Artifact>,
    /// Why they are those of what was seen first, when a database that there is cannot be read.
    pub fallback: Option<String>,
}

enum Answer {
    List(String, Option<Vec<String>>),
    Latest(String, Option<Version>),
    Info(Module, Option<Version>),
    File(Module, Option<GoMod>),
}

impl Modules {
    /// The modules that some packages are built from.
    pub async fn solve(&self, client: &Client<'_>, endpoint: &GoEndpoint, roots: &[Root], target: &Target) -> Result<Solution, String> {
        loop {
            let need = match go::resolve(roots, target, &*self.known.lock().await) {
                Ok(solution) => return Ok(solution),
                Err(Unsolved::Failed(reasons)) => return Err(reasons.join("; ")),
                Err(Unsolved::Need(need)) => need,
            };
            let mut answers = futures_util::stream::iter(need).map(|need| look(client, endpoint, need)).buffer_unordered(PARALLEL);
            while let Some(answer) = answers.next().await {
                let mut known = self.known.lock().await;
                match answer? {
                    Answer::List(path, found) => drop(known.lists.insert(path, found)),
                    Answer::Latest(path, found) => drop(known.latest.insert(path, found)),
                    Answer::Info(module, found) => drop(known.infos.insert(module, found)),
                    Answer::File(module, found) => drop(known.files.insert(module, found)),
                }
            }
        }
    }

    /// The checksums of a solution's modules: those of the checksum database, or those of what the proxy has where there is none.
    pub async fn sums(&self, client: &Client<'_>, endpoint: &GoEndpoint, solution: &Solution) -> Result<Summed, String> {
        let mut fallback = None;
        let of = |module: Module, Needed { source, main }: Needed, database: Option<Database>| async move {
            let known = self.known.lock().await.files.get(&module).cloned().flatten();
            let file = known.map(|file| file.sum).ok_or_else(|| format!("nothing is known of {} {}", module.path, module.version))?;
            let listed = match database.filter(|_| !is_among(&module.path, &endpoint.unlisted)) {
                Some(database) => self.published(client, endpoint, &database, &module).await?,
                None => None,
            };
            if let Some((_, published)) = listed.as_ref().filter(|(_, published)| *published != file) {
                let name = format!("{}@{}", module.path, module.version);
                return Err(Unsummed::Failed(format!(
                    "the go.mod of {name} that {} has is not that of the checksum database: it has {file} and should have {published}",
                    shown(&endpoint.proxy)
                )));
            }
            let trust = if listed.is_some() { Trust::Published } else { Trust::FirstUse };
            let zip = match (source, listed) {
                (false, _) => None,
                (true, Some((zip, _))) => Some(zip),
                (true, None) => Some(archive(client, endpoint, &module).await?),
            };
            Ok(Artifact::Module(GoModule { module, zip, file, main, trust }))
        };
        let mut database = endpoint.database.clone();
        loop {
            let list = solution.modules.iter().map(|(module, needed)| of(module.clone(), needed.clone(), database.clone()));
            let found: Vec<Result<Artifact, Unsummed>> = futures_util::stream::iter(list).buffered(PARALLEL).collect().await;
            match found.into_iter().collect::<Result<Vec<Artifact>, Unsummed>>() {
                Ok(mut artifacts) => {
                    artifacts.sort();
                    return Ok(Summed { artifacts, fallback });
                }
                Err(Unsummed::Failed(reason)) => return Err(reason),
                // Once more, as if there were none.
                Err(Unsummed::Unread(reason)) => {
                    fallback = Some(reason);
                    database = None;
                }
            }
        }
    }

    /// What the checksum database says of a version: of its archive, and of its `go.mod`.
    async fn published(
        &self,
        client: &Client<'_>,
        endpoint: &GoEndpoint,
        database: &Database,
        module: &Module,
    ) -> Result<Option<(String, String)>, Unsummed> {
        let find = || async {
            let behind = format!("{}/sumdb/{}", endpoint.proxy, database.name);
            match client.get(&format!("{behind}/supported"), &Ask::default()).await {
                Ok(_) => Ok(behind),
                Err(FetchError::Missing { url: _ } | FetchError::Status { url: _, status: _ }) => Ok(database.direct()),
                Err(error) => Err(Unsummed::of(&error)),
            }
        };
        let base = self.database.get_or_try_init(find).await?;
        let Module { path, version } = module;
        let url = format!("{base}/lookup/{}@{}", escaped(path), escaped(version));
        match client.get_as(&url, &Ask::default(), Freshness::Trusted).await {
            Ok(bytes) => match go::published(&String::from_utf8_lossy(&bytes), module) {
                Some(sums) => Ok(Some(sums)),
                None => Err(Unsummed::Failed(format!("{} says nothing of {path} {version}", shown(&url)))),
            },
            Err(FetchError::Missing { url: _ }) => Err(Unsummed::Failed(format!(
                "the checksum database {} does not know {path} {version}; if it is private, name it in GONOSUMDB",
                database.name
            ))),
            Err(error) => Err(Unsummed::of(&error)),
        }
    }
}

/// Why there is no checksum.
enum Unsummed {
    /// The database cannot be read.
    Unread(String),
    /// There is something wrong.
    Failed(String),
}

impl Unsummed {
    fn of(error: &FetchError) -> Unsummed {
        let reason = chain(error);
        match error {
            FetchError::Unreachable { .. } | FetchError::Status { .. } | FetchError::Limited { .. } => Unsummed::Unread(reason),
            FetchError::Setup(_)
            | FetchError::Missing { .. }
            | FetchError::TooLarge { .. }
            | FetchError::Offline { .. }
            | FetchError::Damaged { .. } => Unsummed::Failed(reason),
        }
    }
}

impl From<String> for Unsummed {
    fn from(reason: String) -> Unsummed {
        Unsummed::Failed(reason)
    }
}

async fn look(client: &Client<'_>, endpoint: &GoEndpoint, need: Need) -> Result<Answer, String> {
    Ok(match need {
        Need::List(path) => {
            let text = document(client, &format!("{}/@v/list", endpoint.module(&path)?), Lasting::Changing).await?;
            let tags = |text: Vec<u8>| {
                String::from_utf8_lossy(&text).lines().map(str::trim).filter(|line| is_tag(line)).map(str::to_string).collect()
            };
            Answer::List(path, text.map(tags))
        }
        Need::Latest(path) => {
            let url = format!("{}/@latest", endpoint.module(&path)?);
            Answer::Latest(path, version(client, &url, Lasting::Changing).await?)
        }
        Need::Info(module) => {
            let url = endpoint.version(&module, "info")?;
            Answer::Info(module, version(client, &url, Lasting::Fixed).await?)
        }
        Need::File(module) => {
            let url = endpoint.version(&module, "mod")?;
            let file = match document(client, &url, Lasting::Fixed).await? {
                Some(bytes) => {
                    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not text", shown(&url)))?;
                    Some(GoMod::parse(&text).map_err(|reason| format!("{} is not understood: {reason}", shown(&url)))?)
                }
                None => None,
            };
            Answer::File(module, file)
        }
    })
}

/// Whether what a document says can change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lasting {
    /// There may be newer versions.
    Changing,
    /// What is said of one version never changes. Source: go.dev/ref/mod, "GOPROXY protocol".
    Fixed,
}

/// A document; `None` when there is none.
async fn document(client: &Client<'_>, url: &str, lasting: Lasting) -> Result<Option<Vec<u8>>, String> {
    let found = if lasting == Lasting::Fixed {
        client.get_as(url, &Ask::default(), Freshness::Trusted).await
    } else {
        client.get(url, &Ask::default()).await
    };
    match found {
        Ok(bytes) => Ok(Some(bytes)),
        Err(FetchError::Missing { url: _ }) => Ok(None),
        Err(error) => Err(chain(&error)),
    }
}

async fn version(client: &Client<'_>, url: &str, lasting: Lasting) -> Result<Option<Version>, String> {
    let Some(bytes) = document(client, url, lasting).await? else { return Ok(None) };
    Version::parse(&bytes).map(Some).ok_or_else(|| format!("{} is not understood", shown(url)))
}

/// The hash of a module's archive, of which nothing else is kept.
async fn archive(client: &Client<'_>, endpoint: &GoEndpoint, module: &Module) -> Result<String, String> {
    let url = endpoint.version(module, "zip")?;
    let key = format!("archive\n{}", client.address(&url));
    if let Some(cache) = client.cache()
        && let Some(entry) = cache.read(&key).await.filter(|entry| entry.fresh || client.is_offline())
        && let Ok(sum) = String::from_utf8(entry.body)
    {
        return Ok(sum);
    }
    let push = |all: &mut Vec<u8>, bytes: &[u8]| {
        all.extend_from_slice(bytes);
        Ok(())
    };
    let bytes = client.stream_as(&url, &Ask::default(), Vec::new, push).await.map_err(|error| chain(&error))?;
    let sum = of_zip(&bytes).map_err(|reason| format!("{} is no archive of a module: {reason}", shown(&url)))?;
    if let Some(cache) = client.cache() {
        cache.write(&key, &Terms::for_a_while(), sum.as_bytes()).await;
    }
    Ok(sum)
}
