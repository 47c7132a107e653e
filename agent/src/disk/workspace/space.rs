//! The space of a file system, and errors for want of it.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use nix::sys::statvfs::{Statvfs, statvfs};

/// Bytes below which a disk counts as full: what is left is for the file system's own records.
const FULL_BYTES: u64 = 1024 * 1024;

/// The space of a file system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// The bytes that any user may still take. What is reserved for root does not count, as root may be none in a
    /// container.
    pub(crate) free: u64,
    /// All bytes.
    pub(crate) total: u64,
    has_files: bool,
}

impl Space {
    /// The space of the file system that has this place.
    pub(crate) fn at(place: &Path) -> io::Result<Space> {
        let found = statvfs(place).map_err(io::Error::from)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
        Ok(Space {
            free: bytes(found.blocks_available()),
            total: bytes(found.blocks()),
            has_files: has_files(&found),
        })
    }

    /// Whether nothing of any size can be written any more.
    pub(crate) fn is_used_up(self) -> bool {
        self.free < FULL_BYTES.min(self.total / 100) || !self.has_files
    }
}

/// Whether there is room for one more file. Some file systems do not count their files.
fn has_files(found: &Statvfs) -> bool {
    found.files() == 0 || found.files_available() > 0
}

/// Whether these two places are there and take space of the same file system.
pub(crate) fn is_one_disk(one: &Path, other: &Path) -> bool {
    let device = |place: &Path| fs::metadata(place).ok().map(|found| found.dev());
    device(one).is_some_and(|found| device(other) == Some(found))
}

/// Whether an error says that a disk is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
