use silo::lock::Artifact;
use silo::lock::pypi::{Need, Registry, Root, Target, Unsolved, normalized, resolve, specifiers};
use silo::lock::simple::{Project, requirements};
use silo::lock::wheel::{Unread, Wheel, metadata};

/// A project from its files.
fn project(releases: &[(&str, &[&str])]) -> Option<Project> {
    let files: Vec<serde_json::Value> = releases
        .iter()
        .flat_map(|(_, files)| files.iter())
        .map(|name| {
            let (name, python) = name.split_once('|').unwrap_or((name, ""));
            serde_json::json!({ "filename": name, "url": name, "hashes": { "sha256": format!("{:0>64}", name.len()) }, "requires-python": python, "yanked": name.contains("yank") })
        })
        .collect();
    Some(Project::parse(serde_json::json!({ "files": files }).to_string().as_bytes()).unwrap())
}

/// Every wheel needs nothing.
fn needless(registry: &mut Registry) {
    let files = registry.projects.values().flatten().flat_map(|project| project.releases.values().flatten());
    let names: Vec<String> = files.map(|file| file.filename.clone()).collect();
    registry.requirements.extend(names.into_iter().map(|name| (name, Vec::new())));
}

fn root(name: &str, request: &str) -> Root {
    Root { name: name.to_string(), request: request.to_string() }
}

