//! `contract`, and what it can ask of a value.

use super::{DOC, RULE, optional, property, required};
use crate::schema::{Merge, NodeRule, Type};

/// The rule of `contract`.
pub static CONTRACT: NodeRule = NodeRule {
    name: "contract",
    doc: "What values must be like, whoever sets them. Contracts add up, hold for what comes out in the end, and no file can take one away. One with a name only is for others to use, with `is`.",
    example: include_str!("../../../schemas/examples/contract.kdl"),
    arguments: &[optional("name", Type::Name)],
    properties: &[property(
        "on",
        Type::Text,
        "The values that it is about: a path with wildcards, such as `mount.*.source`. `*` is one segment, `**` any number. What an `agent` block mounts, sets or runs is meant as well.",
    )],
    children: &[
        &DOC,
        &TYPE,
        &IS,
        &ENUM,
        &MATCHES,
        &MIN,
        &MAX,
        &SATISFIES,
        &LENGTH,
        &UNDER,
        &NOT_UNDER,
        &STARTS_WITH,
        &EACH,
        &ANY_OF,
        &NOT,
        &PRESENT,
        &ABSENT,
    ],
    merge: Merge::Accumulating,
    ..RULE
};

/// What can stand in the blocks of `each`, `any_of` and `not`.
static PREDICATES: &[&NodeRule] = &[
    &TYPE,
    &IS,
    &ENUM,
    &MATCHES,
    &MIN,
    &MAX,
    &SATISFIES,
    &LENGTH,
    &UNDER,
    &NOT_UNDER,
    &STARTS_WITH,
    &EACH,
    &ANY_OF,
    &NOT,
    &PRESENT,
    &ABSENT,
];

/// What all predicates share: none is ever taken away.
const PREDICATE: NodeRule = NodeRule { merge: Merge::Accumulating, ..RULE };

static TYPE: NodeRule = NodeRule {
    name: "type",
    doc: "The value has this type: `string`, `int`, `number`, `bool`, `identifier`, `version`, `version-req`, `path`, `abs-path`, `url`, `image-ref`, `platform`, `host-glob`, `repo-glob`, `env-name`, `port`, `size`, `duration`, `file-mode`, `regex`, `enum:a,b`, `list<T>` or `map<T>`.",
    arguments: &[required("type", Type::Text)],
    ..PREDICATE
};

static IS: NodeRule = NodeRule {
    name: "is",
    doc: "The value keeps the contract of this name, which any file may hold.",
    arguments: &[required("name", Type::Name)],
    ..PREDICATE
};

static ENUM: NodeRule = NodeRule {
    name: "enum",
    doc: "The value is one of these.",
    arguments: &[required("value", Type::Scalar)],
    rest: Some(optional("value", Type::Scalar)),
    ..PREDICATE
};

static MATCHES: NodeRule = NodeRule {
    name: "matches",
    doc: "The regular expression matches somewhere in the value; `^` and `$` are its ends.",
    arguments: &[required("regex", Type::Text)],
    ..PREDICATE
};

static MIN: NodeRule = NodeRule {
    name: "min",
    doc: "The value is at least this number, size, duration or version.",
    arguments: &[required("least", Type::Scalar)],
    ..PREDICATE
};

static MAX: NodeRule = NodeRule {
    name: "max",
    doc: "The value is at most this number, size, duration or version; `22` as a version is all of 22.",
    arguments: &[required("most", Type::Scalar)],
    ..PREDICATE
};

static SATISFIES: NodeRule = NodeRule {
    name: "satisfies",
    doc: "Every version that the value may stand for is in this range. `latest` may stand for any.",
    arguments: &[required("range", Type::Text)],
    ..PREDICATE
};

static LENGTH: NodeRule = NodeRule {
    name: "length",
    doc: "How many values a list has, or how many characters a value.",
    properties: &[property("min", Type::Integer, "At least."), property("max", Type::Integer, "At most.")],
    ..PREDICATE
};

static UNDER: NodeRule = NodeRule {
    name: "under",
    doc: "The path is one of these or lies below one.",
    arguments: &[required("path", Type::Path)],
    rest: Some(optional("path", Type::Path)),
    ..PREDICATE
};

static NOT_UNDER: NodeRule = NodeRule {
    name: "not_under",
    doc: "The path is none of these, lies below none, and holds none: who mounts `~` mounts `~/.ssh`. `~`, `$HOME` and `%{home}` are the same, and so is any `/home/NAME`, `/Users/NAME` and `/root`, since anybody may be the user. Links are not followed.",
    arguments: &[required("path", Type::Path)],
    rest: Some(optional("path", Type::Path)),
    ..PREDICATE
};

static STARTS_WITH: NodeRule = NodeRule {
    name: "starts_with",
    doc: "The value begins with one of these.",
    arguments: &[required("start", Type::Text)],
    rest: Some(optional("start", Type::Text)),
    ..PREDICATE
};

static EACH: NodeRule = NodeRule {
    name: "each",
    doc: "Each value of a list is like this. Without it `length` counts the values, and `any_of` wants one alternative for all.",
    children: PREDICATES,
    ..PREDICATE
};

static ANY_OF: NodeRule =
    NodeRule { name: "any_of", doc: "At least one of the predicates in the block holds.", children: PREDICATES, ..PREDICATE };

static NOT: NodeRule = NodeRule { name: "not", doc: "The predicates in the block do not all hold.", children: PREDICATES, ..PREDICATE };

static PRESENT: NodeRule = NodeRule {
    name: "present",
    doc: "The value is there. After a wildcard, whatever matches up to the wildcard has it: `language.*.version`.",
    ..PREDICATE
};

static ABSENT: NodeRule = NodeRule { name: "absent", doc: "The value is not there.", ..PREDICATE };
