//! Reads the files of a configuration, what they import, and what the environment and the command line add.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use silo::catalog;
use silo::detect::{self, Answer, Question, VersionFiles};
use silo::document::{self, Document, Include, Value};
use silo::layers::{self, File};
use silo::problem::{Code, Problem, Problems};
use silo::schema::{self, FileKind};
use silo::source::{Layer, Source, SourceId, Sources, Span};

use super::cli::ContainerOptions;
use super::facts::Caller;
use super::files::{self, NPMRC, Places};

/// Imports within imports.
const IMPORT_DEPTH: usize = 32;
/// Files of one configuration.
const FILE_COUNT: usize = 256;

/// What was read.
#[derive(Debug)]
pub struct Reading {
    /// Every text.
    pub sources: Sources,
    /// What is wrong with each for itself.
    pub problems: Problems,
    /// The files, imported ones included.
    pub files: Vec<File>,
    /// Paths of the files that were looked for and exist, weakest first, with their layer.
    pub paths: Vec<(PathBuf, Layer)>,
    /// Whether every file was there and could be parsed.
    pub complete: bool,
    /// Where the texts that are files were read from.
    pub origins: BTreeMap<SourceId, PathBuf>,
    /// Imports of the project's files that lead out of the repository: what they lead to, and where they were written.
    pub outside: Vec<(String, Span)>,
    /// The files that those brought, by index: no other machine has them.
    pub foreign: Vec<usize>,
    /// The project's `.npmrc`.
    pub npmrc: Option<SourceId>,
    /// What `version_file=` asks for.
    pub versions: VersionFiles,
}

/// What becomes of imports of the project's files that lead out of the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// They are not read.
    Skip,
    /// They are read: the user trusts them, or is about to be asked.
    Follow,
}

/// Reads everything that takes part in the configuration of a directory.
pub fn read(caller: &Caller, places: &Places, options: &ContainerOptions, outside: Outside) -> Reading {
    read_with(caller, places, options, outside, None)
}

/// Likewise; where a text stands beside a path, it is read instead of that file.
pub fn read_with(
    caller: &Caller,
    places: &Places,
    options: &ContainerOptions,
    outside: Outside,
    instead: Option<(&Path, &str)>,
) -> Reading {
    let reading = Reading {
        sources: Sources::default(),
        problems: Problems::default(),
        files: Vec::new(),
        paths: Vec::new(),
        complete: true,
        origins: BTreeMap::new(),
        outside: Vec::new(),
        foreign: Vec::new(),
        npmrc: None,
        versions: VersionFiles::default(),
    };
    let mut reader = Reader { caller, places, outside, reading, known: BTreeMap::new(), chain: Vec::new(), full: false, instead };
    reader.read_all(options);
    reader.read_npmrc();
    reader.reading
}

/// What a file is known by: its canonical path, or the name of an entry of the catalog.
type Key = PathBuf;

struct Reader<'a> {
    caller: &'a Caller,
    places: &'a Places,
    outside: Outside,
    reading: Reading,
    /// The files that were read, by layer: one that is imported twice is one file. `None` when it could not be read.
    known: BTreeMap<(Layer, Key), Option<usize>>,
    /// The files that are being read, each with the place of the import that led to the next.
    chain: Vec<(Key, Span)>,
    /// Whether there were too many files, which is said once.
    full: bool,
    /// A file that is read as if it held this text.
    instead: Option<(&'a Path, &'a str)>,
}

