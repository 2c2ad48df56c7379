//! The program.

mod shell;

fn main() {}
