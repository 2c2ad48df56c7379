//! Behind a proxy that is the only way out, and before servers whose certificates only a private authority vouches for.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::server::{Server, archive, serve};
use crate::cli::{Place, Ran};
use silo::digest::sha256_hex;

type Seen = Arc<Mutex<Vec<String>>>;

/// What was asked up to the empty line.
async fn head(socket: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(socket.read_u8().await.ok()?);
    }
    String::from_utf8(text).ok()
}

/// A server of two names, which answers `body` to everything, and the certificate of its authority.
async fn secure(body: &'static str) -> (u16, String, Seen) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["files.example.invalid", "npm.example.invalid", "localhost"].map(str::to_string);
    let certificate = CertificateParams::new(names.to_vec()).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (port, seen) = (listener.local_addr().unwrap().port(), Seen::default());
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
            tokio::spawn(async move {
                let Ok(mut socket) = acceptor.accept(socket).await else { return };
                let Some(request) = head(&mut socket).await else { return };
                noted
                    .lock()
                    .unwrap()
                    .push(request.lines().take(1).chain(request.lines().filter(|line| line.to_lowercase().starts_with("host:"))).collect());
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                drop(socket.write_all(answer.as_bytes()).await);
                drop(socket.shutdown().await);
            });
        }
    });
    (port, authority.pem(), seen)
}

/// A proxy that leads every tunnel to one port of this machine, whatever it was asked for.
async fn tunnel(to: u16) -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Seen::default());
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let Some(request) = head(&mut socket).await else { return };
                noted.lock().unwrap().push(request);
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                drop(socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await);
                drop(copy_bidirectional(&mut socket, &mut server).await);
            });
        }
    });
    (port, seen)
}

fn tool(name: &str, step: &str) -> String {
    format!("define tool {name} {{\n    install x {{\n        {step}\n        bin \"{name}\" \"{name}\"\n    }}\n}}\ntool {name}\n")
}

async fn lock(place: &Place, apt: &Server, variables: &[(&str, String)]) -> Ran {
    let mut command = place.command(&["lock"]);
    command.env("SILO_APT_MIRROR", &apt.mirror).envs(variables.iter().map(|(name, value)| (name, value)));
    Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

fn write(place: &Place, name: &str, text: &str) -> PathBuf {
    let path = place.home().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_private_authority_and_a_proxy_are_enough_and_no_proxy_is_kept() {
    let (secure, authority, asked) = secure("a file").await;
    let (proxy, tunnels) = tunnel(secure).await;
    let apt = serve(archive()).await;
    let place = Place::new();
    let far = tool("far", "download \"https://files.example.invalid/far\"");
    let near = tool("near", &format!("download \"https://localhost:{secure}/near\""));
    place.write("silo.kdl", format!("silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n{far}{near}"));
    let bundle = write(&place, "ca.pem", &authority).display().to_string();
    let variables = [
        ("HTTPS_PROXY", format!("http://ada:hunter2@127.0.0.1:{proxy}")),
        ("NO_PROXY", "localhost,.other.example.test".to_string()),
        ("SSL_CERT_FILE", bundle),
    ];
    // Without the authority nobody is believed, and a password is not said.
    let ran = lock(&place, &apt, &variables[..2]).await;
    assert!(ran.expect(1).err.contains("SSL_CERT_FILE") && !ran.err.contains("hunter2"), "{}", ran.err);
    assert!(asked.lock().unwrap().is_empty());
    tunnels.lock().unwrap().clear();

    lock(&place, &apt, &variables).await.expect(0);
    let text = fs::read_to_string(place.repository().join("silo.lock")).unwrap();
    assert_eq!(text.matches(&sha256_hex(b"a file")).count(), 2, "{text}");
    let tunnels = tunnels.lock().unwrap();
    let login = base64::engine::general_purpose::STANDARD.encode("ada:hunter2");
    assert!(!tunnels.is_empty() && tunnels.iter().all(|tunnel| tunnel.starts_with("CONNECT files.example.invalid:443 ")), "{tunnels:?}");
    assert!(tunnels[0].to_lowercase().contains("proxy-authorization: basic") && tunnels[0].contains(&login), "{tunnels:?}");
    let asked = asked.lock().unwrap();
    assert!(
        asked.iter().any(|request| request.starts_with("GET /far ")) && asked.iter().any(|request| request.starts_with("GET /near ")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn npm_s_own_proxy_and_authorities_are_for_its_registry_alone() {
    let document = r#"{"name": "x", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {"name": "x", "version": "1.0.0", "dist": {"tarball": "https://npm.example.invalid/x.tgz", "integrity": "sha512-AAAA"}}}, "time": {"1.0.0": "2020-01-01T00:00:00.000Z"}}"#;
    let (secure, authority, asked) = secure(document).await;
    let (proxy, tunnels) = tunnel(secure).await;
    let apt = serve(BTreeMap::from_iter(archive().into_iter().chain([("/far", vec![(200, "", b"far".to_vec())])]))).await;
    let place = Place::new();
    let far = tool("far", &format!("download \"{}/far\"", apt.address));
    let package = tool("package", "npm \"x\" version=\"%{version}\"");
    place.write("silo.kdl", format!("silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\n{far}{package}"));
    let bundle = write(&place, "ca.pem", &authority).display().to_string();
    let npmrc =
        format!("registry=https://npm.example.invalid/\ncafile={bundle}\nhttps-proxy=http://127.0.0.1:{proxy}\nnoproxy=localhost\n");
    write(&place, ".npmrc", &npmrc);
    // What a project says of that does not count.
    place.write(".npmrc", "https-proxy=http://127.0.0.1:1/\ncafile=/nonexistent\nstrict-ssl=false\n");
    lock(&place, &apt, &[("PIP_INDEX_URL", format!("{}/simple/", apt.address))]).await;
    let tunnels = tunnels.lock().unwrap();
    assert!(!tunnels.is_empty() && tunnels.iter().all(|tunnel| tunnel.starts_with("CONNECT npm.example.invalid:443 ")), "{tunnels:?}");
    assert!(asked.lock().unwrap().iter().any(|request| request.starts_with("GET /x ")), "{asked:?}");
    assert_eq!(apt.count("/far"), 1, "what is no registry of npm's is reached as ever");
}
