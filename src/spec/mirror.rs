//! What is fetched from elsewhere. No image depends on it, and no lock names it.

use crate::source::Span;

/// A place that has what another one has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Of what it is a mirror.
    pub of: Mirrored,
    /// Where it is: a URL that ends with a slash.
    pub to: String,
    /// Where that was written.
    pub origin: Span,
}

/// What has a mirror.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mirrored {
    /// A registry of packages, wherever its client would look for it.
    Registry(Registry),
    /// Everything whose URL begins so: up to a slash, which is the end of this text.
    Url(String),
}

impl Mirrored {
    /// As it is written in a configuration.
    pub fn as_str(&self) -> &str {
        match self {
            Mirrored::Registry(registry) => registry.as_str(),
            Mirrored::Url(beginning) => beginning,
        }
    }
}

/// A registry that a kind of step takes packages from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Registry {
    /// That of `npm` steps.
    Npm,
    /// That of `pip` steps.
    Pypi,
    /// That of `cargo` steps: a sparse index of crates.
    Crates,
    /// That of `apt` steps: the distribution's archive.
    Apt,
    /// That of `go` steps: a proxy of modules.
    Go,
}

impl Registry {
    /// All of them.
    pub const ALL: [Registry; 5] = [Registry::Npm, Registry::Pypi, Registry::Go, Registry::Crates, Registry::Apt];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Registry::Npm => "npm",
            Registry::Pypi => "pypi",
            Registry::Crates => "crates",
            Registry::Apt => "apt",
            Registry::Go => "go",
        }
    }
}

/// All mirrors, the longest beginning of a URL first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors(Vec<Mirror>);

impl Mirrors {
    /// From mirrors in any order, of which no two are of the same.
    pub fn new(mut list: Vec<Mirror>) -> Mirrors {
        list.sort_by(|a, b| b.of.as_str().len().cmp(&a.of.as_str().len()).then_with(|| a.of.cmp(&b.of)));
        Mirrors(list)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Mirror> {
        self.0.iter()
    }

    /// The mirror of a registry, which ends with a slash.
    pub fn registry(&self, registry: Registry) -> Option<&str> {
        self.0.iter().find(|mirror| mirror.of == Mirrored::Registry(registry)).map(|mirror| mirror.to.as_str())
    }

    /// Where a mirror has what is at a URL; `None` when there is none of it. A mirror's own address is not looked up again.
    pub fn address(&self, url: &str) -> Option<String> {
        self.urls().find_map(|(from, to)| Some(format!("{to}{}", url.strip_prefix(from)?)))
    }

    /// As `images/build/install.sh` reads them: one of a URL a line, its beginning and the mirror separated by a tab, the longest first.
    pub fn lines(&self) -> String {
        self.urls().map(|(from, to)| format!("{from}\t{to}\n")).collect()
    }

    fn urls(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|mirror| match &mirror.of {
            Mirrored::Url(from) => Some((from.as_str(), mirror.to.as_str())),
            Mirrored::Registry(_) => None,
        })
    }
}
