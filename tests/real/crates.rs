//! A program that is compiled from crates of a registry of this test's own, by the distribution's own Rust.

use std::fs;
use std::process::Command;

use serde_json::json;
use silo::digest::sha256_hex;

use super::equal::{Server, layers, refused};
use super::online;
use super::project::{Project, run};
use crate::support::crates::{line, pack};

const WORDS: &str = "[package]\nname = \"zz-words\"\nversion = \"0.1.0\"\nedition = \"2018\"\n";
const GREET: &str = "[package]\nname = \"zz-greet\"\nversion = \"1.0.0\"\nedition = \"2018\"\nrust-version = \"1.60\"\n\n[features]\ndefault = [\"usual\"]\nusual = []\nloud = []\n\n[dependencies]\nzz-words = \"0.1\"\n";
/// Nobody who compiles a crate lets it see a login.
const SEES: &str = "fn main() {\n    let seen = [\"/root/.netrc\", \"/dev/silo.crates\"].iter().any(|file| std::fs::read(file).is_ok());\n    println!(\"cargo:rustc-env=SEEN={}\", seen);\n}\n";
const MAIN: &str = "fn main() {\n    println!(\"{} usual={} loud={} seen={}\", zz_words::words(), cfg!(feature = \"usual\"), cfg!(feature = \"loud\"), env!(\"SEEN\"));\n    if std::env::args().count() > 1 {\n        panic!(\"no arguments\");\n    }\n}\n";

/// The `Cargo.lock` that an author would pack: written by the Cargo that runs this test, with the other crate in a folder.
fn lock(words: &str, sum: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("own/vendor/zz-words/Cargo.toml", WORDS);
    write("own/vendor/zz-words/src/lib.rs", words);
    write("own/vendor/zz-words/.cargo-checksum.json", &json!({ "files": {}, "package": sum }).to_string());
    write("own/.cargo/config.toml", "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = \"vendor\"\n");
    write("own/Cargo.toml", GREET);
    write("own/src/main.rs", MAIN);
    let mut command = Command::new(env!("CARGO"));
    command.args(["generate-lockfile", "--offline"]).current_dir(folder.path().join("own")).env("CARGO_HOME", folder.path().join("none"));
    run(command).succeeded();
    fs::read_to_string(folder.path().join("own/Cargo.lock")).unwrap()
}

#[test]
fn a_program_is_compiled_from_its_locked_crates_the_same_each_time_and_a_wrong_byte_stops_it() {
    online!();
    // What no earlier run can have built.
    let nonce = format!("{}-{}", std::process::id(), std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos());
    let words = format!("pub fn words() -> &'static str {{\n    \"{nonce}\"\n}}\n");
    let small = pack("zz-words", "0.1.0", &[("Cargo.toml", WORDS), ("src/lib.rs", &words)]);
    let locked = lock(&words, &sha256_hex(&small));
    let files = [("Cargo.toml", GREET), ("Cargo.lock", &locked), ("build.rs", SEES), ("src/main.rs", MAIN)];
    let program = pack("zz-greet", "1.0.0", &files);
    let server = Server::start();
    let address = &server.address;
    server.put(
        "/index/config.json",
        json!({ "dl": format!("{address}/{{lowerprefix}}/{{crate}}-{{version}}.crate") }).to_string().into_bytes(),
    );
    server.put("/index/zz/-g/zz-greet", line("zz-greet", "1.0.0", &program, json!({})).into_bytes());
    server.put("/zz/-g/zz-greet-1.0.0.crate", program);
    server.put("/zz/-w/zz-words-0.1.0.crate", small.clone());

    // The distribution's own Rust is the oldest that compiles for any of its releases.
    let client = "(replace)define client cargo {\n    install apt { apt \"rustc\" \"cargo\" \"gcc\" \"libc6-dev\"; }\n}\n";
    let tool = "define tool zz-greet {\n    install crate {\n        cargo \"zz-greet\" version=\"%{version}\" features=\"loud\" default_features=#false\n        bin \"zz-greet\" \"bin/zz-greet\"\n    }\n}\ntool zz-greet\n";
    let project = Project::with(&format!("silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n{client}{tool}"), None);
    let own = project.home().join(".config/silo");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("silo.kdl"), format!("mirror crates \"sparse+{address}/index\"\n")).unwrap();
    fs::write(project.home().join(".netrc"), "machine nowhere.example.test login ada password secret\n").unwrap();
    project.run(&["lock"]).succeeded();
    let lock = project.read("silo.lock");
    assert!(lock.contains("crate \"zz-words\" \"0.1.0\"") && !lock.contains(address.as_str()), "{lock}");
    let identity = project.run(&["hash"]).succeeded().stdout;
    let reference = format!("localhost/silo/environment:{}", identity.split_whitespace().next().unwrap());

    // The registry has something else than what is locked.
    let (good, bad) = (small.clone(), [small.as_slice(), b"x"].concat());
    server.put("/zz/-w/zz-words-0.1.0.crate", bad.clone());
    let hashes = [format!("sha256:{}", sha256_hex(&good)), format!("sha256:{}", sha256_hex(&bad))];
    refused(project.run(&["build", "--locked"]), "tool zz-greet", &["thecratezz-words0.1.0", &hashes[0], &hashes[1]]);
    server.put("/zz/-w/zz-words-0.1.0.crate", good);

    let build = project.run(&["build", "--locked"]).succeeded();
    let first = layers(&reference);
    let shown = project.run(&["shell", "--", "sh", "-c", "zz-greet; zz-greet x 2>&1; ls -A /opt/silo/tool-zz-greet"]).succeeded().stdout;
    let expected = format!("{nonce} usual=false loud=true seen=false");
    assert!(shown.starts_with(&format!("{expected}\n{expected}\n")) && shown.ends_with("\nbin\n"), "{shown}\n{}", build.stderr);
    assert!(shown.contains("src/main.rs"), "a panic says where it was: {shown}");
    assert!(!shown.contains("/silo-cargo"), "where it was compiled is not in it: {shown}");
    project.run(&["rm", "--force", &reference]).succeeded();

    // What is vendored is enough, and makes the same image.
    let folder = project.root().join("vendored").display().to_string();
    project.run(&["vendor", &folder]).succeeded();
    server.put("/zz/-w/zz-words-0.1.0.crate", bad);
    project.run(&["build", "--locked", "--no-cache", "--offline", "--vendor", &folder]).succeeded();
    assert_eq!(layers(&reference), first);
    project.run(&["rm", "--force", &reference]).succeeded();
}
