//! Answers to what a configuration asks, without a network: the same question always has the same answer.
//!
//! Every version, checksum and date here is made up: a version is the first number of what was asked for, completed to three parts, and a
//! checksum is the SHA-256 of the name of what it would belong to. So a lock made of them pins nothing that exists. What the answers have in
//! common with real ones is their shape, and that a changed question has a changed answer.

use std::collections::BTreeMap;

use silo::digest::{go, sha256_hex};
use silo::lock::apt::solve::Role;
use silo::lock::package::of_components;
use silo::lock::template::{Values, expand, mentions};
use silo::lock::{
    AptPackage, Artifact, CrateRole, GoModule, Lock, LockedBase, LockedComponent, LockedLayer, NpmPackage, Package, PackageFile, Query,
    Trust, go::Module, inputs, queries,
};
use silo::spec::{Arch, BaseFrom, Checksum, ImageSpec, PackageRequest, Step, Template};

/// The date of every made-up release file: 2025-01-01.
const EPOCH: u64 = 1_735_689_600;

/// A lock that answers everything a specification asks.
pub fn lock(spec: &ImageSpec) -> Lock {
    let nothing = || base(String::new(), BaseFrom::Registry);
    let mut lock = Lock {
        inputs: inputs(spec),
        base: nothing(),
        fetch: nothing(),
        looked: None,
        snapshots: Vec::new(),
        packages: Vec::new(),
        fetch_packages: Vec::new(),
        layers: Vec::new(),
        components: Vec::new(),
    };
    let (mut packages, mut fetch_packages) = (Vec::new(), Vec::new());
    for query in queries(spec) {
        let asked = query.inputs();
        match query {
            Query::Base { reference, from } => lock.base = base(reference, from),
            Query::Fetch { reference, from } => lock.fetch = base(reference, from),
            Query::Packages { names } => packages = apt(&names),
            Query::FetchPackages { names } => fetch_packages = apt(&names),
            Query::Layer { name, steps } => {
                let values = |arch| Values { version: None, arch, arch_names: &EMPTY, options: &NONE };
                lock.layers.push(LockedLayer { name, inputs: asked, artifacts: artifacts(&steps, values) });
            }
            Query::Component { id, request, installs, options } => {
                // The preferred source always works here.
                let install = &installs[0];
                let version = version(&request);
                let values = |arch| Values { version: Some(&version), arch, arch_names: &install.arch, options: &options };
                let artifacts = artifacts(&install.steps, values);
                lock.components.push(LockedComponent {
                    id,
                    request,
                    inputs: asked,
                    source: install.source.clone(),
                    version,
                    released: None,
                    artifacts,
                });
            }
        }
    }
    packages.extend(of_components(&lock.components, false).map(|(_, pin)| pin.clone()));
    fetch_packages.extend(of_components(&lock.components, true).map(|(_, pin)| pin.clone()));
    lock.packages = with_files(packages);
    lock.fetch_packages = with_files(fetch_packages);
    lock
}

/// What everything needs.
const SHARED: &str = "libshared1";

/// Packages with their files, and one that comes along with all of them.
fn with_files(mut pins: Vec<AptPackage>) -> Vec<Package> {
    pins.sort();
    pins.dedup_by(|a, b| a.name == b.name);
    let file = |name: &str, version: &str, arch: &str| {
        let path = format!("pool/main/{}/{name}/{name}_{version}_{arch}.deb", &name[..1]);
        PackageFile { sha256: sha256_hex(path.as_bytes()), path }
    };
    let package = |pin: AptPackage, needs: &[&str], role| {
        let files = pin.versions.iter().map(|(arch, version)| (*arch, file(&pin.name, version, arch.as_str()))).collect();
        Package { files, pin, needs: needs.iter().map(|name| name.to_string()).collect(), role }
    };
    let mut list: Vec<Package> = pins.into_iter().map(|pin| package(pin, &[SHARED], Role::Asked)).collect();
    if !list.is_empty() {
        let pin = AptPackage { name: SHARED.to_string(), versions: BTreeMap::from(Arch::ALL.map(|arch| (arch, "1.0-1".to_string()))) };
        let mut shared = package(pin, &[], Role::Needed);
        let one = file(SHARED, "1.0-1", "all");
        shared.files.values_mut().for_each(|file| *file = one.clone());
        list.push(shared);
    }
    list.sort();
    list
}

