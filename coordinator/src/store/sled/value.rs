//! The raw bytes of a value in sled: a format byte, a checksum, and the value; a long value is cut into chunks.
//!
//! ```text
//! short value        1 | crc32c | value
//! long value         2 | crc32c | length u32 | crc32c of the whole value
//! chunk of a value   3 | crc32c | its bytes            key: 0xFF, the value's key, index u32
//! leaf               4 | crc32c | entries              see `leaf.rs`
//! ```
//!
//! A checksum covers the format byte, the key and the rest, so a value under another's key is damage too. The checksum
//! of the whole value catches a chunk that sled has kept from an earlier value. Numbers in keys are big endian for
//! their order, all others are little endian.

use crate::store::{
    StoreError,
    key::{self, CHUNK},
};

/// Bytes of one sled value; a leaf of one large entry has the key on top. A node of sled's has up to 17 values, some
/// more while nodes merge, and a node over 128 KiB becomes a file in `blobs/`, which sled never syncs and may leak.
/// Tried: values of 6 KiB leave no such file, values of 8 KiB do.
pub(crate) const MAX_RAW_BYTES: usize = 4096;

/// Bytes of the format and the checksum.
pub(crate) const HEADER_BYTES: usize = 5;

/// Bytes of a short value, and of each chunk of a long one.
pub(crate) const MAX_SHORT_BYTES: usize = MAX_RAW_BYTES - HEADER_BYTES;

const SHORT: u8 = 1;
const LONG: u8 = 2;
const PART: u8 = 3;
const LEAF: u8 = 4;

/// The decoded raw bytes of a value's key.
pub(crate) enum Stored<'a> {
    Short(&'a [u8]),
    Long(Long),
}

/// A value that is cut into chunks.
pub(crate) struct Long {
    length: u32,
    crc: u32,
}

impl Long {
    pub(crate) fn chunks(&self) -> u32 {
        self.length.div_ceil(MAX_SHORT_BYTES as u32)
    }
}

/// How many chunks a value of so many bytes has.
pub(crate) fn chunk_count(value_len: usize) -> usize {
    if value_len <= MAX_SHORT_BYTES {
        0
    } else {
        value_len.div_ceil(MAX_SHORT_BYTES)
    }
}

/// The key of a value's chunk; indices begin at 0.
pub(crate) fn chunk_key(key: &[u8], index: u32) -> Vec<u8> {
    [&[CHUNK], key, &index.to_be_bytes()].concat()
}

/// The key of the value and the index, out of a chunk's key.
pub(crate) fn split_chunk_key(chunk_key: &[u8]) -> Option<(&[u8], u32)> {
    let (key, index) = chunk_key.strip_prefix(&[CHUNK])?.split_last_chunk()?;
    Some((key, u32::from_be_bytes(*index)))
}

/// The error for a damaged value, or for a damaged chunk.
pub(crate) fn damaged(key: &[u8], fault: &'static str) -> StoreError {
    match split_chunk_key(key) {
        Some((key, index)) => StoreError::DamagedValue {
            key: format!("{}, chunk {index}", key::name(key)),
            fault,
        },
        None => StoreError::value(key, fault),
    }
}

