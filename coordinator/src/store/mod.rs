//! The store: a map in sled that is a view of the journal, kept exact batch by batch.
//!
//! One thread writes, behind the journal; any thread reads. A batch and the seq it reaches are
//! applied together or not at all, so the store always equals the journal folded up to
//! `applied_seq`, and replay goes on from there. It may be deleted at any time and rebuilt.
//!
//! What lies under a key, and what the key means, is for the records: the store is told of a few kinds of keys
//! (`layout.rs`). All are in one tree. sled is not given the keys themselves but leaves, of many keys each (`leaf.rs`);
//! what is internal lies in sled as it is:
//!
//! ```text
//! <kind>/…                    a value, or a set of numbers
//! meta/<name>                 facts about the store itself, applied_seq among them
//! 0xFF <key><index>           the chunks of a long value: internal, no reader sees them
//! 0xFF                        the mark of a window that is being written: internal too
//! 0xFF 0                      the digest of everything stored: internal too
//! 0xFF 0 1                    that of the ids
//! 0xFF 0 2                    that of what a start reads
//! ```
//!
//! Known hazards of sled 0.34 and what is done about each: an unfinished snapshot stops it from
//! opening (`open.rs` deletes it); its `flush` never empties the disk's cache (`Store::flush` does);
//! it can lose or keep a page without a word (`value.rs` has checksums,
//! `digest.rs` a sum over all); items over 128 KiB become
//! files that are never synced (`value.rs` cuts values); each key costs it some microseconds (`leaf.rs` gives it few);
//! large batches leak memory
//! (`MAX_SLED_WRITES`, `window.rs`); only an opening notes where pages lie, and reads all that was
//! written since the last one (`renew.rs` opens it again beside serving).

mod batch;
mod check;
mod error;
pub mod key;
mod layout;
mod moment;
mod number_set;
mod scan;

mod sled;
#[cfg(test)]
mod tests;

pub use self::sled::open::OpenError;
pub(crate) use self::sled::pass::Ground;
pub use self::sled::reading::Reading;
pub(crate) use self::sled::{closing, probe};
pub use batch::{Batch, operations_for};
pub use error::StoreError;
pub use layout::Layout;
pub use moment::Moment;
pub use number_set::{NumberSet, SET_NUMBERS, SetMember};
pub use scan::{Entry, Scan};

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};

use self::sled::{pass::Pass, reading::Sled, window};
use error::at_sled;
use moment::Kept;

use crate::machine::disk;

/// Writes in one of sled's batches: above about 500 it leaks memory and disk. A larger batch of ours is written
/// in parts.
pub const MAX_SLED_WRITES: usize = 250;

/// A page of what is read through ends after so many values: writing waits while it is read.
const PAGE_VALUES: usize = 128;

/// It ends earlier when its values have so many bytes, so that reading takes little memory.
const PAGE_BYTES: usize = 256 * 1024;

/// After a panic in the middle of a batch nothing may be read or written any more.
const WHOLE: &str = "no batch is cut short by a panic";

/// A handle on the open store. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    layout: &'static Layout,
    /// sled's file once more, for the sync that sled leaves out.
    file: Arc<File>,
    applied_seq: AtomicU64,
    /// Held for the whole of `apply`.
    writer: Mutex<()>,
    /// Held while sled flushes for somebody else than the writer. Locked before `sled`, and nothing is locked before it
    /// but `writer`.
    flushing: Mutex<()>,
    /// Held to write while a batch is applied, and while sled is closed and opened again; to read by whoever reads, also
    /// because a value is put together from its chunks: sled makes single reads atomic, not two of them.
    sled: RwLock<Sled>,
    /// Bytes of sled's log after which it is opened again.
    renew_after: u64,
    /// Whether it is being opened again.
    is_renewing: AtomicBool,
    /// Whether all of it was read since it was opened, or nothing was in it.
    is_read: AtomicBool,
    /// What is being read through beside the writing. Locked last.
    pass: Mutex<Pass>,
    /// What is kept of a moment that is being read. Locked after `sled`.
    moment: Mutex<Option<Kept>>,
    /// Tells the writer that less is kept.
    moment_read: Condvar,
}

impl Store {
    /// The seq of the last event that the store reflects; 0 in a new store.
    pub fn applied_seq(&self) -> u64 {
        self.shared.applied_seq.load(Ordering::Acquire)
    }

    /// A fact about the store itself, as `Batch::set_meta` left it.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(&key::meta(name))
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading().get(key)
    }

    /// The keys that begin with `prefix`, in their order.
    pub fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        let reading = self.reading();
        let range = reading.range(prefix, &key::end_of(prefix))?;
        range.map(|entry| Ok(entry?.0.to_vec())).collect()
    }

    /// The keys that begin with `prefix`, from `from` on (inclusive; empty for all), and their values,
    /// in the order of keys. It is read a page at a time, each page as of one batch; it ends after an error.
    pub fn scan(&self, prefix: &[u8], from: &[u8]) -> Scan {
        Scan::new(self.clone(), prefix, from)
    }

    /// Writes a batch and sets `applied_seq` to `through`, both or neither. What is applied survives the
    /// end of the process once sled has written it, which it does every few seconds, and a loss of
    /// power after `flush`; what is lost are whole batches, the last ones.
    ///
    /// One of more operations than sled takes at once flushes first: it pays for many changes together. When much was
    /// written since sled was opened, it is opened again behind the batch (`renew.rs`).
    ///
    /// After an error the caller aborts the process: sled may have half the batch in memory, and would
    /// write it at a clean end.
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
            // Nobody waits because this holds sled: only the writer wants it for itself.
            self.reading().db()?.flush().map_err(at_sled("flush"))?;
            window::keep(&self.shared.dir, through, &changes.writes)?;
        }
        self.wait_for_moment();
        {
            let sled = self.shared.sled.write().expect(WHOLE);
            let db = sled.db()?;
            self.keep_for_moment(&sled, &changes)?;
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

    /// Makes everything applied so far survive a loss of power. After an error nothing is known about
    /// what is on disk: the caller ends the process rather than try again.
    pub fn flush(&self) -> Result<(), StoreError> {
        let _flushing = self.shared.flushing.lock().expect(WHOLE);
        // sled itself is not held for so long: the next batch would wait, and all readers with it.
        let db = self.reading().db()?.clone();
        self.flush_through(&db)
    }

    /// Until what sled has is on disk.
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

    /// What the disk has left for the store, in bytes.
    ///
    /// # Errors
    ///
    /// When the file system does not say.
    pub fn free_bytes(&self) -> io::Result<u64> {
        disk::free_bytes(&self.shared.dir)
    }

    /// Whether it is known that nothing is missing: it was read through before anything was served from it.
    pub(crate) fn is_read(&self) -> bool {
        self.shared.is_read.load(Ordering::Relaxed)
    }

    /// From now on that is known.
    pub(crate) fn was_read(&self) {
        self.shared.is_read.store(true, Ordering::Relaxed);
    }

    /// Where it lies.
    pub(crate) fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Bytes that the store takes on disk. sled's file never shrinks. Nothing waits for it, nor it for anything.
    ///
    /// # Errors
    ///
    /// When the file system does not say.
    pub fn size_on_disk(&self) -> io::Result<u64> {
        let files = fs::read_dir(&self.shared.dir)?;
        // One that is gone meanwhile takes nothing.
        let lengths = files.map(|file| Ok(file?.metadata().map_or(0, |facts| facts.len())));
        lengths.sum()
    }
}
