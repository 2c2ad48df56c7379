//! A project that is built from a folder of vendored files, and nothing else.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use silo::digest::sha256_hex;

use super::online;
use super::project::{Built, Project, Ran, docker, gateway};

/// A server of one file, where containers reach it.
fn serve(text: String) -> String {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = format!("http://{}:{}", gateway(), listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut request = [0; 2048];
            let read = socket.read(&mut request).unwrap_or(0);
            if read > 0 {
                respond(&mut socket, &text);
            }
        }
    });
    address
}

fn respond(socket: &mut TcpStream, text: &str) {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
    // A client that has gone away asks again.
    let _ = socket.write_all(answer.as_bytes());
}

/// A tree of npm, a wheel, and a file that no build before this one has seen, so that every step that is asked about is really done. The
/// script says which networks it sees.
fn configuration(file: &str, sha256: &str) -> String {
    format!(
        "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n\
         layer vendored {{\n    npm \"is-odd\" version=\"3.0.1\"\n    pip \"six\" version=\"1.17.0\"\n    \
         download \"{file}\" to=\"/srv/data\" {{ sha256 \"{sha256}\"; }}\n    run \"cat /proc/net/dev >&2\"\n}}\n"
    )
}

fn build(project: &Project, more: &[&str]) -> Ran {
    let args: Vec<&str> = ["build", "--locked"].iter().chain(more).copied().collect();
    project.run(&args)
}

fn reference(project: &Project) -> String {
    let text = project.run(&["hash"]).succeeded().stdout;
    format!("localhost/silo/environment:{}", text.split_whitespace().next().unwrap())
}

fn layers(reference: &str) -> String {
    docker(&["image", "inspect", "--format", "{{json .RootFS.Layers}}", reference]).succeeded().stdout
}

fn remove(project: &Project) {
    project.run(&["rm", &reference(project)]).succeeded();
}

/// What a project needs is vendored; then an image is built from that alone, and is the one that a network gives.
#[test]
fn an_image_is_built_from_vendored_files_alone_and_is_the_same() {
    online!();
    // The base is on the engine.
    Built::ready();
    let nonce = format!("{:?}", std::time::SystemTime::now());
    let address = serve(nonce.clone());
    let project = Project::with(&configuration(&format!("{address}/data"), &sha256_hex(nonce.as_bytes())), None);
    project.run(&["lock"]).succeeded();
    let online = build(&project, &[]).succeeded();
    assert!(online.stderr.contains("eth0:"), "with a network the script sees it: {}", online.stderr);
    let expected = layers(&reference(&project));
    remove(&project);

    let folder = project.root().join("vendored").display().to_string();
    // No file is there yet.
    fs::create_dir(&folder).unwrap();
    build(&project, &["--offline", "--vendor", &folder]).exited(1).says("silo::vendor::missing").says("is-odd@3.0.1 of npm");
    project.run(&["vendor", &folder]).succeeded().says("run of layer vendored (silo.kdl:7)");
    // The clients are told of registries that do not exist, and silo asks nobody.
    fs::create_dir_all(project.home().join(".config/pip")).unwrap();
    fs::write(project.home().join(".npmrc"), "registry=http://127.0.0.1:9/\n").unwrap();
    fs::write(project.home().join(".config/pip/pip.conf"), "[global]\nindex-url = http://127.0.0.1:9/simple\n").unwrap();
    let offline = build(&project, &["--offline", "--no-cache", "--vendor", &folder]).succeeded();
    assert!(offline.stderr.contains("lo:") && !offline.stderr.contains("eth0:"), "the steps had no network: {}", offline.stderr);
    assert_eq!(layers(&reference(&project)), expected);
    // What is there is good for whoever may not ask, and is run without a question to anybody.
    build(&project, &["--offline"]).succeeded();
    let shown = project.run(&["shell", "--frozen", "--no-network", "--", "cat", "/srv/data"]).succeeded().stdout;
    assert_eq!(shown, nonce);
    remove(&project);

    // A wrong byte is told with both hashes before any step sees it.
    let file = PathBuf::from(&folder).join("sha256").join(sha256_hex(nonce.as_bytes()));
    let other = nonce.replace("SystemTime", "systemTime");
    fs::write(&file, &other).unwrap();
    let wrong = build(&project, &["--offline", "--no-cache", "--vendor", &folder]).exited(1).says("silo::vendor::damaged");
    let unbroken: String = wrong.stderr.split_whitespace().filter(|word| !"│".contains(word)).collect();
    for text in [sha256_hex(other.as_bytes()), format!("silo.lockpinssha256:{}", sha256_hex(nonce.as_bytes())), file.display().to_string()]
    {
        assert!(unbroken.contains(&text), "{text} is in {unbroken}");
    }
}

#[test]
fn offline_what_was_never_done_is_told_and_not_tried() {
    online!();
    Built::ready();
    let nonce = format!("{:?}", std::time::SystemTime::now());
    let text = |words: &str| {
        format!("silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nlayer l {{ run \"echo {words} >/srv/{words}\"; }}\n")
    };
    let word = sha256_hex(nonce.as_bytes());
    let project = Project::with(&text(&word), None);
    project.run(&["build", "--frozen"]).exited(1).says("silo::lock::missing");
    project.run(&["lock"]).succeeded();
    project.run(&["build", "--frozen"]).exited(1).says("silo::build::step").says("silo is offline").says("silo vendor DIR");
    // Steps that were done are used again, though they had a network.
    build(&project, &[]).succeeded();
    remove(&project);
    build(&project, &["--offline"]).succeeded();
    let mut command = project.silo(&["build"]);
    command.env("SILO_OFFLINE", "yes");
    super::project::run(command).succeeded();
    remove(&project);

    project.write("silo.kdl", &format!("{}tool jq\n", text(&word)));
    project.run(&["build", "--frozen"]).exited(1).says("silo::lock::stale");
    project.run(&["shell", "--frozen", "--", "true"]).exited(1).says("silo::lock::stale");
    project.write("silo.kdl", &text(&word));
    project.run(&["build", "--vendor", "nowhere"]).exited(1).says("there is no folder nowhere of vendored files");
    let mut command = project.silo(&["shell", "--", "true"]);
    command.env("SILO_VENDOR", "nowhere");
    super::project::run(command).exited(1).says("there is no folder nowhere of vendored files");
}
