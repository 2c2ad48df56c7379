//! Steps of `base`, `layer` and `install`, and scripts.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Node, Value};
use crate::problem::{Code, Problem};
use crate::source::Span;
use crate::spec::{Arch, Checksum, Features, Hook, PackageRequest, RunAs, Step, Template};

use super::Decoder;
use super::text::{Options, Scope, heading};

/// Words that may stand among steps without being one.
const NOT_STEPS: [&str; 5] = ["doc", "arch", "requires", "after", "versions"];

impl Decoder<'_> {
    /// The steps of a block. Inside a definition (`Scope::Install`) a relative path means the component's own folder.
    pub(super) fn steps(&mut self, nodes: &[Node], scope: Scope, options: &Options) -> Vec<Step> {
        nodes.iter().filter(|node| !NOT_STEPS.contains(&node.name.as_str())).flat_map(|node| self.step(node, scope, options)).collect()
    }

    fn step(&mut self, node: &Node, scope: Scope, options: &Options) -> Vec<Step> {
        match node.name.as_str() {
            "apt" => self.apt(node, options).into_iter().collect(),
            "download" => self.download(node, scope, options).into_iter().collect(),
            "npm" => self.packages(node, scope, options, npm_name).map(|packages| Step::Npm { packages }).into_iter().collect(),
            "pip" => self.packages(node, scope, options, pip_name).map(|packages| Step::Pip { packages }).into_iter().collect(),
            "go" => self.packages(node, scope, options, go_name).map(|packages| Step::Go { packages }).into_iter().collect(),
            "cargo" => self.cargo(node, scope, options).into_iter().collect(),
            "copy" => self.copy(node).into_iter().collect(),
            "run" => self.hook(node, RunAs::Root, Some((scope, options))).map(Step::Run).into_iter().collect(),
            "bin" => self.bin(node, scope, options).into_iter().collect(),
            "path" => {
                let folders: Vec<String> = self
                    .arguments(node)
                    .into_iter()
                    .filter_map(|(text, span)| {
                        let folder = self.exact(text, span, options);
                        self.place(&folder, span, scope).then_some(folder)
                    })
                    .collect();
                vec![Step::Path { folders }]
            }
            "env" => self.step_env(node, options),
            other => {
                let words = ["apt", "download", "npm", "pip", "go", "cargo", "copy", "run", "bin", "path", "env"];
                let help = super::text::suggestion(other, &words);
                self.problem(Problem::new(Code::UnknownNode, format!("`{other}` is not a step")).at(node.name_span, "").help(help));
                Vec::new()
            }
        }
    }

    fn apt(&mut self, node: &Node, options: &Options) -> Option<Step> {
        let mut packages = Vec::new();
        for (text, span) in self.arguments(node) {
            let package = self.exact(text, span, options);
            let (name, version) = package.split_once('=').unwrap_or((&package, "0"));
            let fits = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+.-".contains(c))
                && !version.is_empty()
                && version.chars().all(|c| c.is_ascii_alphanumeric() || "+.~:-*".contains(c));
            if fits {
                packages.push(package);
            } else {
                self.bad(span, format!("`{package}` is not a package of the distribution"), "write its name, or `name=version`");
            }
        }
        (!packages.is_empty()).then_some(Step::Apt { packages })
    }

    fn download(&mut self, node: &Node, scope: Scope, options: &Options) -> Option<Step> {
        let (text, span) = self.argument(node, 0)?;
        let url = self.url(text, span, scope, options);
        let to = match self.property(node, "to") {
            Some((text, span)) => {
                let to = self.exact(text, span, options);
                (self.image_path(&to, span) && (scope == Scope::Install || self.not_own(&to, span))).then_some(to)
            }
            None => {
                if scope != Scope::Install {
                    self.bad(heading(node), "this download has no place to go to", "add `to=\"/opt/…\"`");
                }
                None
            }
        };
        let strip = match node.property("strip") {
            None => 0,
            Some(entry) => match entry.value {
                Value::Integer(count) if (0..=16).contains(&count) => count as u32,
                Value::Integer(_) | Value::String(_) | Value::Decimal(_) | Value::Bool(_) | Value::Null => {
                    self.bad(entry.span, "`strip` is a number from 0 to 16", "write how many leading folders to drop: `strip=1`");
                    0
                }
            },
        };
        let checksum = self.checksum(node, scope, options);
        Some(Step::Download { url: url?, to, strip, checksum })
    }

    fn checksum(&mut self, node: &Node, scope: Scope, options: &Options) -> Checksum {
        let mut found = Checksum::TrustOnFirstUse;
        for child in node.children() {
            match child.name.as_str() {
                "sha256" => {
                    let mut hashes = BTreeMap::new();
                    for entry in &child.entries {
                        let Some(hash) = self.text(entry) else { continue };
                        let hash = hash.to_ascii_lowercase();
                        if hash.len() != 64 || !hash.chars().all(|c| c.is_ascii_hexdigit()) {
                            self.bad(entry.span, "this is not a SHA-256 in hexadecimal", "it has 64 digits, as `sha256sum` prints them");
                            continue;
                        }
                        match &entry.name {
                            None => hashes.extend(Arch::ALL.map(|arch| (arch, hash.clone()))),
                            Some(name) => {
                                if let Some(arch) = self.arch(name, entry.span) {
                                    hashes.insert(arch, hash);
                                }
                            }
                        }
                    }
                    found = Checksum::Sha256(hashes);
                }
                "checksums" => {
                    if let Some((text, span)) = self.argument(child, 0)
                        && let Some(url) = self.url(text, span, scope, options)
                    {
                        found = Checksum::Published { url };
                    }
                }
                other => {
                    let help = super::text::suggestion(other, &["sha256", "checksums"]);
                    self.problem(
                        Problem::new(Code::UnknownNode, format!("`{other}` says nothing about a download"))
                            .at(child.name_span, "")
                            .help(help),
                    );
                }
            }
        }
        found
    }

    /// The architecture that a property names: as Docker or as `uname` says it.
    pub(super) fn arch(&mut self, name: &str, span: Span) -> Option<Arch> {
        let arch = Arch::ALL.into_iter().find(|arch| arch.as_str() == name || arch.uname() == name);
        if arch.is_none() {
            let words: Vec<&str> = Arch::ALL.iter().map(|arch| arch.as_str()).collect();
            let help = super::text::suggestion(name, &words);
            self.problem(Problem::new(Code::UnknownProperty, format!("`{name}` is not an architecture")).at(span, "").help(help));
        }
        arch
    }

    pub(super) fn url(&mut self, text: &str, span: Span, scope: Scope, options: &Options) -> Option<Template> {
        let url = self.template(text, span, scope, options);
        let fits = ["https://", "http://"].iter().any(|start| url.0.strip_prefix(start).is_some_and(|rest| !rest.is_empty()))
            && url.0.chars().all(|c| c.is_ascii_graphic() && !"\"'\\`<>^|".contains(c));
        if !fits {
            self.bad(span, format!("`{text}` is not a URL"), "write `https://host/path`, with odd characters as `%20` and the like");
        }
        fits.then_some(url)
    }

    fn packages(&mut self, node: &Node, scope: Scope, options: &Options, fits: fn(&str) -> bool) -> Option<Vec<PackageRequest>> {
        let version = match self.property(node, "version") {
            Some((text, span)) => {
                if text.starts_with('-') {
                    self.bad(span, format!("`{text}` is not a version"), "write a version or a range such as `^1.2`");
                }
                self.template(text, span, scope, options)
            }
            None => Template(String::new()),
        };
        let mut packages = Vec::new();
        for (text, span) in self.arguments(node) {
            let name = self.template(text, span, scope, options);
            if fits(&name.0) {
                packages.push(PackageRequest { name, version: version.clone() });
            } else {
                let help = match node.name.as_str() {
                    "go" => "a package of Go begins with a host: `go \"github.com/owner/name/cmd/program\" version=\"1.2\"`",
                    _ => "write the name alone; its version goes into `version=`",
                };
                self.bad(span, format!("`{text}` is not the name of a package"), help);
            }
        }
        (!packages.is_empty()).then_some(packages)
    }

    fn cargo(&mut self, node: &Node, scope: Scope, options: &Options) -> Option<Step> {
        let packages = self.packages(node, scope, options, crate_name);
        let mut names = BTreeSet::new();
        if let Some((text, span)) = self.property(node, "features") {
            let text = self.exact(text, span, options);
            for name in text.split([',', ' ']).filter(|name| !name.is_empty()) {
                if !feature_name(name) {
                    self.bad(span, format!("`{name}` is not a feature of a crate"), "separate features by commas: `features=\"a,b\"`");
                }
                names.insert(name.to_string());
            }
        }
        let default = match node.property("default_features").map(|entry| (&entry.value, entry.span)) {
            None | Some((Value::Bool(true), _)) => true,
            Some((Value::Bool(false), _)) => false,
            Some((Value::String(_) | Value::Integer(_) | Value::Decimal(_) | Value::Null, span)) => {
                self.bad(span, "`default_features` is `#true` or `#false`", "`default_features=#false` leaves them out");
                true
            }
        };
        Some(Step::Cargo { packages: packages?, features: Features { names, default } })
    }

    fn copy(&mut self, node: &Node) -> Option<Step> {
        let (source, source_span) = self.argument(node, 0)?;
        let (target, target_span) = self.argument(node, 1)?;
        let parts = || source.split('/').filter(|part| !part.is_empty() && *part != ".");
        if source.starts_with('/') || source.starts_with('~') || parts().any(|part| part == "..") {
            self.bad(
                source_span,
                format!("`{source}` is not below the file that says so"),
                "copy something of the repository, by a relative path without `..`",
            );
            return None;
        }
        let mode = match self.property(node, "mode") {
            None => None,
            Some((text, span)) => {
                let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777 && (3..=4).contains(&text.len()));
                if mode.is_none() {
                    self.bad(span, format!("`{text}` are not permission bits"), "write them in octal digits: `mode=\"0755\"`");
                }
                mode
            }
        };
        let fits = self.image_path(target, target_span) && self.not_own(target, target_span);
        fits.then(|| Step::Copy { source: source.to_string(), target: target.to_string(), mode, origin: heading(node) })
    }

    fn bin(&mut self, node: &Node, scope: Scope, options: &Options) -> Option<Step> {
        let (name, name_span) = self.argument(node, 0)?;
        let (target, target_span) = self.argument(node, 1)?;
        let name = self.exact(name, name_span, options);
        let fits =
            !name.is_empty() && !name.starts_with(['-', '.']) && name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-[".contains(c));
        if !fits {
            self.bad(name_span, format!("`{name}` is not a command's name"), "a command has letters, digits, `.`, `_`, `+` and `-`");
        }
        let target = self.template(target, target_span, scope, options);
        let placed = self.place(&target.0, target_span, scope);
        (fits && placed).then_some(Step::Bin { name, target })
    }

    /// A path of a step: absolute, or inside a definition relative to the component's own folder.
    fn place(&mut self, path: &str, span: Span, scope: Scope) -> bool {
        if scope != Scope::Install || path.starts_with('/') {
            return self.image_path(path, span);
        }
        let odd = path.is_empty() || path.starts_with('~') || path.split('/').any(|part| part == "..");
        if odd {
            self.bad(
                span,
                format!("`{path}` is not a path below the component's folder"),
                "write a relative path without `..`, or an absolute one",
            );
        }
        !odd
    }

    fn step_env(&mut self, node: &Node, options: &Options) -> Vec<Step> {
        let mut steps = Vec::new();
        for entry in &node.entries {
            let Some(value) = self.text(entry) else { continue };
            match &entry.name {
                None => {
                    self.bad(entry.span, "an image cannot take a variable from the host", format!("give it a value: `env {value}=\"…\"`"))
                }
                Some(name) => {
                    let value = self.exact(value, entry.span, options);
                    if let Some(name) = self.settable(name, entry.span) {
                        steps.push(Step::Env { name, value });
                    }
                }
            }
        }
        steps
    }

    /// A script. Only a definition's scripts have placeholders, and only for options: a shell has its own use for everything else.
    pub(super) fn hook(&mut self, node: &Node, default: RunAs, definition: Option<(Scope, &Options)>) -> Option<Hook> {
        let id = self.property(node, "id").map(|(text, _)| text.to_string());
        let user = match self.property(node, "as") {
            None => default,
            Some(("root", _)) => RunAs::Root,
            Some(("user", _)) => RunAs::User,
            Some((other, span)) => {
                self.bad(span, format!("`{other}` is nobody a script can run as"), "write `as=root` or `as=user`");
                default
            }
        };
        let Some(entry) = node.arguments().next() else {
            self.problem(Problem::new(Code::MissingArgument, format!("`{}` needs a script", node.name)).at(node.name_span, ""));
            return None;
        };
        let Value::String(script) = &entry.value else {
            self.problem(Problem::new(Code::WrongType, "a script is a text").at(entry.span, "").help("put it in quotes"));
            return None;
        };
        if !self.lines(script, entry.span) {
            return None;
        }
        let script = match definition {
            Some((Scope::Install, options)) => self.exact(script, entry.span, options),
            Some(_) | None => self.exact(script, entry.span, &Options::new()),
        };
        Some(Hook { id, script, user, origin: heading(node) })
    }
}

