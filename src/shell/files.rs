//! Which configuration files there are, and reading them.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use silo::plan::{ContextFile, Tree};
use silo::problem::{Code, Problem};
use silo::source::Layer;

use super::facts::{self, Caller};

/// The name of a configuration file.
pub const FILE: &str = "silo.kdl";
/// The name of the file for one checkout, which nobody commits.
pub const LOCAL_FILE: &str = "silo.local.kdl";
/// The name of the lock.
pub const LOCK_FILE: &str = "silo.lock";

/// The name of npm's own configuration, which says where a project's packages come from.
pub const NPMRC: &str = ".npmrc";

/// A place where a configuration file may be.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Absolute path.
    pub path: PathBuf,
    /// Its layer.
    pub layer: Layer,
}

/// Where configuration is looked for, from a working directory.
#[derive(Clone, Debug)]
pub struct Places {
    /// The working directory: absolute, links resolved.
    pub workspace: PathBuf,
    /// The folder that project files lie in or under: the repository's root; without a repository the nearest folder upwards with a `silo.kdl`.
    pub root: PathBuf,
    /// The files that may exist, weakest first.
    pub candidates: Vec<Candidate>,
}

impl Places {
    /// Looks at the folders above `workspace`, reading no file.
    pub fn find(caller: &Caller, workspace: &Path) -> Places {
        let root = facts::repository_root(workspace)
            .or_else(|| workspace.ancestors().find(|folder| folder.join(FILE).symlink_metadata().is_ok()).map(Path::to_path_buf))
            .unwrap_or_else(|| workspace.to_path_buf());
        let mut candidates = vec![
            Candidate { path: PathBuf::from("/etc/silo").join(FILE), layer: Layer::System },
            Candidate { path: caller.config_directory().join(FILE), layer: Layer::User },
        ];
        let folders: Vec<&Path> = workspace.ancestors().collect();
        for (depth, folder) in folders.iter().rev().enumerate() {
            let depth = u16::try_from(depth).unwrap_or(u16::MAX);
            if folder.starts_with(&root) {
                candidates.push(Candidate { path: folder.join(FILE), layer: Layer::Project(depth) });
                candidates.push(Candidate { path: folder.join(LOCAL_FILE), layer: Layer::Local(depth) });
            } else {
                candidates.push(Candidate { path: folder.join(FILE), layer: Layer::Above(depth) });
            }
        }
        Places { workspace: workspace.to_path_buf(), root, candidates }
    }
}

/// What people call a path: relative below the working directory, `~/…` below HOME, else absolute.
pub fn display_name(path: &Path, workspace: &Path, home: &Path) -> String {
    if let Ok(inside) = path.strip_prefix(workspace) {
        return inside.display().to_string();
    }
    match path.strip_prefix(home) {
        Ok(inside) if home != Path::new("/") => format!("~/{}", inside.display()),
        _ => path.display().to_string(),
    }
}

/// Reads a configuration file of at most `limit` bytes; `Ok(None)` when there is none. A pipe, a device or a directory is refused without being opened, since a
/// repository decides what lies there.
pub fn read_configuration(path: &Path, name: &str, limit: usize) -> Result<Option<String>, Problem> {
    let unreadable = |error: &io::Error| {
        Problem::new(Code::Unreadable, format!("{name} cannot be read: {error}"))
            .help("make the file readable, or move it away if it is not meant for silo")
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory => {
            // A link that leads nowhere was meant to be a file.
            return match path.symlink_metadata() {
                Ok(_) => Err(unreadable(&error)),
                Err(_) => Ok(None),
            };
        }
        Err(error) => return Err(unreadable(&error)),
    };
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a directory" } else { "not an ordinary file" };
        return Err(Problem::new(Code::Unreadable, format!("{name} is {kind}")).help("replace it by a file, or move it away"));
    }
    if metadata.len() > limit as u64 {
        return Err(Problem::new(Code::TooLarge, format!("{name} has {} bytes and silo reads at most {limit}", metadata.len()))
            .help("split it with `import`, and keep data that is not configuration elsewhere"));
    }
    let mut bytes = Vec::new();
    // One byte more, so that a file that grows meanwhile is refused and not cut.
    fs::File::open(path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes)).map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem::new(Code::NotUtf8, format!("{name} is not UTF-8 text: byte {valid} (line {line}) begins no character"))
            .help("save the file as UTF-8")
    })
}

