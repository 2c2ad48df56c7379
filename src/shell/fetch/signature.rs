//! Who signed a release file: gpgv says it, by the keys that this machine has for its own packages.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::endpoint::Surroundings;
use super::sources::Source;

/// A release file that may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What was signed, without anything around it.
    pub text: String,
    /// Why nobody knows who signed it; `None` when that was checked.
    pub unchecked: Option<String>,
}

/// Checks the signature of a release file. One that is wrong, or of a key that is none of those that this machine has for the archive, is an
/// error. Where there are no such keys, or no gpgv, it is said.
pub async fn read(surroundings: &Surroundings, source: &Source, distribution: &str, signed: &[u8]) -> Result<Read, String> {
    let all = || String::from_utf8_lossy(signed).into_owned();
    if source.trusted {
        return Ok(Read { text: all(), unchecked: None });
    }
    let unchecked = |why: String| Ok(Read { text: all(), unchecked: Some(why) });
    let (keyrings, strict) = keyrings(surroundings, source, distribution);
    if keyrings.is_empty() {
        return unchecked(format!("this machine has no keys of {distribution}"));
    }
    let mut command = Command::new("gpgv");
    command.args(["--status-fd", "2", "--output", "-"]).env_clear().envs(&surroundings.variables).env("LC_ALL", "C");
    for keyring in &keyrings {
        command.arg("--keyring").arg(keyring);
    }
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let Ok(mut child) = spawned else { return unchecked("gpgv is not installed".to_string()) };
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // It may have seen enough before the end; what it says counts.
            drop(stdin.write_all(signed).await);
        }
    };
    let (output, ()) = futures_util::join!(child.wait_with_output(), write);
    let output = output.map_err(|error| format!("gpgv broke: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let words =
        |word: &str| said.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")).any(|line| line.split(' ').next() == Some(word));
    let uri = &source.uri;
    if words("BADSIG") {
        return Err(format!(
            "the signature of the release file of {uri} is wrong: somebody changed it on its way, or the mirror is damaged"
        ));
    }
    if words("GOODSIG") {
        return Ok(Read { text: String::from_utf8_lossy(&output.stdout).into_owned(), unchecked: None });
    }
    if words("NODATA") {
        return Err(format!("the release file of {uri} is not signed; write [trusted=yes] before its address to believe it nevertheless"));
    }
    if strict {
        let files: Vec<String> = keyrings.iter().map(|file| file.display().to_string()).collect();
        return Err(format!(
            "nobody whose keys this machine has for it signed the release file of {uri} ({}); install its keys, or write [trusted=yes] before its address",
            files.join(", ")
        ));
    }
    unchecked(format!("none of this machine's keys signed the release file of {uri}"))
}

/// The files of keys for an archive, and whether they are certainly meant for it. Source: apt-secure(8).
fn keyrings(surroundings: &Surroundings, source: &Source, distribution: &str) -> (Vec<PathBuf>, bool) {
    // gpgv reads the binary form only.
    let usable = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "gpg") && file.is_file();
    let named: Vec<PathBuf> = source.signed_by.iter().filter(|file| usable(file)).cloned().collect();
    if !named.is_empty() {
        return (named, true);
    }
    let own = surroundings.keyrings.join(format!("{distribution}-archive-keyring.gpg"));
    let folder = std::fs::read_dir(surroundings.apt.join("trusted.gpg.d"));
    let mut list: Vec<PathBuf> = folder.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    list.extend([own.clone(), surroundings.apt.join("trusted.gpg")]);
    list.retain(usable);
    list.sort();
    (list, usable(&own))
}
