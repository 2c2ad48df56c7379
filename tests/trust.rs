//! What a configuration asks of the host, and what is known again.

mod program;

use std::collections::BTreeMap;

use proptest::prelude::*;
use silo::spec::{EnvValue, RunSpec};
use silo::trust::{Closure, ClosureFile, Digest, FileChange, Record, Request, Role, difference, registry_variables};

use crate::support::project::Project;

fn file(path: &str, role: Role, text: &str) -> ClosureFile {
    ClosureFile { path: path.to_string(), role, bytes: text.as_bytes().to_vec() }
}

fn closure() -> Closure {
    Closure::new(vec![
        file("silo.lock", Role::Lock, "lock 1\n"),
        file("silo.kdl", Role::Configuration, "env SECRET\nagent claude\n"),
        file("scripts/setup.sh", Role::Copied { executable: true }, "#!/bin/sh\necho hi\n"),
    ])
}

#[test]
fn a_digest_is_the_same_everywhere_and_for_ever() {
    // Computed by hand: `12:silo-trust-1`, then each file's path, role and text after its length, through sha256sum.
    assert_eq!(closure().digest().to_string(), "sha256:4ca7913de4b98655a394955791336fe9e78d96c9c71a4a6b0cd57817af423dc0");
    assert_eq!(Closure::new(Vec::new()).digest().to_string(), "sha256:3e2ed28a656ac0b44a808d4d398ee3926ba4edc0e0b73cef8c1f6fb3fb456a49");
}

#[test]
fn the_order_of_files_means_nothing_and_one_counts_once() {
    let mut files = closure().files().to_vec();
    files.reverse();
    files.push(files[0].clone());
    assert_eq!(Closure::new(files).digest(), closure().digest());
}

