//! A plan for people and for programs.

use serde_json::{Value, json};

use crate::digest::sha256_hex;
use crate::plan::{From, Instruction, Operation, Plan, RunMount, Stage};
use crate::source::Sources;

/// The stages and what each does and why, with the place in the configuration that asked for it.
pub fn outline(plan: &Plan, sources: &Sources) -> String {
    let mut text = String::new();
    for Stage { name, from, platform: _, steps } in &plan.stages {
        let from = match from {
            From::Image(reference) => reference.as_str(),
            From::Stage(stage) => stage.0.as_str(),
        };
        text.push_str(&format!("{} from {from}\n", name.0));
        for Instruction { operation, reason, origin } in steps {
            let place = origin.map(|origin| format!("  ({})", sources.place(origin))).unwrap_or_default();
            text.push_str(&format!("    {}: {}{place}\n", kind(operation), reason.escape_debug()));
        }
    }
    let bytes: usize = plan.context.values().map(|file| file.bytes.len()).sum();
    text.push_str(&format!("context: {} files, {bytes} bytes\n", plan.context.len()));
    text
}

fn kind(operation: &Operation) -> &'static str {
    match operation {
        Operation::Argument { .. } => "argument",
        Operation::CopyContext { .. } => "copy",
        Operation::CopyStage { .. } => "take",
        Operation::Run { .. } => "run",
        Operation::Env { .. } => "env",
        Operation::Path { .. } => "path",
        Operation::User { .. } => "user",
        Operation::Label { .. } => "label",
    }
}

/// The plan as JSON: stages with their steps, and the context's files by path with mode and SHA-256.
pub fn plan_json(plan: &Plan, sources: &Sources) -> Value {
    let Plan { stages, target, context, downloads: _ } = plan;
    let stages: Vec<Value> = stages
        .iter()
        .map(|Stage { name, from, platform: _, steps }| {
            let from = match from {
                From::Image(reference) => json!({ "image": reference }),
                From::Stage(stage) => json!({ "stage": stage.0 }),
            };
            let steps: Vec<Value> = steps
                .iter()
                .map(|Instruction { operation, reason, origin }| {
                    json!({
                        "kind": kind(operation),
                        "details": details(operation),
                        "reason": reason,
                        "set": origin.map(|origin| sources.place(origin)),
                    })
                })
                .collect();
            json!({ "name": name.0, "from": from, "steps": steps })
        })
        .collect();
    let files: serde_json::Map<String, Value> = context
        .iter()
        .map(|(path, file)| {
            let value = json!({ "mode": format!("{:04o}", file.mode), "sha256": sha256_hex(&file.bytes), "bytes": file.bytes.len() });
            (path.clone(), value)
        })
        .collect();
    json!({ "stages": stages, "target": target.0, "context": files })
}

fn details(operation: &Operation) -> Value {
    match operation {
        Operation::Argument { name, .. } => json!({ "name": name.as_str() }),
        Operation::CopyContext { source, target } => json!({ "source": source, "target": target }),
        Operation::CopyStage { stage, source, target } => json!({ "stage": stage.0, "source": source, "target": target }),
        Operation::Run { argv, mounts } => {
            let mounts: Vec<Value> = mounts
                .iter()
                .map(|mount| match mount {
                    RunMount::Context { source, target } => json!({ "context": source, "target": target }),
                    RunMount::Secret { id, target, .. } => json!({ "secret": id, "target": target }),
                })
                .collect();
            json!({ "argv": argv, "mounts": mounts })
        }
        Operation::Env { name, value } => json!({ "name": name.as_str(), "value": value }),
        Operation::Path { folders } => json!({ "folders": folders }),
        Operation::User { uid, gid } => json!({ "uid": uid, "gid": gid }),
        Operation::Label { key, value } => json!({ "key": key, "value": value }),
    }
}
