//! Running a program: a container of its own, or another program in a running one.

use std::time::Duration;

use bollard::models::ExecConfig;
use bollard::query_parameters::{KillContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder, StopContainerOptionsBuilder};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::BodyExt;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use super::attach::{self, CopyError, Framing, Streams};
use super::container::{Listener, path_part};
use super::terminal::{self, Event, RawTerminal, Signals, Size};
use super::transport::{self, Task};
use super::{Docker, failed, status_of};
use crate::shell::engine::{Cause, EngineError, ExecRequest, Exit, Operation, RunRequest};

/// How long a program may take to end when its terminal is gone.
const GRACE_SECONDS: i32 = 5;
/// After so many SIGINT or SIGTERM, SIGKILL.
const PATIENCE: u32 = 3;
/// The API version from which the engine takes a terminal's size when a program starts; earlier ones start it with 0 × 0.
const SIZE_AT_START: (u32, u32) = (1, 42);
/// The engine looks for a key sequence in a terminal's input that detaches, and holds the start of one back; by default that takes away
/// Ctrl-P. Nothing types this: 0xFF is in no character, 16 times.
const DETACH_KEYS: &str = "%FF,%FF,%FF,%FF,%FF,%FF,%FF,%FF,%FF,%FF,%FF,%FF,%FF,%FF,%FF,%FF";
/// The same for a program in a running container, where it comes as JSON, so that only ASCII is possible: the key least used.
const EXEC_DETACH_KEY: &str = "ctrl-\\";
/// How often, and how many times, an engine is asked for an exit code that it does not know yet although the output has ended.
const ASK_AGAIN: (Duration, u32) = (Duration::from_millis(5), 1000);

/// What a started program is known as to the engine.
#[derive(Clone, Debug)]
enum Running {
    Container(String),
    Exec(String),
}

/// A started program and who talks to it.
struct Talk {
    running: Running,
    terminal: bool,
    signals: Signals,
}

impl Docker {
    /// Runs a container to its end and removes it.
    ///
    /// With a terminal, the caller's is made raw, its size follows, and a hang-up or SIGTERM stops the container. Without one, SIGINT,
    /// SIGTERM, SIGQUIT and SIGHUP reach the program; the third SIGINT or SIGTERM kills it. Do not drop this before it is done: the
    /// container would stay.
    ///
    /// # Errors
    /// [`EngineError::NoImage`], or when the engine cannot create, attach to or start the container; then it is removed again.
    pub async fn run(&self, request: &RunRequest<'_>, streams: Streams) -> Result<Exit, EngineError> {
        let launch = request.launch;
        // From here on a signal waits for the container instead of ending this process and leaving it behind.
        let signals = Signals::listen().map_err(|cause| failed(Operation::Terminal(launch.name.clone()), cause))?;
        let size = if launch.terminal && self.api >= SIZE_AT_START { terminal::size() } else { None };
        let id = self.create(request, Listener::Attached { size }).await?;
        let code = self.attached(request, &id, size, signals, streams).await;
        let removed = self.remove(&launch.name, &request.private).await;
        Ok(Exit { code: code?, left_behind: removed.err() })
    }

