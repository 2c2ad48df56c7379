//! `silo config edit`.
use crate::shell::cli;
use crate::shell::failure::Failure;
use crate::shell::ui::Ui;
use std::path::Path;
/// Edits.
pub fn edit(_ui: &Ui, _directory: Option<&Path>, _args: &cli::Edit) -> Result<u8, Failure> {
    Ok(0)
}
