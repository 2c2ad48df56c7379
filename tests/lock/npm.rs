use std::collections::BTreeMap;

use silo::lock::NpmPackage;
use silo::lock::npm::{Packument, Registry, Root, Track, Unsolved, choose, package_json, package_lock, resolve};
use silo::lock::version::{Request, compare};
use silo::spec::Arch;

/// A registry from JSON: name to versions, each with its manifest; the last one is `latest`.
fn registry(text: &str) -> Registry {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    let packages = value.as_object().unwrap().iter().map(|(name, versions)| {
        let mut versions = versions.clone();
        for (version, manifest) in versions.as_object_mut().unwrap() {
            manifest["dist"] = serde_json::json!({ "integrity": format!("sha512-{name}-{version}") });
        }
        let latest = versions.as_object().unwrap().keys().next_back().unwrap().clone();
        let document = serde_json::json!({ "name": name, "dist-tags": { "latest": latest }, "versions": versions });
        (name.clone(), Some(serde_json::from_value::<Packument>(document).unwrap()))
    });
    packages.collect()
}

fn roots(list: &[(&str, &str)]) -> BTreeMap<Arch, Vec<Root>> {
    let roots: Vec<Root> = list.iter().map(|(name, spec)| Root { name: name.to_string(), spec: spec.to_string() }).collect();
    Arch::ALL.into_iter().map(|arch| (arch, roots.clone())).collect()
}

fn places(list: &[(&str, &str)], registry: &Registry) -> Vec<String> {
    let tree = resolve(&roots(list), registry).unwrap();
    let arch = |package: &NpmPackage| package.arch.map(|arch| format!(" {}", arch.as_str())).unwrap_or_default();
    tree.packages
        .iter()
        .map(|package| format!("{}@{}{}", package.path.replace("node_modules/", ">"), package.version, arch(package)))
        .collect()
}

#[test]
fn packages_are_hoisted_and_nested_only_where_versions_differ() {
    let registry = registry(
        r#"{
        "a": {"1.0.0": {"dependencies": {"b": "^1", "c": "^1"}}},
        "b": {"1.4.0": {"dependencies": {"c": "^2"}}, "2.0.0": {}},
        "c": {"1.0.0": {}, "1.9.0": {}, "2.1.0": {}}
    }"#,
    );
    assert_eq!(places(&[("a", "")], &registry), [">a@1.0.0", ">b@1.4.0", ">b/>c@2.1.0", ">c@1.9.0"]);
    assert_eq!(places(&[("a", ""), ("b", "2.0.0")], &registry), [">a@1.0.0", ">a/>b@1.4.0", ">a/>b/>c@2.1.0", ">b@2.0.0", ">c@1.9.0"]);
}

#[test]
fn what_is_not_known_is_asked_for() {
    let mut known = registry(r#"{"a": {"1.0.0": {"dependencies": {"b": "*", "c": "*"}}}}"#);
    assert_eq!(resolve(&roots(&[("a", ""), ("z", "")]), &known), Err(Unsolved::Need(["b", "c", "z"].map(str::to_string).into())));
    known.extend([("b".to_string(), None), ("c".to_string(), None), ("z".to_string(), None)]);
    let Err(Unsolved::Failed(reasons)) = resolve(&roots(&[("a", "")]), &known) else { panic!() };
    assert_eq!(reasons, ["a needs b, which npm's registry does not have", "a needs c, which npm's registry does not have"]);
}

#[test]
fn platform_packages_are_in_their_own_trees() {
    let registry = registry(
        r#"{
        "a": {"1.0.0": {"optionalDependencies": {"x64": "*", "arm": "*", "mac": "*", "musl": "*", "gone": "*"}}},
        "x64": {"1.0.0": {"os": ["linux"], "cpu": ["x64"]}},
        "arm": {"1.0.0": {"os": ["!win32"], "cpu": ["arm64"], "dependencies": {"only": "*"}}},
        "mac": {"1.0.0": {"os": ["darwin"]}},
        "musl": {"1.0.0": {"os": ["linux"], "libc": ["musl"]}},
        "only": {"1.0.0": {}},
        "gone": {}
    }"#
        .replace("\"gone\": {}", "\"gone\": {\"1.0.0\": {\"os\": [\"aix\"]}}")
        .as_str(),
    );
    assert_eq!(places(&[("a", "")], &registry), [">a@1.0.0", ">arm@1.0.0 arm64", ">only@1.0.0 arm64", ">x64@1.0.0 amd64"]);
    let Err(Unsolved::Failed(reasons)) = resolve(&roots(&[("mac", "")]), &registry) else { panic!() };
    assert!(reasons[0].contains("does not run on Linux"), "{reasons:?}");
}

#[test]
fn peers_are_installed_beside_and_optional_ones_are_not() {
    let registry = registry(
        r#"{
        "a": {"1.0.0": {"dependencies": {"plug": "*"}}},
        "plug": {"1.0.0": {"peerDependencies": {"host": "^2", "extra": "*"}, "peerDependenciesMeta": {"extra": {"optional": true}}}},
        "host": {"1.0.0": {}, "2.5.0": {}}, "extra": {"1.0.0": {}}
    }"#,
    );
    assert_eq!(places(&[("a", "")], &registry), [">a@1.0.0", ">host@2.5.0", ">plug@1.0.0"]);
    let tree = resolve(&roots(&[("a", ""), ("host", "1")]), &registry).unwrap();
    assert_eq!(tree.warnings.len(), 1, "{:?}", tree.warnings);
}

