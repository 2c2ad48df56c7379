//! Checksums as others write them: answers of a checksum database, and `go.sum`. Source: go.dev/ref/mod, "Checksum database" and "go.sum files".

use super::Module;
use crate::digest::go::is_sum;

/// What a checksum database says of a version: the hash of its archive, and that of its `go.mod`.
pub fn published(text: &str, module: &Module) -> Option<(String, String)> {
    let find = |version: &str| {
        let mut lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        lines.find_map(|words| match words.as_slice() {
            [path, found, sum] if *path == module.path && *found == version && is_sum(sum) => Some((*sum).to_string()),
            _ => None,
        })
    };
    Some((find(&module.version)?, find(&format!("{}/go.mod", module.version))?))
}

/// Lines of a `go.sum` for a module: of its archive, where that is known, and of its `go.mod`.
pub fn line(module: &Module, zip: Option<&str>, file: &str) -> String {
    let Module { path, version } = module;
    let archive = zip.map(|sum| format!("{path} {version} {sum}\n")).unwrap_or_default();
    format!("{archive}{path} {version}/go.mod {file}\n")
}
