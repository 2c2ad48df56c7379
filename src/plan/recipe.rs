//! The small data file that `images/build/install.sh` follows, and the context files beside it.
//!
//! One step a line, fields separated by tabs. Texts that hold a tab or another control character are refused, so what users write is data
//! in every case and never becomes part of a script.

use std::collections::{BTreeMap, BTreeSet};

use super::cargo::{CARGO, CARGO_SCRIPT, CRATES, PROGRAMS, crate_lines, program_line};
use super::pip::pip_files;
use super::{ContextFile, Files};
use crate::lock::npm::{package_json, package_lock};
use crate::lock::template::{Values, expand};
use crate::lock::{Artifact, GoModule, NpmPackage, PinnedFile, go};
use crate::problem::{Code, Problem, Problems};
use crate::source::Span;
use crate::spec::{Arch, Features, Hook, PackageRequest, Step, Template};

/// What the steps of one stage are installed from.
pub struct Installation<'a> {
    /// What it is, for problems: `tool jq`.
    pub what: &'a str,
    /// The locked version, for `%{version}`.
    pub version: Option<&'a str>,
    /// What `%{arch}` means.
    pub arch: &'a BTreeMap<Arch, String>,
    /// Values of options.
    pub options: &'a BTreeMap<String, String>,
    /// What is downloaded.
    pub artifacts: &'a [Artifact],
    /// What the repository holds.
    pub files: &'a Files,
    /// Where it was asked for.
    pub origin: Span,
    /// Whether all files that commands are made of are put there by the same recipe.
    pub complete: bool,
}

/// Where files that silo itself writes are in the recipe's folder.
const TREE: &str = "written";

/// What compiles packages of Go: the script, the checksums of all modules, and the packages with their versions, one a line.
const GO_SCRIPT: (&str, &str) = ("go.sh", include_str!("../../images/build/go.sh"));
const GO_SUMS: &str = "go.sum";
const GO_PACKAGES: &str = "go.packages";

/// A recipe and the files beside it, by path in the recipe's folder.
#[derive(Default)]
pub struct Recipe {
    lines: Vec<String>,
    /// The other files.
    pub files: BTreeMap<String, ContextFile>,
    /// Whether it installs packages of npm.
    pub npm: bool,
    /// Whether it installs packages of PyPI.
    pub pip: bool,
    /// Whether it compiles packages of Go.
    pub go: bool,
    /// Whether it compiles crates.
    pub cargo: bool,
    /// Whether it downloads by URL.
    pub downloads: bool,
    /// Whether it runs a script.
    pub scripts: bool,
    /// The files that it downloads.
    pub downloaded: BTreeSet<PinnedFile>,
    /// Whether the packages that were locked together are installed already, by this recipe or by one before it.
    npm_done: bool,
    pip_done: bool,
}

impl Recipe {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Takes what there is so far. What was locked for a block is one installation, so its later recipes do not repeat it.
    pub fn take(&mut self) -> Recipe {
        let rest = Recipe { npm_done: self.npm_done, pip_done: self.pip_done, ..Recipe::default() };
        std::mem::replace(self, rest)
    }

    /// Whether a step needs another client than what there is so far: no stage has Go's or that of crates beside others.
    pub fn is_other(&self, step: &Step) -> bool {
        match step {
            Step::Npm { .. } | Step::Pip { .. } => self.go || self.cargo,
            Step::Go { .. } => self.npm || self.pip || self.cargo,
            Step::Cargo { .. } => self.npm || self.pip || self.go,
            Step::Apt { .. } | Step::Download { .. } | Step::Copy { .. } => false,
            Step::Run(_) | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => false,
        }
    }

    /// All files of the folder, the recipe itself included.
    pub fn into_files(self, slug: &str) -> BTreeMap<String, ContextFile> {
        let mut files = self.files;
        let text = format!("{slug}\n{}", self.lines.concat());
        files.insert("recipe".to_string(), ContextFile { mode: 0o644, bytes: text.into_bytes() });
        files
    }

