//! The types of values, as definitions and contracts write them: `string`, `enum:a,b`, `list<abs-path>`.

use std::ops::Range as Bytes;

use regex::RegexBuilder;

use super::version::Range;
use crate::document::{self, Value};
use crate::problem::{Code, Problem};
use crate::source::Span;

/// What a value can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Any text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// `#true` or `#false`.
    Bool,
    /// A name of silo's: small letters, digits, `.`, `_` and `-`.
    Identifier,
    /// A version, the beginning of one, a range, or a word such as `latest`.
    Version,
    /// A version, the beginning of one, or a range.
    VersionReq,
    /// A path of any kind.
    Path,
    /// An absolute path without `..`.
    AbsPath,
    /// A URL of HTTP.
    Url,
    /// The reference of an image: `ghcr.io/acme/dev:1`.
    ImageRef,
    /// An operating system and an architecture: `linux/arm64`.
    Platform,
    /// A host, or with `*` a pattern of hosts: `*.acme.test`.
    HostGlob,
    /// A repository, or with `*` a pattern of repositories: `github.com/acme/**`.
    RepoGlob,
    /// The name of an environment variable.
    EnvName,
    /// A port: a number from 1 to 65535.
    Port,
    /// An amount of memory or disk.
    Size,
    /// A time, such as `90s` or `1h30m`.
    Duration,
    /// Permission bits in octal.
    FileMode,
    /// A regular expression.
    Regex,
    /// One of these words.
    Enum(Vec<String>),
    /// Several values of one type.
    List(Box<ValueType>),
    /// Values of one type by name.
    Map(Box<ValueType>),
}

/// The types without parts of their own, by name.
const SIMPLE: &[(&str, ValueType)] = &[
    ("string", ValueType::String),
    ("int", ValueType::Int),
    ("number", ValueType::Number),
    ("bool", ValueType::Bool),
    ("identifier", ValueType::Identifier),
    ("version", ValueType::Version),
    ("version-req", ValueType::VersionReq),
    ("path", ValueType::Path),
    ("abs-path", ValueType::AbsPath),
    ("url", ValueType::Url),
    ("image-ref", ValueType::ImageRef),
    ("platform", ValueType::Platform),
    ("host-glob", ValueType::HostGlob),
    ("repo-glob", ValueType::RepoGlob),
    ("env-name", ValueType::EnvName),
    ("port", ValueType::Port),
    ("size", ValueType::Size),
    ("duration", ValueType::Duration),
    ("file-mode", ValueType::FileMode),
    ("regex", ValueType::Regex),
];

/// The names of all types, as they are written.
pub fn names() -> impl Iterator<Item = &'static str> {
    SIMPLE.iter().map(|(name, _)| *name).chain(["enum:a,b", "list<T>", "map<T>"])
}

impl ValueType {
    /// Reads a type. `None` when there is no such one.
    pub fn parse(text: &str) -> Option<ValueType> {
        if let Some((_, simple)) = SIMPLE.iter().find(|(name, _)| *name == text) {
            return Some(simple.clone());
        }
        if let Some(words) = text.strip_prefix("enum:") {
            let words: Vec<String> = words.split(',').map(str::to_string).collect();
            return words.iter().all(|word| !word.is_empty()).then_some(ValueType::Enum(words));
        }
        let inner = |start: &str| {
            let inner = ValueType::parse(text.strip_prefix(start)?.strip_suffix('>')?)?;
            // A list of lists has no way to be written.
            (!matches!(inner, ValueType::List(_) | ValueType::Map(_))).then(|| Box::new(inner))
        };
        inner("list<").map(ValueType::List).or_else(|| inner("map<").map(ValueType::Map))
    }

    /// The type in words: `must be …`.
    pub fn describe(&self) -> String {
        match self {
            ValueType::String => "a text in quotes".into(),
            ValueType::Int => "a whole number".into(),
            ValueType::Number => "a number".into(),
            ValueType::Bool => "`#true` or `#false`".into(),
            ValueType::Identifier => "a name: small letters, digits, `.`, `_` and `-`, at most 63".into(),
            ValueType::Version => "a version or a range of versions".into(),
            ValueType::VersionReq => "a range of versions such as `>=20 <23`".into(),
            ValueType::Path => "a path".into(),
            ValueType::AbsPath => "an absolute path without `..`".into(),
            ValueType::Url => "a URL, starting with `https://`".into(),
            ValueType::ImageRef => "the reference of an image such as `ghcr.io/acme/dev:1`".into(),
            ValueType::Platform => "a platform such as `linux/arm64`".into(),
            ValueType::HostGlob => "a host such as `*.example.test`".into(),
            ValueType::RepoGlob => "a repository such as `github.com/acme/**`".into(),
            ValueType::EnvName => "the name of a variable: letters, digits and `_`, not starting with a digit".into(),
            ValueType::Port => "a port, from 1 to 65535".into(),
            ValueType::Size => "a size such as `8GiB`".into(),
            ValueType::Duration => "a time such as `90s` or `1h30m`".into(),
            ValueType::FileMode => "an octal mode such as `0755`".into(),
            ValueType::Regex => "a regular expression".into(),
            ValueType::Enum(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                match quoted.split_last() {
                    Some((last, [])) => last.clone(),
                    Some((last, rest)) => format!("one of {} and {last}", rest.join(", ")),
                    None => String::new(),
                }
            }
            ValueType::List(inner) => format!("a list, each of it {}", inner.describe()),
            ValueType::Map(inner) => format!("values by name, each of them {}", inner.describe()),
        }
    }

