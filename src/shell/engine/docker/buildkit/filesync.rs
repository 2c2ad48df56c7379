//! Sending the Dockerfile and the build context from memory, and large files from the disk: BuildKit's `fsutil` protocol, sending side.
//!
//! The sender tells of every file and folder (`STAT`, numbered from 0 in the order sent), then of the end; the receiver asks for
//! contents by number (`REQ`); `DATA` packets carry them, an empty one ends a file; `FIN` goes both ways.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSync;
use silo::digest::Hasher;
use silo::plan::ContextFile;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::shell::engine::{BuildError, StoredFile, differs};

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
/// Bytes that are read from the disk at once.
const BLOCK: usize = 16 * CHUNK;

/// One file or folder, ready to be told of.
struct Entry {
    path: String,
    contents: Contents,
}

/// What is at a path.
#[derive(Clone)]
enum Contents {
    Folder,
    Memory(ContextFile),
    Disk(StoredFile),
}

/// The file on the disk because of which a build failed, and why. The engine passes on that something failed, and not what.
#[derive(Clone, Default)]
pub(super) struct Spoiled(Arc<Mutex<Option<(PathBuf, String)>>>);

impl Spoiled {
    fn note(&self, file: &StoredFile, why: &str) {
        if let Ok(mut noted) = self.0.lock() {
            noted.get_or_insert_with(|| (file.path.clone(), why.to_owned()));
        }
    }

    /// The error that this is of the build.
    pub(super) fn error(&self) -> Option<BuildError> {
        let (path, why) = self.0.lock().ok()?.take()?;
        Some(BuildError::Stored { path, source: why.into() })
    }
}

/// A folder in the order that the protocol asks for: by path components, a folder before what is in it.
#[derive(Clone)]
pub(super) struct Tree(Arc<Vec<Entry>>);

impl Tree {
    pub(super) fn new(files: &BTreeMap<String, ContextFile>, stored: &BTreeMap<String, StoredFile>) -> Tree {
        let mut entries: BTreeMap<Vec<&str>, Contents> = BTreeMap::new();
        let memory = files.iter().map(|(path, file)| (path, Contents::Memory(file.clone())));
        let disk = stored.iter().map(|(path, file)| (path, Contents::Disk(file.clone())));
        for (path, contents) in memory.chain(disk) {
            let parts: Vec<&str> = path.split('/').collect();
            for depth in 1..parts.len() {
                entries.entry(parts[..depth].to_vec()).or_insert(Contents::Folder);
            }
            entries.insert(parts, contents);
        }
        Tree(Arc::new(entries.into_iter().map(|(parts, contents)| Entry { path: parts.join("/"), contents }).collect()))
    }
}

/// What a build may read.
pub(super) struct Files {
    dockerfile: Tree,
    context: Tree,
    spoiled: Spoiled,
}

impl Files {
    pub(super) fn new(
        dockerfile: &str,
        context: &BTreeMap<String, ContextFile>,
        stored: &BTreeMap<String, StoredFile>,
        spoiled: Spoiled,
    ) -> Files {
        let file = ContextFile { mode: 0o644, bytes: dockerfile.as_bytes().to_vec() };
        let dockerfile = Tree::new(&BTreeMap::from([(DOCKERFILE.to_owned(), file)]), &BTreeMap::new());
        Files { dockerfile, context: Tree::new(context, stored), spoiled }
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
        let spoiled = self.spoiled.clone();
        tokio::spawn(async move {
            if let Err(Failure::Said(status)) = serve(&tree, request.into_inner(), &sender, &spoiled).await {
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

async fn serve(
    tree: &Tree,
    mut requests: Streaming<Packet>,
    sender: &mpsc::Sender<Result<Packet, Status>>,
    spoiled: &Spoiled,
) -> Result<(), Failure> {
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
                    match entry.map(|entry| &entry.contents) {
                        Some(Contents::Memory(file)) => {
                            for chunk in file.bytes.chunks(CHUNK) {
                                send(packet(PacketType::PacketData, None, request.id, chunk.to_vec())).await?;
                            }
                        }
                        Some(Contents::Disk(file)) => {
                            let mut reading = Reading::open(file).await.map_err(|why| spoil(spoiled, file, &why))?;
                            while let Some(block) = reading.next().await.map_err(|why| spoil(spoiled, file, &why))? {
                                for chunk in block.chunks(CHUNK) {
                                    send(packet(PacketType::PacketData, None, request.id, chunk.to_vec())).await?;
                                }
                            }
                        }
                        Some(Contents::Folder) | None => {
                            return Err(Failure::Said(Status::invalid_argument(format!("no file number {}", request.id))));
                        }
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

/// Ends a transfer because of a file on the disk.
fn spoil(spoiled: &Spoiled, file: &StoredFile, why: &str) -> Failure {
    spoiled.note(file, why);
    Failure::Said(Status::data_loss(format!("{}: {why}", file.path.display())))
}

/// A file on the disk while it is being read. Its end comes only after its hash was found to be the right one.
struct Reading<'f> {
    file: tokio::fs::File,
    expected: &'f StoredFile,
    /// `None` once the end was seen.
    hash: Option<Hasher>,
    read: u64,
}

impl<'f> Reading<'f> {
    async fn open(expected: &'f StoredFile) -> Result<Reading<'f>, String> {
        let file = tokio::fs::File::open(&expected.path).await.map_err(|error| error.to_string())?;
        Ok(Reading { file, expected, hash: Some(expected.digest.hasher()), read: 0 })
    }

    /// The next bytes; nothing at the end. What is wrong is said before the end is.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let Some(hash) = &mut self.hash else { return Ok(None) };
        let mut block = Vec::with_capacity(BLOCK);
        (&mut self.file).take(BLOCK as u64).read_to_end(&mut block).await.map_err(|error| error.to_string())?;
        hash.update(&block);
        self.read += block.len() as u64;
        // A file that grows is not told of to its new end.
        if !block.is_empty() && self.read <= self.expected.size {
            return Ok(Some(block));
        }
        let found = self.hash.take().map(Hasher::finish);
        match found {
            Some(found) if found == self.expected.digest => Ok(None),
            Some(found) => Err(differs(&self.expected.digest, &found)),
            None => Ok(None),
        }
    }
}

fn packet(kind: PacketType, stat: Option<Stat>, id: u32, data: Vec<u8>) -> Packet {
    Packet { r#type: kind.into(), stat, id, data }
}

fn stat(entry: &Entry) -> Stat {
    let length = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (mode, size) = match &entry.contents {
        Contents::Memory(file) => (file.mode & 0o777, length(file.bytes.len() as u64)),
        Contents::Disk(file) => (0o644, length(file.size)),
        Contents::Folder => (FOLDER | 0o755, 0),
    };
    Stat { path: entry.path.clone(), mode, size, mod_time: TIME, ..Stat::default() }
}