/// A package of npm, with or without a scope. `%{…}` may stand in it.
fn npm_name(name: &str) -> bool {
    let fits = |part: &str| {
        !part.is_empty() && !part.starts_with(['.', '-']) && part.chars().all(|c| c.is_ascii_alphanumeric() || "._~-%{}".contains(c))
    };
    match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| fits(scope) && fits(name)),
        None => fits(name),
    }
}

/// A project of PyPI, with or without extras. `%{…}` may stand in it.
fn pip_name(name: &str) -> bool {
    let (project, extras) = match name.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((project, extras)) => (project, extras),
        None => (name, "x"),
    };
    let fits = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '%')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-%{}".contains(c))
    };
    fits(project) && extras.split(',').all(|extra| fits(extra.trim()))
}

/// A package of Go: a path that begins with a host, without what leads out of it. `%{…}` may stand in it. Source: go.dev/ref/mod, "Module
/// paths".
fn go_name(name: &str) -> bool {
    let fits = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._~-%{}".contains(c))
    };
    let host = name.split('/').next().unwrap_or_default();
    host.contains('.') && name.split('/').all(fits)
}

/// A crate. `%{…}` may stand in it. Source: the Cargo Book, "The Manifest Format", name, and what the registry accepts.
fn crate_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '%')
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-%{}.".contains(c))
}

/// A feature. Source: the Cargo Book, "Features".
fn feature_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-+./".contains(c))
}
