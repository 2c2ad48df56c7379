//! An image and a launch for Apple's `container`: a Dockerfile, a context and `build.json`, which holds the exact command lines.
//!
//! What that tool cannot do is refused here, by name, and not found out on somebody's Mac. Facts are from its sources at the tags 1.0.0 to
//! 1.2.2: <https://github.com/apple/container>.

mod spec;

use std::collections::{BTreeMap, BTreeSet};

pub use spec::AppleSpec;
use spec::{Argv, Build, BuildJson, Builder, IdentityJson, Inputs, MountJson, Requires, Run, RunEnvJson, SecretJson, Sizes, StagedFile};

use super::{Launch, LaunchMount, Limits};
use crate::digest::sha256_hex;
use crate::emit::dockerfile;
use crate::identity::{Identity, labels, reference};
use crate::plan::shell::LINK_FILES;
use crate::plan::{From, Operation, Plan, RunMount};
use crate::problem::{Code, Problem, Problems};
use crate::spec::Access;

/// What a request to the builder may hold in all. The builder takes a Dockerfile of less than 16,384 bytes, in one header together with
/// everything else, and fails obscurely somewhat below that.
const BUDGET: usize = 12_288;
/// The least memory of a container, in bytes.
const LEAST_MEMORY: u64 = 200 << 20;
const MEBIBYTE: u64 = 1 << 20;
/// Apple's machines.
const PLATFORM: &str = "linux/arm64";
/// Where files that are mounted one by one are found in the container.
const STAGED: &str = "/run/silo/staged";
/// The least version whose JSON, flags and checks silo knows.
const LEAST_VERSION: &str = "1.0.0";

/// What only the caller knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppleOptions {
    /// Build secrets that there are: identifier to file.
    pub secrets: BTreeMap<String, String>,
    /// Sources of mounts that are single files. Sharing one would show the machine its whole folder, so they are copied.
    pub files: BTreeSet<String>,
    /// The folder of the host into which such files are copied for this launch.
    pub staging: String,
}

/// Makes the specification.
///
/// # Errors
/// `apple::unsupported` for what the tool cannot do and `apple::too-large` for a Dockerfile that its builder would refuse.
pub fn apple(plan: &Plan, identity: &Identity, launch: Option<&Launch>, options: &AppleOptions) -> Result<AppleSpec, Problems> {
    let mut problems = Problems::default();
    let text = dockerfile(plan);
    let tag = reference(plan, identity);
    let labels = labels(identity);
    let secrets: BTreeMap<&String, &String> = options.secrets.iter().filter(|(id, _)| secret_ids(plan).contains(*id)).collect();
    for path in secrets.values() {
        if path.contains(',') {
            unsupported(&mut problems, format!("the path `{}` of a build secret holds a comma", path.escape_debug()));
        }
    }
    check_labels(&labels, &mut problems);

    let mut build_argv: Vec<String> = words(&["container", "build", "--file", "Dockerfile", "--tag", &tag, "--platform", PLATFORM]);
    build_argv.extend(words(&["--target", &plan.target.0]));
    for (key, value) in &labels {
        build_argv.extend(words(&["--label", &format!("{key}={value}")]));
    }
    for (id, path) in &secrets {
        build_argv.extend(words(&["--secret", &format!("id={id},src={path}")]));
    }
    build_argv.extend(words(&["--progress", "plain", "context"]));

    let metadata = build_argv.iter().map(String::len).sum::<usize>() + text.len();
    if metadata > BUDGET {
        let message = format!("the Dockerfile and its arguments are {metadata} bytes, and Apple's builder is known to take {BUDGET}");
        problems.push(Problem::new(Code::AppleTooLarge, message).help("leave out components, or put scripts of the same kind together"));
    }
    let run = launch.map(|launch| run(launch, options, &mut problems));
    if problems.has_errors() {
        return Err(problems);
    }
    let mut because = BTreeMap::from([("1.0.0", vec!["json shapes"])]);
    if !secrets.is_empty() {
        because.insert("0.11.0", vec!["build.secrets"]);
    }
    if run.is_some() {
        because.insert("0.12.0", vec!["run.cap_drop"]);
        because.insert("0.10.0", vec!["run.init"]);
        because.insert("0.9.0", vec!["run.ulimit"]);
        because.insert("0.8.0", vec!["run.read_only"]);
    }
    let base = plan.stages.iter().find_map(|stage| match (&stage.from, stage.name.0.as_str()) {
        (From::Image(image), "base") => Some(image.clone()),
        (From::Image(_) | From::Stage(_), _) => None,
    });
    let (run, run_argv) = run.unzip();
    let json = BuildJson {
        schema: "silo/apple-container-build/v1",
        identity: IdentityJson {
            algorithm: "sha256",
            hash: identity.to_string(),
            inputs: Inputs {
                dockerfile: format!("sha256:{}", sha256_hex(text.as_bytes())),
                context: format!("sha256:{}", sha256_hex(&crate::emit::context_tar(plan))),
                args: BTreeMap::new(),
                target: plan.target.0.clone(),
                platform: PLATFORM,
                base: base.unwrap_or_default(),
                secret_ids: secret_ids(plan).into_iter().collect(),
            },
        },
        requires: Requires { container: format!(">={LEAST_VERSION}"), macos: ">=15", because },
        builder: Builder { cpus: None, memory: None, unset_env: vec!["BUILDKIT_COLORS", "NO_COLOR"] },
        build: Build {
            file: "Dockerfile",
            context: "context",
            target: plan.target.0.clone(),
            platform: PLATFORM,
            tags: vec![tag],
            args: BTreeMap::new(),
            labels,
            secrets: secrets.iter().map(|(id, path)| SecretJson { id: id.to_string(), src: path.to_string() }).collect(),
            ssh: false,
            pull: false,
            no_cache: false,
            progress: "plain",
        },
        limits: Sizes { dockerfile_bytes: text.len(), metadata_bytes: metadata, max_metadata_bytes: BUDGET },
        run,
        argv: Argv { build: build_argv, run: run_argv },
    };
    let json = serde_json::to_string_pretty(&json).expect("plain values can always be written");
    Ok(AppleSpec { build: format!("{json}\n"), dockerfile: text, context: plan.context.clone() })
}

