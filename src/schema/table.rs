//! The table itself: data, in the order in which the reference page shows it. The examples are files of `schemas/examples/`.

use super::{ArgumentRule, Merge, NodeRule, PropertyRule, Type};

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
    &DEFINE,
];

/// The nodes at the top of a file of the catalog.
pub static CATALOG: &[&NodeRule] = &[&DEFINE];

/// What can be done while the image is built.
pub static STEPS: &[&NodeRule] = &[&APT, &DOWNLOAD, &NPM, &PIP, &COPY, &RUN, &BIN, &PATH, &STEP_ENV];

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

static USE: NodeRule = NodeRule {
    name: "use",
    doc: "Which engine and which agent to use when the command line names none.",
    example: include_str!("../../schemas/examples/use.kdl"),
    properties: &[
        property("backend", Type::OneOf(&["docker", "apple"]), "What builds the image and runs the container."),
        property("agent", Type::Name, "The agent that `silo` alone starts."),
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
    children: &[&DOC, &APT, &DOWNLOAD, &NPM, &PIP, &COPY, &RUN, &BIN, &PATH, &STEP_ENV],
    merge: Merge::Keyed,
    ..RULE
};

const VERSION: PropertyRule =
    property("version", Type::Version, "The version: exact, a range, or `latest`. The lock pins what it is resolved to.");
const SOURCE: PropertyRule =
    property("source", Type::Name, "Which of the definition's `install` blocks to use; without it, the first that works.");
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
    properties: &[VERSION, SOURCE],
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
    properties: &[VERSION, SOURCE],
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
    properties: &[VERSION, SOURCE],
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
    properties: &[VERSION, SOURCE],
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
    arguments: &[required("path", Type::Path)],
    rest: Some(optional("path", Type::Path)),
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

/// The kinds of things that can be defined.
pub const KINDS: &[&str] = &["base", "language", "tool", "lsp", "mcp", "agent", "client"];

static DEFINE: NodeRule = NodeRule {
    name: "define",
    doc: "Describes a language, tool, server, agent, base or client in the words that silo's own catalog uses.",
    example: include_str!("../../schemas/examples/define.kdl"),
    arguments: &[required("kind", Type::OneOf(KINDS)), required("name", Type::Name)],
    children: &[
        &DOC,
        &DEFINE_OPTION,
        &INSTALL,
        &CHECK,
        &SERVER_ENV,
        &PATH,
        &COMMAND,
        &REMOTE_URL,
        &ARGS,
        &SUBCOMMANDS,
        &EXTENSIONS,
        &STATE,
        &FILE,
        &REGISTER,
        &REQUIRES,
        &MOUNT,
        &PRE_RUN,
        &POST_BUILD,
        &DEFAULT,
        &SUITE,
        &SECTIONS,
        &PACKAGES,
        &FETCH_PACKAGES,
    ],
    merge: Merge::Closed,
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

static REMOTE_URL: NodeRule = NodeRule {
    name: "url",
    doc: "Where an MCP server listens that is somewhere else: nothing is installed for it.",
    arguments: &[required("url", Type::Url)],
    properties: &[property("transport", Type::OneOf(&["http", "sse"]), "How it speaks; `http` unless told otherwise.")],
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

static APT: NodeRule = NodeRule {
    name: "apt",
    doc: "Packages of the distribution; `name=version` asks for one version.",
    example: include_str!("../../schemas/examples/apt.kdl"),
    arguments: &[required("package", Type::Text)],
    rest: Some(optional("package", Type::Text)),
    merge: Merge::Words,
    ..RULE
};

static DOWNLOAD: NodeRule = NodeRule {
    name: "download",
    doc: "A file or an archive, which is unpacked. Without a checksum, the lock trusts what it sees first.",
    example: include_str!("../../schemas/examples/download.kdl"),
    arguments: &[required("url", Type::Url)],
    properties: &[
        property("to", Type::Path, "The folder, or the file when it is no archive."),
        property("strip", Type::Integer, "How many leading folders of the archive's paths to leave out."),
    ],
    children: &[&SHA256, &CHECKSUMS],
    merge: Merge::List,
    ..RULE
};

static SHA256: NodeRule = NodeRule {
    name: "sha256",
    doc: "The checksum, for every architecture or for each.",
    arguments: &[optional("hex", Type::Text)],
    properties: &[
        property("amd64", Type::Text, "The checksum of the file for amd64."),
        property("arm64", Type::Text, "The checksum of the file for arm64."),
    ],
    ..RULE
};

static CHECKSUMS: NodeRule = NodeRule {
    name: "checksums",
    doc: "The URL of a list of checksums, as `sha256sum` writes it.",
    arguments: &[required("url", Type::Url)],
    ..RULE
};

static NPM: NodeRule = NodeRule {
    name: "npm",
    doc: "A package of the npm registry.",
    example: include_str!("../../schemas/examples/npm.kdl"),
    arguments: &[required("package", Type::Text)],
    properties: &[property("version", Type::Version, "The version or range.")],
    merge: Merge::List,
    ..RULE
};

static PIP: NodeRule = NodeRule {
    name: "pip",
    doc: "A package of the Python package index.",
    example: include_str!("../../schemas/examples/pip.kdl"),
    arguments: &[required("package", Type::Text)],
    properties: &[property("version", Type::Version, "The version or range.")],
    merge: Merge::List,
    ..RULE
};

static COPY: NodeRule = NodeRule {
    name: "copy",
    doc: "A file of the project.",
    example: include_str!("../../schemas/examples/copy.kdl"),
    arguments: &[required("source", Type::Path), required("target", Type::Path)],
    properties: &[property("mode", Type::Mode, "Its permissions.")],
    merge: Merge::List,
    ..RULE
};

static RUN: NodeRule = NodeRule {
    name: "run",
    doc: "A script that runs while the image is built.",
    example: include_str!("../../schemas/examples/run.kdl"),
    arguments: &[required("script", Type::Script)],
    properties: &[ID, AS],
    merge: Merge::List,
    ..RULE
};

static BIN: NodeRule = NodeRule {
    name: "bin",
    doc: "A command on the PATH.",
    example: include_str!("../../schemas/examples/bin.kdl"),
    arguments: &[required("name", Type::Text), required("target", Type::Path)],
    merge: Merge::List,
    ..RULE
};

static PATH: NodeRule = NodeRule {
    name: "path",
    doc: "Folders added to the PATH.",
    example: include_str!("../../schemas/examples/path.kdl"),
    arguments: &[required("folder", Type::Path)],
    rest: Some(optional("folder", Type::Path)),
    merge: Merge::Words,
    ..RULE
};

static STEP_ENV: NodeRule = NodeRule {
    name: "env",
    doc: "Variables that are set from this step on.",
    example: include_str!("../../schemas/examples/step-env.kdl"),
    other_properties: Some(property("*", Type::Text, "The value of the variable of that name.")),
    merge: Merge::Variables,
    ..RULE
};

// What stands in a definition.

static DEFINE_OPTION: NodeRule = NodeRule {
    name: "option",
    doc: "Something that users can set. `version` is an option of every definition.",
    arguments: &[required("name", Type::Name)],
    properties: &[
        property("type", Type::Text, "`string`, `int`, `bool`, `version`, `path`, `url` or `enum:a,b`."),
        property("default", Type::Scalar, "Its value unless it is set; without one it must be set."),
    ],
    children: &[&DOC],
    merge: Merge::Keyed,
    ..RULE
};

static INSTALL: NodeRule = NodeRule {
    name: "install",
    doc: "How to install it from one source. The blocks stand in order of preference.",
    arguments: &[required("source", Type::Name)],
    children: &[&ARCH, &REQUIRES, &APT, &DOWNLOAD, &NPM, &PIP, &COPY, &RUN, &BIN, &PATH, &STEP_ENV],
    merge: Merge::Keyed,
    ..RULE
};

static ARCH: NodeRule = NodeRule {
    name: "arch",
    doc: "What `%{arch}` stands for in this block, by architecture.",
    properties: &[property("amd64", Type::Text, "The word for amd64."), property("arm64", Type::Text, "The word for arm64.")],
    ..RULE
};

static REQUIRES: NodeRule = NodeRule {
    name: "requires",
    doc: "What it needs to run; silo adds it by itself.",
    properties: &[
        property("language", Type::Name, "A language."),
        property("tool", Type::Name, "A tool."),
        property("lsp", Type::Name, "A language server."),
        property("mcp", Type::Name, "An MCP server."),
    ],
    merge: Merge::List,
    ..RULE
};

static CHECK: NodeRule = NodeRule {
    name: "check",
    doc: "A command that is run in the finished image to see that it works.",
    arguments: &[required("program", Type::Text)],
    rest: Some(optional("argument", Type::Text)),
    properties: &[property("contains", Type::Text, "What its output must contain.")],
    merge: Merge::List,
    ..RULE
};

static STATE: NodeRule = NodeRule {
    name: "state",
    doc: "Folders of the home directory that silo keeps for the project.",
    arguments: &[required("folder", Type::Path)],
    rest: Some(optional("folder", Type::Path)),
    merge: Merge::Words,
    ..RULE
};

static FILE: NodeRule = NodeRule {
    name: "file",
    doc: "A file of the image, and what is in it.",
    arguments: &[required("path", Type::Path), required("content", Type::Text)],
    merge: Merge::List,
    ..RULE
};

static REGISTER: NodeRule = NodeRule {
    name: "register",
    doc: "How servers are made known to the agent: the file they are written to, and the pattern of an entry.",
    arguments: &[required("kind", Type::OneOf(&["mcp", "lsp"]))],
    properties: &[
        property("file", Type::Path, "The file."),
        property("format", Type::OneOf(&["json", "toml"]), "What the file is written in."),
        property("key", Type::Text, "Where in the file the entries stand, split at dots; empty for the top."),
        property("env-ref", Type::Text, "How an entry refers to a variable of the container; `%{name}` is its name."),
    ],
    children: &[&REGISTER_ARG, &STEP_ENV, &LOCAL, &REMOTE],
    merge: Merge::Keyed,
    ..RULE
};

static REGISTER_ARG: NodeRule = NodeRule {
    name: "arg",
    doc: "Arguments added to the agent's command when there is at least one server.",
    arguments: &[required("argument", Type::Text)],
    rest: Some(optional("argument", Type::Text)),
    merge: Merge::List,
    ..RULE
};

static LOCAL: NodeRule =
    NodeRule { name: "local", doc: "The entry of a server that runs in the container.", other_children: Some(&PATTERN), ..RULE };

static REMOTE: NodeRule = NodeRule { name: "remote", doc: "The entry of a server with a URL.", other_children: Some(&PATTERN), ..RULE };

/// A field of a pattern: a scalar, a list (several values or `(list)`), or a table (a block).
pub static PATTERN: NodeRule = NodeRule {
    name: "*",
    doc: "A field of the entry: one value, a list (several values, or `(list)` before the name), or a table (a block).",
    rest: Some(optional("value", Type::Scalar)),
    other_children: Some(&PATTERN),
    ..RULE
};

static SUBCOMMANDS: NodeRule = NodeRule {
    name: "subcommands",
    doc: "Words that, as the first argument, name a subcommand of the agent: it is then started without the flags of `command`.",
    arguments: &[required("word", Type::Text)],
    rest: Some(optional("word", Type::Text)),
    merge: Merge::Words,
    ..RULE
};

static DEFAULT: NodeRule = NodeRule {
    name: "default",
    doc: "The release used where no base is given; one base of the catalog has it.",
    arguments: &[required("suite", Type::Text)],
    ..RULE
};

static SUITE: NodeRule = NodeRule {
    name: "suite",
    doc: "A release of the distribution: its code name, and the tags by which it is known too.",
    arguments: &[required("name", Type::Text)],
    rest: Some(optional("tag", Type::Text)),
    other_properties: Some(property("*", Type::Scalar, "What else is known about the release.")),
    other_children: Some(&PATTERN),
    merge: Merge::Keyed,
    ..RULE
};

static SECTIONS: NodeRule = NodeRule {
    name: "sections",
    doc: "The sections of the archive that packages come from.",
    arguments: &[required("name", Type::Text)],
    rest: Some(optional("name", Type::Text)),
    merge: Merge::Words,
    ..RULE
};

static PACKAGES: NodeRule = NodeRule {
    name: "packages",
    doc: "Packages that every image gets.",
    arguments: &[required("package", Type::Text)],
    rest: Some(optional("package", Type::Text)),
    merge: Merge::Words,
    ..RULE
};

static FETCH_PACKAGES: NodeRule = NodeRule {
    name: "fetch_packages",
    doc: "Packages of the stage that downloads and unpacks.",
    arguments: &[required("package", Type::Text)],
    rest: Some(optional("package", Type::Text)),
    merge: Merge::Words,
    ..RULE
};
