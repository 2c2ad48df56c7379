//! `silo import`.

use std::path::Path;

use silo::catalog::Catalog;
use silo::import::{self, Audience, Format, MAX_BYTES, NoteKind};
use silo::problem::{Code, Problem, Problems};
use silo::source::{Layer, Source, Sources};

use crate::shell::cli::Import;
use crate::shell::command::init;
use crate::shell::failure::Failure;
use crate::shell::files;
use crate::shell::merged::workspace;
use crate::shell::ui::Ui;

/// Translates a configuration of another tool, and says what could not be translated.
pub fn import(ui: &Ui, directory: Option<&Path>, args: &Import) -> Result<u8, Failure> {
    let named = args.from.as_deref().and_then(|name| Format::ALL.into_iter().find(|format| format.as_str() == name));
    let shown = args.file.display().to_string();
    let Some(format) = named.or_else(|| Format::of_path(&shown)) else {
        return Err(Failure::Usage {
            message: format!("the name of {shown} does not say what it is"),
            help: Some(format!("add `--from {}`", Format::ALL.map(Format::as_str).join("|"))),
        });
    };
    let workspace = workspace(directory)?;
    let path = workspace.join(&args.file);
    let target = match &args.output {
        Some(output) => workspace.join(output),
        None => init::target(directory, args.global)?,
    };
    if !args.stdout {
        vacant(&target, args.output.is_some())?;
    }
    let mut sources = Sources::default();
    let text = read(&path, &shown).map_err(|problem| stop(problem, Sources::default()))?;
    let id = sources.add(Source { name: shown.clone(), text, layer: Layer::CommandLine });
    let audience = if args.global { Audience::User } else { Audience::Project };
    let names = Catalog::builtin().elsewhere();
    let imported = match import::import(id, format, audience, &names, &sources) {
        Ok(imported) => imported,
        Err(problems) => return Err(Failure::Problems { problems, sources: Box::new(sources) }),
    };
    if args.stdout {
        ui.data(&imported.text);
    } else {
        init::write(&target, &imported.text)?;
    }
    for (kind, title) in [
        (NoteKind::Missing, "without an equivalent:"),
        (NoteKind::Changed, "not quite as it was:"),
        (NoteKind::Granted, "only you may grant, in your own file (`silo config edit --global`):"),
    ] {
        let notes: Vec<_> = imported.notes.iter().filter(|note| note.kind == kind).collect();
        if !notes.is_empty() {
            ui.say(title);
        }
        for note in notes {
            ui.say(&format!("  {}", note.line(&sources)));
        }
    }
    if !args.stdout {
        ui.say(&format!("wrote {}; next: read it, `silo check`, `silo lock`", target.display()));
    }
    Ok(0)
}

/// Refuses to write over something.
fn vacant(target: &Path, chosen: bool) -> Result<(), Failure> {
    let help = if chosen {
        "choose another path with `-o`, or `--stdout` to print it"
    } else {
        "`--stdout` prints what would be written, `-o PATH` writes it elsewhere"
    };
    match init::vacant(target) {
        Err(Failure::Refused { message, help: _ }) => Err(Failure::Refused { message, help: Some(help.to_string()) }),
        other => other,
    }
}

/// Reads the file, of a bounded size.
fn read(path: &Path, shown: &str) -> Result<String, Problem> {
    match files::read_configuration(path, shown, MAX_BYTES) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(Problem::new(Code::Unreadable, format!("{shown} does not exist")).help("name the file that is to be translated")),
        Err(problem) if problem.code == Code::TooLarge => Err(problem.help("no configuration is that long: name the right file")),
        Err(problem) => Err(problem),
    }
}

fn stop(problem: Problem, sources: Sources) -> Failure {
    let mut problems = Problems::default();
    problems.push(problem);
    Failure::Problems { problems, sources: Box::new(sources) }
}
