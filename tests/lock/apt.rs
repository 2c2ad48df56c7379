use std::cmp::Ordering;

use silo::lock::apt::{Index, compare, upstream, upstream_fits};
use silo::lock::checksum::Sum;
use silo::lock::{checksum, release};

const INDEX: &str = "Package: git\nVersion: 1:2.39.2-1\nDescription: x\n Package: not-this\n\nPackage: git\nVersion: 1:2.39.5-0+deb12u3\n\nPackage: gitk\nVersion: 9\n\nPackage: mawk\nVersion: 1.3\nProvides: awk (= 1), other\n\nPackage: jq\nVersion: 1.6-2.1";

#[test]
fn an_index_is_read_in_pieces_of_any_size() {
    for size in [1, 2, 7, 64, 10_000] {
        let mut index = Index::new(["git", "jq", "awk", "missing"]);
        INDEX.as_bytes().chunks(size).for_each(|piece| index.push(piece));
        let (found, provided) = index.finish();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("git".to_string(), "1:2.39.5-0+deb12u3".to_string()), ("jq".to_string(), "1.6-2.1".to_string())]
        );
        assert_eq!(provided.keys().collect::<Vec<_>>(), ["awk"]);
    }
    let mut index = Index::new(["git=1:2.39.2-1"]);
    index.push(INDEX.as_bytes());
    assert_eq!(index.finish().0["git"], "1:2.39.2-1");
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
    let text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: oldstable\nCodename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nMD5Sum:\n 0ed6  1 main/binary-amd64/Packages.gz\nSHA256:\n ABCD  12084798 main/binary-amd64/Packages.gz\n-----BEGIN PGP SIGNATURE-----\nCodename: forged\n";
    let release = release::parse(text);
    assert_eq!(release.codename.as_deref(), Some("bookworm"));
    assert_eq!(release.suite.as_deref(), Some("oldstable"));
    // `date -d 'Sat, 11 Jul 2026 10:16:37 UTC' +%s`
    assert_eq!(release.date, Some(1_783_764_997));
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
