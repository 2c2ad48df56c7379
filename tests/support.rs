//! What several topics need.

pub mod answers;
pub mod archive;
pub mod crates;
pub mod dockerfile;
pub mod image;
pub mod modules;
pub mod project;
pub mod terminal;

/// What was said without what draws it: lines are wrapped to the width of a terminal.
pub fn words(text: &str) -> String {
    text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}
