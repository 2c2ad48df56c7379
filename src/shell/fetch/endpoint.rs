//! Where the registries are: silo knows no address of its own, it takes them from their ordinary clients' configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use silo::problem::{Code, Problem};
use tokio::process::Command;

/// What endpoints are found from.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// The project's `.npmrc`: its text, and whether its `${NAME}` mean something.
    pub npmrc: Option<(String, Expansion)>,
    /// apt's folder.
    pub apt: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process(npmrc: Option<(String, Expansion)>) -> Surroundings {
        Surroundings { variables: std::env::vars().collect(), npmrc, apt: PathBuf::from("/etc/apt") }
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }

    /// The folder of the HTTP cache.
    pub fn cache(&self) -> Option<PathBuf> {
        let caches = match self.variable("XDG_CACHE_HOME") {
            Some(folder) if folder.starts_with('/') => PathBuf::from(folder),
            Some(_) | None => self.home()?.join(".cache"),
        };
        Some(caches.join("silo/http"))
    }

    /// What a program prints, within half a minute. It runs outside of any project, since both npm and Python take orders from the files
    /// of the folder that they are started in.
    async fn ask(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/").env_clear().envs(&self.variables).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await.ok()?.ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_string();
        (output.status.success() && !text.is_empty()).then_some(text)
    }
}

/// npm's registry, with those of scopes, and who may use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpmEndpoint {
    registry: String,
    scopes: BTreeMap<String, String>,
    tokens: BTreeMap<String, String>,
}

impl NpmEndpoint {
    /// From npm's variables, `.npmrc` of the project and of the user, and npm itself, in this order.
    pub async fn find(surroundings: &Surroundings) -> Result<NpmEndpoint, Problem> {
        let user = match surroundings.variable("NPM_CONFIG_USERCONFIG").or(surroundings.variable("npm_config_userconfig")) {
            Some(file) => Some(PathBuf::from(file)),
            None => surroundings.home().map(|home| home.join(".npmrc")),
        };
        let mut settings = BTreeMap::new();
        if let Some(text) = user.and_then(|file| std::fs::read_to_string(file).ok()) {
            settings.extend(npmrc(&text, Expansion::Host, surroundings));
        }
        if let Some((text, expansion)) = &surroundings.npmrc {
            settings.extend(npmrc(text, *expansion, surroundings));
        }
        let variable = surroundings.variable("npm_config_registry").or(surroundings.variable("NPM_CONFIG_REGISTRY")).map(str::to_string);
        let registry = match variable.or_else(|| settings.get("registry").cloned()) {
            Some(registry) => Some(registry),
            None => surroundings.ask("npm", &["config", "get", "registry"]).await.filter(|text| text.starts_with("http")),
        };
        let Some(registry) = registry else {
            let message = "silo does not know where npm's registry is: npm is not installed here, and nothing names one";
            return Err(Problem::new(Code::Unresolved, message)
                .help("set NPM_CONFIG_REGISTRY to its address, or write `registry=…` into ~/.npmrc, or install npm"));
        };
        let scopes = settings.iter().filter_map(|(key, value)| Some((key.strip_suffix(":registry")?.to_string(), slash(value)))).collect();
        let tokens = settings
            .iter()
            .filter_map(|(key, value)| {
                let (host, word) = key.rsplit_once(':')?;
                let header = match word {
                    "_authToken" => format!("Bearer {value}"),
                    "_auth" => format!("Basic {value}"),
                    _ => return None,
                };
                Some((slash(host), header))
            })
            .collect();
        Ok(NpmEndpoint { registry: slash(&registry), scopes, tokens })
    }

    /// The address of a package's document, and the header that allows to read it.
    pub fn document(&self, package: &str) -> (String, Option<String>) {
        let scope = package.split_once('/').map(|(scope, _)| scope);
        let registry = scope.and_then(|scope| self.scopes.get(scope)).unwrap_or(&self.registry);
        let url = format!("{registry}{}", package.replace('/', "%2f"));
        let bare = url.split_once(':').map_or(url.as_str(), |(_, rest)| rest);
        let token = self.tokens.iter().filter(|(host, _)| bare.starts_with(host.as_str())).max_by_key(|(host, _)| host.len());
        (url.clone(), token.map(|(_, header)| header.clone()))
    }
}

fn slash(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

/// What `${NAME}` is in an `.npmrc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expansion {
    /// The host's variable.
    Host,
    /// Nothing: a line with one does not count, since whoever wrote it is not trusted with the host's values.
    Withheld,
}

