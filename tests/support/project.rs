//! A configuration of several files, from text to images: what `src/shell/project.rs` does, without the file system and the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use silo::catalog::Catalog;
use silo::contract;
use silo::detect::{self, Answer, VersionFiles};
use silo::document::{self, Document, Value};
use silo::identity::{Identity, identify};
use silo::launch::{self, Host, Launch, Program, Start, Terminal};
use silo::layers::{self, Facts, File, Layered};
use silo::lock::{self, Lock};
use silo::plan::{self, ContextFile, Plan, Target, Tree};
use silo::problem::{Problems, RenderOptions, render};
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, Sources};
use silo::spec::Spec;
use silo::spec::decode::decode;
use silo::trust::{self, CommandLine, Request};

use super::answers;

/// Where the project lies on the machine of every test.
pub const ROOT: &str = "/home/ada/work/api";

/// A folder of texts.
///
/// `user.kdl`, `system.kdl` and `above.kdl` are the user's, the machine's and a file above the repository; `environment.kdl` and
/// `command-line.kdl` say in KDL what `SILO_*` and options would. Every other path is a file of the repository, and the deepest folder that
/// holds a `silo.kdl` or `silo.local.kdl` is the working directory. With a file `trusted` the user trusts the project.
#[derive(Clone, Debug, Default)]
pub struct Project {
    files: BTreeMap<String, Vec<u8>>,
}

/// What became of it.
pub struct Loaded {
    pub sources: Sources,
    pub problems: Problems,
    pub layered: Layered,
    /// Of all layers.
    pub spec: Option<Spec>,
    /// Of those that every machine shares.
    pub shared: Option<Spec>,
    /// What the command line hands over.
    pub own: CommandLine,
    /// What is asked of the host, trusted or not.
    pub requests: Vec<Request>,
    project: Project,
    workspace: String,
}

/// One image.
pub struct Compiled {
    pub target: Target,
    pub plan: Plan,
    pub identity: Identity,
    pub launch: Option<Launch>,
}

impl Project {
    /// A project of one file.
    pub fn of(text: &str) -> Project {
        Project::default().file("silo.kdl", text)
    }

    /// Adds a file.
    pub fn file(mut self, path: &str, text: impl AsRef<[u8]>) -> Project {
        self.files.insert(path.to_string(), text.as_ref().to_vec());
        self
    }

