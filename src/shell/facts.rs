//! Facts about the host and the caller, read without running anything of the repository's.

use std::path::{Path, PathBuf};
use std::process::Command;

use silo::launch::GitIdentity;
use silo::layers::{self, Facts, File};

/// The caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// User identifier.
    pub uid: u32,
    /// Group identifier.
    pub gid: u32,
    /// Login name; `user` when there is none that can be used.
    pub user: String,
    /// Home folder.
    pub home: PathBuf,
}

impl Caller {
    /// Who runs silo. The name comes from `/etc/passwd` or `$USER`, the home folder from `$HOME` or `/etc/passwd`.
    pub fn read() -> Caller {
        let uid = rustix::process::getuid().as_raw();
        let gid = rustix::process::getgid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let entry =
            passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.len() >= 6 && fields[2] == uid.to_string());
        let usable =
            |name: &String| !name.is_empty() && name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let user = entry
            .as_ref()
            .map(|fields| fields[0].to_string())
            .or_else(|| std::env::var("USER").ok())
            .filter(usable)
            .unwrap_or_else(|| "user".to_string());
        let home = std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute())
            .or_else(|| entry.as_ref().map(|fields| PathBuf::from(fields[5])))
            .unwrap_or_else(|| PathBuf::from("/"));
        Caller { uid, gid, user, home }
    }

    /// A folder of the XDG base directory specification: `$VARIABLE`, else the default under HOME.
    fn xdg(&self, variable: &str, default: &str) -> PathBuf {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| self.home.join(default))
            .join("silo")
    }

    /// Where the user's own configuration is: `$XDG_CONFIG_HOME/silo`.
    pub fn config_directory(&self) -> PathBuf {
        self.xdg("XDG_CONFIG_HOME", ".config")
    }

    /// Where silo keeps what must outlive a container: `$XDG_STATE_HOME/silo`.
    pub fn state_directory(&self) -> PathBuf {
        self.xdg("XDG_STATE_HOME", ".local/state")
    }

    /// Where silo keeps the files of running containers.
    pub fn run_directory(&self) -> PathBuf {
        self.state_directory().join("run")
    }

    /// Where silo keeps what can be made again: `$XDG_CACHE_HOME/silo`.
    pub fn cache_directory(&self) -> PathBuf {
        self.xdg("XDG_CACHE_HOME", ".cache")
    }
}

/// The nearest folder at or above `start` that holds `.git`.
pub fn repository_root(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()).map(Path::to_path_buf)
}

/// The common git directory of a linked worktree, when `workspace` is one and the directory lies outside it.
///
/// A `.git` file names a directory, and a repository can write anything there. So the directory counts only when it points back at this
/// worktree, as git itself keeps it (gitrepository-layout(5): `worktrees/<id>/gitdir`, `commondir`); nobody without access to that directory can forge that.
pub fn git_common_directory(workspace: &Path) -> Option<PathBuf> {
    let link = workspace.join(".git");
    if !link.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let text = std::fs::read_to_string(&link).ok()?;
    let private = workspace.join(text.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    let back = std::fs::read_to_string(private.join("gitdir")).ok()?;
    if Path::new(back.trim()).canonicalize().ok()? != link.canonicalize().ok()? {
        return None;
    }
    let common = std::fs::read_to_string(private.join("commondir")).ok()?;
    let common = private.join(common.trim()).canonicalize().ok()?;
    let inside = private.starts_with(common.join("worktrees")) && common.join("objects").is_dir();
    (inside && !common.starts_with(workspace)).then_some(common)
}

/// `user.name` and `user.email` of the user's global git configuration. Runs outside any repository, so that none can answer.
pub fn git_identity() -> Option<GitIdentity> {
    let output = Command::new("git")
        .args(["-C", "/", "config", "--global", "--get-regexp", r"^user\.(name|email)$"])
        .env("GIT_CEILING_DIRECTORIES", "/")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let value =
        |key: &str| text.lines().rev().find_map(|line| line.strip_prefix(key).and_then(|rest| rest.strip_prefix(' '))).map(str::to_string);
    Some(GitIdentity { name: value("user.name")?, email: value("user.email")? })
}

/// What conditions of a configuration look at. What none of them asks for is not looked up.
pub fn facts(root: &Path, files: &[File]) -> Facts {
    let asked = layers::dependencies(files.iter().map(|file| &file.document));
    let wants = |name: &str| asked.contains(name);
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    Facts {
        os: if cfg!(target_os = "macos") { "macos" } else { "linux" }.to_string(),
        arch: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }.to_string(),
        host: if wants("host") { host() } else { String::new() },
        // The convention of CI services: https://docs.github.com/actions/reference/variables-reference, and everybody else.
        ci: std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false")),
        repo: if wants("repo") { repository(root) } else { None },
        backend: None,
        agent: None,
    }
}

/// Which repository this is, by the URL of `origin`: `github.com/acme/api`. The file is read as text; git is not asked.
fn repository(root: &Path) -> Option<String> {
    let folder = root.join(".git");
    let folder = if folder.symlink_metadata().ok()?.is_file() { git_common_directory(root)? } else { folder };
    let config = folder.join("config");
    if !config.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() < 1 << 20) {
        return None;
    }
    origin(&std::fs::read_to_string(config).ok()?)
}