    async fn attached(
        &self,
        request: &RunRequest<'_>,
        id: &str,
        size: Option<Size>,
        signals: Signals,
        streams: Streams,
    ) -> Result<u8, EngineError> {
        let launch = request.launch;
        let name = || launch.name.clone();
        let attach = format!("/containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1&detachKeys={DETACH_KEYS}");
        let attach = async {
            let hijacked = transport::hijack(&self.address, &attach, "tcp", HeaderMap::new(), Bytes::new()).await;
            hijacked.map_err(|cause| failed(Operation::Attach(name()), cause))
        };
        // The head of the answer means that the engine watches: an end between start and wait would otherwise be missed.
        let wait = format!("/containers/{id}/wait?condition=next-exit");
        let wait = async {
            let sent = transport::send(&self.address, Method::POST, &wait, HeaderMap::new(), Bytes::new()).await;
            sent.map_err(|cause| failed(Operation::Wait(name()), cause))
        };
        let (stream, (waiting, _connection)) = tokio::try_join!(attach, wait)?;
        let _raw = raw(launch.terminal).map_err(|cause| failed(Operation::Terminal(name()), cause))?;
        self.client.start_container(id, None).await.map_err(|error| failed(Operation::Start(name()), error))?;
        let running = Running::Container(id.to_owned());
        if launch.terminal && size.is_none() {
            self.resize(&running).await;
        }
        let ended = async {
            #[derive(serde::Deserialize)]
            struct Ended {
                #[serde(rename = "StatusCode")]
                code: i64,
            }
            let body = async {
                if !waiting.status().is_success() {
                    return Err(Cause::from(transport::refusal(waiting).await));
                }
                let body = waiting.into_body().collect().await?.to_bytes();
                Ok(serde_json::from_slice::<Ended>(&body)?.code)
            };
            body.await.map(exit_code).map_err(|cause| failed(Operation::Wait(name()), cause))
        };
        let talk = Talk { running, terminal: launch.terminal, signals };
        self.converse(talk, stream, streams, ended).await?.map_err(|cause| failed(Operation::Attach(name()), cause))
    }

    /// Runs a program in a running container. The engine has no way to signal it: when the caller is asked to end or its terminal goes,
    /// this returns at once, and the program goes on until it notices that its terminal or pipe is gone.
    ///
    /// # Errors
    /// [`EngineError::NoContainer`], or when the engine cannot start the program.
    pub async fn exec(&self, request: &ExecRequest, streams: Streams) -> Result<Exit, EngineError> {
        let operation = || Operation::Exec(request.container.clone());
        let signals = Signals::listen().map_err(|cause| failed(operation(), cause))?;
        let size = if request.terminal && self.api >= SIZE_AT_START { terminal::size() } else { None };
        let console_size = size.map(|size| vec![usize::from(size.rows), usize::from(size.columns)]);
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(request.terminal),
            console_size: console_size.clone(),
            detach_keys: Some(vec![EXEC_DETACH_KEY; 16].join(",")),
            env: Some(request.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            cmd: Some(request.argv.clone()),
            user: Some(format!("{}:{}", request.user.0, request.user.1)),
            working_dir: Some(request.workdir.clone()),
            ..ExecConfig::default()
        };
        let id = match self.client.create_exec(&path_part(&request.container)?, config).await {
            Ok(created) => created.id,
            Err(error) if status_of(&error) == Some(404) => return Err(EngineError::NoContainer { name: request.container.clone() }),
            Err(error) => return Err(failed(operation(), error)),
        };
        let _raw = raw(request.terminal).map_err(|cause| failed(operation(), cause))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut words = serde_json::json!({ "Detach": false, "Tty": request.terminal });
        if let Some(size) = console_size {
            words["ConsoleSize"] = size.into();
        }
        let path = format!("/exec/{id}/start");
        let stream = transport::hijack(&self.address, &path, "tcp", headers, words.to_string().into());
        let stream = stream.await.map_err(|cause| failed(operation(), cause))?;
        let running = Running::Exec(id.clone());
        if request.terminal && size.is_none() {
            self.resize(&running).await;
        }
        let ended = async {
            for _ in 0..ASK_AGAIN.1 {
                let state = self.client.inspect_exec(&id).await.map_err(|error| failed(operation(), error))?;
                match state.exit_code {
                    Some(code) if state.running != Some(true) => return Ok(exit_code(code)),
                    Some(_) | None => tokio::time::sleep(ASK_AGAIN.0).await,
                }
            }
            Err(failed(operation(), "its output ended but it did not"))
        };
        let talk = Talk { running, terminal: request.terminal, signals };
        let code = self.converse(talk, stream, streams, ended).await?.map_err(|cause| failed(operation(), cause))?;
        Ok(Exit { code, left_behind: None })
    }

