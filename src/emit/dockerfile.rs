//! A plan as a Dockerfile, in what the frontend built into BuildKit 0.8 understands: no `# syntax` line, no heredocs, no `--link`.
//!
//! The only place where text becomes Dockerfile text. Commands are JSON arrays, in which BuildKit replaces nothing; the values of `ENV`,
//! `ARG` and `LABEL` stand in double quotes, in which `\`, `"` and `$` are escaped. The planner has refused line breaks.

use crate::plan::{From, Instruction, Operation, Plan, Platform, RunMount, Stage};

/// Renders the Dockerfile.
pub fn dockerfile(plan: &Plan) -> String {
    let mut text = String::from("# Made by silo from silo.kdl; do not edit.\n");
    for Stage { name, from, platform, steps } in &plan.stages {
        let (image, platform) = match from {
            From::Image(reference) => (reference.as_str(), *platform),
            // A stage has the processor of the one that it starts from.
            From::Stage(stage) => (stage.0.as_str(), Platform::Target),
        };
        let platform = match platform {
            Platform::Target => "",
            Platform::Build => "--platform=$BUILDPLATFORM ",
        };
        text.push_str(&format!("\nFROM {platform}{image} AS {}\n", name.0));
        for Instruction { operation, reason: _, origin: _ } in steps {
            text.push_str(&line(operation));
            text.push('\n');
        }
    }
    text
}

fn line(operation: &Operation) -> String {
    match operation {
        Operation::Argument { name, value: None } => format!("ARG {name}"),
        Operation::Argument { name, value: Some(value) } => format!("ARG {name}={}", quote(value)),
        Operation::CopyContext { source, target } => format!("COPY {}", words(&[source, target])),
        Operation::CopyStage { stage, source, target } => format!("COPY --from={} {}", stage.0, words(&[source, target])),
        Operation::Run { argv, mounts } => {
            let mounts: String = mounts.iter().map(|mount| format!("{} ", flag(mount))).collect();
            format!("RUN {mounts}{}", json(argv))
        }
        Operation::Env { name, value } => format!("ENV {name}={}", quote(value)),
        Operation::Path { folders } => {
            let list: Vec<String> = folders.iter().map(|folder| escape(folder)).collect();
            format!("ENV PATH=\"{}:${{PATH}}\"", list.join(":"))
        }
        Operation::User { uid, gid } => format!("USER {uid}:{gid}"),
        Operation::Label { key, value } => format!("LABEL {key}={}", quote(value)),
    }
}

fn flag(mount: &RunMount) -> String {
    match mount {
        RunMount::Context { source, target } => format!("--mount=type=bind,source={source},target={target}"),
        RunMount::Secret { id, target, mode } => format!("--mount=type=secret,id={id},target={target},mode={mode:04o}"),
    }
}

/// Paths of the planner's own, which hold nothing that has to be quoted.
fn words(paths: &[&str]) -> String {
    paths.join(" ")
}

fn json(argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| serde_json::Value::String(word.clone()).to_string()).collect();
    format!("[{}]", words.join(","))
}

fn quote(value: &str) -> String {
    format!("\"{}\"", escape(value))
}

fn escape(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        if matches!(c, '\\' | '"' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
