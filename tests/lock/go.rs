//! Modules of Go: the resolver, and looking things up at a proxy made here.

use std::collections::{BTreeMap, BTreeSet};

use super::server::{Answers, Server, locked, serve, suites, surroundings};
use super::shell::fetch::go::GoEndpoint;
use super::shell::fetch::secrets::{Keep, secrets};
use super::shell::fetch::{Getter, Surroundings};
use crate::support::modules::{HELLO, SUMS, add, archive, zip};
use silo::digest::go::{of_file, of_zip};
use silo::digest::{Algorithm, Digest};
use silo::lock::go::{
    GoMod, Module, Need, Needed, Registry, Root, Target, Unsolved, Version, compare, escaped, is_among, is_path, is_tag, published, resolve,
};
use silo::lock::time::{Cutoff, Time};
use silo::lock::{Artifact, GoModule, Lock, LockState, Place, Trust, state};
use silo::problem::Problems;

// ------------------------------------------------------------------------------------------------------------------------------- the core

/// The hashes are those that Go itself computes.
#[test]
fn hashes_are_those_of_go() {
    for (path, archived, required) in SUMS {
        let (_, version, files) = HELLO.iter().find(|(module, _, _)| *module == path).unwrap();
        assert_eq!(of_zip(&archive(path, version, files)).as_deref(), Ok(archived), "{path}");
        let file = files.iter().find(|(name, _)| *name == "go.mod").unwrap().1;
        assert_eq!(of_file(file.as_bytes()), required, "{path}");
        assert_eq!(GoMod::parse(file).unwrap().sum, required);
        // The same by pieces, as vendored files are checked.
        let digest = |algorithm, bytes: &[u8]| {
            let mut hash = Digest::new(algorithm, &"0".repeat(64)).unwrap().hasher();
            bytes.chunks(7).for_each(|piece| hash.update(piece));
            hash.finish().to_string()
        };
        assert_eq!(digest(Algorithm::GoZip, &archive(path, version, files)), archived);
        assert_eq!(digest(Algorithm::GoMod, file.as_bytes()), required);
    }
    // The order of an archive does not count, what is in it does.
    let two = |a: &str, b: &str| of_zip(&zip(&[(a.to_string(), "1"), (b.to_string(), "2")])).unwrap();
    assert_ne!(two("a", "b"), two("b", "a"));
    assert_eq!(two("a", "b"), of_zip(&zip(&[("b".to_string(), "2"), ("a".to_string(), "1")])).unwrap());
    assert!(of_zip(b"no zip").is_err());
    let whole = archive("a.test/x", "v1.0.0", &[("go.mod", "module a.test/x\n")]);
    for end in 0..whole.len() {
        assert!(of_zip(&whole[..end]).is_err(), "{end}");
    }
}

#[test]
fn paths_and_versions_are_written_as_addresses_want_them() {
    assert_eq!(escaped("example.test/BurntSushi/toml"), "example.test/!burnt!sushi/toml");
    assert_eq!(escaped("v1.0.0-RC1"), "v1.0.0-!r!c1");
    for good in ["v1.2.3", "v0.0.0-20240101000000-abcdef123456", "v2.0.0+incompatible", "v1.2.3-rc.1"] {
        assert!(is_tag(good), "{good}");
    }
    for bad in ["1.2.3", "v1.2", "v1.2.3.4", "v1.2.x", "v1.2.3-", "v1.2.3/../x", "v1.2.3 ", "v", "", "v+1.2.3", "v1.2.3-a..b"] {
        assert!(!is_tag(bad), "{bad}");
    }
    for bad in ["", "/a", "a//b", "a/../b", "a/.b", "-a", "a b", "a\tb", "a/", "a./b", "a@b"] {
        assert!(!is_path(bad), "{bad}");
    }
    let mut list = ["v1.10.0", "v1.9.0", "v1.10.0-rc.2", "v1.10.0-rc.11", "v1.10.0-rc", "v2.0.0+incompatible", "v1.10.0-0.2024", "none"];
    list.sort_by(|a, b| compare(a, b));
    assert_eq!(list, ["none", "v1.9.0", "v1.10.0-0.2024", "v1.10.0-rc", "v1.10.0-rc.2", "v1.10.0-rc.11", "v1.10.0", "v2.0.0+incompatible"]);
    for (path, patterns, among) in [
        ("corp.test/a/b", "corp.test", true),
        ("corp.test/a/b", "other.test, corp.test/a", true),
        ("corp.test/a", "*.corp.test", false),
        ("git.corp.test/a", "*.corp.test", true),
        ("corp.test/ab", "corp.test/a", false),
        ("corp.test/ab", "corp.test/a?", true),
        ("corp.test", "corp.test/a", false),
        ("corp.test/a", "", false),
        ("corp.test/a", ",", false),
    ] {
        assert_eq!(is_among(path, patterns), among, "{path} {patterns}");
    }
}

