//! Input and output of a program in a container: bytes copied as they are.

use std::io;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use super::transport::Task;

/// Bytes copied at once.
const CHUNK: usize = 32 * 1024;

/// Where a program's input comes from and its output goes.
pub struct Streams {
    /// Standard input.
    pub input: Box<dyn AsyncRead + Send + Unpin>,
    /// Standard output; with a terminal, everything.
    pub output: Box<dyn AsyncWrite + Send + Unpin>,
    /// Standard error.
    pub error: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Streams {
    /// This process's own. A thread may go on reading standard input afterwards: end the process with `std::process::exit`.
    pub fn standard() -> Streams {
        Streams { input: Box::new(tokio::io::stdin()), output: Box::new(tokio::io::stdout()), error: Box::new(tokio::io::stderr()) }
    }
}

/// How output comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// As it is: a terminal's.
    Raw,
    /// In frames that say whether they are standard output or standard error.
    Frames,
}

/// Why copying ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// The engine's side.
    #[error("the connection to the program's output broke")]
    Engine(#[source] io::Error),
    /// The caller's side.
    #[error("nobody reads the output any more")]
    Caller(#[source] io::Error),
}

/// Copies input until it ends, then tells the program that it did.
pub(super) fn feed(mut input: Box<dyn AsyncRead + Send + Unpin>, mut engine: WriteHalf<TokioIo<Upgraded>>) -> Task {
    Task::spawn(async move {
        // A program that no longer reads is no error; its end is told elsewhere.
        if tokio::io::copy(&mut input, &mut engine).await.is_ok() {
            let _ = engine.shutdown().await;
        }
        // Dropping the half changes nothing for the other one; keep it until the task is dropped.
        std::future::pending::<()>().await;
    })
}

/// Copies output until it ends.
pub(super) async fn drain(
    mut engine: ReadHalf<TokioIo<Upgraded>>,
    framing: Framing,
    output: &mut (dyn AsyncWrite + Send + Unpin),
    error: &mut (dyn AsyncWrite + Send + Unpin),
) -> Result<(), CopyError> {
    let mut buffer = vec![0; CHUNK];
    let mut frames = Frames::default();
    loop {
        let read = engine.read(&mut buffer).await.map_err(CopyError::Engine)?;
        if read == 0 {
            return Ok(());
        }
        match framing {
            Framing::Raw => write(output, &buffer[..read]).await?,
            Framing::Frames => {
                for (target, piece) in frames.split(&buffer[..read]).map_err(CopyError::Engine)? {
                    match target {
                        Target::Output => write(output, piece).await?,
                        Target::Error => write(error, piece).await?,
                    }
                }
            }
        }
    }
}

async fn write(target: &mut (dyn AsyncWrite + Send + Unpin), bytes: &[u8]) -> Result<(), CopyError> {
    target.write_all(bytes).await.map_err(CopyError::Caller)?;
    target.flush().await.map_err(CopyError::Caller)
}

/// What a frame is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Target {
    #[default]
    Output,
    Error,
}

/// Takes frames apart: a byte that says what it is, three zeros, the length as four bytes, most significant first, the bytes.
#[derive(Default)]
struct Frames {
    head: Vec<u8>,
    target: Target,
    /// Bytes of the current frame that are still to come.
    left: usize,
}

impl Frames {
    /// Splits what was read into pieces, whole frames or not.
    fn split<'a>(&mut self, mut bytes: &'a [u8]) -> io::Result<Vec<(Target, &'a [u8])>> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            if self.left == 0 {
                let (head, rest) = bytes.split_at(bytes.len().min(8 - self.head.len()));
                self.head.extend_from_slice(head);
                bytes = rest;
                if let [kind, 0, 0, 0, a, b, c, d] = self.head[..] {
                    self.target = match kind {
                        0 | 1 => Target::Output,
                        2 => Target::Error,
                        _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame of an unknown kind")),
                    };
                    self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                    self.head.clear();
                } else if self.head.len() == 8 {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "output that is not in frames"));
                }
            } else {
                let (piece, rest) = bytes.split_at(bytes.len().min(self.left));
                pieces.push((self.target, piece));
                self.left -= piece.len();
                bytes = rest;
            }
        }
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests;
