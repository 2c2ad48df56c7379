//! What `images/build/cargo.sh` is told of the crates of a component: a script with its data, one step of a recipe.

use crate::lock::{Artifact, CrateRole};
use crate::spec::Features;

/// The script.
pub const CARGO_SCRIPT: &str = include_str!("../../images/build/cargo.sh");
/// The script's name in a recipe's folder.
pub const CARGO: &str = "cargo.sh";
/// The file of crates beside it.
pub const CRATES: &str = "crates";
/// The file of those of them whose programs are installed.
pub const PROGRAMS: &str = "programs";

/// Every crate of a component: name, version and SHA-256.
pub fn crate_lines(artifacts: &[Artifact]) -> String {
    let line = |artifact: &Artifact| match artifact {
        Artifact::Crate { name, version, role: _, sha256 } => Some(format!("{name}\t{version}\t{sha256}\n")),
        Artifact::Apt(_) | Artifact::File { .. } | Artifact::Npm(_) | Artifact::Wheel { .. } | Artifact::Module(_) => None,
    };
    artifacts.iter().filter_map(line).collect()
}

/// The line of a crate whose programs are installed: name, version, whether with its default features, and the others; `None` when the lock
/// does not have it.
pub fn program_line(wanted: &str, features: &Features, artifacts: &[Artifact]) -> Option<String> {
    let Features { names, default } = features;
    let default = if *default { "default" } else { "-" };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let names = if names.is_empty() { "-".to_string() } else { names.join(",") };
    artifacts.iter().find_map(|artifact| match artifact {
        Artifact::Crate { name, version, role: CrateRole::Program, sha256: _ } if name == wanted => {
            Some(format!("{name}\t{version}\t{default}\t{names}\n"))
        }
        Artifact::Crate { .. }
        | Artifact::Apt(_)
        | Artifact::File { .. }
        | Artifact::Npm(_)
        | Artifact::Wheel { .. }
        | Artifact::Module(_) => None,
    })
}
