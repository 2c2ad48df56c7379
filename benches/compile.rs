//! How long compiling takes.
fn main() {}
