//! Paths of the host, compared without looking at the host.
//!
//! Text is all there is: links are not followed, and who the user will be is not known. `~`, `~NAME`, `$HOME` and `%{home}` are a user's home;
//! what is called `/home/NAME`, `/Users/NAME`, `/root` or `/var/root` may be one. A relative path is one of the workspace. Small and capital
//! letters are the same, as they are on many disks.

/// A path without `.`, `..` and doubled slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    root: Root,
    parts: Vec<String>,
    /// It leads to who knows where: out of its root, or wherever a placeholder says.
    outside: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    /// `/`.
    System,
    /// The user's home.
    Home,
    /// The workspace.
    Workspace,
}

/// Other ways to write the home directory.
const HOME: [&str; 4] = ["~", "$HOME", "${HOME}", "%{home}"];
/// The home directory by way of the user's name.
const OWN_HOMES: [&str; 2] = ["/home/%{user}", "/Users/%{user}"];
/// Folders in which each folder may be the home of a user.
const HOMES: [&[&str]; 2] = [&["home"], &["users"]];
/// Folders that may be the home of root.
const ROOT_HOMES: [&[&str]; 2] = [&["root"], &["var", "root"]];

impl Place {
    /// Reads a path.
    pub(super) fn parse(text: &str) -> Place {
        let home = OWN_HOMES.iter().find_map(|home| text.strip_prefix(home).filter(|rest| rest.is_empty() || rest.starts_with('/')));
        let (first, rest) = text.split_once('/').unwrap_or((text, ""));
        let (root, rest) = if let Some(rest) = home {
            (Root::Home, rest)
        } else if HOME.contains(&first) || first.starts_with('~') {
            (Root::Home, rest)
        } else if first == "%{workspace}" {
            (Root::Workspace, rest)
        } else if first.is_empty() && !text.is_empty() {
            (Root::System, rest)
        } else {
            (Root::Workspace, text)
        };
        // What another placeholder stands for is not known.
        let outside = root == Root::Workspace && rest.starts_with("%{");
        let mut place = Place { root, parts: Vec::new(), outside };
        for part in rest.split('/') {
            match part {
                "" | "." => {}
                ".." if place.parts.pop().is_none() => place.outside |= root != Root::System,
                ".." => {}
                other => place.parts.push(other.to_lowercase()),
            }
        }
        place
    }

    /// Whether this is surely the other path, or lies below it.
    pub(super) fn is_within(&self, other: &Place) -> bool {
        !self.outside && !other.outside && self.root == other.root && self.parts.starts_with(&other.parts)
    }

    /// Whether one of the two may be the other, lie below it or hold it.
    pub(super) fn may_meet(&self, other: &Place) -> bool {
        if self.outside || other.outside {
            return true;
        }
        match (self.root, other.root) {
            (Root::System, Root::System) | (Root::Home, Root::Home) | (Root::Workspace, Root::Workspace) => {
                related(&self.parts, &other.parts)
            }
            (Root::Home, Root::System) => other.meets_home(&self.parts),
            (Root::System, Root::Home) => self.meets_home(&other.parts),
            // Where the workspace is, nobody knows; but it is somewhere.
            (Root::Workspace, Root::System) => other.parts.is_empty(),
            (Root::System, Root::Workspace) => self.parts.is_empty(),
            (Root::Workspace, Root::Home) | (Root::Home, Root::Workspace) => false,
        }
    }

    /// What would be this path, counted from the home of a user.
    fn as_homes(&self) -> impl Iterator<Item = &[String]> {
        let named = HOMES.iter().filter(|prefix| begins(&self.parts, prefix)).filter_map(|prefix| self.parts.get(prefix.len() + 1..));
        named.chain(ROOT_HOMES.iter().filter(|prefix| begins(&self.parts, prefix)).filter_map(|prefix| self.parts.get(prefix.len()..)))
    }

    /// Whether this path of the system may be related to one that is counted from a home.
    fn meets_home(&self, inside: &[String]) -> bool {
        let above = |prefix: &[&str]| self.parts.len() <= prefix.len() && self.parts.iter().zip(prefix).all(|(own, other)| own == other);
        HOMES.iter().chain(&ROOT_HOMES).any(|prefix| above(prefix)) || self.as_homes().any(|own| related(own, inside))
    }
}

fn begins(parts: &[String], prefix: &[&str]) -> bool {
    parts.len() >= prefix.len() && parts.iter().zip(prefix).all(|(own, other)| own == other)
}

/// Whether one of two paths is the beginning of the other.
fn related(a: &[String], b: &[String]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}