    /// The type of one value: of a list or a map that of what is in it.
    pub fn item(&self) -> &ValueType {
        match self {
            ValueType::List(inner) | ValueType::Map(inner) => inner,
            ValueType::String
            | ValueType::Int
            | ValueType::Number
            | ValueType::Bool
            | ValueType::Identifier
            | ValueType::Version
            | ValueType::VersionReq
            | ValueType::Path
            | ValueType::AbsPath
            | ValueType::Url
            | ValueType::ImageRef
            | ValueType::Platform
            | ValueType::HostGlob
            | ValueType::RepoGlob
            | ValueType::EnvName
            | ValueType::Port
            | ValueType::Size
            | ValueType::Duration
            | ValueType::FileMode
            | ValueType::Regex
            | ValueType::Enum(_) => self,
        }
    }

    /// Whether KDL must read such a value as text.
    pub fn is_text(&self) -> bool {
        match self.item() {
            ValueType::Int | ValueType::Number | ValueType::Bool | ValueType::Port => false,
            ValueType::String
            | ValueType::Identifier
            | ValueType::Version
            | ValueType::VersionReq
            | ValueType::Path
            | ValueType::AbsPath
            | ValueType::Url
            | ValueType::ImageRef
            | ValueType::Platform
            | ValueType::HostGlob
            | ValueType::RepoGlob
            | ValueType::EnvName
            | ValueType::Size
            | ValueType::Duration
            | ValueType::FileMode
            | ValueType::Regex
            | ValueType::Enum(_)
            | ValueType::List(_)
            | ValueType::Map(_) => true,
        }
    }

    /// Checks one value (of a list or a map, one of what is in it) and gives its text; the error is what it must be.
    pub fn read(&self, value: &Value) -> Result<String, String> {
        let item = self.item();
        let fits = match (item, value) {
            (_, Value::Null) => return Err("a value".to_string()),
            (_, Value::String(text)) => item.fits(text),
            (ValueType::Int | ValueType::Number, Value::Integer(_)) => true,
            (ValueType::Number, Value::Decimal(_)) | (ValueType::Bool, Value::Bool(_)) => true,
            (ValueType::Port, Value::Integer(number)) => (1..=65535).contains(number),
            // A whole number is the beginning of a version; `1.20` is not what it looks like.
            (ValueType::Version | ValueType::VersionReq, Value::Integer(number)) => *number >= 0,
            (_, Value::Integer(_) | Value::Decimal(_) | Value::Bool(_)) if item.is_text() => return Err("a text in quotes".to_string()),
            (_, Value::Integer(_) | Value::Decimal(_) | Value::Bool(_)) => false,
        };
        if fits { Ok(text(value)) } else { Err(item.describe()) }
    }

    /// Whether a text is such a value.
    fn fits(&self, text: &str) -> bool {
        match self {
            ValueType::String => true,
            ValueType::Int | ValueType::Number | ValueType::Bool | ValueType::Port => false,
            ValueType::Identifier => is_identifier(text),
            ValueType::Version => is_version(text),
            ValueType::VersionReq => Range::parse(text).is_some(),
            ValueType::Path => !text.is_empty() && !text.contains(char::is_control),
            ValueType::AbsPath => text.starts_with('/') && text.split('/').all(|part| part != "..") && !text.contains(char::is_control),
            ValueType::Url => is_url(text),
            ValueType::ImageRef => is_image(text),
            ValueType::Platform => {
                let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                (2..=3).contains(&text.split('/').count()) && text.split('/').all(word)
            }
            ValueType::HostGlob => {
                let label = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-*_".contains(c));
                text.split('.').all(label)
            }
            ValueType::RepoGlob => {
                let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-*?_.~".contains(c));
                text.trim_end_matches('/').split('/').all(part)
            }
            ValueType::EnvName => is_env_name(text),
            ValueType::Size => size(text).is_some(),
            ValueType::Duration => duration(text).is_some(),
            ValueType::FileMode => (3..=4).contains(&text.len()) && text.chars().all(|c| ('0'..='7').contains(&c)),
            ValueType::Regex => Pattern::parse(text).is_ok(),
            ValueType::Enum(words) => words.iter().any(|word| word == text),
            ValueType::List(inner) | ValueType::Map(inner) => inner.fits(text),
        }
    }
}

/// A value as text, without quotation marks; `#true` is `true`.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(_) | Value::Decimal(_) | Value::Null => {
            let mut text = String::new();
            document::print_value(&mut text, value);
            text
        }
    }
}

