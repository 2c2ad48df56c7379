//! HTTP: a few requests at a time, with retries, time limits and a cache on disk that asks whether things changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_RANGE, ETAG, IF_NONE_MATCH, RANGE};
use silo::digest::{Sha256, sha256_hex};
use tokio::sync::Semaphore;

/// How many requests run at the same time.
const PARALLEL: usize = 16;

/// Pauses before the second and the later attempts.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(1000), Duration::from_millis(3000)];

/// Documents are smaller than this; what is larger is not one.
const DOCUMENT: usize = 256 << 20;

/// Why something was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The client could not be made.
    #[error("cannot set up TLS")]
    Setup(#[source] reqwest::Error),
    /// There is no such thing at the address.
    #[error("{url} does not exist")]
    Missing {
        /// The address, without a password.
        url: String,
    },
    /// The server refuses.
    #[error("{url} answers {status}")]
    Status {
        /// The address, without a password.
        url: String,
        /// What it answers.
        status: StatusCode,
    },
    /// The server has answered this caller often enough for now.
    #[error("{url} answers {status}: it allows no more requests {wait}")]
    Limited {
        /// The address, without a password.
        url: String,
        /// What it answers.
        status: StatusCode,
        /// Until when, in words.
        wait: String,
    },
    /// The server does not answer.
    #[error("cannot fetch {url}")]
    Unreachable {
        /// The address, without a password.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It is too large for what it should be.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// The address, without a password.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// What arrived cannot be unpacked.
    #[error("{url} is damaged")]
    Damaged {
        /// The address, without a password.
        url: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What a request asks for besides its address.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Media types that are understood.
    pub accept: Option<&'static str>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
}

/// A client of HTTP.
pub struct Client {
    http: reqwest::Client,
    cache: Option<PathBuf>,
    parallel: Semaphore,
    /// Servers to which no connection could be made, and why.
    unreachable: Mutex<BTreeMap<String, String>>,
}

enum Attempt {
    Again(FetchError),
    Never(FetchError),
}

impl Client {
    /// A client that keeps documents below a folder. Proxies come from the usual variables, trusted authorities from the system or
    /// `SSL_CERT_FILE`.
    pub fn new(cache: Option<PathBuf>) -> Result<Client, FetchError> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("silo/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .build()
            .map_err(FetchError::Setup)?;
        Ok(Client { http, cache, parallel: Semaphore::new(PARALLEL), unreachable: Mutex::default() })
    }

    /// The server of an address and why no connection to it could be made, when one was tried in vain.
    pub fn unreachable(&self, url: &str) -> Option<(String, String)> {
        let server = server(url)?;
        let why = self.unreachable.lock().ok()?.get(&server)?.clone();
        Some((server, why))
    }

    /// Fetches a document.
    pub async fn get(&self, url: &str, ask: &Ask) -> Result<Vec<u8>, FetchError> {
        let file = self.cache.as_ref().map(|folder| folder.join(sha256_hex(format!("{url}\n{:?}", ask.accept).as_bytes())));
        let kept = match &file {
            Some(file) => kept(file).await,
            None => None,
        };
        let etag = kept.as_ref().map(|(etag, _)| etag.as_str());
        let (response, body) = self.retry(|| self.document(url, ask, etag)).await?;
        if response.status == StatusCode::NOT_MODIFIED
            && let Some((_, body)) = kept
        {
            return Ok(body);
        }
        if let (Some(file), Some(etag)) = (&file, &response.etag) {
            keep(file, etag, &body).await;
        }
        Ok(body)
    }

    async fn document(&self, url: &str, ask: &Ask, etag: Option<&str>) -> Result<(Head, Vec<u8>), Attempt> {
        let (head, mut response) = self.send(url, ask, etag).await?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|source| broken(url, source))? {
            if body.len() + piece.len() > DOCUMENT {
                return Err(Attempt::Never(FetchError::TooLarge { url: shown(url), limit: DOCUMENT }));
            }
            body.extend_from_slice(&piece);
        }
        Ok((head, body))
    }

    /// Fetches a part of something: `bytes=0-9`, or `bytes=-10` for the end. Returns where it starts, the size of the whole, and the part,
    /// which is the whole when the server knows no parts. Nothing of it is kept. Source: RFC 9110, 14.
    pub async fn part(&self, url: &str, range: &str) -> Result<(u64, u64, Vec<u8>), FetchError> {
        let ask = |range: Option<&str>| Ask { range: range.map(str::to_string), ..Ask::default() };
        let (some, all) = (ask(Some(range)), ask(None));
        let (head, body) = match self.retry(|| self.document(url, &some, None)).await {
            Err(FetchError::Status { url: _, status: StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_IMPLEMENTED }) => {
                self.retry(|| self.document(url, &all, None)).await?
            }
            other => other?,
        };
        let whole = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let (start, size) = head.range.filter(|_| head.status == StatusCode::PARTIAL_CONTENT).unwrap_or((0, whole));
        Ok((start, size, body))
    }

    /// Fetches something large piece by piece; a new attempt starts with a new sink. Returns the sink and the SHA-256 of what arrived.
    pub async fn stream<S>(
        &self,
        url: &str,
        sink: impl Fn() -> S,
        push: impl Fn(&mut S, &[u8]) -> std::io::Result<()>,
    ) -> Result<(S, String), FetchError> {
        self.retry(|| async {
            let (_, mut response) = self.send(url, &Ask::default(), None).await?;
            let (mut sink, mut hash) = (sink(), Sha256::default());
            while let Some(piece) = response.chunk().await.map_err(|source| broken(url, source))? {
                hash.update(&piece);
                push(&mut sink, &piece).map_err(|source| Attempt::Never(FetchError::Damaged { url: shown(url), source }))?;
            }
            Ok((sink, hash.finish()))
        })
        .await
    }

    async fn send(&self, url: &str, ask: &Ask, etag: Option<&str>) -> Result<(Head, reqwest::Response), Attempt> {
        let mut request = self.http.get(url);
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = &ask.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(range) = &ask.range {
            request = request.header(RANGE, range);
        }
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(|source| {
            let again = if source.is_connect() { interrupted(&source) } else { !source.is_builder() && !source.is_redirect() };
            if let (true, false, Some(server), Ok(mut unreachable)) = (source.is_connect(), again, server(url), self.unreachable.lock()) {
                unreachable.insert(server, root(&source));
            }
            let error = FetchError::Unreachable { url: shown(url), source: source.without_url() };
            if again { Attempt::Again(error) } else { Attempt::Never(error) }
        })?;
        let status = response.status();
        let header = |name: &'static str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let head =
            Head { status, etag: header(ETAG.as_str()).map(str::to_string), range: header(CONTENT_RANGE.as_str()).and_then(content_range) };
        if status.is_success() || status == StatusCode::NOT_MODIFIED && etag.is_some() {
            return Ok((head, response));
        }
        if let Some(wait) = limited(status, &header) {
            return Err(Attempt::Never(FetchError::Limited { url: shown(url), status, wait }));
        }
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Attempt::Never(FetchError::Missing { url: shown(url) }),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Attempt::Again(FetchError::Status { url: shown(url), status }),
            status if status.is_server_error() => Attempt::Again(FetchError::Status { url: shown(url), status }),
            status => Attempt::Never(FetchError::Status { url: shown(url), status }),
        })
    }

    async fn retry<T, F: Future<Output = Result<T, Attempt>>>(&self, attempt: impl Fn() -> F) -> Result<T, FetchError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let permit = self.parallel.acquire().await.expect("the semaphore is never closed");
            let result = attempt().await;
            drop(permit);
            match result {
                Ok(value) => return Ok(value),
                Err(Attempt::Never(error)) => return Err(error),
                Err(Attempt::Again(error)) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
            }
        }
    }
}