/// Files of one `copy` step, and bytes of all of them: what is larger belongs into a registry.
const TREE_LIMIT: (usize, u64) = (10_000, 64 << 20);

/// Reads the file or folder that a `copy` step names, relative to the repository's root. Nothing outside the repository is read: a link that
/// leads out is refused, and so is anything that is neither a file nor a folder.
pub fn read_tree(root: &Path, source: &str) -> Result<Tree, Problem> {
    let wrong =
        |message: String| Problem::new(Code::CopySource, message).help("name a file or folder of the repository, relative to its root");
    let start = root.join(source).canonicalize().map_err(|error| wrong(format!("`{source}` cannot be copied: {error}")))?;
    if !start.starts_with(root) {
        return Err(wrong(format!("`{source}` is outside the repository")));
    }
    let mut tree = Tree::new();
    let mut bytes = 0;
    let mut pending = vec![start.clone()];
    while let Some(path) = pending.pop() {
        let real = path.canonicalize().map_err(|error| wrong(format!("{} cannot be copied: {error}", path.display())))?;
        if !real.starts_with(root) {
            return Err(wrong(format!("{} leads outside the repository", path.display())));
        }
        let metadata = real.metadata().map_err(|error| wrong(format!("{} cannot be copied: {error}", path.display())))?;
        if metadata.is_dir() {
            // A link to a folder above itself would never end.
            if path != start && path.symlink_metadata().is_ok_and(|link| link.is_symlink()) {
                return Err(wrong(format!("{} is a link to a folder", path.display())));
            }
            let entries = fs::read_dir(&path).map_err(|error| wrong(format!("{} cannot be copied: {error}", path.display())))?;
            pending.extend(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|entry| !entry.ends_with(".git")));
            continue;
        }
        if !metadata.is_file() {
            return Err(wrong(format!("{} is not an ordinary file", path.display())));
        }
        bytes += metadata.len();
        if tree.len() >= TREE_LIMIT.0 || bytes > TREE_LIMIT.1 {
            return Err(wrong(format!("`{source}` holds more than {} files or {} MiB", TREE_LIMIT.0, TREE_LIMIT.1 >> 20)));
        }
        let contents = fs::read(&real).map_err(|error| wrong(format!("{} cannot be copied: {error}", path.display())))?;
        let inside = path.strip_prefix(&start).unwrap_or(Path::new("")).display().to_string();
        tree.insert(inside, ContextFile { mode: if is_executable(&metadata) { 0o755 } else { 0o644 }, bytes: contents });
    }
    Ok(tree)
}

fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

/// Replaces a file in one step: readers see the old text or the new one, never a part.
pub fn write_atomically(path: &Path, text: &[u8]) -> io::Result<()> {
    write(path, text, None)
}

/// Replaces the text of a file that exists, in one step and with the permissions that it has. A link stays, and what it leads to is replaced.
pub fn rewrite(path: &Path, text: &[u8]) -> io::Result<()> {
    let path = path.canonicalize()?;
    let permissions = path.metadata()?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only"));
    }
    write(&path, text, Some(permissions))
}

/// Creates a file that nobody else writes: what is there already, such as a link that a repository has put there or the file of another
/// writer, is not touched. Processes of different containers may have the same number, so the time is part of the name.
fn create_beside(folder: &Path, name: &str) -> io::Result<(PathBuf, fs::File)> {
    let mut tries = 0;
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let temporary = folder.join(format!(".{name}.{}-{}.tmp", std::process::id(), now.as_nanos()));
        match fs::File::create_new(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 100 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

fn write(path: &Path, text: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (temporary, mut file) = create_beside(folder, &name)?;
    let write = || -> io::Result<()> {
        file.write_all(text)?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let result = write();
    if result.is_err() {
        // Best effort: what is reported is why writing failed.
        let _ = fs::remove_file(&temporary);
    }
    result
}
