//! A program of Go is compiled from exactly the modules that are locked: from a proxy on this machine, and from vendored files.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use silo::digest::go::{of_file, of_zip};

use super::online;
use super::project::{Project, Ran, docker, gateway};
use crate::support::modules::{HELLO, add, archive};

/// What is asked for, and what there is.
#[derive(Clone, Default)]
struct Proxy {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts; where it is.
    fn start(&self) -> String {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let address = format!("http://{}:{}", gateway(), listener.local_addr().unwrap().port());
        let proxy = self.clone();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|socket| proxy.answer(socket)));
        address
    }

    fn answer(&self, mut socket: TcpStream) {
        let (mut request, mut part) = (Vec::new(), [0; 1024]);
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match socket.read(&mut part) {
                Ok(count @ 1..) => request.extend(&part[..count]),
                Ok(0) | Err(_) => return,
            }
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        // Go writes a `!` as every character that could mean something.
        let path = text.split(' ').nth(1).unwrap_or("").replace("%21", "!");
        let login = text.lines().find(|line| line.to_lowercase().starts_with("authorization: ")).unwrap_or("");
        self.asked.lock().unwrap().push(format!("{path} {login}"));
        let body = path.strip_prefix("/go").and_then(|path| self.files.lock().unwrap().get(path).cloned());
        let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
        let body = body.unwrap_or_default();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body));
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// The distribution's own tool chain compiles it.
const KDL: &str = r#"silo edition="2026"
base "debian:bookworm" from=bootstrap
(replace)define client go {
    install apt { apt "golang-go"; }
}
define tool zz-hello {
    install module {
        go "example.test/hello/cmd/hello" version="%{version}"
        bin "hello" "bin/hello"
    }
    check "hello"
}
tool zz-hello
"#;

/// A project that looks modules up at an address, and nowhere else.
fn project(address: &str) -> Project {
    let project = Project::with(KDL, None);
    let settings = project.home().join(".config/go");
    std::fs::create_dir_all(&settings).unwrap();
    std::fs::write(settings.join("env"), format!("GOPROXY={address}/go,direct\nGOSUMDB=off\n")).unwrap();
    std::fs::write(project.home().join(".netrc"), format!("machine {} login ada password file\n", gateway())).unwrap();
    project
}

fn run(project: &Project, args: &[&str]) -> Ran {
    let mut command = project.silo(args);
    // What is said to Go elsewhere does not count here, and what would change a build has no way into it.
    for name in ["GOPROXY", "GOSUMDB", "GOENV", "GOPRIVATE", "GONOPROXY", "GONOSUMDB"] {
        command.env_remove(name);
    }
    command.env("GOFLAGS", "-tags=nothing").env("GOAMD64", "v3");
    super::project::run(command)
}

fn layers(reference: &str) -> String {
    docker(&["image", "inspect", "--format", "{{json .RootFS.Layers}}", reference]).succeeded().stdout
}

#[test]
fn a_program_is_compiled_from_locked_modules_and_nothing_else() {
    online!();
    let proxy = Proxy::default();
    // What no earlier run can have built.
    let nonce = format!("package old\n\n// {} {:?}\n", std::process::id(), std::time::SystemTime::now());
    let of = |index: usize| {
        let mut files = HELLO[index].2.to_vec();
        files.extend((index == 2).then_some(("nonce.go", nonce.as_str())));
        files
    };
    for (index, (path, version, _)) in HELLO.iter().enumerate() {
        add(&mut proxy.files.lock().unwrap(), path, version, "2024-05-01T10:00:00Z", &of(index));
    }
    let project = project(&proxy.start());
    run(&project, &["lock"]).succeeded();
    let lock = project.read("silo.lock");
    assert!(lock.contains("module \"example.test/hello\" \"v1.2.0\"") && !lock.contains(&gateway()), "{lock}");
    let text = run(&project, &["hash"]).succeeded().stdout;
    let reference = format!("localhost/silo/environment:{}", text.split_whitespace().next().unwrap());
    // In the build Go itself asks, which sends no login over a connection that is not encrypted.
    assert!(proxy.asked.lock().unwrap().iter().all(|request| request.ends_with("Basic YWRhOmZpbGU=")), "{:?}", proxy.asked);

    // A wrong byte, of an archive and of a file of requirements.
    let refused = |path: &str, body: Vec<u8>, words: &[&str]| {
        let good = proxy.files.lock().unwrap().insert(path.to_string(), body).unwrap();
        let ran = run(&project, &["build", "--locked"]).exited(1);
        let ran = ran.says("silo::build::checksum").says("what was downloaded for tool zz-hello");
        let flat: String = ran.stderr.chars().filter(|c| !c.is_whitespace() && *c != '│').collect();
        for word in words {
            assert!(flat.contains(word), "{word} is in\n{}", ran.stderr);
        }
        proxy.files.lock().unwrap().insert(path.to_string(), good);
    };
    let (path, version, _) = HELLO[2];
    let mut files = of(2);
    let right = of_zip(&archive(path, version, &files)).unwrap();
    files[1] = ("o.go", "package old\n\nconst W = \"World\"\n");
    let evil = archive(path, version, &files);
    let wrong = of_zip(&evil).unwrap();
    refused("/example.test/old/@v/v1.0.0.zip", evil, &["example.test/old@v1.0.0ofGo", &right, &wrong]);
    let file = "module example.test/lone\n\ngo 1.18\n";
    let (right, wrong) = (of_file(HELLO[3].2[0].1.as_bytes()), of_file(file.as_bytes()));
    refused("/example.test/lone/@v/v0.1.0.mod", file.as_bytes().to_vec(), &["go.modofexample.test/lone@v0.1.0", &right, &wrong]);

    let looked_up = proxy.count();
    run(&project, &["build", "--locked"]).succeeded();
    let asked = proxy.asked.lock().unwrap()[looked_up..].join("\n");
    assert!(asked.contains("/go/example.test/!greet/@v/v1.1.0.zip "), "{asked}");
    assert!(!asked.contains("lone/@v/v0.1.0.zip"), "{asked}");
    let shown = run(&project, &["shell", "--", "hello"]).succeeded().stdout;
    let sum = of_zip(&archive(HELLO[0].0, HELLO[0].1, HELLO[0].2)).unwrap();
    assert_eq!(shown.trim(), format!("hello world example.test/hello v1.2.0 {sum}"), "it knows its own version");
    let first = layers(&reference);

    // The same once more from vendored files alone, with a proxy that has nothing any more.
    let folder = project.root().join("vendored").display().to_string();
    run(&project, &["vendor", &folder]).succeeded();
    proxy.files.lock().unwrap().clear();
    let asked = proxy.count();
    run(&project, &["build", "--locked", "--no-cache", "--offline", "--vendor", &folder]).succeeded();
    assert_eq!((layers(&reference), proxy.count()), (first, asked));
    run(&project, &["rm", "--force", &reference]).succeeded();
}
