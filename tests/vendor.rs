//! Which files may lie beside a recipe, and which scripts want more than that.

use silo::digest::{Algorithm, Digest};
use silo::lock::{Artifact, NpmPackage, Place};
use silo::plan::{Target, scripts};
use silo::spec::{Arch, Kind, Step};

use crate::plan::planned;
use crate::support::image::{archive, client, component, empty, hash, hook, layer, name, npm};

fn package(name: &str, alias: Option<&str>, integrity: &str) -> Artifact {
    Artifact::Npm(NpmPackage {
        path: format!("node_modules/a/node_modules/{name}"),
        arch: None,
        name: alias.map(str::to_string),
        version: "1.0.0".to_string(),
        integrity: integrity.to_string(),
        bin: Default::default(),
    })
}

fn wheel(file: &str, digit: char) -> Artifact {
    Artifact::Wheel { name: "w".into(), version: "1".into(), file: file.into(), arch: None, sha256: hash(digit) }
}

#[test]
fn a_file_is_known_by_the_strongest_hash_that_the_lock_has() {
    let digest = |integrity: &str| package("x", None, integrity).files()[0].digest.as_ref().map(|digest| digest.to_string());
    // The hashes of the empty text.
    let (short, long) = (
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        format!("{}==", "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg"),
    );
    assert_eq!(digest(&format!("sha256-{short} sha512-{long}?opt")).unwrap()[..20], *"sha512:cf83e1357eefb");
    assert_eq!(digest(&format!("sha256-{short}")).unwrap()[..20], *"sha256:e3b0c44298fc1");
    for weak in ["sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "sha512-AAAA", "sha512-", "", "md5-AAAA"] {
        assert_eq!(digest(weak), None, "{weak}");
    }
    let place = |artifact: Artifact| artifact.files()[0].place.clone();
    assert_eq!(place(package("@s/x", None, "")), Place::Npm { name: "@s/x".into(), version: "1.0.0".into() });
    assert_eq!(place(package("x", Some("@s/other"), "")), Place::Npm { name: "@s/other".into(), version: "1.0.0".into() });
    assert_eq!(Digest::new(Algorithm::Sha256, &"A".repeat(64)).unwrap().hex, "a".repeat(64));
    assert_eq!(Digest::new(Algorithm::Sha256, &format!("{}/", "a".repeat(63))), None);
}

#[test]
fn files_lie_beside_the_recipe_that_wants_them() {
    let mut image = empty();
    let steps = vec![Step::Pip { packages: Vec::new() }];
    let wheels = vec![wheel("w-1-py3-none-any.whl", 'c'), wheel("../../recipe", 'd'), wheel(".hidden.whl", 'e')];
    image.components = vec![archive(Kind::Tool, "zip"), client("npm"), component(Kind::Tool, "app", steps, wheels)];
    let mut pip = archive(Kind::Client, "pip");
    pip.artifacts.clear();
    pip.install.steps.clear();
    image.components.push(pip);
    let plan = planned(&image, &Target::Environment);
    let of_distribution = |place: &String| place.starts_with("base/vendor/") || place.starts_with("fetch/vendor/");
    let (packages, places): (Vec<String>, Vec<String>) = plan.vendored(Arch::Arm64).into_keys().partition(of_distribution);
    // Of each architecture its own, and nothing where a lock says that a file's name is a path.
    assert_eq!(places, [format!("tool-app/vendor/{}/w-1-py3-none-any.whl", hash('c')), format!("tool-zip/vendor/{}", hash('b'))]);
    assert_eq!(packages.len(), image.packages.len() + image.fetch_packages.len(), "{packages:?}");
    let whole: Vec<&String> = plan.context.keys().filter(|path| path.contains("vendor")).collect();
    assert!(whole.is_empty(), "the plan's own context holds none: {whole:?}");
    // What says what to do is mounted with everything beside it.
    let beside = |place: &String| {
        let folder = place.split_once("/vendor/").unwrap().0;
        ["recipe", "packages"].iter().any(|list| plan.context.contains_key(&format!("{folder}/{list}")))
    };
    assert!(plan.vendored(Arch::Amd64).keys().all(beside));
}

#[test]
fn a_package_of_npm_lies_beside_its_recipe_under_its_hash() {
    let mut image = empty();
    image.packages.clear();
    image.fetch_packages.clear();
    let mut app = npm(Kind::Tool, "app");
    let long = format!("{}==", "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg");
    app.artifacts.push(package("empty", None, &format!("sha512-{long}")));
    image.components = vec![app, client("npm")];
    let places: Vec<String> = planned(&image, &Target::Environment).vendored(Arch::Amd64).into_keys().collect();
    assert_eq!(places.len(), 2, "the client's file and the one package with a hash: {places:?}");
    assert!(places[0].starts_with("client-npm/recipe/vendor/aaaa"), "{places:?}");
    assert!(places[1].starts_with("tool-app/vendor/cf83e1357eefb") && places[1].ends_with("3e.tgz"), "{places:?}");
}

#[test]
fn scripts_are_listed_where_they_stand() {
    let mut image = empty();
    image.pre_build = vec![hook("true")];
    image.post_build = vec![hook("true")];
    image.layers = vec![layer(Some("l"), vec![Step::Run(hook("true")), Step::Apt { packages: Vec::new() }])];
    image.components = vec![component(Kind::Tool, "built", vec![Step::Run(hook("make"))], Vec::new())];
    let found: Vec<String> = scripts(&image, &Target::Environment).into_iter().map(|script| script.what).collect();
    assert_eq!(found, ["post_build", "pre_build", "run of layer l", "run of tool built"]);
    assert!(scripts(&image, &Target::Agent(name("none"))).is_empty());
}