    /// Adds one step. Steps without a file (`path`, `env`, packages of the distribution) add nothing.
    pub fn add(&mut self, step: &Step, from: &Installation, problems: &mut Problems) {
        match step {
            Step::Download { url, to, strip, checksum: _ } => self.download(url, to.as_deref(), *strip, from, problems),
            Step::Npm { packages: _ } => {
                if !self.npm_done {
                    self.npm(from, problems);
                }
            }
            Step::Pip { packages: _ } => {
                if !self.pip_done {
                    self.pip(from, problems);
                }
            }
            Step::Go { packages } => self.go(packages, from, problems),
            Step::Cargo { packages, features } => packages.iter().for_each(|package| self.cargo(package, features, from, problems)),
            Step::Copy { source, target, mode, origin: _ } => self.copy(source, target, *mode, from, problems),
            Step::Run(Hook { id: _, script, user: _, origin: _ }) => {
                let name = format!("script-{}", self.files.len());
                self.files.insert(name.clone(), ContextFile { mode: 0o755, bytes: script.clone().into_bytes() });
                self.scripts = true;
                self.line(&["run", "any", &name], from, problems);
            }
            Step::Bin { name, target } => self.bin(name, target, from, problems),
            Step::Apt { packages: _ } | Step::Path { folders: _ } | Step::Env { name: _, value: _ } => {}
        }
    }

    fn line(&mut self, fields: &[&str], from: &Installation, problems: &mut Problems) {
        for field in fields {
            if field.is_empty() || field.chars().any(char::is_control) {
                let message = format!("`{}` of {} cannot be carried into a build", field.escape_debug(), from.what);
                problems.push(
                    Problem::new(Code::UnsafeText, message)
                        .at(from.origin, "")
                        .help("paths, names and URLs hold no line breaks, tabs or other control characters, and are not empty"),
                );
                return;
            }
        }
        self.lines.push(format!("{}\n", fields.join("\t")));
    }

    /// One line for all architectures when the text is the same for each, else one for each.
    fn each(&mut self, lines: [(Arch, Vec<String>); 2], from: &Installation, problems: &mut Problems) {
        let [(_, first), (_, second)] = &lines;
        let same = first == second;
        for (arch, fields) in lines.iter().take(if same { 1 } else { 2 }) {
            let mut all: Vec<&str> = fields.iter().map(String::as_str).collect();
            all.insert(1, if same { "any" } else { arch.as_str() });
            self.line(&all, from, problems);
        }
    }

    fn download(&mut self, url: &Template, to: Option<&str>, strip: u32, from: &Installation, problems: &mut Problems) {
        self.downloads = true;
        let target = match to {
            None => "-".to_string(),
            Some(to) => match absolute(to, from, problems) {
                Some(target) => target,
                None => return,
            },
        };
        let mut lines = Vec::new();
        for arch in Arch::ALL {
            let Some(url) = fill(url, arch, from, problems) else { return };
            let found = from.artifacts.iter().find_map(|artifact| match artifact {
                Artifact::File { arch: wanted, url: found, sha256, trust: _ }
                    if *found == url && wanted.is_none_or(|wanted| wanted == arch) =>
                {
                    Some((sha256, artifact))
                }
                Artifact::File { .. }
                | Artifact::Apt(_)
                | Artifact::Npm(_)
                | Artifact::Wheel { .. }
                | Artifact::Module(_)
                | Artifact::Crate { .. } => None,
            });
            // A download that exists for one architecture only fails on the other one, while building, with its name.
            let Some((hash, artifact)) = found else { continue };
            self.downloaded.extend(artifact.files());
            let line = ["download", format(&url), &strip.to_string(), &target, hash, &url].map(str::to_string).to_vec();
            lines.push((arch, line));
        }
        match <[_; 2]>::try_from(lines) {
            Ok(both) => self.each(both, from, problems),
            Err(lines) if lines.is_empty() => {
                problems.push(
                    Problem::new(Code::Unresolved, format!("silo.lock has no checksum for {} of {}", url.0, from.what))
                        .at(from.origin, "")
                        .help("silo lock"),
                );
            }
            Err(lines) => {
                for (arch, mut fields) in lines {
                    fields.insert(1, arch.as_str().to_string());
                    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                    self.line(&fields, from, problems);
                }
            }
        }
    }

    fn npm(&mut self, from: &Installation, problems: &mut Problems) {
        (self.npm, self.npm_done) = (true, true);
        let packages: Vec<NpmPackage> = from
            .artifacts
            .iter()
            .filter_map(|artifact| match artifact {
                Artifact::Npm(package) => Some(package.clone()),
                Artifact::Apt(_) | Artifact::File { .. } | Artifact::Wheel { .. } | Artifact::Module(_) | Artifact::Crate { .. } => None,
            })
            .collect();
        self.downloaded.extend(packages.iter().map(NpmPackage::file));
        let written = Arch::ALL.map(|arch| (arch, [package_json(&packages, arch), package_lock(&packages, arch)]));
        let same = written[0].1 == written[1].1;
        let lines = written.map(|(arch, files)| {
            let folder = if same { "npm".to_string() } else { format!("npm-{}", arch.as_str()) };
            for (name, text) in ["package.json", "package-lock.json"].into_iter().zip(files) {
                self.files.insert(format!("{folder}/{name}"), ContextFile { mode: 0o644, bytes: text.into_bytes() });
            }
            (arch, vec!["npm".to_string(), folder])
        });
        self.each(lines, from, problems);
    }