#[test]
fn a_go_mod_is_read_as_go_reads_it() {
    let text = "// a comment\nmodule \"a.test/x\" // why\n\ngo 1.21.3\n\ntoolchain go1.22.0\n\nrequire b.test/y v1.0.0\nrequire (\n\tc.test/z v0.1.0 // indirect\n\t`d.test/q` v2.0.0+incompatible\n\n)\n\nretract (\n\tv1.0.1\n\t[v1.1.0, v1.2.0] // bad\n)\nignore ./node_modules\nnew (\n\tthing one\n)\n";
    let file = GoMod::parse(text).unwrap();
    assert_eq!(file.go.as_deref(), Some("1.21.3"));
    let requires: Vec<String> = file.requires.iter().map(|module| format!("{} {}", module.path, module.version)).collect();
    assert_eq!(requires, ["b.test/y v1.0.0", "c.test/z v0.1.0", "d.test/q v2.0.0+incompatible"]);
    let retracted = ["v1.0.0", "v1.0.1", "v1.0.2", "v1.1.0", "v1.1.5", "v1.2.0", "v1.2.1"].map(|version| file.retracts(version));
    assert_eq!(retracted, [false, true, false, true, true, true, false]);
    assert!(!file.replaces && !file.excludes);
    assert!(GoMod::parse("replace a => ../a\n").unwrap().replaces);
    assert!(GoMod::parse("exclude (\n a v1.0.0\n)\n").unwrap().excludes);
    for (bad, line) in
        [("module a\nrequire b\n", 2), ("require (\n b v1\n)\n", 2), ("go\n", 1), ("module \"a\n", 1), ("retract [v1.0.0\n", 1)]
    {
        assert!(GoMod::parse(bad).unwrap_err().contains(&format!("line {line} ")), "{bad}");
    }
}

/// A proxy of these modules, in which everything is a week old: path, version, and the text of its `go.mod` after the first line.
fn registry(modules: &[(&str, &str, &str)]) -> Registry {
    let mut registry = Registry::default();
    for (path, version, text) in modules {
        let module = Module::new(path, version);
        registry.files.insert(module.clone(), Some(GoMod::parse(&format!("module {path}\n{text}")).unwrap()));
        registry.infos.insert(module, Some(Version { name: (*version).to_string(), time: None }));
        registry.lists.entry((*path).to_string()).or_insert(Some(Vec::new())).as_mut().unwrap().push((*version).to_string());
    }
    registry
}

fn root(package: &str, request: &str) -> Root {
    Root { package: package.to_string(), request: request.to_string() }
}

const ANY: Target = Target { toolchain: None, cutoff: Cutoff::NONE };

fn of(toolchain: &str) -> Target {
    Target { toolchain: Some(toolchain.to_string()), cutoff: Cutoff::NONE }
}

/// `path version`, with `+` before those that are compiled and `*` before what was asked for.
fn modules(package: &str, request: &str, target: &Target, registry: &Registry) -> Vec<String> {
    let solution = resolve(&[root(package, request)], target, registry).unwrap();
    let mark = |needed: &Needed| {
        if needed.main {
            "*"
        } else if needed.source {
            "+"
        } else {
            ""
        }
    };
    solution.modules.iter().map(|(module, needed)| format!("{}{} {}", mark(needed), module.path, module.version)).collect()
}

fn refused(package: &str, request: &str, target: &Target, registry: &Registry) -> String {
    match resolve(&[root(package, request)], target, registry) {
        Err(Unsolved::Failed(reasons)) => reasons.join("; "),
        other => panic!("{other:?}"),
    }
}