/// `key=value` lines; `${NAME}` is a variable. Source: npmrc(5).
fn npmrc(text: &str, expansion: Expansion, surroundings: &Surroundings) -> Vec<(String, String)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', ';']))
        .filter(|line| match expansion {
            Expansion::Host => true,
            Expansion::Withheld => !line.contains("${"),
        })
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| {
            let mut value = value.trim().trim_matches('"').to_string();
            while let Some((before, name, after)) = value.split_once("${").and_then(|(before, rest)| {
                rest.split_once('}').map(|(name, after)| (before.to_string(), name.to_string(), after.to_string()))
            }) {
                value = format!("{before}{}{after}", surroundings.variable(name.trim_end_matches('?')).unwrap_or(""));
            }
            (key.trim().to_string(), value)
        })
        .collect()
}

/// The address of PyPI's index, ending with `/`: from pip's variable, its configuration files, and pip itself, in this order.
pub async fn pypi(surroundings: &Surroundings) -> Result<String, Problem> {
    if let Some(index) = surroundings.variable("PIP_INDEX_URL") {
        return Ok(slash(index.trim()));
    }
    let mut files = Vec::new();
    if let Some(file) = surroundings.variable("PIP_CONFIG_FILE") {
        files.push(PathBuf::from(file));
    }
    if let Some(home) = surroundings.home() {
        let configuration = surroundings.variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        files.extend([configuration.join("pip/pip.conf"), home.join(".pip/pip.conf")]);
    }
    files.push(PathBuf::from("/etc/pip.conf"));
    for file in files {
        if let Some(index) = std::fs::read_to_string(file).ok().as_deref().and_then(index_url) {
            return Ok(slash(index.trim()));
        }
    }
    let question = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";
    match surroundings.ask("python3", &["-c", question]).await.filter(|text| text.starts_with("http")) {
        Some(index) => Ok(slash(index.trim())),
        None => {
            let message = "silo does not know where PyPI is: pip is not installed here, and nothing names an index";
            Err(Problem::new(Code::Unresolved, message)
                .help("set PIP_INDEX_URL to its address, or write `index-url` into pip.conf, or install pip (apt-get install python3-pip)"))
        }
    }
}

fn index_url(text: &str) -> Option<String> {
    let mut global = false;
    text.lines().map(str::trim).find_map(|line| {
        if line.starts_with('[') {
            global = line == "[global]";
        }
        let (key, value) = line.split_once(['=', ':'])?;
        (global && matches!(key.trim(), "index-url" | "index_url")).then(|| value.trim().to_string())
    })
}

/// Addresses of archives that may have a suite, the likeliest first.
pub async fn archives(surroundings: &Surroundings, suite: &str) -> Vec<String> {
    if let Some(mirror) = surroundings.variable("SILO_APT_MIRROR") {
        return vec![mirror.trim_end_matches('/').to_string()];
    }
    let mut found: Vec<(bool, String)> = Vec::new();
    let mut files = vec![surroundings.apt.join("sources.list")];
    let mut others: Vec<PathBuf> =
        std::fs::read_dir(surroundings.apt.join("sources.list.d")).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    others.sort();
    files.extend(others);
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let sources = if file.extension().is_some_and(|ending| ending == "sources") { deb822(&text) } else { one_line(&text) };
        for (uri, suites) in sources {
            let here = suites.iter().any(|other| other == suite);
            if uri.starts_with("http") && !found.iter().any(|(_, other)| *other == uri) {
                found.push((here, uri));
            }
        }
    }
    found.sort_by_key(|(here, _)| !here);
    found.into_iter().map(|(_, uri)| uri).collect()
}

/// `deb [options] uri suite section…` lines. Source: sources.list(5).
fn one_line(text: &str) -> Vec<(String, Vec<String>)> {
    text.lines()
        .filter_map(|line| {
            let rest = line.trim().strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
            let rest = if rest.starts_with('[') { rest.split_once(']')?.1 } else { rest };
            let mut words = rest.split_whitespace();
            Some((words.next()?.trim_end_matches('/').to_string(), vec![words.next()?.to_string()]))
        })
        .collect()
}

/// Paragraphs with `URIs:` and `Suites:`. Source: sources.list(5).
fn deb822(text: &str) -> Vec<(String, Vec<String>)> {
    let mut list = Vec::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| -> Vec<String> {
            let line = paragraph.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)));
            line.map(|(_, value)| value.split_whitespace().map(|word| word.trim_end_matches('/').to_string()).collect()).unwrap_or_default()
        };
        let disabled = field("Enabled").first().is_some_and(|word| matches!(word.as_str(), "no" | "false" | "0"));
        if !disabled && field("Types").iter().any(|word| word == "deb") {
            list.extend(field("URIs").into_iter().map(|uri| (uri, field("Suites"))));
        }
    }
    list
}
