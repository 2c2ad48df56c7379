use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use silo::lock::apt::index::{Extract, Index};
use silo::lock::apt::solve::{Base, Locked, Question, Role, Shelf, Solution, Updates, solve};

/// An index of packages, each `name version` with other fields behind it, one a line, split at `;`.
fn index(text: &str) -> Index {
    let mut extract = Extract::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut fields = line.split(';').map(str::trim);
        let (name, version) = fields.next().unwrap().split_once(' ').unwrap();
        let all: String = fields.map(|field| format!("{field}\n")).collect();
        extract.push(
            format!("Package: {name}\nVersion: {version}\nFilename: pool/{name}_{version}.deb\nSHA256: {version}\n{all}\n").as_bytes(),
        );
    }
    Index::new(extract.finish())
}

struct Asked<'a> {
    release: &'a str,
    updates: &'a str,
    asked: &'a [&'a str],
    locked: BTreeMap<String, Locked>,
    base: Base,
    which: Updates,
}

fn asked<'a>(release: &'a str, asked: &'a [&'a str]) -> Asked<'a> {
    Asked { release, updates: "", asked, locked: BTreeMap::new(), base: Base::Release, which: Updates::Newest }
}

fn answer(asked: &Asked<'_>) -> Result<Solution, String> {
    let Asked { release, updates, asked, locked, base, which } = asked;
    let shelf = Shelf { release: vec![index(release)], updates: vec![index(updates)] };
    let names =
        asked.iter().map(|name| silo::lock::split(name)).map(|(name, version)| (name.to_string(), version.map(str::to_string))).collect();
    solve(&Question { shelf: &shelf, asked: &names, locked, present: &["manager"], base: *base, updates: *which })
}

