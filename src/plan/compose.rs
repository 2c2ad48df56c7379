//! From a pinned image to stages.
//!
//! Two roots: `base` is the image's own file system with its packages, `fetch` is silo's, with what downloads and unpacks. Where something is
//! compiled there is a third, `fetch-target`: the same as `fetch`, for the image's processor. Everything that
//! can be downloaded has a stage of its own on `fetch`, puts its files under `/o`, and gives the image nothing else; so stages build side by
//! side, and one changed component rebuilds one stage. In the image they are put together in order of how often they change.

use std::collections::{BTreeMap, BTreeSet};

use super::recipe::{Installation, Recipe};
use super::registration::agent_files;
use super::select::{Selection, cargo_client, go_client, needs, npm_client, pip_client, select};
use super::{ContextFile, Files, From, Instruction, Operation, Plan, Platform, RunMount, Stage, StageName, Target, base_reference};
use crate::lock::{AptPackage, LockedImage, Package, PackageFile, PinnedAgent, PinnedComponent, PinnedFile, PinnedLayer};
use crate::problem::{Code, Problem, Problems};
use crate::source::Span;
use crate::spec::{Arch, BuildEnv, ComponentId, EnvName, Hook, Phase, RunAs, Step};

const APT_SCRIPT: &str = include_str!("../../images/build/apt.sh");
const INSTALL_SCRIPT: &str = include_str!("../../images/build/install.sh");
/// Where build steps see the files that belong to them. `/dev` is in memory while a step runs, so no mount leaves anything in a layer.
const DATA: &str = "/dev/silo";
const INSTALLER: &str = "/usr/local/bin/silo-install";
/// Where distributions of the catalog keep the bundle that their programs trust.
pub const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The root of the stages that compile: they run on the image's processor.
const NATIVE: &str = "fetch-target";
/// The longest line that BuildKit reads of a Dockerfile: its scanner's buffer (`bufio.MaxScanTokenSize` of Go) less one.
const LONGEST_LINE: usize = 65_535;
/// Who runs scripts that are not to have root's rights: the user `nobody` of Debian's `base-passwd`.
const NOBODY: u32 = 65534;

/// Paths that `copy` steps name: what has to be read from the repository before [`plan`].
pub fn sources(image: &LockedImage) -> BTreeSet<String> {
    let components = image.components.iter().chain(image.agents.iter().map(|agent| &agent.component));
    let layers = image.layers.iter().chain([&image.base_layer]);
    layers
        .flat_map(|layer| &layer.steps)
        .chain(components.flat_map(|component| &component.install.steps))
        .filter_map(|step| match step {
            Step::Copy { source, target: _, mode: _, origin: _ } => Some(source.clone()),
            Step::Apt { .. } | Step::Download { .. } | Step::Npm { .. } | Step::Pip { .. } | Step::Go { .. } | Step::Cargo { .. } => None,
            Step::Run(_) | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => None,
        })
        .collect()
}

/// Plans an image. `files` holds what the repository has at each of [`sources`]. No plan when there are errors.
pub fn plan(image: &LockedImage, target: &Target, files: &Files) -> (Option<Plan>, Problems) {
    let mut problems = Problems::default();
    let selection = match select(image, target) {
        Ok(selection) => selection,
        Err(missing) => {
            problems
                .push(Problem::new(Code::UnknownDefinition, format!("there is no {missing}")).at(image.base_layer.origin, "in this image"));
            return (None, problems);
        }
    };
    let mut composer = Composer { image, files, stages: Vec::new(), context: BTreeMap::new(), downloads: BTreeMap::new(), problems };
    composer.compose(&selection);
    let Composer { image: _, files: _, stages, context, downloads, problems } = composer;
    let target = stages.last().map(|stage| stage.name.clone());
    let plan = target.map(|target| Plan { stages, target, context, downloads });
    if problems.has_errors() { (None, problems) } else { (plan, problems) }
}

