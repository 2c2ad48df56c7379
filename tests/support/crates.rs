//! Made-up crates and what a registry says of them.

use serde_json::{Value, json};
use silo::digest::sha256_hex;

/// A crate, as its author packs it: everything in one folder.
pub fn pack(name: &str, version: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6)));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1);
        header.set_cksum();
        tar.append_data(&mut header, format!("{name}-{version}/{path}"), text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A `Cargo.lock` of a crate with others of a registry.
pub fn lock(name: &str, version: &str, others: &[(&str, &str, &[u8])]) -> String {
    const SOURCE: &str = "registry+https://crates.example.test/index";
    let mut text = String::from("version = 3\n");
    for (other, of, packed) in others {
        let sum = sha256_hex(packed);
        text.push_str(&format!("\n[[package]]\nname = \"{other}\"\nversion = \"{of}\"\nsource = \"{SOURCE}\"\nchecksum = \"{sum}\"\n"));
    }
    let needs: Vec<String> = others.iter().map(|(other, _, _)| format!("\"{other}\"")).collect();
    text.push_str(&format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = [{}]\n", needs.join(", ")));
    text
}

/// A line of an index, with more members or others.
pub fn line(name: &str, version: &str, packed: &[u8], more: Value) -> String {
    let mut line = json!({ "name": name, "vers": version, "deps": [], "cksum": sha256_hex(packed), "features": {}, "yanked": false });
    line.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    format!("{line}\n")
}
