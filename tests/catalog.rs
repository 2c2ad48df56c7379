//! The catalog: every entry is checked, decodes, and is named nowhere in the program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use silo::catalog::{self, Catalog};
use silo::document;
use silo::layers::{self, File};
use silo::problem::{Code, Problems};
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, Sources};
use silo::spec::{Component, Kind, McpTransport, Spec, Step, decode};

fn explain(problems: &Problems) -> String {
    problems.iter().map(|problem| format!("{problem:?}\n")).collect()
}

/// Decodes a configuration that names one entry.
fn use_of(kind: &str, name: &str) -> (Option<Spec>, Problems) {
    let text = match kind {
        "base" => format!("base {name:?}\n"),
        // A client is never asked for by name: a step of its name needs it.
        // A package of Go is named by a path.
        "client" if name == "go" => format!("layer it {{\n    {name} \"example.test/x\"\n}}\n"),
        "client" => format!("layer it {{\n    {name} \"package\"\n}}\n"),
        _ => format!("{kind} {name:?}\n"),
    };
    with(&text)
}

fn with(text: &str) -> (Option<Spec>, Problems) {
    let mut sources = Sources::default();
    let layer = Layer::Project(3);
    let id = sources.add(Source { name: "silo.kdl".into(), text: text.into(), layer });
    let (document, problems) = document::parse(id, text);
    assert!(problems.is_empty(), "{}", explain(&problems));
    let document = document.expect("it parses");
    let (layered, problems) = layers::merge(&[File::new(layer, document)], &layers::Facts::default());
    assert!(problems.is_empty(), "{}", explain(&problems));
    let (catalog, problems) = Catalog::new(&layered.nodes);
    assert!(problems.is_empty(), "{}", explain(&problems));
    decode::decode(&layered.nodes, &catalog, &mut sources)
}

#[test]
fn every_entry_is_what_its_path_says_and_fits_the_schema() {
    let mut sources = Sources::default();
    let mut count = 0;
    for (kind, name, text) in catalog::entries() {
        let id = sources.add(Source { name: format!("{kind}/{name}"), text: text.into(), layer: Layer::Catalog });
        let (document, problems) = document::parse(id, text);
        assert!(problems.is_empty(), "{kind} {name}\n{}", explain(&problems));
        let document = document.expect("it parses");
        let problems = schema::check(&document, FileKind::Catalog);
        assert!(problems.is_empty(), "{kind} {name}\n{}", explain(&problems));
        let headings: Vec<_> = document.nodes.iter().map(|node| (node.name.as_str(), node.text(0), node.text(1))).collect();
        assert_eq!(headings, [("define", Some(kind), Some(name))]);
        let doc = document.nodes[0].named("doc").next().and_then(|doc| doc.text(0)).unwrap_or("");
        assert!(doc.ends_with('.') && doc.len() > 10, "{kind} {name} has no sentence about itself: {doc:?}");
        count += 1;
    }
    assert!(count >= 100, "the catalog has {count} entries");
}

#[test]
fn every_entry_decodes() {
    for (kind, name, _) in catalog::entries() {
        if kind == "base" {
            continue;
        }
        let (spec, problems) = use_of(kind, name);
        assert!(problems.is_empty(), "{kind} {name}\n{}", explain(&problems));
        let spec = spec.expect("no problem, so there is a spec");
        if is_remote(kind, name) {
            assert!(spec.image.components.iter().all(|component| component.id.name.as_str() != name), "{name} is somewhere else");
            continue;
        }
        let kind = Kind::ALL.into_iter().find(|other| other.as_str() == kind).expect("a kind");
        let agents = spec.image.agents.iter().map(|agent| &agent.component);
        let component: &Component = spec
            .image
            .components
            .iter()
            .chain(agents)
            .find(|component| component.id.kind == kind && component.id.name.as_str() == name)
            .unwrap_or_else(|| panic!("{} {name} is not in its own spec", kind.as_str()));
        assert!(!component.installs.is_empty());
        assert!(!component.checks.is_empty(), "{} has no smoke test", component.id);
        for install in &component.installs {
            let commands = install.steps.iter().any(|step| matches!(step, Step::Bin { .. } | Step::Apt { .. }));
            assert!(commands, "{} from {} puts nothing on the PATH", component.id, install.source);
        }
    }
}

