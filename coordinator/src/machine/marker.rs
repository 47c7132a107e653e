//! Markers: small files in a data directory, each of which makes the next start do something once.
//!
//! A start journals what it does, and removes the marker only when that is on disk. When it is killed in between, the
//! next start finds that it is done, and only removes the marker.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::disk::{self, FileError};

/// One marker, whether or not it is there.
#[derive(Debug)]
pub(crate) struct Marker(PathBuf);

impl Marker {
    /// The marker of this name in a data directory.
    pub(crate) fn of(dir: &Path, name: &str) -> Marker {
        Marker(dir.join(name))
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes it; it is on disk when this returns.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub(crate) fn write(&self, contents: &str) -> Result<(), FileError> {
        disk::write_whole(&self.0, "write the marker", contents.as_bytes())
    }

    /// Its contents; `None` when it is not there.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub(crate) fn read(&self) -> Result<Option<Vec<u8>>, FileError> {
        match fs::read(&self.0) {
            Ok(contents) => Ok(Some(contents)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("read the marker", &self.0)(error)),
        }
    }

    /// Removes it, if it is there: what it asks for is done, and that is on disk.
    ///
    /// # Errors
    ///
    /// When the file system refuses. The next start tries again.
    pub(crate) fn remove(&self) -> Result<(), FileError> {
        match fs::remove_file(&self.0) {
            Ok(()) => disk::sync_parent(&self.0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(FileError::new("remove the marker", &self.0)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_there_with_its_contents_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let marker = Marker::of(dir.path(), "name");
        assert_eq!(marker.read().unwrap(), None);
        marker.remove().unwrap();
        marker.write("contents").unwrap();
        assert_eq!(marker.read().unwrap().unwrap(), b"contents");
        marker.remove().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::create_dir(marker.path()).unwrap();
        let refused = marker.read().unwrap_err().to_string();
        assert!(refused.starts_with("cannot read the marker"), "{refused}");
    }
}
