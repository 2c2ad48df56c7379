//! Paths and the variables that may stand in them.

use super::literal;

/// What paths of a development container mean.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// `workspaceFolder`: where the repository is in the other tool's container.
    pub workspace: Option<String>,
}

/// A text in which `${…}` is resolved: with silo's `%{…}` in it, or the variable that means nothing here.
pub(super) fn resolve(text: &str, name: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&literal(&rest[..at]));
        let Some(end) = rest[at..].find('}') else { break };
        let inner = &rest[at + 2..at + end];
        match name(inner) {
            Some(value) => out.push_str(&value),
            None => return Err(format!("${{{inner}}}")),
        }
        rest = &rest[at + end + 1..];
    }
    out.push_str(&literal(rest));
    Ok(out)
}

/// Variables that stand for the same folder in the container and on the host.
fn folder(variable: &str) -> Option<String> {
    match variable {
        "localWorkspaceFolder" | "containerWorkspaceFolder" => Some("%{workspace}".to_string()),
        "localEnv:HOME" | "env:HOME" | "containerEnv:HOME" => Some("%{home}".to_string()),
        _ => None,
    }
}

impl Places {
    /// A text, such as the value of a variable.
    pub(super) fn text(&self, text: &str) -> Result<String, String> {
        resolve(text, folder)
    }

    /// A path of the host.
    pub(super) fn host(&self, text: &str) -> Result<String, String> {
        let path = resolve(text, |variable| match variable {
            // On another system it is empty there, and HOME is set.
            "localEnv:USERPROFILE" | "env:USERPROFILE" => Some(String::new()),
            other => folder(other),
        })?;
        Ok(tidy(&path))
    }

    /// A path of the container.
    pub(super) fn container(&self, text: &str) -> Result<String, String> {
        let path = tidy(&resolve(text, folder)?);
        let workspace = self.workspace.as_deref().filter(|workspace| workspace.starts_with('/') && !workspace.contains("${"));
        if let Some(rest) = workspace.and_then(|workspace| path.strip_prefix(workspace))
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return Ok(format!("%{{workspace}}{rest}"));
        }
        // The user of the other container has a home of its own there.
        let home = path.strip_prefix("/home/").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
        Ok(match home.or_else(|| path.strip_prefix("/root/")) {
            Some(rest) => format!("~/{rest}"),
            None => path,
        })
    }
}

/// `%{home}/x` is `~/x` for people; a slash at the end says nothing.
fn tidy(path: &str) -> String {
    let path = match path.strip_prefix("%{home}/") {
        Some(rest) => format!("~/{rest}"),
        None => path.to_string(),
    };
    if path.len() > 1 { path.trim_end_matches('/').to_string() } else { path }
}

/// Whether a path of the host lies in the repository.
pub(super) fn is_inside(path: &str) -> bool {
    path == "%{workspace}" || path.starts_with("%{workspace}/") || !(path.starts_with(['/', '~']) || path.starts_with("%{"))
}

/// What is wrong with a mount, by its path on the host and in the container.
pub(super) fn wrong(source: &str, target: Option<&str>) -> Option<String> {
    if source.is_empty() || source.split('/').any(|part| part == "..") {
        return Some("a mount's path is written without `..`".to_string());
    }
    let socket = source.rsplit('/').next().unwrap_or("");
    if crate::spec::decode::CONTROL_SOCKETS.contains(&socket) {
        return Some(format!("`{socket}` gives a container the whole host, and silo never mounts it"));
    }
    let to = target.unwrap_or(if is_inside(source) { "%{workspace}" } else { source });
    container_folder(to)
}

/// What is wrong with a path in the container.
pub(super) fn container_folder(to: &str) -> Option<String> {
    let rooted = ["/", "~/", "%{home}/", "%{workspace}/"].iter().any(|start| to.starts_with(start)) || to == "%{workspace}";
    if !rooted || to.split('/').any(|part| part == "..") {
        return Some(format!("`{to}` is no absolute path of a container without `..`"));
    }
    let mut parts = to.split('/').filter(|part| !part.is_empty() && *part != ".");
    if to.starts_with('/') {
        match (parts.next(), parts.next()) {
            (None | Some("proc" | "sys" | "dev"), _) => return Some(format!("`{to}` belongs to the kernel or is the root itself")),
            (Some("opt"), Some("silo")) => return Some(format!("`{to}` is where silo keeps its own")),
            (Some(_), _) => {}
        }
    }
    None
}
