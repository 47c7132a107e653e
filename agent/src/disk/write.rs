//! Makes directories that only this user can read, and writes files that survive a crash.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Makes a directory, and the ones above it, readable for this user only.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that is complete or absent after a crash.
pub(crate) fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path
        .parent()
        .ok_or_else(|| io::Error::other("the file has no directory"))?;
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let written = write_synced(Path::new(&partial), content).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // Half a file on a full disk would only take up space.
        let _ = fs::remove_file(&partial);
    }
    written?;
    File::open(directory)?.sync_all()
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
