//! A build downloads from a mirror on this machine what the address that is locked does not have: its host does not exist.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine;
use serde_json::json;
use sha2::Digest;

use super::equal::zip;
use super::online;
use super::project::{Project, gateway};

const VERSION: &str = "1.0.0";

/// A package with one command, as npm packs it.
fn tarball() -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6)));
    let package = json!({ "name": "silo-mirrored", "version": VERSION, "bin": { "ticker": "ticker.sh" } }).to_string();
    for (path, text, mode) in [("package/package.json", package.as_str(), 0o644), ("package/ticker.sh", "#!/bin/sh\necho of npm\n", 0o755)]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// What a registry says of a package whose archive is somewhere.
fn packument(name: &str, address: &str) -> Vec<u8> {
    let integrity = format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(sha2::Sha512::digest(tarball())));
    let dist = json!({ "tarball": address, "integrity": integrity });
    let versions = json!({ VERSION: { "name": name, "version": VERSION, "bin": { "ticker": "ticker.sh" }, "dist": dist } });
    let time = json!({ VERSION: "2020-01-01T00:00:00.000Z" });
    json!({ "name": name, "dist-tags": { "latest": VERSION }, "versions": versions, "time": time }).to_string().into_bytes()
}

const WHEEL: &str = "silo_mirrored-1.0.0-py3-none-any.whl";

/// A wheel of one module.
fn wheel() -> Vec<u8> {
    let folder = "silo_mirrored-1.0.0.dist-info";
    let (metadata, wheel, record) = (format!("{folder}/METADATA"), format!("{folder}/WHEEL"), format!("{folder}/RECORD"));
    let list = format!("silo_mirrored.py,,\n{metadata},,\n{wheel},,\n{record},,\n");
    zip(&[
        ("silo_mirrored.py", b"print('of a wheel')\n"),
        (&metadata, b"Metadata-Version: 2.1\nName: silo-mirrored\nVersion: 1.0.0\n"),
        (&wheel, b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        (&record, list.as_bytes()),
    ])
}

/// A server of everything here, where containers reach it, and what it was asked.
fn start() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = format!("http://{}:{}", gateway(), listener.local_addr().unwrap().port());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || listener.incoming().flatten().for_each(|socket| answer(socket, &noted)));
    (address, seen)
}

/// Answers one request; the login that came with it is noted beside the path.
fn answer(mut socket: TcpStream, seen: &Mutex<Vec<String>>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 2048]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match socket.read(&mut buffer) {
            Ok(read @ 1..) => request.extend_from_slice(&buffer[..read]),
            Ok(0) | Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap_or_default().to_string();
    let header = |name: &str| {
        let line = request.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.trim().to_string())
    };
    seen.lock().unwrap().push(format!("{path} {}", header("authorization").unwrap_or_default()));
    let host = header("host").unwrap_or_default();
    let (status, body) = match path.as_str() {
        "/npm/silo-mirrored" => (200, packument("silo-mirrored", &format!("http://{host}/npm/t/silo-mirrored-{VERSION}.tgz"))),
        // Registries that are mirrored by their addresses: one has its archives where npm's own has them, and says so by its own address; the
        // other one has them elsewhere.
        "/all/usual" => (200, packument("usual", &format!("https://npm.silo.invalid/all/usual/-/usual-{VERSION}.tgz"))),
        "/own/@own%2fodd" => (200, packument("@own/odd", &format!("http://{host}/own/t/odd.tgz"))),
        "/all/usual/-/usual-1.0.0.tgz" | "/own/t/odd.tgz" => (200, tarball()),
        "/simple/silo-mirrored/" => {
            let hash = silo::digest::sha256_hex(&wheel());
            (200, format!("<a href=\"https://wheels.silo.invalid/{WHEEL}#sha256={hash}\">{WHEEL}</a>\n").into_bytes())
        }
        "/wheels/silo_mirrored-1.0.0-py3-none-any.whl" => (200, wheel()),
        path if path.starts_with("/npm/t/") => (200, tarball()),
        path if path.starts_with("/files/") && path.ends_with("/hello.sh") => (200, b"#!/bin/sh\necho of a file\n".to_vec()),
        _ => (404, Vec::new()),
    };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    drop(socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body)));
}

#[test]
fn a_build_downloads_through_mirrors_that_nothing_of_the_image_knows() {
    online!();
    let (address, seen) = start();
    // What no earlier run can have built.
    let nonce = format!("{}-{}", std::process::id(), std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos());
    let project = Project::with(
        &format!(
            "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\ndefine tool zz-mirrored {{\n    install here {{\n        \
             download \"https://files.silo.invalid/{nonce}/hello.sh\"\n        npm \"silo-mirrored\" version=\"{VERSION}\"\n        \
             bin \"zz-hello\" \"hello.sh\"\n        bin \"zz-ticker\" \"node_modules/silo-mirrored/ticker.sh\"\n    }}\n}}\ntool zz-mirrored\n"
        ),
        None,
    );
    let own = project.home().join(".config/silo");
    fs::create_dir_all(&own).unwrap();
    let mirrors = format!("mirror \"https://files.silo.invalid/\" \"{address}/files/\"\nmirror npm \"{address}/npm/\"\n");
    fs::write(own.join("silo.kdl"), &mirrors).unwrap();
    // A login of each kind, for this machine's address alone.
    let host = gateway();
    let append = |file: &str, line: String| {
        let path = project.home().join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, format!("{text}\n{line}\n")).unwrap();
    };
    append(".netrc", format!("machine {host} login ada password file"));
    append(".npmrc", format!("{}/npm/:_authToken=package", address.trim_start_matches("http:")));

    project.run(&["lock"]).succeeded();
    let lock = project.read("silo.lock");
    assert!(lock.contains(&format!("https://files.silo.invalid/{nonce}/hello.sh")) && !lock.contains(&host), "{lock}");
    let looked_up = seen.lock().unwrap().len();
    project.run(&["build"]).succeeded();
    let asked = seen.lock().unwrap()[looked_up..].to_vec();
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("ada:file"));
    assert!(asked.contains(&format!("/files/{nonce}/hello.sh {basic}")), "{asked:?}");
    assert!(asked.contains(&format!("/npm/t/silo-mirrored-{VERSION}.tgz Bearer package")), "{asked:?}");
    let shown = project
        .run(&["shell", "--", "sh", "-c", "zz-hello; zz-ticker; env; cat /root/.npmrc /dev/silo.mirrors 2>&1; true"])
        .succeeded()
        .stdout;
    assert!(shown.starts_with("of a file\nof npm\n") && !shown.contains(&host), "{shown}");

    // Neither the identity nor the Dockerfile knows of it.
    let compiled = |project: &Project| project.run(&["compile", "--to", "json"]).succeeded().stdout;
    let with = compiled(&project);
    fs::remove_file(own.join("silo.kdl")).unwrap();
    assert_eq!(compiled(&project), with);
    assert!(!with.contains(&host) && !with.contains("hello.sh ("), "{with}");
    let image = serde_json::from_str::<serde_json::Value>(&with).unwrap()["image"].as_str().unwrap().to_string();
    project.run(&["rm", "--force", &image]).succeeded();
}

