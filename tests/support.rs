//! What several topics need.

pub mod image;
