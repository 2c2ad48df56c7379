//! Text for `/bin/sh`: the only place where silo writes any.

use crate::spec::Template;
use crate::template::{Part, parts};

/// One word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Exact text.
    Text(String),
    /// The folder that the agent works in.
    Workspace,
    /// The user's home folder.
    Home,
}

/// A text in single quotes, exactly as it is. The shell cannot carry NUL; callers have refused it.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A word made of pieces.
pub fn word(pieces: &[Piece]) -> String {
    if pieces.is_empty() {
        return quote("");
    }
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => quote(text),
            // Servers are often started with few variables, but always in the folder that the agent works in.
            Piece::Workspace => r#""${SILO_WORKSPACE:-$PWD}""#.to_string(),
            Piece::Home => r#""$HOME""#.to_string(),
        })
        .collect()
}

/// A program that sets variables and becomes another one.
pub fn launcher(env: &[(String, Vec<Piece>)], command: &[Vec<Piece>]) -> String {
    let mut script = String::from("#!/bin/sh\n");
    for (name, value) in env {
        script.push_str(&format!("export {name}={}\n", word(value)));
    }
    script.push_str("exec");
    for argument in command {
        script.push(' ');
        script.push_str(&word(argument));
    }
    script.push_str(" \"$@\"\n");
    script
}

/// Takes a template of the container apart. A placeholder that means nothing in an image is the error: its name.
pub fn pieces(template: &Template) -> Result<Vec<Piece>, String> {
    let mut pieces: Vec<Piece> = Vec::new();
    for part in parts(&template.0) {
        let piece = match part {
            Part::Text(text) => match pieces.last_mut() {
                Some(Piece::Text(before)) => {
                    before.push_str(text);
                    continue;
                }
                Some(Piece::Workspace | Piece::Home) | None => Piece::Text(text.to_string()),
            },
            Part::Placeholder("workspace") => Piece::Workspace,
            Part::Placeholder("home") => Piece::Home,
            Part::Placeholder(other) => return Err(other.to_string()),
        };
        pieces.push(piece);
    }
    Ok(pieces)
}

/// A script that runs others one after the other and then becomes a command. Its arguments are how many scripts there are, their texts, and
/// the command, so its own text never changes. A script that starts with `#!` chooses its own interpreter.
pub const RUN_SCRIPTS: &str = r##"set -eu
count=$1
shift
while [ "$count" -gt 0 ]; do
    case $1 in
    '#!'*)
        file=$(mktemp)
        printf '%s' "$1" >"$file"
        chmod 0700 "$file"
        "$file"
        rm -f "$file"
        ;;
    *) /bin/sh -eu -c "$1" ;;
    esac
    shift
    count=$((count - 1))
done
exec "$@"
"##;

/// A script that puts links to files at their places and then becomes a command. Its arguments are how many links there are, for each the
/// file and the place, and the command.
pub const LINK_FILES: &str = r#"set -eu
count=$1
shift
while [ "$count" -gt 0 ]; do
    mkdir -p "$(dirname "$2")"
    ln -sfn "$1" "$2"
    shift 2
    count=$((count - 1))
done
exec "$@"
"#;
