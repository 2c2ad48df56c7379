//! What a failed build step means for the person who wrote the configuration.

use std::collections::BTreeSet;

use silo::lock::{Artifact, LockedImage};
use silo::plan::Instruction;
use silo::problem::{Code, Problem};

use crate::shell::engine::{BuildNetwork, FailedStep};

/// The problem, at the place in the configuration that caused the step.
pub fn problem(step: &FailedStep, instruction: Option<&Instruction>, locked: &LockedImage, network: BuildNetwork) -> Problem {
    let what = instruction.map_or_else(|| step.name.clone(), |instruction| instruction.reason.clone());
    let place = |problem: Problem| match instruction.and_then(|instruction| instruction.origin) {
        Some(origin) => problem.at(origin, "this asked for it"),
        None => problem,
    };
    if let Some(Mismatch { file, expected, found }) = mismatch(&step.log, &|digest| name(digest, locked)) {
        let message = format!("what was downloaded for {what} is not what silo.lock pins: {file} has {found} and should have {expected}");
        return place(Problem::new(Code::BuildChecksum, message)).help(OTHER_BYTES);
    }
    let how = match step.exit_code {
        Some(code) => format!("exit code {code}"),
        None => plain(&step.message).to_string(),
    };
    place(Problem::new(Code::BuildStep, format!("building failed at {what}: {how}")))
        .help(offline(step, network).unwrap_or_else(|| advice(step)))
}

/// What to do where other bytes came than were locked.
const OTHER_BYTES: &str = "nothing of it is used: if a mirror or a proxy changed it, ask who keeps that; if its publisher did, `silo update` locks what is there now, after you have asked why";

/// An artefact whose bytes are others than those that are pinned.
#[derive(Debug, PartialEq, Eq)]
struct Mismatch {
    /// Its URL, or its package and version.
    file: String,
    /// The pinned digest, with its algorithm.
    expected: String,
    /// That of what came.
    found: String,
}

/// Finds in a step's last lines that a checksum was wrong. silo's own installer says it in fields (`images/build/install.sh`). npm and pip say
/// it for people: `wanted sha512-… but got sha512-…. (123 bytes)` (ssri), and lines `Expected sha256 …` and `Got …` (pip's `HashMismatch`). Go
/// says `verifying PATH@VERSION: checksum mismatch`, and lines `downloaded: h1:…` and `go.sum: h1:…` (cmd/go, `checkModSum`).
fn mismatch(log: &[String], name: &dyn Fn(&str) -> Option<String>) -> Option<Mismatch> {
    for (index, line) in log.iter().enumerate() {
        if let Some(fields) = line.trim().strip_prefix("silo-mismatch\t") {
            let [file, expected, found] = fields.split('\t').collect::<Vec<_>>().try_into().ok()?;
            return Some(Mismatch { file: file.to_string(), expected: expected.to_string(), found: found.to_string() });
        }
        if let Some((expected, found)) = line.split_once(" wanted ").and_then(|(_, rest)| rest.split_once(" but got ")) {
            let found = found.split_whitespace().next().unwrap_or("").trim_end_matches('.');
            let file = name(expected).unwrap_or_else(|| "a package of npm".to_string());
            return Some(Mismatch { file, expected: expected.to_string(), found: found.to_string() });
        }
        if let Some(module) = line.split_once("verifying ").and_then(|(_, rest)| rest.split_once(": checksum mismatch")) {
            let rest = log.get(index + 1..).unwrap_or_default();
            let sum = |word: &str| rest.iter().take(2).find_map(|line| Some(line.trim().strip_prefix(word)?.trim().to_string()));
            let file = match module.0.strip_suffix("/go.mod") {
                Some(module) => format!("go.mod of {module}"),
                None => format!("{} of Go", module.0),
            };
            return Some(Mismatch { file, expected: sum("go.sum:")?, found: sum("downloaded:")? });
        }
        if let Some(first) = pip_digest(line, "Expected ") {
            // One line for each hash that would do, then what came.
            let rest = log.get(index + 1..).unwrap_or_default();
            let more: Vec<String> = rest.iter().map_while(|line| pip_digest(line, "Expected ")).collect();
            let found = pip_digest(rest.get(more.len())?, "Got ")?;
            let expected: Vec<String> = std::iter::once(first).chain(more).collect();
            let file = expected.iter().find_map(|hash| name(hash)).unwrap_or_else(|| "a wheel of PyPI".to_string());
            let expected = expected.iter().map(|hash| format!("sha256:{hash}")).collect::<Vec<_>>().join(" or ");
            return Some(Mismatch { file, expected, found: format!("sha256:{found}") });
        }
    }
    None
}

