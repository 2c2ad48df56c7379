//! The table itself: data, in the order in which the reference page shows it. The examples are files of `schemas/examples/`.

mod contract;
mod define;
mod steps;

use super::{ArgumentRule, Merge, NodeRule, PropertyRule, Type};
use define::DEFINE;
use steps::{APT, BIN, CARGO, COPY, DOWNLOAD, GO, NPM, PATH, PIP, RUN, STEP_ENV};

pub use contract::CONTRACT;
pub use define::{DEFAULT_SOURCE, KINDS, PATTERN};

const fn required(name: &'static str, kind: Type) -> ArgumentRule {
    ArgumentRule { name, kind, required: true }
}

const fn optional(name: &'static str, kind: Type) -> ArgumentRule {
    ArgumentRule { name, kind, required: false }
}

const fn property(name: &'static str, kind: Type, doc: &'static str) -> PropertyRule {
    PropertyRule { name, doc, kind }
}

/// What most rules share; `..RULE` fills in what a node does not have.
const RULE: NodeRule = NodeRule {
    name: "",
    doc: "",
    example: "",
    arguments: &[],
    rest: None,
    properties: &[],
    other_properties: None,
    children: &[],
    other_children: None,
    merge: Merge::Record,
    operator: "",
};

/// The nodes at the top of a `silo.kdl`.
pub static TOP: &[&NodeRule] = &[
    &SILO,
    &IMPORT,
    &LET,
    &VARS,
    &USE,
    &BASE,
    &LAYER,
    &LANGUAGE,
    &TOOL,
    &LSP,
    &MCP,
    &AGENT,
    &PRE_BUILD,
    &POST_BUILD,
    &PRE_RUN,
    &MOUNT,
    &CACHE,
    &ENV,
    &RESOURCES,
    &LOCK,
    &MIRROR,
    &WHEN,
    &REPO,
    &CONTRACT,
    &DEFINE,
];

/// The nodes that may stand under a condition: all but those that speak of their file.
pub static CONDITIONAL: &[&NodeRule] = &[
    &VARS,
    &USE,
    &BASE,
    &LAYER,
    &LANGUAGE,
    &TOOL,
    &LSP,
    &MCP,
    &AGENT,
    &PRE_BUILD,
    &POST_BUILD,
    &PRE_RUN,
    &MOUNT,
    &CACHE,
    &ENV,
    &RESOURCES,
    &LOCK,
    &MIRROR,
    &WHEN,
    &REPO,
    &CONTRACT,
    &DEFINE,
];

/// The conditions that are known only once `use` nodes have been read.
pub const CHOSEN: [&str; 2] = ["backend", "agent"];

/// What silo may do about a newer version of an agent, the least first.
pub const UPDATES: &[&str] = &["never", "notify", "auto"];

/// The nodes at the top of a file of the catalog.
pub static CATALOG: &[&NodeRule] = &[&DEFINE];

/// What can be done while the image is built.
pub static STEPS: &[&NodeRule] = &[&APT, &DOWNLOAD, &NPM, &PIP, &GO, &CARGO, &COPY, &RUN, &BIN, &PATH, &STEP_ENV];

static SILO: NodeRule = NodeRule {
    name: "silo",
    doc: "What this file needs of silo. `root=#true` stops silo from looking for files further up.",
    example: include_str!("../../schemas/examples/silo.kdl"),
    properties: &[
        property("edition", Type::OneOf(&["2026"]), "The edition of the language the file is written in."),
        property("min", Type::Version, "The oldest silo that can read the file."),
        property("root", Type::Bool, "Whether silo stops looking for files in the directories above."),
    ],
    merge: Merge::FileLocal,
    ..RULE
};

static IMPORT: NodeRule = NodeRule {
    name: "import",
    doc: "Reads another file as if it stood here, but weaker: what this file says wins. Two files imported side by side must agree.",
    example: include_str!("../../schemas/examples/import.kdl"),
    arguments: &[required("file", Type::Path)],
    properties: &[property("optional", Type::Bool, "Whether the file may be missing.")],
    merge: Merge::FileLocal,
    operator: "files outside the repository.",
    ..RULE
};