    /// Reads a folder; `snapshot.txt` is not part of it.
    pub fn read(folder: &Path) -> Project {
        fn walk(folder: &Path, prefix: &str, project: &mut Project) {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if entry.path().is_dir() {
                    walk(&entry.path(), &format!("{path}/"), project);
                } else if path != "snapshot.txt" {
                    project.files.insert(path, fs::read(entry.path()).unwrap());
                }
            }
        }
        let mut project = Project::default();
        walk(folder, "", &mut project);
        project
    }

    fn text(&self, path: &str) -> Option<String> {
        self.files.get(path).map(|bytes| String::from_utf8(bytes.clone()).expect("a test's files are UTF-8"))
    }

    /// Folders from the root to the working directory, each with its `/`.
    fn folders(&self) -> Vec<String> {
        let configured = self.files.keys().filter(|path| matches!(path.rsplit('/').next(), Some("silo.kdl" | "silo.local.kdl")));
        let deepest =
            configured.map(|path| &path[..path.rfind('/').map_or(0, |at| at + 1)]).max_by_key(|folder| folder.matches('/').count());
        let deepest = deepest.unwrap_or("");
        std::iter::once(String::new()).chain(deepest.match_indices('/').map(|(at, _)| deepest[..=at].to_string())).collect()
    }

    /// Reads every layer and decodes it.
    pub fn load(&self) -> Loaded {
        let folders = self.folders();
        let workspace = format!("{ROOT}/{}", folders.last().unwrap()).trim_end_matches('/').to_string();
        let mut candidates: Vec<(String, String, Layer)> = vec![
            ("system.kdl".into(), "/etc/silo/silo.kdl".into(), Layer::System),
            ("user.kdl".into(), "~/.config/silo/silo.kdl".into(), Layer::User),
            ("above.kdl".into(), "~/work/silo.kdl".into(), Layer::Above(3)),
        ];
        for (depth, folder) in folders.iter().enumerate() {
            let depth = u16::try_from(depth + 4).unwrap();
            for (name, layer) in [("silo.kdl", Layer::Project(depth)), ("silo.local.kdl", Layer::Local(depth))] {
                let path = format!("{folder}{name}");
                candidates.push((path.clone(), shown(&path, &workspace), layer));
            }
        }
        let mut reader = Reader {
            project: self,
            workspace: &workspace,
            sources: Sources::default(),
            problems: Problems::default(),
            files: Vec::new(),
            complete: true,
            versions: VersionFiles::default(),
        };
        let mut found = Vec::new();
        let mut rooted = false;
        for (path, name, layer) in candidates.into_iter().rev() {
            let upwards = matches!(layer, Layer::Project(_) | Layer::Local(_) | Layer::Above(_));
            if upwards && rooted {
                continue;
            }
            if let Some(document) = self.text(&path).and_then(|text| reader.parse(&name, layer, text)) {
                rooted |= matches!(layer, Layer::Project(_)) && is_root(&document);
                found.push((path, layer, document));
            }
        }
        for (path, layer, document) in found.into_iter().rev() {
            reader.add(&path, layer, document, 0);
        }
        for (path, name, layer) in
            [("environment.kdl", "the environment", Layer::Environment), ("command-line.kdl", "the command line", Layer::CommandLine)]
        {
            if let Some(document) = self.text(path).and_then(|text| reader.parse(name, layer, text)) {
                reader.files.push(File::new(layer, document));
            }
        }
        let Reader { mut sources, mut problems, files, complete, versions, .. } = reader;
        let (layered, found) = versions.merge(&files, &facts(), &mut sources);
        problems.extend_new(found);
        problems.extend_new(contract::check(&layered.nodes));
        let settled = versions.settle(&layers::shared(&files, &[]), &facts(), &mut sources);
        let (shared_layered, _) = layers::merge(&settled.files, &facts());
        let (spec, found) = meaning(&layered, &mut sources);
        if complete {
            problems.extend_new(found);
        }
        let mut result = Loaded {
            sources,
            problems,
            layered,
            spec,
            shared: None,
            own: CommandLine::default(),
            requests: Vec::new(),
            project: self.clone(),
            workspace,
        };
        if result.problems.has_errors() {
            result.spec = None;
            return result;
        }
        if let Some(spec) = &mut result.spec {
            let alone: Vec<File> = files.iter().filter(|file| file.layer == Layer::CommandLine).cloned().collect();
            let own =
                meaning(&versions.merge(&alone, &facts(), &mut result.sources).0, &mut result.sources).0.filter(|_| !alone.is_empty());
            result.own = own.map(|own| CommandLine::of(&own.run)).unwrap_or_default();
            result.requests = trust::requests(spec, &result.own, &result.sources);
            let somebody = files.iter().any(|file| matches!(file.layer, Layer::Project(_) | Layer::Local(_)));
            if somebody && !self.files.contains_key("trusted") {
                result.problems.extend(trust::warnings(&result.requests, &result.sources));
                spec.run = trust::withhold(&spec.run, &result.own);
            }
        }
        let mut found = settled.problems(&shared_layered.nodes);
        found.extend(contract::check(&shared_layered.nodes));
        let (shared, more) = meaning(&shared_layered, &mut result.sources);
        found.extend(more);
        if found.has_errors() {
            (result.problems, result.spec) = (found, None);
        } else {
            result.shared = shared;
        }
        result
    }
}