/// The hash on a line of pip's: `Expected sha256 …`, `Expected     or …`, `Got        …`.
fn pip_digest(line: &str, word: &str) -> Option<String> {
    let hash = line.trim().strip_prefix(word)?.split_whitespace().next_back()?;
    (hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit())).then(|| hash.to_string())
}

/// What has this digest in a lock.
fn name(digest: &str, locked: &LockedImage) -> Option<String> {
    let components = locked.components.iter().chain(locked.agents.iter().map(|agent| &agent.component));
    let layers = locked.layers.iter().chain([&locked.base_layer]);
    let artifacts = components.flat_map(|component| &component.artifacts).chain(layers.flat_map(|layer| &layer.artifacts));
    let is = |artifact: &&Artifact| match artifact {
        Artifact::Npm(package) => package.integrity == digest,
        Artifact::Wheel { name: _, version: _, file: _, arch: _, sha256 } => sha256 == digest,
        Artifact::Apt(_) | Artifact::File { .. } | Artifact::Module(_) | Artifact::Crate { .. } => false,
    };
    let names: BTreeSet<String> = artifacts.filter(is).flat_map(|artifact| artifact.files()).map(|file| file.place.name()).collect();
    names.into_iter().next()
}

/// A message without what BuildKit's transport puts before it: `rpc error: code = Unknown desc = `.
fn plain(message: &str) -> &str {
    message.rsplit_once(" desc = ").filter(|(before, _)| before.contains("rpc error: code = ")).map_or(message, |(_, rest)| rest)
}

/// What to try where a step had no network.
fn offline(step: &FailedStep, network: BuildNetwork) -> Option<String> {
    match network {
        BuildNetwork::Open => None,
        BuildNetwork::Kept => Some(
            "silo is offline, and only what the engine did before can be used again: `silo vendor DIR` where there is a network, then \
             `silo build --offline --vendor DIR` here"
                .to_string(),
        ),
        BuildNetwork::None => wants_network(&step.log.join("\n").to_lowercase()).then(|| {
            "silo is offline, so the step had no network: what a script downloads cannot be vendored; a `download` step with a checksum, \
             or a package in an `apt`, `npm`, `pip` or `cargo` step, can"
                .to_string()
        }),
    }
}

/// Whether an output says that there is no network: the texts of curl, npm, pip, go, apt and the C library.
fn wants_network(log: &str) -> bool {
    const WORDS: [&str; 10] = [
        "could not resolve host",
        "temporary failure resolving",
        "getaddrinfo",
        "enotfound",
        "eai_again",
        "name resolution",
        "no such host",
        "network is unreachable",
        "enetunreach",
        "failed to establish a new connection",
    ];
    WORDS.iter().any(|words| log.contains(words))
}