struct Composer<'a> {
    image: &'a LockedImage,
    files: &'a Files,
    stages: Vec<Stage>,
    context: BTreeMap<String, ContextFile>,
    downloads: BTreeMap<String, BTreeSet<PinnedFile>>,
    problems: Problems,
}

/// What a group of a block's steps becomes in the stage that it is written for.
type Steps = Vec<Instruction>;

impl<'a> Composer<'a> {
    fn compose(&mut self, selection: &Selection<'a>) {
        let Selection { components, clients, agent } = selection;
        let LockedImage {
            base,
            fetch,
            distribution,
            fetch_distribution,
            base_layer,
            layers,
            packages,
            fetch_packages,
            snapshots: _,
            components: _,
            agents: _,
            pre_build,
            post_build,
            env,
        } = self.image;

        let everything = !components.is_empty() || !clients.is_empty() || agent.is_some();
        let downloads = everything || layers.iter().chain([base_layer]).any(|layer| layer.steps.iter().any(is_staged));
        if downloads {
            self.fetch_stage("fetch", Platform::Build, base_reference(fetch, fetch_distribution), fetch_packages);
        }
        let (natives, others): (Vec<&PinnedComponent>, Vec<&PinnedComponent>) = clients.iter().partition(|client| is_native(client));
        if !natives.is_empty() {
            self.fetch_stage(NATIVE, Platform::Target, base_reference(fetch, fetch_distribution), fetch_packages);
        }
        for client in others.iter().chain(&natives) {
            self.client_stage(client, &others);
        }

        let mut steps = self.image_env(env, &[Phase::Build, Phase::Both]);
        let of_components = components.iter().copied().chain(agent.map(|agent| &agent.component)).flat_map(|component| &component.packages);
        let all: BTreeSet<&Package> = packages.iter().chain(of_components).collect();
        steps.extend(self.apt("base", &all, base_layer.origin));
        steps.extend(self.layer(base_layer));
        steps.extend(self.hooks("pre-build", pre_build));
        let from = From::Image(base_reference(base, distribution));
        self.push("base", from, Platform::Target, as_root(steps));

        let mut steps = self.arguments(env);
        let mut settings = Vec::new();
        let mut folders = Vec::new();
        for component in components {
            steps.extend(self.component(component, &component.id.slug()));
            settings.extend(self.settings(component, &mut folders));
        }
        folders.insert(0, "/opt/silo/bin".to_string());
        steps.push(instruction(Operation::Path { folders }, "commands of components", None));
        steps.extend(settings);
        for layer in layers {
            steps.extend(self.layer(layer));
        }
        steps.extend(self.hooks("post-build", post_build));
        steps.extend(self.image_env(env, &[Phase::Run]));
        let mut steps = as_root(steps);
        if agent.is_none() {
            steps.extend(labels(vec![("dev.silo.agent", "environment".to_string())]));
        }
        self.push("environment", From::Stage(StageName("base".to_string())), Platform::Target, steps);
        if let Some(agent) = agent {
            self.agent(agent, env);
        }
        let instructions = self.stages.iter().flat_map(|stage| &stage.steps);
        for Instruction { operation, reason: _, origin } in instructions.filter(|step| line_length(&step.operation) > LONGEST_LINE) {
            let message = format!("{} is too long: a builder reads lines of at most {LONGEST_LINE} bytes", subject(operation));
            self.problems.push(
                Problem::new(Code::UnsafeText, message)
                    .at(origin.unwrap_or(base_layer.origin), "")
                    .help("put long texts into a file of the repository, and that into the image with `copy`"),
            );
        }
        for file in self.context.keys() {
            if file.chars().any(char::is_control) {
                let message = format!("the path `{}` cannot be carried into a build", file.escape_debug());
                self.problems.push(Problem::new(Code::UnsafeText, message).at(base_layer.origin, ""));
            }
        }
    }