static LET: NodeRule = NodeRule {
    name: "let",
    doc: "A name for a value, known in this file only: `%{name}` in a text stands for it.",
    example: include_str!("../../schemas/examples/let.kdl"),
    arguments: &[required("name", Type::Name), required("value", Type::Scalar)],
    merge: Merge::FileLocal,
    ..RULE
};

static VARS: NodeRule = NodeRule {
    name: "vars",
    doc: "Names for values that every file knows and a stronger one can change: `%{vars.name}` stands for what holds in the end.",
    example: include_str!("../../schemas/examples/vars.kdl"),
    other_children: Some(&VAR),
    ..RULE
};

static VAR: NodeRule = NodeRule { name: "*", doc: "A name and its value.", arguments: &[required("value", Type::Scalar)], ..RULE };

static WHEN: NodeRule = NodeRule {
    name: "when",
    doc: "Nodes that hold only where all its conditions do. In a pattern `*` stands for any characters, a bar separates alternatives, and `!` before it means the opposite.",
    example: include_str!("../../schemas/examples/when.kdl"),
    properties: &[
        property("os", Type::Text, "The operating system of the host: `linux` or `macos`."),
        property("arch", Type::Text, "The architecture: `amd64` (or `x86_64`), `arm64` (or `aarch64`)."),
        property("platform", Type::Text, "Both, as in `linux/arm64`."),
        property("host", Type::Text, "The name of the host."),
        property("ci", Type::Bool, "Whether silo runs in CI, which is when the variable `CI` is set."),
        property("exists", Type::Path, "A file of the repository, relative to the folder of this file."),
        property("repo", Type::Text, "The repository, as in `github.com/acme/**`."),
        property("backend", Type::Text, "What builds the image and runs the container."),
        property("agent", Type::Text, "The agent whose image it is."),
    ],
    children: CONDITIONAL,
    merge: Merge::Condition,
    ..RULE
};

static REPO: NodeRule = NodeRule {
    name: "repo",
    doc: "Nodes that hold in some repositories only, by the URL of `origin`. In your own files they are stronger than what the repository says; the longest pattern is the strongest.",
    example: include_str!("../../schemas/examples/repo.kdl"),
    arguments: &[required("pattern", Type::Text)],
    children: CONDITIONAL,
    merge: Merge::Condition,
    ..RULE
};

static USE: NodeRule = NodeRule {
    name: "use",
    doc: "Which engine and which agent to use when the command line names none, and how silo keeps agents new.",
    example: include_str!("../../schemas/examples/use.kdl"),
    properties: &[
        property("backend", Type::OneOf(&["docker", "apple"]), "What builds the image and runs the container."),
        property("agent", Type::Name, "The agent that `silo` alone starts."),
        property(
            "update",
            Type::OneOf(UPDATES),
            "The most that silo does by itself to keep agents new, whatever their own `update` says; `auto` unless told otherwise.",
        ),
        property("update_hours", Type::Integer, "Hours between two looks for a newer agent; 24 unless told otherwise."),
    ],
    ..RULE
};

static BASE: NodeRule = NodeRule {
    name: "base",
    doc: "The root file system that everything else is put on, and steps that are carried out on it first.",
    example: include_str!("../../schemas/examples/base.kdl"),
    arguments: &[optional("image", Type::Text)],
    properties: &[property(
        "from",
        Type::OneOf(&["registry", "bootstrap"]),
        "Where it comes from: an image of a registry, or made here from the distribution's packages.",
    )],
    children: STEPS,
    ..RULE
};

