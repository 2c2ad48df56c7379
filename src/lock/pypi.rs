//! PyPI: which wheels of which projects, from the pages of an index and the wheels' own metadata.
//!
//! [`resolve`] never fetches anything: while it lacks a document it returns what it needs ([`Unsolved::Need`]). It goes breadth first and
//! never back: two requirements that exclude each other are a failure that names both. Source: peps.python.org 425, 440, 508, 600.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::str::FromStr;

use pep440_rs::{Operator, Version, VersionSpecifiers};
use pep508_rs::{ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, Requirement, VerbatimUrl, VersionOrUrl};

use super::simple::{File, Project};
use super::time::{Cutoff, Time};
use super::version::{Request, nearest};
use crate::lock::Artifact;
use crate::spec::Arch;

/// What the index said so far.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Projects by normalized name; `None` when it has no such thing.
    pub projects: BTreeMap<String, Option<Project>>,
    /// What wheels need, by the name of the file.
    pub requirements: BTreeMap<String, Vec<String>>,
}

/// Something that has to be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A project's files, by normalized name.
    Project(String),
    /// What a wheel needs: the normalized name of its project, and its file.
    Wheel(String, File),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsolved {
    /// This has to be asked first.
    Need(BTreeSet<Need>),
    /// It cannot be solved; one sentence for each reason.
    Failed(Vec<String>),
}

/// What wheels are chosen for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Python's version, `3.11.2`. Wheels that are compiled for another minor version are not taken, nor those that ask a later one.
    pub python: (u64, u64, u64),
    /// The C library's version; Debian 12 has 2.36.
    pub glibc: (u32, u32),
    /// Which files are old enough.
    pub cutoff: Cutoff,
}

impl Default for Target {
    fn default() -> Target {
        Target { python: (3, 11, 2), glibc: (2, 36), cutoff: Cutoff::NONE }
    }
}

/// The normalized form of a project's name (PEP 503).
pub fn normalized(name: &str) -> String {
    let mut out = String::new();
    for c in name.trim().chars() {
        let c = if matches!(c, '.' | '_') { '-' } else { c.to_ascii_lowercase() };
        if !(c == '-' && out.ends_with('-')) {
            out.push(c);
        }
    }
    out
}

/// A project that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// Its name, with extras if any: `uvicorn[standard]`.
    pub name: String,
    /// The version, as people write it.
    pub request: String,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The version of every project, by normalized name.
    pub versions: BTreeMap<String, String>,
    /// When the last of a project's wheels was uploaded, by normalized name, where the index says it.
    pub released: BTreeMap<String, Time>,
    /// The wheels of every project, for each architecture.
    pub wheels: Vec<Artifact>,
}

