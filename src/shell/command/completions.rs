//! `silo completions SHELL`.

use clap::CommandFactory;

use crate::shell::cli::Cli;
use crate::shell::failure::Failure;
use crate::shell::ui::Ui;

/// Prints a completion script.
pub fn completions(ui: &Ui, shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "silo", &mut script);
    ui.data(&String::from_utf8_lossy(&script));
    Ok(0)
}
