//! Placeholders of `install` blocks, filled in.

use std::collections::BTreeMap;

use super::version::day_of;
use crate::spec::{Arch, Template};
use crate::template::fill;

/// What placeholders of an `install` block mean.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// `%{version}`; `None` while it is not known.
    pub version: Option<&'a str>,
    /// `%{arch.docker}`, `%{arch.uname}` and `%{arch.protoc}`.
    pub arch: Arch,
    /// What `%{arch}` means; Docker's name where it says nothing.
    pub arch_names: &'a BTreeMap<Arch, String>,
    /// `%{option.NAME}`.
    pub options: &'a BTreeMap<String, String>,
}

/// Fills a template in. `%%{` becomes `%{`. A placeholder without a meaning is returned as the error: its name.
pub fn expand(template: &Template, values: &Values) -> Result<String, String> {
    fill(&template.0, |name| value(name, values))
}

fn value(name: &str, values: &Values) -> Option<String> {
    match name {
        "version" => values.version.map(str::to_string),
        // Before what a vendor adds to it, such as the number of a build.
        "version.base" => values.version.map(|version| version.split(['-', '+']).next().unwrap_or("").to_string()),
        // What it adds, without a `+`: `20260924` of `3.12.14+20260924`.
        "version.build" => values.version.map(|version| version.split_once('+').map_or("", |(_, build)| build).to_string()),
        "version.major" => values.version.map(|version| number(version, 0)),
        "version.minor" => values.version.map(|version| number(version, 1)),
        // Of a version that is called by them.
        "version.channel" => values.version.and_then(day_of).map(|(channel, _)| channel.to_string()),
        "version.date" => values.version.and_then(day_of).map(|(_, date)| date.to_string()),
        "arch" => Some(values.arch_names.get(&values.arch).cloned().unwrap_or_else(|| values.arch.as_str().to_string())),
        "arch.docker" => Some(values.arch.as_str().to_string()),
        "arch.uname" => Some(values.arch.uname().to_string()),
        "arch.protoc" => Some(values.arch.protoc().to_string()),
        // Images are Linux's, whatever the host is.
        "os" => Some("linux".to_string()),
        other => other.strip_prefix("option.").and_then(|option| values.options.get(option).cloned()),
    }
}

/// One of a version's numbers; those that are not written are 0.
fn number(version: &str, index: usize) -> String {
    let base = version.split(['-', '+']).next().unwrap_or("");
    base.split('.').nth(index).filter(|number| !number.is_empty()).unwrap_or("0").to_string()
}

/// Whether a template holds a placeholder that begins like this: `%{arch`.
pub fn mentions(template: &Template, start: &str) -> bool {
    template.0.replace("%%{", "").contains(start)
}
