//! Where the registry of crates is: from Cargo's own configuration, or from Cargo. Source: the Cargo Book, "Configuration", "Source
//! Replacement" and "Registry Authentication".

use std::path::PathBuf;
use std::process::Output;

use silo::problem::{Code, Problem};
use silo::spec::Registry;
use toml::{Table, Value};

use super::endpoint::{Surroundings, slash};

/// How many sources replace one another at most.
const CHAIN: usize = 8;

/// A sparse index, and who may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CratesIndex {
    /// Its address, which ends with a slash.
    pub url: String,
    /// The token that is sent where it asks for one.
    pub token: Option<String>,
}

impl CratesIndex {
    /// From the configuration's mirror, Cargo's variables and files, and Cargo itself, in this order.
    pub async fn find(surroundings: &Surroundings) -> Result<CratesIndex, Problem> {
        if let Some(index) = CratesIndex::configured(surroundings)? {
            return Ok(index);
        }
        match ask(surroundings).await {
            Some(url) => Ok(CratesIndex { url: slash(&url), token: None }),
            None => {
                let message = "silo does not know where the registry of crates is: Cargo is not installed here, and nothing names one";
                Err(Problem::new(Code::Unresolved, message)
                    .help("write `mirror crates \"URL\"` with the address of a sparse index, or name one in ~/.cargo/config.toml, or install Cargo"))
            }
        }
    }

    /// What is written down about it; nothing when Cargo's own default counts.
    fn configured(surroundings: &Surroundings) -> Result<Option<CratesIndex>, Problem> {
        let files = Files::read(surroundings)?;
        let of = |url: &str| {
            let url = slash(url.strip_prefix("sparse+").unwrap_or(url));
            CratesIndex { token: files.token(&url), url }
        };
        if let Some(mirror) = surroundings.mirrors.registry(Registry::Crates) {
            return Ok(Some(of(mirror)));
        }
        let Some(url) = files.index()? else { return Ok(None) };
        if !url.starts_with("sparse+") {
            return Err(useless(&format!("Cargo takes crates from `{}`, which is no sparse index", super::client::shown(&url))));
        }
        Ok(Some(of(&url)))
    }
}

/// That Cargo's configuration names nothing that silo can use.
fn useless(message: &str) -> Problem {
    Problem::new(Code::Unresolved, message).help("write `mirror crates \"URL\"` with the address of a sparse index")
}

/// Cargo's files and variables.
struct Files<'a> {
    surroundings: &'a Surroundings,
    config: Table,
    credentials: Table,
}