    /// Copies until the output and the program have ended, and does what the caller's signals ask for. `ended` tells the exit code; for a
    /// program in a running container it is asked once the output has ended.
    async fn converse(
        &self,
        talk: Talk,
        stream: TokioIo<Upgraded>,
        streams: Streams,
        ended: impl Future<Output = Result<u8, EngineError>>,
    ) -> Result<Result<u8, CopyError>, EngineError> {
        let Talk { running, terminal, mut signals } = talk;
        let (reader, writer) = tokio::io::split(stream);
        let Streams { input: source, mut output, mut error } = streams;
        let _feeding = attach::feed(source, writer);
        let framing = if terminal { Framing::Raw } else { Framing::Frames };
        let mut draining = std::pin::pin!(attach::drain(reader, framing, &mut *output, &mut *error));
        let mut ended = std::pin::pin!(ended);
        let (mut drained, mut code, mut asked, mut helpers) = (false, None, 0, Vec::new());
        let watched = matches!(running, Running::Container(_));
        loop {
            if let (true, Some(code)) = (drained, code) {
                return Ok(Ok(code));
            }
            tokio::select! {
                result = &mut draining, if !drained => {
                    drained = true;
                    match result {
                        Ok(()) => {}
                        // Whoever read has left, as with `… | head`: end as a program does that writes to a closed pipe.
                        Err(CopyError::Caller(_)) => helpers.extend(self.end(&running)),
                        Err(error @ CopyError::Engine(_)) => return Ok(Err(error)),
                    }
                }
                // A program may close its output long before it ends.
                result = &mut ended, if code.is_none() && (watched || drained) => code = Some(result?),
                event = signals.next() => match (event, &running) {
                    (Event::Resized, _) => self.resize(&running).await,
                    // The engine cannot send signals to it.
                    (Event::Signal(signal) | Event::HungUp(signal), Running::Exec(_)) => return Ok(Ok(128 + signal.number)),
                    (Event::Signal(signal), Running::Container(id)) if !terminal => {
                        asked += 1;
                        self.signal(id, if asked >= PATIENCE { "SIGKILL" } else { signal.name }).await;
                    }
                    (Event::Signal(signal) | Event::HungUp(signal), Running::Container(id)) => {
                        if !terminal {
                            self.signal(id, signal.name).await;
                        }
                        helpers.extend(self.end(&running));
                    }
                },
            }
        }
    }

    /// Stops a container beside the copying of its output: a program that cannot write cannot end.
    fn end(&self, running: &Running) -> Option<Task> {
        match running {
            Running::Container(id) => {
                let (client, id) = (self.client.clone(), id.clone());
                Some(Task::spawn(async move {
                    let options = StopContainerOptionsBuilder::new().t(GRACE_SECONDS).build();
                    // It may have ended by itself; removal comes next in any case.
                    let _ = client.stop_container(&id, Some(options)).await;
                }))
            }
            Running::Exec(_) => None,
        }
    }

    /// Sends a signal. A program that has ended meanwhile is no error.
    async fn signal(&self, id: &str, signal: &str) {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let _ = self.client.kill_container(id, Some(options)).await;
    }

    /// Tells the program the size of the caller's terminal. One that has ended meanwhile is no error.
    async fn resize(&self, running: &Running) {
        let Some(Size { rows, columns }) = terminal::size() else { return };
        match running {
            Running::Container(id) => {
                let options = ResizeContainerTTYOptionsBuilder::new().h(rows.into()).w(columns.into()).build();
                let _ = self.client.resize_container_tty(id, options).await;
            }
            Running::Exec(id) => {
                let options = bollard::exec::ResizeExecOptions { height: rows, width: columns };
                let _ = self.client.resize_exec(id, options).await;
            }
        }
    }
}

fn raw(terminal: bool) -> std::io::Result<Option<RawTerminal>> {
    if terminal { RawTerminal::enter().map(Some) } else { Ok(None) }
}

/// What a process can exit with; the engine says nothing else, except for what it could not start.
fn exit_code(code: i64) -> u8 {
    u8::try_from(code).unwrap_or(255)
}