/// The example of go.dev/ref/mod, "Minimal version selection", for a module that is older than pruning is.
#[test]
fn the_newest_of_the_versions_that_are_asked_for_is_built() {
    let registry = registry(&[
        ("main.test/m", "v1.0.0", "require (\n a.test/a v1.2.0\n b.test/b v1.2.0\n)\n"),
        ("a.test/a", "v1.2.0", "require c.test/c v1.3.0\n"),
        ("b.test/b", "v1.2.0", "require c.test/c v1.4.0\n"),
        ("c.test/c", "v1.3.0", "require d.test/d v1.2.0\n"),
        ("c.test/c", "v1.4.0", "require d.test/d v1.2.0\n"),
        ("c.test/c", "v1.5.0", ""),
        ("d.test/d", "v1.2.0", ""),
    ]);
    assert_eq!(
        modules("main.test/m", "", &ANY, &registry),
        ["+a.test/a v1.2.0", "+b.test/b v1.2.0", "c.test/c v1.3.0", "+c.test/c v1.4.0", "+d.test/d v1.2.0", "*main.test/m v1.0.0"]
    );
}

/// Of what a module lists since Go 1.17 only the `go.mod` is read, unless that is older itself.
#[test]
fn what_is_pruned_is_not_asked_for() {
    let mut registry = registry(&[
        ("main.test/m", "v1.0.0", "go 1.17\nrequire (\n new.test/n v1.0.0\n old.test/o v1.0.0\n up.test/u v1.0.0\n)\n"),
        ("new.test/n", "v1.0.0", "go 1.20\nrequire (\n pruned.test/p v1.0.0\n up.test/u v1.1.0\n)\n"),
        ("old.test/o", "v1.0.0", "go 1.16\nrequire deep.test/d v1.0.0\n"),
        ("deep.test/d", "v1.0.0", "go 1.21\nrequire deeper.test/e v1.0.0\n"),
        ("deeper.test/e", "v1.0.0", ""),
        ("up.test/u", "v1.0.0", "go 1.17\n"),
        ("up.test/u", "v1.1.0", "go 1.17\n"),
    ]);
    assert_eq!(
        modules("main.test/m/cmd/x", "v1", &ANY, &registry_with_prefixes(&mut registry, "main.test/m/cmd/x")),
        [
            "deep.test/d v1.0.0",
            "deeper.test/e v1.0.0",
            "*main.test/m v1.0.0",
            "+new.test/n v1.0.0",
            "+old.test/o v1.0.0",
            // Of the version that is not built any more nothing is read.
            "+up.test/u v1.1.0",
        ]
    );
    // Everything is asked for at once that is known to be needed.
    registry.files.remove(&Module::new("new.test/n", "v1.0.0"));
    registry.files.remove(&Module::new("deep.test/d", "v1.0.0"));
    let needed = ["deep.test/d", "new.test/n"].map(|path| Need::File(Module::new(path, "v1.0.0")));
    assert_eq!(resolve(&[root("main.test/m", "1.0.0")], &ANY, &registry), Err(Unsolved::Need(BTreeSet::from(needed))));
    registry.files.insert(Module::new("deep.test/d", "v1.0.0"), None);
    registry.files.insert(Module::new("new.test/n", "v1.0.0"), None);
    assert!(refused("main.test/m", "", &ANY, &registry).contains("has no go.mod of"), "{registry:?}");
}

/// What is no module is known to be none.
fn registry_with_prefixes(registry: &mut Registry, package: &str) -> Registry {
    for (at, _) in package.match_indices('/').chain([(package.len(), "")]) {
        registry.lists.entry(package[..at].to_string()).or_insert(None);
        registry.latest.entry(package[..at].to_string()).or_insert(None);
    }
    registry.clone()
}

#[test]
fn the_module_of_a_package_is_the_longest_beginning_that_is_one() {
    let mut known = registry(&[("a.test/x", "v1.0.0", ""), ("a.test/x/tool", "v0.3.0", "")]);
    let all = |registry: &mut Registry, package: &str| registry_with_prefixes(registry, package);
    assert_eq!(modules("a.test/x/tool", "", &ANY, &all(&mut known, "a.test/x/tool")), ["*a.test/x/tool v0.3.0"]);
    assert_eq!(modules("a.test/x/cmd/y", "", &ANY, &all(&mut known, "a.test/x/cmd/y")), ["*a.test/x v1.0.0"]);
    // Before it was a module of its own it was a part of the other one.
    known.infos.insert(Module::new("a.test/x/tool", "v1.0.0"), None);
    assert_eq!(modules("a.test/x/tool", "1.0.0", &ANY, &known), ["*a.test/x v1.0.0"]);
    let nothing = all(&mut known, "b.test/none/cmd");
    assert_eq!(refused("b.test/none/cmd", "", &ANY, &nothing), "the proxy of Go modules has no module for b.test/none/cmd");
    // One after the other, and no path is asked for that is not needed.
    let first = Unsolved::Need(BTreeSet::from([Need::List("b.test/new/cmd".to_string())]));
    assert_eq!(resolve(&[root("b.test/new/cmd", "")], &ANY, &known), Err(first));
    let both = [root("a.test/x/cmd/y", "1.0.0"), root("a.test/x/cmd/z", "0.9.0")];
    for path in ["a.test/x/cmd/y", "a.test/x/cmd", "a.test/x/cmd/z"] {
        for version in ["v1.0.0", "v0.9.0"] {
            known.infos.insert(Module::new(path, version), None);
        }
    }
    known.lists.insert("a.test/x/cmd/z".to_string(), None);
    known.files.insert(Module::new("a.test/x", "v0.9.0"), Some(GoMod::default()));
    known.infos.insert(Module::new("a.test/x", "v0.9.0"), Some(Version { name: "v0.9.0".to_string(), time: None }));
    let Err(Unsolved::Failed(reasons)) = resolve(&both, &ANY, &known) else { panic!() };
    assert!(reasons[0].contains("a.test/x is asked for in two versions, 1.0.0 and 0.9.0"), "{reasons:?}");
}

