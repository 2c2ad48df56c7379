//! Puts the catalog (`images/**/*.kdl`) into the program: a table from `kind/name` to text, which `src/catalog.rs` includes.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a build script reads files and talks to cargo on stdout")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fs};

fn main() -> Result<(), Box<dyn error::Error>> {
    // `fuzz/` builds the library from its own folder.
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = [package.join("images"), package.join("../images")].into_iter().find(|folder| folder.is_dir()).ok_or("no images/")?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut entries = BTreeMap::new();
    for folder in folder(&root)? {
        println!("cargo::rerun-if-changed={}", folder.display());
        for file in self::folder(&folder)? {
            if file.extension().is_some_and(|extension| extension == "kdl") {
                let name = file.strip_prefix(&root)?.with_extension("");
                entries.insert(name.to_str().ok_or("a catalog entry's name is not UTF-8")?.replace('\\', "/"), file);
            }
        }
    }
    let mut table = String::from("&[\n");
    for (name, file) in entries {
        writeln!(table, "    ({name:?}, include_str!({:?})),", file.to_str().ok_or("the path of the checkout is not UTF-8")?)?;
    }
    table.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("catalog.rs"), table)?;
    Ok(())
}

/// The files and folders of a folder; none when it is a file.
fn folder(path: &Path) -> Result<Vec<PathBuf>, Box<dyn error::Error>> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
}
