//! The directory where `dev` keeps data and logs.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use swarm_program::{exit::Exit, failure::Failure};
use tempfile::TempDir;

use crate::program::terminal::note;

/// A directory of `dev`, kept or not.
pub(super) enum Directory {
    /// Stays when `dev` ends.
    Kept {
        /// Its path.
        path: PathBuf,
        /// Held so that no other `dev` uses the directory.
        _lock: File,
    },
    /// Removed when `dev` ends well.
    Temporary(TempDir),
}

impl Directory {
    /// The given directory; otherwise a temporary one, or one in the user's data.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made, or another `dev` uses it.
    pub(super) fn open(given: Option<&Path>, is_temporary: bool) -> anyhow::Result<Directory> {
        if given.is_none() && is_temporary {
            let made = tempfile::Builder::new().prefix("swarm-demo-").tempdir();
            return Ok(Directory::Temporary(
                made.context("cannot make a temporary directory")?,
            ));
        }
        let directory = match given {
            Some(given) => std::path::absolute(given)
                .with_context(|| format!("cannot tell where {} is", given.display()))?,
            None => {
                let user = etcetera::choose_base_strategy()
                    .context("cannot tell your home directory: name a place with --data-dir")?;
                user.data_dir().join("swarm").join("dev")
            }
        };
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Directory::Kept {
            _lock: lock(&directory)?,
            path: directory,
        })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Directory::Kept { path, .. } => path,
            Directory::Temporary(directory) => directory.path(),
        }
    }

    /// Removes a temporary directory, unless `is_worth_keeping` after a failure.
    pub(super) fn close(self, is_worth_keeping: bool) {
        let Directory::Temporary(directory) = self else {
            return;
        };
        if is_worth_keeping {
            note(format!(
                "data and logs are kept in {}",
                directory.keep().display()
            ));
            return;
        }
        let path = directory.path().to_owned();
        if let Err(error) = directory.close() {
            note(format!("warning: cannot remove {}: {error}", path.display()));
        }
    }
}

/// Locks the directory for as long as the file is open.
fn lock(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join("dev.lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let sentence = format!("another swarmctl dev uses {}", directory.display());
            Err(Failure::new(Exit::Refused, sentence)
                .help("stop that one, or name another place with --data-dir DIR")
                .into())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
