//! `silo init`, which is `silo config init` too.

mod survey;

use std::path::{Path, PathBuf};

use silo::catalog::Catalog;
use silo::document;
use silo::schema;
use silo::source::{Layer, Sources};
use silo::spec::Kind;

use crate::shell::cli::{ContainerOptions, Init};
use crate::shell::facts::Caller;
use crate::shell::failure::{Failure, system};
use crate::shell::files::{self, FILE, Places};
use crate::shell::merged::workspace;
use crate::shell::project::Project;
use crate::shell::ui::Ui;

/// Writes a configuration to start from.
pub fn init(ui: &Ui, directory: Option<&Path>, args: &Init) -> Result<u8, Failure> {
    if args.detect {
        return detect(ui, directory, args);
    }
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

/// Proposes what the files of the repository ask for. It is written when the caller says so: on a terminal by answering, elsewhere by `--yes`.
fn detect(ui: &Ui, directory: Option<&Path>, args: &Init) -> Result<u8, Failure> {
    let path = target(directory, false)?;
    let root = path.parent().map_or_else(|| workspace(directory), |root| Ok(root.to_path_buf()))?;
    let ask = ui.can_ask() && !args.yes;
    if ask || args.yes {
        vacant(&path)?;
    }
    let agents = agents();
    let agent = args.agent.as_deref().map(|agent| known(agent, &agents)).transpose()?;
    // Definitions of the project count beside the catalog's, where there are any already.
    let (catalog, mut sources) = if path.is_file() {
        let project = Project::load(directory, &ContainerOptions::default())?;
        (Catalog::new(&project.layered.nodes).0, project.sources)
    } else {
        (Catalog::builtin(), Sources::default())
    };
    let (proposal, cut) = survey::survey(&root, &catalog, &mut sources)?;
    if cut {
        ui.warn("this repository has more files than were looked at: what lies deep in it may be missing");
    }
    if proposal.is_empty() {
        ui.say("nothing was found that the catalog knows");
    }
    let text = |agent: Option<&str>| proposal.text(agent, args.base.as_deref(), &agents);
    if !ask && !args.yes {
        ui.data(&text(agent));
        ui.say(&match vacant(&path) {
            Ok(()) => format!("nothing was written: `--yes` writes this to {}", path.display()),
            Err(_) => format!("nothing was written: {} exists already", path.display()),
        });
        return Ok(0);
    }
    let agent = match agent {
        Some(agent) => Some(agent),
        None if ask => Some(ui.choose("agent", &agents)?),
        None => None,
    };
    let text = text(agent);
    if ask && !confirmed(ui, &text, &path)? {
        ui.say("nothing was written");
        return Ok(0);
    }
    write(&path, &text)?;
    for remark in proposal.remarks() {
        ui.say(&remark);
    }
    let next = agent
        .map_or_else(|| "take an agent in it, `silo lock`".to_string(), |agent| format!("`silo lock`, commit both files, `silo {agent}`"));
    ui.say(&format!("wrote {}; next: {next}", path.display()));
    Project::load(directory, &ContainerOptions::default()).map(|_| 0)
}

/// Shows the text and asks whether to write it.
fn confirmed(ui: &Ui, text: &str, path: &Path) -> Result<bool, Failure> {
    for line in text.lines() {
        ui.say(&format!("  {line}"));
    }
    ui.confirm(&format!("write this to {}?", path.display()))
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
