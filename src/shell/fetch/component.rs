//! One way of installing something: its version, and everything that is downloaded for it.

use std::collections::{BTreeMap, BTreeSet};

use silo::lock::npm::{Root, Track, choose, instead, refusal, track};
use silo::lock::template::{Values, expand, mentions};
use silo::lock::time::{Cutoff, Time};
use silo::lock::version::{Request, matches};
use silo::lock::{Artifact, Trust, apt, checksum, crates, go as modules, pypi as wheels};

use silo::spec::{Arch, Checksum, PackageRequest, Step, Template, Versions};

use super::index::{self, Listed};
use super::resolve::toolchain;
use super::session::{Session, Whose};
use super::{file, pypi};

/// What is being installed.
pub struct Recipe<'a> {
    /// The version asked for; `None` for a block that has no version.
    pub request: Option<&'a str>,
    /// Its steps.
    pub steps: &'a [Step],
    /// Where its versions are listed.
    pub versions: Option<&'a Versions>,
    /// What `%{arch}` means.
    pub arch: &'a BTreeMap<Arch, String>,
    /// Values of options.
    pub options: &'a BTreeMap<String, String>,
    /// From which distribution its packages come; `None` when they are not among the artefacts.
    pub apt: Option<Whose>,
    /// Which versions are old enough.
    pub cutoff: Cutoff,
}

/// What came out.
pub struct Found {
    /// The version.
    pub version: String,
    /// When it was released, where its source says it.
    pub released: Option<Time>,
    /// Everything that is downloaded, sorted.
    pub artifacts: Vec<Artifact>,
    /// What should be known about it.
    pub warnings: Vec<String>,
    /// What is worse than it could be, since a list of versions could not be read.
    pub fallbacks: Vec<String>,
}