impl Loaded {
    /// Whether the committed files alone give the image.
    pub fn is_shared(&self) -> bool {
        match (&self.spec, &self.shared) {
            (Some(spec), Some(shared)) => spec.image == shared.image,
            (_, _) => false,
        }
    }

    /// Compiles every image of a specification with made-up answers. Problems are added to those there are.
    pub fn compile(&mut self, spec: &Spec) -> Vec<Compiled> {
        let lock = answers::lock(&spec.image);
        self.compile_with(spec, &lock, &host(&self.workspace))
    }

    /// Compiles every image of a specification.
    pub fn compile_with(&mut self, spec: &Spec, lock: &Lock, host: &Host) -> Vec<Compiled> {
        let (locked, problems) = lock::apply(&spec.image, lock);
        self.problems.extend(problems);
        let Some(locked) = locked else { return Vec::new() };
        let files = plan::sources(&locked).into_iter().map(|source| (source.clone(), self.tree(&source))).collect();
        let agents: Vec<Target> = spec.image.agents.iter().map(|agent| Target::Agent(agent.name().clone())).collect();
        let targets = if agents.is_empty() { vec![Target::Environment] } else { agents };
        let mut compiled = Vec::new();
        for target in targets {
            let (plan, problems) = plan::plan(&locked, &target, &files);
            self.problems.extend(problems);
            let Some(plan) = plan else { continue };
            let identity = identify(&plan);
            let launch = self.launch(spec, &target, &identity, host);
            compiled.push(Compiled { target, plan, identity, launch });
        }
        compiled
    }

    fn launch(&mut self, spec: &Spec, target: &Target, identity: &Identity, host: &Host) -> Option<Launch> {
        let (agent, program) = match target {
            Target::Agent(name) => (Some(name.clone()), Program::Agent(Vec::new())),
            Target::Environment => (None, Program::Command(vec!["/bin/sh".to_string()])),
        };
        let start = Start { agent, program };
        let mut host = host.clone();
        // Everything of the user's exists but what is called `missing`.
        host.existing = launch::paths(&spec.run, &start, &host)
            .into_iter()
            .filter(|path| !path.contains("missing"))
            .map(|path| (path.clone(), path))
            .collect();
        let (launch, problems) = launch::launch(&spec.run, &start, &host, identity);
        self.problems.extend(problems);
        launch
    }

    /// The files of the repository at a path.
    fn tree(&self, source: &str) -> Tree {
        let source = source.trim_end_matches('/');
        let source = source.strip_prefix("./").unwrap_or(source);
        let file = |bytes: &Vec<u8>| ContextFile { mode: if bytes.starts_with(b"#!") { 0o755 } else { 0o644 }, bytes: bytes.clone() };
        let inside = self.project.files.iter().filter_map(|(path, bytes)| {
            let rest = path.strip_prefix(source)?;
            let rest = if rest.is_empty() { "" } else { rest.strip_prefix('/')? };
            Some((rest.to_string(), file(bytes)))
        });
        inside.collect()
    }

    /// All problems as people see them.
    pub fn rendered(&self) -> String {
        render(&self.problems, &self.sources, RenderOptions { width: 100, color: false, unicode: true })
    }
}

/// The machine of every test.
pub fn host(workspace: &str) -> Host {
    Host {
        uid: 1000,
        gid: 1000,
        user: "ada".to_string(),
        home: "/home/ada".to_string(),
        workspace: workspace.to_string(),
        git_common_directory: None,
        git_identity: None,
        env: BTreeMap::from([("HOST_TOKEN".to_string(), "from the host".to_string())]),
        existing: BTreeMap::new(),
        guarded: vec!["/home/ada/.local/state/silo".to_string(), "/home/ada/.config/silo".to_string()],
        state: "/home/ada/.local/state/silo/projects/api-1f2e3d4c".to_string(),
        certificates: None,
        proxies: BTreeMap::new(),
        image_path: None,
        project: "api-1f2e3d4c".to_string(),
        unique: "0a1b2c3d".to_string(),
        terminal: Terminal::Pipe,
    }
}

