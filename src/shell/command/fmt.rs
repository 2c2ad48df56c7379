//! `silo fmt`.

use std::io::Read;
use std::path::{Path, PathBuf};

use similar::{ChangeTag, TextDiff};

use silo::document::{self, FormatError};
use silo::problem::{self, Code, Problem, Problems};
use silo::source::{Layer, Source, SourceId, Sources};

use crate::shell::cli::Fmt;
use crate::shell::facts::Caller;
use crate::shell::failure::{Failure, code, system};
use crate::shell::files::{self, FILE, Places};
use crate::shell::ui::Ui;

/// A file, or standard input where there is no path.
struct Input {
    path: Option<PathBuf>,
    name: String,
    layer: Layer,
    text: String,
}

/// Everything that is read, and what is wrong with it.
struct Formatter<'a> {
    ui: &'a Ui,
    caller: Caller,
    places: Places,
    sources: Sources,
    problems: Problems,
}

/// Formats the files that are named, or all of the project. One that cannot be read is left as it is, and the others are formatted.
pub fn fmt(ui: &Ui, directory: Option<&Path>, args: &Fmt) -> Result<u8, Failure> {
    let directory = match directory {
        Some(directory) => directory.to_path_buf(),
        None => std::env::current_dir().map_err(system("finding the working directory"))?,
    };
    let workspace = directory.canonicalize().map_err(system(format!("opening the directory {}", directory.display())))?;
    let caller = Caller::read();
    let places = Places::find(&caller, &workspace);
    let mut formatter = Formatter { ui, caller, places, sources: Sources::default(), problems: Problems::default() };
    let inputs = if args.files.is_empty() { formatter.project()? } else { formatter.named(&args.files)? };
    let mut changed = 0;
    for input in &inputs {
        changed += usize::from(formatter.one(input, args.check)?);
    }
    let Formatter { sources, problems, .. } = formatter;
    if problems.has_errors() {
        return Err(Failure::Problems { problems, sources: Box::new(sources) });
    }
    let count = |number: usize| if number == 1 { "1 file".to_string() } else { format!("{number} files") };
    if args.check && changed > 0 {
        return Err(Failure::Refused {
            message: format!("{changed} of {} would be formatted", count(inputs.len())),
            help: Some("`silo fmt` does it".to_string()),
        });
    }
    if changed == 0 && inputs.iter().all(|input| input.path.is_some()) {
        ui.say(&format!("{} read, nothing to format", count(inputs.len())));
    }
    Ok(0)
}

impl Formatter<'_> {
    fn name(&self, path: &Path) -> String {
        files::display_name(path, &self.places.workspace, &self.caller.home)
    }

    /// The files that are named on the command line.
    fn named(&mut self, paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
        let mut inputs: Vec<Input> = Vec::new();
        for path in paths {
            if path == Path::new("-") {
                let (mut bytes, name) = (Vec::new(), "standard input".to_string());
                // One byte more, so that a longer text is refused and not cut.
                let limit = document::MAX_BYTES as u64 + 1;
                std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(system("reading standard input"))?;
                match String::from_utf8(bytes) {
                    Ok(text) => inputs.push(Input { path: None, name, layer: Layer::Project(0), text }),
                    Err(_) => self.problems.push(Problem::new(Code::NotUtf8, format!("{name} is not UTF-8 text"))),
                }
                continue;
            }
            let path = self.places.workspace.join(path);
            if inputs.iter().any(|input| input.path.as_ref() == Some(&path)) {
                continue;
            }
            match self.read(path, Layer::Project(0)) {
                Ok(input) => inputs.extend(input),
                Err(path) => {
                    return Err(Failure::Refused { message: format!("{} does not exist", self.name(&path)), help: None });
                }
            }
        }
        Ok(inputs)
    }

    /// The files from the repository's root to the working directory, and what they import of the repository.
    fn project(&mut self) -> Result<Vec<Input>, Failure> {
        let own = |layer: Layer| matches!(layer, Layer::Project(_) | Layer::Local(_));
        let mut waiting: Vec<(PathBuf, Layer)> = self
            .places
            .candidates
            .iter()
            .rev()
            .filter(|candidate| own(candidate.layer))
            .map(|candidate| (candidate.path.clone(), candidate.layer))
            .collect();
        let (mut seen, mut inputs): (Vec<PathBuf>, Vec<Input>) = (Vec::new(), Vec::new());
        let mut any = false;
        while let Some((path, layer)) = waiting.pop() {
            any |= path.symlink_metadata().is_ok();
            // A link may lead to another file of the project, or out of it.
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            if seen.contains(&real) || !real.starts_with(&self.places.root) {
                continue;
            }
            seen.push(real);
            let Ok(Some(input)) = self.read(path.clone(), layer) else { continue };
            let id = self.source(&input);
            let includes = document::parse(id, &input.text).0.map(|document| document::includes(&document)).unwrap_or_default();
            let folder = path.parent().unwrap_or(Path::new("/"));
            waiting.extend(includes.iter().rev().map(|include| (folder.join(&include.target), layer)));
            inputs.push(input);
        }
        if !any {
            return Err(Failure::Refused {
                message: format!("there is no {FILE} here"),
                help: Some("name the files to format, or `silo init` writes one to start from".to_string()),
            });
        }
        Ok(inputs)
    }

    /// A file's text; nothing when it cannot be read, which is noted, and the path when it does not exist.
    fn read(&mut self, path: PathBuf, layer: Layer) -> Result<Option<Input>, PathBuf> {
        let name = self.name(&path);
        match files::read_configuration(&path, &name, document::MAX_BYTES) {
            Ok(Some(text)) => Ok(Some(Input { path: Some(path), name, layer, text })),
            Ok(None) => Err(path),
            Err(problem) => {
                self.problems.push(problem);
                Ok(None)
            }
        }
    }

    fn source(&mut self, input: &Input) -> SourceId {
        self.sources.add(Source { name: input.name.clone(), text: input.text.clone(), layer: input.layer })
    }

    /// Formats one text, and writes it where it belongs unless only a check is wanted. Returns whether it changed.
    fn one(&mut self, input: &Input, check: bool) -> Result<bool, Failure> {
        let id = self.source(input);
        let formatted = match document::format(id, &input.text) {
            Ok(formatted) => formatted,
            Err(FormatError::Problems(problems)) => {
                self.problems.extend(problems);
                return Ok(false);
            }
            Err(FormatError::Unfaithful) => {
                let message = format!("silo has a bug: formatted, {} would mean something else", input.name);
                self.ui.error(&message, Some("the file was not changed; please report it with the file"));
                return Err(Failure::Said(code::BUG));
            }
        };
        let changed = formatted != input.text;
        if check {
            if changed {
                self.ui.data(&difference(&input.name, &input.text, &formatted));
            }
            return Ok(changed);
        }
        match &input.path {
            None => self.ui.data(&formatted),
            Some(path) if changed => {
                files::rewrite(path, formatted.as_bytes()).map_err(system(format!("writing {}", input.name)))?;
                self.ui.say(&format!("{} formatted", input.name));
            }
            Some(_) => {}
        }
        Ok(changed)
    }
}

/// The lines that differ, with three around them.
fn difference(name: &str, before: &str, after: &str) -> String {
    let name = problem::escape(name);
    let mut out = format!("--- {name}\n+++ {name}, formatted\n");
    for hunk in TextDiff::from_lines(before, after).unified_diff().context_radius(3).iter_hunks() {
        out.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            out.push_str(&format!("{sign}{}\n", problem::escape(change.value().trim_end_matches('\n'))));
        }
    }
    out
}