    fn pip(&mut self, from: &Installation, problems: &mut Problems) {
        (self.pip, self.pip_done) = (true, true);
        let wheels = from.artifacts.iter().filter(|artifact| matches!(artifact, Artifact::Wheel { .. }));
        self.downloaded.extend(wheels.flat_map(Artifact::files));
        let written = Arch::ALL.map(|arch| (arch, pip_files(from.artifacts, arch)));
        let same = match &written {
            [(_, Some(first)), (_, Some(second))] => first.requirements == second.requirements,
            [(_, None), (_, _)] | [(_, Some(_)), (_, None)] => false,
        };
        let mut lines = Vec::new();
        for (arch, files) in written {
            let Some(files) = files else { continue };
            let name = if same { "requirements.txt".to_string() } else { format!("requirements-{}.txt", arch.as_str()) };
            self.files.insert(name.clone(), ContextFile { mode: 0o644, bytes: files.requirements.into_bytes() });
            let list = |items: Vec<String>| if items.is_empty() { "-".to_string() } else { items.join(",") };
            let python = files.python.unwrap_or_else(|| "-".to_string());
            lines.push((arch, vec!["pip".to_string(), name, python, list(files.platforms), list(files.abis)]));
        }
        if let Ok(both) = <[_; 2]>::try_from(lines.clone()) {
            self.each(both, from, problems);
            return;
        }
        for (arch, mut fields) in lines {
            fields.insert(1, arch.as_str().to_string());
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            self.line(&fields, from, problems);
        }
    }

    /// Packages of Go are all compiled where the first one is asked for.
    fn go(&mut self, packages: &[PackageRequest], from: &Installation, problems: &mut Problems) {
        let modules: Vec<&GoModule> = from
            .artifacts
            .iter()
            .filter_map(|artifact| if let Artifact::Module(module) = artifact { Some(module) } else { None })
            .collect();
        let file = |mode, bytes: &[u8]| ContextFile { mode, bytes: bytes.to_vec() };
        if !self.go {
            self.go = true;
            self.downloaded.extend(modules.iter().flat_map(|module| module.files()));
            let sums: String = modules.iter().map(|module| go::line(&module.module, module.zip.as_deref(), &module.file)).collect();
            self.files.insert(GO_SUMS.to_string(), file(0o644, sums.as_bytes()));
            self.files.insert(GO_SCRIPT.0.to_string(), file(0o755, GO_SCRIPT.1.as_bytes()));
            self.line(&["run", "any", GO_SCRIPT.0], from, problems);
        }
        for PackageRequest { name, version: _ } in packages {
            let Some(package) = fill(name, Arch::Amd64, from, problems) else { continue };
            if !go::is_path(&package) {
                let message = format!("`{}` of {} is no path of a package of Go", package.escape_debug(), from.what);
                problems.push(Problem::new(Code::UnsafeText, message).at(from.origin, ""));
                continue;
            }
            let main = modules.iter().filter(|module| module.has(&package)).max_by_key(|module| module.module.path.len());
            let Some(main) = main else {
                let message = format!("silo.lock has no module for the package {package} of {}", from.what);
                problems.push(Problem::new(Code::Unresolved, message).at(from.origin, "").help("silo lock"));
                continue;
            };
            let line = format!("{package}@{}\n", main.module.version);
            let list = self.files.entry(GO_PACKAGES.to_string()).or_insert_with(|| file(0o644, b""));
            list.bytes.extend_from_slice(line.as_bytes());
        }
    }

    /// Adds a program that is made from crates. All of a recipe are made by one script, at the place of the first.
    fn cargo(&mut self, package: &PackageRequest, features: &Features, from: &Installation, problems: &mut Problems) {
        let Some(name) = fill(&package.name, Arch::Amd64, from, problems) else { return };
        let Some(program) = program_line(&name, features, from.artifacts) else {
            let message = format!("silo.lock has no crate {name} for {}", from.what);
            problems.push(Problem::new(Code::Unresolved, message).at(from.origin, "").help("silo lock"));
            return;
        };
        let text = |text: String| ContextFile { mode: 0o644, bytes: text.into_bytes() };
        self.files.entry(PROGRAMS.to_string()).or_insert_with(|| text(String::new())).bytes.extend(program.into_bytes());
        if self.cargo {
            return;
        }
        self.cargo = true;
        self.files.insert(CRATES.to_string(), text(crate_lines(from.artifacts)));
        self.files.insert(CARGO.to_string(), ContextFile { mode: 0o755, bytes: CARGO_SCRIPT.as_bytes().to_vec() });
        let crates = from.artifacts.iter().filter(|artifact| matches!(artifact, Artifact::Crate { .. }));
        self.downloaded.extend(crates.flat_map(Artifact::files));
        self.line(&["run", "any", CARGO], from, problems);
    }

