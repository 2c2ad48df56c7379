//! `silo.lock` as text.
use super::Lock;
use crate::problem::Problems;
use crate::source::SourceId;

/// Reads.
pub fn parse(_source: SourceId, _text: &str) -> (Option<Lock>, Problems) {
    (None, Problems::default())
}
