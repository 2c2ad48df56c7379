//! What the configuration says about the lock: no image depends on it.

use std::collections::BTreeMap;

use super::ComponentId;

/// How versions get into the lock, and when it is old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockPolicy {
    /// How old a version has to be before it is taken, in seconds.
    pub release_age: u64,
    /// The same for single components, in place of that.
    pub ages: BTreeMap<ComponentId, u64>,
    /// After how many seconds without a look for newer versions silo says so; `None` for never.
    pub warn_after: Option<u64>,
}

const DAY: u64 = 86_400;

impl Default for LockPolicy {
    fn default() -> LockPolicy {
        LockPolicy { release_age: DAY, ages: BTreeMap::new(), warn_after: Some(30 * DAY) }
    }
}

impl LockPolicy {
    /// How old the versions of a component have to be, in seconds; those of blocks that are no component when none is named.
    pub fn age(&self, id: Option<&ComponentId>) -> u64 {
        id.and_then(|id| self.ages.get(id)).copied().unwrap_or(self.release_age)
    }
}