/// A project of which the user's own file names mirrors.
fn mirrored(kdl: &str, mirrors: &str) -> Project {
    let project = Project::with(kdl, None);
    let own = project.home().join(".config/silo");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("silo.kdl"), mirrors).unwrap();
    project
}

/// Builds a project's image anew, and says what the server was asked meanwhile and what a command in a container prints.
fn built(project: &Project, seen: &Mutex<Vec<String>>, command: &str) -> (Vec<String>, String) {
    project.run(&["lock"]).succeeded();
    let lock = project.read("silo.lock");
    assert!(!lock.contains("silo.invalid") && !lock.contains(&gateway()), "{lock}");
    let looked_up = seen.lock().unwrap().len();
    project.run(&["build", "--no-cache"]).succeeded();
    let asked = seen.lock().unwrap()[looked_up..].to_vec();
    let shown = project.run(&["shell", "--", "sh", "-c", command]).succeeded().stdout;
    let told: serde_json::Value = serde_json::from_str(&project.run(&["compile", "--to", "json"]).succeeded().stdout).unwrap();
    project.run(&["rm", "--force", told["image"].as_str().unwrap()]).succeeded();
    (asked, shown)
}

#[test]
fn npm_asks_the_mirror_of_its_registry_s_address_inside_a_build() {
    online!();
    let (address, seen) = start();
    let tool = |name: &str, package: &str| {
        format!(
            "define tool {name} {{ install here {{ npm \"{package}\" version=\"{VERSION}\"; bin \"{name}\" \"node_modules/{package}/ticker.sh\"; }}; }}\n\
             tool {name}\n"
        )
    };
    let project = mirrored(
        &format!(
            "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n{}{}",
            tool("zz-usual", "usual"),
            tool("zz-odd", "@own/odd")
        ),
        &format!("mirror \"https://npm.silo.invalid/\" \"{address}/\"\nmirror \"https://own.silo.invalid/\" \"{address}/own/\"\n"),
    );
    // The original's login is not the mirror's, which has its own.
    let npmrc = format!(
        "registry=https://npm.silo.invalid/all\n@own:registry=https://own.silo.invalid/\n//npm.silo.invalid/all/:_authToken=original\n\
         {}/all/:_authToken=mirror\n",
        address.trim_start_matches("http:")
    );
    fs::write(project.home().join(".npmrc"), npmrc).unwrap();
    let (asked, shown) = built(&project, &seen, "zz-usual; zz-odd; cat /opt/silo/*/package-lock.json");
    assert!(shown.starts_with("of npm\nof npm\n") && !shown.contains(&gateway()) && !shown.contains("silo.invalid"), "{shown}");
    let known = seen.lock().unwrap().clone();
    assert!(known.contains(&"/all/usual Bearer mirror".to_string()), "looked up with the mirror's login: {known:?}");
    assert!(asked.contains(&format!("/all/usual/-/usual-{VERSION}.tgz Bearer mirror")), "{asked:?}");
    assert!(asked.iter().any(|request| request.starts_with("/own/t/odd.tgz ")), "where the mirror says that it is: {asked:?}");
    assert!(!known.iter().any(|request| request.contains("original")), "{known:?}");
}

#[test]
fn pip_asks_the_mirrors_of_its_index_and_of_where_its_pages_lead_inside_a_build() {
    online!();
    let (address, seen) = start();
    let project = mirrored(
        "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n\
         define tool zz-wheel { install here { pip \"silo-mirrored\" version=\"1.0.0\"; }; }\ntool zz-wheel\n",
        &format!("mirror \"https://wheels.silo.invalid/\" \"{address}/wheels/\"\nmirror \"https://pypi.silo.invalid/\" \"{address}/\"\n"),
    );
    fs::create_dir_all(project.home().join(".config/pip")).unwrap();
    fs::write(project.home().join(".config/pip/pip.conf"), "[global]\nindex-url = https://pypi.silo.invalid/simple\n").unwrap();
    let (asked, shown) = built(&project, &seen, "cat /opt/silo/*/silo_mirrored.py");
    assert_eq!(shown, "print('of a wheel')\n");
    for path in ["/simple/silo-mirrored/", &format!("/wheels/{WHEEL}")] {
        assert!(asked.iter().any(|request| request.split(' ').next() == Some(path)), "{path} is among {asked:?}");
    }
}
