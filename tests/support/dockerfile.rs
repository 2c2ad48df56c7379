//! A Dockerfile as its builder reads it: just enough to see which instructions there are, and what a quoted value says.
//!
//! Written from BuildKit's parser (`frontend/dockerfile/parser/parser.go`): a line that begins with `#` is a comment, a backslash at the end of a
//! line continues it, everything else is one instruction a line, whose first word is its kind.

use silo::plan::{Operation, Plan};

/// The kinds of the instructions, in order.
pub fn instructions(text: &str) -> Vec<String> {
    lines(text).into_iter().map(|line| line.split_whitespace().next().unwrap_or("").to_uppercase()).collect()
}

/// Every instruction as one line.
pub fn lines(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let (part, continues) = match line.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        let whole = open.take().unwrap_or_default() + part;
        if continues {
            open = Some(whole);
        } else {
            found.push(whole);
        }
    }
    found.extend(open);
    found
}

/// The kinds that a plan has.
pub fn planned(plan: &Plan) -> Vec<String> {
    let kind = |operation: &Operation| match operation {
        Operation::Argument { .. } => "ARG",
        Operation::CopyContext { .. } | Operation::CopyStage { .. } => "COPY",
        Operation::Run { .. } => "RUN",
        Operation::Env { .. } | Operation::Path { .. } => "ENV",
        Operation::User { .. } => "USER",
        Operation::Label { .. } => "LABEL",
    };
    let stage = |stage: &silo::plan::Stage| -> Vec<String> {
        std::iter::once("FROM").chain(stage.steps.iter().map(|step| kind(&step.operation))).map(str::to_string).collect()
    };
    plan.stages.iter().flat_map(stage).collect()
}

/// The value of a quoted `NAME="…"`, as BuildKit's word processing gives it; `None` when a variable would be put in, or when text follows
/// the closing quote.
pub fn unquoted(text: &str) -> Option<String> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut value = String::new();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(value),
            '$' => return None,
            '\\' => match chars.next()? {
                c @ ('"' | '$' | '\\') => value.push(c),
                c => {
                    value.push('\\');
                    value.push(c);
                }
            },
            c => value.push(c),
        }
    }
}