fn secret_ids(plan: &Plan) -> BTreeSet<String> {
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    let mounts = steps.flat_map(|step| match &step.operation {
        Operation::Run { argv: _, mounts } => mounts.as_slice(),
        Operation::Argument { .. } | Operation::CopyContext { .. } | Operation::CopyStage { .. } | Operation::Env { .. } => &[],
        Operation::Path { .. } | Operation::User { .. } | Operation::Label { .. } => &[],
    });
    mounts
        .filter_map(|mount| match mount {
            RunMount::Secret { id, target: _, mode: _ } => Some(id.clone()),
            RunMount::Context { source: _, target: _ } => None,
        })
        .collect()
}

fn run(launch: &Launch, options: &AppleOptions, problems: &mut Problems) -> (Run, Vec<String>) {
    let Launch { name, image, argv, env, workdir, user, passwd: _, group: _, mounts, tmpfs, create: _, limits, labels, terminal } = launch;
    let Limits { milli_cpus, memory, pids } = limits;
    check_labels(labels, problems);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !(2..=63).contains(&name.len()) || !name.chars().all(plain) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        unsupported(problems, format!("`{}` is no name of a container", name.escape_debug()));
    }
    let (list, staged) = shares(mounts, options, problems);
    let mut command = argv.clone();
    if !staged.is_empty() {
        let mut linked: Vec<String> = words(&["/bin/sh", "-c", LINK_FILES, "silo", &staged.len().to_string()]);
        for (index, file) in staged.iter().enumerate() {
            linked.extend([format!("{STAGED}/{index}"), file.target.clone()]);
        }
        linked.extend(command);
        command = linked;
    }
    let entrypoint = if command.is_empty() { String::new() } else { command.remove(0) };
    if entrypoint.is_empty() || entrypoint.starts_with('-') {
        unsupported(problems, format!("`{}` cannot be started", entrypoint.escape_debug()));
    }
    let cpus = milli_cpus.map(|milli| milli.div_ceil(1000).max(1));
    if let Some(memory) = memory.filter(|memory| *memory < LEAST_MEMORY) {
        unsupported(problems, format!("{memory} bytes of memory are less than the 200 MiB that a container needs"));
    }
    let memory = memory.map(|memory| format!("{}M", memory.div_ceil(MEBIBYTE)));

    let mut line = words(&["container", "run", "--rm", "--name", name, "--interactive"]);
    if *terminal {
        line.push("--tty".to_string());
    }
    let user = format!("{}:{}", user.0, user.1);
    line.extend(words(&["--init", "--read-only", "--user", &user, "--workdir", workdir, "--entrypoint", &entrypoint]));
    if let Some(cpus) = cpus {
        line.extend(words(&["--cpus", &cpus.to_string()]));
    }
    if let Some(memory) = &memory {
        line.extend(words(&["--memory", memory]));
    }
    line.extend(words(&["--cap-drop", "ALL", "--ulimit", &format!("nproc={pids}:{pids}")]));
    for path in tmpfs.keys() {
        line.extend(words(&["--tmpfs", path]));
    }
    for mount in &list {
        line.extend(words(&["--volume", &mount.volume()]));
    }
    for (name, value) in env {
        line.extend(words(&["--env", &format!("{name}={value}")]));
    }
    for (key, value) in labels {
        line.extend(words(&["--label", &format!("{key}={value}")]));
    }
    line.push(image.clone());
    line.extend(command.iter().cloned());
    let run = Run {
        name: name.clone(),
        image: image.clone(),
        cpus,
        memory,
        user,
        workdir: workdir.clone(),
        entrypoint,
        command,
        env: RunEnvJson { set: env.clone(), inherit: Vec::new() },
        mounts: list,
        tmpfs: tmpfs.keys().cloned().collect(),
        network: "default",
        ssh_agent: false,
        init: true,
        read_only: true,
        cap_drop: vec!["ALL"],
        cap_add: Vec::new(),
        ulimits: BTreeMap::from([("nproc", *pids)]),
        publish: Vec::new(),
        tty: *terminal,
        interactive: true,
        remove: true,
        labels: labels.clone(),
    };
    (run, line)
}

