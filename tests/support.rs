//! What several topics need.

pub mod answers;
pub mod dockerfile;
pub mod image;
pub mod project;
pub mod terminal;
