//! SHA-256, by which silo knows things, and what others publish instead: SHA-512, and the hashes of Go's modules.

pub mod go;

use std::fmt;

/// The SHA-256 of some bytes in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut hash = Sha256::default();
    hash.update(bytes);
    hash.finish()
}

/// A hash of bytes that come one piece after the other.
#[derive(Clone, Debug, Default)]
pub struct Pieces<D>(D);

/// A SHA-256 of them.
pub type Sha256 = Pieces<sha2::Sha256>;

/// A SHA-512 of them.
pub type Sha512 = Pieces<sha2::Sha512>;

impl<D: sha2::Digest> Pieces<D> {
    /// Adds a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces in lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// How a file is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// That of the archive of a module of Go: of what is in it.
    GoZip,
    /// That of a `go.mod`.
    GoMod,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 4] = [Algorithm::Sha256, Algorithm::Sha512, Algorithm::GoZip, Algorithm::GoMod];

    /// `sha256`; also the name of the folder of vendored files that are known by it.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
            Algorithm::GoZip => "go-zip",
            Algorithm::GoMod => "go-mod",
        }
    }

    /// How many hexadecimal digits its hashes have.
    pub fn digits(self) -> usize {
        match self {
            Algorithm::Sha256 | Algorithm::GoZip | Algorithm::GoMod => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

/// The hash by which a file is known. It prints as `sha256:…`, and as `h1:…` where Go writes it so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest {
    /// How it was computed.
    pub algorithm: Algorithm,
    /// The hash in lower-case hexadecimal.
    pub hex: String,
}

impl Digest {
    /// Of digits; nothing when they are no hash of that kind.
    pub fn new(algorithm: Algorithm, digits: &str) -> Option<Digest> {
        let good = digits.len() == algorithm.digits() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        good.then(|| Digest { algorithm, hex: digits.to_ascii_lowercase() })
    }

    /// A hash of its kind, of nothing yet.
    pub fn hasher(&self) -> Hasher {
        match self.algorithm {
            Algorithm::Sha256 => Hasher::Sha256(Sha256::default()),
            Algorithm::Sha512 => Hasher::Sha512(Sha512::default()),
            Algorithm::GoZip => Hasher::GoZip(Vec::new()),
            Algorithm::GoMod => Hasher::GoMod(Sha256::default()),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.algorithm {
            Algorithm::Sha256 | Algorithm::Sha512 => write!(f, "{}:{}", self.algorithm.as_str(), self.hex),
            Algorithm::GoZip | Algorithm::GoMod => f.write_str(&go::written(&self.hex)),
        }
    }
}

/// A hash of one of the kinds, of bytes that come one piece after the other.
#[derive(Clone, Debug)]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Sha512),
    /// That of a module's archive, which is read as a whole.
    GoZip(Vec<u8>),
    /// That of a `go.mod`.
    GoMod(Sha256),
}

impl Hasher {
    /// Adds a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hash) => hash.update(bytes),
            Hasher::Sha512(hash) => hash.update(bytes),
            Hasher::GoZip(all) => all.extend_from_slice(bytes),
            Hasher::GoMod(hash) => hash.update(bytes),
        }
    }

    /// The hash of all pieces.
    pub fn finish(self) -> Digest {
        match self {
            Hasher::Sha256(hash) => Digest { algorithm: Algorithm::Sha256, hex: hash.finish() },
            Hasher::Sha512(hash) => Digest { algorithm: Algorithm::Sha512, hex: hash.finish() },
            // What is no archive is nobody's: it is known by its bytes.
            Hasher::GoZip(all) => {
                let hex = go::of_zip(&all).ok().and_then(|sum| go::digits(&sum)).unwrap_or_else(|| sha256_hex(&all));
                Digest { algorithm: Algorithm::GoZip, hex }
            }
            Hasher::GoMod(hash) => {
                let hex = go::digits(&go::of_digest(hash.finish())).unwrap_or_default();
                Digest { algorithm: Algorithm::GoMod, hex }
            }
        }
    }
}