impl Reader<'_> {
    fn read_all(&mut self, options: &ContainerOptions) {
        // A file that says `silo root=#true` ends the walk upwards, so the nearest is read first.
        let mut found = Vec::new();
        let mut rooted = false;
        for candidate in self.places.candidates.iter().rev() {
            let upwards = matches!(candidate.layer, Layer::Project(_) | Layer::Local(_) | Layer::Above(_));
            if upwards && rooted {
                continue;
            }
            if let Some(document) = self.read(&candidate.path, candidate.layer) {
                rooted |= matches!(candidate.layer, Layer::Project(_)) && is_root(&document);
                found.push((candidate.path.clone(), candidate.layer, document));
            }
        }
        for (path, layer, document) in found.into_iter().rev() {
            self.reading.paths.push((path.clone(), layer));
            let key = path.canonicalize().unwrap_or_else(|_| path.clone());
            self.add(key, path.parent(), layer, document);
        }
        self.add_text("the environment", Layer::Environment, &environment_text());
        self.add_text("the command line", Layer::CommandLine, &options_text(options));
    }

    /// The project's `.npmrc`, which says where packages come from. One that cannot be read is none: it is not silo's to complain of.
    fn read_npmrc(&mut self) {
        if let Ok(Some(text)) = files::read_configuration(&self.places.workspace.join(NPMRC), NPMRC, document::MAX_BYTES) {
            self.reading.npmrc = Some(self.reading.sources.add(Source { name: NPMRC.to_string(), text, layer: Layer::Project(0) }));
        }
    }

    fn name(&self, path: &Path) -> String {
        files::display_name(path, &self.places.workspace, &self.caller.home)
    }

    fn read(&mut self, path: &Path, layer: Layer) -> Option<Document> {
        let name = self.name(path);
        let read = match self.instead {
            Some((other, text)) if other == path => Ok(Some(text.to_string())),
            Some(_) | None => files::read_configuration(path, &name, document::MAX_BYTES),
        };
        match read {
            Ok(text) => {
                let (id, document) = self.parse(&name, layer, text?);
                self.reading.origins.insert(id, path.to_path_buf());
                document
            }
            Err(problem) => {
                self.reading.complete = false;
                self.reading.problems.push(problem);
                None
            }
        }
    }

    fn parse(&mut self, name: &str, layer: Layer, text: String) -> (SourceId, Option<Document>) {
        let id = self.reading.sources.add(Source { name: name.to_string(), text: text.clone(), layer });
        let (document, problems) = document::parse(id, &text);
        self.reading.complete &= document.is_some() && !problems.has_errors();
        self.reading.problems.extend(problems);
        if let Some(document) = &document {
            self.reading.problems.extend(schema::check(document, FileKind::Configuration));
        }
        (id, document)
    }

    fn add_text(&mut self, name: &str, layer: Layer, text: &str) {
        if text.is_empty() {
            return;
        }
        if let (_, Some(document)) = self.parse(name, layer, text.to_string()) {
            self.reading.files.push(File::new(layer, document));
        }
    }

    /// Adds a file after those that it imports; returns its index. `folder` is where its relative paths start; an entry of the catalog has none.
    fn add(&mut self, key: Key, folder: Option<&Path>, layer: Layer, document: Document) -> usize {
        let mut imports = Vec::new();
        for include in document::includes(&document) {
            if self.full {
                break;
            }
            self.chain.push((key.clone(), include.span));
            imports.extend(self.import(&include, folder, layer));
            self.chain.pop();
        }
        let existing = folder.map(|folder| self.existing(&document, folder, layer)).unwrap_or_default();
        for question in detect::questions(&document) {
            if let Some(folder) = folder {
                let answer = self.version_file(&question, folder, layer);
                self.reading.versions.answer(&question, answer);
            }
        }
        self.reading.files.push(File { imports, existing, ..File::new(layer, document) });
        let index = self.reading.files.len() - 1;
        if !layer.is_operator() && folder.is_some_and(|folder| !folder.starts_with(&self.places.root)) {
            self.reading.foreign.push(index);
        }
        self.known.insert((layer, key), Some(index));
        index
    }

    fn import(&mut self, include: &Include, folder: Option<&Path>, layer: Layer) -> Option<usize> {
        if let Some(name) = include.target.strip_prefix("catalog:") {
            return self.import_from_catalog(name, include, layer);
        }
        let target = match (include.target.strip_prefix("~/"), folder) {
            (Some(rest), _) => self.caller.home.join(rest),
            (None, Some(folder)) => folder.join(&include.target),
            (None, None) => PathBuf::from(&include.target),
        };
        let name = self.name(&target);
        let canonical = match target.canonicalize() {
            Ok(canonical) => canonical,
            // A link that leads nowhere, or in a circle, was meant to be there.
            Err(_) if include.optional && target.symlink_metadata().is_err() => return None,
            Err(_) => {
                self.refuse(
                    Problem::new(Code::ImportMissing, format!("{name} does not exist"))
                        .at(include.span, "imported here")
                        .help("create the file, or write `optional=#true` if it may be missing"),
                );
                return None;
            }
        };
        if !layer.is_operator() && !canonical.starts_with(&self.places.root) {
            self.reading.outside.push((self.name(&canonical), include.span));
            if self.outside == Outside::Skip {
                return None;
            }
        }
        if let Some(known) = self.visit(&canonical, layer, &name) {
            return known;
        }
        let imported = self.read(&canonical, layer);
        if imported.is_none() {
            self.known.insert((layer, canonical.clone()), None);
        }
        let folder = canonical.parent().map(Path::to_path_buf);
        imported.map(|document| self.add(canonical, folder.as_deref(), layer, document))
    }

    /// `import "catalog:NAME@REQ"`
    fn import_from_catalog(&mut self, target: &str, include: &Include, layer: Layer) -> Option<usize> {
        let (name, wanted) = match target.split_once('@') {
            Some((name, wanted)) => (name, Some(wanted)),
            None => (target, None),
        };
        let Some(text) = catalog::stack(name) else {
            let names: Vec<&str> = catalog::stacks().collect();
            let help = match schema::nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `catalog:{near}`?"),
                None => format!("there are: {}", names.iter().map(|name| format!("`catalog:{name}`")).collect::<Vec<_>>().join(", ")),
            };
            self.refuse(
                Problem::new(Code::ImportMissing, format!("the catalog has no `{name}`")).at(include.span, "imported here").help(help),
            );
            return None;
        };
        let own = env!("CARGO_PKG_VERSION");
        if wanted.is_some_and(|wanted| !catalog::is_version(wanted)) {
            self.refuse(
                Problem::new(
                    Code::TooNew,
                    format!("this file wants `{name}` of another catalog, and that of silo {own} is the only one here"),
                )
                .at(include.span, "imported here")
                .help(format!("write `catalog:{name}`, or install the silo that is wanted")),
            );
            return None;
        }
        let key = PathBuf::from(format!("catalog:{name}"));
        if let Some(known) = self.visit(&key, layer, &format!("catalog:{name}")) {
            return known;
        }
        self.parse(&format!("catalog:{name}"), layer, text.to_string()).1.map(|document| self.add(key, None, layer, document))
    }

    /// What is known of a file that is to be read; `None` when it has to be read now.
    fn visit(&mut self, key: &Path, layer: Layer, name: &str) -> Option<Option<usize>> {
        if let Some(start) = self.chain.iter().position(|(open, _)| open == key) {
            let circle = &self.chain[start..];
            let mut problem = Problem::new(Code::ImportCycle, "files import each other in a circle");
            for (index, (_, span)) in circle.iter().enumerate() {
                let next = circle.get(index + 1).map_or(name.to_string(), |(next, _)| self.name(next));
                problem = problem
                    .at(*span, if index + 1 == circle.len() { format!("… which imports {next} again") } else { format!("imports {next}") });
            }
            self.refuse(problem.help("take one of the imports out"));
            return Some(None);
        }
        if let Some(known) = self.known.get(&(layer, key.to_path_buf())) {
            return Some(*known);
        }
        let too_many = self.known.len() >= FILE_COUNT;
        if too_many || self.chain.len() > IMPORT_DEPTH {
            if !std::mem::replace(&mut self.full, true) {
                let message = if too_many {
                    format!("this configuration has more than {FILE_COUNT} files")
                } else {
                    format!("files import each other more than {IMPORT_DEPTH} deep")
                };
                let span = self.chain.last().map(|(_, span)| *span);
                let problem = Problem::new(Code::ImportLimit, message).help("put what belongs together into one file");
                self.refuse(match span {
                    Some(span) => problem.at(span, "silo reads no further than this"),
                    None => problem,
                });
            }
            return Some(None);
        }
        None
    }

    fn refuse(&mut self, problem: Problem) {
        self.reading.complete = false;
        self.reading.problems.push(problem);
    }

    /// What lies where a `version_file=` says: relative to the file's folder, for the user's own files to the repository's root. Nothing
    /// outside the repository is read.
    fn version_file(&mut self, question: &Question, folder: &Path, layer: Layer) -> Answer {
        let Question { path, span: _ } = question;
        if Path::new(path).is_absolute() || path.starts_with("~/") {
            return Answer::Outside;
        }
        let path = (if layer.is_operator() { &self.places.root } else { folder }).join(path);
        let Ok(real) = path.canonicalize() else {
            let inside = path.parent().and_then(|folder| folder.canonicalize().ok()).filter(|folder| folder.starts_with(&self.places.root));
            // A link that leads nowhere is no file, and neither is one outside.
            let entries = inside.map(std::fs::read_dir).into_iter().flatten().flatten().take(NAMES).flatten();
            let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            names.sort();
            return if path.starts_with(&self.places.root) { Answer::Missing(names) } else { Answer::Outside };
        };
        if !real.starts_with(&self.places.root) {
            return Answer::Outside;
        }
        let name = self.name(&path.components().collect::<PathBuf>());
        match files::read_configuration(&real, &name, document::MAX_BYTES) {
            // It speaks for the repository, whoever asks for it.
            Ok(Some(text)) => Answer::Text(self.reading.sources.add(Source { name, text, layer: Layer::Project(0) })),
            Ok(None) => Answer::Missing(Vec::new()),
            Err(problem) => Answer::Unreadable(Box::new(problem)),
        }
    }

    /// Which of the paths that its conditions ask for are there. They start at the file's folder, or for the user's own files at the
    /// repository's root, and lead nowhere out of the repository.
    fn existing(&self, document: &Document, folder: &Path, layer: Layer) -> BTreeSet<String> {
        let start = if layer.is_operator() { &self.places.root } else { folder };
        layers::questions(document).into_iter().filter(|path| is_there(start, &self.places.root, path)).collect()
    }
}

