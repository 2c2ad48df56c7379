//! Which image it is.

use proptest::prelude::*;
use silo::digest::sha256_hex;
use silo::identity::{Difference, Identity, diff, identify, preimage};
use silo::lock::LockedImage;
use silo::plan::Target;
use silo::spec::{BuildEnv, Kind, Phase, Step};

use crate::plan::{first, planned};
use crate::support::image::{apt, archive, env_name, full, hash, hook, name, span};

fn id(image: &LockedImage) -> Identity {
    identify(&planned(image, &first()))
}

#[test]
fn the_hash_is_sha256_of_the_printed_preimage_s_bytes() {
    let preimage = preimage(&planned(&full(), &first()));
    assert_eq!(preimage.hash(), sha256_hex(&preimage.bytes()));
    assert!(preimage.bytes().starts_with(b"15:silo-identity-16:target11:agent-first"));
    assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn changing_the_scripts_or_the_layout_on_purpose_changes_this_value() {
    insta::assert_snapshot!(preimage(&planned(&full(), &first())).explain());
    insta::assert_snapshot!(id(&full()));
}

#[test]
fn every_field_of_an_image_changes_it() {
    type Change = (&'static str, fn(&mut LockedImage));
    let changes: Vec<Change> = vec![
        ("base digest", |image| image.base.digest = format!("sha256:{}", hash('9'))),
        ("base reference", |image| image.base.reference = "debian:trixie".into()),
        ("fetch digest", |image| image.fetch.digest = format!("sha256:{}", hash('9'))),
        ("package", |image| image.packages.push(apt("zsh", "5"))),
        ("package version", |image| image.packages[0].pin.versions.values_mut().for_each(|version| *version = "2".into())),
        ("package file", |image| image.packages[0].files.values_mut().for_each(|file| file.path = "pool/x.deb".into())),
        ("package hash", |image| image.packages[0].files.values_mut().for_each(|file| file.sha256 = hash('9'))),
        ("component's package", |image| image.components[0].packages.push(apt("fish", "5"))),
        ("fetch package", |image| image.fetch_packages[1] = apt("curl", "9")),
        ("checksum", |image| {
            image.components[0].artifacts = archive(Kind::Language, "node")
                .artifacts
                .into_iter()
                .chain(image.components[0].artifacts.iter().cloned().map(|artifact| match artifact {
                    silo::lock::Artifact::File { arch, url, sha256: _, trust } => {
                        silo::lock::Artifact::File { arch, url, sha256: hash('c'), trust }
                    }
                    other => other,
                }))
                .collect()
        }),
        ("component env", |image| {
            image.components[0].env.insert(env_name("GOFLAGS"), "x".into());
        }),
        ("component step", |image| {
            image.components[0].install.steps.push(Step::Bin { name: "gofmt".into(), target: silo::spec::Template("bin/gofmt".into()) })
        }),
        ("one component less", |image| {
            image.components.remove(0);
        }),
        ("pre_build", |image| image.pre_build.push(hook("x"))),
        ("post_build", |image| image.post_build[0].script.push(' ')),
        ("script's rights", |image| image.post_build[0].user = silo::spec::RunAs::User),
        ("order of scripts", |image| {
            image.post_build.push(hook("x"));
            image.post_build.swap(0, 1);
        }),
        ("layer", |image| image.layers[0].steps.push(Step::Env { name: env_name("X"), value: "y".into() })),
        ("env", |image| {
            image.env.insert(env_name("X"), BuildEnv { value: "y".into(), phase: Phase::Both });
        }),
        ("phase", |image| {
            image.env.insert(env_name("X"), BuildEnv { value: "y".into(), phase: Phase::Build });
        }),
        ("agent version", |image| image.agents[0].component.version = "1.2.4".into()),
        ("agent file", |image| {
            image.agents[0].files.insert("/opt/silo/etc/x".into(), "y".into());
        }),
        ("mcp command", |image| image.agents[0].mcp[0] = crate::support::image::mcp("memory", &["other"])),
        ("registration", |image| image.agents[0].registrations[0].key = vec!["servers".into()]),
        ("agent post_build", |image| image.agents[0].post_build.push(hook("x"))),
    ];
    let mut seen = vec![id(&full())];
    for (what, change) in changes {
        let mut image = full();
        change(&mut image);
        if what == "agent version" {
            image.agents[0].component.artifacts.iter_mut().for_each(|artifact| {
                if let silo::lock::Artifact::File { url, .. } = artifact {
                    *url = url.replace("/1.2.3/", "/1.2.4/");
                }
            });
        }
        let changed = id(&image);
        assert!(!seen.contains(&changed), "{what}");
        seen.push(changed);
    }
}

#[test]
fn what_is_no_part_of_an_image_does_not_change_it() {
    let mut image = full();
    image.components[0].request = "other words for the same version".into();
    image.components[0].origin = span(99);
    image.post_build[0].origin = span(99);
    image.post_build[0].id = Some("a name".into());
    image.distribution.sections.push("contrib".into());
    assert_eq!(id(&image), id(&full()));
}

#[test]
fn another_agent_never_changes_it() {
    let mut image = full();
    image.agents[1].component.version = "9.9.9".into();
    image.agents[1].mcp.clear();
    image.components.retain(|component| component.id.name.as_str() != "fetcher");
    assert_eq!(id(&image), id(&full()));
    image.agents.remove(1);
    assert_eq!(id(&image), id(&full()));
    assert_ne!(identify(&planned(&full(), &Target::Agent(name("second")))), id(&full()));
}

#[test]
fn a_difference_names_what_changed_and_where_it_was_written() {
    let before = preimage(&planned(&full(), &first()));
    assert_eq!(diff(&before, &before), []);
    let mut image = full();
    image.post_build[0].script.push('\n');
    let found = diff(&before, &preimage(&planned(&image, &first())));
    let [Difference::Changed { before, after }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (before.path.as_str(), after.path.as_str(), after.origin),
        ("context/hook/post-build-1", "context/hook/post-build-1", Some(span(7)))
    );
}

#[test]
fn only_64_lower_case_hexadecimal_digits_are_an_identity() {
    assert!(Identity::new(&hash('a')).is_some());
    for text in ["", "abc", &hash('A'), &hash('g'), &format!("{}a", hash('a'))] {
        assert_eq!(Identity::new(text), None, "{text}");
    }
}

proptest! {
    /// Any two lists of texts that differ give different bytes: nothing runs into its neighbour.
    #[test]
    fn different_values_have_different_preimages(a in "[a-z0-9: =\"]{0,8}", b in "[a-z0-9: =\"]{0,8}", c in "[a-z0-9: =\"]{0,8}", d in "[a-z0-9: =\"]{0,8}") {
        let with = |x: &str, y: &str| {
            let mut image = full();
            image.env.insert(env_name("X"), BuildEnv { value: x.into(), phase: Phase::Both });
            image.env.insert(env_name("Y"), BuildEnv { value: y.into(), phase: Phase::Both });
            id(&image)
        };
        prop_assert_eq!(with(&a, &b) == with(&c, &d), a == c && b == d);
    }
}
