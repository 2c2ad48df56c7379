use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use silo::digest::go::written;
use silo::lock::apt::solve::Role;
use silo::lock::go::Module;
use silo::lock::time::Time;
use silo::lock::{
    AptPackage, Artifact, CrateRole, GoModule, Lock, LockedBase, LockedComponent, LockedLayer, NpmPackage, Package, PackageFile, Trust,
    parse,
};
use silo::problem::{Code, Problems};
use silo::source::{Layer, Source, Sources};
use silo::spec::{Arch, BaseFrom, ComponentId, Kind, Name};

fn read(text: &str) -> (Option<Lock>, Problems, Sources) {
    let mut sources = Sources::default();
    let id = sources.add(Source { name: "silo.lock".to_string(), text: text.to_string(), layer: Layer::Project(0) });
    let (lock, problems) = parse(id, text);
    (lock, problems, sources)
}

fn hex() -> impl Strategy<Value = String> {
    "[0-9a-f]{64}"
}

/// Texts that KDL has to escape are among them; NUL and the like are in no version or URL.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9.:+~-]{1,20}",
        "[ -~]{0,12}",
        Just("a\"b\\c\nd\te".to_string()),
        Just("#true".to_string()),
        Just("é{}()=;/*".to_string())
    ]
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9][a-z0-9._-]{0,20}".prop_map(|text| Name::new(&text).unwrap())
}

fn arch() -> impl Strategy<Value = Option<Arch>> {
    prop_oneof![Just(None), Just(Some(Arch::Amd64)), Just(Some(Arch::Arm64))]
}

fn apt() -> impl Strategy<Value = AptPackage> {
    let versions = prop_oneof![
        word().prop_map(|version| BTreeMap::from(Arch::ALL.map(|arch| (arch, version.clone())))),
        (word(), word()).prop_map(|(a, b)| BTreeMap::from([(Arch::Amd64, a), (Arch::Arm64, b)])),
        word().prop_map(|version| BTreeMap::from([(Arch::Arm64, version)])),
    ];
    (word(), versions).prop_map(|(name, versions)| AptPackage { name, versions })
}

/// Packages with files that have the usual names and others, the same file for all architectures, or none at all.
fn package() -> impl Strategy<Value = Package> {
    let name = "[a-z][a-z0-9.+-]{0,12}";
    let needs = prop::collection::btree_set("[a-z][a-z0-9.+-]{0,8}", 0..3);
    let role = prop_oneof![Just(Role::Asked), Just(Role::Needed), Just(Role::Update)];
    (name, apt(), "[ -~]{1,20}", hex(), hex(), 0..5, needs, role).prop_map(|(name, pin, folder, first, second, form, needs, role)| {
        let pin = AptPackage { name, ..pin };
        let file = |(arch, version): (&Arch, &String)| {
            let version = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
            let word = if form == 1 { "all" } else { arch.as_str() };
            let usual = format!("{folder}/{}_{version}_{word}.deb", pin.name);
            let path = if form == 2 { format!("{folder}-{}", arch.as_str()) } else { usual };
            let sha256 = if form == 1 || *arch == Arch::Amd64 { first.clone() } else { second.clone() };
            (*arch, PackageFile { path, sha256 })
        };
        let files: BTreeMap<Arch, PackageFile> = pin.versions.iter().filter(|_| form != 0).map(file).collect();
        if files.is_empty() {
            return Package { pin, files, needs: BTreeSet::new(), role: Role::Asked };
        }
        Package { files, pin, needs, role }
    })
}

fn artifact() -> impl Strategy<Value = Artifact> {
    let place = prop::collection::vec("(@[a-z]{1,4}/)?[a-z]{1,6}", 1..3)
        .prop_map(|names| names.iter().map(|name| format!("node_modules/{name}")).collect::<Vec<_>>().join("/"));
    let npm = (place, arch(), prop::option::of(word()), word(), word(), prop::collection::btree_map(word(), word(), 0..3))
        .prop_map(|(path, arch, name, version, integrity, bin)| Artifact::Npm(NpmPackage { path, arch, name, version, integrity, bin }));
    let sum = || hex().prop_map(|hex| written(&hex));
    let version = "v[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(-[a-z]{1,4}\\.[0-9]{1,2})?(\\+incompatible)?";
    let trust = || prop_oneof![Just(Trust::Published), Just(Trust::FirstUse)];
    let module = ("[a-z]{1,6}\\.[a-z]{2,4}(/[A-Za-z0-9_~-]{1,6}){0,3}", version, prop::option::of(sum()), sum(), any::<bool>(), trust())
        .prop_map(|(path, version, zip, file, main, trust)| {
            Artifact::Module(GoModule { module: Module { path, version }, zip, file, main, trust })
        });
    prop_oneof![
        module,
        apt().prop_map(Artifact::Apt),
        (arch(), word(), hex(), trust()).prop_map(|(arch, url, sha256, trust)| Artifact::File { arch, url, sha256, trust }),
        npm,
        (word(), word(), word(), arch(), hex()).prop_map(|(name, version, file, arch, sha256)| Artifact::Wheel {
            name,
            version,
            file,
            arch,
            sha256
        }),
        ("[a-zA-Z_][a-zA-Z0-9_-]{0,20}", "[0-9]{1,3}\\.[0-9]\\.[0-9](-[a-z.0-9]{1,4})?(\\+[a-z]{1,3})?", any::<bool>(), hex()).prop_map(
            |(name, version, program, sha256)| Artifact::Crate {
                name,
                version,
                role: if program { CrateRole::Program } else { CrateRole::Dependency },
                sha256
            }
        ),
    ]
}