/// Chooses a version and wheels for every project that is asked for and all that they need, the same version for all architectures.
pub fn resolve(roots: &[Root], target: &Target, registry: &Registry) -> Result<Solution, Unsolved> {
    let mut need = BTreeSet::new();
    let mut failures = BTreeSet::new();
    let mut chosen: BTreeMap<String, Chosen> = BTreeMap::new();
    let mut queue: VecDeque<Wanted> = VecDeque::new();
    for root in roots {
        match Wanted::of_root(root) {
            Ok(wanted) => queue.push_back(wanted),
            Err(reason) => {
                failures.insert(reason);
            }
        }
    }
    // Everything that is asked of a project at the same distance counts at once.
    while !queue.is_empty() {
        let level: Vec<Wanted> = queue.drain(..).collect();
        let mut names: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
        level.into_iter().for_each(|wanted| names.entry(wanted.name.clone()).or_default().push(wanted));
        for (name, wanted) in names {
            let extras: BTreeSet<ExtraName> = wanted.iter().flat_map(|wanted| wanted.extras.iter().cloned()).collect();
            let new_extras = match chosen.get_mut(&name) {
                Some(known) => {
                    for wanted in &wanted {
                        if !wanted.allows(&known.version) {
                            failures.insert(format!(
                                "{} needs {name} {}, and {} needs {name} {}",
                                wanted.by, wanted.text, known.by, known.text
                            ));
                        }
                    }
                    let fresh: BTreeSet<ExtraName> = extras.difference(&known.extras).cloned().collect();
                    known.extras.extend(fresh.iter().cloned());
                    if fresh.is_empty() {
                        continue;
                    }
                    fresh
                }
                None => {
                    let Some(project) = registry.projects.get(&name) else {
                        need.insert(Need::Project(name));
                        continue;
                    };
                    let Some(project) = project else {
                        failures.insert(format!("{} needs {name}, which PyPI does not have", wanted[0].by));
                        continue;
                    };
                    match choose(&name, project, &wanted, target) {
                        Ok(found) => chosen.insert(name.clone(), found),
                        Err(reason) => {
                            failures.insert(reason);
                            continue;
                        }
                    };
                    extras
                }
            };
            let Some(known) = chosen.get(&name) else { continue };
            let by = format!("{name} {}", known.key);
            // Wheels of one version can need different things.
            for (arch, file) in &known.files {
                let Some(requires) = registry.requirements.get(&file.filename) else {
                    need.insert(Need::Wheel(name.clone(), file.clone()));
                    continue;
                };
                for text in requires {
                    match Wanted::of_requirement(text, &by, &new_extras, *arch, target) {
                        Ok(Some(wanted)) => queue.push_back(wanted),
                        Ok(None) => {}
                        Err(reason) => {
                            failures.insert(reason);
                        }
                    }
                }
            }
        }
    }
    if !failures.is_empty() {
        return Err(Unsolved::Failed(failures.into_iter().collect()));
    }
    if !need.is_empty() {
        return Err(Unsolved::Need(need));
    }
    let mut wheels: Vec<Artifact> = chosen.iter().flat_map(|(name, known)| known.wheels(name)).collect();
    wheels.sort();
    let uploaded = |known: &Chosen| known.files.iter().filter_map(|(_, file)| file.uploaded).max();
    let released = chosen.iter().filter_map(|(name, known)| Some((name.clone(), uploaded(known)?))).collect();
    Ok(Solution { released, versions: chosen.into_iter().map(|(name, known)| (name, known.key)).collect(), wheels })
}

struct Chosen {
    key: String,
    version: Version,
    by: String,
    text: String,
    extras: BTreeSet<ExtraName>,
    /// Its wheels, each for one architecture or for all.
    files: Vec<(Option<Arch>, File)>,
}

impl Chosen {
    fn wheels(&self, name: &str) -> Vec<Artifact> {
        let wheel = |(arch, file): &(Option<Arch>, File)| Artifact::Wheel {
            name: name.to_string(),
            version: self.key.clone(),
            file: file.filename.clone(),
            arch: *arch,
            sha256: file.sha256.clone().unwrap_or_default(),
        };
        self.files.iter().map(wheel).collect()
    }
}

struct Wanted {
    name: String,
    extras: Vec<ExtraName>,
    specifiers: VersionSpecifiers,
    by: String,
    text: String,
}

impl Wanted {
    fn of_root(root: &Root) -> Result<Wanted, String> {
        let requirement = Requirement::<VerbatimUrl>::from_str(&root.name)
            .map_err(|_| format!("`{}` is not the name of a project of PyPI", root.name))?;
        let specifiers = specifiers(&root.request)?;
        let text = specifiers.to_string();
        Ok(Wanted {
            name: normalized(requirement.name.as_ref()),
            extras: requirement.extras,
            specifiers,
            by: "the configuration".to_string(),
            text,
        })
    }

    fn of_requirement(
        text: &str,
        by: &str,
        extras: &BTreeSet<ExtraName>,
        only: Option<Arch>,
        target: &Target,
    ) -> Result<Option<Wanted>, String> {
        let requirement =
            Requirement::<VerbatimUrl>::from_str(text).map_err(|_| format!("{by} has the requirement `{text}`, which is not one"))?;
        let extras: Vec<ExtraName> = extras.iter().cloned().collect();
        let applies = Arch::ALL
            .iter()
            .filter(|arch| only.is_none_or(|only| only == **arch))
            .any(|arch| environment(target, *arch).is_some_and(|environment| requirement.evaluate_markers(&environment, &extras)));
        if !applies {
            return Ok(None);
        }
        let specifiers = match requirement.version_or_url {
            None => VersionSpecifiers::empty(),
            Some(VersionOrUrl::VersionSpecifier(specifiers)) => specifiers,
            Some(VersionOrUrl::Url(_)) => return Err(format!("{by} needs {} from an address of its own", requirement.name)),
        };
        let text = specifiers.to_string();
        Ok(Some(Wanted { name: normalized(requirement.name.as_ref()), extras: requirement.extras, specifiers, by: by.to_string(), text }))
    }