    fn push(&mut self, name: &str, from: From, platform: Platform, steps: Vec<Instruction>) {
        self.stages.push(Stage { name: StageName(name.to_string()), from, platform, steps });
    }

    fn fetch_stage(&mut self, name: &str, platform: Platform, reference: String, packages: &[Package]) {
        let origin = self.image.base_layer.origin;
        // Both are made in the same way, so that a builder makes one where both processors are the same.
        let mut steps = self.apt("fetch", &packages.iter().collect(), origin);
        self.context.insert("install.sh".to_string(), ContextFile { mode: 0o755, bytes: INSTALL_SCRIPT.as_bytes().to_vec() });
        let copy = Operation::CopyContext { source: "install.sh".to_string(), target: INSTALLER.to_string() };
        steps.push(instruction(copy, "what follows recipes", None));
        self.push(name, From::Image(reference), platform, steps);
    }

    /// What packages of npm, PyPI and Go are installed with, or crates: like a component, but in the stage's own file system and for its own
    /// processor.
    fn client_stage(&mut self, client: &PinnedComponent, clients: &[&PinnedComponent]) {
        let slug = client.id.slug();
        let native = is_native(client);
        let platform = if native { Platform::Target } else { Platform::Build };
        // npm's has that of PyPI, since a block may ask for both; Go's has what it is made from, and nothing else is on it. What compiles for
        // its own processor stands alone.
        let go = go_client();
        let below = |other: &&&PinnedComponent| {
            let usual = Some(&client.id) != go.as_ref() || needs(client).contains(&other.id);
            Some(&other.id) != go.as_ref() && usual && !native && !is_native(other)
        };
        let first = clients.iter().find(below).filter(|first| first.id != client.id);
        let root = if native { NATIVE } else { "fetch" };
        let from = first.map_or_else(|| root.to_string(), |first| first.id.slug());
        // What the stage has that this one is on.
        let there: BTreeSet<&Package> =
            self.image.fetch_packages.iter().chain(first.into_iter().flat_map(|first| &first.packages)).collect();
        let packages = client.packages.iter().filter(|package| !there.contains(package)).collect();
        let mut steps = self.apt(&format!("{slug}/apt"), &packages, client.origin);
        let recipe = self.recipe(client);
        if !recipe.is_empty() {
            steps.extend(self.install(recipe, &slug, platform, &reason(client), client.origin));
        }
        let mut folders = Vec::new();
        let settings = self.settings(client, &mut folders);
        folders.insert(0, "/opt/silo/bin".to_string());
        steps.push(instruction(Operation::Path { folders }, &reason(client), Some(client.origin)));
        steps.extend(settings);
        self.push(&slug, From::Stage(StageName(from)), platform, steps);
    }

