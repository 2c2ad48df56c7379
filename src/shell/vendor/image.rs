//! Images of registries in the folder of vendored files, which is an OCI image layout too: `oci-layout`, `index.json` and `blobs/sha256/HASH`.
//! Source: github.com/opencontainers/image-spec, image-layout.md.
//!
//! The lock names an image by the digest of its index, or of its only manifest. Everything else is found from there, each document by its hash,
//! so `index.json` is for other programs alone.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use oci_spec::image::{Arch as Processor, Descriptor, ImageIndex, ImageManifest, MediaType, Os};
use serde_json::{Value, json};
use silo::digest::{Algorithm, Digest};
use silo::lock::LockedBase;
use silo::spec::{Arch, BaseFrom};

use super::{Held, Store, look};
use crate::shell::engine::differs;
use crate::shell::files;

/// The folder of what an image is made of.
const BLOBS: &str = "blobs";
/// The list of the layout's images.
const INDEX: &str = "index.json";
/// What says that the folder is a layout.
const LAYOUT: &str = "oci-layout";
/// Its version.
const VERSION: &str = "1.0.0";
/// Under which name an image is listed.
const NAME: &str = "org.opencontainers.image.ref.name";
/// Documents are smaller than this. Source: github.com/opencontainers/distribution-spec, "Pushing Manifests".
pub const DOCUMENT: u64 = 4 << 20;

/// The hash that a text like `sha256:…` is.
pub fn digest(text: &str) -> Option<Digest> {
    let (word, digits) = text.split_once(':')?;
    Digest::new(Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)?, digits)
}

/// What a document of an image leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leads {
    /// An index, to the manifest for a platform.
    Manifest(Digest),
    /// An index, to nothing for a platform.
    Nowhere,
    /// A manifest, to an image's parts.
    Parts(Parts),
}

/// What an image is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Its configuration.
    pub config: Digest,
    /// Its layers, the lowest first.
    pub layers: Vec<Digest>,
}

impl Parts {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Digest> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}

/// Reads an index or a manifest; what is wrong with it, if it is neither.
pub fn read(bytes: &[u8], arch: Arch) -> Result<Leads, String> {
    let known = |descriptor: &Descriptor| digest(descriptor.digest().as_ref()).ok_or(format!("`{}` is no hash", descriptor.digest()));
    if is_index(bytes) {
        let index: ImageIndex = serde_json::from_slice(bytes).map_err(|error| format!("it is no index of an image: {error}"))?;
        let fits = |descriptor: &&Descriptor| {
            descriptor
                .platform()
                .as_ref()
                .is_some_and(|platform| *platform.os() == Os::Linux && *platform.architecture() == Processor::from(arch.as_str()))
        };
        return index.manifests().iter().find(fits).map_or(Ok(Leads::Nowhere), |found| Ok(Leads::Manifest(known(found)?)));
    }
    let manifest: ImageManifest = serde_json::from_slice(bytes).map_err(|error| format!("it is no manifest of an image: {error}"))?;
    let layers = manifest.layers().iter().map(known).collect::<Result<_, _>>()?;
    Ok(Leads::Parts(Parts { config: known(manifest.config())?, layers }))
}

fn is_index(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|value| value.get("manifests").is_some())
}

/// Whether the configuration of an image is that of one for an architecture.
pub fn is_for(config: &[u8], arch: Arch) -> bool {
    let value: Value = serde_json::from_slice(config).unwrap_or_default();
    value["os"] == "linux" && value["architecture"] == arch.as_str()
}

/// How it stands with an image in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All of it is there; only documents were read.
    Whole(Parts),
    /// The image is for other platforms alone.
    Nowhere,
    /// A part is not there.
    Lacking(Digest),
    /// A document is not what its name says, or nothing that is understood: the file, and why.
    Damaged(PathBuf, String),
}