    fn copy(&mut self, source: &str, target: &str, mode: Option<u32>, from: &Installation, problems: &mut Problems) {
        let Some(tree) = from.files.get(source) else {
            problems.push(Problem::new(Code::ImportMissing, format!("`{source}` does not exist")).at(from.origin, "copied here"));
            return;
        };
        let single = tree.contains_key("");
        let folder = target.ends_with('/');
        let Some(mut target) = absolute(target, from, problems) else { return };
        if single && folder {
            target = format!("{}/{}", target.trim_end_matches('/'), source.rsplit('/').next().unwrap_or(source));
        }
        let name = format!("copy-{}", self.files.len());
        for (path, file) in tree {
            let path = if path.is_empty() { name.clone() } else { format!("{name}/{path}") };
            self.files.insert(path, file.clone());
        }
        self.line(&["copy", "any", &name, &target], from, problems);
        if let Some(mode) = mode {
            self.line(&["mode", "any", &format!("{mode:04o}"), &target], from, problems);
        }
    }

    /// Adds files at absolute paths.
    pub fn tree(&mut self, files: BTreeMap<String, ContextFile>, from: &Installation, problems: &mut Problems) {
        for (path, file) in files {
            if let Some(path) = absolute(&path, from, problems) {
                self.files.insert(format!("{TREE}{path}"), file);
            }
        }
        self.line(&["copy", "any", TREE, "/"], from, problems);
    }

    fn bin(&mut self, name: &str, target: &Template, from: &Installation, problems: &mut Problems) {
        if name.contains('/') || name == "." || name == ".." {
            problems.push(Problem::new(Code::BadValue, format!("`{}` is no name of a command", name.escape_debug())).at(from.origin, ""));
            return;
        }
        let mut lines = Vec::new();
        for arch in Arch::ALL {
            let Some(target) = fill(target, arch, from, problems) else { return };
            let check = if from.complete && !target.starts_with('/') { "check" } else { "-" };
            lines.push((arch, vec!["link".to_string(), name.to_string(), target, check.to_string()]));
        }
        if let Ok(both) = <[_; 2]>::try_from(lines) {
            self.each(both, from, problems);
        }
    }
}

fn fill(template: &Template, arch: Arch, from: &Installation, problems: &mut Problems) -> Option<String> {
    let values = Values { version: from.version, arch, arch_names: from.arch, options: from.options };
    match expand(template, &values) {
        Ok(text) => Some(text),
        Err(name) => {
            problems
                .push(Problem::new(Code::UnknownPlaceholder, format!("`%{{{name}}}` means nothing in {}", from.what)).at(from.origin, ""));
            None
        }
    }
}

/// How a file is unpacked, by its ending.
fn format(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let endings = [
        (".tar.gz", "tar.gz"),
        (".tgz", "tar.gz"),
        (".tar.xz", "tar.xz"),
        (".txz", "tar.xz"),
        (".tar.bz2", "tar.bz2"),
        (".tbz2", "tar.bz2"),
        (".tar", "tar"),
        (".zip", "zip"),
        (".gz", "gz"),
    ];
    endings.iter().find(|(ending, _)| path.ends_with(ending)).map_or("file", |(_, format)| format)
}

/// An absolute path of the image, cleaned. Distributions with one `/usr` have links at the top: what goes there is put behind them, since
/// a folder cannot be copied over a link.
pub fn absolute(path: &str, from: &Installation, problems: &mut Problems) -> Option<String> {
    let refuse = |problems: &mut Problems, why: &str| {
        problems.push(Problem::new(Code::BadValue, format!("`{}` {why}", path.escape_debug())).at(from.origin, ""));
        None
    };
    if !path.starts_with('/') {
        return refuse(problems, "is not an absolute path");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return refuse(problems, "holds `.` or `..`");
    }
    match parts.first().copied() {
        None => return refuse(problems, "is the whole file system"),
        Some("dev" | "proc" | "sys" | "run") => return refuse(problems, "is no place of an image"),
        Some(_) => {}
    }
    let merged = matches!(parts[0], "bin" | "sbin" | "lib" | "lib64");
    let slash = if path.ends_with('/') { "/" } else { "" };
    Some(format!("{}/{}{slash}", if merged { "/usr" } else { "" }, parts.join("/")))
}
