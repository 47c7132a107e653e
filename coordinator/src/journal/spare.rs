//! The next segment, zeroed and synced by a thread of its own while the current
//! one fills, so that rolling over costs the writer a rename and no waiting, and
//! the space is there when the disk is full.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use super::{error::FileError, segment};

/// A blank file, ready or in the making. Dropping it waits for its thread and
/// removes the file, so nothing is written after the journal is gone.
pub(super) struct Spare {
    path: PathBuf,
    thread: Option<JoinHandle<Result<File, FileError>>>,
}

impl Spare {
    /// Starts to prepare a file of `bytes` zeros in `dir`.
    pub(super) fn prepare(dir: &Path, bytes: u64) -> io::Result<Spare> {
        let path = segment::temporary_path(dir, "spare");
        let target = path.clone();
        let thread = thread::Builder::new()
            .name("journal-spare".to_owned())
            .spawn(move || segment::create_blank(&target, bytes))?;
        Ok(Spare {
            path,
            thread: Some(thread),
        })
    }

    /// Waits until the file is ready; returns it with its path.
    pub(super) fn take(mut self) -> Result<(PathBuf, File), FileError> {
        let thread = self.thread.take().expect("a spare is taken once");
        match thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        {
            Ok(file) => Ok((self.path.clone(), file)),
            Err(error) => {
                // A half-made file would keep the space that the next try needs.
                let _ = fs::remove_file(&self.path);
                Err(error)
            }
        }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Whatever came of it, the next opening removes what is left.
            let _ = thread.join();
            let _ = fs::remove_file(&self.path);
        }
    }
}
