//! The build context as a tar archive: the same bytes for the same plan.

use std::collections::BTreeSet;

use crate::plan::{ContextFile, Plan};

/// Every time in the archive, in seconds since 1970.
const TIME: u64 = 1;

/// Writes the archive: the Dockerfile under the name `Dockerfile`, every folder before what it holds, owner root, one fixed time.
///
/// Every folder stands there once more at the end: whoever unpacks the archive changes a folder's time with each file put into it, and
/// folders that a `COPY` takes into an image keep theirs.
pub fn context_tar(plan: &Plan) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    let dockerfile = ContextFile { mode: 0o644, bytes: super::dockerfile(plan).into_bytes() };
    append(&mut archive, "Dockerfile", &dockerfile);
    for (path, file) in &plan.context {
        for (at, _) in path.match_indices('/') {
            if folders.insert(&path[..at]) {
                folder(&mut archive, &path[..at]);
            }
        }
        append(&mut archive, path, file);
    }
    for path in folders {
        folder(&mut archive, path);
    }
    archive.into_inner().expect("writing to memory does not fail")
}

fn folder(archive: &mut tar::Builder<Vec<u8>>, path: &str) {
    let mut header = header(0o755, 0);
    header.set_entry_type(tar::EntryType::Directory);
    put(archive, &mut header, &format!("{path}/"), &[]);
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, file: &ContextFile) {
    put(archive, &mut header(file.mode, file.bytes.len() as u64), path, &file.bytes);
}

fn put(archive: &mut tar::Builder<Vec<u8>>, header: &mut tar::Header, path: &str, bytes: &[u8]) {
    archive.append_data(header, path, bytes).expect("the planner's paths are relative and writing to memory does not fail");
}

fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(TIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}