/// `name version` of everything, with `*` for updates and `+` for what came along.
fn list(solution: &Solution) -> String {
    let one = |(name, package): (&String, &silo::lock::apt::solve::Chosen)| {
        let mark = match package.role {
            Role::Asked => "",
            Role::Needed => "+",
            Role::Update => "*",
        };
        format!("{mark}{name} {}", package.version)
    };
    solution.packages.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn found(question: &Asked<'_>) -> String {
    list(&answer(question).unwrap())
}

const BASE: &str = "
    libc 2.0; Priority: optional
    shell 1.0; Essential: yes; Depends: libc (>= 1.0)
    manager 3.0; Depends: libmanager (= 3.0), libc
    libmanager 3.0
";

fn with_base(more: &str) -> String {
    format!("{BASE}{more}")
}

#[test]
fn what_is_needed_comes_along_and_what_the_base_has_does_not() {
    let text = with_base("curl 8; Depends: libcurl (= 8), shell; Recommends: extra\n libcurl 8; Pre-Depends: libc (>= 2.0)\n extra 1");
    assert_eq!(found(&asked(&text, &["curl"])), "curl 8, +libcurl 8");
    assert_eq!(answer(&asked(&text, &["curl"])).unwrap().packages["curl"].needs, BTreeSet::from(["libcurl".to_string()]));
    // What is asked for is pinned, even when the base has it.
    assert_eq!(found(&asked(&text, &["libc"])), "libc 2.0");
}

#[test]
fn of_alternatives_the_first_that_can_be_had_unless_one_is_there() {
    let text =
        "mail 1; Depends: exim | postfix\n exim 4\n postfix 3\n other 1; Depends: postfix\n odd 1; Depends: gone | (x) nothing | exim";
    assert_eq!(found(&asked(text, &["mail"])), "+exim 4, mail 1");
    assert_eq!(found(&asked(text, &["mail", "postfix"])), "mail 1, postfix 3");
    assert_eq!(found(&asked(text, &["mail", "other"])), "mail 1, other 1, +postfix 3");
    let text = "mail 1; Depends: exim (>= 5) | postfix\n exim 4\n postfix 3";
    assert_eq!(found(&asked(text, &["mail"])), "mail 1, +postfix 3");
    // The first leads into nothing.
    let text = "mail 1; Depends: exim | postfix\n exim 4; Depends: gone\n postfix 3";
    assert_eq!(found(&asked(text, &["mail"])), "mail 1, +postfix 3");
    let text = "mail 1; Depends: exim | postfix\n exim 4; Conflicts: web\n postfix 3\n web 1";
    assert_eq!(found(&asked(text, &["mail", "web"])), "mail 1, +postfix 3, web 1");
}

#[test]
fn names_that_several_have() {
    let text = "script 1; Depends: awk\n gawk 5; Provides: awk\n mawk 1; Provides: awk (= 2)\n strict 1; Depends: awk (>= 2)\n late 1; Depends: awk (>= 3)";
    assert_eq!(found(&asked(text, &["script"])), "+gawk 5, script 1");
    assert_eq!(found(&asked(text, &["script", "mawk"])), "mawk 1, script 1");
    // Only one says which version it has.
    assert_eq!(found(&asked(text, &["strict"])), "+mawk 1, strict 1");
    assert_eq!(answer(&asked(text, &["late"])).unwrap_err(), "late 1 needs awk (>= 3), which the distribution's archive does not have");
    assert_eq!(answer(&asked(text, &["awk"])).unwrap_err(), "the distribution's archive has no package awk (a name for gawk or mawk)");
    // The base has one already, by its other name.
    let text = with_base("script 1; Depends: sh\n dash 1; Essential: yes; Provides: sh\n ash 1; Provides: sh");
    assert_eq!(found(&asked(&text, &["script"])), "script 1");
    // One that refuses everything of a name that it has itself.
    let text = "a 1; Provides: mta; Conflicts: mta\n b 1; Provides: mta; Conflicts: mta";
    assert_eq!(found(&asked(text, &["a"])), "a 1");
    let reason = answer(&asked(text, &["a", "b"])).unwrap_err();
    assert_eq!(reason, "b 1 and a 1 cannot be installed together: b is asked for, and a is asked for");
}

#[test]
fn what_is_missing_is_told_with_what_needs_it() {
    let text = "a 1; Depends: b\n b 1; Depends: c (>= 2)\n c 1";
    assert_eq!(answer(&asked(text, &["a"])).unwrap_err(), "b 1 needs c (>= 2), and the distribution's archive has c 1 (b is needed by a)");
    let text = "a 1; Depends: x | y";
    assert_eq!(answer(&asked(text, &["a"])).unwrap_err(), "a 1 needs x or y, which the distribution's archive does not have");
    assert_eq!(answer(&asked(text, &["z=2"])).unwrap_err(), "the distribution's archive has no package z 2");
    let text = "a 1; Depends: b\n b 1; Breaks: c (<< 2)\n c 1";
    let reason = answer(&asked(text, &["a", "c"])).unwrap_err();
    assert_eq!(reason, "b 1 and c 1 cannot be installed together: a needs b, and c is asked for");
}

#[test]
fn a_version_that_is_asked_for_and_the_newest_of_all_suites() {
    let text = "git 1\n git 2";
    assert_eq!(found(&asked(text, &["git"])), "git 2");
    assert_eq!(found(&asked(text, &["git=1"])), "git 1");
    let question = Asked { updates: "git 3; Depends: libgit\n libgit 3", ..asked(text, &["git"]) };
    assert_eq!(found(&question), "git 3, +libgit 3");
}

#[test]
fn updates_of_the_base_come_along_whoever_asks() {
    let text = with_base("tool 1");
    let updates = "libc 2.1\n libmanager 3.1\n manager 3.1; Depends: libmanager (= 3.1), libnew\n libnew 1\n never 1";
    let question = Asked { updates, ..asked(&text, &["tool"]) };
    assert_eq!(found(&question), "*libc 2.1, *libmanager 3.1, +libnew 1, *manager 3.1, tool 1");
    // With a lock only what is locked.
    assert_eq!(found(&Asked { which: Updates::Locked, ..question }), "tool 1");
    // What of the base wants exactly what is taken newer comes along, and one that cannot is told.
    let question = Asked {
        updates: "libmanager 3.1\n manager 3.1; Depends: libmanager (= 3.1)",
        which: Updates::Locked,
        ..asked(&text, &["libmanager"])
    };
    assert_eq!(found(&question), "libmanager 3.1, +manager 3.1");
    let question = Asked { updates: "libmanager 3.1", which: Updates::Locked, ..asked(&text, &["libmanager"]) };
    assert_eq!(answer(&question).unwrap_err(), "libmanager 3.1 does not fit manager 3.0 of the base");
}

#[test]
fn where_the_bases_versions_are_not_known_what_needs_a_version_takes_it_along() {
    let text = with_base("tool 1; Depends: libc (>= 1.5), shell\n other 1; Depends: libmanager (>= 2)");
    assert_eq!(found(&asked(&text, &["tool", "other"])), "other 1, tool 1");
    let question = Asked { base: Base::Unknown, ..asked(&text, &["tool", "other"]) };
    // What wants exactly one of these has to be of the same state.
    assert_eq!(found(&question), "+libc 2.0, +libmanager 3.0, +manager 3.0, other 1, tool 1");
}

fn locked(version: &str, needs: &[&str]) -> Locked {
    let file = Some((format!("pool/{version}.deb"), version.to_string()));
    Locked { version: version.to_string(), file, needs: needs.iter().map(|name| name.to_string()).collect(), update: false }
}

#[test]
fn what_is_locked_stays_unless_something_new_needs_it_to_move() {
    let text = "git 3; Depends: libgit (>= 2)\n libgit 3\n libgit 2\n curl 8\n new 1; Depends: libgit (>= 3)";
    let known = BTreeMap::from([("git".to_string(), locked("2", &["libgit"])), ("libgit".to_string(), locked("2", &[]))]);
    let question = |names| Asked { locked: known.clone(), ..asked(text, names) };
    // The archive does not have the locked one of git any more; its file is known.
    let solution = answer(&question(&["git", "curl"])).unwrap();
    assert_eq!((list(&solution).as_str(), solution.moved.len()), ("curl 8, git 2, +libgit 2", 0));
    assert_eq!((solution.packages["git"].path.as_str(), solution.packages["git"].needs.len()), ("pool/2.deb", 1));
    // One moves, and with it what may not fit any more.
    let solution = answer(&question(&["git", "new"])).unwrap();
    assert_eq!(list(&solution), "git 3, +libgit 3, new 1");
    assert_eq!(
        solution.moved,
        BTreeMap::from([("git".to_string(), Some("libgit".to_string())), ("libgit".to_string(), Some("new".to_string()))])
    );
    // A version without a file, which an older silo wrote, stays as long as the archive has it.
    let old = |version: &str| BTreeMap::from([("libgit".to_string(), Locked { file: None, ..locked(version, &[]) })]);
    assert_eq!(found(&Asked { locked: old("2"), ..asked(text, &["libgit"]) }), "libgit 2");
    assert_eq!(found(&Asked { locked: old("1"), ..asked(text, &["libgit"]) }), "libgit 3");
}

/// A package's version, what it needs, what it is besides itself, and whether it is essential.
type Made = (usize, Vec<Vec<(usize, Option<u32>)>>, Option<usize>, bool);

/// Some packages that need some others, with versions, alternatives and names that several have.
fn archive() -> impl Strategy<Value = Vec<Made>> {
    let need = prop::collection::vec((0..14usize, prop::option::of(1..4u32)), 1..3);
    prop::collection::vec((1..4usize, prop::collection::vec(need, 0..3), prop::option::of(10..14usize), prop::bool::weighted(0.15)), 10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_answer_is_closed_under_what_its_packages_need(packages in archive(), first in 0..10usize, second in 0..10usize, unknown in any::<bool>()) {
        let relation = |(name, version): &(usize, Option<u32>)| version.map_or(format!("p{name}"), |version| format!("p{name} (>= {version})"));
        let mut text = String::new();
        for (name, (version, needs, provides, essential)) in packages.iter().enumerate() {
            let groups: Vec<String> = needs.iter().map(|group| group.iter().map(&relation).collect::<Vec<_>>().join(" | ")).collect();
            let provides = provides.map_or(String::new(), |name| format!("; Provides: p{name} (= 2)"));
            let essential = if *essential { "; Essential: yes" } else { "" };
            text.push_str(&format!("p{name} {version}; Depends: {}{provides}{essential}\n", groups.join(", ")));
        }
        let names = [format!("p{first}"), format!("p{second}")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let base = if unknown { Base::Unknown } else { Base::Release };
        let index = index(&text);
        // What cannot be had is another test's.
        if let Ok(solution) = answer(&Asked { base, ..asked(&text, &names) }) {
            let mut there: BTreeSet<String> = solution.packages.keys().cloned().collect();
            for name in &names {
                prop_assert!(there.contains(*name));
            }
            // The base is what its own packages need.
            let own: Vec<&str> = index.base().collect();
            there.extend(answer(&asked(&text.replace("Essential: yes", "X: y"), &own)).unwrap().packages.into_keys());
            for (name, package) in &solution.packages {
                for group in index.newest(name).unwrap().depends {
                    let met = group.iter().any(|one| there.iter().any(|other| {
                        let other = index.newest(other).unwrap();
                        other.name == one.name && one.allows(&other.version)
                            || other.provides.iter().any(|provided| provided.name == one.name && (one.bound.is_none() || one.allows("2")))
                    }));
                    prop_assert!(met, "{name} needs {group:?}\n{text}\n{}", list(&solution));
                }
                prop_assert!(package.needs.iter().all(|other| solution.packages.contains_key(other)));
            }
        }
    }
}