static LAYER: NodeRule = NodeRule {
    name: "layer",
    doc: "Steps of your own, in an image layer of its own: changing one rebuilds that layer only.",
    example: include_str!("../../schemas/examples/layer.kdl"),
    arguments: &[required("name", Type::Name)],
    properties: &[property("after", Type::Name, "The layer that this one stands on.")],
    children: &[&DOC, &APT, &DOWNLOAD, &NPM, &PIP, &GO, &CARGO, &COPY, &RUN, &BIN, &PATH, &STEP_ENV],
    merge: Merge::Keyed,
    ..RULE
};

const VERSION: PropertyRule =
    property("version", Type::Version, "The version: exact, a range, or `latest`. The lock pins what it is resolved to.");
const VERSION_FILE: PropertyRule = property(
    "version_file",
    Type::Path,
    "A file of the repository that says the version, such as one of a version manager's, relative to this file; in place of `version`. The definition says how it is read (`silo doc`, `detect`).",
);
const SOURCE: PropertyRule =
    property("source", Type::Name, "Which of the definition's `install` blocks to use; without it, the first that works.");
const RELEASE_AGE: PropertyRule =
    property("release_age", Type::Duration, "How old a version has to be before the lock takes it, in place of what `lock` says.");
const OPTION: PropertyRule = property("*", Type::Scalar, "An option of the definition.");

static OPTION_NODE: NodeRule = NodeRule {
    name: "*",
    doc: "An option of the definition, written as a node.",
    rest: Some(optional("value", Type::Scalar)),
    other_properties: Some(OPTION),
    other_children: Some(&OPTION_NODE),
    ..RULE
};

static LANGUAGE: NodeRule = NodeRule {
    name: "language",
    doc: "A programming language's tool chain.",
    example: include_str!("../../schemas/examples/language.kdl"),
    arguments: &[required("name", Type::Name)],
    properties: &[VERSION, VERSION_FILE, SOURCE, RELEASE_AGE],
    other_properties: Some(OPTION),
    children: &[&LSP_NAMES],
    other_children: Some(&OPTION_NODE),
    merge: Merge::Keyed,
    ..RULE
};

static TOOL: NodeRule = NodeRule {
    name: "tool",
    doc: "A command-line tool.",
    example: include_str!("../../schemas/examples/tool.kdl"),
    arguments: &[required("name", Type::Name)],
    properties: &[VERSION, VERSION_FILE, SOURCE, RELEASE_AGE],
    other_properties: Some(OPTION),
    other_children: Some(&OPTION_NODE),
    merge: Merge::Keyed,
    ..RULE
};

static LSP: NodeRule = NodeRule {
    name: "lsp",
    doc: "A language server, installed and made known to the agent. With a `command` it may be one that the catalog does not know.",
    example: include_str!("../../schemas/examples/lsp.kdl"),
    arguments: &[required("name", Type::Name)],
    properties: &[VERSION, SOURCE, RELEASE_AGE],
    other_properties: Some(OPTION),
    children: &[&COMMAND, &EXTENSIONS, &SERVER_ENV],
    other_children: Some(&OPTION_NODE),
    merge: Merge::Keyed,
    ..RULE
};

static MCP: NodeRule = NodeRule {
    name: "mcp",
    doc: "An MCP server: one of the catalog, a command of your own, or the URL of a remote one.",
    example: include_str!("../../schemas/examples/mcp.kdl"),
    arguments: &[required("name", Type::Name)],
    properties: &[
        VERSION,
        SOURCE,
        RELEASE_AGE,
        property("url", Type::Url, "Where a remote server listens."),
        property("transport", Type::OneOf(&["http", "sse"]), "How a remote server speaks; `http` unless told otherwise."),
    ],
    other_properties: Some(OPTION),
    children: &[&COMMAND, &SERVER_ENV],
    other_children: Some(&OPTION_NODE),
    merge: Merge::Keyed,
    ..RULE
};

