//! Versions as other tools write them, in the words of silo.

use crate::schema::types::is_version;

/// What a version's text asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A version or range that silo reads.
    Version(String),
    /// Something that silo cannot ask for: why. The newest is taken.
    Newest(String),
    /// The thing itself is not wanted.
    Nothing,
}

/// Reads a version of another tool.
pub fn wanted(text: &str) -> Wanted {
    let text = text.trim();
    // Both version managers write a beginning this way too.
    let plain = text.strip_prefix("latest:").or_else(|| text.strip_prefix("prefix:")).unwrap_or(text);
    match plain {
        "none" => return Wanted::Nothing,
        "system" | "os" | "os-provided" => {
            return Wanted::Newest(format!(
                "`{plain}` is the machine's own, and an image has no such thing; `source=` can name the distribution's"
            ));
        }
        "" => return Wanted::Version("latest".to_string()),
        "lts/*" => return Wanted::Version("lts".to_string()),
        _ => {}
    }
    match plain.split_once(':') {
        Some(("path", _)) => return Wanted::Newest(format!("`{plain}` is a folder of one machine")),
        Some((how @ ("ref" | "branch" | "tag" | "rev"), _)) => {
            return Wanted::Newest(format!("`{how}:` builds from source, and silo installs releases"));
        }
        Some((_, _)) | None => {}
    }
    if plain.starts_with("sub-") {
        return Wanted::Newest(format!("`{plain}` counts back from another version"));
    }
    if is_version(plain) { Wanted::Version(plain.to_string()) } else { Wanted::Newest(format!("`{plain}` is no version that silo reads")) }
}
