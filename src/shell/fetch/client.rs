//! HTTP: a few requests at a time, with retries, time limits and a cache on disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_RANGE, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE, WWW_AUTHENTICATE};
use silo::digest::Sha256;
use silo::spec::Mirrors;
use tokio::sync::Semaphore;

use super::cache::{Cache, Terms, Validators, now};
use super::endpoint::{Surroundings, Transport};
use super::login::{Login, Logins};
use super::session::Event;
use super::wait::{self, Turns};

/// How many requests run at the same time.
const PARALLEL: usize = 16;

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
        /// For how long, in words.
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
    /// Nothing is asked, and this was not kept.
    #[error("{url} is not among what was kept of servers' answers, and silo is offline")]
    Offline {
        /// The address, without a password.
        url: String,
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
    /// As whom.
    pub login: Login,
    /// The `Range` header.
    pub range: Option<String>,
    /// Leaves of an answer what is read of it, before it is kept and given; where it leaves nothing, all is.
    pub reduce: Option<Reduce>,
}

/// Leaves of a document what is read of it; nothing when it is not understood.
pub type Reduce = fn(&[u8]) -> Option<Vec<u8>>;

/// Where a request goes, and as whom.
struct Way {
    /// The address, at a mirror where there is one.
    url: String,
    /// The same as it may be shown.
    shown: String,
    /// Its server.
    server: String,
    /// The `Authorization` header.
    authorization: Option<String>,
}

impl Way {
    /// Under which key an answer is kept: by where it came from, since a mirror is not what it is a mirror of. What one caller may read is not
    /// another's: who asks is a part of it.
    fn key(&self, ask: &Ask) -> String {
        let Ask { accept, login: _, range, reduce } = ask;
        format!("document\n{}\n{accept:?}\n{:?}\n{range:?}\n{}", self.url, self.authorization, reduce.is_some())
    }
}

/// What is done with an answer that is kept and still good by what its server said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is used.
    Trusted,
    /// The server is asked whether it changed.
    Asked,
    /// It is used however old it is, and no server is asked for anything.
    Kept,
}

/// Whether servers may be asked: registries, archives of distributions, everything else that is not on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Servers {
    /// They may.
    #[default]
    Asked,
    /// They may not: silo is offline.
    LeftAlone,
}

/// A client of HTTP.
pub struct Client<'a> {
    http: reqwest::Client,
    cache: Option<Arc<Cache>>,
    freshness: Freshness,
    parallel: Semaphore,
    /// Servers to which no connection could be made, and why.
    unreachable: Mutex<BTreeMap<String, String>>,
    mirrors: Mirrors,
    logins: Logins,
    turns: Turns,
    progress: Option<&'a (dyn Fn(Event) + Sync)>,
}

enum Attempt {
    Again(FetchError),
    /// When so many seconds are over, if it is known.
    Later(Option<u64>, StatusCode),
    Never(FetchError),
}

