use std::os::unix::fs::PermissionsExt;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// An engine that gives one answer and counts how often it is asked.
async fn answering(socket: &Path, answer: &'static str) -> tokio::task::JoinHandle<usize> {
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        let mut requests = 0;
        while let Ok(Ok((mut stream, _))) = tokio::time::timeout(std::time::Duration::from_millis(300), listener.accept()).await {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /_ping "));
            requests += 1;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    })
}

async fn error(options: &EngineOptions) -> EngineError {
    Docker::connect(options).await.expect_err("there is no engine for silo")
}

#[tokio::test]
async fn no_engine_names_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let error = error(&only(None, folder.path(), &socket)).await;
    assert!(matches!(&error, EngineError::NoEngine { tried } if tried.contains("none.sock") && tried.contains(".colima")), "{error:?}");
}

#[tokio::test]
async fn a_socket_nobody_listens_at_is_not_running() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let error = error(&only(None, folder.path(), &socket)).await;
    assert!(matches!(error, EngineError::NotRunning { .. }), "{error:?}");
}

/// Root may use every socket, so this looks as another user, with the test program itself.
#[test]
fn no_permission_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = folder.path().join("closed.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let program = folder.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    use std::os::unix::process::CommandExt;
    let output = Command::new(&program)
        .args(["--exact", "shell::engine::docker::tests::connect::as_another_user", "--nocapture"])
        .env("ENGINE_TEST_SOCKET", &socket)
        .uid(65534)
        .gid(65534)
        .output()
        .expect("only root can become another user");
    let text = stdout(&output);
    assert!(text.contains("Permission") && text.contains("sudo usermod -aG docker $USER") && text.contains("newgrp docker"), "{text}");
}

/// The part of the test above that another user runs; alone it has nothing to do.
#[tokio::test]
async fn as_another_user() {
    let Ok(socket) = std::env::var("ENGINE_TEST_SOCKET") else { return };
    let error = error(&only(Some(&format!("unix://{socket}")), Path::new("/"), Path::new("/nowhere"))).await;
    println!("{error:?}\n{}", miette::Diagnostic::help(&error).unwrap());
}

#[tokio::test]
async fn an_old_engine_is_too_old_and_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("old.sock");
    let engine = answering(&socket, "HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 2\r\n\r\nOK").await;
    let error = error(&only(None, folder.path(), &socket)).await;
    assert!(matches!(&error, EngineError::TooOld { version, .. } if version == "1.40"), "{error:?}");
    assert_eq!(engine.await.unwrap(), 1);
}

#[tokio::test]
async fn a_good_engine_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("good.sock");
    let engine = answering(&socket, "HTTP/1.1 200 OK\r\nApi-Version: 1.54\r\nContent-Length: 2\r\n\r\nOK").await;
    let docker = Docker::connect(&only(None, folder.path(), &socket)).await.unwrap();
    assert_eq!((docker.api, engine.await.unwrap()), ((1, 54), 1));
}

#[tokio::test]
async fn podman_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("podman.sock");
    let _engine =
        answering(&socket, "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Libpod/4.3.1 (linux)\r\nContent-Length: 2\r\n\r\nOK").await;
    let error = error(&only(None, folder.path(), &socket)).await;
    assert!(matches!(error, EngineError::Podman { .. }), "{error:?}");
}

#[tokio::test]
async fn something_else_at_the_socket_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("else.sock");
    let _engine = answering(&socket, "220 mail.example ESMTP\r\n").await;
    let error = error(&only(None, folder.path(), &socket)).await;
    assert!(matches!(error, EngineError::Silent { .. }), "{error:?}");
}

#[tokio::test]
async fn hosts_that_need_more_than_a_socket_are_named() {
    for host in ["ssh://user@host", "npipe:////./pipe/docker_engine", "https://host:2376", "host", "unix://"] {
        let error = error(&only(Some(host), Path::new("/"), Path::new("/nowhere"))).await;
        assert!(matches!(&error, EngineError::UnsupportedHost { host: named } if named == host), "{error:?}");
    }
}

#[tokio::test]
async fn a_port_that_wants_tls_is_named() {
    let mut options = only(Some("tcp://127.0.0.1:2376"), Path::new("/"), Path::new("/nowhere"));
    options.tls_verify = Some("1".to_owned());
    let error = error(&options).await;
    assert!(matches!(&error, EngineError::UnsupportedHost { host } if host == "tcp://127.0.0.1:2376"), "{error:?}");
}

#[tokio::test]
async fn the_docker_context_leads_to_its_host() {
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join(".docker");
    std::fs::create_dir_all(docker.join("contexts/meta/abc")).unwrap();
    std::fs::write(docker.join("config.json"), r#"{"currentContext":"mine"}"#).unwrap();
    let options = only(None, folder.path(), Path::new("/nowhere"));
    let missing = error(&options).await;
    assert!(matches!(&missing, EngineError::NoContext { name } if name == "mine"), "{missing:?}");

    let meta = r#"{"Name":"mine","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///var/run/docker.sock","SkipTLSVerify":false}}}"#;
    std::fs::write(docker.join("contexts/meta/abc/meta.json"), meta).unwrap();
    let found = Docker::connect(&options).await.unwrap();
    assert_eq!(found.address, Address::Unix("/var/run/docker.sock".into()));
    // DOCKER_HOST beats the context.
    let host = error(&only(Some("unix:///nowhere/else"), folder.path(), Path::new("/nowhere"))).await;
    assert!(matches!(&host, EngineError::NotRunning { address, .. } if address == "unix:///nowhere/else"), "{host:?}");
}
