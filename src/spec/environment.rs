//! The environment of the image.

/// A variable that the image carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildEnv {
    /// Its value.
    pub value: String,
    /// Whether containers see it as well, or only build steps.
    pub phase: Phase,
}

/// When a variable is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// While the image is built.
    Build,
    /// While a container runs.
    Run,
    /// Both.
    Both,
}
