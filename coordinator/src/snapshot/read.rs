//! Reads a snapshot file, and believes nothing before its checksum is right.

use std::{
    fs::File,
    io::{self, BufReader, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::Xxh3Default;

use super::{
    Snapshot, SnapshotError,
    format::{BadHeader, FOOTER_BYTES, Footer, HEADER_BYTES, Origin, RECORD_BYTES, RecordHeader, crc_of},
};
use crate::{
    machine::disk::FileError,
    store::{
        MAX_SLED_WRITES,
        key::{self, MAX_KEY_BYTES},
        operations_for,
    },
};

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// Reads the header and the footer of a snapshot file, under any name.
pub(super) fn open(path: &Path) -> Result<Snapshot, SnapshotError> {
    let damaged = |offset, fault| SnapshotError::Damaged {
        file: path.to_owned(),
        offset,
        fault,
    };
    let file = File::open(path).map_err(read_failed(path))?;
    let bytes = file.metadata().map_err(read_failed(path))?.len();
    let Some(end) = bytes
        .checked_sub(FOOTER_BYTES as u64)
        .filter(|&end| end >= HEADER_BYTES as u64)
    else {
        return Err(damaged(bytes, "the file ends too early"));
    };
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).map_err(read_failed(path))?;
    let origin = Origin::decode(&header).map_err(|bad| match bad {
        BadHeader::Fault(fault) => damaged(0, fault),
        BadHeader::Version(version) => SnapshotError::UnknownVersion {
            file: path.to_owned(),
            version,
        },
    })?;
    let mut footer = [0; FOOTER_BYTES];
    file.read_exact_at(&mut footer, end).map_err(read_failed(path))?;
    let footer = Footer::decode(&footer, end).map_err(|fault| damaged(end, fault))?;
    Ok(Snapshot {
        path: path.to_owned(),
        origin,
        footer,
        bytes,
    })
}

impl Snapshot {
    /// All keys and values, in the order of keys. The reading ends after an error; if it ends without one, everything
    /// was there.
    pub fn records(&self) -> Result<Records, SnapshotError> {
        let file = File::open(&self.path).map_err(read_failed(&self.path))?;
        let mut records = Records {
            path: self.path.clone(),
            file: BufReader::with_capacity(READ_BYTES, file),
            footer: self.footer,
            offset: 0,
            end: self.bytes - FOOTER_BYTES as u64,
            hash: Xxh3Default::new(),
            count: 0,
            ended: false,
        };
        // It may be another file by now. Then the hash at the end is another one, too.
        let mut header = [0; HEADER_BYTES];
        records.read(&mut header)?;
        Ok(records)
    }
}

/// The records of a snapshot, read as they are asked for.
pub struct Records {
    path: PathBuf,
    file: BufReader<File>,
    footer: Footer,
    offset: u64,
    /// The offset of the footer.
    end: u64,
    hash: Xxh3Default,
    count: u64,
    ended: bool,
}

impl Records {
    fn record(&mut self) -> Result<(Vec<u8>, Vec<u8>), SnapshotError> {
        let offset = self.offset;
        if self.end - offset < RECORD_BYTES as u64 {
            return Err(self.damaged(offset, "a record ends in the footer"));
        }
        let mut header = [0; RECORD_BYTES];
        self.read(&mut header)?;
        let header = RecordHeader::decode(&header, offset).map_err(|fault| self.damaged(offset, fault))?;
        let (key_bytes, value_bytes) = (header.key_bytes, header.value_bytes);
        let is_too_long = key_bytes as usize > MAX_KEY_BYTES
            || operations_for(value_bytes as usize) > MAX_SLED_WRITES
            || u64::from(key_bytes) + u64::from(value_bytes) > self.end - self.offset;
        if key_bytes == 0 || is_too_long {
            return Err(self.damaged(offset, "a record's lengths are impossible"));
        }
        let mut key = vec![0; key_bytes as usize];
        self.read(&mut key)?;
        let mut value = vec![0; value_bytes as usize];
        self.read(&mut value)?;
        if crc_of(&key, &value) != header.crc {
            return Err(self.damaged(offset, "a record's checksum is wrong"));
        }
        if !key::is_valid(&key) {
            return Err(self.damaged(offset, "a record's key is none of a store's"));
        }
        self.count += 1;
        Ok((key, value))
    }

    /// Compares count and hash at the end with the footer.
    fn compare(&self) -> Result<(), SnapshotError> {
        let found = Footer {
            count: self.count,
            hash: self.hash.digest(),
        };
        if found != self.footer {
            return Err(self.damaged(self.end, "the records are not those that the footer closes"));
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), SnapshotError> {
        self.file.read_exact(bytes).map_err(read_failed(&self.path))?;
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn damaged(&self, offset: u64, fault: &'static str) -> SnapshotError {
        SnapshotError::Damaged {
            file: self.path.clone(),
            offset,
            fault,
        }
    }
}

impl Iterator for Records {
    type Item = Result<(Vec<u8>, Vec<u8>), SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if self.offset < self.end {
            let record = self.record();
            self.ended = record.is_err();
            return Some(record);
        }
        self.ended = true;
        self.compare().err().map(Err)
    }
}

fn read_failed(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    FileError::new("read the snapshot", path)
}