/// Until when a server answers no more, in words; `None` when it says no such thing, or when a few attempts take as long. Sources: RFC 9110,
/// 10.2.3, and docs.github.com, "Rate limits for the REST API".
fn limited<'h>(status: StatusCode, header: &impl Fn(&'static str) -> Option<&'h str>) -> Option<String> {
    if !matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        return None;
    }
    let number = |name| header(name).and_then(|value| value.trim().parse::<u64>().ok());
    let spent = number("x-ratelimit-remaining") == Some(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let reset = || number("x-ratelimit-reset").filter(|_| spent).map(|at| at.saturating_sub(now));
    match number("retry-after").or_else(reset) {
        Some(seconds) if seconds <= 5 && status == StatusCode::TOO_MANY_REQUESTS => None,
        Some(seconds) if seconds < 90 => Some(format!("for {seconds} seconds")),
        Some(seconds) => Some(format!("for {} minutes", seconds.div_ceil(60))),
        None => spent.then(|| "for a while".to_string()),
    }
}

/// A connection that broke in the middle, which is worth another attempt.
fn broken(url: &str, source: reqwest::Error) -> Attempt {
    Attempt::Again(FetchError::Unreachable { url: shown(url), source: source.without_url() })
}

struct Head {
    status: StatusCode,
    etag: Option<String>,
    /// Where a part starts, and the size of the whole.
    range: Option<(u64, u64)>,
}

/// `bytes 10-19/100`.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (part, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split_once('-')?.0.trim().parse().ok()?, size.trim().parse().ok()?))
}

/// Whether a connection broke while it was being made, which is worth another attempt; a refused or unknown host is not.
fn interrupted(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind;
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe
            )
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The server of an address, as it may be shown.
fn server(url: &str) -> Option<String> {
    let origin = reqwest::Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

/// The innermost cause of an error.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// An address as it may be shown: without user and password.
pub fn shown(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            let cleaned = parsed.set_username("").and_then(|()| parsed.set_password(None));
            if cleaned.is_ok() { parsed.to_string() } else { "an address with a password".to_string() }
        }
        Ok(_) | Err(_) => url.to_string(),
    }
}

/// A kept document: its entity tag in the first line, then the document.
async fn kept(file: &Path) -> Option<(String, Vec<u8>)> {
    let bytes = tokio::fs::read(file).await.ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((String::from_utf8(bytes[..end].to_vec()).ok()?, bytes[end + 1..].to_vec()))
}

/// Keeps a document. A cache that cannot be written is no error: the next time costs a download.
async fn keep(file: &Path, etag: &str, body: &[u8]) {
    let Some(folder) = file.parent() else { return };
    let new = file.with_extension(format!("{}.new", std::process::id()));
    let bytes = [etag.as_bytes(), b"\n", body].concat();
    let written = async {
        tokio::fs::create_dir_all(folder).await?;
        tokio::fs::write(&new, bytes).await?;
        tokio::fs::rename(&new, file).await
    };
    if written.await.is_err() {
        drop(tokio::fs::remove_file(&new).await);
    }
}
