//! `define`, and what stands in a definition.

use super::steps::{APT, BIN, CARGO, COPY, DOWNLOAD, GO, NPM, PATH, PIP, RUN, STEP_ENV, VERSIONS};
use super::{ARGS, COMMAND, DOC, EXTENSIONS, MOUNT, POST_BUILD, PRE_RUN, RULE, SERVER_ENV, optional, property, required};
use crate::schema::{Merge, NodeRule, Type};

/// The kinds of things that can be defined.
pub const KINDS: &[&str] = &["base", "language", "tool", "lsp", "mcp", "agent", "client"];

/// What an `install` block without a name is called.
pub const DEFAULT_SOURCE: &str = "default";

pub(super) static DEFINE: NodeRule = NodeRule {
    name: "define",
    doc: "Describes a language, tool, server, agent, base or client in the words that silo's own catalog uses.",
    example: include_str!("../../../schemas/examples/define.kdl"),
    arguments: &[required("kind", Type::OneOf(KINDS)), required("name", Type::Name)],
    properties: &[property(
        "extends",
        Type::Name,
        "A definition of the same kind that this one is put on top of: what this one says wins, lists are added up, and `(remove)` and `(replace)` do what they do between files. Its own name means silo's.",
    )],
    children: &[
        &DOC,
        &DEFINE_OPTION,
        &WHEN_OPTION,
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
        &BRINGS_LSP,
        &BRINGS_MCP,
        &BRINGS_TOOL,
        &MOUNT,
        &PRE_RUN,
        &POST_BUILD,
        &DEFAULT,
        &SUITE,
        &SECTIONS,
        &UPDATES,
        &PACKAGES,
        &FETCH_PACKAGES,
        &ALIAS,
        &DETECT,
    ],
    merge: Merge::Closed,
    ..RULE
};

static DEFINE_OPTION: NodeRule = NodeRule {
    name: "option",
    doc: "Something that users can set. `version` is an option of every definition. `%{option.NAME}` stands for its value, and `%{NAME}` too where that means nothing else. A list is its values with spaces between them, a map is `name=value` words; what a shell would take apart is in single quotes.",
    arguments: &[required("name", Type::Name)],
    properties: &[
        property("type", Type::Text, "A type, as in contracts; `string` unless told otherwise."),
        property("default", Type::Scalar, "Its value unless it is set; without one it must be set. Of a list or map, the words of it."),
        property("doc", Type::Text, "What it is for."),
    ],
    children: &[&DOC, &OPTION_ENUM],
    merge: Merge::Keyed,
    ..RULE
};

static OPTION_ENUM: NodeRule = NodeRule {
    name: "enum",
    doc: "All values that it may have.",
    arguments: &[required("value", Type::Scalar)],
    rest: Some(optional("value", Type::Scalar)),
    ..RULE
};

static WHEN_OPTION: NodeRule = NodeRule {
    name: "when",
    doc: "Nodes of the definition that hold only where options have these values. In a pattern `*` stands for any characters, a bar separates alternatives, and `!` before it means the opposite.",
    other_properties: Some(property("*", Type::Scalar, "`option.NAME`: the value that the option has.")),
    children: &[
        &WHEN_OPTION,
        &INSTALL,
        &CHECK,
        &SERVER_ENV,
        &PATH,
        &COMMAND,
        &ARGS,
        &EXTENSIONS,
        &STATE,
        &FILE,
        &REQUIRES,
        &BRINGS_LSP,
        &BRINGS_MCP,
        &BRINGS_TOOL,
        &MOUNT,
        &PRE_RUN,
        &POST_BUILD,
    ],
    merge: Merge::List,
    ..RULE
};

/// What the nodes share that name what comes along.
const BRINGS: NodeRule =
    NodeRule { arguments: &[required("name", Type::Name)], rest: Some(optional("name", Type::Name)), merge: Merge::Words, ..RULE };

static BRINGS_LSP: NodeRule = NodeRule {
    name: "lsp",
    doc: "Language servers that come along, as if they were asked for beside it; in an agent's definition, for that agent.",
    ..BRINGS
};

static BRINGS_MCP: NodeRule = NodeRule {
    name: "mcp",
    doc: "MCP servers that come along, as if they were asked for beside it; in an agent's definition, for that agent.",
    ..BRINGS
};

static BRINGS_TOOL: NodeRule = NodeRule { name: "tool", doc: "Tools that come along, as if they were asked for beside it.", ..BRINGS };

static INSTALL: NodeRule = NodeRule {
    name: "install",
    doc: "How to install it from one source, which is called `default` unless told otherwise. The blocks stand in order of preference.",
    arguments: &[optional("source", Type::Name)],
    children: &[&ARCH, &REQUIRES, &VERSIONS, &APT, &DOWNLOAD, &NPM, &PIP, &GO, &CARGO, &COPY, &RUN, &BIN, &PATH, &STEP_ENV],
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
    properties: &[
        property("contains", Type::Text, "What its output must contain."),
        property(
            "matches",
            Type::Text,
            "A regular expression that its output must match; what a placeholder in it stands for is taken as it is.",
        ),
    ],
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
        property("env_ref", Type::Text, "How an entry refers to a variable of the container; `%{name}` is its name."),
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

static REMOTE_URL: NodeRule = NodeRule {
    name: "url",
    doc: "Where an MCP server listens that is somewhere else: nothing is installed for it.",
    arguments: &[required("url", Type::Url)],
    properties: &[property("transport", Type::OneOf(&["http", "sse"]), "How it speaks; `http` unless told otherwise.")],
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

static UPDATES: NodeRule = NodeRule {
    name: "updates",
    doc: "Suites with newer versions of the release's packages, such as security updates: of each package the newest of all is taken. `%{suite}` is the release's code name.",
    arguments: &[required("suite", Type::Text)],
    rest: Some(optional("suite", Type::Text)),
    properties: &[property(
        "beside",
        Type::Text,
        "The folder of the archive that has them, beside that of the release, where no source of this machine names it; without it they are in the same archive.",
    )],
    merge: Merge::List,
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

static ALIAS: NodeRule = NodeRule {
    name: "alias",
    doc: "Other names of it, by which `silo import` finds it: arguments are names that version managers use, and prefixes (`npm:`) of packages that run on it.",
    rest: Some(optional("name", Type::Text)),
    properties: &[
        property("feature", Type::Text, "A development container's feature that installs it: its name without registry and version."),
        property("image", Type::Text, "An image that holds it: its name without registry and tag."),
    ],
    merge: Merge::List,
    ..RULE
};

static DETECT: NodeRule = NodeRule {
    name: "detect",
    doc: "What gives it away in a repository, for `silo init --detect`, and how `version_file=` reads its version: files of the root or of \
folders below it, `*` standing for any part of a name. With `json`, `toml` or `match` only those that say a version count. Of several, the \
first `detect` decides.",
    rest: Some(optional("file", Type::Text)),
    properties: &[
        property("json", Type::Text, "Where in a JSON file the version stands: names, split at dots; of a list its first value."),
        property("toml", Type::Text, "Where in a TOML file the version stands: names, split at dots; of a list its first value."),
        property(
            "match",
            Type::Regex,
            "A regular expression that the value must match, without `json` and `toml` a line; its first group is the version.",
        ),
        property(
            "version",
            Type::Text,
            "The version that is asked for, where a word of the file stands for one; in place of the first group.",
        ),
        property("language", Type::Name, "A language: where that is found, this is proposed with it."),
    ],
    merge: Merge::List,
    ..RULE
};
