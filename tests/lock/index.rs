//! Vendors' lists of versions. The excerpts have the shape, and lines, of the real ones.

use silo::lock::checksum::{self, Sum};
use silo::lock::index::{choose, read};
use silo::lock::time::{Cutoff, Time};
use silo::lock::version::{Request, is_preview};
use silo::spec::Versions;

use super::image;

/// The `versions` of a definition.
fn versions(node: &str) -> Versions {
    let text = format!(
        "base \"debian:trixie\" from=bootstrap\ndefine tool \"x\" {{\n install {{\n{node}\n download \"https://x.test/%{{version}}\"\n }}\n}}\ntool \"x\"\n"
    );
    let spec = image(&text);
    let component = spec.components.into_iter().find(|component| component.id.name.as_str() == "x").unwrap();
    component.installs[0].versions.clone().unwrap()
}

fn chosen(versions: &Versions, text: &str, request: &str) -> Result<String, String> {
    choose(&Request::parse(request), &read(versions, text).unwrap(), &Cutoff::NONE).map(|entry| entry.version.clone())
}

const NODE: &str = r#"[
{"version":"v25.2.0","date":"2025-11-11","files":["linux-x64"],"npm":"11.6.2","lts":false,"security":false},
{"version":"v24.11.1","date":"2025-11-11","files":["linux-x64"],"npm":"11.6.2","lts":"Krypton","security":false},
{"version":"v22.21.1","date":"2025-10-28","files":["linux-x64"],"npm":"10.9.4","lts":"Jod","security":false},
{"version":"v22.3.0","date":"2024-06-11","files":["linux-x64"],"npm":"10.8.1","lts":false,"security":false},
{"version":"v2.5.0","date":"2015-08-04","files":["linux-x64"],"lts":false,"security":false}
]"#;

#[test]
fn a_list_with_long_supported_lines() {
    let node = versions(r#"versions "https://nodejs.org/dist/index.json" json="*/version" prefix="v" date="*/date" lts="*/lts""#);
    for (request, version) in [
        ("latest", "25.2.0"),
        ("22", "22.21.1"),
        ("22.3", "22.3.0"),
        ("lts", "24.11.1"),
        ("jod", "22.21.1"),
        ("Jod", "22.21.1"),
        (">=20 <23", "22.21.1"),
        ("^22.3", "22.21.1"),
        ("~22.3", "22.3.0"),
        ("22.x", "22.21.1"),
        ("v22.3.0", "22.3.0"),
    ] {
        assert_eq!(chosen(&node, NODE, request).as_deref(), Ok(version), "{request}");
    }
    let no = |request: &str| chosen(&node, NODE, request).unwrap_err();
    assert_eq!(no("22.99"), "there is no version `22.99`: the newest of 22 is 22.21.1, of all 25.2.0");
    assert_eq!(no("99"), "there is no version `99`: the newest is 25.2.0");
    assert_eq!(no(">=30"), "there is no version `>=30`: the newest is 25.2.0");
    assert_eq!(no("ltss"), "there is no channel `ltss`, did you mean `lts`?; the newest version is 25.2.0");
    let list = read(&node, NODE).unwrap();
    assert_eq!(list.last().unwrap().date, Time::parse("2025-11-11T23:59:59Z"));
    assert!(read(&node, "<html>").is_err());
    assert!(read(&node, "[]").is_err());
}

const GO: &str = r#"[
 {"version":"go1.26rc1","stable":false,"files":[]},
 {"version":"go1.25.4","stable":true,"files":[
  {"filename":"go1.25.4.src.tar.gz","os":"","arch":"","version":"go1.25.4","sha256":"0000000000000000000000000000000000000000000000000000000000000001","size":1,"kind":"source"},
  {"filename":"go1.25.4.linux-amd64.tar.gz","os":"linux","arch":"amd64","version":"go1.25.4","sha256":"9fa5ffeda4170de60f67f3aa0f824e426421ba724c21e133c1e35d6159ca1bec","size":59769279,"kind":"archive"}]},
 {"version":"go1.20","stable":true,"files":[]},
 {"version":"go1.20.14","stable":true,"files":[]}]"#;