/// A path of the repository as people call it.
fn shown(path: &str, workspace: &str) -> String {
    let absolute = format!("{ROOT}/{path}");
    match absolute.strip_prefix(&format!("{workspace}/")) {
        Some(inside) => inside.to_string(),
        None => absolute.replacen("/home/ada/", "~/", 1),
    }
}

fn is_root(document: &Document) -> bool {
    let says = |node: &document::Node| node.property("root").is_some_and(|entry| entry.value == Value::Bool(true));
    document.nodes.iter().any(|node| node.name == "silo" && says(node))
}

fn meaning(layered: &Layered, sources: &mut Sources) -> (Option<Spec>, Problems) {
    let (catalog, mut problems) = Catalog::new(&layered.nodes);
    let (spec, found) = decode(&layered.nodes, &catalog, sources);
    problems.extend(found);
    (spec, problems)
}

/// What conditions see of the machine of every test.
fn facts() -> Facts {
    Facts {
        os: "linux".to_string(),
        arch: "arm64".to_string(),
        host: "lab-7".to_string(),
        ci: false,
        repo: Some("github.com/acme/payments".to_string()),
        backend: None,
        agent: None,
    }
}

struct Reader<'a> {
    project: &'a Project,
    workspace: &'a str,
    sources: Sources,
    problems: Problems,
    files: Vec<File>,
    complete: bool,
    versions: VersionFiles,
}

impl Reader<'_> {
    fn parse(&mut self, name: &str, layer: Layer, text: String) -> Option<Document> {
        let id = self.sources.add(Source { name: name.to_string(), text: text.clone(), layer });
        let (document, problems) = document::parse(id, &text);
        self.complete &= document.is_some() && !problems.has_errors();
        self.problems.extend(problems);
        if let Some(document) = &document {
            self.problems.extend(schema::check(document, FileKind::Configuration));
        }
        document
    }

    fn add(&mut self, path: &str, layer: Layer, document: Document, depth: usize) -> usize {
        assert!(depth < 8, "a circle of imports is the program's business: tests/cli.rs");
        let mut imports = Vec::new();
        for include in document::includes(&document) {
            let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
            let stack = include.target.strip_prefix("catalog:").and_then(silo::catalog::stack).map(str::to_string);
            let target = if stack.is_some() { include.target.clone() } else { joined(folder, &include.target) };
            let Some(text) = stack.or_else(|| self.project.text(&target)) else {
                assert!(include.optional, "{target} is missing, which is the program's business: tests/cli.rs");
                continue;
            };
            let name = shown(&target, self.workspace);
            if let Some(imported) = self.parse(&name, layer, text) {
                imports.push(self.add(&target, layer, imported, depth + 1));
            }
        }
        let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
        let folder = if layer.is_operator() { "" } else { folder };
        let there = |pattern: &String| self.project.files.keys().any(|file| layers::matches(&joined(folder, pattern), file));
        let existing = layers::questions(&document).into_iter().filter(there).collect();
        for question in detect::questions(&document) {
            let path = joined(folder, &question.path);
            let text = self.project.text(&path);
            let inside = path.rfind('/').map_or("", |at| &path[..=at]);
            let beside = || self.project.files.keys().filter_map(|file| file.strip_prefix(inside)).filter(|name| !name.contains('/'));
            let answer = match text {
                // As many steps up as there are folders, and one more: outside.
                _ if question.path.matches("../").count() > folder.matches('/').count() => Answer::Outside,
                Some(text) => {
                    let name = shown(&path, self.workspace);
                    Answer::Text(self.sources.add(Source { name, text, layer: Layer::Project(0) }))
                }
                None => Answer::Missing(beside().map(str::to_string).collect()),
            };
            self.versions.answer(&question, answer);
        }
        self.files.push(File { layer, document, imports, existing });
        self.files.len() - 1
    }
}

fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}