impl<'a> Client<'a> {
    /// A client that keeps answers in a folder. Proxies come from the usual variables, trusted authorities from the system or
    /// `SSL_CERT_FILE`.
    pub fn new(cache: Option<PathBuf>, freshness: Freshness) -> Result<Client<'a>, FetchError> {
        Ok(Client {
            http: http(&Transport::default())?,
            cache: cache.map(|folder| Arc::new(Cache::new(folder))),
            freshness,
            parallel: Semaphore::new(PARALLEL),
            unreachable: Mutex::default(),
            mirrors: Mirrors::default(),
            logins: Logins::default(),
            turns: Turns::default(),
            progress: None,
        })
    }

    /// The same with the caller's mirrors and logins.
    pub fn of(self, surroundings: &Surroundings) -> Client<'a> {
        Client { mirrors: surroundings.mirrors.clone(), logins: Logins::of(surroundings), ..self }
    }

    /// The same, telling what it waits for.
    pub fn telling(self, progress: &'a (dyn Fn(Event) + Sync)) -> Client<'a> {
        Client { progress: Some(progress), ..self }
    }

    /// Another one for the same run, of which the servers are reached otherwise.
    pub fn over(&self, transport: &Transport) -> Result<Client<'a>, FetchError> {
        Ok(Client {
            http: http(transport)?,
            cache: self.cache.clone(),
            freshness: self.freshness,
            parallel: Semaphore::new(PARALLEL),
            unreachable: Mutex::default(),
            mirrors: self.mirrors.clone(),
            logins: self.logins.clone(),
            turns: Turns::default(),
            progress: self.progress,
        })
    }

    /// Where what is at an address is fetched from.
    pub fn address(&self, url: &str) -> String {
        self.mirrors.address(url).unwrap_or_else(|| url.to_string())
    }

    fn way(&self, url: &str, login: &Login) -> Way {
        let mirror = self.mirrors.address(url);
        let address = mirror.as_deref().unwrap_or(url);
        let parsed = reqwest::Url::parse(address).ok();
        let from_file = || {
            let url = parsed.as_ref().filter(|url| url.username().is_empty() && url.password().is_none())?;
            self.logins.header(url.host_str()?)
        };
        let authorization = match login {
            // What was meant for one server is nothing for another.
            Login::Header { url, text } if server(url) == server(address) => Some(text.clone()),
            Login::Header { url: _, text: _ } | Login::File => from_file(),
            Login::Nobody => None,
        };
        let shown = match &mirror {
            Some(mirror) => format!("{} (the mirror of {})", shown(mirror), shown(url)),
            None => shown(url),
        };
        Way { shown, server: server(address).unwrap_or_default(), authorization, url: address.to_string() }
    }

    /// The server of an address and why no connection to it could be made, when one was tried in vain.
    pub fn unreachable(&self, url: &str) -> Option<(String, String)> {
        let server = server(&self.address(url))?;
        let why = self.unreachable.lock().ok()?.get(&server)?.clone();
        Some((server, why))
    }

    /// The cache.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_deref()
    }

    /// A document that is kept and may be used without asking its server.
    pub async fn fresh(&self, url: &str, ask: &Ask) -> Option<Vec<u8>> {
        let key = self.way(url, &ask.login).key(ask);
        let entry = match (&self.cache, self.freshness) {
            (Some(cache), Freshness::Trusted) => cache.read(&key).await.filter(|entry| entry.fresh),
            (Some(cache), Freshness::Kept) => cache.read(&key).await,
            (Some(_), Freshness::Asked) | (None, _) => None,
        };
        entry.map(|entry| entry.body)
    }

    /// Fetches a document.
    pub async fn get(&self, url: &str, ask: &Ask) -> Result<Vec<u8>, FetchError> {
        self.get_as(url, ask, self.freshness).await
    }

    /// Whether it asks no server.
    pub fn is_offline(&self) -> bool {
        self.freshness == Freshness::Kept
    }

    /// Fetches a document; an answer that is kept and fresh is used or not, whatever a client that asks servers does otherwise.
    pub async fn get_as(&self, url: &str, ask: &Ask, freshness: Freshness) -> Result<Vec<u8>, FetchError> {
        let way = &self.way(url, &ask.login);
        let fetch = |validators: Validators| async move {
            let (head, body) = self.retry(way, || self.document(way, ask, &validators)).await?;
            let body = ask.reduce.and_then(|reduce| reduce(&body)).unwrap_or(body);
            Ok((head.terms, (head.status != StatusCode::NOT_MODIFIED).then_some(body)))
        };
        self.through(&way.key(ask), freshness, fetch).await
    }

    /// What is kept under a key and good, or what is fetched. `fetch` gets what to ask with whether the kept one changed; it answers nothing
    /// when it did not.
    async fn through<F>(&self, key: &str, freshness: Freshness, fetch: impl Fn(Validators) -> F) -> Result<Vec<u8>, FetchError>
    where
        F: Future<Output = Result<(Terms, Option<Vec<u8>>), FetchError>>,
    {
        let Some(cache) = &self.cache else {
            return Ok(fetch(Validators::default()).await?.1.unwrap_or_default());
        };
        let freshness = if self.is_offline() { Freshness::Kept } else { freshness };
        let kept = match (cache.read(key).await, freshness) {
            (Some(entry), Freshness::Kept) => return Ok(entry.body),
            (Some(entry), Freshness::Trusted) if entry.fresh => return Ok(entry.body),
            (kept, Freshness::Trusted | Freshness::Asked | Freshness::Kept) => kept,
        };
        let validators = kept.as_ref().map(|entry| entry.validators.clone()).unwrap_or_default();
        let (terms, body) = match (fetch(validators).await?, kept) {
            ((terms, None), Some(kept)) => (terms.confirming(&kept), kept.body),
            ((terms, body), _) => (terms, body.unwrap_or_default()),
        };
        cache.write(key, &terms, &body).await;
        Ok(body)
    }

    async fn document(&self, way: &Way, ask: &Ask, validators: &Validators) -> Result<(Head, Vec<u8>), Attempt> {
        let (head, mut response) = self.send(way, ask, validators).await?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|source| broken(way, source))? {
            if body.len() + piece.len() > DOCUMENT {
                return Err(Attempt::Never(FetchError::TooLarge { url: way.shown.clone(), limit: DOCUMENT }));
            }
            body.extend_from_slice(&piece);
        }
        Ok((head, body))
    }

    /// Fetches a part of something: `bytes=0-9`, or `bytes=-10` for the end. Returns where it starts, the size of the whole, and the part,
    /// which is the whole when the server knows no parts. Nothing of it is kept. Source: RFC 9110, 14.
    pub async fn part(&self, url: &str, range: &str) -> Result<(u64, u64, Vec<u8>), FetchError> {
        let ask = |range: Option<&str>| Ask { range: range.map(str::to_string), ..Ask::default() };
        let (some, all, none) = (ask(Some(range)), ask(None), Validators::default());
        let way = &self.way(url, &some.login);
        let (head, body) = match self.retry(way, || self.document(way, &some, &none)).await {
            Err(FetchError::Status { url: _, status: StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_IMPLEMENTED }) => {
                self.retry(way, || self.document(way, &all, &none)).await?
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
        let ask = Ask::default();
        let (sink, digest, _) = self.pieces(&self.way(url, &ask.login), &ask, &Validators::default(), sink, push).await?;
        Ok((sink, digest))
    }

    /// As [`Client::stream`], with more to ask than the address; without the SHA-256.
    pub async fn stream_as<S>(
        &self,
        url: &str,
        ask: &Ask,
        sink: impl Fn() -> S,
        push: impl Fn(&mut S, &[u8]) -> std::io::Result<()>,
    ) -> Result<S, FetchError> {
        let (sink, _, _) = self.pieces(&self.way(url, &ask.login), ask, &Validators::default(), sink, push).await?;
        Ok(sink)
    }

    /// The SHA-256 of what is at an address. It is kept; what has it is not.
    pub async fn digest(&self, url: &str) -> Result<String, FetchError> {
        let way = &self.way(url, &Login::File);
        let fetch = |validators: Validators| async move {
            let ((), digest, head) = self.pieces(way, &Ask::default(), &validators, || (), |(), _| Ok(())).await?;
            Ok((head.terms, (head.status != StatusCode::NOT_MODIFIED).then(|| digest.into_bytes())))
        };
        let digest = self.through(&format!("digest\n{}\n{:?}", way.url, way.authorization), self.freshness, fetch).await?;
        Ok(String::from_utf8_lossy(&digest).into_owned())
    }

    async fn pieces<S>(
        &self,
        way: &Way,
        ask: &Ask,
        validators: &Validators,
        sink: impl Fn() -> S,
        push: impl Fn(&mut S, &[u8]) -> std::io::Result<()>,
    ) -> Result<(S, String, Head), FetchError> {
        self.retry(way, || async {
            let (head, mut response) = self.send(way, ask, validators).await?;
            let (mut sink, mut hash) = (sink(), Sha256::default());
            while let Some(piece) = response.chunk().await.map_err(|source| broken(way, source))? {
                hash.update(&piece);
                push(&mut sink, &piece).map_err(|source| Attempt::Never(FetchError::Damaged { url: way.shown.clone(), source }))?;
            }
            Ok((sink, hash.finish(), head))
        })
        .await
    }

    /// What a server wants of whoever asks, none when it answers everybody. Source: RFC 9110, 11.6.1.
    pub async fn challenges(&self, url: &str) -> Result<Vec<String>, FetchError> {
        let way = &self.way(url, &Login::Nobody);
        self.retry(way, || async {
            let response = self.dispatch(way, self.http.get(&way.url)).await?;
            let text = |value: &reqwest::header::HeaderValue| value.to_str().ok().map(str::to_string);
            match response.status() {
                StatusCode::UNAUTHORIZED => Ok(response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(text).collect()),
                status if status.is_server_error() => Err(Attempt::Again(FetchError::Status { url: way.shown.clone(), status })),
                _ => Ok(Vec::new()),
            }
        })
        .await
    }

    /// Sends the fields of a form and returns the answer, of which nothing is kept.
    pub async fn submit(&self, url: &str, fields: &[(&str, &str)]) -> Result<Vec<u8>, FetchError> {
        let way = &self.way(url, &Login::Nobody);
        self.retry(way, || async {
            let response = self.dispatch(way, self.http.post(&way.url).form(fields)).await?;
            let status = response.status();
            if !status.is_success() {
                return Err(Attempt::Never(FetchError::Status { url: way.shown.clone(), status }));
            }
            Ok(response.bytes().await.map_err(|source| broken(way, source))?.to_vec())
        })
        .await
    }

    /// The one place from which anything goes to a server.
    async fn dispatch(&self, way: &Way, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Attempt> {
        if self.is_offline() {
            return Err(Attempt::Never(FetchError::Offline { url: way.shown.clone() }));
        }
        request.send().await.map_err(|source| {
            let again = if source.is_connect() { interrupted(&source) } else { !source.is_builder() && !source.is_redirect() };
            if let (true, false, Ok(mut unreachable)) = (source.is_connect(), again, self.unreachable.lock()) {
                unreachable.insert(way.server.clone(), root(&source));
            }
            let error = FetchError::Unreachable { url: way.shown.clone(), source: source.without_url() };
            if again { Attempt::Again(error) } else { Attempt::Never(error) }
        })
    }

    async fn send(&self, way: &Way, ask: &Ask, validators: &Validators) -> Result<(Head, reqwest::Response), Attempt> {
        let Ask { accept, login: _, range, reduce: _ } = ask;
        let mut request = self.http.get(&way.url);
        if let Some(accept) = accept {
            request = request.header(ACCEPT, *accept);
        }
        // A redirection to another server is followed without it, by reqwest's own rule.
        if let Some(authorization) = &way.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        // With an entity tag the date is of no use. Source: RFC 9110, 13.1.3.
        match validators {
            Validators { etag: Some(etag), modified: _ } => request = request.header(IF_NONE_MATCH, etag),
            Validators { etag: None, modified: Some(modified) } => request = request.header(IF_MODIFIED_SINCE, modified),
            Validators { etag: None, modified: None } => {}
        }
        let url = || way.shown.clone();
        let response = self.dispatch(way, request).await?;
        let (status, headers): (StatusCode, &HeaderMap) = (response.status(), response.headers());
        let range = headers.get(CONTENT_RANGE).and_then(|value| content_range(value.to_str().ok()?));
        let head = Head { status, terms: Terms::read(headers, now()), range };
        if status.is_success() || status == StatusCode::NOT_MODIFIED && *validators != Validators::default() {
            return Ok((head, response));
        }
        if let Some(seconds) = wait::limit(status, headers, now()) {
            return Err(Attempt::Later(seconds, status));
        }
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Attempt::Never(FetchError::Missing { url: url() }),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Attempt::Again(FetchError::Status { url: url(), status }),
            status if status.is_server_error() => Attempt::Again(FetchError::Status { url: url(), status }),
            status => Attempt::Never(FetchError::Status { url: url(), status }),
        })
    }

    async fn retry<T, F: Future<Output = Result<T, Attempt>>>(&self, way: &Way, attempt: impl Fn() -> F) -> Result<T, FetchError> {
        let mut attempts = 0;
        loop {
            while let Some(wait) = self.turns.ahead(&way.server, Instant::now()) {
                tokio::time::sleep(wait).await;
            }
            let permit = self.parallel.acquire().await.expect("the semaphore is never closed");
            let result = attempt().await;
            drop(permit);
            match result {
                Ok(value) => return Ok(value),
                Err(Attempt::Never(error)) => return Err(error),
                Err(Attempt::Again(error)) => {
                    attempts += 1;
                    let Some(pause) = wait::pause(attempts, fastrand::f64()) else { return Err(error) };
                    tokio::time::sleep(pause).await;
                }
                Err(Attempt::Later(seconds, status)) => {
                    let booked = seconds.and_then(|seconds| self.turns.book(&way.server, Duration::from_secs(seconds), Instant::now()));
                    let Some(wait) = booked else {
                        return Err(FetchError::Limited { url: way.shown.clone(), status, wait: wait::words(seconds, now()) });
                    };
                    if let Some(progress) = self.progress {
                        progress(Event::Waiting { server: way.server.clone(), seconds: wait.as_secs_f64().ceil() as u64 });
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

fn http(transport: &Transport) -> Result<reqwest::Client, FetchError> {
    let Transport { authorities, proxy, direct } = transport;
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("silo/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(60));
    if let Some(text) = authorities {
        let list = reqwest::Certificate::from_pem_bundle(text).map_err(FetchError::Setup)?;
        builder = list.into_iter().fold(builder.tls_built_in_root_certs(false), reqwest::ClientBuilder::add_root_certificate);
    }
    if let Some(proxy) = proxy {
        let direct = direct.as_deref().map_or_else(reqwest::NoProxy::from_env, reqwest::NoProxy::from_string);
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(FetchError::Setup)?.no_proxy(direct));
    }
    builder.build().map_err(FetchError::Setup)
}

/// A connection that broke in the middle, which is worth another attempt.
fn broken(way: &Way, source: reqwest::Error) -> Attempt {
    Attempt::Again(FetchError::Unreachable { url: way.shown.clone(), source: source.without_url() })
}

struct Head {
    status: StatusCode,
    terms: Terms,
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