fn files(roots: &[Root], registry: &Registry) -> Vec<String> {
    let solution = resolve(roots, &Target::default(), registry).unwrap();
    let file = |artifact: &Artifact| match artifact {
        Artifact::Wheel { file, arch, .. } => format!("{file}{}", arch.map(|arch| format!(" {}", arch.as_str())).unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    solution.wheels.iter().map(file).collect()
}

#[test]
fn the_newest_version_with_wheels_for_all_architectures_wins() {
    let mut registry = Registry::default();
    registry.projects.insert(
        "uv".to_string(),
        project(&[
            ("1.0", &["uv-1.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "uv-1.0-py3-none-manylinux2014_aarch64.whl"]),
            ("1.1", &["uv-1.1-py3-none-manylinux_2_17_x86_64.whl", "uv-1.1-py3-none-manylinux_2_99_aarch64.whl"]),
            ("1.2", &["uv-1.2-1yank-py3-none-any.whl", "uv-1.2.tar.gz"]),
            ("2.0rc1", &["uv-2.0rc1-py3-none-any.whl"]),
            ("3.0", &["uv-3.0-py3-none-any.whl|>=3.99"]),
        ]),
    );
    // The distribution's Python stays at the third number that it came with, so that counts too.
    registry.projects.insert(
        "patch".to_string(),
        project(&[("1", &["patch-1-py3-none-any.whl|>=3.11.2"]), ("2", &["patch-2-py3-none-any.whl|>=3.11.5"])]),
    );
    needless(&mut registry);
    assert_eq!(files(&[root("patch", "")], &registry), ["patch-1-py3-none-any.whl"]);
    assert_eq!(
        files(&[root("UV", "latest")], &registry),
        ["uv-1.0-py3-none-manylinux2014_aarch64.whl arm64", "uv-1.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl amd64"]
    );
    assert_eq!(files(&[root("uv", "2.0rc1")], &registry), ["uv-2.0rc1-py3-none-any.whl"]);
    let Err(Unsolved::Failed(reasons)) = resolve(&[root("uv", "1.1.*")], &Target::default(), &registry) else { panic!() };
    assert!(reasons[0].contains("wheels for Python 3.11.2 on Linux (glibc 2.36)"), "{reasons:?}");
    let Err(Unsolved::Failed(reasons)) = resolve(&[root("uv", "9")], &Target::default(), &registry) else { panic!() };
    assert!(reasons[0].contains("on PyPI there is no version `9`: the newest is 3.0"), "{reasons:?}");
}

#[test]
fn compiled_wheels_are_for_the_right_python() {
    let mut registry = Registry::default();
    let wheel = |python: &str, arch: &str| format!("c-1.0-{python}-manylinux2014_{arch}.whl");
    let list: Vec<String> = ["cp311-cp311", "cp312-cp312", "cp39-abi3"]
        .iter()
        .flat_map(|python| ["x86_64", "aarch64"].map(|arch| wheel(python, arch)))
        .collect();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    registry.projects.insert("c".to_string(), project(&[("1.0", &list)]));
    needless(&mut registry);
    assert_eq!(
        files(&[root("c", "")], &registry),
        ["c-1.0-cp311-cp311-manylinux2014_aarch64.whl arm64", "c-1.0-cp311-cp311-manylinux2014_x86_64.whl amd64"]
    );
    let solution = resolve(&[root("c", "")], &Target { python: (3, 13, 5), glibc: (2, 41), ..Target::default() }, &registry).unwrap();
    assert!(matches!(&solution.wheels[0], Artifact::Wheel { file, .. } if file.contains("abi3")));
}

#[test]
fn dependencies_markers_and_extras() {
    let mut registry = Registry::default();
    let any = |name: &str, version: &str| format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"));
    let add = |registry: &mut Registry, name: &str, needs: &[&str], versions: &[&str]| {
        let files: Vec<String> = versions.iter().map(|version| any(name, version)).collect();
        let lists: Vec<[&str; 1]> = files.iter().map(|file| [file.as_str()]).collect();
        let releases: Vec<(&str, &[&str])> = versions.iter().zip(&lists).map(|(version, list)| (*version, &list[..])).collect();
        registry.projects.insert(name.to_string(), project(&releases));
        let needs: Vec<String> = needs.iter().map(|text| text.to_string()).collect();
        registry.requirements.extend(files.iter().map(|file| (file.clone(), needs.clone())));
    };
    add(&mut registry, "app", &["Lib_X[fast] >=1,<2", "win ; sys_platform == 'win32'", "old ; python_version < '3.8'"], &["1.0"]);
    add(&mut registry, "lib-x", &[], &["1.5", "2.0"]);
    // What a wheel needs is never guessed.
    registry.requirements.remove("lib_x-1.5-py3-none-any.whl");
    let Err(Unsolved::Need(need)) = resolve(&[root("app", "")], &Target::default(), &registry) else { panic!() };
    assert!(matches!(need.first(), Some(Need::Wheel(name, file)) if name == "lib-x" && file.filename == "lib_x-1.5-py3-none-any.whl"));
    registry
        .requirements
        .insert("lib_x-1.5-py3-none-any.whl".to_string(), vec!["quick; extra == 'fast'".to_string(), "slow; extra == 'slow'".to_string()]);
    assert_eq!(
        resolve(&[root("app", "")], &Target::default(), &registry),
        Err(Unsolved::Need([Need::Project("quick".to_string())].into()))
    );
    add(&mut registry, "quick", &["lib-x <1.5"], &["0.1"]);
    let Err(Unsolved::Failed(reasons)) = resolve(&[root("app", "")], &Target::default(), &registry) else { panic!() };
    assert!(reasons[0].contains("quick 0.1 needs lib-x <1.5") && reasons[0].contains("app 1.0 needs lib-x"), "{reasons:?}");
    add(&mut registry, "quick", &[], &["0.1"]);
    assert_eq!(
        files(&[root("app", "1.0")], &registry),
        ["app-1.0-py3-none-any.whl", "lib_x-1.5-py3-none-any.whl", "quick-0.1-py3-none-any.whl"]
    );
}

#[test]
fn requests_as_people_write_them() {
    let allows = |request: &str, version: &str| specifiers(request).unwrap().contains(&version.parse().unwrap());
    assert!(allows("22", "22.20.0") && !allows("22", "23.0"));
    assert!(allows("1.2.3", "1.2.3") && !allows("1.2.3", "1.2.4"));
    assert!(allows(">=20 <23", "22.9") && !allows(">=20 <23", "23.0"));
    assert!(allows("^1.2", "1.9") && !allows("^1.2", "1.1") && !allows("^1.2", "2.0"));
    assert!(allows("~1.2.3", "1.2.9") && !allows("~1.2.3", "1.3.0"));
    assert!(allows("~=1.4", "1.9") && allows("1.x", "1.9") && !allows("1.x", "2.0"));
    assert!(allows("", "9") && allows("latest", "9"));
    assert!(specifiers("lts").is_err());
    assert_eq!(normalized("Foo__Bar.-baz"), "foo-bar-baz");
}

#[test]
fn pages_of_both_forms_say_the_same() {
    let json = br#"{"files": [{"filename": "a-1.0-py3-none-any.whl", "url": "../a.whl", "hashes": {"sha256": "AB"}, "requires-python": ">=3.8", "yanked": "bad", "core-metadata": {"sha256": "CD"}}]}"#;
    let html = br#"<html><a class=x href="../a.whl#sha256=ab" data-requires-python="&gt;=3.8" data-yanked="bad" data-core-metadata="sha256=cd">a-1.0-py3-none-any.whl</a>"#;
    let project = Project::parse(json).unwrap();
    assert_eq!(project, Project::parse(html).unwrap());
    assert!(project.releases["1.0"][0].yanked);
    let text = "Metadata-Version: 2.1\nName: a\nRequires-Dist: b (>=1)\n\nRequires-Dist: no\n";
    assert_eq!(requirements(text), Some(vec!["b (>=1)".to_string()]));
    assert_eq!(requirements("<html>"), None);
}

/// A zip with one file that is not packed, after a folder of `before` bytes that nobody lists.
pub fn zip(name: &str, text: &str, before: usize) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    let size = u32::try_from(text.len()).unwrap().to_le_bytes();
    let sizes = [&crc.sum().to_le_bytes()[..], &size, &size, &u16::try_from(name.len()).unwrap().to_le_bytes(), &[0, 0]].concat();
    let mut zip = vec![0; before];
    zip.extend([b"PK\x03\x04".as_slice(), &[0; 10], &sizes, name.as_bytes(), text.as_bytes()].concat());
    let list = zip.len();
    let at = u32::try_from(before).unwrap().to_le_bytes();
    zip.extend([b"PK\x01\x02".as_slice(), &[0; 12], &sizes, &[0; 10], &at, name.as_bytes()].concat());
    let len = u32::try_from(zip.len() - list).unwrap().to_le_bytes();
    zip.extend([b"PK\x05\x06".as_slice(), &[0; 8], &len, &u32::try_from(list).unwrap().to_le_bytes(), &[0, 0]].concat());
    zip
}

#[test]
fn metadata_is_read_from_pieces_of_a_wheel() {
    let text = format!("Metadata-Version: 2.1\nRequires-Dist: b\n\n{}", "x".repeat(100_000));
    let whole = zip("a-1.0.dist-info/METADATA", &text, 5);
    let size = u64::try_from(whole.len()).unwrap();
    let tail = whole.len() - usize::try_from(silo::lock::wheel::TAIL).unwrap();
    let mut wheel = Wheel { size, parts: vec![(tail as u64, whole[tail..].to_vec())] };
    let mut asked = 0;
    let read = loop {
        match metadata(&wheel) {
            Err(Unread::Need(range)) => {
                asked += 1;
                wheel.parts.push((range.start, whole[range.start as usize..range.end as usize].to_vec()));
            }
            other => break other,
        }
    };
    assert_eq!((read, asked), (Ok(text), 2));
    // No cut and no changed byte of a wheel does harm.
    let small = zip("a-1.0.dist-info/METADATA", "Metadata-Version: 2.1\n", 0);
    for at in 0..small.len() {
        let cut = Wheel { size: at as u64, parts: vec![(0, small[..at].to_vec())] };
        assert!(matches!(metadata(&cut), Err(Unread::Broken(_))), "{at}");
        let mut changed = small.clone();
        changed[at] ^= 0xff;
        drop(metadata(&Wheel { size: small.len() as u64, parts: vec![(0, changed)] }));
    }
    let none = zip("a-1.0.dist-info/RECORD", "", 0);
    let none = Wheel { size: none.len() as u64, parts: vec![(0, none)] };
    assert_eq!(metadata(&none), Err(Unread::Broken("it has no METADATA")));
}
