//! What can be done while the image is built.

use super::{AS, ID, RULE, optional, property, required};
use crate::schema::{Merge, NodeRule, Type};

pub(super) static APT: NodeRule = NodeRule {
    name: "apt",
    doc: "Packages of the distribution; `name=version` asks for one version.",
    example: include_str!("../../../schemas/examples/apt.kdl"),
    arguments: &[required("package", Type::Text)],
    rest: Some(optional("package", Type::Text)),
    merge: Merge::Words,
    ..RULE
};

pub(super) static DOWNLOAD: NodeRule = NodeRule {
    name: "download",
    doc: "A file or an archive, which is unpacked. Without a checksum, the lock trusts what it sees first.",
    example: include_str!("../../../schemas/examples/download.kdl"),
    arguments: &[required("url", Type::Url)],
    properties: &[
        property("to", Type::Path, "The folder, or the file when it is no archive."),
        property("strip", Type::Integer, "How many leading folders of the archive's paths to leave out."),
    ],
    children: &[&SHA256, &CHECKSUMS],
    merge: Merge::List,
    ..RULE
};

pub(super) static SHA256: NodeRule = NodeRule {
    name: "sha256",
    doc: "The checksum, for every architecture or for each.",
    arguments: &[optional("hex", Type::Text)],
    properties: &[
        property("amd64", Type::Text, "The checksum of the file for amd64."),
        property("arm64", Type::Text, "The checksum of the file for arm64."),
    ],
    ..RULE
};

pub(super) static CHECKSUMS: NodeRule = NodeRule {
    name: "checksums",
    doc: "The URL of a list of checksums, as `sha256sum` writes it.",
    arguments: &[required("url", Type::Url)],
    ..RULE
};

pub(super) static VERSIONS: NodeRule = NodeRule {
    name: "versions",
    doc: "Where its versions are listed, so that beginnings, ranges and channels can be asked for. Where the list has the checksum of a download beside its URL or name, that counts. In a path of JSON `*` is every member or element; at its end, the text of an element or the name of a member.",
    example: include_str!("../../../schemas/examples/versions.kdl"),
    arguments: &[optional("url", Type::Url)],
    properties: &[
        property("github_releases", Type::Text, "Instead of a URL: the repository, `owner/name`, whose releases are the versions."),
        property("prefix", Type::Text, "What stands before each version: `v`. What begins otherwise is left out."),
        property("json", Type::Text, "Where in a JSON document the versions stand: `*/version`. Without it each line is a version."),
        property("date", Type::Text, "Where in it their dates stand."),
        property("lts", Type::Text, "Where in it stands `true`, or a name, for what is supported for a long time."),
        property("channel", Type::Text, "Where in it stands the word of the channel that a version belongs to."),
        property(
            "match",
            Type::Regex,
            "What of a line, or of the text at `json`, is the version: the group `version` or the first; the group `build` is the number of its build, which stands in the version behind a `+`; the group `date` is its date. A line with a group `channel` and no `version` is that day's version of a channel, which is called `CHANNEL-DATE`: `nightly-2026-11-20`.",
        ),
    ],
    children: &[&ONLY, &CHANNEL],
    ..RULE
};

static CHANNEL: NodeRule = NodeRule {
    name: "channel",
    doc: "A channel of which the list has no mark: its word, and the beginnings of the versions in it.",
    arguments: &[required("word", Type::Text), required("version", Type::Version)],
    rest: Some(optional("version", Type::Version)),
    merge: Merge::List,
    ..RULE
};

static ONLY: NodeRule = NodeRule {
    name: "only",
    doc: "What has to stand at another path of the document for a version to count: one of these values.",
    arguments: &[required("path", Type::Text), required("value", Type::Scalar)],
    rest: Some(optional("value", Type::Scalar)),
    merge: Merge::List,
    ..RULE
};

pub(super) static NPM: NodeRule = NodeRule {
    name: "npm",
    doc: "A package of the npm registry.",
    example: include_str!("../../../schemas/examples/npm.kdl"),
    arguments: &[required("package", Type::Text)],
    properties: &[property("version", Type::Version, "The version or range.")],
    merge: Merge::List,
    ..RULE
};

pub(super) static PIP: NodeRule = NodeRule {
    name: "pip",
    doc: "A package of the Python package index.",
    example: include_str!("../../../schemas/examples/pip.kdl"),
    arguments: &[required("package", Type::Text)],
    properties: &[property("version", Type::Version, "The version or range.")],
    merge: Merge::List,
    ..RULE
};

pub(super) static GO: NodeRule = NodeRule {
    name: "go",
    doc: "A package of Go that is a program, compiled with exactly the modules that it needs into `bin` of the component's folder. Its module is the longest beginning of its path that is one.",
    example: include_str!("../../../schemas/examples/go.kdl"),
    arguments: &[required("package", Type::Text)],
    properties: &[property(
        "version",
        Type::Version,
        "The version or range, of the module that the package is in; with or without a leading `v`.",
    )],
    merge: Merge::List,
    ..RULE
};

pub(super) static CARGO: NodeRule = NodeRule {
    name: "cargo",
    doc: "A crate with programs, compiled while the image is built, with exactly the crates of the `Cargo.lock` that is packed in it. Its programs lie in `bin/`.",
    example: include_str!("../../../schemas/examples/cargo.kdl"),
    arguments: &[required("crate", Type::Text)],
    properties: &[
        property("version", Type::Version, "The version or range."),
        property("features", Type::Text, "Features that are compiled, separated by commas."),
        property("default_features", Type::Bool, "Whether its default features are compiled, as they are unless told otherwise."),
    ],
    merge: Merge::List,
    ..RULE
};

pub(super) static COPY: NodeRule = NodeRule {
    name: "copy",
    doc: "A file of the project.",
    example: include_str!("../../../schemas/examples/copy.kdl"),
    arguments: &[required("source", Type::Path), required("target", Type::Path)],
    properties: &[property("mode", Type::Mode, "Its permissions.")],
    merge: Merge::List,
    ..RULE
};

pub(super) static RUN: NodeRule = NodeRule {
    name: "run",
    doc: "A script that runs while the image is built.",
    example: include_str!("../../../schemas/examples/run.kdl"),
    arguments: &[required("script", Type::Script)],
    properties: &[ID, AS],
    merge: Merge::List,
    ..RULE
};

pub(super) static BIN: NodeRule = NodeRule {
    name: "bin",
    doc: "A command on the PATH.",
    example: include_str!("../../../schemas/examples/bin.kdl"),
    arguments: &[required("name", Type::Text), required("target", Type::Path)],
    merge: Merge::List,
    ..RULE
};

pub(super) static PATH: NodeRule = NodeRule {
    name: "path",
    doc: "Folders added to the PATH.",
    example: include_str!("../../../schemas/examples/path.kdl"),
    arguments: &[required("folder", Type::Path)],
    rest: Some(optional("folder", Type::Path)),
    merge: Merge::Words,
    ..RULE
};

pub(super) static STEP_ENV: NodeRule = NodeRule {
    name: "env",
    doc: "Variables that are set from this step on.",
    example: include_str!("../../../schemas/examples/step-env.kdl"),
    other_properties: Some(property("*", Type::Text, "The value of the variable of that name.")),
    merge: Merge::Variables,
    ..RULE
};