static EMPTY: BTreeMap<Arch, String> = BTreeMap::new();
static NONE: BTreeMap<String, String> = BTreeMap::new();

fn base(reference: String, from: BaseFrom) -> LockedBase {
    let digest = |what: &str| format!("sha256:{}", sha256_hex(format!("{what}{reference}").as_bytes()));
    let (platforms, epoch) = match from {
        BaseFrom::Bootstrap => (BTreeMap::new(), Some(EPOCH)),
        BaseFrom::Registry => (Arch::ALL.map(|arch| (arch, digest(arch.as_str()))).into(), None),
    };
    LockedBase { digest: digest(""), reference, from, platforms, epoch }
}

/// `22` becomes `22.1.2`, `>=1.4 <2` becomes `1.4.2`; without a number it is `1.1.2`.
fn version(request: &str) -> String {
    if silo::lock::version::day_of(request).is_some() {
        return request.to_string();
    }
    // Of a channel with a version a day, that of one.
    if matches!(request, "nightly" | "beta") {
        return format!("{request}-2026-11-20");
    }
    let start = request.find(|c: char| c.is_ascii_digit());
    let number = start.map_or("1", |start| &request[start..]);
    let end = number.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(number.len());
    let mut parts: Vec<&str> = number[..end].split('.').filter(|part| !part.is_empty()).take(3).collect();
    parts.extend(["0", "1", "2"].iter().skip(parts.len()));
    parts.join(".")
}

fn apt(names: &[String]) -> Vec<AptPackage> {
    let mut packages: Vec<AptPackage> = names
        .iter()
        .map(|asked| {
            let (name, version) = asked.split_once('=').unwrap_or((asked, "1.2-3"));
            let versions = Arch::ALL.into_iter().map(|arch| (arch, version.to_string())).collect();
            AptPackage { name: name.to_string(), versions }
        })
        .collect();
    packages.sort();
    packages.dedup_by(|a, b| a.name == b.name);
    packages
}

