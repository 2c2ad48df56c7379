//! Views of a plan: text and bytes for the programs that build images.

mod context;
mod dockerfile;

pub use context::context_tar;
pub use dockerfile::dockerfile;
