//! Files, their names and directories, brought to disk before a function returns.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use nix::sys::statvfs::statvfs;

/// The extension of a file in the making, behind that of the file.
const TEMPORARY_EXTENSION: &str = ".tmp";

/// An operation of the operating system that failed, with the file or directory.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", .path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// For `map_err`: `action` completes "cannot … PATH".
    pub(crate) fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
        move |source| FileError {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// What kind of failure the operating system reported.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

/// Replaces a file, for its owner alone. After a crash the file is there whole, with its old or its new contents.
///
/// # Errors
///
/// When the file system refuses `action`. Then a crash may still bring the old contents back.
pub(crate) fn write_whole(path: &Path, action: &'static str, contents: &[u8]) -> Result<(), FileError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY_EXTENSION);
    let temporary = Path::new(&temporary);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(temporary)
        .and_then(|mut file| {
            file.write_all(contents)?;
            file.sync_all()
        });
    let replaced = written
        .map_err(FileError::new(action, temporary))
        .and_then(|()| rename(temporary, path, action));
    if replaced.is_err() {
        // On a full disk even an empty file is in the way.
        let _ = fs::remove_file(temporary);
    }
    replaced
}

/// Gives a file or directory another name, in place of a file that has it.
///
/// # Errors
///
/// When the file system refuses `action`.
pub(crate) fn rename(from: &Path, to: &Path, action: &'static str) -> Result<(), FileError> {
    fs::rename(from, to).map_err(FileError::new(action, to))?;
    sync_parent(to)
}

/// Brings the names in a directory to disk.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn sync_directory(dir: &Path) -> Result<(), FileError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(FileError::new("sync the directory", dir))
}

/// Makes a directory for its owner alone, and those above it. One that is there stays as it is.
///
/// # Errors
///
/// When the file system refuses `action`.
pub(crate) fn make_directory(dir: &Path, action: &'static str) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(FileError::new(action, dir))?;
    // Also when it was there: the process that made it may have died before this.
    sync_parent(dir)
}

/// Copies a directory of files, and the directories in it.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> Result<(), FileError> {
    make_directory(to, "make the directory")?;
    let failed = || FileError::new("read the directory", from);
    for item in fs::read_dir(from).map_err(failed())? {
        let item = item.map_err(failed())?;
        let target = to.join(item.file_name());
        if item.file_type().map_err(failed())?.is_dir() {
            copy_directory(&item.path(), &target)?;
        } else {
            copy_file(&item.path(), &target)?;
        }
    }
    sync_directory(to)
}

/// Copies one file, for its owner alone. Its name is on disk once its directory is synced.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::copy(from, to).map_err(FileError::new("copy the file", from))?;
    File::open(to)
        .and_then(|file| {
            // Nearly all files have lease tokens in them.
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.sync_all()
        })
        .map_err(FileError::new("bring to disk the file", to))
}

/// Removes a directory with everything in it, if there is one. The removal is not synced: a later call repeats it.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn remove_directory(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Bytes that the file system of `path` has left for this user.
///
/// # Errors
///
/// When it does not say.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = statvfs(path)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Brings the name of a file or directory to disk.
///
/// # Errors
///
/// When the file system refuses.
pub(super) fn sync_parent(path: &Path) -> Result<(), FileError> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_written_whole_is_replaced_for_its_owner_alone_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for contents in ["a long one", "short"] {
            write_whole(&path, "write the file", contents.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), contents);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("directory");
        fs::create_dir(&path).unwrap();
        let error = write_whole(&path, "write the file", b"contents").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot write the file {}", path.display())
        );
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
