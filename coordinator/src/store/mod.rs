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

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};

use self::sled::{pass::Pass, reading::Sled};
use frozen::Kept;

use crate::machine::disk;

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
    /// What is kept for a frozen store that is being read. Locked after `sled`.
    frozen: Mutex<Option<Kept>>,
    /// Tells the writer that less is kept.
    frozen_read: Condvar,
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