/// The raw bytes of a value.
pub(crate) struct Encoded {
    /// Stored under the value's key.
    pub(crate) raw: Vec<u8>,
    /// Its chunks, with their keys.
    pub(crate) chunks: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Encodes a value, cut into chunks when it is long.
pub(crate) fn encode(key: &[u8], value: &[u8]) -> Encoded {
    if value.len() <= MAX_SHORT_BYTES {
        return Encoded {
            raw: encode_short(key, value),
            chunks: Vec::new(),
        };
    }
    let length = u32::try_from(value.len()).expect("a value within a batch's limit of operations");
    let crc = crc32c::crc32c(value);
    let chunks = (0..).zip(value.chunks(MAX_SHORT_BYTES)).map(|(index, part)| {
        let chunk_key = chunk_key(key, index);
        let raw = frame(PART, &chunk_key, part);
        (chunk_key, raw)
    });
    Encoded {
        raw: frame(LONG, key, &[length.to_le_bytes(), crc.to_le_bytes()].concat()),
        chunks: chunks.collect(),
    }
}

/// The raw bytes of a value that is known to be short.
pub(crate) fn encode_short(key: &[u8], value: &[u8]) -> Vec<u8> {
    frame(SHORT, key, value)
}

/// Checks and decodes the raw bytes of a value's key.
pub(crate) fn decode<'a>(key: &[u8], raw: &'a [u8]) -> Result<Stored<'a>, StoreError> {
    match unframe(key, raw)? {
        (SHORT, value) => Ok(Stored::Short(value)),
        (LONG, body) => {
            let Some((length, crc)) = body.split_first_chunk() else {
                return Err(damaged(key, "its length is missing"));
            };
            let Ok(crc) = crc.try_into() else {
                return Err(damaged(key, "its checksum is missing"));
            };
            Ok(Stored::Long(Long {
                length: u32::from_le_bytes(*length),
                crc: u32::from_le_bytes(crc),
            }))
        }
        (PART, _) => Err(damaged(key, "a chunk lies in its place")),
        (_, _) => Err(damaged(key, "its format is not known")),
    }
}

/// The raw bytes of a leaf; `add` appends its entries, which have so many bytes.
pub(crate) fn encode_leaf(name: &[u8], bytes: usize, add: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut raw = Vec::with_capacity(HEADER_BYTES + bytes);
    raw.extend_from_slice(&[LEAF, 0, 0, 0, 0]);
    add(&mut raw);
    let crc = checksum(LEAF, name, &raw[HEADER_BYTES..]);
    raw[1..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    raw
}

/// Checks the raw bytes of a leaf.
pub(crate) fn check_leaf(name: &[u8], raw: &[u8]) -> Result<(), StoreError> {
    match unframe(name, raw)? {
        (LEAF, _) => Ok(()),
        (_, _) => Err(damaged(name, "its format is not a leaf's")),
    }
}

/// Checks a chunk and returns its bytes.
pub(crate) fn decode_chunk<'a>(chunk_key: &[u8], raw: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match unframe(chunk_key, raw)? {
        (PART, part) => Ok(part),
        (_, _) => Err(damaged(chunk_key, "its format is not a chunk's")),
    }
}

/// Puts a long value together from its chunks, which `read` gives.
pub(crate) fn join<R: AsRef<[u8]>>(
    key: &[u8],
    long: &Long,
    mut read: impl FnMut(&[u8]) -> Result<Option<R>, StoreError>,
) -> Result<Vec<u8>, StoreError> {
    let mut value = Vec::with_capacity(long.length as usize);
    for index in 0..long.chunks() {
        let chunk_key = chunk_key(key, index);
        let Some(raw) = read(&chunk_key)? else {
            return Err(damaged(&chunk_key, "it is missing"));
        };
        value.extend_from_slice(decode_chunk(&chunk_key, raw.as_ref())?);
    }
    if value.len() != long.length as usize || crc32c::crc32c(&value) != long.crc {
        return Err(damaged(key, "its chunks are not of one value"));
    }
    Ok(value)
}

fn frame(format: u8, key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(HEADER_BYTES + body.len());
    raw.push(format);
    raw.extend_from_slice(&checksum(format, key, body).to_le_bytes());
    raw.extend_from_slice(body);
    raw
}

fn unframe<'a>(key: &[u8], raw: &'a [u8]) -> Result<(u8, &'a [u8]), StoreError> {
    let Some(([format, crc @ ..], body)) = raw.split_first_chunk::<HEADER_BYTES>() else {
        return Err(damaged(key, "it is cut short"));
    };
    if u32::from_le_bytes(*crc) != checksum(*format, key, body) {
        return Err(damaged(key, "its checksum does not match"));
    }
    Ok((*format, body))
}

fn checksum(format: u8, key: &[u8], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&[format]), key);
    crc32c::crc32c_append(crc, body)
}
