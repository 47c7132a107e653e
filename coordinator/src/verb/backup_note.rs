//! The note in a backup, which is written last and says that the backup is whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::machine::disk::{self, FileError};

const NAME: &str = "backup";
const FIRST_LINE: &str = "a backup of a swarm coordinator, version 1";

/// The extent of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    /// The last event.
    pub(crate) last_seq: u64,
}

/// Notes that the backup in `dir` is whole; all of it is on disk when this returns.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn finish(dir: &Path, copied: &Copied) -> Result<(), FileError> {
    // Half of the number would be another number.
    let text = format!("{FIRST_LINE}\nlast seq {}\n", copied.last_seq);
    disk::write_whole(&path(dir), "write the file", text.as_bytes())
}

/// Reads the note of the backup in `dir`; `None` when this is no backup, or no whole one.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn read(dir: &Path) -> Result<Option<Copied>, FileError> {
    let file = path(dir);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::new("read the file", &file)(error)),
    };
    let mut lines = text.lines();
    let copied = (lines.next() == Some(FIRST_LINE))
        .then(|| lines.next()?.strip_prefix("last seq ")?.parse().ok())
        .flatten();
    Ok(copied.map(|last_seq| Copied { last_seq }))
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}
