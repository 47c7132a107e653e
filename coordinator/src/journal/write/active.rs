//! The segment that is being appended to.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::segment;
use crate::{
    journal::format::{FILE_HEADER_BYTES, FileHeader},
    machine::disk::FileError,
};

pub(crate) struct Active {
    path: PathBuf,
    file: File,
    /// The length of the file, all of it on disk, in bytes.
    length: u64,
    /// The offset of the next entry.
    pub(crate) end: u64,
    /// The chain in the file's header.
    pub(crate) salt: u64,
}

impl Active {
    /// A segment of `length` bytes without entries.
    pub(crate) fn new(path: PathBuf, file: File, header: &FileHeader, length: u64) -> Active {
        Active {
            path,
            file,
            length,
            end: FILE_HEADER_BYTES as u64,
            salt: header.chain,
        }
    }

    /// Creates a segment of `length` bytes.
    pub(crate) fn create(dir: &Path, header: &FileHeader, length: u64) -> Result<Active, FileError> {
        let temporary = segment::temporary_path(dir, "new");
        segment::remove_leftover(&temporary)?;
        let file = segment::create_blank(&temporary, length)?;
        Active::install(dir, &temporary, file, header, length)
    }

    /// Makes a segment out of a blank file of `length` bytes.
    pub(crate) fn install(
        dir: &Path,
        temporary: &Path,
        file: File,
        header: &FileHeader,
        length: u64,
    ) -> Result<Active, FileError> {
        segment::install(dir, temporary, &file, header)?;
        Ok(Active::new(
            segment::path(dir, header.first_seq),
            file,
            header,
            length,
        ))
    }

    /// Whether it has no entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.end == FILE_HEADER_BYTES as u64
    }

    pub(crate) fn has_room_for(&self, entry_bytes: u64) -> bool {
        self.end + entry_bytes <= self.length
    }

    /// The length of the file, in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Makes the file at least `length` bytes long.
    pub(crate) fn grow(&mut self, length: u64) -> Result<(), FileError> {
        if length > self.length {
            segment::fill_with_zeros(&self.file, self.length, length)
                .and_then(|()| self.file.sync_all())
                .map_err(FileError::new(
                    "reserve space for the journal segment",
                    &self.path,
                ))?;
            self.length = length;
        }
        Ok(())
    }

    /// Writes an entry and waits until it is on disk; returns its offset.
    pub(crate) fn write(&mut self, entry: &[u8]) -> Result<u64, FileError> {
        let offset = self.end;
        self.file
            .write_all_at(entry, offset)
            .map_err(FileError::new("write to the journal segment", &self.path))?;
        self.file
            .sync_data()
            .map_err(FileError::new("sync the journal segment", &self.path))?;
        self.end += entry.len() as u64;
        Ok(offset)
    }
}
