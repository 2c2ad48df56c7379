//! `METADATA` inside a wheel, of which only pieces are at hand.
//!
//! [`metadata`] never fetches anything: it says which bytes it lacks ([`Unread::Need`]). Sources: PEP 427 (wheels), APPNOTE.TXT 6.3.10 of
//! PKWARE (zip; sizes of more than 32 bits, encryption and other methods than deflate are not understood, and no wheel's `METADATA` needs
//! them).

use std::io::Read;
use std::ops::Range;

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// How many bytes of the end are read first: what the end of a zip can be at most.
pub const TAIL: u64 = 22 + 0xffff;

/// The list of files may be as large as this, in bytes.
const DIRECTORY: u64 = 16 << 20;

/// `METADATA` may be as large as this, in bytes, packed and unpacked.
const METADATA: u64 = 4 << 20;

/// A wheel as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wheel {
    /// Its size in bytes.
    pub size: u64,
    /// Pieces with where each starts. The first one reaches to the end.
    pub parts: Vec<(u64, Vec<u8>)>,
}

/// Why `METADATA` is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// These bytes have to be read first.
    Need(Range<u64>),
    /// It is no wheel; why.
    Broken(&'static str),
}

impl Wheel {
    /// Some bytes; neither more than `limit` nor beyond the end.
    fn bytes(&self, start: u64, len: u64, limit: u64) -> Result<&[u8], Unread> {
        let end = start.checked_add(len).filter(|end| *end <= self.size && len <= limit);
        let end = end.ok_or(Unread::Broken("its parts are not where it says"))?;
        self.parts
            .iter()
            .find_map(|(at, bytes)| {
                let from = usize::try_from(start.checked_sub(*at)?).ok()?;
                bytes.get(from..from.checked_add(usize::try_from(len).ok()?)?)
            })
            .ok_or(Unread::Need(start..end))
    }
}

fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    Some(bytes.get(at..at.checked_add(len)?)?.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// A file in the list of a zip.
struct Entry {
    method: u64,
    crc: u64,
    packed: u64,
    size: u64,
    at: u64,
}

/// The text of `NAME-VERSION.dist-info/METADATA`.
pub fn metadata(wheel: &Wheel) -> Result<String, Unread> {
    let tail = wheel.size.min(TAIL);
    let bytes = wheel.bytes(wheel.size - tail, tail, TAIL)?;
    let end = (0..bytes.len())
        .rev()
        .filter_map(|at| bytes.get(at..))
        .find(|end| {
            let comment = number(end, 20, 2).and_then(|len| usize::try_from(len).ok());
            end.starts_with(b"PK\x05\x06") && comment.is_some_and(|comment| end.len() == 22 + comment)
        })
        .ok_or(Unread::Broken("it is not a zip"))?;
    let cut = || Unread::Broken("its list of files is cut off");
    let (len, start) = (number(end, 12, 4).ok_or_else(cut)?, number(end, 16, 4).ok_or_else(cut)?);
    let entry = entry(wheel.bytes(start, len, DIRECTORY)?)?;

    let head = wheel.bytes(entry.at, 30, 30)?;
    if !head.starts_with(b"PK\x03\x04") {
        return Err(Unread::Broken("its METADATA is not where it says"));
    }
    let skip = 30 + number(head, 26, 2).ok_or_else(cut)? + number(head, 28, 2).ok_or_else(cut)?;
    let packed = wheel.bytes(entry.at + skip, entry.packed, METADATA)?;
    let mut text = Vec::new();
    let read = match entry.method {
        0 => packed.take(METADATA).read_to_end(&mut text),
        8 => DeflateDecoder::new(packed).take(METADATA).read_to_end(&mut text),
        _ => return Err(Unread::Broken("its METADATA is packed in a way that is not understood")),
    };
    let mut crc = Crc::new();
    crc.update(&text);
    if read.is_err() || u64::try_from(text.len()) != Ok(entry.size) || u64::from(crc.sum()) != entry.crc {
        return Err(Unread::Broken("its METADATA is damaged"));
    }
    String::from_utf8(text).map_err(|_| Unread::Broken("its METADATA is not text"))
}

/// `METADATA` in the list of files; there has to be exactly one.
fn entry(mut list: &[u8]) -> Result<Entry, Unread> {
    let cut = || Unread::Broken("its list of files is cut off");
    let mut found = None;
    while list.starts_with(b"PK\x01\x02") {
        let field = |at, len| number(list, at, len).ok_or_else(cut);
        let length = |at| number(list, at, 2).and_then(|len| usize::try_from(len).ok()).ok_or_else(cut);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let path = list.get(46..46 + name).ok_or_else(cut)?;
        let folder = path.strip_suffix(b".dist-info/METADATA");
        if folder.is_some_and(|folder| !folder.contains(&b'/')) {
            let entry = Entry { method: field(10, 2)?, crc: field(16, 4)?, packed: field(20, 4)?, size: field(24, 4)?, at: field(42, 4)? };
            if found.replace(entry).is_some() {
                return Err(Unread::Broken("it has more than one METADATA"));
            }
        }
        list = list.get(46 + name + extra + comment..).ok_or_else(cut)?;
    }
    found.ok_or(Unread::Broken("it has no METADATA"))
}
