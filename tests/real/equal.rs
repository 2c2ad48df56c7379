//! What is built twice is equal bit for bit, and a wrong byte of anything that is downloaded stops the build.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use silo::digest::sha256_hex;

use super::online;
use super::project::{Project, Ran, docker, gateway};

const AGENT: &str = "equal-twice";

/// A web server of files that may change.
#[derive(Clone)]
pub(super) struct Server {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub(super) address: String,
}

impl Server {
    pub(super) fn start() -> Server {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let address = format!("http://{}:{}", gateway(), listener.local_addr().unwrap().port());
        let server = Server { files: Arc::default(), address };
        let files = Arc::clone(&server.files);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let files = Arc::clone(&files);
                std::thread::spawn(move || answer(socket, &files));
            }
        });
        server
    }

    pub(super) fn put(&self, path: &str, bytes: Vec<u8>) -> String {
        let hash = sha256_hex(&bytes);
        self.files.lock().unwrap().insert(path.to_string(), bytes);
        hash
    }
}

/// One request, one answer.
fn answer(mut socket: TcpStream, files: &Mutex<BTreeMap<String, Vec<u8>>>) {
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match socket.read(&mut part) {
            Ok(count) if count > 0 => request.extend(&part[..count]),
            Ok(_) | Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let path = text.split(' ').nth(1).unwrap_or("");
    let body = files.lock().unwrap().get(path).cloned();
    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
    let body = body.unwrap_or_default();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body));
}

const SCRIPT: &str = "#!/bin/sh\necho equal\n";

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn tarball() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    // Owner, mode and time of whoever packed it.
    for (path, mode, time) in [("x-1/bin/x", 0o775, 1_700_000_000), ("x-1/share/text", 0o600, 1_600_000_000)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(SCRIPT.len() as u64);
        header.set_mode(mode);
        header.set_uid(1234);
        header.set_mtime(time);
        header.set_cksum();
        tar.append_data(&mut header, path, SCRIPT.as_bytes()).unwrap();
    }
    gz(&tar.into_inner().unwrap())
}

/// An archive of files that are stored as they are. Source: PKWARE's APPNOTE.TXT, 4.3.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (path, bytes) in files {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let (size, name) = (u32::try_from(bytes.len()).unwrap(), u16::try_from(path.len()).unwrap());
        // Version, flags, method, time, date; the checksum and sizes; the lengths of the name and of what is extra.
        let mut middle = vec![10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x58];
        middle.extend(crc.sum().to_le_bytes());
        middle.extend([size, size].into_iter().flat_map(u32::to_le_bytes));
        middle.extend(name.to_le_bytes());
        middle.extend([0, 0]);
        let start = u32::try_from(out.len()).unwrap();
        out.extend(b"PK\x03\x04");
        out.extend(&middle);
        out.extend(path.as_bytes());
        out.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&middle);
        // Comment, disk, attributes inside and out, offset.
        directory.extend([0, 0, 0, 0, 0, 0]);
        directory.extend([0o100_755u32 << 16, start].into_iter().flat_map(u32::to_le_bytes));
        directory.extend(path.as_bytes());
    }
    let (start, length) = (u32::try_from(out.len()).unwrap(), u32::try_from(directory.len()).unwrap());
    let count = u16::try_from(files.len()).unwrap();
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].into_iter().flat_map(u16::to_le_bytes));
    out.extend([length, start].into_iter().flat_map(u32::to_le_bytes));
    out.extend([0, 0]);
    out
}

/// A configuration with a stage of every kind that can be had without a vendor's site.
fn configuration(server: &Server) -> String {
    let at = &server.address;
    let tar = server.put("/x-1.tar.gz", tarball());
    let zipped = server.put("/x-1.zip", zip(&[("x-1/x", SCRIPT.as_bytes())]));
    let gzipped = server.put("/x-1.gz", gz(SCRIPT.as_bytes()));
    let plain = server.put("/plain", SCRIPT.as_bytes().to_vec());
    format!(
        r#"silo edition="2026"
base "debian:bookworm" from=bootstrap {{ apt "tree"; }}
define tool zz-tar {{ install here {{ download "{at}/x-1.tar.gz" strip=1 {{ sha256 "{tar}"; }}; bin "zz-tar" "bin/x"; }}; }}
define tool zz-zip {{ install here {{ download "{at}/x-1.zip" strip=1 {{ sha256 "{zipped}"; }}; bin "zz-zip" "x"; }}; }}
define tool zz-gz {{ install here {{ download "{at}/x-1.gz" {{ sha256 "{gzipped}"; }}; bin "zz-gz" "x-1"; }}; }}
define tool zz-file {{ install here {{ download "{at}/plain" {{ sha256 "{plain}"; }}; bin "zz-file" "plain"; }}; }}
define tool zz-npm {{ install npm {{ npm "cross-spawn" version="7.0.6"; }}; }}
define tool zz-pip {{ install pypi {{ pip "rich" version="13.9.4"; }}; }}
define tool zz-apt {{ install apt {{ apt "jq"; }}; }}
define agent {AGENT} {{
    install here {{ run "date > built-at; rm built-at; printf '#!/bin/sh\\necho \\\"$@\\\"\\n' > agent; chmod 755 agent"; bin "{AGENT}" "agent"; }}
    command "{AGENT}"
    file "/opt/silo/etc/{AGENT}/settings.json" "{{}}"
    register mcp file="/opt/silo/etc/{AGENT}/mcp.json" format=json key="mcpServers" env_ref="${{%{{name}}}}" {{
        local {{ command "%{{command}}"; args "%{{args}}"; }}
    }}
}}
tool zz-tar; tool zz-zip; tool zz-gz; tool zz-file; tool zz-npm; tool zz-pip; tool zz-apt
layer files {{
    copy "data" "/srv/data"
    download "{at}/plain" to="/srv/plain" {{ sha256 "{plain}"; }}
    run "mkdir -p /srv/made; seq 1 1000 > /srv/made/numbers; ln -s numbers /srv/made/link"
}}
mcp own {{ command "/srv/plain" "--stdio"; }}
agent {AGENT}
"#
    )
}