#[test]
fn versions_are_asked_for_as_elsewhere() {
    let mut known = registry(&[
        ("a.test/x", "v0.9.0", ""),
        ("a.test/x", "v1.2.0", ""),
        ("a.test/x", "v1.10.0", "retract v1.3.0\n"),
        ("a.test/x", "v1.3.0", ""),
        ("a.test/x", "v2.0.0-rc.1", ""),
        ("a.test/x", "v3.0.0+incompatible", ""),
        ("b.test/y", "v1.0.0-beta", ""),
        ("c.test/z", "v2.1.0+incompatible", ""),
    ]);
    let commit = "v0.0.0-20240101000000-abcdef123456";
    for (path, version) in [("d.test/q", commit), ("a.test/x", "v0.0.0-20230101000000-abcdef123456")] {
        known.files.insert(Module::new(path, version), Some(GoMod::default()));
        known.infos.insert(Module::new(path, version), Some(Version { name: version.to_string(), time: None }));
    }
    known.lists.insert("d.test/q".to_string(), Some(Vec::new()));
    known.latest.insert("d.test/q".to_string(), Some(Version { name: commit.to_string(), time: None }));
    for (package, request, expected) in [
        ("a.test/x", "", "v1.10.0"),
        ("a.test/x", "latest", "v1.10.0"),
        ("a.test/x", "1", "v1.10.0"),
        ("a.test/x", "v1.2", "v1.2.0"),
        ("a.test/x", "1.2.0", "v1.2.0"),
        ("a.test/x", "v1.3.0", "v1.3.0"),
        ("a.test/x", "^0.9", "v0.9.0"),
        ("a.test/x", ">=v1.0 <v1.10", "v1.2.0"),
        ("a.test/x", "2.0.0-rc.1", "v2.0.0-rc.1"),
        ("a.test/x", "3.0.0", "v3.0.0+incompatible"),
        ("a.test/x", "0.0.0-20230101000000-abcdef123456", "v0.0.0-20230101000000-abcdef123456"),
        ("b.test/y", "latest", "v1.0.0-beta"),
        ("c.test/z", "latest", "v2.1.0+incompatible"),
        ("c.test/z", "2", "v2.1.0+incompatible"),
        ("d.test/q", "", commit),
        ("d.test/q", commit, commit),
    ] {
        assert_eq!(modules(package, request, &ANY, &known), [format!("*{package} {expected}")], "{package} {request}");
    }
    known.infos.insert(Module::new("a.test/x", "v1.99.0"), None);
    registry_with_prefixes(&mut known, "a.test/x");
    for (request, said) in [
        ("1.99.0", "of a.test/x there is no version `1.99.0`: the newest of 1 is 1.10.0"),
        ("^7", "of a.test/x there is no version `^7`"),
        ("~1.3", "every version that fits `~1.3` was retracted, 1.3.0 among them"),
        ("main", "branches are no versions"),
    ] {
        let infos = Module::new("a.test", "v1.99.0");
        known.infos.insert(infos, None);
        assert!(refused("a.test/x", request, &ANY, &known).contains(said), "{}", refused("a.test/x", request, &ANY, &known));
    }
}