    /// Installs exactly these files of the distribution's archive, in one step: what they need is among them, or in the base.
    fn apt(&mut self, folder: &str, packages: &BTreeSet<&Package>, origin: Span) -> Steps {
        let mut lines: BTreeSet<String> = BTreeSet::new();
        for Package { pin: AptPackage { name, versions }, files, needs: _, role: _ } in packages {
            let same = files.len() == Arch::ALL.len() && files.values().all(|file| Some(file) == files.values().next());
            for (arch, PackageFile { path, sha256 }) in files {
                let version = versions.get(arch).map_or("", String::as_str);
                let which = if same { "any" } else { arch.as_str() };
                let fields = [which, name, version, path, sha256];
                for text in fields {
                    if text.is_empty() || text.starts_with('-') || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
                        let message = format!("`{}` is no package, version or file of a distribution", text.escape_debug());
                        self.problems.push(Problem::new(Code::UnsafeText, message).at(origin, ""));
                    }
                }
                if name.contains('/') || path.starts_with('/') || path.split('/').any(|part| part == "..") {
                    let message = format!("`{path}` is no file of {name} in a distribution's archive");
                    self.problems.push(Problem::new(Code::UnsafeText, message).at(origin, ""));
                }
                lines.insert(format!("{}\n", fields.join("\t")));
            }
        }
        if lines.is_empty() {
            return Vec::new();
        }
        self.downloads.insert(folder.to_string(), packages.iter().flat_map(|package| package.pinned()).collect());
        let text: String = lines.into_iter().collect();
        self.context.insert(format!("{folder}/apt.sh"), ContextFile { mode: 0o755, bytes: APT_SCRIPT.as_bytes().to_vec() });
        self.context.insert(format!("{folder}/packages"), ContextFile { mode: 0o644, bytes: text.into_bytes() });
        let mounts = vec![
            RunMount::Context { source: folder.to_string(), target: DATA.to_string() },
            // Not over the bundle itself: a package's own script replaces that file, and a mounted one cannot be replaced.
            secret("ca", "/dev/silo.ca", 0o444),
            secret("netrc", "/dev/silo.netrc", 0o444),
            secret("apt", "/dev/silo.apt", 0o444),
        ];
        let run = Operation::Run { argv: vec!["/bin/sh".to_string(), format!("{DATA}/apt.sh")], mounts };
        let count = packages.len();
        vec![instruction(run, &format!("{count} package{} of the distribution", if count == 1 { "" } else { "s" }), Some(origin))]
    }

    fn recipe(&mut self, component: &PinnedComponent) -> Recipe {
        let PinnedComponent { id, request: _, version, install, options, env: _, checks: _, artifacts, packages: _, cause: _, origin } =
            component;
        let what = id.to_string();
        let from = Installation {
            what: &what,
            version: Some(version),
            arch: &install.arch,
            options,
            artifacts,
            files: self.files,
            origin: *origin,
            complete: true,
        };
        let mut recipe = Recipe::default();
        for step in &install.steps {
            recipe.add(step, &from, &mut self.problems);
        }
        recipe
    }

    /// A component's stage, and the step that takes its files from there.
    fn component(&mut self, component: &PinnedComponent, stage: &str) -> Steps {
        let slug = component.id.slug();
        let recipe = self.recipe(component);
        if recipe.is_empty() {
            return Vec::new();
        }
        self.stage(recipe, stage, &slug, &reason(component), component.origin)
    }

    fn stage(&mut self, recipe: Recipe, stage: &str, slug: &str, reason: &str, origin: Span) -> Steps {
        let client = |wanted: bool, id: Option<ComponentId>| id.filter(|_| wanted).map(|id| id.slug());
        let kinds = [(recipe.npm || recipe.pip, "`npm` or `pip`"), (recipe.go, "`go`"), (recipe.cargo, "`cargo`")];
        let kinds: Vec<&str> = kinds.into_iter().filter(|(wanted, _)| *wanted).map(|(_, words)| words).collect();
        if kinds.len() > 1 {
            let message = format!("{reason} has {} steps side by side, and no stage has the clients of all", kinds.join(" and "));
            self.problems.push(
                Problem::new(Code::BadValue, message)
                    .at(origin, "")
                    .help("put the `go` or `cargo` steps into a definition of their own, and require that"),
            );
        }
        let from = client(recipe.npm, npm_client())
            .or_else(|| client(recipe.pip, pip_client()))
            .or_else(|| client(recipe.go, go_client()))
            .or_else(|| client(recipe.cargo, cargo_client()))
            .unwrap_or_else(|| "fetch".to_string());
        let platform = if recipe.cargo { Platform::Target } else { Platform::Build };
        let files = recipe_mounts(&recipe);
        self.put(recipe, stage, slug);
        let steps = installation(stage, "/o", Platform::Target, files, reason, origin);
        self.push(stage, From::Stage(StageName(from)), platform, steps);
        let copy = Operation::CopyStage { stage: StageName(stage.to_string()), source: "/o/".to_string(), target: "/".to_string() };
        vec![instruction(copy, reason, Some(origin))]
    }

    /// Follows a client's recipe right in its stage.
    fn install(&mut self, recipe: Recipe, slug: &str, platform: Platform, reason: &str, origin: Span) -> Steps {
        let files = recipe_mounts(&recipe);
        let folder = format!("{slug}/recipe");
        self.put(recipe, &folder, slug);
        installation(&folder, "/", platform, files, reason, origin)
    }

    /// Puts a recipe's files into the context.
    fn put(&mut self, recipe: Recipe, folder: &str, slug: &str) {
        if !recipe.downloaded.is_empty() {
            self.downloads.insert(folder.to_string(), recipe.downloaded.clone());
        }
        for (path, file) in recipe.into_files(slug) {
            self.context.insert(format!("{folder}/{path}"), file);
        }
    }

    /// Variables of a component's own, and folders it puts on the `PATH`.
    fn settings(&mut self, component: &PinnedComponent, folders: &mut Vec<String>) -> Steps {
        let mut steps = Vec::new();
        let home = format!("/opt/silo/{}", component.id.slug());
        for (name, value) in &component.env {
            steps.extend(self.env(name, value, &reason(component), component.origin));
        }
        for step in &component.install.steps {
            steps.extend(self.setting(step, &home, folders, component.origin));
        }
        steps
    }

    fn setting(&mut self, step: &Step, home: &str, folders: &mut Vec<String>, origin: Span) -> Steps {
        match step {
            Step::Env { name, value } => self.env(name, value, "a step of the configuration", origin),
            Step::Path { folders: more } => {
                for folder in more {
                    let folder = if folder.starts_with('/') { folder.clone() } else { format!("{home}/{folder}") };
                    if folder.contains(':') || folder.chars().any(char::is_control) {
                        let message = format!("`{}` cannot stand on the PATH", folder.escape_debug());
                        self.problems.push(Problem::new(Code::UnsafeText, message).at(origin, ""));
                    }
                    folders.push(folder);
                }
                Vec::new()
            }
            Step::Apt { .. } | Step::Download { .. } | Step::Npm { .. } | Step::Pip { .. } | Step::Go { .. } | Step::Cargo { .. } => {
                Vec::new()
            }
            Step::Copy { .. } | Step::Run(_) | Step::Bin { name: _, target: _ } => Vec::new(),
        }
    }

    fn env(&mut self, name: &EnvName, value: &str, reason: &str, origin: Span) -> Steps {
        self.check(name.as_str(), value, Some(origin));
        vec![instruction(Operation::Env { name: name.clone(), value: value.to_string() }, reason, Some(origin))]
    }

    /// A Dockerfile is lines: what stands in one cannot hold the end of one.
    fn check(&mut self, name: &str, value: &str, origin: Option<Span>) {
        if value.chars().any(|c| matches!(c, '\n' | '\r' | '\0')) {
            let problem =
                Problem::new(Code::UnsafeText, format!("the value of {name} holds a line break or NUL, which an image cannot carry"))
                    .at(origin.unwrap_or(self.image.base_layer.origin), "")
                    .help("write the text to a file with a `run` or `copy` step instead");
            self.problems.push(problem);
        }
    }

    /// Variables of the image, of some phases. Those of the build alone are arguments: they end with their stage.
    fn image_env(&mut self, env: &BTreeMap<EnvName, BuildEnv>, phases: &[Phase]) -> Steps {
        let mut steps = Vec::new();
        for (name, BuildEnv { value, phase }) in env.iter().filter(|(_, env)| phases.contains(&env.phase)) {
            self.check(name.as_str(), value, None);
            let operation = match phase {
                Phase::Build => Operation::Argument { name: name.clone(), value: Some(value.clone()) },
                Phase::Run | Phase::Both => Operation::Env { name: name.clone(), value: value.clone() },
            };
            steps.push(instruction(operation, "a variable of the image", None));
        }
        steps
    }

    fn arguments(&mut self, env: &BTreeMap<EnvName, BuildEnv>) -> Steps {
        self.image_env(env, &[Phase::Build])
    }

    /// A `base` or `layer` block: what can be downloaded gets stages of its own, the rest runs in written order.
    fn layer(&mut self, layer: &PinnedLayer) -> Steps {
        let PinnedLayer { name, steps, artifacts, origin } = layer;
        let slug = name.as_ref().map_or_else(|| "layer".to_string(), |name| format!("layer-{name}"));
        let what = name.as_ref().map_or_else(|| "base".to_string(), |name| format!("layer {name}"));
        let (arch, options) = (BTreeMap::new(), BTreeMap::new());
        let from = Installation {
            what: &what,
            version: None,
            arch: &arch,
            options: &options,
            artifacts,
            files: self.files,
            origin: *origin,
            complete: false,
        };
        let mut done = Vec::new();
        let mut recipe = Recipe::default();
        let (mut groups, mut scripts) = (0, 0);
        for step in steps {
            let mut flush = |composer: &mut Self, recipe: &mut Recipe| -> Steps {
                let ready = recipe.take();
                if ready.is_empty() {
                    return Vec::new();
                }
                groups += 1;
                composer.stage(ready, &format!("{slug}-{groups}"), &slug, &what, *origin)
            };
            match step {
                Step::Run(hook) => {
                    done.extend(flush(self, &mut recipe));
                    scripts += 1;
                    done.extend(self.hook(&format!("{slug}-run-{scripts}"), hook));
                }
                Step::Env { .. } => {
                    done.extend(flush(self, &mut recipe));
                    done.extend(self.setting(step, "", &mut Vec::new(), *origin));
                }
                Step::Path { .. } => {
                    done.extend(flush(self, &mut recipe));
                    let mut folders = Vec::new();
                    done.extend(self.setting(step, &format!("/opt/silo/{slug}"), &mut folders, *origin));
                    done.push(instruction(Operation::Path { folders }, &what, Some(*origin)));
                }
                Step::Npm { .. } | Step::Pip { .. } | Step::Go { .. } | Step::Cargo { .. } => {
                    if recipe.is_other(step) {
                        done.extend(flush(self, &mut recipe));
                    }
                    recipe.add(step, &from, &mut self.problems);
                }
                Step::Apt { .. } | Step::Download { .. } | Step::Copy { .. } | Step::Bin { .. } => {
                    recipe.add(step, &from, &mut self.problems);
                }
            }
        }
        if !recipe.is_empty() {
            groups += 1;
            done.extend(self.stage(recipe, &format!("{slug}-{groups}"), &slug, &what, *origin));
        }
        done
    }

    fn hooks(&mut self, name: &str, hooks: &[Hook]) -> Steps {
        hooks.iter().enumerate().flat_map(|(index, hook)| self.hook(&format!("{name}-{}", index + 1), hook)).collect()
    }

    /// Runs a script of the user's, exactly as written, from a file of the context.
    fn hook(&mut self, name: &str, hook: &Hook) -> Steps {
        let Hook { id, script, user, origin } = hook;
        let path = format!("hook/{name}");
        self.context.insert(path.clone(), ContextFile { mode: 0o755, bytes: script.clone().into_bytes() });
        let file = "/dev/silo.script".to_string();
        let mut argv = match user {
            RunAs::Root => Vec::new(),
            RunAs::User => vec!["/usr/bin/env".to_string(), "HOME=/tmp".to_string()],
        };
        if script.starts_with("#!") {
            argv.push(file.clone());
        } else {
            argv.extend(["/bin/sh".to_string(), "-eu".to_string(), file.clone()]);
        }
        let mounts = vec![RunMount::Context { source: path, target: file }, secret("ca", CERTIFICATES, 0o444)];
        let reason = format!("script {}", id.as_deref().unwrap_or(name));
        let run = instruction(Operation::Run { argv, mounts }, &reason, Some(*origin));
        match user {
            RunAs::Root => vec![run],
            RunAs::User => vec![
                instruction(Operation::User { uid: NOBODY, gid: NOBODY }, &reason, Some(*origin)),
                run,
                instruction(Operation::User { uid: 0, gid: 0 }, &reason, Some(*origin)),
            ],
        }
    }

    fn agent(&mut self, agent: &PinnedAgent, env: &BTreeMap<EnvName, BuildEnv>) {
        let PinnedAgent { component, mcp: _, lsp: _, registrations: _, files: _, post_build } = agent;
        let slug = component.id.slug();
        let mut steps = self.arguments(env);
        steps.extend(self.component(component, &format!("{slug}-files")));
        let mut folders = Vec::new();
        let settings = self.settings(component, &mut folders);
        if !folders.is_empty() {
            steps.push(instruction(Operation::Path { folders }, &reason(component), Some(component.origin)));
        }
        steps.extend(settings);
        let files = agent_files(agent, &mut self.problems);
        if !files.is_empty() {
            // Not copied from the context at once: there the folders have the time at which the engine unpacked them.
            let mut recipe = Recipe::default();
            let from = self.installation(component);
            recipe.tree(files, &from, &mut self.problems);
            steps.extend(self.stage(
                recipe,
                &format!("{slug}-etc"),
                &slug,
                &format!("files and servers of {}", component.id),
                component.origin,
            ));
        }
        steps.extend(self.hooks(&slug, post_build));
        let mut steps = as_root(steps);
        steps
            .extend(labels(vec![("dev.silo.agent", component.id.name.to_string()), ("dev.silo.agent.version", component.version.clone())]));
        self.check("the agent's version", &component.version, Some(component.origin));
        self.push(&slug, From::Stage(StageName("environment".to_string())), Platform::Target, steps);
    }

    fn installation<'b>(&self, component: &'b PinnedComponent) -> Installation<'b>
    where
        'a: 'b,
    {
        Installation {
            what: "a file of an agent",
            version: None,
            arch: &component.install.arch,
            options: &component.options,
            artifacts: &[],
            files: self.files,
            origin: component.origin,
            complete: true,
        }
    }
}

