//! Archives that keep what others have no longer: one for each moment.

use silo::lock::time::Time;

use super::endpoint::Surroundings;

/// What stands for the moment in SILO_APT_SNAPSHOT.
const MOMENT: &str = "%{moment}";

/// What stands for the moment in a release file. Source: wiki.ubuntu.com, "Snapshot Service".
const PUBLISHED: &str = "@SNAPSHOTID@";

/// How much later than a state of an archive a snapshot may be that has it: it is taken some times a day.
const LATER: [u64; 2] = [0, 86_400];

/// Addresses of archives as they were at some moments, the latest first: those of SILO_APT_SNAPSHOT, which are separated by blanks, and the one
/// that a release file names, if any.
pub fn addresses(surroundings: &Surroundings, moments: &[Time], published: Option<&str>) -> Vec<String> {
    let named = surroundings.variable("SILO_APT_SNAPSHOT").into_iter().flat_map(str::split_whitespace).map(|address| (address, MOMENT));
    let all: Vec<(&str, &str)> = named.chain(published.map(|address| (address, PUBLISHED))).collect();
    self::moments(moments)
        .flat_map(|moment| all.iter().map(move |(address, mark)| address.replace(mark, &moment).trim_end_matches('/').to_string()))
        .collect()
}

/// The moments for which a snapshot is asked, the latest first.
pub fn moments(moments: &[Time]) -> impl Iterator<Item = String> {
    moments.iter().rev().flat_map(|moment| LATER.map(|later| moment.plus(later).compact()))
}