static AGENT: NodeRule = NodeRule {
    name: "agent",
    doc: "A coding agent, and what it alone gets.",
    example: include_str!("../../schemas/examples/agent.kdl"),
    arguments: &[required("name", Type::Name)],
    properties: &[
        VERSION,
        SOURCE,
        RELEASE_AGE,
        property(
            "update",
            Type::OneOf(UPDATES),
            "What silo does about a newer version, in the background: `auto` builds it and lets your next run start it, without a change to the lock; `notify` only tells you; `never` does not look. `notify` unless told otherwise.",
        ),
    ],
    other_properties: Some(OPTION),
    children: &[&ARGS, &MCP_NAMES, &LSP_NAMES, &ENV, &MOUNT, &PRE_RUN, &POST_BUILD, &COMMAND],
    other_children: Some(&OPTION_NODE),
    merge: Merge::Keyed,
    ..RULE
};

const ID: PropertyRule = property("id", Type::Name, "A name by which a stronger file can replace or remove it.");
const AS: PropertyRule = property("as", Type::OneOf(&["root", "user"]), "Who runs it.");

static PRE_BUILD: NodeRule = NodeRule {
    name: "pre_build",
    doc: "A script that root runs on the base while the image is built, before anything is installed. It never runs on the host.",
    example: include_str!("../../schemas/examples/pre-build.kdl"),
    arguments: &[required("script", Type::Script)],
    properties: &[ID],
    merge: Merge::List,
    ..RULE
};

static POST_BUILD: NodeRule = NodeRule {
    name: "post_build",
    doc: "A script that runs while the image is built, after everything is installed; inside an `agent` block, after that agent is.",
    example: include_str!("../../schemas/examples/post-build.kdl"),
    arguments: &[required("script", Type::Script)],
    properties: &[ID, AS],
    merge: Merge::List,
    ..RULE
};

static PRE_RUN: NodeRule = NodeRule {
    name: "pre_run",
    doc: "A script that runs inside each container before the agent starts.",
    example: include_str!("../../schemas/examples/pre-run.kdl"),
    arguments: &[required("script", Type::Script)],
    properties: &[ID],
    merge: Merge::List,
    ..RULE
};

static MOUNT: NodeRule = NodeRule {
    name: "mount",
    doc: "Files of the host that containers see. A relative path is one of the working directory.",
    example: include_str!("../../schemas/examples/mount.kdl"),
    arguments: &[required("source", Type::Path)],
    rest: Some(optional("source", Type::Path)),
    properties: &[
        property("to", Type::Path, "The absolute path inside the container; without it, the same path."),
        property("mode", Type::OneOf(&["ro", "rw"]), "Read-only or writable; `ro` unless told otherwise."),
        property("optional", Type::Bool, "Whether the path may be missing on the host."),
    ],
    merge: Merge::KeyedByTarget,
    operator: "paths outside the workspace.",
    ..RULE
};

static CACHE: NodeRule = NodeRule {
    name: "cache",
    doc: "A folder that outlives containers and is shared by those of one project.",
    example: include_str!("../../schemas/examples/cache.kdl"),
    arguments: &[required("name", Type::Name)],
    properties: &[property("to", Type::Path, "The folder inside the container.")],
    merge: Merge::Keyed,
    ..RULE
};

static ENV: NodeRule = NodeRule {
    name: "env",
    doc: "Environment variables. An argument passes the host's value through; a property sets one; the block says more about each.",
    example: include_str!("../../schemas/examples/env.kdl"),
    rest: Some(optional("name", Type::EnvName)),
    other_properties: Some(property("*", Type::Text, "The value of the variable of that name.")),
    other_children: Some(&VARIABLE),
    merge: Merge::Variables,
    operator: "values of the host (names as arguments, and `from=host`).",
    ..RULE
};

static VARIABLE: NodeRule = NodeRule {
    name: "*",
    doc: "A variable.",
    arguments: &[optional("value", Type::Text)],
    properties: &[
        property("from", Type::OneOf(&["host"]), "Takes the value from the host when a container starts."),
        property("phase", Type::OneOf(&["build", "run", "both"]), "When it is set; `run` unless told otherwise."),
        property("required", Type::Bool, "Whether it is an error when the host does not have it."),
        property("secret", Type::Bool, "Whether its value is kept out of everything silo prints."),
    ],
    merge: Merge::Record,
    ..RULE
};

