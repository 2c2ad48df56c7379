//! A newer answer of one component over a lock that is not to change: what keeps an agent new without touching what is committed.

use std::cmp::Ordering;

use super::package::of_components;
use super::version::compare;
use super::{Lock, LockedBase, LockedComponent};
use crate::spec::{ComponentId, Kind};

/// `committed` with one component of `overlay` in the place of its own. `None` when that is not newer, when it answers another question, or
/// when it was looked up for another base: then the committed lock holds as it is.
pub fn overlaid(committed: &Lock, overlay: &Lock, id: &ComponentId) -> Option<Lock> {
    let at = committed.components.iter().position(|component| component.id == *id)?;
    let (old, new) = (&committed.components[at], overlay.component(id)?);
    let fits = same_question(old, new) && compare(&new.version, &old.version) == Ordering::Greater && fits_base(committed, overlay, new);
    fits.then(|| {
        let mut lock = committed.clone();
        lock.components[at] = new.clone();
        lock
    })
}

fn same_question(old: &LockedComponent, new: &LockedComponent) -> bool {
    let LockedComponent { id: _, request, inputs, source: _, version: _, released: _, artifacts: _ } = old;
    *request == new.request && *inputs == new.inputs
}

/// Wheels are chosen for a base. Packages of the distribution are those that the committed lock has with their files.
fn fits_base(committed: &Lock, overlay: &Lock, new: &LockedComponent) -> bool {
    let same = |a: &LockedBase, b: &LockedBase| a.reference == b.reference && a.from == b.from;
    let client = new.id.kind == Kind::Client;
    let list = if client { &committed.fetch_packages } else { &committed.packages };
    let bases = [(&committed.base, &overlay.base), (&committed.fetch, &overlay.fetch)];
    bases.into_iter().all(|(a, b)| same(a, b))
        && of_components(std::slice::from_ref(new), client).all(|(_, pin)| list.iter().any(|package| package.pin == *pin))
}
