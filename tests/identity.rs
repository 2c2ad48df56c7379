//! Which image it is.