#[test]
fn what_comes_before_a_release_is_taken_only_when_it_is_asked_for() {
    let go = versions(r#"versions "https://go.dev/dl/?mode=json&include=all" json="*/version" prefix="go""#);
    for (request, version) in
        [("latest", "1.25.4"), ("stable", "1.25.4"), ("1", "1.25.4"), ("1.26rc1", "1.26rc1"), ("1.26rc", "1.26rc1"), ("~1.20", "1.20.14")]
    {
        assert_eq!(chosen(&go, GO, request).as_deref(), Ok(version), "{request}");
    }
    assert!(chosen(&go, GO, "1.26").is_err());
    let stable = versions(r#"versions "https://go.dev/dl/?mode=json&include=all" json="*/version" prefix="go" { only "*/stable" #true; }"#);
    assert!(chosen(&stable, GO, "1.26rc1").is_err(), "`only` leaves it out");
    for (version, preview) in
        [("1.22rc1", true), ("2.0.0-beta.1", true), ("10.0.100-rc.1.2", true), ("1.19.4-otp-28", false), ("3.4.7-1", false)]
    {
        assert_eq!(is_preview(version), preview, "{version}");
    }
}

#[test]
fn lists_of_other_shapes() {
    let deno = versions(r#"versions "https://deno.com/versions.json" json="cli/*" prefix="v""#);
    let text = r#"{"cli":["v2.5.6","v2.6.0-rc.1","v2.5.10","v1.46.3"],"std":["1.0.0"]}"#;
    assert_eq!(chosen(&deno, text, "latest").as_deref(), Ok("2.5.10"));
    assert_eq!(chosen(&deno, text, "1").as_deref(), Ok("1.46.3"));

    let zig = versions(r#"versions "https://ziglang.org/download/index.json" json="*" date="*/date""#);
    let text =
        r#"{"master":{"version":"0.16.0-dev.1484","date":"2025-11-20"},"0.15.2":{"date":"2025-10-11"},"0.9.1":{"date":"2022-02-14"}}"#;
    assert_eq!(chosen(&zig, text, "latest").as_deref(), Ok("0.15.2"));
    assert_eq!(read(&zig, text).unwrap().len(), 2, "a name that moves is no version");

    let rust = versions(
        r##"versions "https://static.rust-lang.org/manifests.txt" match=#"/dist/(?<date>\d{4}-\d\d-\d\d)/channel-rust-(?<version>\d+\.\d+\.\d+)\.toml$"#"##,
    );
    let daily = versions(
        r##"versions "https://static.rust-lang.org/manifests.txt" match=#"/dist/(?<date>\d{4}-\d\d-\d\d)/channel-rust-(?:(?<version>\d+\.\d+\.\d+)|(?<channel>nightly|beta))\.toml$"#"##,
    );
    let text = "static.rust-lang.org/dist/2025-08-07/channel-rust-1.89.0.toml\nstatic.rust-lang.org/dist/2025-08-07/channel-rust-stable.toml\n\
                static.rust-lang.org/dist/2025-08-08/channel-rust-nightly.toml\nstatic.rust-lang.org/dist/2025-08-07/channel-rust-1.89.toml\n\
                static.rust-lang.org/dist/2025-10-30/channel-rust-1.91.0.toml\n";
    assert_eq!(chosen(&rust, text, "stable").as_deref(), Ok("1.91.0"));
    assert_eq!(chosen(&rust, text, "1.89").as_deref(), Ok("1.89.0"));
    assert_eq!(read(&rust, text).unwrap()[0].date, Time::parse("2025-08-07T23:59:59Z"));
    // A channel has a version a day, which is called by it.
    let text = format!(
        "{text}static.rust-lang.org/dist/2025-11-20/channel-rust-nightly.toml\nstatic.rust-lang.org/dist/2025-11-01/channel-rust-beta.toml\n"
    );
    for (request, version) in [
        ("nightly", "nightly-2025-11-20"),
        ("nightly-2025-08-08", "nightly-2025-08-08"),
        ("beta", "beta-2025-11-01"),
        ("stable", "1.91.0"),
        ("latest", "1.91.0"),
        ("1.89", "1.89.0"),
    ] {
        assert_eq!(chosen(&daily, &text, request).as_deref(), Ok(version), "{request}");
    }
    let young = Cutoff::of_age(Time::parse("2025-11-21T12:00:00Z").unwrap(), 86_400);
    let nightly = choose(&Request::parse("nightly"), &read(&daily, &text).unwrap(), &young).map(|entry| entry.version.clone());
    assert_eq!(nightly.as_deref(), Ok("nightly-2025-08-08"), "that of yesterday is not a day old at noon");
    assert!(chosen(&daily, &text, "nightly-2025-08-09").is_err() && chosen(&daily, &text, "nigthly").unwrap_err().contains("`nightly`"));
    assert_eq!(Request::parse("nightly-2025-08-09").whole(), Some("nightly-2025-08-09"), "it needs no list");
    for word in ["nightly-2025-8-9", "nightly", "-2025-08-09", "9-2025-08-09", "nightly-2025-08-09-x86"] {
        assert_eq!(silo::lock::version::day_of(word), None, "{word}");
    }

    let elixir = versions(
        r##"versions "https://builds.hex.pm/builds/elixir/builds.txt" match=#"^v(?<version>\d+\.\d+\.\d+\S*) \S+ (?<date>\S+)"#"##,
    );
    let text = "main-otp-28 f5a0 2025-11-20T10:00:00Z 00\nv1.19.3-otp-28 4d1f 2025-11-13T08:40:34Z 11\nv1.20.0-rc.0-otp-28 4d1f 2025-11-13T08:40:34Z 11\n\
                v1.18.4-otp-27 4d1f 2025-05-21T08:40:34Z 22\nv1.18 4d1f 2025-05-21T08:40:34Z 22\n";
    assert_eq!(chosen(&elixir, text, "latest").as_deref(), Ok("1.19.3-otp-28"));
    assert_eq!(chosen(&elixir, text, "~1.18").as_deref(), Ok("1.18.4-otp-27"));

    let dotnet = versions(
        r#"versions "https://builds.dotnet.microsoft.com/x.json" json="releases-index/*/latest-sdk" channel="releases-index/*/release-type""#,
    );
    let text = r#"{"releases-index":[{"channel-version":"11.0","latest-sdk":"11.0.100-preview.1.2","release-type":"sts"},
        {"channel-version":"10.0","latest-sdk":"10.0.100","release-type":"lts"},{"channel-version":"9.0","latest-sdk":"9.0.307","release-type":"sts"},
        {"channel-version":"8.0","latest-sdk":"8.0.416","release-type":"lts"}]}"#;
    assert_eq!(chosen(&dotnet, text, "latest").as_deref(), Ok("10.0.100"));
    assert_eq!(chosen(&dotnet, text, "sts").as_deref(), Ok("9.0.307"));
    assert_eq!(chosen(&dotnet, text, "8").as_deref(), Ok("8.0.416"));

    let java = versions(
        r#"versions "https://mise-java.jdx.dev/jvm/ga/linux/%{arch.uname}.json" json="*/version" { only "*/vendor" "microsoft"; only "*/image_type" "jdk"; channel "lts" "8" "11" "17" "21" "25"; }"#,
    );
    let text = r#"[{"vendor":"temurin","version":"25.0.1+8","image_type":"jdk"},{"vendor":"microsoft","version":"21.0.9","image_type":"jdk"},
        {"vendor":"microsoft","version":"17.0.17","image_type":"jdk"},{"vendor":"microsoft","version":"22.0.0","image_type":"jre"}]"#;
    assert_eq!(chosen(&java, text, "latest").as_deref(), Ok("21.0.9"));
    let text = text.replace("]", ",{\"vendor\":\"microsoft\",\"version\":\"22.0.2\",\"image_type\":\"jdk\"},{\"vendor\":\"microsoft\",\"version\":\"11.0.29\",\"image_type\":\"jdk\"}]");
    assert_eq!(chosen(&java, &text, "latest").as_deref(), Ok("22.0.2"));
    assert_eq!(chosen(&java, &text, "lts").as_deref(), Ok("21.0.9"), "2 is not the beginning of 21, and 22 is no line with long support");

    let plain = versions(r#"versions "https://x.test/stable.txt" prefix="v""#);
    assert_eq!(chosen(&plain, "v1.34.2\n", "latest").as_deref(), Ok("1.34.2"));
}

#[test]
fn checksums_are_found_beside_what_names_the_file() {
    let hash = "9fa5ffeda4170de60f67f3aa0f824e426421ba724c21e133c1e35d6159ca1bec".to_string();
    assert_eq!(checksum::find(GO, "https://go.dev/dl/go1.25.4.linux-amd64.tar.gz"), Some(Sum::Sha256(hash.clone())));
    assert_eq!(checksum::find(GO, "https://go.dev/dl/go1.25.4.linux-arm64.tar.gz"), None);
    let zig = format!(r#"{{"0.15.2":{{"x86_64-linux":{{"tarball":"https://ziglang.org/a/zig.tar.xz","shasum":"{hash}","size":"5"}}}}}}"#);
    assert_eq!(checksum::find(&zig, "https://ziglang.org/a/zig.tar.xz"), Some(Sum::Sha256(hash.clone())));
    let long = "ab".repeat(64);
    let dotnet = format!(
        r#"{{"releases":[{{"sdks":[{{"files":[{{"name":"dotnet-sdk-linux-x64.tar.gz","url":"https://d.test/s.tar.gz","hash":"{long}"}}]}}]}}]}}"#
    );
    assert_eq!(checksum::find(&dotnet, "https://d.test/s.tar.gz"), Some(Sum::Sha512(long.clone())));
    let asset = format!(r#"{{"assets":[{{"name":"x.zip","digest":"sha256:{hash}","browser_download_url":"https://g.test/x.zip"}}]}}"#);
    assert_eq!(checksum::find(&asset, "https://g.test/x.zip"), Some(Sum::Sha256(hash.clone())));
    let twice = format!(r#"[{{"name":"x.zip","sha256":"{hash}"}},{{"name":"x.zip","sha256":"{}"}}]"#, "1".repeat(64));
    assert_eq!(checksum::find(&twice, "https://g.test/x.zip"), None, "which of two is meant nobody knows");
    let ruby =
        format!("name\turl\tsha1\tsha256\tsha512\nruby-3.4.7\thttps://r.test/ruby-3.4.7.tar.gz\t{}\t{hash}\t{long}\n", "c".repeat(40));
    assert_eq!(checksum::find(&ruby, "https://r.test/ruby-3.4.7.tar.gz"), Some(Sum::Sha256(hash.clone())));
    let elixir = format!("v1.19.3-otp-28 {} 2025-11-13T08:40:34Z {hash}\n", "d".repeat(40));
    assert_eq!(checksum::find(&elixir, "https://builds.hex.pm/builds/elixir/v1.19.3-otp-28.zip"), Some(Sum::Sha256(hash)));
    assert_eq!(checksum::find(&elixir, "https://builds.hex.pm/builds/elixir/v1.19.3.zip"), None);
}
