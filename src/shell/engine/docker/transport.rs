//! The connection to the engine's socket, for the calls that take the connection over or must be sent at a chosen moment.
//!
//! `bollard` keeps its transport to itself, so these few calls are plain HTTP/1.1 over a connection of their own. Everything else goes
//! through `bollard`.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use crate::shell::engine::Cause;

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A socket file.
    Unix(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Address::Tcp(host) => write!(formatter, "tcp://{host}"),
        }
    }
}

trait Wire: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Wire for T {}

/// A task that ends with its owner: dropping this closes the connection that the task drives.
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Task {
        Task(tokio::spawn(future))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer other than the one hoped for.
#[derive(Debug, thiserror::Error)]
#[error("the engine answered {status}: {message}")]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

/// Opens one connection.
async fn dial(address: &Address) -> io::Result<Pin<Box<dyn Wire>>> {
    match address {
        Address::Unix(path) => Ok(Box::pin(tokio::net::UnixStream::connect(path).await?)),
        Address::Tcp(host) => {
            let stream = tokio::net::TcpStream::connect(host).await?;
            stream.set_nodelay(true)?;
            Ok(Box::pin(stream))
        }
    }
}

/// Sends one request and returns with the head of the answer; the connection lives as long as the returned task.
pub(super) async fn send(
    address: &Address,
    method: Method,
    path: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(Response<Incoming>, Task), Cause> {
    let wire = dial(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(wire)).await?;
    let task = Task::spawn(async move {
        // What goes wrong with the connection is seen by whoever reads the answer.
        let _ = connection.with_upgrades().await;
    });
    let mut request = Request::builder().method(method).uri(path).body(Full::new(body))?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("engine"));
    let response = sender.send_request(request).await?;
    Ok((response, task))
}

/// Sends a `POST` and takes the connection over, for what `protocol` names.
pub(super) async fn hijack(
    address: &Address,
    path: &str,
    protocol: &'static str,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<TokioIo<Upgraded>, Cause> {
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, header::HeaderValue::from_static(protocol));
    let (response, task) = send(address, Method::POST, path, headers, body).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(response).await.into());
    }
    let upgraded = hyper::upgrade::on(response).await?;
    drop(task);
    Ok(TokioIo::new(upgraded))
}

/// Reads the engine's own words from an answer that is not the one hoped for.
pub(super) async fn refusal(response: Response<Incoming>) -> Refusal {
    #[derive(serde::Deserialize)]
    struct Words {
        message: String,
    }
    let status = response.status();
    let bytes = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let message = match serde_json::from_slice::<Words>(&bytes) {
        Ok(words) => words.message,
        Err(_) => String::from_utf8_lossy(&bytes).trim().to_owned(),
    };
    Refusal { status, message }
}

/// A text that no other call has: 32 hexadecimal digits from the system's random source.
pub(super) async fn unique() -> io::Result<String> {
    use tokio::io::AsyncReadExt;
    let mut bytes = [0; 16];
    tokio::fs::File::open("/dev/urandom").await?.read_exact(&mut bytes).await?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