    fn allows(&self, version: &Version) -> bool {
        self.specifiers.contains(version)
    }
}

/// What a request means for PyPI: a version with fewer than three numbers is a beginning; `^` and `~` are understood as npm does.
pub fn specifiers(request: &str) -> Result<VersionSpecifiers, String> {
    let unknown = || format!("`{request}` is not a version for PyPI");
    match Request::parse(request) {
        Request::Latest(_) => Ok(VersionSpecifiers::empty()),
        Request::Version(text) => {
            let version = Version::from_str(&text).map_err(|_| unknown())?;
            let start = version.release().len() < 3 && !version.any_prerelease() && !version.is_post() && !version.is_local();
            VersionSpecifiers::from_str(&if start { format!("=={text}.*") } else { format!("=={text}") }).map_err(|_| unknown())
        }
        Request::Range(text) => {
            let parts: Vec<String> = text
                .split([',', ' '])
                .filter(|part| !part.is_empty())
                .map(|part| caret(part).unwrap_or_else(|| part.to_string()))
                .collect();
            VersionSpecifiers::from_str(&parts.join(",")).map_err(|_| unknown())
        }
        Request::Word(_) => Err(unknown()),
    }
}

fn caret(part: &str) -> Option<String> {
    let (keep_all, text) = match (part.strip_prefix('^'), part.strip_prefix('~')) {
        (Some(text), _) => (false, text),
        (None, Some(text)) if !text.starts_with('=') => (true, text),
        (None, _) => {
            let numbers: Vec<&str> = part.strip_suffix(".x").or_else(|| part.strip_suffix(".*")).map(|start| start.split('.').collect())?;
            return (!part.starts_with(['=', '<', '>', '!', '~'])).then(|| format!("=={}.*", numbers.join(".")));
        }
    };
    let version = Version::from_str(text).ok()?;
    let numbers = version.release();
    let keep = if keep_all { 2 } else { numbers.iter().position(|number| *number != 0).unwrap_or(0) + 1 };
    let start: Vec<String> = numbers.iter().take(keep.max(1)).map(u64::to_string).collect();
    Some(format!(">={text},=={}.*", start.join(".")))
}

