//! The marker that makes the next start set the time back to the wall clock's, after a wrong clock was believed.
//!
//! A start journals the earlier time, and removes the marker only when that is on disk. When it is killed in between,
//! the next start finds a wall clock that is not behind, and only removes the marker.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::machine::disk::{self, FileError};

const NAME: &str = "set-time-back";

/// Asks for it in the data directory `dir`; the marker is on disk when this returns.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn ask(dir: &Path) -> Result<(), FileError> {
    disk::write_whole(&path(dir), "write the marker", b"")
}

/// Whether there is a marker.
pub(crate) fn is_asked_for(dir: &Path) -> bool {
    path(dir).exists()
}

/// Removes the marker, if there is one: the time is set back, and that is on disk.
///
/// # Errors
///
/// When the file system refuses. The next start tries again.
pub(crate) fn is_set(dir: &Path) -> Result<(), FileError> {
    let marker = path(dir);
    match fs::remove_file(&marker) {
        Ok(()) => disk::sync_directory(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::new("remove the marker", &marker)(error)),
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}