#[test]
fn every_release_of_every_base_is_known_by_each_of_its_names() {
    let catalog = Catalog::builtin();
    let mut sources = Sources::default();
    let mut defaults = Vec::new();
    for name in catalog.names("base") {
        let definition = catalog.get("base", name, &mut sources).0.expect("it is listed");
        defaults.extend(definition.node.named("default").map(|_| name));
        let suites: Vec<_> = definition.node.named("suite").collect();
        assert!(!suites.is_empty());
        for suite in suites {
            for tag in suite.arguments().filter_map(|entry| entry.value.as_str()) {
                let (spec, problems) = use_of("base", &format!("{name}:{tag}"));
                assert!(problems.is_empty(), "{}", explain(&problems));
                let base = spec.expect("a spec").image.base;
                assert_eq!((base.distribution.name.as_str(), Some(base.distribution.suite.as_str())), (name, suite.text(0)));
                assert!(!base.distribution.sections.is_empty() && !base.distribution.fetch_packages.is_empty());
            }
        }
    }
    assert_eq!(defaults.len(), 1, "one base is the default: {defaults:?}");
}

/// Agents that use no MCP servers.
const WITHOUT_SERVERS: &[&str] = &["aider"];
/// Agents that use language servers themselves.
const WITH_LSP: &[&str] = &["claude", "copilot", "crush", "opencode", "qwen"];

/// Whether an entry is a server that is somewhere else.
fn is_remote(kind: &str, name: &str) -> bool {
    let definition = Catalog::builtin().get(kind, name, &mut Sources::default()).0.expect("it is listed");
    kind == "mcp" && definition.node.named("url").next().is_some()
}

#[test]
fn a_server_somewhere_else_needs_its_name_alone() {
    let (spec, problems) = with("mcp linear\nmcp deepwiki transport=sse\nmcp figma url=\"https://mcp.example/own\"\nagent claude\n");
    assert!(problems.is_empty(), "{}", explain(&problems));
    let agent = &spec.expect("a spec").image.agents[0];
    let told: Vec<_> = agent.mcp.iter().map(|server| (server.name.as_str(), server.transport.clone())).collect();
    let remote = |protocol: &str, url: &str| McpTransport::Remote { protocol: protocol.into(), url: url.into() };
    assert_eq!(
        told,
        [
            ("deepwiki", remote("sse", "https://mcp.deepwiki.com/mcp")),
            ("figma", remote("http", "https://mcp.example/own")),
            ("linear", remote("http", "https://mcp.linear.app/mcp")),
        ]
    );
}

#[test]
fn there_is_enough_of_everything() {
    let count = |kind: &str| Catalog::builtin().names(kind).len();
    for (kind, least) in [("language", 14), ("lsp", 24), ("mcp", 18), ("agent", 11), ("tool", 12), ("base", 2)] {
        assert!(count(kind) >= least, "{} of {kind}, and there should be {least}", count(kind));
    }
    let languages =
        ["node", "go", "rust", "python", "deno", "bun", "java", "kotlin", "ruby", "php", "zig", "elixir", "erlang", "dotnet", "c", "cpp"];
    let agents = ["claude", "opencode", "copilot", "codex", "gemini", "amp", "goose", "aider", "crush", "qwen", "cursor"];
    for (kind, names) in [("language", languages.as_slice()), ("agent", agents.as_slice())] {
        let known = Catalog::builtin();
        let missing: Vec<_> = names.iter().filter(|name| !known.names(kind).contains(name)).collect();
        assert!(missing.is_empty(), "{kind}: {missing:?}");
    }
    assert!(Catalog::builtin().names("mcp").into_iter().filter(|name| is_remote("mcp", name)).count() >= 3);
}