fn base() -> impl Strategy<Value = LockedBase> {
    let digest = || hex().prop_map(|hex| format!("sha256:{hex}"));
    let platforms = prop::collection::btree_map(prop_oneof![Just(Arch::Amd64), Just(Arch::Arm64)], digest(), 0..3);
    (word(), prop_oneof![Just(BaseFrom::Registry), Just(BaseFrom::Bootstrap)], digest(), platforms, prop::option::of(any::<u64>()))
        .prop_map(|(reference, from, digest, platforms, epoch)| LockedBase { reference, from, digest, platforms, epoch })
}

fn lock() -> impl Strategy<Value = Lock> {
    let artifacts = || prop::collection::btree_set(artifact(), 0..4).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    let released = (0..250_000_000_000u64).prop_map(Time);
    let component = (prop::sample::select(&Kind::ALL[..]), name(), word(), word(), name(), word(), prop::option::of(released), artifacts())
        .prop_map(|(kind, name, request, inputs, source, version, released, artifacts)| LockedComponent {
            id: ComponentId { kind, name },
            request,
            inputs,
            source,
            version,
            released,
            artifacts,
        });
    let packages = || {
        let named = |package: Package| (package.pin.name.clone(), package);
        prop::collection::vec(package(), 0..3)
            .prop_map(move |list| list.into_iter().map(named).collect::<BTreeMap<_, _>>().into_values().collect::<Vec<_>>())
    };
    let layers = prop::collection::btree_map(prop::option::of(name()), (word(), artifacts()), 0..3)
        .prop_map(|map| map.into_iter().map(|(name, (inputs, artifacts))| LockedLayer { name, inputs, artifacts }).collect::<Vec<_>>());
    let looked = prop::option::of((0..90_000u64).prop_map(|day| Time(day * 86_400)));
    let snapshots = prop::collection::btree_set((0..250_000_000_000u64).prop_map(Time), 0..3).prop_map(|set| set.into_iter().collect());
    let known = (looked, snapshots);
    (word(), base(), base(), known, packages(), packages(), layers, prop::collection::vec(component, 0..4)).prop_map(
        |(inputs, base, fetch, (looked, snapshots), packages, mut fetch_packages, layers, components)| {
            // Most often both have some packages.
            fetch_packages.retain(|package: &Package| packages.iter().all(|other: &Package| other.pin.name != package.pin.name));
            fetch_packages.extend(packages.first().cloned());
            fetch_packages.sort();
            let components: BTreeMap<ComponentId, LockedComponent> =
                components.into_iter().map(|component| (component.id.clone(), component)).collect();
            Lock {
                inputs,
                base,
                fetch,
                looked,
                snapshots,
                packages,
                fetch_packages,
                layers,
                components: components.into_values().collect(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_printed_is_read_again(lock in lock()) {
        let text = lock.print();
        let (again, problems, _) = read(&text);
        prop_assert!(problems.is_empty(), "{:?}\n{}", problems, text);
        prop_assert_eq!(again, Some(lock), "{}", text);
    }
}

const SMALL: &str = r#"// Generated
silo-lock version=1 inputs="sha256:1"
base "debian:bookworm" from="bootstrap" digest="sha256:0000000000000000000000000000000000000000000000000000000000000000" epoch=1
fetch "debian:bookworm" from="bootstrap" digest="sha256:0000000000000000000000000000000000000000000000000000000000000000" epoch=1
tool "jq" request="latest" source="apt" version="1.6" inputs="sha256:2" {
    apt "jq" "1.6-2.1"
}
"#;

#[test]
fn one_artefact_is_one_line() {
    let (lock, problems, _) = read(SMALL);
    assert!(problems.is_empty(), "{problems:?}");
    let lock = lock.unwrap();
    let text = lock.print();
    assert!(text.starts_with("// Generated by `silo lock`"), "{text}");
    assert!(text.contains("\n    apt \"jq\" \"1.6-2.1\"\n"), "{text}");
    assert_eq!(text.lines().count(), SMALL.lines().count());
}

#[test]
fn a_newer_format_is_named() {
    let (lock, problems, sources) = read(&SMALL.replace("version=1 inputs", "version=7 inputs"));
    assert_eq!(lock, None);
    let problem = problems.iter().next().unwrap();
    assert_eq!(problem.code, Code::LockVersion);
    assert!(problem.message.contains("format 7"), "{}", problem.message);
    assert_eq!(sources.slice(problem.labels[0].span), "version=7");
}

/// Older silos read what they understand, and say of the rest that it is too new.
#[test]
fn a_lock_is_of_a_newer_format_only_with_modules() {
    let sum = written(&"0".repeat(64));
    let module = format!("    module \"a.test/X\" \"v1.2.0\" zip=\"{sum}\" mod=\"{sum}\" trust=\"published\" main=#true\n");
    let text = SMALL.replace("    apt \"jq\"", &format!("{module}    apt \"jq\""));
    for (text, version) in [(SMALL, 2), (text.as_str(), 3)] {
        let (lock, problems, _) = read(text);
        assert!(problems.is_empty(), "{problems:?}");
        let printed = lock.unwrap().print();
        assert!(printed.contains(&format!("silo-lock version={version} ")), "{printed}");
        assert_eq!(printed.contains(&module), version == 3, "{printed}");
    }
    for (from, to, said) in [
        ("\"a.test/X\"", "\"a.test/../X\"", "not the path of a module"),
        ("\"v1.2.0\"", "\"1.2.0\"", "not the path of a module"),
        ("\"v1.2.0\"", "\"v1.2.0/../x\"", "not the path of a module"),
        ("zip=\"h1:A", "zip=\"h1:", "not `h1:` with a SHA-256 in base64"),
        ("main=#true", "main=1", "`main` is `#true`"),
        ("trust=\"published\"", "trust=\"x\"", "`published` or `first-use`"),
    ] {
        let (lock, problems, _) = read(&text.replace(from, to));
        assert_eq!(lock, None, "{to}");
        assert!(problems.iter().any(|problem| problem.message.contains(said)), "{to}: {problems:?}");
    }
}

#[test]
fn an_unfinished_merge_is_named_with_its_line() {
    let text = SMALL.replace("tool \"jq\"", "<<<<<<< HEAD\ntool \"a\"\n=======\ntool \"jq\"");
    let (lock, problems, sources) = read(&text);
    assert_eq!(lock, None);
    assert_eq!(problems.len(), 1);
    let problem = problems.iter().next().unwrap();
    assert_eq!(problem.code, Code::LockSyntax);
    assert_eq!(sources.position(problem.labels[0].span).line, 5);
    assert!(problem.help.as_ref().unwrap().contains("silo lock"));
}

#[test]
fn what_is_corrupt_is_shown_where_it_is() {
    for (from, to, line) in [
        ("from=\"bootstrap\"", "from=\"elsewhere\"", 3),
        ("epoch=1\nfetch", "epoch=\"x\"\nfetch", 3),
        ("sha256:0000000000000000000000000000000000000000000000000000000000000000\" epoch=1\ntool", "sha256:00\" epoch=1\ntool", 4),
        ("    apt \"jq\" \"1.6-2.1\"", "    apt \"jq\"", 6),
        ("    apt \"jq\"", "    brew \"jq\"", 6),
        ("tool \"jq\"", "wheel \"jq\"", 5),
        ("source=\"apt\" ", "", 5),
        ("epoch=1\ntool", "epoch=1 {\ntool", 4),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let (lock, problems, sources) = read(&SMALL.replacen(from, to, 1));
        assert_eq!(lock, None, "{to}");
        let problem = problems.iter().next().unwrap();
        assert_eq!(problem.code, Code::LockSyntax, "{to}: {problems:?}");
        assert!(problem.help.is_some());
        assert_eq!(sources.position(problem.labels[0].span).line, line, "{to}: {problems:?}");
    }
    let (lock, problems, _) = read("");
    assert_eq!((lock, problems.has_errors()), (None, true));
}

#[test]
fn a_lock_may_be_longer_than_what_people_write() {
    let mut lock =
        crate::support::answers::lock(&crate::support::project::Project::of("language node\nagent claude\n").load().shared.unwrap().image);
    let component =
        lock.components.iter_mut().find(|component| matches!(component.artifacts[0], Artifact::Npm(_))).expect("a component of npm");
    let npm = component.artifacts[0].clone();
    let package = |number: usize| match &npm {
        Artifact::Npm(package) => Artifact::Npm(NpmPackage { path: format!("node_modules/package-{number:05}"), ..package.clone() }),
        other => other.clone(),
    };
    component.artifacts = (0..3000).map(package).collect();
    let text = lock.print();
    assert!(text.len() > silo::document::MAX_BYTES, "{} bytes", text.len());
    let mut sources = Sources::default();
    let id = sources.add(Source { name: "silo.lock".to_string(), text: text.clone(), layer: Layer::Project(0) });
    assert_eq!(parse(id, &text), (Some(lock), Problems::default()));
    for wrong in [format!("{text}\n}}"), "x\n".repeat(silo::document::MAX_GENERATED_BYTES)] {
        let (lock, problems) = parse(id, &wrong);
        assert!(lock.is_none() && problems.has_errors());
    }
}