/// The repository of the `url` in the section `[remote "origin"]` of a git configuration (git-config(1), Syntax).
fn origin(config: &str) -> Option<String> {
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.replace([' ', '\t'], "") == r#"[remote"origin"]"#;
        } else if let (true, Some((key, value))) = (inside, line.split_once('='))
            && key.trim().eq_ignore_ascii_case("url")
        {
            return place_of(value.trim().trim_matches('"'));
        }
    }
    None
}

/// Host and path of a git URL, without user, port and `.git`: `git@github.com:acme/api.git` is `github.com/acme/api`.
fn place_of(url: &str) -> Option<String> {
    let (host, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url.split_once(':').filter(|(host, _)| !host.contains('/'))?,
    };
    let host = host.rsplit('@').next()?.split(':').next()?;
    let path = path.trim_matches('/').trim_end_matches(".git");
    (!host.is_empty() && !path.is_empty()).then(|| format!("{}/{path}", host.to_lowercase()))
}

/// The host's bundle of certificate authorities, when it has one: what clients inside a build need behind a TLS-intercepting proxy.
pub fn certificate_bundle() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let usual = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];
    named.into_iter().chain(usual.map(PathBuf::from)).find(|path| path.is_file())
}

/// The proxy variables of the environment, in the upper-case spelling that BuildKit predefines.
pub fn proxy_settings() -> std::collections::BTreeMap<String, String> {
    ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"]
        .into_iter()
        .filter_map(|name| {
            let value = std::env::var(name).or_else(|_| std::env::var(name.to_lowercase())).ok()?;
            (!value.is_empty()).then(|| (name.to_string(), value))
        })
        .collect()
}

/// Whether a proxy's address holds a name and password, or a token.
pub fn has_password(address: &str) -> bool {
    let authority = address.split("://").last().unwrap_or(address).split('/').next().unwrap_or_default();
    authority.contains('@')
}

/// Whether a proxy's address is one of this machine's own, which from a container is another place.
pub fn is_loopback(address: &str) -> bool {
    let authority = address.split("://").last().unwrap_or(address).split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]")
}

#[cfg(test)]
mod tests {
    use super::{git_common_directory, is_loopback, origin, repository_root};
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    fn git(folder: &Path, args: &[&str]) {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.test", "-c", "init.defaultBranch=main"];
        let ran = Command::new("git").arg("-C").arg(folder).args(identity).args(args).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    #[test]
    fn a_linked_worktree_names_its_common_directory_and_nobody_else_can() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let main = root.join("main");
        fs::create_dir(&main).unwrap();
        git(&main, &["init", "--quiet"]);
        git(&main, &["commit", "--quiet", "--allow-empty", "--message", "first"]);
        git(&main, &["worktree", "add", "--quiet", "../linked"]);
        let linked = root.join("linked");
        assert_eq!(git_common_directory(&linked), Some(main.join(".git")));
        assert_eq!(git_common_directory(&main), None, "its own is inside");
        assert_eq!(repository_root(&linked.join("deeper/still")), Some(linked.clone()));

        // A repository that says so about a directory of somebody else's.
        let hostile = root.join("hostile");
        fs::create_dir(&hostile).unwrap();
        for pointer in [main.join(".git/worktrees/linked"), main.join(".git"), root.clone()] {
            fs::write(hostile.join(".git"), format!("gitdir: {}\n", pointer.display())).unwrap();
            assert_eq!(git_common_directory(&hostile), None, "{}", pointer.display());
        }
        // Even with a directory of its own that points back, what it calls common has to be a repository that knows it.
        let own = hostile.join("private");
        fs::create_dir(&own).unwrap();
        fs::write(hostile.join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        fs::write(own.join("gitdir"), format!("{}\n", hostile.join(".git").display())).unwrap();
        fs::write(own.join("commondir"), format!("{}\n", main.join(".git").display())).unwrap();
        assert_eq!(git_common_directory(&hostile), None);
    }

    #[test]
    fn a_proxy_of_this_machine_is_known_by_its_address() {
        for address in ["http://127.0.0.1:3128", "localhost:8080", "http://user:secret@localhost", "http://[::1]:3128/"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in ["http://proxy.example.test:3128", "http://localhost@proxy.example.test", "10.0.0.1:3128"] {
            assert!(!is_loopback(address), "{address}");
        }
    }

    #[test]
    fn a_repository_is_known_by_the_url_of_its_origin() {
        let of = |url: &str| {
            origin(&format!("[core]\n\turl = no\n[remote \"origin\"]\n\turl = {url}\n\tfetch = x\n[remote \"b\"]\n\turl = no\n"))
        };
        for url in [
            "git@git.example.test:acme/api.git",
            "https://git.example.test/acme/api",
            "https://ada:secret@Git.Example.test/acme/api.git/",
            "ssh://git@git.example.test:22/acme/api.git",
        ] {
            assert_eq!(of(url).as_deref(), Some("git.example.test/acme/api"), "{url}");
        }
        for url in ["/srv/git/api.git", "../api", "file:///srv/api.git", ""] {
            assert_eq!(of(url), None, "{url}");
        }
        assert_eq!(origin("[remote \"upstream\"]\nurl = git@git.example.test:acme/api.git"), None);
    }
}