/// What is named by one entry is another: a requirement that does not exist would only be seen by whoever uses the entry.
#[test]
fn what_an_entry_needs_exists() {
    let catalog = Catalog::builtin();
    let mut sources = Sources::default();
    let mut seen = 0;
    for (kind, name, _) in catalog::entries() {
        let definition = catalog.get(kind, name, &mut sources).0.expect("it is listed");
        let blocks = std::iter::once(&definition.node).chain(definition.node.named("install"));
        for entry in blocks.flat_map(|block| block.named("requires")).flat_map(|needs| &needs.entries) {
            let (needed, what) = (entry.name.as_deref().expect("a kind"), entry.value.as_str().expect("a name"));
            assert!(catalog.names(needed).contains(&what), "{kind} {name} needs {needed} {what}, which is not there");
            assert!((needed, what) != (kind, name), "{kind} {name} needs itself");
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} requirements were read");
}

/// Whatever a package registry or the distribution has can be installed without a vendor's site: only these cannot.
#[test]
fn only_these_entries_need_a_vendor_s_site() {
    let list: Vec<String> = catalog::entries()
        .filter(|(kind, name, _)| catalog::needs_a_vendor(kind, name))
        .map(|(kind, name, _)| format!("{kind} {name}"))
        .collect();
    insta::assert_snapshot!(list.join("\n"));
}

#[test]
fn a_server_can_be_started_and_an_agent_told() {
    let names = |kind: &str| Catalog::builtin().names(kind).into_iter().map(str::to_string).collect::<Vec<_>>();
    let mut text = String::new();
    for kind in ["lsp", "mcp", "agent"] {
        for name in names(kind) {
            text.push_str(&format!("{kind} {name:?}\n"));
        }
    }
    let (spec, problems) = with(&text);
    assert!(problems.is_empty(), "{}", explain(&problems));
    let spec = spec.expect("a spec");
    assert_eq!(spec.image.agents.len(), names("agent").len());
    for (agent, run) in spec.image.agents.iter().zip(&spec.run.agents) {
        assert_eq!(agent.mcp.len(), names("mcp").len(), "{}", agent.name());
        assert_eq!(agent.lsp.len(), names("lsp").len(), "{}", agent.name());
        let told = agent.registrations.iter().any(|registration| registration.servers == Kind::Mcp && registration.remote.is_some());
        assert_eq!(told, !WITHOUT_SERVERS.contains(&agent.name().as_str()), "{} is told of MCP servers, local and remote", agent.name());
        let told = agent.registrations.iter().any(|registration| registration.servers == Kind::Lsp);
        assert_eq!(told, WITH_LSP.contains(&agent.name().as_str()), "{} is told of language servers", agent.name());
        assert!(!run.state.is_empty(), "{} loses its state", agent.name());
        for registration in &agent.registrations {
            assert!(!registration.file.contains("home"), "{} is registered in a HOME", agent.name());
        }
    }
}

#[test]
fn an_entry_is_read_once_and_says_where_it_is() {
    let catalog = Catalog::builtin();
    let mut sources = Sources::default();
    let (kind, name, _) = catalog::entries().next().expect("there are entries");
    let first = catalog.get(kind, name, &mut sources).0.expect("it is listed");
    let second = catalog.get(kind, name, &mut sources).0.expect("it is listed");
    assert_eq!(first, second);
    let read: Vec<_> = sources.iter().map(|(_, source)| (source.name.clone(), source.layer)).collect();
    assert_eq!(read, [(format!("catalog:{kind}/{name}"), Layer::Catalog)]);
    assert_eq!(sources.slice(first.span), format!("define {kind} {name}"));
}

#[test]
fn a_second_definition_must_say_that_it_replaces() {
    let (kind, name, _) = catalog::entries().find(|(kind, _, _)| *kind == "tool").expect("there is a tool");
    let parse = |text: &str| {
        let mut sources = Sources::default();
        let id = sources.add(Source { name: "silo.kdl".into(), text: text.into(), layer: Layer::Project(1) });
        document::parse(id, text).0.expect("it parses").nodes
    };
    let (_, problems) = Catalog::new(&parse(&format!("define {kind} {name} {{ install apt {{ apt \"x\" }} }}")));
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::Redefinition]);
    let (catalog, problems) = Catalog::new(&parse(&format!("(replace)define {kind} {name} {{ doc \"mine\" }}")));
    assert!(problems.is_empty());
    let node = catalog.get(kind, name, &mut Sources::default()).0.expect("it is there").node;
    assert_eq!(node.named("doc").next().and_then(|doc| doc.text(0)), Some("mine"));
}