/// The most names of a folder that are looked at.
const NAMES: usize = 1000;

/// Whether a path, in which `*` stands for any characters of a name, is that of a file or folder below `start`. Links out of the repository
/// do not count, and at most a thousand names of a folder are looked at.
fn is_there(start: &Path, root: &Path, path: &str) -> bool {
    let mut open = vec![start.to_path_buf()];
    for segment in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        let mut next = Vec::new();
        for folder in open {
            if !segment.contains(['*', '?']) {
                next.push(folder.join(segment));
                continue;
            }
            let names = std::fs::read_dir(&folder).into_iter().flatten().take(NAMES).flatten().map(|entry| entry.file_name());
            next.extend(
                names.filter(|name| name.to_str().is_some_and(|name| layers::matches(segment, name))).map(|name| folder.join(name)),
            );
        }
        open = next;
    }
    open.iter().any(|path| path.canonicalize().is_ok_and(|path| path.starts_with(root)))
}

fn is_root(document: &Document) -> bool {
    let says = |node: &document::Node| node.property("root").is_some_and(|entry| entry.value == Value::Bool(true));
    document.nodes.iter().any(|node| node.name == "silo" && says(node))
}

/// The `SILO_*` variables that configure, as the text that says the same.
fn environment_text() -> String {
    let mut text = String::new();
    for (name, pattern) in [
        ("SILO_AGENT", "use agent="),
        ("SILO_BACKEND", "use backend="),
        ("SILO_MEMORY", "resources memory="),
        ("SILO_CPUS", "resources cpus="),
        ("SILO_AUTO_UPDATE", "use update="),
        ("SILO_AUTO_UPDATE_HOURS", "use update_hours="),
    ] {
        if let Ok(value) = std::env::var(name)
            && !value.is_empty()
        {
            text.push_str(&format!("{pattern}{} // ${name}\n", number_or_text(&value)));
        }
    }
    text
}