impl Recipe<'_> {
    pub(super) fn fill(&self, template: &Template, arch: Arch, version: Option<&str>) -> Result<String, String> {
        let values = Values { version, arch, arch_names: self.arch, options: self.options };
        expand(template, &values).map_err(|name| match name.as_str() {
            "version.channel" | "version.date" if version.is_some() => {
                let version = version.unwrap_or_default();
                format!("`{version}` is not the version of a day; write one like version=\"nightly-2026-11-20\"")
            }
            "version" | "version.channel" | "version.date" | "version.base" | "version.build" | "version.major" | "version.minor" => {
                let request = self.request.unwrap_or("latest");
                format!(
                    "`{request}` is not an exact version, and nothing here says which versions there are; write one like version=\"1.2.3\""
                )
            }
            _ => format!("`%{{{name}}}` means nothing here"),
        })
    }

    pub(super) fn packages(&self, pick: impl Fn(&Step) -> Option<&Vec<PackageRequest>>) -> Vec<&PackageRequest> {
        self.steps.iter().filter_map(pick).flatten().collect()
    }

    /// Looks everything up.
    pub async fn find(&self, session: &Session<'_>) -> Result<Found, String> {
        let request = Request::parse(self.request.unwrap_or("latest"));
        let npm = self.packages(|step| if let Step::Npm { packages } = step { Some(packages) } else { None });
        let pip = self.packages(|step| if let Step::Pip { packages } = step { Some(packages) } else { None });
        let go = self.packages(|step| if let Step::Go { packages } = step { Some(packages) } else { None });
        let apt: Vec<&String> =
            self.steps.iter().filter_map(|step| if let Step::Apt { packages } = step { Some(packages) } else { None }).flatten().collect();
        let mut found =
            Found { version: String::new(), released: None, artifacts: Vec::new(), warnings: Vec::new(), fallbacks: Vec::new() };

        // Who knows the versions, in this order: packages that carry it, then the request itself.
        let mut version = None;
        if let Some((found_version, released)) = self.npm_version(session, &request, &npm).await? {
            (version, found.released) = (Some(found_version), released);
        }
        let leads = |package: &PackageRequest| package.version.0.contains("%{version}");
        if !pip.is_empty() {
            let solution = self.wheels(session, &pip, version.as_deref()).await?;
            if let (None, Some(leader)) = (&version, pip.iter().find(|package| leads(package))) {
                let name = self.fill(&leader.name, Arch::Amd64, None)?;
                let name = wheels::normalized(name.split('[').next().unwrap_or(&name));
                version = solution.versions.get(&name).cloned();
                found.released = solution.released.get(&name).copied();
            }
            if let (None, Some(first), true) = (&version, pip.first(), npm.is_empty()) {
                let name = self.fill(&first.name, Arch::Amd64, None)?;
                let name = wheels::normalized(&name);
                found.version = solution.versions.get(&name).cloned().unwrap_or_default();
                found.released = solution.released.get(&name).copied();
            }
            found.artifacts.extend(solution.wheels);
        }
        if !go.is_empty() {
            let solution = self.modules(session, &go, version.as_deref()).await?;
            if version.is_none() {
                let leader = go.iter().find(|package| leads(package));
                let alone = || go.first().filter(|_| npm.is_empty() && pip.is_empty());
                let of = |package: &PackageRequest| -> Result<Option<(String, Option<Time>)>, String> {
                    Ok(main_version(&solution, &self.fill(&package.name, Arch::Amd64, None)?))
                };
                if let Some((named, released)) = leader.copied().map_or(Ok(None), of)? {
                    (version, found.released) = (Some(named), released);
                } else if let Some((named, released)) = alone().copied().map_or(Ok(None), of)? {
                    (found.version, found.released) = (named, released);
                }
            }
            let summed = session.modules.sums(&session.client, session.go_endpoint().await?, &solution).await?;
            found.artifacts.extend(summed.artifacts);
            found.fallbacks.extend(summed.fallback.map(|reason| {
                format!(
                    "the checksums of its modules are those of what was seen first, since the checksum database cannot be read: {reason}"
                )
            }));
        }
        let cargo = self.packages(|step| if let Step::Cargo { packages, features: _ } = step { Some(packages) } else { None });
        if !cargo.is_empty() {
            let solution = self.crates(session, &cargo).await?;
            let leader = cargo.iter().find(|package| leads(package));
            if let (None, Some(package)) = (&version, leader.or(cargo.first().filter(|_| npm.is_empty() && pip.is_empty()))) {
                let name = self.fill(&package.name, Arch::Amd64, None)?;
                found.released = solution.released.get(&name).copied();
                match (solution.versions.get(&name).cloned(), leader) {
                    (chosen, Some(_)) => version = chosen,
                    (chosen, None) => found.version = chosen.unwrap_or_default(),
                }
            }
            found.artifacts.extend(solution.crates);
        }
        let listed = match (&version, self.versions) {
            (None, Some(versions)) => self.listed(session, versions, &request, &mut found).await?,
            (Some(_), _) | (None, None) => None,
        };
        let version =
            version.or_else(|| listed.as_ref().map(|(version, _)| version.clone())).or_else(|| request.exact().map(str::to_string));

        if !npm.is_empty() {
            let roots = self.roots(&npm, version.as_deref())?;
            let endpoint = session.npm_endpoint().await?;
            let tree = session.npm(self.cutoff)?.tree(session.npm_client().await?, endpoint, &roots).await?;
            if let Some(first) = roots.get(&Arch::Amd64).and_then(|roots| roots.first()) {
                let path = format!("node_modules/{}", first.name);
                let package = tree.packages.iter().find(|package| package.path == path);
                found.version = package.map(|package| package.version.clone()).unwrap_or_default();
            }
            found.artifacts.extend(tree.packages.into_iter().map(Artifact::Npm));
            found.warnings.extend(tree.warnings);
        }
        for step in self.steps {
            if let Step::Download { url, to: _, strip: _, checksum } = step {
                let documents = listed.as_ref().map(|(_, listed)| listed);
                found.artifacts.extend(self.download(session, url, checksum, version.as_deref(), documents).await?);
            }
        }
        if let (Some(whose), false) = (self.apt, apt.is_empty()) {
            let packages = session.packages(whose, apt.iter().map(|name| name.as_str())).await?;
            let first =
                packages.iter().find(|package| apt.first().is_some_and(|name| name.split('=').next() == Some(package.name.as_str())));
            let full = first.and_then(|package| package.versions.values().next()).cloned().unwrap_or_default();
            let alone = npm.is_empty()
                && pip.is_empty()
                && go.is_empty()
                && cargo.is_empty()
                && !self.steps.iter().any(|step| matches!(step, Step::Download { .. }));
            if alone {
                fits(&request, first.map_or("", |package| package.name.as_str()), &full)?;
                found.version = apt::upstream(&full).to_string();
            }
            found.artifacts.extend(packages.into_iter().map(Artifact::Apt));
        }
        if let Some(version) = version {
            found.version = version;
        } else if found.version.is_empty() {
            if self.request.is_some()
                && self.steps.iter().any(|step| all_templates(step).iter().any(|template| mentions(template, "%{version}")))
            {
                self.fill(&Template("%{version}".to_string()), Arch::Amd64, None)?;
            }
            found.version = request.text().to_string();
        }
        found.artifacts.sort();
        found.artifacts.dedup();
        Ok(found)
    }

    /// The component's version, when packages of npm carry it in theirs.
    pub(super) async fn npm_version(
        &self,
        session: &Session<'_>,
        request: &Request,
        packages: &[&PackageRequest],
    ) -> Result<Option<(String, Option<Time>)>, String> {
        let mut tracks: BTreeSet<(String, String, String)> = BTreeSet::new();
        for package in packages {
            let Some((before, after)) = track(&package.version) else { continue };
            for arch in Arch::ALL {
                let name = self.fill(&package.name, arch, None)?;
                let (before, after) = (self.fill(&before, arch, None)?, self.fill(&after, arch, None)?);
                let (name, before) = match before
                    .strip_prefix("npm:")
                    .and_then(|alias| alias.rfind('@').filter(|at| *at > 0).map(|at| alias.split_at(at)))
                {
                    Some((name, before)) => (name.to_string(), before[1..].to_string()),
                    None => (name, before),
                };
                tracks.insert((name, before.trim_start_matches(['^', '~', '=', '>', '<', ' ']).to_string(), after));
            }
        }
        if tracks.is_empty() {
            return Ok(None);
        }
        let names: BTreeSet<String> = tracks.iter().map(|(name, _, _)| name.clone()).collect();
        let (npm, endpoint) = (session.npm(self.cutoff)?, session.npm_endpoint().await?);
        npm.learn(session.npm_client().await?, endpoint, &names).await?;
        let version = npm.with(|registry| {
            let mut list = Vec::new();
            for (name, prefix, suffix) in &tracks {
                match registry.get(name).and_then(Option::as_ref) {
                    Some(document) => list.push(Track { document, prefix: prefix.clone(), suffix: suffix.clone() }),
                    None => return Err(format!("npm's registry does not have {name}")),
                }
            }
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            choose(request, &list).ok_or_else(|| {
                refusal(request, &list)
                    .unwrap_or_else(|| format!("of {} in npm's registry {}", names.join(" and "), instead(request, &list)))
            })
        })??;
        let mut released = None;
        for (name, before, after) in &tracks {
            let version = format!("{before}{version}{after}");
            released = npm.released(session.npm_client().await?, endpoint, name, &version).await?.max(released);
        }
        Ok(Some((version, released)))
    }

    fn roots(&self, packages: &[&PackageRequest], version: Option<&str>) -> Result<BTreeMap<Arch, Vec<Root>>, String> {
        let root = |arch: Arch, package: &PackageRequest| -> Result<Root, String> {
            Ok(Root { name: self.fill(&package.name, arch, version)?, spec: self.fill(&package.version, arch, version)? })
        };
        let of = |arch: Arch| packages.iter().map(|package| root(arch, package)).collect::<Result<Vec<Root>, String>>();
        Arch::ALL.into_iter().map(|arch| Ok((arch, of(arch)?))).collect()
    }

    /// A package's name, which has to be the same for every architecture; `what` says what it is.
    fn only_name(&self, package: &PackageRequest, version: Option<&str>, what: &str) -> Result<String, String> {
        let names: BTreeSet<String> =
            Arch::ALL.into_iter().map(|arch| self.fill(&package.name, arch, version)).collect::<Result<_, _>>()?;
        match names.len() {
            1 => Ok(names.into_iter().collect()),
            _ => Err(format!("{what} cannot depend on the architecture")),
        }
    }

    async fn wheels(&self, session: &Session<'_>, packages: &[&PackageRequest], version: Option<&str>) -> Result<wheels::Solution, String> {
        let asked = version.or(self.request);
        let mut roots = Vec::new();
        for package in packages {
            let name = self.only_name(package, version, "the name of a project of PyPI")?;
            roots.push(wheels::Root { name, request: self.fill(&package.version, Arch::Amd64, asked)? });
        }
        let target = wheels::Target { cutoff: self.cutoff, ..session.python().await };
        pypi::wheels(&session.client, session.pypi_endpoint().await?, &roots, &target).await
    }

    /// The modules that packages of Go are built from.
    async fn modules(
        &self,
        session: &Session<'_>,
        packages: &[&PackageRequest],
        version: Option<&str>,
    ) -> Result<modules::Solution, String> {
        let asked = version.or(self.request);
        let mut roots = Vec::new();
        for package in packages {
            let path = self.only_name(package, version, "the path of a package of Go")?;
            // Modules have a `v` before their versions, and requests need none.
            let written = Template(package.version.0.strip_prefix('v').unwrap_or(&package.version.0).to_string());
            roots.push(modules::Root { package: path, request: self.fill(&written, Arch::Amd64, asked)? });
        }
        let endpoint = session.go_endpoint().await?;
        let target = modules::Target { toolchain: toolchain(session).await, cutoff: self.cutoff };
        session.modules.solve(&session.client, endpoint, &roots, &target).await
    }

    /// The component's version by its packages of Go alone, and when that was made; nothing else is looked up.
    pub(super) async fn go_version(&self, session: &Session<'_>) -> Result<(String, Option<Time>), String> {
        let packages = self.packages(|step| if let Step::Go { packages } = step { Some(packages) } else { None });
        let solution = self.modules(session, &packages, None).await?;
        let leader = packages.iter().find(|package| package.version.0.contains("%{version}")).or(packages.first());
        let name = leader.map_or(Ok(String::new()), |leader| self.fill(&leader.name, Arch::Amd64, None))?;
        main_version(&solution, &name).ok_or_else(|| format!("there is no module for {name}"))
    }

    /// The version of each package of Go, by its path; nothing else is looked up.
    pub(super) async fn go_versions(&self, session: &Session<'_>) -> Result<BTreeMap<String, String>, String> {
        let packages = self.packages(|step| if let Step::Go { packages } = step { Some(packages) } else { None });
        let solution = self.modules(session, &packages, None).await?;
        Ok(solution.roots.into_iter().map(|(package, module)| (package, modules::bare(&module.version).to_string())).collect())
    }

    async fn crates(&self, session: &Session<'_>, packages: &[&PackageRequest]) -> Result<crates::Solution, String> {
        let mut roots = Vec::new();
        for package in packages {
            let name = self.only_name(package, None, "the name of a crate")?;
            roots.push(crates::Root { name, request: self.fill(&package.version, Arch::Amd64, self.request)? });
        }
        let target = crates::Target { rust: session.rust().await, cutoff: self.cutoff };
        session.crates().await?.solve(&session.client, &roots, &target).await
    }

    /// The version by the list of versions, and the list. A version that is written out needs none, unless it is the beginning of others.
    async fn listed(
        &self,
        session: &Session<'_>,
        versions: &Versions,
        request: &Request,
        found: &mut Found,
    ) -> Result<Option<(String, Listed)>, String> {
        match (index::list(self, session, versions, request).await, request.whole()) {
            (Ok(listed), whole) => match (listed.choose(request, &self.cutoff), whole) {
                (Ok(entry), _) => {
                    found.released = entry.date;
                    Ok(Some((entry.version.clone(), listed)))
                }
                // Lists need not go back for ever.
                (Err(_), Some(whole)) => Ok(Some((whole.to_string(), listed))),
                (Err(reason), None) => Err(reason),
            },
            (Err(reason), Some(_)) => {
                let unchecked =
                    |step: &Step| matches!(step, Step::Download { url: _, to: _, strip: _, checksum: Checksum::TrustOnFirstUse });
                if self.steps.iter().any(unchecked) {
                    found
                        .fallbacks
                        .push(format!("its checksum is that of what was seen first, since the list of versions cannot be read: {reason}"));
                }
                Ok(None)
            }
            (Err(reason), None) => Err(reason),
        }
    }

    async fn download(
        &self,
        session: &Session<'_>,
        url: &Template,
        checksum: &Checksum,
        version: Option<&str>,
        listed: Option<&Listed>,
    ) -> Result<Vec<Artifact>, String> {
        let urls: Vec<(Arch, String)> =
            Arch::ALL.into_iter().map(|arch| Ok((arch, self.fill(url, arch, version)?))).collect::<Result<_, String>>()?;
        let same = urls.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let mut list = Vec::new();
        for (arch, url) in urls.into_iter().take(if same { 1 } else { Arch::ALL.len() }) {
            let only = (!same).then_some(arch);
            session.asking(&url);
            list.push(match checksum {
                Checksum::Sha256(hashes) => {
                    let hash = hashes.get(&arch).ok_or_else(|| format!("there is no checksum for {}", arch.as_str()))?;
                    Artifact::File { arch: only, url, sha256: hash.to_lowercase(), trust: Trust::Published }
                }
                Checksum::Published { url: sums } => file::published(&session.client, only, url, &self.fill(sums, arch, version)?).await?,
                Checksum::TrustOnFirstUse => match listed.and_then(|listed| checksum::find(listed.documents.get(&arch)?, &url)) {
                    Some(sum) => file::summed(&session.client, only, url, sum).await?,
                    None => file::first_use(&session.client, only, url).await?,
                },
            });
        }
        Ok(list)
    }
}