impl Files<'_> {
    fn read(surroundings: &Surroundings) -> Result<Files<'_>, Problem> {
        let home = surroundings.variable("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(surroundings.variable("HOME")?).join(".cargo")));
        let read = |name: &str| {
            let found = [format!("{name}.toml"), name.to_string()].into_iter().find_map(|file| {
                let file = home.as_ref()?.join(file);
                Some((std::fs::read_to_string(&file).ok()?, file))
            });
            let Some((text, file)) = found else { return Ok(Table::new()) };
            // What it holds may be secret, so it is not shown.
            text.parse::<Table>().map_err(|_| useless(&format!("{} is not understood", file.display())))
        };
        Ok(Files { surroundings, config: read("config")?, credentials: read("credentials")? })
    }

    fn text(table: &Table, path: [&str; 3]) -> Option<String> {
        let [first, second, third] = path;
        Some(table.get(first)?.get(second)?.get(third)?.as_str()?.trim().to_string())
    }

    fn variable(&self, registry: &str, word: &str) -> Option<String> {
        let name = registry.to_uppercase().replace('-', "_");
        self.surroundings.variable(&format!("CARGO_REGISTRIES_{name}_{word}")).map(str::to_string)
    }

    /// The index of a registry that has a name.
    fn registry(&self, name: &str) -> Option<String> {
        self.variable(name, "INDEX").or_else(|| Files::text(&self.config, ["registries", name, "index"]))
    }

    /// The address that crates come from; nothing when it is Cargo's own default.
    fn index(&self) -> Result<Option<String>, Problem> {
        const OWN: &str = "crates-io";
        let default = self.surroundings.variable("CARGO_REGISTRY_DEFAULT").map(str::to_string);
        let default = default.or_else(|| Some(self.config.get("registry")?.get("default")?.as_str()?.to_string()));
        if let Some(name) = default.filter(|name| name != OWN) {
            let message = format!("Cargo's registry is `{name}`, and nothing says where that is");
            return self.registry(&name).map(Some).ok_or_else(|| useless(&message));
        }
        let source = |name: &str| self.config.get("source")?.get(name)?.as_table();
        let Some(mut name) = source(OWN).and_then(|source| source.get("replace-with")).and_then(Value::as_str) else {
            return Ok(None);
        };
        for _ in 0..CHAIN {
            let Some(table) = source(name) else {
                let message = format!("Cargo takes crates from the source `{name}`, and nothing says where that is");
                return self.registry(name).map(Some).ok_or_else(|| useless(&message));
            };
            if let Some(next) = table.get("replace-with").and_then(Value::as_str) {
                name = next;
                continue;
            }
            return match table.get("registry").and_then(Value::as_str) {
                Some(url) => Ok(Some(url.to_string())),
                None => Err(useless(&format!("Cargo takes crates from the source `{name}`, which is no registry"))),
            };
        }
        Err(useless("Cargo's sources replace one another in a circle"))
    }

    /// The token of the registry that has this index. No other one is sent there.
    fn token(&self, url: &str) -> Option<String> {
        let named = self.config.get("registries").and_then(Value::as_table).into_iter().flatten().map(|(name, _)| name.as_str());
        let variables =
            self.surroundings.variables.keys().filter_map(|name| name.strip_prefix("CARGO_REGISTRIES_")?.strip_suffix("_INDEX"));
        let name = named
            .chain(variables)
            .find(|name| self.registry(name).is_some_and(|index| slash(index.strip_prefix("sparse+").unwrap_or(&index)) == url))?;
        self.variable(name, "TOKEN").or_else(|| {
            let tables = [&self.credentials, &self.config];
            tables.into_iter().find_map(|table| Files::text(table, ["registries", name, "token"]))
        })
    }
}

/// Cargo's own default. It has no command for it; but where it can reach nothing and knows nothing yet, its log says what it wanted to read.
async fn ask(surroundings: &Surroundings) -> Option<String> {
    let scratch = std::env::temp_dir().join(format!("silo-cargo-{}-{:016x}", std::process::id(), fastrand::u64(..)));
    std::fs::create_dir(&scratch).ok()?;
    let more = [
        ("CARGO_HOME", scratch.display().to_string()),
        // Nobody listens there.
        ("CARGO_HTTP_PROXY", "http://127.0.0.1:1".to_string()),
        ("CARGO_NET_RETRY", "0".to_string()),
        ("CARGO_NET_OFFLINE", "false".to_string()),
        // Of those that know both forms of their registry, before 1.70.
        ("CARGO_REGISTRIES_CRATES_IO_PROTOCOL", "sparse".to_string()),
        ("CARGO_LOG", "network=debug".to_string()),
        ("CARGO_TERM_COLOR", "never".to_string()),
    ];
    let read = |output: &Output| index_of(&String::from_utf8_lossy(&output.stderr));
    let answer = surroundings.answer("cargo", &["search", "x"], &more, read).await;
    drop(std::fs::remove_dir_all(&scratch));
    answer
}

/// The index in what Cargo says when it cannot read its `config.json`: `network::fetch: url="URL/config.json"` in its log,
/// ``failed to download from `URL/config.json` `` in some versions' errors.
fn index_of(said: &str) -> Option<String> {
    let words = said.split(|c: char| c.is_whitespace() || matches!(c, '`' | '"')).filter(|word| word.starts_with("http"));
    words.filter_map(|word| word.strip_suffix("config.json")).find(|url| url.ends_with('/')).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::index_of;

    #[test]
    fn the_index_is_read_from_what_cargo_says() {
        let said = "    Updating an index\nerror: download of config.json failed\n\nCaused by:\n  failed to download from `https://index.example.test/config.json`\n";
        assert_eq!(index_of(said).as_deref(), Some("https://index.example.test/"));
        // Cargo 1.96 names no address in its errors.
        let log = "   0.034s DEBUG main:exec: network::fetch: url=\"https://index.example.test/i/config.json\"\nerror: failed to update registry\n";
        assert_eq!(index_of(log).as_deref(), Some("https://index.example.test/i/"));
        assert_eq!(index_of("error: no such command: `search`\n"), None);
        assert_eq!(index_of("failed to fetch `https://git.example.test/index`"), None);
    }
}
