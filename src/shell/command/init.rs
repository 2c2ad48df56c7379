//! `silo init`, which is `silo config init` too.

use std::path::{Path, PathBuf};

use silo::catalog::Catalog;
use silo::document;
use silo::schema;
use silo::source::Layer;
use silo::spec::Kind;

use crate::shell::cli::{ContainerOptions, Init};
use crate::shell::facts::Caller;
use crate::shell::failure::{Failure, system};
use crate::shell::files::{self, FILE, Places};
use crate::shell::project::Project;
use crate::shell::ui::Ui;

/// Writes a configuration to start from.
pub fn init(ui: &Ui, directory: Option<&Path>, args: &Init) -> Result<u8, Failure> {
    let path = target(directory, args.global)?;
    vacant(&path)?;
    let agents = agents();
    let agent = match args.agent.as_deref() {
        Some(agent) => known(agent, &agents)?,
        None => ui.choose("agent", &agents)?,
    };
    write(&path, &starter(Some(agent), args.base.as_deref()))?;
    ui.say(&format!("wrote {}; next: `silo lock`, commit both files, `silo {agent}`", path.display()));
    // What was just written is checked like anything else, so that a name that is in no catalog is known now.
    Project::load(directory, &ContainerOptions::default()).map(|_| 0)
}

/// The directory that a command works in: absolute, links resolved.
pub fn workspace(directory: Option<&Path>) -> Result<PathBuf, Failure> {
    let directory = match directory {
        Some(directory) => directory.to_path_buf(),
        None => std::env::current_dir().map_err(system("finding the working directory"))?,
    };
    directory.canonicalize().map_err(system(format!("opening the directory {}", directory.display())))
}

/// The configuration that is meant: the user's own, else the nearest one of the project, which may not exist yet.
pub fn target(directory: Option<&Path>, global: bool) -> Result<PathBuf, Failure> {
    let caller = Caller::read();
    if global {
        return Ok(caller.config_directory().join(FILE));
    }
    let workspace = workspace(directory)?;
    let places = Places::find(&caller, &workspace);
    let existing =
        places.candidates.iter().rev().find(|candidate| matches!(candidate.layer, Layer::Project(_)) && candidate.path.is_file());
    Ok(existing.map_or_else(|| places.root.join(FILE), |candidate| candidate.path.clone()))
}

/// Refuses to write over something.
pub fn vacant(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Ok(_) => Err(Failure::Refused {
            message: format!("{} exists already", path.display()),
            help: Some("`silo config edit` opens it; remove it first to start anew".to_string()),
        }),
        Err(_) => Ok(()),
    }
}

/// Writes a configuration.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    files::write_atomically(path, text.as_bytes()).map_err(system(format!("writing {}", path.display())))
}

/// What `silo init` writes; without an agent those of the catalog stand there as comments.
pub fn starter(agent: Option<&str>, base: Option<&str>) -> String {
    let base = base.map(|base| format!("base {}\n", document::quote(base))).unwrap_or_default();
    let agents = match agent {
        Some(agent) => format!("agent {}\n", document::quote(agent)),
        None => agents().iter().map(|agent| format!("// agent {agent}\n")).collect(),
    };
    format!(
        "\
// What coding agents get to work with here. `silo config default` explains every node; `silo check` says what is wrong.
silo edition=\"2026\"
{base}
{agents}
// language node version=\"22\"
// lsp typescript-language-server
// mcp memory
// post_build \"npm install -g some-tool\"
// pre_run \"npm ci\"
"
    )
}

/// The agents of the catalog.
fn agents() -> Vec<String> {
    Catalog::builtin().names(Kind::Agent.as_str()).into_iter().map(str::to_string).collect()
}

/// An agent of the catalog.
fn known<'a>(agent: &'a str, agents: &[String]) -> Result<&'a str, Failure> {
    if agents.iter().any(|known| known == agent) {
        return Ok(agent);
    }
    let help = match schema::nearest(agent, agents.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the catalog has {}; describe another with `define agent {agent} {{ … }}`", agents.join(", ")),
    };
    Err(Failure::Usage { message: format!("`{agent}` is no agent of the catalog"), help: Some(help) })
}
