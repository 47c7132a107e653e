//! A frozen store: read through as it was at one seq, while batches are applied.
//!
//! sled has no snapshots. So a batch keeps the values that it replaces, for as long as the reader has not passed them,
//! and the reader takes them in place of the new ones. Their bytes are bounded: beyond the bound, writing waits for the
//! reader.

use std::{
    collections::{BTreeMap, btree_map},
    iter::Peekable,
    sync::{PoisonError, atomic::Ordering},
    vec,
};

use super::{
    Entry, PAGE_BYTES, PAGE_VALUES, Store, WHOLE,
    error::StoreError,
    key::{self, CHUNK},
    sled::{
        changes::{Changed, Changes},
        leaves::Range,
        reading::Sled,
        value::{self, Stored},
    },
};
use crate::program::limits::FROZEN_BYTES;

/// Memory that a map takes for each entry beside key and value, about.
const ENTRY_BYTES: usize = 64;

/// The raw bytes that were stored under a key; `None` when none were.
type Before = Option<Vec<u8>>;

/// Values that batches have replaced since the store was frozen, and how far the reader is.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The reader's next page begins here; no value before it is kept.
    passed: Vec<u8>,
    values: BTreeMap<Vec<u8>, Before>,
    /// By the chunk's key without its first byte, so that they sort like the values they belong to.
    chunks: BTreeMap<Vec<u8>, Before>,
    bytes: usize,
}

/// See the module; made by [`Store::freeze`]. Once it is dropped nothing is kept any more.
pub struct Frozen {
    store: Store,
    seq: u64,
    is_over: bool,
    page: vec::IntoIter<Entry>,
}

impl Store {
    /// The store as it is after its last batch, to be read while more are applied.
    ///
    /// # Panics
    ///
    /// When another frozen store is being read: there is one at a time.
    pub fn freeze(&self) -> Frozen {
        let _reading = self.reading();
        let mut kept = self.shared.frozen.lock().expect(WHOLE);
        assert!(kept.is_none(), "one frozen store is read at a time");
        *kept = Some(Kept::default());
        Frozen {
            store: self.clone(),
            seq: self.applied_seq(),
            is_over: false,
            page: Vec::new().into_iter(),
        }
    }

    /// For `apply`, before it changes anything: waits while too many bytes are kept.
    pub(super) fn wait_for_frozen(&self) {
        let kept = self.shared.frozen.lock().expect(WHOLE);
        let most = self.shared.max_frozen_bytes.load(Ordering::Relaxed);
        let is_too_much = |kept: &mut Option<Kept>| kept.as_ref().is_some_and(|kept| kept.bytes > most);
        let read = self.shared.frozen_read.wait_while(kept, is_too_much);
        drop(read.expect(WHOLE));
    }

    /// How near the kept values are to the bound beyond which writing waits: 0 up to half of it, 1 at it.
    pub(crate) fn frozen_pressure(&self) -> f64 {
        let kept = self.shared.frozen.lock().expect(WHOLE);
        let bytes = kept.as_ref().map_or(0, |kept| kept.bytes);
        let most = self.shared.max_frozen_bytes.load(Ordering::Relaxed);
        (bytes as f64 / most as f64 * 2.0 - 1.0).clamp(0.0, 1.0)
    }

    /// Lets writing wait when more bytes than an eighth of those of the state are kept.
    pub(crate) fn limit_frozen(&self, state_bytes: u64) {
        let most = (state_bytes / 8).clamp(*FROZEN_BYTES.start(), *FROZEN_BYTES.end());
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.shared.max_frozen_bytes.store(most, Ordering::Relaxed);
    }

    /// For `apply`, while readers are locked out: keeps the values that these changes replace.
    pub(super) fn keep_replaced(&self, sled: &Sled, changes: &Changes) -> Result<(), StoreError> {
        let mut kept = self.shared.frozen.lock().expect(WHOLE);
        let Some(kept) = kept.as_mut() else {
            return Ok(());
        };
        for Changed { key, before, .. } in &changes.changed {
            if *key < kept.passed || kept.values.contains_key(key) {
                continue;
            }
            let before = before.as_ref().map(|raw| raw.to_vec());
            kept.bytes += size(key, &before);
            kept.values.insert(key.clone(), before);
        }
        for (written, _) in &changes.writes {
            let (Some((key, _)), [_, rest @ ..]) = (value::split_chunk_key(written), written.as_slice())
            else {
                // A leaf, whose keys are kept above, or an internal key, which nobody reads.
                continue;
            };
            if key < kept.passed.as_slice() || kept.chunks.contains_key(rest) {
                continue;
            }
            let before = sled.raw(written)?.map(|raw| raw.to_vec());
            kept.bytes += size(rest, &before);
            kept.chunks.insert(rest.to_vec(), before);
        }
        Ok(())
    }
}