/// The command line's options, as the text that says the same.
fn options_text(options: &ContainerOptions) -> String {
    let mut text = String::new();
    for variable in &options.env {
        match variable.split_once('=') {
            Some((name, value)) => text.push_str(&format!("env {}={} // --env\n", document::quote(name), document::quote(value))),
            None => text.push_str(&format!("env {} // --env\n", document::quote(variable))),
        }
    }
    for mount in &options.mount {
        let (path, mode) = match mount.strip_suffix(":rw") {
            Some(path) => (path, "rw"),
            None => (mount.strip_suffix(":ro").unwrap_or(mount), "ro"),
        };
        let path = std::path::absolute(path).map_or_else(|_| path.to_string(), |path| path.display().to_string());
        text.push_str(&format!("mount {} mode={mode} // --mount\n", document::quote(&path)));
    }
    if let Some(memory) = &options.memory {
        text.push_str(&format!("resources memory={} // --memory\n", document::quote(memory)));
    }
    if let Some(cpus) = &options.cpus {
        text.push_str(&format!("resources cpus={} // --cpus\n", number_or_text(cpus)));
    }
    text
}

fn number_or_text(value: &str) -> String {
    let digits = !value.is_empty()
        && value.chars().all(|c| c.is_ascii_digit() || c == '.')
        && value.starts_with(|c: char| c.is_ascii_digit())
        && !value.ends_with('.');
    if digits { value.to_string() } else { document::quote(value) }
}