fn artifacts<'v>(steps: &[Step], values: impl Fn(Arch) -> Values<'v>) -> Vec<Artifact> {
    let mut found = Vec::new();
    for step in steps {
        match step {
            Step::Apt { packages } => found.extend(apt(packages).into_iter().map(Artifact::Apt)),
            Step::Npm { packages } => packages.iter().for_each(|package| found.extend(npm(package, &values))),
            Step::Pip { packages } => found.extend(packages.iter().map(|package| wheel(package, &values))),
            Step::Go { packages } => packages.iter().for_each(|package| found.extend(modules(package, &values))),
            Step::Cargo { packages, features: _ } => packages.iter().for_each(|package| found.extend(crates(package, &values))),
            Step::Download { url, to: _, strip: _, checksum } => found.extend(file(url, checksum, &values)),
            Step::Copy { .. } | Step::Run(_) | Step::Bin { .. } | Step::Path { .. } | Step::Env { .. } => {}
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A version that is not that of a day has none; real look-ups say so.
fn filled(template: &Template, values: &Values) -> String {
    let daily = Values { version: Some("nightly-2026-11-20"), ..*values };
    expand(template, values).or_else(|_| expand(template, &daily)).expect("the decoder has checked the placeholders")
}

/// A tree of one package.
fn npm<'v>(package: &PackageRequest, values: &impl Fn(Arch) -> Values<'v>) -> Vec<Artifact> {
    let by_arch = mentions(&package.name, "%{arch") || mentions(&package.version, "%{arch");
    let arches = if by_arch { vec![Some(Arch::Amd64), Some(Arch::Arm64)] } else { vec![None] };
    arches
        .into_iter()
        .map(|arch| {
            let values = values(arch.unwrap_or(Arch::Amd64));
            let name = filled(&package.name, &values);
            let asked = filled(&package.version, &values);
            // An exact version may have a platform behind it.
            let version = if asked.matches('.').count() >= 2 { asked } else { version(&asked) };
            let short = name.rsplit('/').next().unwrap_or(&name).to_string();
            Artifact::Npm(NpmPackage {
                path: format!("node_modules/{name}"),
                arch,
                name: None,
                integrity: format!("sha512-{}", sha256_hex(format!("{name}@{version}").as_bytes())),
                version,
                bin: BTreeMap::from([(short, "cli.js".to_string())]),
            })
        })
        .collect()
}

fn wheel<'v>(package: &PackageRequest, values: &impl Fn(Arch) -> Values<'v>) -> Artifact {
    let values = values(Arch::Amd64);
    let name = filled(&package.name, &values).split('[').next().unwrap_or_default().to_lowercase().replace(['_', '.'], "-");
    let version = version(&filled(&package.version, &values));
    let file = format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"));
    Artifact::Wheel { sha256: sha256_hex(file.as_bytes()), name, version, file, arch: None }
}

/// A module of its own for each package, one that it is compiled with, and one of which only the requirements are read.
fn modules<'v>(package: &PackageRequest, values: &impl Fn(Arch) -> Values<'v>) -> Vec<Artifact> {
    let values = values(Arch::Amd64);
    let version = version(filled(&package.version, &values).trim_start_matches('v'));
    let module = |path: &str, version: String, source: bool, main| {
        let sum = |what: &str| go::written(&sha256_hex(format!("{path}@{version} {what}").as_bytes()));
        let (zip, file) = (source.then(|| sum("zip")), sum("mod"));
        Artifact::Module(GoModule { module: Module::new(path, &version), zip, file, main, trust: Trust::Published })
    };
    vec![
        module(&filled(&package.name, &values), format!("v{version}"), true, true),
        module("lib.example.test/shared", "v1.4.0".to_string(), true, false),
        module("lib.example.test/shared", "v1.2.0".to_string(), false, false),
    ]
}

/// A program of two crates.
fn crates<'v>(package: &PackageRequest, values: &impl Fn(Arch) -> Values<'v>) -> [Artifact; 2] {
    let values = values(Arch::Amd64);
    let (name, version) = (filled(&package.name, &values), version(&filled(&package.version, &values)));
    let made = |name: String, version: String, role| {
        let sha256 = sha256_hex(format!("{name}-{version}.crate").as_bytes());
        Artifact::Crate { name, version, role, sha256 }
    };
    [made(format!("{name}-shared"), "1.1.2".to_string(), CrateRole::Dependency), made(name, version, CrateRole::Program)]
}

fn file<'v>(url: &Template, checksum: &Checksum, values: &impl Fn(Arch) -> Values<'v>) -> Vec<Artifact> {
    let by_arch = mentions(url, "%{arch");
    let arches = if by_arch { vec![Some(Arch::Amd64), Some(Arch::Arm64)] } else { vec![None] };
    arches
        .into_iter()
        .map(|arch| {
            let real = arch.unwrap_or(Arch::Amd64);
            let url = filled(url, &values(real));
            let (sha256, trust) = match checksum {
                Checksum::Sha256(hashes) => (hashes.get(&real).cloned(), Trust::Published),
                Checksum::Published { url: _ } => (None, Trust::Published),
                Checksum::TrustOnFirstUse => (None, Trust::FirstUse),
            };
            Artifact::File { arch, sha256: sha256.unwrap_or_else(|| sha256_hex(url.as_bytes())), url, trust }
        })
        .collect()
}