#[test]
fn what_the_tool_chain_cannot_build_is_not_chosen() {
    let known = registry(&[
        ("a.test/x", "v1.0.0", "go 1.19\n"),
        ("a.test/x", "v1.1.0", "go 1.21\n"),
        ("a.test/x", "v1.2.0", "go 1.21\nrequire n.test/n v1.0.0\n"),
        ("a.test/x", "v1.3.0", "go 1.24.2\n"),
        ("n.test/n", "v1.0.0", "go 1.23.0\n"),
    ]);
    for (toolchain, version) in
        [("1.19", "v1.0.0"), ("1.20.5", "v1.0.0"), ("1.21.0", "v1.1.0"), ("1.23", "v1.2.0"), ("1.24.2", "v1.3.0"), ("1.24", "v1.2.0")]
    {
        let found = modules("a.test/x", "", &of(toolchain), &known);
        assert!(found.contains(&format!("*a.test/x {version}")), "{toolchain}: {found:?}");
    }
    let said = refused("a.test/x", "1.3.0", &of("1.22.1"), &known);
    assert!(
        said.contains("a.test/x 1.3.0 needs Go 1.24.2, and the client that builds it is Go 1.22.1; ask for an older version of a.test/x"),
        "{said}"
    );
    assert!(refused("a.test/x", "1.2.0", &of("1.22.1"), &known).contains("n.test/n 1.0.0 needs Go 1.23.0"));
    assert!(
        refused("a.test/x", "", &of("1.18"), &known)
            .contains("no version of a.test/x that fits can be built with the client, Go 1.18: a.test/x 1.3.0 needs Go 1.24.2")
    );
    // After the newest one several are asked about at once.
    let mut asked = known.clone();
    for version in ["v1.0.0", "v1.1.0", "v1.2.0"] {
        asked.files.remove(&Module::new("a.test/x", version));
    }
    let Err(Unsolved::Need(need)) = resolve(&[root("a.test/x", "")], &of("1.19"), &asked) else { panic!() };
    assert_eq!(need.len(), 3, "{need:?}");
}

#[test]
fn what_go_refuses_to_install_is_told() {
    let known = registry(&[("a.test/x", "v1.0.0", "replace b => ../b\n"), ("c.test/x", "v1.0.0", "exclude b.test/b v1.0.0\n")]);
    assert!(refused("a.test/x", "", &ANY, &known).contains("the go.mod of a.test/x 1.0.0 has a `replace` directive"));
    assert!(refused("c.test/x", "1.0.0", &ANY, &known).contains("has a `exclude` directive"));
}

#[test]
fn what_is_too_young_waits_unless_it_is_written_out() {
    let mut known = registry(&[("a.test/x", "v1.0.0", ""), ("a.test/x", "v1.1.0", "")]);
    let time = |text: &str| Time::parse(text);
    for (version, at) in [("v1.0.0", "2026-01-01T00:00:00Z"), ("v1.1.0", "2026-11-20T00:00:00Z")] {
        known.infos.insert(Module::new("a.test/x", version), Some(Version { name: version.to_string(), time: time(at) }));
    }
    let target = |seconds| Target { toolchain: None, cutoff: Cutoff::of_age(time("2026-11-20T12:00:00Z").unwrap(), seconds) };
    assert_eq!(modules("a.test/x", "", &target(86_400), &known), ["*a.test/x v1.0.0"]);
    assert_eq!(modules("a.test/x", "1.1.0", &target(86_400), &known), ["*a.test/x v1.1.0"]);
    let solution = resolve(&[root("a.test/x", "")], &target(60), &known).unwrap();
    assert_eq!(solution.released["a.test/x"], time("2026-11-20T00:00:00Z").unwrap());
    assert!(refused("a.test/x", "", &target(40_000_000), &known).contains("1.1.0"));
}

#[test]
fn a_checksum_database_is_read() {
    let (zip, file) = (SUMS[0].1, SUMS[0].2);
    let text = format!("12\na.test/x v1.0.0 {zip}\na.test/x v1.0.0/go.mod {file}\n\ngo.sum database tree\n1\nx=\n\n— name abc\n");
    assert_eq!(published(&text, &Module::new("a.test/x", "v1.0.0")), Some((zip.to_string(), file.to_string())));
    for (path, version) in [("a.test/x", "v1.0.1"), ("a.test/y", "v1.0.0"), ("a.test/x", "v1.0.0/go.mod")] {
        assert_eq!(published(&text, &Module::new(path, version)), None);
    }
    assert_eq!(published(&text.replace("h1:", "h2:"), &Module::new("a.test/x", "v1.0.0")), None);
}

// ------------------------------------------------------------------------------------------------------------------------------ looking up