/// The version of a package's module, without its `v`, and when it was made.
fn main_version(solution: &modules::Solution, package: &str) -> Option<(String, Option<Time>)> {
    let module = solution.roots.get(package)?;
    Some((modules::bare(&module.version).to_string(), solution.released.get(package).copied()))
}

fn all_templates(step: &Step) -> Vec<&Template> {
    match step {
        Step::Download { url, to: _, strip: _, checksum: _ } => vec![url],
        Step::Npm { packages } | Step::Pip { packages } | Step::Go { packages } | Step::Cargo { packages, features: _ } => {
            packages.iter().flat_map(|package| [&package.name, &package.version]).collect()
        }
        Step::Bin { name: _, target } => vec![target],
        Step::Apt { packages: _ } | Step::Copy { .. } | Step::Run(_) | Step::Path { folders: _ } | Step::Env { .. } => Vec::new(),
    }
}

/// Whether the distribution's only version is the one asked for.
fn fits(request: &Request, name: &str, version: &str) -> Result<(), String> {
    let good = match request {
        Request::Latest(_) => true,
        Request::Version(text) => apt::upstream_fits(version, text),
        Request::Range(_) => matches(request, apt::upstream(version)),
        Request::Word(_) => false,
    };
    if good { Ok(()) } else { Err(format!("the distribution has {name} {version}, and `{}` is asked for", request.text())) }
}