/// What to try, by what the step's own output says. The texts are those of the tools: curl, npm, pip, go, apt, tar and silo's installer.
fn advice(step: &FailedStep) -> String {
    let log = step.log.join("\n").to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| log.contains(word));
    if says(&["eintegrity", "do not match the hashes"]) {
        OTHER_BYTES.to_string()
    } else if says(&[
        "self-signed certificate",
        "self signed certificate",
        "certificate verify failed",
        "ssl certificate problem",
        "unable to get local issuer",
        "certificate signed by unknown authority",
    ]) {
        "a proxy here signs TLS itself: put its certificate authority into the host's bundle (update-ca-certificates), or name a bundle in SSL_CERT_FILE; silo hands it to the build as a secret".to_string()
    } else if wants_network(&log) {
        "names cannot be resolved inside the build: check the network, and HTTPS_PROXY when there is a proxy".to_string()
    } else if says(&["no space left on device"]) {
        "the engine's disk is full: `docker system df` shows what takes it, `docker builder prune` drops old build steps".to_string()
    } else if says(&["has no installation candidate", "was not found", "unable to locate package"]) {
        "the distribution's archive no longer has a pinned version: run `silo update packages`".to_string()
    } else if says(&["requires rustc", "feature `edition", "which is not a supported edition", "lock file version"]) {
        "a crate needs a newer Rust than that which compiles it here: write an older version= of what was asked for".to_string()
    } else if says(&["command not found", ": not found"]) {
        "a program is missing in the image: add it with `base { apt \"…\" }` or as a `tool`".to_string()
    } else {
        "the lines above are the step's own; try them by hand in `silo shell`".to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{Mismatch, mismatch};

    fn read(log: &str) -> Option<Mismatch> {
        let lines: Vec<String> = log.lines().map(str::to_string).collect();
        mismatch(&lines, &|digest| digest.starts_with(['b', 's']).then(|| "the package".to_string()))
    }

    fn is(file: &str, expected: &str, found: &str) -> Option<Mismatch> {
        Some(Mismatch { file: file.to_string(), expected: expected.to_string(), found: found.to_string() })
    }

    /// The texts are what the programs print: silo's installer, npm 10, pip 23, go 1.19 to 1.25.
    #[test]
    fn wrong_digests_are_read_from_what_each_program_says() {
        let ours = "curl\nsilo-mismatch\thttps://a.test/x\tsha256:aa\tsha256:bb\nsilo: the checksum of https://a.test/x is sha256:bb, not sha256:aa";
        assert_eq!(read(ours), is("https://a.test/x", "sha256:aa", "sha256:bb"));
        let npm = "npm error code EINTEGRITY\nnpm error sha512-aB+/== integrity checksum failed when using sha512: wanted sha512-aB+/== but got sha512-cD/+==. (4567 bytes)";
        assert_eq!(read(npm), is("the package", "sha512-aB+/==", "sha512-cD/+=="));
        let (a, b, c) = ("a".repeat(64), "b".repeat(64), "c".repeat(64));
        let one = format!("    x==1 from https://p.test/x.whl:\n        Expected sha256 {a}\n             Got        {c}\n");
        assert_eq!(read(&one), is("a wheel of PyPI", &format!("sha256:{a}"), &format!("sha256:{c}")));
        let two = format!("        Expected sha256 {a}\n        Expected     or {b}\n             Got        {c}\n");
        assert_eq!(read(&two), is("the package", &format!("sha256:{a} or sha256:{b}"), &format!("sha256:{c}")));
        let go = |name: &str| {
            format!(
                "go: downloading x\nverifying {name}: checksum mismatch\n\tdownloaded: h1:cc=\n\tgo.sum:     h1:bb=\n\nSECURITY ERROR\n"
            )
        };
        assert_eq!(read(&go("a.test/x@v1.2.0")), is("a.test/x@v1.2.0 of Go", "h1:bb=", "h1:cc="));
        assert_eq!(read(&go("a.test/x@v1.2.0/go.mod")), is("go.mod of a.test/x@v1.2.0", "h1:bb=", "h1:cc="));
        for other in ["", "silo-mismatch\ta\tb", "Expected sha256 aa\nGot bb", &format!("Expected sha256 {a}\n"), "make: *** wanted x"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