fn leaked(answers: BTreeMap<String, Vec<u8>>) -> Answers {
    answers.into_iter().map(|(path, body)| (&*path.leak(), vec![(200, "", body)])).collect()
}

fn hello() -> BTreeMap<String, Vec<u8>> {
    let mut answers = BTreeMap::new();
    for (path, version, files) in HELLO {
        add(&mut answers, path, version, "2024-05-01T10:00:00Z", files);
    }
    answers.into_iter().map(|(path, body)| (format!("/proxy{path}"), body)).collect()
}

/// A proxy, and the archive of a distribution with a tool chain.
async fn proxy(more: BTreeMap<String, Vec<u8>>) -> Server {
    let names = ["ca-certificates", "bzip2", "curl", "unzip", "xz-utils", "git", "python3", "python3-pip", "libc6"];
    let mut packages: Vec<(&str, &str, &str)> = names.iter().map(|name| (*name, "1:2.0-1", "")).collect();
    packages.push(("golang-go", "2:1.19~1", ""));
    let mut answers = suites(&packages, &[], 11);
    answers.extend(leaked(hello()));
    answers.extend(leaked(more));
    serve(answers).await
}

fn at(server: &Server, folder: &std::path::Path, more: &[(&str, &str)]) -> Surroundings {
    let proxy = format!("off,{}/proxy,direct", server.address);
    let mut variables = vec![("SILO_APT_MIRROR", server.mirror.as_str()), ("GOPROXY", proxy.as_str()), ("GOSUMDB", "off")];
    variables.extend(["GOPRIVATE", "GONOPROXY", "GONOSUMDB"].map(|name| (name, "")));
    variables.push(("GOENV", "off"));
    variables.extend(more);
    surroundings(folder, &variables)
}

fn tool(request: &str) -> String {
    format!(
        "(replace)define client go {{\n install apt {{\n apt \"golang-go\"\n }}\n}}\ndefine tool hello {{\n install module {{\n go \"example.test/hello/cmd/hello\" version=\"%{{version}}\"\n bin \"hello\" \"bin/hello\"\n }}\n}}\nbase \"debian:bookworm\" from=bootstrap\ntool hello {request}\n"
    )
}

fn locked_modules(lock: &Lock) -> Vec<&GoModule> {
    let found = lock.components.iter().find(|component| component.id.name.as_str() == "hello").unwrap();
    found.artifacts.iter().filter_map(|artifact| if let Artifact::Module(module) = artifact { Some(module) } else { None }).collect()
}

fn said(result: Result<(Lock, Problems), Problems>) -> String {
    let problems = match result {
        Ok((_, problems)) | Err(problems) => problems,
    };
    problems.iter().map(|problem| format!("{} ({})\n", problem.message, problem.help.as_deref().unwrap_or_default())).collect()
}

#[tokio::test]
async fn without_a_database_the_hashes_are_those_of_what_the_proxy_has() {
    let folder = tempfile::tempdir().unwrap();
    let server = proxy(BTreeMap::new()).await;
    let here = at(&server, folder.path(), &[]);
    let (lock, _) = locked(&tool(""), None, &here).await.0.unwrap();
    let component = lock.components.iter().find(|component| component.id.to_string() == "tool hello").unwrap();
    assert_eq!((component.version.as_str(), component.source.as_str()), ("1.2.0", "module"));
    assert_eq!(component.released.map(|time| time.to_string()).as_deref(), Some("2024-05-01T10:00:00Z"));
    let modules = locked_modules(&lock);
    assert_eq!(modules.len(), 4);
    for (path, archived, required) in SUMS {
        let module = modules.iter().find(|module| module.module.path == path).unwrap();
        assert_eq!((module.zip.as_deref(), module.file.as_str(), module.trust), (Some(archived), required, Trust::FirstUse));
        assert_eq!(module.main, path == "example.test/hello");
    }
    assert!(modules.iter().any(|module| module.module.path == "example.test/lone" && module.zip.is_none()));
    assert_eq!(lock.first_uses(), 4);
    assert_eq!(server.count("/proxy/example.test/lone/@v/v0.1.0.zip"), 0, "only its requirements are read");
    assert_eq!(server.count("/proxy/example.test/!greet/@v/v1.1.0.zip"), 1);
    let text = lock.print();
    assert!(text.contains("silo-lock version=3 ") && !text.contains(&server.address), "{text}");
    assert_eq!(state(&super::image(&tool("")), Some(&lock)), LockState::Fresh);
    // A merge that took the module out is found before a build.
    let without: String = text.lines().filter(|line| !line.contains("main=#true")).map(|line| format!("{line}\n")).collect();
    let source = silo::source::Sources::default().add(silo::source::Source {
        name: "silo.lock".into(),
        text: without.clone(),
        layer: silo::source::Layer::Project(0),
    });
    let torn = silo::lock::parse(source, &without).0.unwrap();
    assert_eq!(
        state(&super::image(&tool("")), Some(&torn)),
        LockState::Stale(vec!["tool hello 1.2.0 is locked without the module of example.test/hello/cmd/hello for amd64".to_string()])
    );
    // What is vendored is checked by the same hashes.
    let getter_client = super::shell::fetch::Client::new(None, super::shell::fetch::Freshness::Asked).unwrap();
    let getter = Getter::new(&getter_client, &here, Vec::new(), &[]);
    for file in lock.files() {
        let target = folder.path().join("file");
        let moved = std::sync::atomic::AtomicU64::new(0);
        let digest = file.digest.clone().unwrap();
        match &file.place {
            Place::Archive(_) | Place::Requirements(_) => {
                getter.fetch(&file.place, &digest, &target, || folder.path().join("draft"), &moved).await.unwrap();
                let other = Digest::new(digest.algorithm, &"0".repeat(64)).unwrap();
                let reason = getter.fetch(&file.place, &other, &target, || folder.path().join("draft"), &moved).await.unwrap_err();
                assert!(reason.contains(&format!("its hash is {digest}, and silo.lock pins h1:AAAA")), "{reason}");
            }
            Place::Url(_) | Place::Npm { .. } | Place::Wheel { .. } | Place::Crate { .. } | Place::Package { .. } => {}
        }
    }
}

