//! The directory in which a backup is laid out before it becomes the data of a coordinator.
//!
//! As long as it is not empty, the restoring did not finish: the coordinator does not start there, for it would begin
//! with nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use swarm_program::{exit::Exit, failure::Failure};

use crate::machine::data_dir::DataDir;

/// The path of that directory in a data directory.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("restoring")
}

/// Refuses a data directory into which a backup was restored in part only.
///
/// # Errors
///
/// In that case, or when the file system refuses.
pub(crate) fn check(dir: &DataDir) -> Result<(), Failure> {
    // A restoring that was killed at its very end has left it empty.
    match fs::remove_dir(path(dir.path())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Err(Failure::new(
            Exit::Refused,
            format!("restoring a backup into {} did not finish", dir.path().display()),
        )
        .help("run 'coordinator restore' again")),
        Err(error) => Err(Failure::new(
            Exit::Disk,
            format!(
                "cannot remove the directory {}: {error}",
                path(dir.path()).display()
            ),
        )
        .help("look at the directory's owner and mode")),
    }
}
