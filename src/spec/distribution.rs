//! What the catalog knows about a distribution.

/// A distribution as the catalog describes it (`images/base/*.kdl`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The entry's name: `debian`.
    pub name: String,
    /// The release's code name: `bookworm`.
    pub suite: String,
    /// Components of the archive: `main`, `universe`.
    pub sections: Vec<String>,
    /// The suites that have newer versions of the release's packages.
    pub updates: Vec<UpdateSuite>,
    /// Packages of the stage that downloads and unpacks (silo's own, not the user's).
    pub fetch_packages: Vec<String>,
    /// Packages that every image gets.
    pub packages: Vec<String>,
}

/// A suite of updates: `bookworm-security`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateSuite {
    /// Its name.
    pub suite: String,
    /// The folder of its archive beside that of the release; `None` when it is in the same one.
    pub beside: Option<String>,
}
