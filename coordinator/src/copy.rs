//! Copying files so that they are on disk when it is said that they are.

use std::{
    fs::{self, File},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use crate::journal::{FileError, sync_directory};

/// Copies a directory of files, and the directories in it.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn copy_files(from: &Path, to: &Path) -> Result<(), FileError> {
    make_directory(to)?;
    let failed = || FileError::new("read the directory", from);
    for item in fs::read_dir(from).map_err(failed())? {
        let item = item.map_err(failed())?;
        let target = to.join(item.file_name());
        if item.file_type().map_err(failed())?.is_dir() {
            copy_files(&item.path(), &target)?;
        } else {
            copy_file(&item.path(), &target)?;
        }
    }
    sync_directory(to)
}

/// Copies one file; its name is on disk once its directory is synced.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::copy(from, to).map_err(FileError::new("copy the file", from))?;
    File::open(to)
        .and_then(|file| {
            // Lease tokens are in nearly all of them.
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.sync_all()
        })
        .map_err(FileError::new("bring to disk the file", to))
}

/// Makes a directory for its owner alone, and those above it.
///
/// # Errors
///
/// When the file system refuses.
pub(crate) fn make_directory(dir: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(FileError::new("make the directory", dir))?;
    match dir.parent() {
        Some(parent) if parent != Path::new("") => sync_directory(parent),
        _ => Ok(()),
    }
}
