//! Generated files are what their generators say.

use std::path::Path;

use silo::{problem, schema};

/// Compares a committed file with what is generated, or writes it when `SILO_BLESS` is set.
fn generated(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("SILO_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let stale = committed.lines().zip(text.lines()).position(|(old, new)| old != new);
    assert!(
        committed == text,
        "{name} is stale from line {}: SILO_BLESS=1 cargo test --test main generated",
        stale.unwrap_or(committed.lines().count().min(text.lines().count())) + 1
    );
}

#[test]
fn example() {
    generated("silo.kdl.example", &schema::example());
}

#[test]
fn kdl_schema() {
    generated("schemas/silo.kdl-schema.kdl", &schema::kdl_schema());
}

#[test]
fn config_schema() {
    generated("schemas/config.schema.json", &schema::json_schema());
}

#[test]
fn reference() {
    generated("docs/reference.md", &schema::reference());
}

#[test]
fn errors() {
    generated("docs/errors.md", &problem::reference());
}
