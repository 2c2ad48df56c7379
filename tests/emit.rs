//! Views of a plan.
