//! The real program.
use silo::problem::Code;
pub const CODES: &[Code] = &[];