static RESOURCES: NodeRule = NodeRule {
    name: "resources",
    doc: "What a container may use at most.",
    example: include_str!("../../schemas/examples/resources.kdl"),
    properties: &[
        property("cpus", Type::Number, "Processors."),
        property("memory", Type::Size, "Memory."),
        property("disk", Type::Size, "Disk. No backend limits it yet; silo says so."),
        property("pids", Type::Integer, "Processes and threads."),
    ],
    ..RULE
};

static LOCK: NodeRule = NodeRule {
    name: "lock",
    doc: "How versions get into the lock, and when silo reminds of looking for newer ones. Nothing of it is in the image.",
    example: include_str!("../../schemas/examples/lock.kdl"),
    children: &[&MINIMUM_AGE, &WARN_AFTER],
    ..RULE
};

static MIRROR: NodeRule = NodeRule {
    name: "mirror",
    doc: "Another place to fetch from: for all that begins with a URL, which ends with a slash, or for a registry of packages, `npm`, `pypi`, `go`, `crates` or `apt`. The longest beginning wins. Nothing of it is in the image or in the lock.",
    example: include_str!("../../schemas/examples/mirror.kdl"),
    arguments: &[required("from", Type::Text), required("to", Type::Url)],
    merge: Merge::Keyed,
    operator: "it, until you trust the project.",
    ..RULE
};

static MINIMUM_AGE: NodeRule = NodeRule {
    name: "release_age",
    doc: "How old a version has to be before the lock takes it, where its source says when it was released; `24h` unless told otherwise.",
    arguments: &[required("age", Type::Duration)],
    ..RULE
};

static WARN_AFTER: NodeRule = NodeRule {
    name: "warn_after",
    doc: "After how long without a look for newer versions silo says so; `30d` unless told otherwise, `never` turns it off.",
    arguments: &[required("after", Type::Text)],
    ..RULE
};

// What stands in the blocks of others.

static DOC: NodeRule =
    NodeRule { name: "doc", doc: "What people should know about it.", arguments: &[required("text", Type::Text)], ..RULE };

static LSP_NAMES: NodeRule = NodeRule {
    name: "lsp",
    doc: "Language servers by name, as at the top of the file.",
    arguments: &[required("name", Type::Name)],
    rest: Some(optional("name", Type::Name)),
    merge: Merge::Keyed,
    ..RULE
};

static MCP_NAMES: NodeRule = NodeRule {
    name: "mcp",
    doc: "MCP servers by name, as at the top of the file: this agent gets them, and no other does.",
    arguments: &[required("name", Type::Name)],
    rest: Some(optional("name", Type::Name)),
    merge: Merge::Keyed,
    ..RULE
};

static COMMAND: NodeRule = NodeRule {
    name: "command",
    doc: "The program and its arguments.",
    arguments: &[required("program", Type::Text)],
    rest: Some(optional("argument", Type::Text)),
    ..RULE
};

static ARGS: NodeRule = NodeRule {
    name: "args",
    doc: "Arguments added to the agent's command. Each `args` node is added whole.",
    arguments: &[required("argument", Type::Text)],
    rest: Some(optional("argument", Type::Text)),
    properties: &[ID],
    merge: Merge::List,
    ..RULE
};

static EXTENSIONS: NodeRule = NodeRule {
    name: "extensions",
    doc: "Which files the server is for: suffix and the language's identifier in the LSP.",
    other_properties: Some(property("*", Type::Text, "The language of files with that suffix.")),
    ..RULE
};

static SERVER_ENV: NodeRule = NodeRule {
    name: "env",
    doc: "The server's environment: an argument names a variable of the container that it needs, a property sets one.",
    rest: Some(optional("name", Type::EnvName)),
    other_properties: Some(property("*", Type::Text, "The value of the variable of that name.")),
    other_children: Some(&VARIABLE),
    merge: Merge::Variables,
    ..RULE
};