/// Words that are an entry's name and also a word of the language, of an engine or of a kind: each with why it may stand in the program.
const WORDS: &[(&str, &str)] = &[
    ("docker", "a backend"),
    ("npm", "a step, and the client that it needs"),
    ("pip", "a step, and the client that it needs"),
    ("go", "a step, and the client that it needs"),
    ("cargo", "a step, and the client that it needs"),
    ("memory", "a limit of `resources`"),
    ("node", "a node of a document"),
    ("git", "git's own files and settings, which a container gets"),
    ("fetch", "the stage that downloads and unpacks"),
    ("c", "a letter"),
    ("r", "a letter"),
];

#[test]
fn no_entry_is_named_in_the_program() {
    let names: BTreeSet<&str> =
        catalog::entries().map(|(_, name, _)| name).filter(|name| !WORDS.iter().any(|(word, _)| word == name)).collect();
    let mut found = Vec::new();
    let mut literals = 0;
    for file in rust_files(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&file).expect("a source file");
        for literal in string_literals(&text) {
            literals += 1;
            for word in literal.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
                // In prose and examples a word may stand; a name that decides something is a literal of its own or a part of a path.
                if names.contains(word)
                    && (literal == word || literal.contains(&format!("/{word}")) || literal.contains(&format!("{word}/")))
                {
                    found.push(format!("{}: {literal:?}", file.display()));
                }
            }
        }
    }
    assert!(literals > 100, "only {literals} literals were read");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn rust_files(folder: PathBuf) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The string literals of Rust source text; comments and characters are passed over.
fn string_literals(text: &str) -> Vec<String> {
    let bytes: Vec<char> = text.chars().collect();
    let mut literals = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            '/' if bytes.get(at + 1) == Some(&'/') => {
                while at < bytes.len() && bytes[at] != '\n' {
                    at += 1;
                }
            }
            '\'' if bytes.get(at + 2) == Some(&'\'') => at += 3,
            '\'' if bytes.get(at + 1) == Some(&'\\') => {
                at += 3;
                while at < bytes.len() && bytes[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '"' => {
                let hashes = bytes[..at].iter().rev().take_while(|c| **c == '#').count();
                let raw = bytes.get(at.wrapping_sub(hashes + 1)) == Some(&'r');
                let mut literal = String::new();
                at += 1;
                while at < bytes.len() {
                    if raw && bytes[at] == '"' && bytes[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
                        break;
                    }
                    if !raw && bytes[at] == '"' {
                        break;
                    }
                    if !raw && bytes[at] == '\\' {
                        at += 1;
                    }
                    literal.push(bytes[at]);
                    at += 1;
                }
                at += 1;
                literals.push(literal);
            }
            _ => at += 1,
        }
    }
    literals
}

#[test]
fn the_reader_of_literals_reads_literals() {
    let read = string_literals("let a = \"x\\\"y\"; // \"no\"\nlet c = '\"'; let d = '\\''; r#\"raw \" text\"#; \"\"");
    assert_eq!(read, ["x\"y", "raw \" text", ""]);
}

#[test]
fn reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/catalog.md");
    let expected = catalog::reference();
    if std::env::var_os("SILO_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("docs/ can be made");
        std::fs::write(&path, &expected).expect("docs/catalog.md can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == expected, "docs/catalog.md is stale: run `SILO_BLESS=1 cargo test --test main catalog::`");
}
