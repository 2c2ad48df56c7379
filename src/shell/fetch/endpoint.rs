//! Where the registries are: silo knows no address of its own, it takes them from their ordinary clients' configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use silo::problem::{Code, Problem};
use silo::spec::{Mirrors, Registry};
use tokio::process::Command;

use super::cache::{Cache, Terms};
use super::login::{Login, basic};

/// What endpoints are found from.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// The project's `.npmrc`: its text, and whether its `${NAME}` mean something.
    pub npmrc: Option<(String, Expansion)>,
    /// apt's folder.
    pub apt: PathBuf,
    /// Where to look instead.
    pub mirrors: Mirrors,
    /// The folder of distributions' keys.
    pub keyrings: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process(npmrc: Option<(String, Expansion)>, mirrors: Mirrors) -> Surroundings {
        Surroundings {
            variables: std::env::vars().collect(),
            npmrc,
            apt: PathBuf::from("/etc/apt"),
            keyrings: PathBuf::from("/usr/share/keyrings"),
            mirrors,
        }
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }

    /// The user's own `.npmrc`.
    pub fn user_npmrc(&self) -> Option<PathBuf> {
        let named = self.variable("NPM_CONFIG_USERCONFIG").or(self.variable("npm_config_userconfig"));
        named.map(PathBuf::from).or_else(|| Some(self.home()?.join(".npmrc")))
    }

    /// npm's registry by what is stronger than its files: the configuration's mirror, else a variable of npm's.
    pub fn npm_registry(&self) -> Option<&str> {
        let mirror = self.mirrors.registry(Registry::Npm);
        mirror.or(self.variable("npm_config_registry")).or(self.variable("NPM_CONFIG_REGISTRY"))
    }

    /// pip's files, the strongest first. Source: pip's documentation, "Configuration".
    pub fn pip_files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.variable("PIP_CONFIG_FILE").map(PathBuf::from).into_iter().collect();
        if let Some(home) = self.home() {
            let configuration = self.variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
            files.extend([configuration.join("pip/pip.conf"), home.join(".pip/pip.conf")]);
        }
        files.push(PathBuf::from("/etc/pip.conf"));
        files
    }

    /// PyPI's index by what is stronger than pip's files: the configuration's mirror, else a variable of pip's.
    pub fn pip_index(&self) -> Option<&str> {
        self.mirrors.registry(Registry::Pypi).or_else(|| self.variable("PIP_INDEX_URL")).map(str::trim)
    }

    /// A setting of Go's by what is stronger than its own word: a variable, or the user's file. Source: go's documentation, "Environment
    /// variables", GOENV.
    pub fn go_setting(&self, name: &str) -> Option<String> {
        if let Some(value) = self.variable(name) {
            return Some(value.to_string());
        }
        let file = match self.variable("GOENV") {
            Some("off") => return None,
            Some(file) => PathBuf::from(file),
            None => {
                let home = || self.home().map(|home| home.join(".config"));
                self.variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?.join("go/env")
            }
        };
        let text = std::fs::read_to_string(file).ok()?;
        let mut settings = text.lines().filter_map(|line| line.trim().split_once('='));
        settings.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value.to_string())
    }

    /// Where modules of Go are by what is stronger than Go's own word: the configuration's mirror, else the first server of a list of Go's
    /// settings. The list when no entry of it is one.
    pub fn go_proxy(&self) -> Option<Result<String, String>> {
        if let Some(mirror) = self.mirrors.registry(Registry::Go) {
            return Some(Ok(mirror.to_string()));
        }
        self.go_setting("GOPROXY").map(|list| first_server(&list))
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
    /// of the folder that they are started in. Since it takes longer than everything else together, its answer is kept for some minutes,
    /// as long as the program, what configures it and its variables are the same.
    pub(super) async fn ask(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let printed = |output: &Output| {
            let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
            (output.status.success() && !text.is_empty()).then_some(text)
        };
        self.answer(program, arguments, &[], printed).await
    }

    /// The same with more variables, and an answer that is read from all that the program leaves.
    pub(super) async fn answer(
        &self,
        program: &str,
        arguments: &[&str],
        more: &[(&str, String)],
        read: impl Fn(&Output) -> Option<String>,
    ) -> Option<String> {
        let cache = self.cache().map(Cache::new);
        let key = self.question(program, arguments);
        if let (Some(cache), Some(key)) = (&cache, &key)
            && let Some(entry) = cache.read(key).await.filter(|entry| entry.fresh)
        {
            return String::from_utf8(entry.body).ok();
        }
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/").env_clear().envs(&self.variables).envs(more.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await.ok()?.ok()?;
        let answer = read(&output)?;
        if let (Some(cache), Some(key)) = (&cache, &key) {
            cache.write(key, &Terms::for_a_while(), answer.as_bytes()).await;
        }
        Some(answer)
    }

    /// Everything that the answer of a program depends on; nothing when the program is not installed.
    fn question(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let changed = |file: &Path| {
            let file = std::fs::metadata(file).ok()?;
            Some((file.len(), file.modified().ok()?))
        };
        let file = std::env::split_paths(self.variable("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())?;
        // Where npm's file for all users is, by default and in distributions' packages. Source: npm's documentation, "config", globalconfig.
        let configured = file.parent().and_then(Path::parent).map(|prefix| prefix.join("etc/npmrc"));
        let configured: Vec<_> = configured.into_iter().chain([PathBuf::from("/etc/npmrc")]).map(|file| changed(&file)).collect();
        // Any may count, but those that a shell changes with every command.
        let variables: Vec<_> =
            self.variables.iter().filter(|(name, _)| !["_", "SHLVL", "PWD", "OLDPWD"].contains(&name.as_str())).collect();
        Some(format!("program\n{}\n{:?}\n{configured:?}\n{arguments:?}\n{variables:?}", file.display(), changed(&file)))
    }
}

/// npm's registry, with those of scopes, and who may use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpmEndpoint {
    registry: String,
    scopes: BTreeMap<String, String>,
    tokens: BTreeMap<String, String>,
    /// Where else what they have is.
    mirrors: Mirrors,
    /// How they are reached.
    pub transport: Transport,
}

/// How registries are reached where their client is configured otherwise than everything else is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// The text of the only certificate authorities that count.
    pub authorities: Option<Vec<u8>>,
    /// The proxy.
    pub proxy: Option<String>,
    /// What is reached without it: hosts, separated by commas.
    pub direct: Option<String>,
}

