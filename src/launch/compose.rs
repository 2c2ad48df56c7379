//! From a configuration, a host and an image to one container.

use std::collections::{BTreeMap, BTreeSet};

use super::{Host, Launch, LaunchMount, Limits, Program, Start, Terminal, profile};
use crate::identity::Identity;
use crate::plan::CERTIFICATES;
use crate::plan::shell::RUN_SCRIPTS;
use crate::problem::{Code, Problem, Problems};
use crate::source::Span;
use crate::spec::{Access, AgentRun, Cache, EnvValue, Hook, Mount, Presence, Resources, RunEnv, RunSpec, Template};
use crate::template::fill;

/// `PATH` of an image that does not say: silo's commands, then what Debian has for root.
const DEFAULT_PATH: &str = "/opt/silo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Variables by which programs with a bundle of their own are told of the distribution's: Node.js, OpenSSL's users, Python's requests and pip.
const TRUST_VARIABLES: [&str; 3] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"];
/// The longest single argument that Linux passes to a program (`MAX_ARG_STRLEN`, 32 pages), with its final NUL.
const LONGEST_ARGUMENT: usize = 131_072;

/// Paths of the host whose existence has to be known before [`launch`]: what the configuration mounts.
pub fn paths(run: &RunSpec, start: &Start, host: &Host) -> BTreeSet<String> {
    let mut composer = Composer { host, problems: Problems::default() };
    let agent = agent_of(run, start);
    let mounts = run.mounts.iter().chain(agent.iter().flat_map(|agent| &agent.mounts));
    mounts.filter_map(|mount| composer.path(&mount.source, mount.origin)).collect()
}

/// Makes the launch. `None` when there are errors.
pub fn launch(run: &RunSpec, start: &Start, host: &Host, identity: &Identity) -> (Option<Launch>, Problems) {
    let RunSpec { default_agent: _, backend: _, agents: _, pre_run, mounts, caches, env, path, resources, updates: _ } = run;
    let Start { agent: name, program } = start;
    let mut composer = Composer { host, problems: Problems::default() };
    let agent = agent_of(run, start);
    if let (Some(name), None) = (name, agent) {
        composer.problems.push(Problem::new(Code::UnknownDefinition, format!("there is no agent {name}")));
    }
    composer.workspace();

    let command = composer.command(agent, program);
    let scripts: Vec<&Hook> = match program {
        Program::Agent(_) => pre_run.iter().chain(agent.iter().flat_map(|agent| &agent.pre_run)).collect(),
        Program::Command(_) => Vec::new(),
    };
    let argv = composer.wrap(&scripts, command);

    let mut places = Places::default();
    places.bind(&host.workspace, &host.workspace, Access::ReadWrite);
    if let Some(common) = host.git_common_directory.as_deref().filter(|common| !inside(common, &host.workspace)) {
        places.bind(common, common, Access::ReadWrite);
    }
    if let Some(bundle) = &host.certificates {
        places.bind(bundle, CERTIFICATES, Access::ReadOnly);
    }
    if let Some(agent) = agent {
        for folder in &agent.state {
            composer.state(agent, folder, &mut places);
        }
    }
    for cache in caches {
        composer.cache(cache, &mut places);
    }
    for mount in mounts.iter().chain(agent.iter().flat_map(|agent| &agent.mounts)) {
        composer.mount(mount, &mut places);
    }
    let tmpfs = composer.tmpfs(&places);

    let variables = composer.env(env.iter().chain(agent.iter().flat_map(|agent| &agent.env)), path);
    let image = name.as_ref().map_or("environment", |name| name.as_str());
    let Resources { milli_cpus, memory, disk: _, pids } = resources;
    let user = account(host);
    let launch = Launch {
        name: container_name(image, host),
        image: format!("localhost/silo/{image}:{identity}"),
        argv,
        env: variables,
        workdir: host.workspace.clone(),
        user: (host.uid, host.gid),
        passwd: format!("{user}:x:{}:{}::{}:/bin/sh", host.uid, host.gid, host.home),
        group: format!("{user}:x:{}:", host.gid),
        mounts: places.mounts.into_values().collect(),
        tmpfs,
        create: places.create,
        limits: Limits { milli_cpus: *milli_cpus, memory: *memory, pids: pids.unwrap_or(profile::PIDS) },
        labels: BTreeMap::from([
            ("dev.silo.agent".to_string(), image.to_string()),
            ("dev.silo.identity".to_string(), identity.to_string()),
            ("dev.silo.project".to_string(), host.project.clone()),
            ("dev.silo.workspace".to_string(), host.workspace.clone()),
        ]),
        terminal: matches!(host.terminal, Terminal::Interactive { .. }),
    };
    let Composer { host: _, problems } = composer;
    if problems.has_errors() { (None, problems) } else { (Some(launch), problems) }
}

