//! What a failed build step means for the person who wrote the configuration.

use silo::plan::Instruction;
use silo::problem::{Code, Problem};

use crate::shell::engine::FailedStep;

/// The problem, at the place in the configuration that caused the step.
pub fn problem(step: &FailedStep, instruction: Option<&Instruction>) -> Problem {
    let what = instruction.map_or_else(|| step.name.clone(), |instruction| instruction.reason.clone());
    let how = match step.exit_code {
        Some(code) => format!("exit code {code}"),
        None => step.message.clone(),
    };
    let mut problem = Problem::new(Code::BuildStep, format!("building failed at {what}: {how}"));
    if let Some(origin) = instruction.and_then(|instruction| instruction.origin) {
        problem = problem.at(origin, "this asked for the step");
    }
    problem.help(advice(step))
}

/// What to try, by what the step's own output says. The texts are those of the tools: curl, npm, pip, apt, tar and silo's installer.
fn advice(step: &FailedStep) -> String {
    let log = step.log.join("\n").to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| log.contains(word));
    if says(&["checksum mismatch", "eintegrity", "do not match the hashes"]) {
        "what was downloaded is not what silo.lock pins: if a mirror changed it, ask who keeps it; if upstream did, run `silo update`"
            .to_string()
    } else if says(&[
        "self-signed certificate",
        "self signed certificate",
        "certificate verify failed",
        "ssl certificate problem",
        "unable to get local issuer",
    ]) {
        "a proxy here signs TLS itself: put its certificate authority into the host's bundle (update-ca-certificates), or name a bundle in SSL_CERT_FILE; silo hands it to the build as a secret".to_string()
    } else if says(&["could not resolve host", "temporary failure resolving", "getaddrinfo", "enotfound", "name resolution"]) {
        "names cannot be resolved inside the build: check the network, and HTTPS_PROXY when there is a proxy".to_string()
    } else if says(&["no space left on device"]) {
        "the engine's disk is full: `docker system df` shows what takes it, `docker builder prune` drops old build steps".to_string()
    } else if says(&["has no installation candidate", "was not found", "unable to locate package"]) {
        "the distribution's archive no longer has a pinned version: run `silo update packages`".to_string()
    } else if says(&["command not found", ": not found"]) {
        "a program is missing in the image: add it with `base { apt \"…\" }` or as a `tool`".to_string()
    } else {
        "the lines above are the step's own; try them by hand in `silo shell`".to_string()
    }
}