/// What people call the part of an instruction that can be long.
fn subject(operation: &Operation) -> String {
    match operation {
        Operation::Argument { name, value: _ } | Operation::Env { name, value: _ } => {
            let mut short: String = name.as_str().chars().take(40).collect();
            if short != name.as_str() {
                short.push('…');
            }
            format!("the variable {short}")
        }
        Operation::Path { folders: _ } => "a list of folders for the PATH".to_string(),
        Operation::Label { key, value: _ } => format!("the label {key}"),
        Operation::CopyContext { .. } | Operation::CopyStage { .. } | Operation::Run { .. } | Operation::User { .. } => {
            "a step".to_string()
        }
    }
}

/// At least as many bytes as an instruction with texts of the user's has in a Dockerfile, where `\`, `"` and `$` are escaped. Commands and
/// paths of the context are made of names, which are short.
fn line_length(operation: &Operation) -> usize {
    let escaped = |text: &str| text.len() + text.bytes().filter(|byte| matches!(byte, b'\\' | b'"' | b'$')).count() + 16;
    match operation {
        Operation::Argument { name, value } => name.as_str().len() + value.as_ref().map_or(0, |value| escaped(value)),
        Operation::Env { name, value } => name.as_str().len() + escaped(value),
        Operation::Path { folders } => folders.iter().map(|folder| escaped(folder)).sum::<usize>() + 16,
        Operation::Label { key, value } => key.len() + escaped(value),
        Operation::CopyContext { .. } | Operation::CopyStage { .. } | Operation::Run { .. } | Operation::User { .. } => 0,
    }
}