fn agent_of<'a>(run: &'a RunSpec, start: &Start) -> Option<&'a AgentRun> {
    start.agent.as_ref().and_then(|name| run.agents.iter().find(|agent| agent.name == *name))
}

/// What is mounted where; one thing at each place.
#[derive(Default)]
struct Places {
    mounts: BTreeMap<String, LaunchMount>,
    create: Vec<String>,
}

impl Places {
    fn bind(&mut self, source: &str, target: &str, access: Access) {
        let mount = LaunchMount::Bind { source: source.to_string(), target: target.to_string(), access };
        self.mounts.insert(target.to_string(), mount);
    }

    /// A folder that silo keeps.
    fn keep(&mut self, source: String, target: &str) {
        self.bind(&source, target, Access::ReadWrite);
        self.create.push(source);
    }
}

struct Composer<'a> {
    host: &'a Host,
    problems: Problems,
}

impl Composer<'_> {
    fn refuse(&mut self, code: Code, message: String, origin: Option<Span>, help: &str) {
        let problem = Problem::new(code, message).help(help);
        self.problems.push(match origin {
            Some(origin) => problem.at(origin, ""),
            None => problem,
        });
    }

    fn workspace(&mut self) {
        let Host { workspace, home, .. } = self.host;
        if workspace == "/" || workspace == home || inside(home, workspace) {
            let message = format!("`{}` is your home folder or holds it: an agent could change everything in it", workspace.escape_debug());
            self.refuse(Code::LaunchTarget, message, None, "change into the project's own folder");
        }
        for folder in std::iter::once(workspace).chain(&self.host.git_common_directory) {
            if let Some(guarded) = self.guarded(folder) {
                let message =
                    format!("`{}` holds `{}`, where silo keeps what it is told to trust", folder.escape_debug(), guarded.escape_debug());
                self.refuse(
                    Code::LaunchTarget,
                    message,
                    None,
                    "change into another folder, or move silo's own with XDG_STATE_HOME and XDG_CONFIG_HOME",
                );
            }
        }
        for (what, path) in [("working directory", workspace), ("home folder", home)] {
            if !placeable(path) {
                let message = format!("the {what} `{}` cannot be a folder of a container", path.escape_debug());
                self.refuse(
                    Code::LaunchTarget,
                    message,
                    None,
                    "use a folder outside /proc, /sys, /dev and /etc, without control characters",
                );
            }
        }
    }

    fn fill(&mut self, template: &Template, origin: Option<Span>) -> Option<String> {
        let host = self.host;
        let value = |name: &str| match name {
            "workspace" => Some(host.workspace.as_str()),
            "home" => Some(host.home.as_str()),
            "user" => Some(host.user.as_str()),
            _ => None,
        };
        let out = match fill(&template.0, |name| value(name).map(str::to_string)) {
            Ok(out) => out,
            Err(name) => {
                let message = format!("`%{{{name}}}` means nothing in a container");
                let help = "write %{workspace}, %{home} or %{user}; %%{ stands for a plain %{";
                self.refuse(Code::UnknownPlaceholder, message, origin, help);
                return None;
            }
        };
        if out.contains('\0') {
            self.refuse(Code::UnsafeText, "a text of a container holds NUL".to_string(), origin, "leave the character out");
            return None;
        }
        Some(out)
    }

    /// A path, `~` and placeholders filled in; absolute and without `.` and `..`, or refused.
    fn path(&mut self, template: &Template, origin: Span) -> Option<String> {
        let text = self.fill(template, Some(origin))?;
        let text = match text.strip_prefix('~') {
            Some("") => self.host.home.clone(),
            Some(rest) if rest.starts_with('/') => format!("{}{rest}", self.host.home),
            Some(_) | None => text,
        };
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if !text.starts_with('/') || parts.iter().any(|part| matches!(*part, "." | "..")) {
            let message = format!("`{}` is not an absolute path", text.escape_debug());
            self.refuse(Code::BadValue, message, Some(origin), "write a path that starts with / or ~/ and holds no . or ..");
            return None;
        }
        Some(format!("/{}", parts.join("/")))
    }

    fn target(&mut self, template: &Template, origin: Span) -> Option<String> {
        let target = self.path(template, origin)?;
        if !placeable(&target) || target == self.host.home || target == self.host.workspace || inside(&self.host.workspace, &target) {
            let message = format!("nothing can be mounted at `{}`", target.escape_debug());
            let help = "choose a place that is not of the kernel's and does not cover the home folder or the working directory";
            self.refuse(Code::LaunchTarget, message, Some(origin), help);
            return None;
        }
        Some(target)
    }

    fn state(&mut self, agent: &AgentRun, folder: &Template, places: &mut Places) {
        let Some(text) = self.fill(folder, None) else { return };
        let relative = text.strip_prefix("~/").or_else(|| text.strip_prefix(&self.host.home).and_then(|rest| rest.strip_prefix('/')));
        let parts: Vec<&str> = relative.unwrap_or("").split('/').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() || parts.iter().any(|part| matches!(*part, "." | "..")) {
            let message = format!("`{}` of agent {} is no folder in HOME", text.escape_debug(), agent.name);
            self.refuse(Code::BadValue, message, None, "write it as ~/folder");
            return;
        }
        let relative = parts.join("/");
        places.keep(format!("{}/{}/{relative}", self.host.state, agent.name), &format!("{}/{relative}", self.host.home));
    }

    /// A cache is a folder of the project's state: a volume of an engine would belong to root, whom no container runs as.
    fn cache(&mut self, cache: &Cache, places: &mut Places) {
        let Cache { name, target, origin } = cache;
        if let Some(target) = self.target(target, *origin) {
            places.keep(format!("{}/cache/{name}", self.host.state), &target);
        }
    }

    fn mount(&mut self, mount: &Mount, places: &mut Places) {
        let Mount { source, target, access, presence, origin } = mount;
        let (Some(source), Some(target)) = (self.path(source, *origin), self.target(target, *origin)) else { return };
        if let Some(real) = self.host.existing.get(&source) {
            if inside(&source, &self.host.workspace) && !inside(real, &self.host.workspace) {
                let message = format!("`{}` is a link out of the working directory, to `{}`", source.escape_debug(), real.escape_debug());
                self.refuse(Code::LaunchTarget, message, Some(*origin), "name the path that it leads to, which you then have to trust");
            } else if let (Access::ReadWrite, Some(guarded)) = (access, self.guarded(real)) {
                let message = format!("`{}` lets a container write to `{}`", source.escape_debug(), guarded.escape_debug());
                self.refuse(Code::LaunchTarget, message, Some(*origin), "mount a folder beside silo's own, or read only: `mode=ro`");
            } else {
                places.bind(real, &target, *access);
            }
            return;
        }
        match presence {
            Presence::Optional => {}
            Presence::Required => {
                let message = format!("`{}` is to be mounted, and does not exist", source.escape_debug());
                self.refuse(Code::LaunchMissing, message, Some(*origin), "create it, or write optional=#true");
            }
        }
    }

    /// The folder of silo's own that a path holds or lies in.
    fn guarded(&self, path: &str) -> Option<&String> {
        self.host.guarded.iter().find(|guarded| inside(guarded, path) || inside(path, guarded))
    }

    /// The root is read only; these folders are in memory and belong to the caller.
    fn tmpfs(&self, places: &Places) -> BTreeMap<String, String> {
        let Host { uid, gid, home, .. } = self.host;
        let own = format!("uid={uid},gid={gid}");
        let mut tmpfs = BTreeMap::from([
            ("/run".to_string(), format!("rw,noexec,nosuid,nodev,{own},mode=0755")),
            ("/tmp".to_string(), "rw,exec,nosuid,nodev,mode=1777".to_string()),
            ("/var/tmp".to_string(), "rw,exec,nosuid,nodev,mode=1777".to_string()),
        ]);
        tmpfs.insert(home.clone(), format!("rw,exec,nosuid,nodev,{own},mode=0700"));
        tmpfs.retain(|path, _| !places.mounts.contains_key(path));
        tmpfs
    }

    fn env<'s>(&mut self, configured: impl Iterator<Item = &'s RunEnv>, folders: &[Template]) -> BTreeMap<String, String> {
        let host = self.host;
        let mut env = BTreeMap::new();
        let mut set = |name: &str, value: &str| env.insert(name.to_string(), value.to_string());
        set("LANG", "C.UTF-8");
        set("USER", &host.user);
        set("LOGNAME", &host.user);
        set("SHELL", "/bin/sh");
        if host.certificates.is_some() {
            for name in TRUST_VARIABLES {
                set(name, CERTIFICATES);
            }
        }
        for (name, value) in &host.proxies {
            set(name, value);
            set(&name.to_lowercase(), value);
        }
        if let Some(identity) = &host.git_identity {
            for role in ["AUTHOR", "COMMITTER"] {
                set(&format!("GIT_{role}_NAME"), &identity.name);
                set(&format!("GIT_{role}_EMAIL"), &identity.email);
            }
        }
        if let Terminal::Interactive { term, colorterm } = &host.terminal {
            set("TERM", term);
            if let Some(colorterm) = colorterm {
                set("COLORTERM", colorterm);
            }
        }
        let mut path = vec![host.image_path.clone().filter(|path| !path.is_empty()).unwrap_or_else(|| DEFAULT_PATH.to_string())];
        path.extend(folders.iter().filter_map(|folder| self.fill(folder, None)));
        env.insert("PATH".to_string(), path.join(":"));
        for RunEnv { name, value, presence, origin } in configured {
            let value = match value {
                EnvValue::Set(template) => self.fill(template, Some(*origin)),
                EnvValue::Host => {
                    let found = host.env.get(name.as_str()).cloned();
                    if found.is_none() && *presence == Presence::Required {
                        let help = format!("export {name}=… before you start silo, or write required=#false");
                        self.refuse(Code::LaunchMissing, format!("the variable {name} is not set on this machine"), Some(*origin), &help);
                    }
                    found
                }
            };
            if let Some(value) = value {
                env.insert(name.to_string(), value);
            }
        }
        env.insert("HOME".to_string(), host.home.clone());
        env.insert("SILO_WORKSPACE".to_string(), host.workspace.clone());
        env
    }

    fn command(&mut self, agent: Option<&AgentRun>, program: &Program) -> Vec<String> {
        match (program, agent) {
            (Program::Command(argv), _) => argv.clone(),
            (Program::Agent(_), None) => Vec::new(),
            (Program::Agent(more), Some(agent)) => {
                let AgentRun { name: _, update: _, command, args, subcommands, env: _, state: _, mounts: _, pre_run: _ } = agent;
                let alone = more.first().is_some_and(|first| subcommands.contains(first));
                let own = command.iter().chain(args).take(if alone { 1 } else { usize::MAX });
                let mut argv: Vec<String> = own.filter_map(|word| self.fill(word, None)).collect();
                argv.extend(more.iter().cloned());
                argv
            }
        }
    }

    /// Runs scripts before a command, in the same container and with the same rights.
    fn wrap(&mut self, scripts: &[&Hook], command: Vec<String>) -> Vec<String> {
        if command.is_empty() {
            self.refuse(Code::MissingArgument, "there is no command to start".to_string(), None, "write one after --");
        }
        if command.iter().any(|word| word.contains('\0')) {
            self.refuse(Code::UnsafeText, "a command holds NUL".to_string(), None, "leave the character out");
        }
        if scripts.is_empty() {
            return command;
        }
        let mut argv: Vec<String> = ["/bin/sh", "-c", RUN_SCRIPTS, "silo"].map(str::to_string).to_vec();
        argv.push(scripts.len().to_string());
        for Hook { id: _, script, user: _, origin } in scripts {
            if script.len() >= LONGEST_ARGUMENT || script.contains('\0') {
                let message = format!("a script that runs in a container is shorter than {LONGEST_ARGUMENT} bytes and holds no NUL");
                self.refuse(Code::UnsafeText, message, Some(*origin), "put it into a file of the repository and call that");
            }
            argv.push(script.clone());
        }
        argv.extend(command);
        argv
    }
}

/// Whether a path lies below a folder.
fn inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/') || rest.is_empty())
}

/// Whether something may be mounted at a path: not over the root, the kernel's files or the accounts that silo writes.
fn placeable(path: &str) -> bool {
    let reserved = ["/proc", "/sys", "/dev", "/etc/passwd", "/etc/group"];
    path.starts_with('/')
        && path != "/"
        && path != "/etc"
        && !path.chars().any(char::is_control)
        && !path.split('/').any(|part| matches!(part, "." | ".."))
        && !reserved.iter().any(|folder| inside(path, folder))
}

/// The account's name in the container, where a colon or a line break would end its field.
fn account(host: &Host) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let fits = !host.user.is_empty() && host.user.chars().all(plain) && !host.user.starts_with('-');
    if fits { host.user.clone() } else { "user".to_string() }
}

/// At most 63 characters of what both Docker and Apple allow in a name.
fn container_name(image: &str, host: &Host) -> String {
    let plain = |text: &str| -> String { text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(12).collect() };
    let image: String = image.chars().take(30).collect();
    format!("silo-{image}-{}-{}", plain(&host.project), plain(&host.unique))
}
