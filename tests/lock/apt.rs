use std::cmp::Ordering;

use silo::lock::apt::index::{Extract, Index, Priority, Relation};
use silo::lock::apt::{compare, upstream, upstream_fits};
use silo::lock::checksum::Sum;
use silo::lock::{checksum, release};

const INDEX: &str = "Package: git\nVersion: 1:2.39.2-1\nArchitecture: amd64\nDescription: x\n Package: not-this\n\nPackage: git\nVersion: 1:2.39.5-0+deb12u3\n\nPackage: gitk\nVersion: 9\n\nPackage: mawk\nEssential: yes\nVersion: 1.3\nProvides: awk (= 1), other\nFilename: pool/m/mawk_1.3_amd64.deb\nSHA256: AB\nDepends: git (>= 1:2) | x:any, y\nPre-Depends: z (<< 3~)\nBreaks: old\nArchitecture: all\nPriority: required\n\nPackage: jq\nVersion: 1.6-2.1";

#[test]
fn an_index_is_read_in_pieces_of_any_size() {
    for size in [1, 2, 7, 64, 10_000] {
        let mut extract = Extract::default();
        INDEX.as_bytes().chunks(size).for_each(|piece| extract.push(piece));
        let index = Index::new(extract.finish());
        let newest = |name: &str| index.newest(name).map(|entry| entry.version);
        assert_eq!(newest("git").as_deref(), Some("1:2.39.5-0+deb12u3"));
        assert_eq!(newest("jq").as_deref(), Some("1.6-2.1"));
        assert_eq!(index.entries("git").count(), 2);
        for missing in ["awk", "missing", "", "gi", "zz", "a"] {
            assert_eq!(newest(missing), None, "{missing}");
        }
        assert_eq!(index.providers("awk").collect::<Vec<_>>(), ["mawk"]);
        assert_eq!(index.base().collect::<Vec<_>>(), ["mawk"]);
        let mawk = index.newest("mawk").unwrap();
        assert!(mawk.all && mawk.priority == Priority::Required && mawk.path == "pool/m/mawk_1.3_amd64.deb" && mawk.sha256 == "ab");
        let words = |list: &[Relation]| list.iter().map(Relation::to_string).collect::<Vec<_>>().join(" | ");
        assert_eq!(mawk.depends.iter().map(|group| words(group)).collect::<Vec<_>>(), ["git (>= 1:2) | x", "y", "z (<< 3~)"]);
        assert_eq!((words(&mawk.conflicts), words(&mawk.provides)), ("old".to_string(), "awk (= 1) | other".to_string()));
    }
}

#[test]
fn versions_are_ordered_as_dpkg_orders_them() {
    for (lower, higher) in [
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0-1"),
        ("1.9", "1.10"),
        ("2:0.1", "10:0.0"),
        ("1.0-1", "1.0-1+deb12u1"),
        ("1.0a", "1.0+"),
        ("1.0~~", "1.0~"),
        ("9", "1:0"),
    ] {
        assert_eq!(compare(lower, higher), Ordering::Less, "{lower} {higher}");
        assert_eq!(compare(higher, lower), Ordering::Greater, "{lower} {higher}");
    }
    assert_eq!(compare("1.00", "1.0"), Ordering::Equal);
    assert_eq!(upstream("1:2.39.5-0+deb12u3"), "2.39.5");
    assert!(upstream_fits("1:2.39.5-1", "2.39") && !upstream_fits("1:2.390-1", "2.39") && upstream_fits("18.13.0+dfsg1-1", "18"));
}

#[test]
fn a_release_file_is_read_with_its_signature() {
    let text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: oldstable\nCodename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nValid-Until: Sat, 18 Jul 2026 10:16:37 UTC\nSnapshots: https://old.test/@SNAPSHOTID@/\nMD5Sum:\n 0ed6  1 main/binary-amd64/Packages.gz\nSHA256:\n ABCD  12084798 main/binary-amd64/Packages.gz\n-----BEGIN PGP SIGNATURE-----\nCodename: forged\n";
    let release = release::parse(text);
    assert_eq!(release.codename.as_deref(), Some("bookworm"));
    assert_eq!(release.suite.as_deref(), Some("oldstable"));
    // `date -d 'Sat, 11 Jul 2026 10:16:37 UTC' +%s`
    assert_eq!(release.date, Some(1_783_764_997));
    assert_eq!(release.valid_until, Some(1_783_764_997 + 7 * 86_400));
    assert_eq!(release.snapshots.as_deref(), Some("https://old.test/@SNAPSHOTID@/"));
    assert_eq!(release.sha256["main/binary-amd64/Packages.gz"], ("abcd".to_string(), 12_084_798));
    assert_eq!(release::epoch("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    assert_eq!(release::epoch("Thu, 29 Feb 2024 12:00:00 UTC"), Some(1_709_208_000));
    assert_eq!(release::epoch("yesterday"), None);
}

#[test]
fn checksums_in_the_forms_in_which_they_are_published() {
    let (a, b) = ("a".repeat(64), "B".repeat(64));
    let text = format!("{a}  x.tar.gz\n{b} *./bin/y.zip\nSHA256 (z (1).tgz) = {a}\n{}  short\n", "c".repeat(40));
    assert_eq!(checksum::find(&text, "x.tar.gz"), Some(Sum::Sha256(a.clone())));
    assert_eq!(checksum::find(&text, "y.zip"), Some(Sum::Sha256(b.to_lowercase())));
    assert_eq!(checksum::find(&text, "z (1).tgz"), Some(Sum::Sha256(a.clone())));
    assert_eq!(checksum::find(&text, "short"), None);
    assert_eq!(checksum::find(&text, "tar.gz"), None);
    assert_eq!(checksum::find(&format!("{a}\n"), "any"), Some(Sum::Sha256(a)));
}
