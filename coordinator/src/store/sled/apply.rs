//! Writing a batch, and bringing what was written to disk.

use std::sync::atomic::Ordering;

use super::{error::at_sled, window};
use crate::store::{Batch, Store, StoreError, WHOLE};

/// Writes in one of sled's batches: above about 500 sled leaks memory and disk. A larger batch of ours is written in
/// parts (`window.rs`).
pub const MAX_SLED_WRITES: usize = 250;

impl Store {
    /// Writes a batch and sets `applied_seq` to `through`, both or neither. A batch survives the end of the process
    /// once sled has written it, which sled does every few seconds, and a loss of power after `flush`. Only whole
    /// batches are lost, the last ones.
    ///
    /// A batch larger than sled takes at once flushes first. When much was written since sled was opened, sled is
    /// opened again behind the batch (`renew.rs`).
    ///
    /// After an error the caller aborts the process: sled may have half the batch in memory, and would write it at a
    /// clean end.
    ///
    /// # Panics
    ///
    /// When `through` is behind `applied_seq`.
    pub fn apply(&self, batch: Batch, through: u64) -> Result<(), StoreError> {
        let _writer = self.shared.writer.lock().expect(WHOLE);
        let applied = self.applied_seq();
        assert!(
            through >= applied,
            "a batch through seq {through} is behind the store, at {applied}"
        );
        let changes = self.changes(batch, through)?;
        let is_window = changes.writes.len() > MAX_SLED_WRITES;
        if is_window {
            // This keeps nobody waiting: only the writer locks sled for itself.
            self.reading().db()?.flush().map_err(at_sled("flush"))?;
            window::keep(&self.shared.dir, through, &changes.writes)?;
        }
        self.wait_for_frozen();
        {
            let sled = self.shared.sled.write().expect(WHOLE);
            let db = sled.db()?;
            self.keep_replaced(&sled, &changes)?;
            if is_window {
                window::apply(db, through, &changes.writes)?;
            } else {
                let mut batch = ::sled::Batch::default();
                for (key, value) in changes.writes {
                    match value {
                        Some(value) => batch.insert(key, value),
                        None => batch.remove(key),
                    }
                }
                db.apply_batch(batch).map_err(at_sled("write"))?;
            }
            self.shared
                .pass
                .lock()
                .expect(WHOLE)
                .take_in(self.shared.layout, &changes.changed);
            self.shared.applied_seq.store(through, Ordering::Release);
        }
        self.renew_if_due()
    }

    /// Makes all batches applied so far survive a loss of power. After an error the state of the disk is unknown, and
    /// the caller ends the process rather than try again.
    pub fn flush(&self) -> Result<(), StoreError> {
        let _flushing = self.shared.flushing.lock().expect(WHOLE);
        // The reading is given up before the flush: the next batch would wait for it, and all readers for the batch.
        let db = self.reading().db()?.clone();
        self.flush_through(&db)
    }

    /// Returns once the disk has everything of sled's.
    fn flush_through(&self, db: &::sled::Db) -> Result<(), StoreError> {
        db.flush().map_err(at_sled("flush"))?;
        self.sync_file()
    }

    fn sync_file(&self) -> Result<(), StoreError> {
        self.shared.file.sync_data().map_err(|source| StoreError::Io {
            doing: "flush",
            source,
        })
    }
}