fn choose(name: &str, project: &Project, wanted: &[Wanted], target: &Target) -> Result<Chosen, String> {
    let prerelease = wanted.iter().any(|wanted| wanted.specifiers.iter().any(|specifier| specifier.any_prerelease()));
    let mut fits: Vec<(Version, &String, &Vec<File>)> = project
        .releases
        .iter()
        .filter_map(|(key, files)| Some((Version::from_str(key).ok()?, key, files)))
        .filter(|(version, _, _)| wanted.iter().all(|wanted| wanted.allows(version)))
        .collect();
    fits.sort_by(|a, b| b.0.cmp(&a.0));
    let (sound, other): (Vec<_>, Vec<_>) = fits.into_iter().partition(|(version, _, _)| prerelease || !version.any_prerelease());
    let first = &wanted[0];
    let described = wanted
        .iter()
        .map(|wanted| format!("{} needs {name} {}", wanted.by, wanted.text).trim_end().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if sound.is_empty() && other.is_empty() {
        let known: Vec<&str> = project.releases.keys().map(String::as_str).collect();
        let asked = first.text.trim_start_matches("==").trim_end_matches(".*");
        return Err(format!("{described}: on PyPI {}", nearest(asked, &known, &[])));
    }
    // A version that is written out is taken however young it is.
    let is_exact = |operator: &Operator| matches!(operator, Operator::Equal | Operator::ExactEqual);
    let exact = wanted.iter().any(|wanted| wanted.specifiers.iter().any(|specifier| is_exact(specifier.operator())));
    let cutoff = if exact { Cutoff::NONE } else { target.cutoff };
    let mut refusal = None;
    for (version, key, files) in sound.into_iter().chain(other) {
        let old_enough: Vec<File> = files.iter().filter(|file| cutoff.allows(file.uploaded)).cloned().collect();
        if refusal.is_none() && old_enough.len() < files.len() {
            let uploaded = wheels(files, target).and_then(|files| files.into_iter().filter_map(|(_, file)| file.uploaded).max());
            refusal = uploaded.filter(|time| !cutoff.allows(Some(*time))).map(|time| cutoff.refusal(name, key, time));
        }
        if let Some(files) = wheels(&old_enough, target) {
            let extras = wanted.iter().flat_map(|wanted| wanted.extras.iter().cloned()).collect();
            return Ok(Chosen { key: key.clone(), version, by: first.by.clone(), text: first.text.clone(), extras, files });
        }
    }
    if let Some(reason) = refusal {
        return Err(format!("{described}: {reason}"));
    }
    let ((major, minor, patch), glibc) = (target.python, target.glibc);
    Err(format!(
        "{described}: no version of it has wheels for Python {major}.{minor}.{patch} on Linux (glibc {}.{}) of all architectures",
        glibc.0, glibc.1
    ))
}

/// The best wheel of a version for each architecture; one for all where it does not depend on it.
fn wheels(files: &[File], target: &Target) -> Option<Vec<(Option<Arch>, File)>> {
    let best = |arch: Arch| -> Option<&File> {
        files
            .iter()
            .filter(|file| !file.yanked && file.sha256.is_some())
            .filter(|file| python_fits(file.requires_python.as_deref(), target))
            .filter_map(|file| Some((rank(&file.filename, arch, target)?, file)))
            .max_by(|a, b| (a.0, &a.1.filename).cmp(&(b.0, &b.1.filename)))
            .map(|(_, file)| file)
    };
    let found: Vec<(Arch, &File)> = Arch::ALL.into_iter().map(|arch| best(arch).map(|file| (arch, file))).collect::<Option<_>>()?;
    let same = found.windows(2).all(|pair| pair[0].1.filename == pair[1].1.filename);
    Some(
        found
            .into_iter()
            .take(if same { 1 } else { Arch::ALL.len() })
            .map(|(arch, file)| ((!same).then_some(arch), file.clone()))
            .collect(),
    )
}

fn python_fits(requires: Option<&str>, target: &Target) -> bool {
    let Some(specifiers) = requires.filter(|text| !text.is_empty()).map(VersionSpecifiers::from_str) else { return true };
    specifiers.is_ok_and(|specifiers| specifiers.contains(&Version::new([target.python.0, target.python.1, target.python.2])))
}

/// How well a wheel fits: compiled for exactly this Python, then for its stable interface, then for any; then the newer platform.
fn rank(file: &str, arch: Arch, target: &Target) -> Option<(u32, (u32, u32))> {
    let mut tags = file.strip_suffix(".whl")?.rsplit('-');
    let (platform, interface, python) = (tags.next()?, tags.next()?, tags.next()?);
    let platform = platform.split('.').filter_map(|tag| platform_rank(tag, arch, target)).max()?;
    let exact = format!("cp{}{}", target.python.0, target.python.1);
    let interface = interface
        .split('.')
        .flat_map(|interface| python.split('.').map(move |python| (interface, python)))
        .filter_map(|(interface, python)| {
            if interface == exact && python == exact {
                Some(3)
            } else if interface == "abi3"
                && python.strip_prefix("cp3").and_then(|minor| minor.parse::<u64>().ok()).is_some_and(|minor| minor <= target.python.1)
            {
                Some(2)
            } else if interface == "none" {
                let any = python
                    .strip_prefix("py3")
                    .is_some_and(|minor| minor.is_empty() || minor.parse::<u64>().is_ok_and(|minor| minor <= target.python.1));
                if python == exact { Some(2) } else { any.then_some(1) }
            } else {
                None
            }
        })
        .max()?;
    Some((interface, platform))
}

fn platform_rank(tag: &str, arch: Arch, target: &Target) -> Option<(u32, u32)> {
    if tag == "any" {
        return Some((0, 0));
    }
    let rest = tag.strip_suffix(arch.uname())?.strip_suffix('_')?;
    let version = match rest {
        "manylinux1" => (2, 5),
        "manylinux2010" => (2, 12),
        "manylinux2014" => (2, 17),
        "linux" => (2, 0),
        other => {
            let (major, minor) = other.strip_prefix("manylinux_")?.split_once('_')?;
            (major.parse().ok()?, minor.parse().ok()?)
        }
    };
    (version <= target.glibc).then_some(version)
}

fn environment(target: &Target, arch: Arch) -> Option<MarkerEnvironment> {
    let short = format!("{}.{}", target.python.0, target.python.1);
    let full = format!("{short}.{}", target.python.2);
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &full,
        os_name: "posix",
        platform_machine: arch.uname(),
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: "Linux",
        platform_version: "",
        python_full_version: &full,
        python_version: &short,
        sys_platform: "linux",
    })
    .ok()
}
