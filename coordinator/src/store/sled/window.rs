//! A window: a batch too large for one of sled's, written in several of them, all of it or nothing.
//!
//! sled leaks memory and disk with large batches. So a window is first written to a file beside sled's files, and then
//! in parts, of which the first leaves a mark and the last removes it. If the process ends in between, the next opening
//! finds the mark and writes all parts again from the file, which changes nothing that is done already. sled has
//! written the batches before the window when the file is replaced, so the file is never newer than the mark.
//!
//! The file is not synced: the journal's syncs, for which all answers wait, would wait for it. After a loss of power a
//! mark may be there without its file. Then the store is built anew.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::error::at_sled;
use crate::store::{MAX_SLED_WRITES, StoreError, key::CHUNK};

/// The key of the mark: its value is the seq that the window reaches. No chunk's key is as short.
pub(crate) const MARK: &[u8] = &[CHUNK];

/// The file's name in the store's directory.
const FILE: &str = "window";

/// The file's first bytes, which later layouts change.
const MAGIC: [u8; 8] = *b"swarmwn1";

/// Bytes of the file's header: `MAGIC`, a checksum and a length.
const HEADER_BYTES: usize = MAGIC.len() + 4 + 4;

/// Bytes of the seq and the count that begin the body.
const FIXED_BYTES: usize = 8 + 4;

/// Bytes of the lengths of a key and its value.
const LENGTHS_BYTES: usize = 2 + 4;

/// Stands in place of a value's length where a key is removed.
const REMOVED: u32 = u32::MAX;

/// A key of sled's and its new raw bytes; `None` removes it.
pub(crate) type RawWrite = (Vec<u8>, Option<Vec<u8>>);

/// Keeps a window in the file. sled has to have written all batches before it.
pub(crate) fn keep(dir: &Path, through: u64, writes: &[RawWrite]) -> Result<(), StoreError> {
    write_file(dir, through, writes).map_err(|source| StoreError::Io {
        doing: "write a window of",
        source,
    })
}

/// Writes a window again, at the opening, that a killed process has left half written.
pub(crate) fn finish(db: &sled::Db, dir: &Path) -> Result<(), StoreError> {
    let Some(mark) = db.get(MARK).map_err(at_sled("read"))? else {
        return Ok(());
    };
    let damaged = |fault: &str| StoreError::DamagedFile {
        fault: fault.to_owned(),
    };
    let bytes = match fs::read(dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read.map_err(|source| StoreError::Io {
            doing: "read a window of",
            source,
        })?,
    };
    match decode(&bytes) {
        Some((through, writes)) if mark.as_ref() == through.to_be_bytes() => {
            tracing::info!(
                "finishing {} changes to the store that were cut short",
                writes.len()
            );
            apply(db, through, &writes)
        }
        Some(_) => Err(damaged(
            "changes to it were cut short, and the file `window` has others",
        )),
        None => Err(damaged(
            "changes to it were cut short, and the file `window` is damaged",
        )),
    }
}

/// Writes all parts of a window that is in the file.
pub(crate) fn apply(db: &sled::Db, through: u64, writes: &[RawWrite]) -> Result<(), StoreError> {
    parts(through, writes).try_for_each(|part| db.apply_batch(part).map_err(at_sled("write")))
}

/// The parts, in order.
pub(crate) fn parts(through: u64, writes: &[RawWrite]) -> impl Iterator<Item = sled::Batch> {
    // One write is the mark's.
    let parts = writes.chunks(MAX_SLED_WRITES - 1);
    let last = parts.len() - 1;
    parts.enumerate().map(move |(index, part)| {
        let mut batch = sled::Batch::default();
        for (key, value) in part {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        match index {
            _ if index == last => batch.remove(MARK),
            0 => batch.insert(MARK, &through.to_be_bytes()),
            _ => {}
        }
        batch
    })
}

fn write_file(dir: &Path, through: u64, writes: &[RawWrite]) -> io::Result<()> {
    let path = dir.join(FILE);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        // The file keeps its space: the next window needs it, also when the disk is full.
        .truncate(false)
        // Lease tokens are in the store.
        .mode(0o600)
        .open(&path)?;
    file.write_all(&encode(through, writes))
}

/// ```text
/// magic | crc32c of the body | its length u32 | body | anything
/// body    through u64 | count u32 | count × (key length u16, key, value length u32, value)
/// ```
fn encode(through: u64, writes: &[RawWrite]) -> Vec<u8> {
    let bytes = |(key, value): &RawWrite| key.len() + value.as_ref().map_or(0, Vec::len) + LENGTHS_BYTES;
    let mut file = Vec::with_capacity(HEADER_BYTES + FIXED_BYTES + writes.iter().map(bytes).sum::<usize>());
    file.extend_from_slice(&[0; HEADER_BYTES]);
    let body = &mut file;
    body.extend_from_slice(&through.to_be_bytes());
    body.extend_from_slice(&(writes.len() as u32).to_be_bytes());
    for (key, value) in writes {
        body.extend_from_slice(&(key.len() as u16).to_be_bytes());
        body.extend_from_slice(key);
        match value {
            Some(value) => {
                body.extend_from_slice(&(value.len() as u32).to_be_bytes());
                body.extend_from_slice(value);
            }
            None => body.extend_from_slice(&REMOVED.to_be_bytes()),
        }
    }
    let body = &file[HEADER_BYTES..];
    let (crc, length) = (crc32c::crc32c(body), body.len() as u32);
    let header = [&MAGIC, crc.to_be_bytes().as_slice(), &length.to_be_bytes()].concat();
    file[..HEADER_BYTES].copy_from_slice(&header);
    file
}

fn decode(bytes: &[u8]) -> Option<(u64, Vec<RawWrite>)> {
    let (crc, mut rest) = bytes.strip_prefix(&MAGIC)?.split_first_chunk()?;
    let length = u32::from_be_bytes(*take(&mut rest)?);
    let body = rest.split_off(..length as usize)?;
    if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
        return None;
    }
    let (through, mut rest) = body.split_first_chunk()?;
    let count = u32::from_be_bytes(*take(&mut rest)?);
    let mut writes = Vec::new();
    for _ in 0..count {
        let key_bytes = u16::from_be_bytes(*take(&mut rest)?);
        let key = rest.split_off(..usize::from(key_bytes))?.to_vec();
        let value = match u32::from_be_bytes(*take(&mut rest)?) {
            REMOVED => None,
            bytes => Some(rest.split_off(..bytes as usize)?.to_vec()),
        };
        writes.push((key, value));
    }
    rest.is_empty().then_some((u64::from_be_bytes(*through), writes))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes() -> Vec<RawWrite> {
        (0..1000_u32)
            .map(|number| {
                let value = (number % 3 != 0).then(|| vec![7; number as usize % 50]);
                (number.to_be_bytes().to_vec(), value)
            })
            .collect()
    }

    #[test]
    fn a_window_is_read_as_it_was_written_or_not_at_all() {
        let bytes = encode(42, &writes());
        assert_eq!(decode(&bytes), Some((42, writes())));
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None);
        }
        // A longer window before it leaves bytes behind it.
        assert_eq!(
            decode(&[bytes.as_slice(), b"more"].concat()),
            Some((42, writes()))
        );
        for place in (0..bytes.len()).step_by(97) {
            let mut flipped = bytes.clone();
            flipped[place] ^= 4;
            assert_eq!(decode(&flipped), None);
        }
    }
}
