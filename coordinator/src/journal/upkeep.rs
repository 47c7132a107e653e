//! Looking after a journal beside appending and reading, from any thread: the high-water file, the reserve of space,
//! and the removal of old segments.

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

/// A handle for looking after a journal. Clones share it.
#[derive(Clone)]
pub struct Upkeep {
    dir: PathBuf,
    catalog: Arc<Catalog>,
    reserve: Arc<Reserve>,
    /// Held while a file beside the active segment is changed.
    stage: Arc<Mutex<Stage>>,
}

/// The state of the files beside the active segment.
struct Stage {
    /// The position in the high-water file, if it was written since the opening.
    marked: Option<Position>,
    /// Why the files may not be changed any more.
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

    /// Bytes that all segments take on disk; the reserve for the next one comes on top.
    pub fn bytes(&self) -> u64 {
        self.catalog.bytes()
    }

    /// Bytes of entries that can be appended even if the disk has no space to give.
    /// An entry takes its events, four bytes for each, and up to 56 more; one that does
    /// not fit the rest of the active segment leaves that unused.
    pub fn reserved_bytes(&self) -> u64 {
        self.reserve.bytes()
    }

    /// Tries again to prepare the next segment, when that is due and has failed before. It is called about every
    /// second: otherwise the reserve would not grow when space returns.
    ///
    /// # Errors
    /// When there is still no space, with `ErrorKind::StorageFull`, or no thread.
    pub fn replenish(&self) -> io::Result<()> {
        Ok(self.reserve.prepare_if_due()?)
    }

    /// Writes into the high-water file how far the journal is on disk, unless nothing was appended since the last time.
    /// It syncs three times, so the writer's thread does not call it: another does, at most once a second and once
    /// before a clean end.
    ///
    /// # Errors
    /// When the file system refuses. Then the file is as it was before: valid, and a witness of fewer events. A full
    /// disk is no reason to stop, and a failing one is.
    pub fn write_high_water(&self) -> io::Result<()> {
        let mut stage = self.stage()?;
        let position = self.catalog.last();
        if position.seq > 0 && stage.marked != Some(position) {
            high_water::write(&self.dir, position)?;
            stage.marked = Some(position);
        }
        Ok(())
    }

    /// Removes the segments that end before `keep_from_seq`, but never the active one, and returns how many bytes that
    /// gave back. The removed events must be in a snapshot that was read back. A reader that asks for them is told that
    /// they were trimmed.
    ///
    /// The oldest goes first and is gone from the disk before the next one goes, so that a
    /// crash in the middle leaves a journal without a gap.
    ///
    /// # Errors
    /// When the file system refuses. The journal that is left has no gap.
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
                // It is unknown whether this segment is gone. If it is not, removing the next one would leave a gap.
                stage.ended = Some("an earlier removal could not be brought to disk");
                return Err(error.into());
            }
            removed += segment.bytes;
        }
        Ok(removed)
    }

    /// Waits for a change under way. From now on the files belong to the next opening.
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
