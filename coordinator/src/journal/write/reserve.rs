//! The reserve: space that the journal has on disk already. It is the rest of the active segment and the next segment,
//! which a thread of its own zeroes and syncs while the active one fills. So the writer rolls over with a rename and
//! without waiting, and the journal has room to finish when the disk is full.
//!
//! The writer takes the next segment. Other threads ask how many bytes there are, and prepare the next segment again
//! when an earlier try found the disk full.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::segment;
use crate::{
    journal::format::FILE_HEADER_BYTES,
    machine::disk::{self, FileError},
    program::failure::chain,
};

pub(crate) struct Reserve {
    dir: PathBuf,
    /// The length of a spare.
    segment_bytes: u64,
    /// Bytes that the active segment still takes.
    left: AtomicU64,
    /// The length of the active segment.
    length: AtomicU64,
    spare: Mutex<Spare>,
}

/// The segment that follows the active one.
enum Spare {
    None,
    Preparing(JoinHandle<Result<File, FileError>>),
    Ready(File),
    /// The writer is making it the active segment. Nobody prepares another until then: it would be the same file.
    Taken,
    /// The journal is closed: nothing is written any more.
    Closed,
}

impl Reserve {
    pub(crate) fn new(dir: &Path, segment_bytes: u64) -> Reserve {
        Reserve {
            dir: dir.to_owned(),
            segment_bytes,
            left: AtomicU64::new(0),
            length: AtomicU64::new(0),
            spare: Mutex::new(Spare::None),
        }
    }

    /// A new segment is the active one: the next one may be prepared, once that is due.
    pub(crate) fn begin_segment(&self, length: u64, end: u64) {
        self.set_active(length, end);
        let mut spare = self.lock();
        if matches!(*spare, Spare::Taken) {
            *spare = Spare::None;
        }
    }

    /// The active segment is `length` bytes long and its entries end at `end`.
    pub(crate) fn set_active(&self, length: u64, end: u64) {
        self.left.store(length.saturating_sub(end), Ordering::Relaxed);
        self.length.store(length, Ordering::Relaxed);
    }

    /// Bytes of entries that fit even if the disk has no space left.
    pub(crate) fn bytes(&self) -> u64 {
        let spare = match *self.settled() {
            Spare::Ready(_) => self.segment_bytes - FILE_HEADER_BYTES as u64,
            Spare::None | Spare::Preparing(_) | Spare::Taken | Spare::Closed => 0,
        };
        self.left.load(Ordering::Relaxed) + spare
    }

    /// Whether the active segment is half full.
    pub(crate) fn is_spare_due(&self) -> bool {
        self.left.load(Ordering::Relaxed) < self.length.load(Ordering::Relaxed) / 2
    }

    /// Starts to prepare the next segment, if the active one is half full, there is
    /// none yet, and the disk has the space.
    pub(crate) fn prepare_if_due(&self) -> Result<(), FileError> {
        if !self.is_spare_due() {
            return Ok(());
        }
        let mut spare = self.settled();
        if !matches!(*spare, Spare::None) {
            return Ok(());
        }
        let failed = || FileError::new("prepare the next journal segment in", &self.dir);
        // Otherwise each try would take the disk's last space from everybody else for a while.
        if disk::free_bytes(&self.dir).is_ok_and(|free| free < self.segment_bytes) {
            return Err(failed()(io::ErrorKind::StorageFull.into()));
        }
        let path = self.path();
        let bytes = self.segment_bytes;
        let thread = thread::Builder::new()
            .name("journal-spare".to_owned())
            .spawn(move || segment::create_blank(&path, bytes))
            .map_err(failed())?;
        *spare = Spare::Preparing(thread);
        Ok(())
    }

    /// The prepared segment, a blank file; waits while it is being made. `None` when there is none, or making it
    /// failed. `begin_segment` has to follow.
    pub(crate) fn take(&self) -> Option<(PathBuf, File)> {
        let taken = std::mem::replace(&mut *self.lock(), Spare::Taken);
        let file = match taken {
            Spare::Preparing(thread) => finished(thread)?,
            Spare::Ready(file) => file,
            Spare::None | Spare::Taken => return None,
            Spare::Closed => unreachable!("a journal is closed when nobody appends any more"),
        };
        Some((self.path(), file))
    }

    /// Waits until nothing is written any more, and removes the spare.
    pub(crate) fn close(&self) {
        let taken = std::mem::replace(&mut *self.lock(), Spare::Closed);
        if let Spare::Preparing(thread) = taken {
            // The file is removed below, however the thread ended.
            let _ = thread.join();
        } else if !matches!(taken, Spare::Ready(_)) {
            return;
        }
        // The next opening removes a file that cannot be removed now.
        let _ = fs::remove_file(self.path());
    }

    /// The spare as it is by now.
    fn settled(&self) -> MutexGuard<'_, Spare> {
        let mut spare = self.lock();
        *spare = match std::mem::replace(&mut *spare, Spare::None) {
            Spare::Preparing(thread) if thread.is_finished() => {
                finished(thread).map_or(Spare::None, Spare::Ready)
            }
            unchanged => unchanged,
        };
        spare
    }

    fn path(&self) -> PathBuf {
        segment::temporary_path(&self.dir, "spare")
    }

    fn lock(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().expect("no holder of this lock panics")
    }
}

fn finished(thread: JoinHandle<Result<File, FileError>>) -> Option<File> {
    match thread.join() {
        Ok(file) => file
            .inspect_err(|error| {
                tracing::warn!(error = chain(error), "cannot prepare the next journal segment")
            })
            .ok(),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const BYTES: u64 = 4096;

    #[test]
    fn while_a_spare_becomes_the_active_segment_no_other_is_prepared() {
        let dir = TempDir::new().unwrap();
        let reserve = Reserve::new(dir.path(), BYTES);
        reserve.set_active(BYTES, BYTES);
        reserve.prepare_if_due().unwrap();
        let (path, file) = reserve.take().unwrap();
        // The active segment is still the full one.
        reserve.prepare_if_due().unwrap();
        assert!(matches!(*reserve.lock(), Spare::Taken));
        fs::rename(path, dir.path().join("segment")).unwrap();
        assert_eq!(file.metadata().unwrap().len(), BYTES);

        reserve.begin_segment(BYTES, 0);
        reserve.prepare_if_due().unwrap();
        assert!(matches!(*reserve.lock(), Spare::None), "it is not due yet");
        reserve.set_active(BYTES, BYTES);
        reserve.prepare_if_due().unwrap();
        assert!(reserve.take().is_some());
    }
}
