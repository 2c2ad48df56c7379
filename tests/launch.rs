//! One container as a value.

use std::collections::BTreeMap;

use silo::identity::Identity;
use silo::launch::{GitIdentity, Host, Launch, LaunchMount, Program, Start, Terminal, launch, paths, profile};
use silo::problem::{Code, Problems};
use silo::spec::update::{Update, Updates};
use silo::spec::{Access, AgentRun, Cache, EnvValue, Mount, Presence, Resources, RunEnv, RunSpec};

use crate::support::image::{env_name, hash, hook, name, span, template};

pub fn host() -> Host {
    Host {
        uid: 1000,
        gid: 100,
        user: "ada".into(),
        home: "/home/ada".into(),
        workspace: "/home/ada/src/project".into(),
        git_common_directory: Some("/home/ada/src/main/.git".into()),
        git_identity: Some(GitIdentity { name: "Ada L.".into(), email: "ada@example.org".into() }),
        env: BTreeMap::from([("API_KEY".to_string(), "secret".to_string())]),
        existing: BTreeMap::from([("/home/ada/.config/tool".to_string(), "/home/ada/.config/tool".to_string())]),
        guarded: vec!["/home/ada/.local/state/silo".into(), "/home/ada/.config/silo".into()],
        state: "/home/ada/.local/state/silo/p".into(),
        certificates: None,
        proxies: BTreeMap::new(),
        image_path: None,
        project: "ab12cd34".into(),
        unique: "0001".into(),
        terminal: Terminal::Interactive { term: "xterm-256color".into(), colorterm: Some("truecolor".into()) },
    }
}

pub fn run_spec() -> RunSpec {
    RunSpec {
        default_agent: None,
        backend: None,
        agents: vec![AgentRun {
            name: name("first"),
            update: Update::Notify,
            command: vec![template("first"), template("--yes")],
            args: vec![template("--dir=%{workspace}")],
            subcommands: vec!["mcp".into()],
            env: vec![RunEnv { name: env_name("API_KEY"), value: EnvValue::Host, presence: Presence::Required, origin: span(1) }],
            state: vec![template("~/.first")],
            mounts: Vec::new(),
            pre_run: Vec::new(),
        }],
        pre_run: Vec::new(),
        mounts: vec![mount("~/.config/tool", "~/.config/tool", Presence::Required)],
        caches: vec![Cache { name: name("things"), target: template("~/.cache/things"), origin: span(2) }],
        env: Vec::new(),
        path: vec![template("%{home}/.local/bin")],
        resources: Resources { milli_cpus: Some(2500), memory: Some(4 << 30), disk: None, pids: None },
        updates: Updates::default(),
    }
}

fn mount(source: &str, target: &str, presence: Presence) -> Mount {
    Mount { source: template(source), target: template(target), access: Access::ReadOnly, presence, origin: span(3) }
}

pub fn identity() -> Identity {
    Identity::new(&hash('f')).expect("an identity")
}

pub fn start(args: &[&str]) -> Start {
    Start { agent: Some(name("first")), program: Program::Agent(args.iter().map(ToString::to_string).collect()) }
}

pub fn launched(run: &RunSpec, host: &Host) -> Launch {
    let (launch, problems) = launch(run, &start(&[]), host, &identity());
    assert!(problems.is_empty(), "{problems:?}");
    launch.expect("a launch")
}

fn refused(run: &RunSpec, host: &Host) -> Problems {
    let (launch, problems) = launch(run, &start(&[]), host, &identity());
    assert_eq!(launch, None);
    problems
}

fn targets(launch: &Launch) -> Vec<&str> {
    let target = |mount: &'_ LaunchMount| -> String {
        match mount {
            LaunchMount::Bind { target, .. } | LaunchMount::Volume { target, .. } => target.clone(),
        }
    };
    let list: Vec<String> = launch.mounts.iter().map(target).collect();
    let mut sorted = list.clone();
    sorted.sort();
    assert_eq!(list, sorted, "a mount stands after those that contain it");
    launch
        .mounts
        .iter()
        .map(|mount| match mount {
            LaunchMount::Bind { target, .. } | LaunchMount::Volume { target, .. } => target.as_str(),
        })
        .collect()
}

#[test]
fn the_workspace_is_at_its_own_path_and_home_is_in_memory() {
    let launch = launched(&run_spec(), &host());
    assert_eq!((launch.workdir.as_str(), launch.user, launch.terminal), ("/home/ada/src/project", (1000, 100), true));
    assert_eq!(
        targets(&launch),
        ["/home/ada/.cache/things", "/home/ada/.config/tool", "/home/ada/.first", "/home/ada/src/main/.git", "/home/ada/src/project"]
    );
    assert_eq!(launch.tmpfs.keys().collect::<Vec<_>>(), ["/home/ada", "/run", "/tmp", "/var/tmp"]);
    assert_eq!(launch.tmpfs["/home/ada"], "rw,exec,nosuid,nodev,uid=1000,gid=100,mode=0700");
    assert_eq!(launch.create, ["/home/ada/.local/state/silo/p/first/.first", "/home/ada/.local/state/silo/p/cache/things"]);
    assert_eq!((launch.passwd.as_str(), launch.group.as_str()), ("ada:x:1000:100::/home/ada:/bin/sh", "ada:x:100:"));
}