impl Store {
    /// Where a part of an image is, or would be.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm).join(&digest.hex)
    }

    /// The folder of parts that are known by hashes of one kind.
    pub fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.folder.join(BLOBS).join(algorithm.as_str())
    }

    /// Whether a part of an image is there, without reading it.
    fn has(&self, digest: &Digest) -> bool {
        self.blob(digest).is_file()
    }

    /// A document of an image, after a look whether it is the one that its name says.
    fn document(&self, digest: &Digest) -> Result<Vec<u8>, Standing> {
        let path = self.blob(digest);
        let damaged = |why: String| Standing::Damaged(path.clone(), why);
        match look(&path, digest) {
            Ok(Held::Sound(size)) if size <= DOCUMENT => fs::read(&path).map_err(|error| damaged(error.to_string())),
            Ok(Held::Sound(size)) => Err(damaged(format!("it has {size} bytes, which no document of an image has"))),
            Ok(Held::Missing) => Err(Standing::Lacking(digest.clone())),
            Ok(Held::Damaged(found)) => Err(damaged(differs(digest, &found))),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    /// The image that a lock names, for an architecture.
    pub fn image(&self, base: &LockedBase, arch: Arch) -> Standing {
        let walk = || {
            let Some(named) = digest(&base.digest) else { return Err(Standing::Nowhere) };
            let read = |digest: &Digest| read(&self.document(digest)?, arch).map_err(|why| Standing::Damaged(self.blob(digest), why));
            let parts = match read(&named)? {
                Leads::Parts(parts) => parts,
                Leads::Nowhere => return Err(Standing::Nowhere),
                Leads::Manifest(manifest) => match read(&manifest)? {
                    Leads::Parts(parts) => parts,
                    Leads::Nowhere | Leads::Manifest(_) => {
                        return Err(Standing::Damaged(self.blob(&manifest), "it is no manifest of an image".to_string()));
                    }
                },
            };
            if !is_for(&self.document(&parts.config)?, arch) {
                return Err(Standing::Nowhere);
            }
            let lacking = parts.all().find(|part| !self.has(part)).cloned();
            lacking.map_or(Ok(parts), |lacking| Err(Standing::Lacking(lacking)))
        };
        walk().map_or_else(|standing| standing, Standing::Whole)
    }

    /// Every part of the images of a lock that is there, for any architecture.
    pub fn parts(&self, bases: &[&LockedBase]) -> BTreeSet<Digest> {
        let mut found = BTreeSet::new();
        for base in bases {
            match base.from {
                BaseFrom::Registry => {}
                BaseFrom::Bootstrap => continue,
            }
            let mut left: Vec<(Digest, Arch)> = Arch::ALL.into_iter().filter_map(|arch| Some((digest(&base.digest)?, arch))).collect();
            while let Some((digest, arch)) = left.pop() {
                match self.document(&digest).ok().and_then(|bytes| read(&bytes, arch).ok()) {
                    Some(Leads::Manifest(manifest)) => left.push((manifest, arch)),
                    Some(Leads::Parts(parts)) => found.extend(parts.all().cloned()),
                    Some(Leads::Nowhere) | None => {}
                }
                found.insert(digest);
            }
        }
        found
    }

    /// Lists an image in the layout, of which the document that the lock names is there.
    pub fn list(&self, base: &LockedBase) -> io::Result<()> {
        let Some(named) = digest(&base.digest) else { return Ok(()) };
        let bytes = fs::read(self.blob(&named))?;
        let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let usual = if is_index(&bytes) { MediaType::ImageIndex } else { MediaType::ImageManifest };
        let media = said["mediaType"].as_str().map_or(usual, MediaType::from);
        let Ok(oci) = oci_spec::image::Digest::try_from(named.to_string()) else { return Ok(()) };
        let mut descriptor = Descriptor::new(media, bytes.len() as u64, oci);
        descriptor.set_annotations(Some(std::iter::once((NAME.to_string(), base.reference.clone())).collect()));
        let mut index = self.index()?;
        if index.manifests().contains(&descriptor) {
            return Ok(());
        }
        let mut listed = index.manifests().clone();
        listed.push(descriptor);
        listed.sort_by(|one, other| one.digest().as_ref().cmp(other.digest().as_ref()));
        index.set_manifests(listed);
        let layout = json!({ "imageLayoutVersion": VERSION });
        files::write_atomically(&self.folder.join(LAYOUT), layout.to_string().as_bytes())?;
        self.write_index(&index)
    }

    /// Takes out of the layout's list what is none of some parts.
    pub fn unlist(&self, parts: &BTreeSet<Digest>) -> io::Result<()> {
        let mut index = self.index()?;
        let mut listed = index.manifests().clone();
        listed.retain(|listed| digest(listed.digest().as_ref()).is_some_and(|digest| parts.contains(&digest)));
        if listed.len() == index.manifests().len() {
            return Ok(());
        }
        index.set_manifests(listed);
        self.write_index(&index)
    }

    /// The layout's list; an empty one when there is none.
    fn index(&self) -> io::Result<ImageIndex> {
        match fs::read(self.folder.join(INDEX)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut index = ImageIndex::default();
                index.set_media_type(Some(MediaType::ImageIndex));
                Ok(index)
            }
            Err(error) => Err(error),
        }
    }

    fn write_index(&self, index: &ImageIndex) -> io::Result<()> {
        files::write_atomically(&self.folder.join(INDEX), &serde_json::to_vec_pretty(index)?)
    }
}
