//! The data directory: made for its owner alone, and locked before anything in it is read or repaired.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};
use swarm_program::{exit::Exit, failure::Failure};

/// A data directory that is locked until this is dropped.
pub struct DataDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl DataDir {
    /// Makes the directory if it is not there, and locks it.
    ///
    /// # Errors
    ///
    /// When another process holds it, or it cannot be made or opened.
    pub fn open(path: &Path) -> Result<DataDir, Failure> {
        let failed = |what: &str, error: std::io::Error| {
            Failure::new(
                Exit::Configuration,
                format!("cannot {what} the data directory {}: {error}", path.display()),
            )
            .help("name a directory that this user may write to: --data-dir DIR")
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| failed("make", error))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|error| failed("protect", error))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(|error| failed("lock", error))?;
        let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, errno)| {
            let mut holder = String::new();
            // Only for the message: the process that holds the lock wrote its id.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            let who = if holder.is_empty() {
                String::new()
            } else {
                format!(" (process {holder})")
            };
            match errno {
                nix::errno::Errno::EWOULDBLOCK => Failure::new(
                    Exit::Refused,
                    format!(
                        "the data directory {} is in use by another coordinator{who}",
                        path.display()
                    ),
                )
                .help("stop that one first, or name another directory: --data-dir DIR"),
                errno => failed("lock", errno.into()),
            }
        })?;
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(|error| failed("write to", error))?;
        Ok(DataDir {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Locks a directory that has a coordinator's data in it.
    ///
    /// # Errors
    ///
    /// When it has none, or as `open`.
    pub fn of_data(path: &Path) -> Result<DataDir, Failure> {
        let has = |name: &str| path.join(name).exists();
        if has("journal") || has("snapshot") || has("store") {
            return DataDir::open(path);
        }
        Err(Failure::new(
            Exit::Configuration,
            format!("there are no data of a coordinator in {}", path.display()),
        )
        .help("name the directory that has them: --data-dir DIR"))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's directory.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The snapshots' directory.
    pub fn snapshots(&self) -> PathBuf {
        self.path.join("snapshot")
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }
}

/// Whether this process holds the lock of the directory at this path. Another directory may have been put in its place.
pub(crate) fn is_held(path: &Path) -> bool {
    let holder = fs::read_to_string(path.join("lock")).unwrap_or_default();
    holder.trim() == std::process::id().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_with_the_first_ones_process() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::open(&dir.path().join("data")).unwrap();
        let refused = DataDir::open(&dir.path().join("data")).err().unwrap();
        assert_eq!(refused.exit, Exit::Refused);
        assert!(
            refused.sentence.contains(&std::process::id().to_string()),
            "{refused}"
        );
        assert!(is_held(held.path()));
        fs::rename(held.path(), dir.path().join("elsewhere")).unwrap();
        assert!(!is_held(held.path()));
        fs::rename(dir.path().join("elsewhere"), held.path()).unwrap();
        drop(held);
        assert!(DataDir::open(&dir.path().join("data")).is_ok());
    }

    #[test]
    fn only_its_owner_may_look_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let _held = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
