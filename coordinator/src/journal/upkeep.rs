//! What is done to a journal beside appending and reading, from any thread: the
//! high-water file, the space in reserve, and removing what is no longer kept.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use super::{
    open::high_water::{self, Position},
    read::catalog::{Catalog, SegmentFacts},
    write::{reserve::Reserve, segment},
};
use crate::machine::disk::{self, FileError};

/// A handle on a journal for whoever looks after it. Clones share it.
#[derive(Clone)]
pub struct Upkeep {
    dir: PathBuf,
    catalog: Arc<Catalog>,
    reserve: Arc<Reserve>,
    /// Held while a file beside the active segment is changed.
    stage: Arc<Mutex<Stage>>,
}

/// What may still be done to the files.
struct Stage {
    /// What the high-water file says, if it was written since the opening.
    marked: Option<Position>,
    /// Why nothing may be changed any more.
    ended: Option<&'static str>,
}

impl Upkeep {
    pub(super) fn new(dir: &Path, catalog: Arc<Catalog>, reserve: Arc<Reserve>) -> Upkeep {
        let stage = Stage {
            marked: None,
            ended: None,
        };
        Upkeep {
            dir: dir.to_owned(),
            catalog,
            reserve,
            stage: Arc::new(Mutex::new(stage)),
        }
    }

    /// The end of the last entry that is on disk.
    pub fn position(&self) -> Position {
        self.catalog.last()
    }

    /// All segments, the oldest first; the last one is being written.
    pub fn segments(&self) -> Vec<SegmentFacts> {
        self.catalog.segments()
    }

    /// What all segments take on disk, in bytes; the reserve for the next one comes on top.
    pub fn bytes(&self) -> u64 {
        self.catalog.bytes()
    }

    /// Bytes of entries that can be appended even if the disk has no space to give.
    /// An entry takes its events, four bytes for each, and up to 56 more; one that does
    /// not fit the rest of the active segment leaves that unused.
    pub fn reserved_bytes(&self) -> u64 {
        self.reserve.bytes()
    }

    /// Tries again to prepare the next segment when that is due and has failed before.
    /// For about every second: without it the reserve does not grow when space returns.
    ///
    /// # Errors
    /// When there is still no space, with `ErrorKind::StorageFull`, or no thread.
    pub fn replenish(&self) -> io::Result<()> {
        Ok(self.reserve.prepare_if_due()?)
    }

    /// Says in the high-water file how far the journal is on disk. It syncs three times,
    /// so it is for another thread than the writer's: at most once a second, and once
    /// before a clean end. Does nothing if nothing was appended since.
    ///
    /// # Errors
    /// When the file system refuses. Then the file is as it was before: valid, and a
    /// witness of less. A full disk is no reason to stop; one that fails is.
    pub fn write_high_water(&self) -> io::Result<()> {
        let mut stage = self.stage()?;
        let position = self.catalog.last();
        if position.seq > 0 && stage.marked != Some(position) {
            high_water::write(&self.dir, position)?;
            stage.marked = Some(position);
        }
        Ok(())
    }

    /// Removes the segments that end before `keep_from_seq`, but never the one being
    /// written, and returns how many bytes that gave back. What is removed must be in a
    /// snapshot that was read back. A reader that asks for it is told it was trimmed.
    ///
    /// The oldest goes first and is gone from the disk before the next one goes, so that a
    /// crash in the middle leaves a journal without a gap.
    ///
    /// # Errors
    /// When the file system refuses. What is left has no gap.
    pub fn trim(&self, keep_from_seq: u64) -> io::Result<u64> {
        let mut stage = self.stage()?;
        let mut removed = 0;
        while let Some(segment) = self.catalog.take_oldest_before(keep_from_seq) {
            let path = segment::path(&self.dir, segment.first_seq);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.catalog.put_back_oldest(segment);
                    return Err(FileError::new("remove the journal segment", &path)(error).into());
                }
                Ok(()) | Err(_) => {}
            }
            if let Err(error) = disk::sync_directory(&self.dir) {
                // Whether this one is gone is unknown: with the next one gone there may be a gap.
                stage.ended = Some("an earlier removal could not be brought to disk");
                return Err(error.into());
            }
            removed += segment.bytes;
        }
        Ok(removed)
    }

    /// Waits for what is being done; from now on the files belong to the next opening.
    pub(super) fn close(&self) {
        let mut stage = self.lock();
        stage.ended = Some("the journal is closed");
        self.reserve.close();
    }

    fn stage(&self) -> io::Result<MutexGuard<'_, Stage>> {
        let stage = self.lock();
        match stage.ended {
            None => Ok(stage),
            Some(reason) => Err(io::Error::other(format!(
                "cannot change the files of the journal: {reason}"
            ))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().expect("no holder of this lock panics")
    }
}