#[tokio::test]
async fn a_database_spares_the_archives_and_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let mut more = BTreeMap::from([("/proxy/sumdb/sums.example.test/supported".to_string(), Vec::new())]);
    let mut put = |path: &str, version: &str, zip: &str, file: &str| {
        let text = format!("7\n{path} {version} {zip}\n{path} {version}/go.mod {file}\n\ngo.sum database tree\n");
        more.insert(format!("/proxy/sumdb/sums.example.test/lookup/{}@{version}", escaped(path)), text.into_bytes());
    };
    for (path, archived, required) in SUMS {
        put(
            path,
            if path.ends_with("hello") {
                "v1.2.0"
            } else if path.ends_with("old") {
                "v1.0.0"
            } else {
                "v1.1.0"
            },
            archived,
            required,
        );
    }
    let lone = of_file(HELLO[3].2[0].1.as_bytes());
    put("example.test/lone", "v0.1.0", SUMS[0].1, &lone);
    let server = proxy(more.clone()).await;
    let here = at(&server, folder.path(), &[("GOSUMDB", "sums.example.test+abc+key")]);
    let (lock, problems) = locked(&tool("version=\"1.2\""), None, &here).await.0.unwrap();
    assert!(!said(Ok((lock.clone(), problems))).contains("checksum"));
    assert!(locked_modules(&lock).iter().all(|module| module.trust == Trust::Published));
    assert_eq!(lock.first_uses(), 0);
    assert!(server.asked.lock().unwrap().iter().all(|request| !request.contains(".zip ")));

    // What it says otherwise is told, and so is what it does not know; private modules it is not asked for.
    let mut wrong = more.clone();
    let key = "/proxy/sumdb/sums.example.test/lookup/example.test/lone@v0.1.0".to_string();
    wrong.insert(key.clone(), format!("7\nexample.test/lone v0.1.0 {0}\nexample.test/lone v0.1.0/go.mod {0}\n", SUMS[0].1).into_bytes());
    let other = proxy(wrong).await;
    let text = said(locked(&tool(""), None, &at(&other, folder.path(), &[("GOSUMDB", "sums.example.test")])).await.0);
    assert!(text.contains("is not that of the checksum database") && text.contains(&lone) && text.contains(SUMS[0].1), "{text}");
    more.remove(&key);
    let other = proxy(more).await;
    let lacking = [("GOSUMDB", "sums.example.test")];
    let text = said(locked(&tool(""), None, &at(&other, folder.path(), &lacking)).await.0);
    assert!(text.contains("does not know example.test/lone v0.1.0; if it is private, name it in GONOSUMDB"), "{text}");
    let private = [("GOSUMDB", "sums.example.test"), ("GONOSUMDB", "example.test/lone")];
    let (lock, _) = locked(&tool(""), None, &at(&other, folder.path(), &private)).await.0.unwrap();
    assert_eq!(lock.first_uses(), 1);

    // One that cannot be reached is no reason to stop, and is told.
    let bare = proxy(BTreeMap::new()).await;
    let gone = [("GOSUMDB", "sums.example.test http://127.0.0.1:1/")];
    let (lock, problems) = locked(&tool(""), None, &at(&bare, folder.path(), &gone)).await.0.unwrap();
    assert_eq!(lock.first_uses(), 4);
    let text = said(Ok((lock, problems)));
    assert!(text.contains("since the checksum database cannot be read: cannot fetch http://127.0.0.1:1/lookup/"), "{text}");
}