/// The digests of all layers but those of the user's own scripts, which may write what they like.
pub(super) fn layers(reference: &str) -> Vec<String> {
    let all = docker(&["image", "inspect", "--format", "{{range .RootFS.Layers}}{{println .}}{{end}}", reference]).succeeded().stdout;
    let steps = docker(&["image", "history", "--no-trunc", "--format", "{{.Size}}\t{{.CreatedBy}}", reference]).succeeded().stdout;
    // The newest step comes first; those that make no layer are settings.
    let steps: Vec<&str> = steps.lines().rev().filter_map(|line| line.split_once('\t')).map(|(_, step)| step).collect();
    let steps = steps.into_iter().filter(|step| !["USER ", "ENV ", "LABEL ", "ARG "].iter().any(|word| step.starts_with(word)));
    let all: Vec<&str> = all.split_whitespace().collect();
    let steps: Vec<&str> = steps.collect();
    assert_eq!(all.len(), steps.len(), "{all:?}\n{steps:?}");
    all.into_iter()
        .zip(steps)
        .filter(|(_, step)| !(step.starts_with("RUN ") && step.contains("/dev/silo.script")))
        .map(|(digest, step)| format!("{digest} {step}"))
        .collect()
}

/// What a build says of a lock in which a digest is another: it fails at the component, and names both digests.
#[track_caller]
pub(super) fn refused(ran: Ran, component: &str, words: &[&str]) {
    let ran = ran.exited(1).says("silo::build::checksum").says(&format!("what was downloaded for {component}"));
    // A digest may be broken where a line ends.
    let flat: String = ran.stderr.chars().filter(|c| !c.is_whitespace() && *c != '│').collect();
    for word in words {
        assert!(flat.contains(word), "{word} is in\n{}", ran.stderr);
    }
}

/// The lock with one character of a digest changed, which stands on the first line that holds a text, behind a mark; and both digests.
fn tampered(lock: &str, line: &str, mark: &str) -> (String, String, String) {
    let start = lock.find(line).unwrap_or_else(|| panic!("the lock has {line}:\n{lock}"));
    let at = start + lock[start..].find(mark).unwrap() + mark.len();
    let end = at + lock[at..].find('"').unwrap();
    let right = lock[at..end].to_string();
    // The first character after the algorithm: `sha512-`.
    let first = right.find('-').map_or(0, |dash| dash + 1);
    let other = if right[first..].starts_with('a') { "b" } else { "a" };
    let wrong = format!("{}{other}{}", &right[..first], &right[first + 1..]);
    (format!("{}{wrong}{}", &lock[..at], &lock[end..]), right, wrong)
}

#[test]
fn two_builds_of_every_kind_of_stage_are_equal_and_a_wrong_byte_stops_one() {
    online!();
    let server = Server::start();
    let project = Project::with(&configuration(&server), None);
    std::fs::create_dir_all(project.workspace().join("data/inner")).unwrap();
    project.write("data/run.sh", SCRIPT);
    project.write("data/inner/text", "text\n");
    project.run(&["lock"]).succeeded();
    let lock = project.read("silo.lock");
    let reference = format!("localhost/silo/{AGENT}:{}", project.identity(AGENT));

    project.run(&["build", "--locked", "--no-cache", AGENT]).succeeded();
    let first = layers(&reference);
    // Another mode, owner and time of what is copied is no other content.
    std::fs::remove_file(project.workspace().join("data/inner/text")).unwrap();
    project.write("data/inner/text", "text\n");
    let again = project.run(&["build", "--locked", "--no-cache", AGENT]).succeeded();
    assert!(
        !again.stderr.lines().any(|line| line.ends_with(": cached") && !line.contains(": FROM ")),
        "nothing is kept:\n{}",
        again.stderr
    );
    assert_eq!(layers(&reference), first);
    assert!(first.len() >= 10, "{first:?}");
    project.run(&["rm", "--force", &reference]).succeeded();

    // What the publisher, or somebody on the way, changed.
    let good = SCRIPT.as_bytes().to_vec();
    let bad = SCRIPT.replace("equal", "equaL").into_bytes();
    server.put("/x-1.gz", gz(&bad));
    let (right, wrong) = (sha256_hex(&gz(&good)), sha256_hex(&gz(&bad)));
    refused(
        project.run(&["build", "--locked", "--no-cache", AGENT]),
        "tool zz-gz",
        &["x-1.gz", &format!("sha256:{right}"), &format!("sha256:{wrong}")],
    );
    server.put("/x-1.gz", gz(&good));

    let (text, right, wrong) = tampered(&lock, "cross-spawn", "integrity=\"");
    project.write("silo.lock", &text);
    refused(project.run(&["build", "--locked", AGENT]), "tool zz-npm", &["cross-spawn@7.0.6", &right, &wrong]);
    let (text, right, wrong) = tampered(&lock, "rich-13.9.4", "sha256=\"");
    project.write("silo.lock", &text);
    refused(project.run(&["build", "--locked", AGENT]), "tool zz-pip", &["rich-13.9.4", &right, &wrong]);
    // With the lock as it was, everything is as it was.
    project.write("silo.lock", &lock);
    project.run(&["build", "--locked", AGENT]).succeeded();
    assert_eq!(layers(&reference), first);
    project.run(&["rm", "--force", &reference]).succeeded();
}
