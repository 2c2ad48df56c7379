//! Commands that run when a container is made, started or attached to.

use crate::import::draft::Draft;
use crate::import::script;
use crate::import::tree::{Field, Kind, Value};
use crate::source::Span;

/// A command: a text for a shell, a list of words, or an object of such.
pub(super) fn read(field: &Field, draft: &mut Draft) {
    match &field.value.kind {
        Kind::Table(commands) => {
            for command in commands {
                one(
                    &command.value,
                    Span { end: command.value.span.end, ..command.name_span },
                    &format!("{}.{}", field.name, command.name),
                    draft,
                );
            }
            if commands.is_empty() {
                draft.missing(field.name_span, &field.name, "it is empty");
            }
        }
        Kind::Text(_) | Kind::List(_) | Kind::Number(_) | Kind::Bool(_) | Kind::Date(_) | Kind::Null => {
            one(&field.value, Span { end: field.value.span.end, ..field.name_span }, &field.name, draft);
        }
    }
}

fn one(command: &Value, span: Span, what: &str, draft: &mut Draft) {
    let script = match &command.kind {
        Kind::Text(text) => text.clone(),
        Kind::List(words) => {
            let words: Option<Vec<String>> = words.iter().map(|word| word.text().map(script::quote)).collect();
            match words {
                Some(words) => words.join(" "),
                None => return draft.missing(span, what, "one of its words is no text"),
            }
        }
        Kind::Null => return draft.missing(span, what, "it is null"),
        Kind::Table(_) | Kind::Number(_) | Kind::Bool(_) | Kind::Date(_) => {
            return draft.missing(span, what, format!("it is {}, and should be a text or a list", command.describe()));
        }
    };
    // The other tool resolves these before a shell sees them.
    let script = ["${containerWorkspaceFolder}", "${localWorkspaceFolder}"]
        .iter()
        .fold(script, |script, variable| script.replace(variable, "${SILO_WORKSPACE}"));
    if let Some(at) =
        ["${localEnv:", "${containerEnv:", "${localWorkspaceFolderBasename}", "${containerWorkspaceFolderBasename}", "${devcontainerId}"]
            .iter()
            .find_map(|variable| script.find(variable))
    {
        let variable: String = script[at..].chars().take_while(|c| *c != '}').chain(['}']).collect();
        draft.missing(span, what, format!("`{}` stands for something that silo does not know", crate::document::one_line(&variable)));
        return;
    }
    script::lifecycle(draft, &script, span, what);
}