/// Folders are shared, files copied. The tool makes one share of a folder that is mounted twice, and its first mode decides for both.
fn shares(mounts: &[LaunchMount], options: &AppleOptions, problems: &mut Problems) -> (Vec<MountJson>, Vec<StagedFile>) {
    let (mut list, mut staged) = (Vec::new(), Vec::new());
    let mut modes: BTreeMap<&String, Access> = BTreeMap::new();
    for mount in mounts {
        let (source, target) = match mount {
            LaunchMount::Bind { source, target, access: _ } => (source, target),
            LaunchMount::Volume { name, target } => (name, target),
        };
        if source.contains(':') || target.contains(':') {
            unsupported(
                problems,
                format!("the mount of `{}` at `{}` has a colon in its path", source.escape_debug(), target.escape_debug()),
            );
        }
        match mount {
            LaunchMount::Bind { source, target, access } if options.files.contains(source) => {
                staged.push(StagedFile { source: source.clone(), target: target.clone(), write_back: *access == Access::ReadWrite });
            }
            LaunchMount::Bind { source, target, access } => {
                if modes.insert(source, *access).is_some_and(|before| before != *access) {
                    let message = format!("the folder `{}` is mounted twice, once to read and once to write", source.escape_debug());
                    unsupported(problems, message);
                }
                list.push(MountJson::Dir { source: source.clone(), target: target.clone(), read_only: *access == Access::ReadOnly });
            }
            LaunchMount::Volume { name, target } => {
                list.push(MountJson::Volume { source: name.clone(), target: target.clone(), exclusive: true });
            }
        }
    }
    if !staged.is_empty() {
        if options.staging.contains(':') || !options.staging.starts_with('/') {
            unsupported(problems, format!("files cannot be shared from `{}`", options.staging.escape_debug()));
        }
        let read_only = !staged.iter().any(|file| file.write_back);
        let files = staged.clone();
        list.push(MountJson::Staged { source: options.staging.clone(), target: STAGED.to_string(), read_only, files });
    }
    (list, staged)
}

fn check_labels(labels: &BTreeMap<String, String>, problems: &mut Problems) {
    for (key, value) in labels {
        if key.contains('=') || value.contains('=') {
            unsupported(problems, format!("the label {} holds `=`", key.escape_debug()));
        }
    }
}

fn unsupported(problems: &mut Problems, message: String) {
    problems.push(Problem::new(Code::AppleUnsupported, message).help("use the docker backend for this"));
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}