#[tokio::test]
async fn the_client_s_version_decides_what_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut more = BTreeMap::new();
    add(&mut more, "example.test/hello", "v1.2.0", "2024-05-01T10:00:00Z", HELLO[0].2);
    add(&mut more, "example.test/hello", "v1.3.0", "2024-06-01T10:00:00Z", &[("go.mod", "module example.test/hello\n\ngo 1.22.0\n")]);
    let server = proxy(more.into_iter().map(|(path, body)| (format!("/proxy{path}"), body)).collect()).await;
    let here = at(&server, folder.path(), &[]);
    let (lock, _) = locked(&tool(""), None, &here).await.0.unwrap();
    assert!(locked_modules(&lock).iter().any(|module| module.main && module.module.version == "v1.2.0"));
    let text = said(locked(&tool("version=\"1.3.0\""), None, &here).await.0);
    assert!(
        text.contains("example.test/hello 1.3.0 needs Go 1.22.0, and the client that builds it is Go 1.19; ask for an older version"),
        "{text}"
    );
    // The client that is locked counts when it stays.
    let (again, _) = locked(&tool("version=\"1\""), Some(&lock), &here).await.0.unwrap();
    assert!(locked_modules(&again).iter().any(|module| module.main && module.module.version == "v1.2.0"));
}

#[tokio::test]
async fn where_modules_are_is_told_by_go_s_own_settings() {
    let folder = tempfile::tempdir().unwrap();
    let server = proxy(BTreeMap::new()).await;
    let module = Module::new("example.test/X", "v1.0.0");
    let address = |endpoint: Result<GoEndpoint, silo::problem::Problem>| endpoint.unwrap().version(&module, "mod").unwrap();
    let here = at(&server, folder.path(), &[]);
    assert_eq!(address(GoEndpoint::find(&here).await), format!("{}/proxy/example.test/!x/@v/v1.0.0.mod", server.address));
    // The user's file of settings.
    let file = folder.path().join("env");
    std::fs::write(&file, "GOPROXY=https://p.example.test/go/|direct\nGOPRIVATE=corp.example.test\n").unwrap();
    let named =
        surroundings(folder.path(), &[("GOENV", &file.display().to_string()), ("GOSUMDB", "off"), ("GOPROXY", ""), ("GOPRIVATE", "")]);
    let endpoint = GoEndpoint::find(&named).await;
    assert_eq!(address(endpoint.clone()), "https://p.example.test/go/example.test/!x/@v/v1.0.0.mod");
    let reason = endpoint.unwrap().version(&Module::new("corp.example.test/x", "v1.0.0"), "mod").unwrap_err();
    assert!(reason.contains("corp.example.test/x is private by GOPRIVATE or GONOPROXY"), "{reason}");
    let secret = |surroundings: &Surroundings, keep| {
        secrets(surroundings, None, &[], None, keep).get("go").map(|secret| String::from_utf8(secret.bytes.clone()).unwrap())
    };
    assert_eq!(secret(&named, Keep::Nothing).as_deref(), Some("GOPROXY=https://p.example.test/go/\n"));
    assert_eq!(secret(&named, Keep::Logins), None);
    for list in ["direct", "off", "file:///srv/go"] {
        let problem = GoEndpoint::find(&at(&server, folder.path(), &[("GOPROXY", list)])).await.unwrap_err();
        assert!(problem.message.contains(&format!("GOPROXY is `{list}`")) && problem.help.unwrap().contains("mirror go"), "{list}");
    }
    let nothing = surroundings(folder.path(), &[("GOENV", "off"), ("GOPROXY", ""), ("PATH", "/nowhere")]);
    let problem = GoEndpoint::find(&nothing).await.unwrap_err();
    assert!(problem.message.contains("does not know where modules of Go are"), "{}", problem.message);
    assert_eq!(secret(&nothing, Keep::Nothing), None);
}
