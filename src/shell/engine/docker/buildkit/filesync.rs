//! Sending the Dockerfile and the build context from memory: BuildKit's `fsutil` protocol, sending side.
//!
//! The sender tells of every file and folder (`STAT`, numbered from 0 in the order sent), then of the end; the receiver asks for
//! contents by number (`REQ`); `DATA` packets carry them, an empty one ends a file; `FIN` goes both ways.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSync;
use silo::plan::ContextFile;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The name under which the frontend asks for the Dockerfile's folder.
const DOCKERFILE_FOLDER: &str = "dockerfile";
/// The name under which the frontend asks for the build context.
const CONTEXT_FOLDER: &str = "context";
/// The Dockerfile's name in its folder.
pub(super) const DOCKERFILE: &str = "Dockerfile";
/// The time of every file, 1980-01-01 in nanoseconds: the first that ZIP can say. It is in no cache key.
const TIME: i64 = 315_532_800_000_000_000;
/// Go's `os.ModeDir`.
const FOLDER: u32 = 1 << 31;
/// Bytes in one packet.
const CHUNK: usize = 32 * 1024;

/// One file or folder, ready to be told of.
struct Entry {
    path: String,
    /// `None` for a folder.
    file: Option<ContextFile>,
}

/// A folder in the order that the protocol asks for: by path components, a folder before what is in it.
#[derive(Clone)]
pub(super) struct Tree(Arc<Vec<Entry>>);

impl Tree {
    pub(super) fn new(files: &BTreeMap<String, ContextFile>) -> Tree {
        let mut entries: BTreeMap<Vec<&str>, Option<&ContextFile>> = BTreeMap::new();
        for (path, file) in files {
            let parts: Vec<&str> = path.split('/').collect();
            for depth in 1..parts.len() {
                entries.entry(parts[..depth].to_vec()).or_insert(None);
            }
            entries.insert(parts, Some(file));
        }
        let entry = |(parts, file): (Vec<&str>, Option<&ContextFile>)| Entry { path: parts.join("/"), file: file.cloned() };
        Tree(Arc::new(entries.into_iter().map(entry).collect()))
    }
}

/// What a build may read.
pub(super) struct Files {
    dockerfile: Tree,
    context: Tree,
}

impl Files {
    pub(super) fn new(dockerfile: &str, context: &BTreeMap<String, ContextFile>) -> Files {
        let file = ContextFile { mode: 0o644, bytes: dockerfile.as_bytes().to_vec() };
        Files { dockerfile: Tree::new(&BTreeMap::from([(DOCKERFILE.to_owned(), file)])), context: Tree::new(context) }
    }
}

type Packets = Pin<Box<dyn Stream<Item = Result<Packet, Status>> + Send>>;

#[tonic::async_trait]
impl FileSync for Files {
    type DiffCopyStream = Packets;
    type TarStreamStream = Packets;

    /// Sends a whole folder: what the receiver's patterns leave out is only never used.
    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Result<Response<Packets>, Status> {
        let tree = match request.metadata().get("dir-name").and_then(|name| name.to_str().ok()) {
            Some(DOCKERFILE_FOLDER) => self.dockerfile.clone(),
            Some(CONTEXT_FOLDER) => self.context.clone(),
            Some(name) => return Err(Status::not_found(format!("no folder `{name}`"))),
            None => return Err(Status::invalid_argument("no folder named")),
        };
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            if let Err(Failure::Said(status)) = serve(&tree, request.into_inner(), &sender).await {
                // Nobody is left to tell when this fails too.
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn tar_stream(&self, _request: Request<Streaming<Packet>>) -> Result<Response<Packets>, Status> {
        Err(Status::unimplemented("files are sent by DiffCopy"))
    }
}

/// Why a transfer ended early.
enum Failure {
    /// The receiver left.
    Gone,
    /// Something to be told to the receiver.
    Said(Status),
}

async fn serve(tree: &Tree, mut requests: Streaming<Packet>, sender: &mpsc::Sender<Result<Packet, Status>>) -> Result<(), Failure> {
    let send = async |packet: Packet| sender.send(Ok(packet)).await.map_err(|_| Failure::Gone);
    let tell = async {
        for entry in tree.0.iter() {
            send(packet(PacketType::PacketStat, Some(stat(entry)), 0, Vec::new())).await?;
        }
        send(packet(PacketType::PacketStat, None, 0, Vec::new())).await
    };
    // The receiver asks while it is still being told, and its questions have to be taken off the wire meanwhile.
    let answer = async {
        while let Some(request) = requests.message().await.map_err(Failure::Said)? {
            match request.r#type() {
                PacketType::PacketReq => {
                    let entry = usize::try_from(request.id).ok().and_then(|number| tree.0.get(number));
                    let Some(file) = entry.and_then(|entry| entry.file.as_ref()) else {
                        return Err(Failure::Said(Status::invalid_argument(format!("no file number {}", request.id))));
                    };
                    for chunk in file.bytes.chunks(CHUNK) {
                        send(packet(PacketType::PacketData, None, request.id, chunk.to_vec())).await?;
                    }
                    send(packet(PacketType::PacketData, None, request.id, Vec::new())).await?;
                }
                PacketType::PacketFin => return send(packet(PacketType::PacketFin, None, 0, Vec::new())).await,
                PacketType::PacketErr => return Err(Failure::Gone),
                PacketType::PacketStat | PacketType::PacketData => {
                    return Err(Failure::Said(Status::invalid_argument("a packet that a receiver does not send")));
                }
            }
        }
        Ok(())
    };
    tokio::try_join!(tell, answer).map(|((), ())| ())
}

fn packet(kind: PacketType, stat: Option<Stat>, id: u32, data: Vec<u8>) -> Packet {
    Packet { r#type: kind.into(), stat, id, data }
}

fn stat(entry: &Entry) -> Stat {
    let (mode, size) = match &entry.file {
        Some(file) => (file.mode & 0o777, i64::try_from(file.bytes.len()).unwrap_or(i64::MAX)),
        None => (FOLDER | 0o755, 0),
    };
    Stat { path: entry.path.clone(), mode, size, mod_time: TIME, ..Stat::default() }
}