/// A name of silo's, safe in a stage's name, a path and a command line.
pub fn is_identifier(text: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&text.len()) && text.starts_with(lower) && text.chars().all(|c| lower(c) || matches!(c, '.' | '_' | '-'))
}

/// `[A-Za-z_][A-Za-z0-9_]*`.
pub fn is_env_name(text: &str) -> bool {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(start) && text.chars().all(|c| start(c) || c.is_ascii_digit())
}

/// Whether a text can be a version or a range of them: of any of the languages that sources use for it.
pub fn is_version(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+-~:^<>=!*|, ".contains(c))
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let odd = |c: char| c.is_whitespace() || c.is_control();
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(odd))
}

/// The grammar of references in the OCI distribution specification and its Docker reference implementation: an optional registry, small
/// letters and separators, an optional tag of at most 128 characters, an optional SHA-256 digest.
fn is_image(text: &str) -> bool {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let hexadecimal = |digest: &str| {
        let hash = digest.strip_prefix("sha256:").unwrap_or("");
        hash.len() == 64 && hash.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    };
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        Some(_) | None => (name, None),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_tag = |tag: &str| tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || c == '.' || c == '-');
    let first = name.split('/').next().unwrap_or("");
    let registry = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let host = |host: &str| {
        let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
        let label = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
    };
    let part = |part: &str| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || "._-".contains(c))
    };
    digest.is_none_or(hexadecimal)
        && tag.is_none_or(is_tag)
        && name.split('/').enumerate().all(|(index, text)| if index == 0 && registry { host(text) } else { part(text) })
}

/// A size in bytes: `8GiB`, `512MB`, `1024`.
pub fn size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1000 * 1000,
        "GB" => 1000 * 1000 * 1000,
        "TB" => 1000 * 1000 * 1000 * 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    let thousandths = thousandths(number)?;
    let bytes = u128::from(thousandths) * u128::from(factor) / 1000;
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)
}

/// A decimal number in thousandths: `1.5` is 1500. `None` for anything else, and for more than three decimals.
pub fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(fraction)
}

/// A time in milliseconds: `250ms`, `90s`, `5m`, `1h30m`, `2d`. Each unit once, the largest first.
pub fn duration(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = text;
    let mut total: u64 = 0;
    let mut next = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0)?;
        let (number, after) = rest.split_at(end);
        let unit = after.split(|c: char| c.is_ascii_digit()).next().unwrap_or("");
        let index = UNITS.iter().position(|(name, _)| *name == unit).filter(|index| *index >= next)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(UNITS[index].1)?)?;
        next = index + 1;
        rest = &after[unit.len()..];
    }
    (next > 0).then_some(total)
}

/// A regular expression whose matching takes time linear in the length of the text.
#[derive(Clone, Debug)]
pub struct Pattern(regex::Regex);

/// The most characters of a regular expression.
const PATTERN_CHARACTERS: usize = 2000;
/// The most bytes that a compiled one takes.
const PATTERN_BYTES: usize = 1 << 20;

impl Pattern {
    /// Compiles one. The error says what is wrong, in a few words.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        if text.chars().count() > PATTERN_CHARACTERS {
            return Err(format!("it is longer than {PATTERN_CHARACTERS} characters"));
        }
        match RegexBuilder::new(text).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build() {
            Ok(regex) => Ok(Pattern(regex)),
            Err(regex::Error::CompiledTooBig(_)) => Err("it is too large once it is compiled".to_string()),
            // The library draws a picture; its last line says what is wrong.
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or("").trim();
                Err(last.strip_prefix("error: ").unwrap_or(last).to_string())
            }
        }
    }

    /// Compiles one that is written at a place, or says what is wrong there.
    pub fn parse_at(text: &str, span: Span) -> Result<Pattern, Problem> {
        Pattern::parse(text).map_err(|reason| {
            Problem::new(Code::BadValue, format!("this is not a regular expression: {reason}"))
                .at(span, "")
                .help("put `\\` before a character that is meant as it is")
        })
    }

    /// Where it matches in a text, the text of the first group that took part; `Some(None)` when it has no groups.
    pub fn first_group(&self, text: &str) -> Option<Option<String>> {
        Some(self.first_place(text)?.map(|group| text[group].to_string()))
    }

    /// Where it matches in a text, the bytes of the first group that took part; `Some(None)` when it has no groups.
    pub fn first_place(&self, text: &str) -> Option<Option<Bytes<usize>>> {
        let found = self.0.captures(text)?;
        Some(found.iter().skip(1).flatten().next().map(|group| group.range()))
    }

    /// Where it matches in a text, the text of the group of a name, when that took part.
    pub fn group(&self, text: &str, name: &str) -> Option<String> {
        Some(self.0.captures(text)?.name(name)?.as_str().to_string())
    }

    /// Whether it matches somewhere in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// A text as an expression that matches exactly it.
    pub fn escape(text: &str) -> String {
        regex::escape(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}
