//! The high-water file: the position of an entry that is on disk, kept apart from the entries. It tells a journal that
//! has lost its end from one that never had more.
//!
//! It is replaced whole. It may lag behind: it proves that entries were confirmed, and not that no others were since.
//!
//! ```text
//!  0  magic "SWJH"     8  u64 seq of the last event of an entry    24  u32 CRC32C of bytes 0..24
//!  4  u32 version     16  u64 chain after that entry
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    journal::format::{u32_at, u64_at},
    machine::disk::{self, FileError},
};

const NAME: &str = "high-water";
const MAGIC: [u8; 4] = *b"SWJH";
const FORMAT_VERSION: u32 = 1;
const BYTES: usize = 28;

/// The end of an entry that is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The seq of the entry's last event; 0 before the first entry.
    pub seq: u64,
    /// The hash of the entry.
    pub chain: u64,
}

/// The contents of the high-water file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HighWater {
    At(Position),
    Missing,
    /// Other bytes than were written; the words say how.
    Unreadable(&'static str),
}

/// The path of the high-water file of the journal in `dir`.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// Replaces the high-water file; it is on disk when this returns.
pub(crate) fn write(dir: &Path, position: Position) -> Result<(), FileError> {
    disk::write_whole(&path(dir), "write the high-water file", &encode(position))
}

/// Reads the high-water file.
///
/// # Errors
/// When the file system refuses. Damaged contents are no error.
pub(crate) fn read(dir: &Path) -> Result<HighWater, FileError> {
    let path = path(dir);
    match fs::read(&path) {
        Ok(bytes) => Ok(match decode(&bytes) {
            Ok(position) => HighWater::At(position),
            Err(fault) => HighWater::Unreadable(fault),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HighWater::Missing),
        Err(error) => Err(FileError::new("read the high-water file", &path)(error)),
    }
}

fn encode(position: Position) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[0..4].copy_from_slice(&MAGIC);
    bytes[4..8].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[8..16].copy_from_slice(&position.seq.to_le_bytes());
    bytes[16..24].copy_from_slice(&position.chain.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..24]);
    bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<Position, &'static str> {
    let Ok(bytes) = <&[u8; BYTES]>::try_from(bytes) else {
        return Err("it has the wrong length");
    };
    if bytes[..4] != MAGIC || crc32c::crc32c(&bytes[..24]) != u32_at(bytes, 24) {
        return Err("its checksum is wrong");
    }
    if u32_at(bytes, 4) != FORMAT_VERSION {
        return Err("its format version is unknown");
    }
    Ok(Position {
        seq: u64_at(bytes, 8),
        chain: u64_at(bytes, 16),
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const POSITION: Position = Position {
        seq: 0x0102_0304,
        chain: 0x1122_3344_5566_7788,
    };

    #[test]
    fn a_high_water_file_keeps_its_bytes() {
        let hex: String = encode(POSITION)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, "53574a480100000004030201000000008877665544332211ad5e941f");
        assert_eq!(decode(&encode(POSITION)), Ok(POSITION));
    }

    #[test]
    fn what_was_written_last_is_read_and_nothing_else_is_left() {
        let dir = TempDir::new().unwrap();
        assert_eq!(read(dir.path()).unwrap(), HighWater::Missing);
        for seq in [1, 7, 3] {
            let position = Position { seq, chain: seq * 5 };
            write(dir.path(), position).unwrap();
            assert_eq!(read(dir.path()).unwrap(), HighWater::At(position));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_flipped_bit_and_no_cut_is_believed() {
        let dir = TempDir::new().unwrap();
        write(dir.path(), POSITION).unwrap();
        let file = path(dir.path());
        let whole = fs::read(&file).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, bytes).unwrap();
            assert!(
                matches!(read(dir.path()).unwrap(), HighWater::Unreadable(_)),
                "bit {bit}"
            );
        }
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(
                matches!(read(dir.path()).unwrap(), HighWater::Unreadable(_)),
                "{length} bytes"
            );
        }
    }
}