impl Frozen {
    /// The last event that the frozen store reflects.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    fn read_page(&mut self) -> Result<Vec<Entry>, StoreError> {
        let reading = self.store.reading();
        let mut kept = self.store.shared.frozen.lock().expect(WHOLE);
        let kept = kept
            .as_mut()
            .expect("values are kept until the frozen store is dropped");
        let mut then = Then {
            now: reading.range(&kept.passed, &[CHUNK])?.peekable(),
            replaced: kept.values.range(kept.passed.clone()..).peekable(),
        };
        let mut page = Vec::new();
        let mut bytes = 0;
        let mut passed = None;
        for _ in 0..PAGE_VALUES {
            let Some((key, before)) = then.next()? else {
                self.is_over = true;
                break;
            };
            passed = Some(key::next(&key));
            if let Some(raw) = before {
                let value = whole(&reading, &kept.chunks, &key, &raw)?;
                bytes += value.len();
                page.push((key, value));
            }
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        if let Some(passed) = passed {
            kept.pass(passed);
            self.store.shared.frozen_read.notify_all();
        }
        Ok(page)
    }
}

/// The keys with the raw bytes that were under them when the store was frozen.
struct Then<'a> {
    now: Peekable<Range<'a>>,
    replaced: Peekable<btree_map::Range<'a, Vec<u8>, Before>>,
}

impl Then<'_> {
    /// The next key of the two; `None` behind the last one.
    fn next(&mut self) -> Result<Option<(Vec<u8>, Before)>, StoreError> {
        self.now.next_if(Result::is_err).transpose()?;
        let now = self.now.peek().and_then(|entry| entry.as_ref().ok());
        let is_replaced = match (now, self.replaced.peek()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some((now, _)), Some((replaced, _))) => replaced.as_slice() <= now.as_ref(),
        };
        if !is_replaced {
            let entry = self.now.next().transpose()?;
            return Ok(entry.map(|(key, raw)| (key.to_vec(), Some(raw.to_vec()))));
        }
        let Some((key, before)) = self.replaced.next() else {
            return Ok(None);
        };
        // The value that is there now was written since.
        self.now.next_if(|entry| {
            entry
                .as_ref()
                .is_ok_and(|(now, _)| now.as_ref() == key.as_slice())
        });
        Ok(Some((key.clone(), before.clone())))
    }
}

/// The value that these raw bytes stood for when the store was frozen.
fn whole(
    reading: &Sled,
    chunks: &BTreeMap<Vec<u8>, Before>,
    key: &[u8],
    raw: &[u8],
) -> Result<Vec<u8>, StoreError> {
    match value::decode(key, raw)? {
        Stored::Short(value) => Ok(value.to_vec()),
        Stored::Long(long) => value::join(key, &long, |chunk_key| match chunks.get(&chunk_key[1..]) {
            Some(before) => Ok(before.clone()),
            None => Ok(reading.raw(chunk_key)?.map(|raw| raw.to_vec())),
        }),
    }
}

impl Kept {
    fn pass(&mut self, passed: Vec<u8>) {
        for map in [&mut self.values, &mut self.chunks] {
            let rest = map.split_off(&passed);
            let gone = std::mem::replace(map, rest);
            self.bytes -= gone.iter().map(|(key, before)| size(key, before)).sum::<usize>();
        }
        self.passed = passed;
    }
}

fn size(key: &[u8], before: &Before) -> usize {
    ENTRY_BYTES + key.len() + before.as_ref().map_or(0, Vec::len)
}

/// Keys and whole values, in the order of keys; it ends after an error.
impl Iterator for Frozen {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(Ok(entry));
            }
            if self.is_over {
                return None;
            }
            match self.read_page() {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        *self
            .store
            .shared
            .frozen
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        self.store.shared.frozen_read.notify_all();
    }
}
