//! Views of a plan: text and bytes for the programs that build images.

mod context;
mod dockerfile;
mod outline;

pub use context::context_tar;
pub use dockerfile::dockerfile;
pub use outline::{outline, plan_json};