/// Whether a client runs on the image's processor, since what it compiles is for that one.
fn is_native(client: &PinnedComponent) -> bool {
    Some(&client.id) == cargo_client().as_ref()
}

/// Whether a step is done in a stage of its own.
fn is_staged(step: &Step) -> bool {
    match step {
        Step::Download { .. }
        | Step::Npm { .. }
        | Step::Pip { .. }
        | Step::Go { .. }
        | Step::Cargo { .. }
        | Step::Copy { .. }
        | Step::Bin { .. } => true,
        Step::Apt { .. } | Step::Run(_) | Step::Path { .. } | Step::Env { .. } => false,
    }
}

fn recipe_mounts(recipe: &Recipe) -> Vec<RunMount> {
    let mut mounts = Vec::new();
    if recipe.npm || recipe.pip || recipe.go || recipe.cargo || recipe.downloads || recipe.scripts {
        mounts.push(secret("ca", CERTIFICATES, 0o444));
    }
    if recipe.npm {
        mounts.push(secret("npmrc", "/root/.npmrc", 0o400));
    }
    if recipe.pip {
        mounts.push(secret("pip", "/etc/pip.conf", 0o400));
    }
    if recipe.go {
        mounts.push(secret("go", "/dev/silo.go", 0o400));
    }
    if recipe.cargo {
        mounts.push(secret("crates", "/dev/silo.crates", 0o400));
    }
    if recipe.pip || recipe.go || recipe.cargo || recipe.downloads {
        mounts.push(secret("netrc", "/root/.netrc", 0o400));
    }
    if recipe.npm || recipe.pip || recipe.cargo || recipe.downloads {
        mounts.push(secret("mirrors", "/dev/silo.mirrors", 0o400));
    }
    mounts
}