#[test]
fn a_digest_is_read_as_it_is_printed_and_no_other_way() {
    let digest = closure().digest();
    assert_eq!(Digest::parse(&digest.to_string()), Some(digest.clone()));
    let hex = digest.to_string().replace("sha256:", "");
    for wrong in
        [hex.clone(), format!("sha256:{}", &hex[1..]), format!("sha256:{}", hex.to_uppercase()), format!("sha512:{hex}"), String::new()]
    {
        assert_eq!(Digest::parse(&wrong), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_byte_of_any_file_changes_it(which in 0usize..3, at in any::<prop::sample::Index>(), with in 1u8.., cut in any::<bool>()) {
        let mut files = closure().files().to_vec();
        let bytes = &mut files[which].bytes;
        let at = at.index(bytes.len());
        if cut { bytes.remove(at); } else { bytes[at] ^= with; }
        prop_assert_ne!(Closure::new(files).digest(), closure().digest());
    }

    #[test]
    fn no_two_lists_of_files_have_one_digest(
        a in prop::collection::btree_map("[a:1]{0,3}", "[a:1\n]{0,4}", 0..4),
        b in prop::collection::btree_map("[a:1]{0,3}", "[a:1\n]{0,4}", 0..4),
    ) {
        let of = |files: &BTreeMap<String, String>| {
            Closure::new(files.iter().map(|(path, text)| file(path, Role::Configuration, text)).collect()).digest()
        };
        prop_assert_eq!(of(&a) == of(&b), a == b);
    }
}

#[test]
fn a_path_or_a_mode_changes_it() {
    let with = |change: fn(&mut ClosureFile)| {
        let mut files = closure().files().to_vec();
        change(&mut files[0]);
        Closure::new(files).digest()
    };
    assert_ne!(with(|file| file.path.push('x')), closure().digest());
    assert_ne!(with(|file| file.role = Role::Copied { executable: false }), closure().digest());
}

#[test]
fn a_record_is_read_as_it_was_written_and_nothing_else_is() {
    let record =
        Record::new("/home/ada/work/api".to_string(), &closure(), vec!["the host's SECRET is handed to every container".to_string()]);
    let text = record.print();
    assert_eq!(Record::parse(&text), Some(record.clone()));
    assert!(record.covers("/home/ada/work/api", &closure().digest()));
    assert!(!record.covers("/home/ada/work/other", &closure().digest()));
    for broken in [
        String::new(),
        text[..text.len() / 2].to_string(),
        text.replace("\"version\": 1", "\"version\": 2"),
        text.replace("\"path\"", "\"place\""),
        text.replace("sha256:", "sha256;"),
        "null".to_string(),
    ] {
        assert_eq!(Record::parse(&broken), None, "{broken}");
    }
}

#[test]
fn long_texts_are_not_kept() {
    let files: Vec<ClosureFile> =
        (0..40).map(|n| file(&format!("f{n}"), Role::Copied { executable: false }, &"x".repeat(60_000))).collect();
    let mut files = files;
    files.push(file("long", Role::Lock, &"y".repeat(100_000)));
    files.push(ClosureFile { path: "binary".to_string(), role: Role::Copied { executable: false }, bytes: vec![0xff, 0xfe] });
    let record = Record::new("/x".to_string(), &Closure::new(files), Vec::new());
    assert!(record.print().len() < 1 << 20, "{}", record.print().len());
    assert!(record.files.iter().all(|file| file.path.starts_with('f') || file.text.is_none()));
}

#[test]
fn what_changed_is_told_and_nothing_in_it_moves_the_cursor() {
    let ask = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let before = Record::new("/x".to_string(), &closure(), ask(&["one", "two"]));
    let mut files = closure().files().to_vec();
    files.retain(|file| file.role != Role::Lock);
    for file in &mut files {
        if file.role == Role::Configuration {
            file.bytes = b"env SECRET OTHER\nagent claude\npre_run \"\x1b[2J\"\n".to_vec();
        }
    }
    files.push(file("more.kdl", Role::Configuration, "tool jq\n"));
    let now = Record::new("/x".to_string(), &Closure::new(files), ask(&["two", "three"]));
    let difference = difference(&before, &now);
    assert_eq!((difference.new.clone(), difference.gone.clone()), (ask(&["three"]), ask(&["one"])));
    let lines = vec!["- env SECRET".to_string(), "+ env SECRET OTHER".to_string(), "+ pre_run \"\\u{1b}[2J\"".to_string()];
    let expected = vec![
        ("more.kdl".to_string(), FileChange::Added),
        ("silo.kdl".to_string(), FileChange::Changed { lines: Some(lines), more: 0 }),
        ("silo.lock".to_string(), FileChange::Removed),
    ];
    assert_eq!(difference.files, expected);
    assert!(silo::trust::difference(&before, &before).is_empty());
}

#[test]
fn an_npmrc_says_which_values_it_takes() {
    let text =
        "registry=https://r.example.test/\n# ${NOT}\n ;${NEITHER}\n//r.example.test/:_authToken=${NPM_TOKEN}\nx=${A?}${B}\ny=${open\n";
    let found = registry_variables(text);
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["NPM_TOKEN", "A", "B"]);
    assert_eq!(found.iter().map(|(_, range)| &text[range.clone()]).collect::<Vec<_>>(), ["${NPM_TOKEN}", "${A?}", "${B}"]);
}

/// Everything of the host that a run would get: variables and mounts, of all containers.
fn of_host(run: &RunSpec) -> Vec<String> {
    let containers = std::iter::once((&run.env, &run.mounts)).chain(run.agents.iter().map(|agent| (&agent.env, &agent.mounts)));
    let mut all: Vec<String> = containers
        .flat_map(|(env, mounts)| {
            let env = env.iter().filter(|variable| variable.value == EnvValue::Host).map(|variable| variable.name.to_string());
            let outside = mounts.iter().filter(|mount| !mount.source.0.starts_with("%{workspace}"));
            let mounts = outside.map(|mount| format!("{} {} {:?}", mount.source.0, mount.target.0, mount.access));
            env.chain(mounts).collect::<Vec<_>>()
        })
        .collect();
    all.sort();
    all
}

/// Lines that a hostile project may write, with every way there is to be stronger.
fn project_line() -> impl Strategy<Value = String> {
    let sign = prop_oneof![Just(""), Just("(force)"), Just("(default)"), Just("(remove)"), Just("(replace)")];
    let name = prop_oneof![Just("HOST_TOKEN"), Just("OTHER"), Just("ANTHROPIC_API_KEY")];
    let path = prop_oneof![Just("/srv/data"), Just("~/.gitconfig"), Just("~/.ssh"), Just("docs")];
    let mode = prop_oneof![Just(""), Just(" mode=rw"), Just(" mode=(force)rw"), Just(" mode=ro"), Just(" to=\"/data\" mode=(force)rw")];
    prop_oneof![
        (sign.clone(), name.clone()).prop_map(|(sign, name)| format!("{sign}env {name}")),
        (sign.clone(), name.clone()).prop_map(|(sign, name)| if sign == "(remove)" {
            format!("(remove)env {name}")
        } else {
            format!("{sign}env {name}=\"x\"")
        }),
        name.clone().prop_map(|name| format!("env {{ {name} from=host required=#true }}")),
        (sign.clone(), path.clone(), mode.clone()).prop_map(|(sign, path, mode)| if sign == "(remove)" {
            format!("(remove)mount \"{path}\"")
        } else {
            format!("{sign}mount \"{path}\"{mode}")
        }),
        (name, path).prop_map(|(name, path)| format!("agent claude {{ env {name}; mount \"{path}\" }}")),
        Just("agent codex".to_string()),
        Just(
            "(replace)define agent claude { install apt { apt \"x\" }; command \"x\"; env HOST_TOKEN SECRET; mount \"~/.aws\" }"
                .to_string()
        ),
    ]
}

const USER: &str = "env OTHER { HOST_TOKEN from=host }\nmount \"~/.gitconfig\"\n(force)mount \"/srv/mine\" mode=ro\nagent claude { mount \"~/.claude\" mode=rw }\n";
const COMMAND_LINE: &str = "env HOST_TOKEN\nmount \"/srv/data\" mode=ro\nmount \"~/.gitconfig\" mode=ro\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_project_layer_changes_what_an_untrusted_run_has_of_the_host(
        lines in prop::collection::vec(project_line(), 0..6),
        local in prop::collection::vec(project_line(), 0..3),
        with_user in any::<bool>(),
        with_options in any::<bool>(),
    ) {
        let with = |committed: &str, local: Option<&str>| {
            let mut project = Project::of(committed);
            if let Some(local) = local { project = project.file("silo.local.kdl", local); }
            if with_user { project = project.file("user.kdl", USER); }
            if with_options { project = project.file("command-line.kdl", COMMAND_LINE); }
            project.load()
        };
        let alone = with("agent claude\n", None).spec.expect("this is right");
        let loaded = with(&format!("agent claude\n{}\n", lines.join("\n")), Some(&local.join("\n")));
        // What contradicts itself is refused, and runs nothing.
        if let Some(spec) = &loaded.spec {
            prop_assert_eq!(of_host(&spec.run), of_host(&alone.run));
            let commands = if with_options { 3 } else { 0 };
            prop_assert_eq!(of_host(&spec.run).len(), commands, "what the command line says, and nothing else");
            // And where there is trust, nothing is handed over that was not shown.
            let trusted = with_trust(&format!("agent claude\n{}\n", lines.join("\n")), &local.join("\n"), with_user, with_options);
            let shown: Vec<String> = loaded.requests.iter().map(Request::text).collect();
            for thing in of_host(&trusted) {
                let name = thing.split(' ').next().unwrap();
                let own = loaded.own.env.iter().any(|variable| variable.name.as_str() == name) || loaded.own.mounts.iter().any(|mount| mount.source.0 == name);
                prop_assert!(own || shown.iter().any(|text| text.contains(name)), "{thing} is not in {shown:?}");
            }
        }
    }
}

fn with_trust(committed: &str, local: &str, user: bool, options: bool) -> RunSpec {
    let mut project = Project::of(committed).file("silo.local.kdl", local).file("trusted", "");
    if user {
        project = project.file("user.kdl", USER);
    }
    if options {
        project = project.file("command-line.kdl", COMMAND_LINE);
    }
    project.load().spec.unwrap().run
}

#[test]
fn trust_is_in_no_identity() {
    let text = "agent claude { env A; mount \"~/.aws\" }\nenv B\nmount \"/etc/ssl\"\n";
    let identities = |project: &Project| {
        let mut loaded = project.load();
        let spec = loaded.spec.clone().unwrap();
        loaded.compile(&spec).into_iter().map(|image| image.identity).collect::<Vec<_>>()
    };
    let asked = identities(&Project::of(text));
    assert_eq!(asked, identities(&Project::of(text).file("trusted", "")));
    assert_eq!(asked, identities(&Project::of("agent claude\n")));
    assert_eq!(asked.len(), 1);
}