#[test]
fn the_environment_is_what_silo_and_the_configuration_set() {
    let launch = launched(&run_spec(), &host());
    let lines: Vec<String> = launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        lines,
        [
            "API_KEY=secret",
            "COLORTERM=truecolor",
            "GIT_AUTHOR_EMAIL=ada@example.org",
            "GIT_AUTHOR_NAME=Ada L.",
            "GIT_COMMITTER_EMAIL=ada@example.org",
            "GIT_COMMITTER_NAME=Ada L.",
            "HOME=/home/ada",
            "LANG=C.UTF-8",
            "LOGNAME=ada",
            "PATH=/opt/silo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/home/ada/.local/bin",
            "SHELL=/bin/sh",
            "SILO_WORKSPACE=/home/ada/src/project",
            "TERM=xterm-256color",
            "USER=ada",
        ]
    );
}

#[test]
fn the_caller_s_arguments_follow_the_agent_s_own_except_after_a_subcommand() {
    let argv = |args: &[&str]| launch(&run_spec(), &start(args), &host(), &identity()).0.expect("a launch").argv;
    assert_eq!(argv(&["-p", "$(x) 'y'"]), ["first", "--yes", "--dir=/home/ada/src/project", "-p", "$(x) 'y'"]);
    assert_eq!(argv(&["mcp", "list"]), ["first", "mcp", "list"]);
}

#[test]
fn scripts_before_the_agent_are_words_and_not_text_of_a_shell() {
    let mut run = run_spec();
    run.pre_run = vec![hook("echo '\"$1\"'\n"), hook("--")];
    let argv = launched(&run, &host()).argv;
    assert_eq!(argv[..2], ["/bin/sh", "-c"]);
    assert_eq!(argv[3..], ["silo", "2", "echo '\"$1\"'\n", "--", "first", "--yes", "--dir=/home/ada/src/project"]);
}

#[test]
fn names_labels_and_limits_are_silo_s_own() {
    let launch = launched(&run_spec(), &host());
    assert_eq!((launch.name.as_str(), launch.image), ("silo-first-ab12cd34-0001", format!("localhost/silo/first:{}", hash('f'))));
    assert_eq!((launch.limits.milli_cpus, launch.limits.memory, launch.limits.pids), (Some(2500), Some(4 << 30), 4096));
    assert_eq!(launch.labels.keys().collect::<Vec<_>>(), ["dev.silo.agent", "dev.silo.identity", "dev.silo.project", "dev.silo.workspace"]);
}

#[test]
fn nothing_is_mounted_over_the_kernel_s_files_the_home_or_the_workspace() {
    for target in
        ["/proc", "/proc/self/fd/7", "/sys/fs", "/dev", "/dev/null", "/", "/etc/passwd", "~", "%{workspace}", "/home/ada/src", "/opt/a\nb"]
    {
        let mut run = run_spec();
        run.mounts = vec![mount("~/.config/tool", target, Presence::Required)];
        let problems = refused(&run, &host());
        assert!(problems.iter().all(|problem| problem.code == Code::LaunchTarget), "{target}: {problems:?}");
    }
}

#[test]
fn what_is_required_and_missing_is_said_with_what_to_do() {
    let mut run = run_spec();
    run.mounts.push(mount("~/.missing", "/x", Presence::Required));
    run.mounts.push(mount("~/.also-missing", "/y", Presence::Optional));
    let mut host = host();
    host.env.clear();
    let problems = refused(&run, &host);
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::LaunchMissing, Code::LaunchMissing]);
    assert!(problems.iter().all(|problem| problem.help.is_some() && problem.labels.len() == 1));
    assert!(paths(&run, &start(&[]), &host).contains("/home/ada/.also-missing"));
}

#[test]
fn a_home_folder_or_a_folder_of_the_kernel_is_no_workspace() {
    for workspace in ["/home/ada", "/home", "/", "/proc/self/fd/8", "/dev/shm/x"] {
        let mut host = host();
        host.workspace = workspace.into();
        host.git_common_directory = None;
        assert!(refused(&run_spec(), &host).iter().any(|problem| problem.code == Code::LaunchTarget), "{workspace}");
    }
}

#[test]
fn an_account_cannot_end_its_line() {
    let mut host = host();
    host.user = "a:0:0\nroot".into();
    assert_eq!(launched(&run_spec(), &host).passwd, "user:x:1000:100::/home/ada:/bin/sh");
}

#[test]
fn the_profile_is_json_for_both_architectures() {
    let profile: serde_json::Value = serde_json::from_str(profile::SECCOMP).expect("JSON");
    let named: Vec<&str> = profile["archMap"].as_array().into_iter().flatten().filter_map(|arch| arch["architecture"].as_str()).collect();
    assert_eq!((named, profile["defaultAction"].as_str()), (vec!["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"], Some("SCMP_ACT_ERRNO")));
}

#[test]
fn what_the_host_trusts_and_how_it_reaches_the_network_holds_in_the_container() {
    let mut host = host();
    host.certificates = Some("/etc/pki/bundle.pem".into());
    host.proxies = BTreeMap::from([("HTTPS_PROXY".to_string(), "http://proxy.example.test:3128".to_string())]);
    let launch = launched(&run_spec(), &host);
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    let mounted = LaunchMount::Bind { source: "/etc/pki/bundle.pem".into(), target: bundle.into(), access: Access::ReadOnly };
    assert!(launch.mounts.contains(&mounted), "{:?}", launch.mounts);
    for name in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
        assert_eq!(launch.env[name], bundle, "{name}");
    }
    for name in ["HTTPS_PROXY", "https_proxy"] {
        assert_eq!(launch.env[name], "http://proxy.example.test:3128", "{name}");
    }
    let without = launched(&run_spec(), &self::host());
    assert!(!without.env.contains_key("SSL_CERT_FILE") && !without.env.contains_key("HTTPS_PROXY"));
}