/// Follows a recipe, with what is for one of the two processors.
fn installation(folder: &str, root: &str, platform: Platform, mut mounts: Vec<RunMount>, reason: &str, origin: Span) -> Steps {
    let (argument, which) = match platform {
        Platform::Build => ("BUILDARCH", "build"),
        Platform::Target => ("TARGETARCH", "target"),
    };
    mounts.insert(0, RunMount::Context { source: folder.to_string(), target: DATA.to_string() });
    let argv = [INSTALLER, root, which].map(str::to_string).to_vec();
    let argument = EnvName::new(argument).map(|name| instruction(Operation::Argument { name, value: None }, reason, Some(origin)));
    argument.into_iter().chain([instruction(Operation::Run { argv, mounts }, reason, Some(origin))]).collect()
}

/// Gives the steps of a stage root's rights, and takes them away at its end: containers are given a user of their own, and an image started
/// by other means is nobody's. Only programs have rights; a stage that runs none needs no user.
fn as_root(steps: Steps) -> Steps {
    if !steps.iter().any(|step| matches!(step.operation, Operation::Run { .. })) {
        return steps;
    }
    let user = |id: u32, reason: &str| instruction(Operation::User { uid: id, gid: id }, reason, None);
    let first = std::iter::once(user(0, "build steps have root's rights"));
    first.chain(steps).chain([user(NOBODY, "nothing runs as root by accident")]).collect()
}

fn labels(labels: Vec<(&str, String)>) -> Steps {
    labels.into_iter().map(|(key, value)| instruction(Operation::Label { key: key.to_string(), value }, "what this is", None)).collect()
}

fn reason(component: &PinnedComponent) -> String {
    format!("{} {} ({})", component.id, component.version, component.install.source)
}

fn secret(id: &str, target: &str, mode: u32) -> RunMount {
    RunMount::Secret { id: id.to_string(), target: target.to_string(), mode }
}

fn instruction(operation: Operation, reason: &str, origin: Option<Span>) -> Instruction {
    Instruction { operation, reason: reason.to_string(), origin }
}