impl Transport {
    /// From the user's settings of npm, and its variables, which are stronger. Source: npm's documentation, "config": cafile, https-proxy, noproxy.
    fn of(settings: &BTreeMap<String, String>, surroundings: &Surroundings) -> Transport {
        let setting = |name: &str| {
            let variable = format!("npm_config_{}", name.replace('-', "_"));
            let named = surroundings.variable(&variable).or(surroundings.variable(&variable.to_uppercase())).map(str::to_string);
            named.or_else(|| settings.get(name).cloned()).filter(|value| !matches!(value.as_str(), "" | "null" | "false"))
        };
        Transport {
            authorities: setting("cafile").and_then(|file| std::fs::read(file).ok()),
            proxy: setting("https-proxy").or_else(|| setting("proxy")),
            direct: setting("noproxy"),
        }
    }
}

impl NpmEndpoint {
    /// From the configuration's mirror, npm's variables, `.npmrc` of the project and of the user, and npm itself, in this order.
    pub async fn find(surroundings: &Surroundings) -> Result<NpmEndpoint, Problem> {
        let mut settings = BTreeMap::new();
        if let Some(text) = surroundings.user_npmrc().and_then(|file| std::fs::read_to_string(file).ok()) {
            settings.extend(npmrc(&text, Expansion::Host, surroundings));
        }
        // Of the user's alone: whoever names a proxy and the authorities can read every login.
        let transport = Transport::of(&settings, surroundings);
        if let Some((text, expansion)) = &surroundings.npmrc {
            settings.extend(npmrc(text, *expansion, surroundings));
        }
        let registry = match surroundings.npm_registry().map(str::to_string).or_else(|| settings.get("registry").cloned()) {
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
                    // Written in base64. Source: npm's documentation, "npmrc", auth related configuration.
                    "_password" if !settings.contains_key(&format!("{host}:_authToken")) => {
                        let password = BASE64_STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
                        basic(settings.get(&format!("{host}:username"))?, &password)
                    }
                    _ => return None,
                };
                Some((slash(host), header))
            })
            .collect();
        Ok(NpmEndpoint { registry: slash(&registry), scopes, tokens, mirrors: surroundings.mirrors.clone(), transport })
    }

    /// The address of a package's document, and the header that allows to read it.
    pub fn document(&self, package: &str) -> (String, Option<String>) {
        let scope = package.split_once('/').map(|(scope, _)| scope);
        let registry = scope.and_then(|scope| self.scopes.get(scope)).unwrap_or(&self.registry);
        let url = format!("{registry}{}", package.replace('/', "%2f"));
        let authorization = self.authorization(&url);
        (url, authorization)
    }

    /// As whom an address is asked, or its mirror, which has a login of its own: as nobody where npm has none, as npm itself does.
    pub fn login(&self, url: &str) -> Login {
        let url = self.mirrors.address(url).unwrap_or_else(|| url.to_string());
        self.authorization(&url).map_or(Login::Nobody, |text| Login::Header { url, text })
    }

    /// The header that allows to read an address.
    fn authorization(&self, url: &str) -> Option<String> {
        let bare = url.split_once(':').map_or(url, |(_, rest)| rest);
        let token = self.tokens.iter().filter(|(host, _)| bare.starts_with(host.as_str())).max_by_key(|(host, _)| host.len());
        token.map(|(_, header)| header.clone())
    }

    /// The address that the archive of a version has in npm's own registry and those that follow it: `NAME/-/NAME-VERSION.tgz`, the second
    /// without its scope.
    pub fn tarball(&self, package: &str, version: &str) -> String {
        let (scope, bare) = package.split_once('/').map_or((None, package), |(scope, bare)| (Some(scope), bare));
        let registry = scope.and_then(|scope| self.scopes.get(scope)).unwrap_or(&self.registry);
        format!("{registry}{package}/-/{bare}-{version}.tgz")
    }
}

/// The first entry of a list of Go's proxies that can be asked: others stand for repositories, for nothing, or for a folder. The list when
/// there is none. Source: go.dev/ref/mod, "Environment variables", GOPROXY.
pub(super) fn first_server(list: &str) -> Result<String, String> {
    let found = list.split([',', '|']).map(str::trim).find(|entry| entry.starts_with("https://") || entry.starts_with("http://"));
    found.map(str::to_string).ok_or_else(|| list.to_string())
}

pub(super) fn slash(url: &str) -> String {
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
pub(super) fn npmrc(text: &str, expansion: Expansion, surroundings: &Surroundings) -> Vec<(String, String)> {
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

/// The address of PyPI's index, ending with `/`: from the configuration's mirror, pip's variable, its configuration files, and pip itself, in this order.
pub async fn pypi(surroundings: &Surroundings) -> Result<String, Problem> {
    if let Some(index) = surroundings.pip_index() {
        return Ok(slash(index));
    }
    for file in surroundings.pip_files() {
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