#[test]
fn aliases_bundles_and_deprecation() {
    let registry = registry(
        r#"{
        "a": {"1.0.0": {"dependencies": {"b-old": "npm:b@^1", "in": "*"}, "bundleDependencies": ["in"], "bin": "./run.js"}},
        "b": {"1.0.0": {}, "1.1.0": {"deprecated": "broken"}, "2.0.0": {}}
    }"#,
    );
    let tree = resolve(&roots(&[("a", "")]), &registry).unwrap();
    assert_eq!(tree.packages[1].path, "node_modules/b-old");
    assert_eq!(tree.packages[1].name.as_deref(), Some("b"));
    assert_eq!(tree.packages[1].version, "1.0.0");
    assert_eq!(tree.packages[0].bin, BTreeMap::from([("a".to_string(), "run.js".to_string())]));
    assert_eq!(tree.packages.len(), 2);
}

#[test]
fn one_package_at_two_versions_is_one_for_each_architecture() {
    let registry = registry(r#"{"codex": {"1.0.0-linux-x64": {"cpu": ["x64"]}, "1.0.0-linux-arm64": {"cpu": ["arm64"]}, "1.0.0": {}}}"#);
    let root = |spec: &str| vec![Root { name: "codex".to_string(), spec: spec.to_string() }];
    let roots = BTreeMap::from([(Arch::Amd64, root("1.0.0-linux-x64")), (Arch::Arm64, root("1.0.0-linux-arm64"))]);
    let packages = resolve(&roots, &registry).unwrap().packages;
    assert_eq!(packages.len(), 2);
    assert!(package_json(&packages, Arch::Arm64).contains("\"codex\": \"1.0.0-linux-arm64\""));
    let lock: serde_json::Value = serde_json::from_str(&package_lock(&packages, Arch::Amd64)).unwrap();
    assert_eq!(lock["packages"]["node_modules/codex"]["version"], "1.0.0-linux-x64");
    assert_eq!(lock["packages"].as_object().unwrap().len(), 2);
}

#[test]
fn packages_that_exclude_each_other_for_ever_are_a_failure() {
    let registry = registry(
        r#"{
        "a": {"1.0.0": {"dependencies": {"b": "1.0.0"}}, "2.0.0": {"dependencies": {"b": "2.0.0"}}},
        "b": {"1.0.0": {"dependencies": {"a": "2.0.0"}}, "2.0.0": {"dependencies": {"a": "1.0.0"}}}
    }"#,
    );
    let result = resolve(&roots(&[("a", "1.0.0")]), &registry);
    assert!(matches!(result, Err(Unsolved::Failed(_))), "{result:?}");
}

#[test]
fn the_newest_version_is_one_that_every_package_has() {
    let registry = registry(
        r#"{
        "x": {"20.1.0": {}, "22.1.0": {}, "22.3.0": {}, "24.0.0": {}, "26.0.0": {}},
        "y": {"20.1.0": {}, "22.1.0": {}, "24.0.0": {}, "25.0.0-rc.1": {}, "26.1.0": {}}
    }"#,
    );
    let tracks: Vec<Track> =
        ["x", "y"].map(|name| Track { document: registry[name].as_ref().unwrap(), prefix: String::new(), suffix: String::new() }).into();
    let chosen = |text: &str| choose(&Request::parse(text), &tracks);
    assert_eq!(chosen("latest").as_deref(), Some("24.0.0"));
    assert_eq!(chosen("22").as_deref(), Some("22.1.0"));
    assert_eq!(chosen(">=20 <24").as_deref(), Some("22.1.0"));
    assert_eq!(chosen("22.3.0"), None);
    assert_eq!(chosen("lts"), None);
    let instead = |text: &str| silo::lock::npm::instead(&Request::parse(text), &tracks);
    assert_eq!(instead("22.3.0"), "there is no version `22.3.0`: the newest of 22 is 22.1.0, of all 24.0.0");
    assert!(instead("lts").starts_with("there is no channel `lts`"), "{}", instead("lts"));
    let suffixed = super::npm::registry(r#"{"c": {"0.9.0-linux-x64": {}, "0.9.0": {}, "0.10.0-linux-x64": {}, "0.10.0": {}}}"#);
    let track = [Track { document: suffixed["c"].as_ref().unwrap(), prefix: String::new(), suffix: "-linux-x64".to_string() }];
    assert_eq!(choose(&Request::parse("latest"), &track).as_deref(), Some("0.10.0"));
    assert_eq!(choose(&Request::parse("0.9"), &track).as_deref(), Some("0.9.0"));
}

#[test]
fn requests_are_told_apart_by_their_form() {
    assert_eq!(Request::parse(""), Request::Latest("latest".to_string()));
    assert_eq!(Request::parse("stable"), Request::Latest("stable".to_string()));
    assert_eq!(Request::parse("22"), Request::Version("22".to_string()));
    assert_eq!(Request::parse("22").exact(), None);
    assert_eq!(Request::parse("v1.2.3").exact(), Some("1.2.3"));
    assert_eq!(Request::parse("2026-08-17.4").exact(), Some("2026-08-17.4"));
    assert_eq!(Request::parse("1.x"), Request::Range("1.x".to_string()));
    assert_eq!(Request::parse(">=20 <23"), Request::Range(">=20 <23".to_string()));
    assert_eq!(Request::parse("lts"), Request::Word("lts".to_string()));
    let mut versions = ["1.10.0", "1.9.0", "1.10.0-rc.1", "1.10.0-rc.2", "2"];
    versions.sort_by(|a, b| compare(a, b));
    assert_eq!(versions, ["1.9.0", "1.10.0-rc.1", "1.10.0-rc.2", "1.10.0", "2"]);
}
