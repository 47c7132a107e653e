//! The lock of a state directory, which the operating system releases, however its process ends.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::Context as _;
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::{OpenError, is_gone};

/// The file of the lock.
pub(crate) const LOCK: &str = "lock";

/// Takes the lock.
pub(super) fn lock(path: &Path) -> Result<Flock<File>, OpenError> {
    let file = path.join(LOCK);
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&file)
        .with_context(|| format!("cannot open the lock file {}", file.display()))?;
    Flock::lock(opened, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => OpenError::Locked(path.to_owned()),
        other => OpenError::Unusable(
            anyhow::Error::new(io::Error::from(other)).context(format!("cannot lock {}", file.display())),
        ),
    })
}

/// Whether another agent has taken the directory.
///
/// # Errors
///
/// When the lock file cannot be opened.
pub(crate) fn is_in_use(place: &Path) -> io::Result<bool> {
    let file = match File::open(place.join(LOCK)) {
        Ok(file) => file,
        Err(error) if is_gone(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(_released) => Ok(false),
        Err((_, Errno::EWOULDBLOCK)) => Ok(true),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// Tells a file from all others that this machine has at the time.
pub(crate) fn number_of(file: &fs::Metadata) -> String {
    format!("{} {}", file.dev(), file.ino())
}
