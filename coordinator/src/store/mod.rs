//! The store: a map that is a view of the journal, kept exact batch by batch.
//!
//! One thread writes, behind the journal; any thread reads. A batch and the seq it reaches are
//! applied together or not at all, so the store always equals the journal folded up to
//! `applied_seq`, and replay goes on from there. It may be deleted at any time and rebuilt.
//!
//! A key begins with its kind, through the first slash. Values and their meaning are for the records, which tell the
//! store of a few kinds (`layout.rs`); `meta/` is the store's own. The map is kept by sled, whose hazards are met in
//! `sled/` and nowhere else.

mod batch;
mod error;
mod frozen;
pub mod key;
mod layout;
mod number_set;
mod scan;

mod sled;
#[cfg(test)]
mod tests;

pub use self::sled::apply::MAX_SLED_WRITES;
pub use self::sled::open::OpenError;
pub(crate) use self::sled::pass::Extent;
pub use self::sled::reading::Reading;
pub(crate) use self::sled::{closing, probe};
pub use batch::{Batch, operations_for};
pub use error::StoreError;
pub use frozen::Frozen;
pub use layout::Layout;
pub use number_set::{NumberSet, SET_NUMBERS, SetMember};
pub use scan::{Entry, Scan};

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use frozen::Kept;

use self::sled::{pass::Pass, reading::Sled};
use crate::machine::disk;

/// Values on a page of a scan, a pass or a frozen store: writing waits while a page is read.
const PAGE_VALUES: usize = 128;

/// Bytes of values after which a page ends earlier, so that reading takes little memory.
const PAGE_BYTES: usize = 256 * 1024;

/// Says why no lock is poisoned: after a panic in the middle of a batch nothing may be read or written.
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
    /// Held while sled flushes for anybody but the writer. Locked after `writer` and before `sled`.
    flushing: Mutex<()>,
    /// Locked for writing while a batch is applied, and while sled is closed and opened again. Readers lock it too: a
    /// long value takes several reads, and sled makes only single ones atomic.
    sled: RwLock<Sled>,
    /// Bytes of sled's log after which sled is opened again.
    renew_after: u64,
    /// Whether sled is being opened again.
    is_renewing: AtomicBool,
    /// Whether the whole store was read since it was opened; an empty one counts as read.
    is_read: AtomicBool,
    /// The pass under way. Locked last.
    pass: Mutex<Pass>,
    /// Replaced values for the frozen store that is being read. Locked after `sled`.
    frozen: Mutex<Option<Kept>>,
    /// The most bytes of them before writing waits.
    max_frozen_bytes: AtomicUsize,
    /// Tells the writer that fewer values are kept.
    frozen_read: Condvar,
}

impl Store {
    /// The seq of the last event that the store reflects; 0 in a new store.
    pub fn applied_seq(&self) -> u64 {
        self.shared.applied_seq.load(Ordering::Acquire)
    }

    /// A fact about the store itself, set by `Batch::set_meta`.
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
    /// in the order of keys. The scan reads a page at a time, each page as of one batch, and ends after an error.
    pub fn scan(&self, prefix: &[u8], from: &[u8]) -> Scan {
        Scan::new(self.clone(), prefix, from)
    }

    /// Whether this kind is in the sum of all that a start reads.
    pub(crate) fn has_sum_of(&self, kind: &[u8]) -> bool {
        self.shared.layout.is_read_at_start(kind)
    }

    /// Bytes that the disk has left for the store.
    ///
    /// # Errors
    ///
    /// When the file system does not say.
    pub fn free_bytes(&self) -> io::Result<u64> {
        disk::free_bytes(&self.shared.dir)
    }

    /// Whether the store was read through before anything was served from it, so that nothing is missing.
    pub(crate) fn is_read(&self) -> bool {
        self.shared.is_read.load(Ordering::Relaxed)
    }

    /// Notes that the store was read through.
    pub(crate) fn was_read(&self) {
        self.shared.is_read.store(true, Ordering::Relaxed);
    }

    /// The store's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Bytes that the store takes on disk. sled's file never shrinks. This takes no lock.
    ///
    /// # Errors
    ///
    /// When the file system does not say.
    pub fn size_on_disk(&self) -> io::Result<u64> {
        let files = fs::read_dir(&self.shared.dir)?;
        // A file that is removed meanwhile takes nothing.
        let lengths = files.map(|file| Ok(file?.metadata().map_or(0, |facts| facts.len())));
        lengths.sum()
    }
}
