//! The digest: a sum over everything stored, kept in the store, because sled can lose a page, or keep an old one,
//! without a word.
//!
//! It adds up a hash of each key with its raw bytes, `meta/` and chunks left out (a long value's own checksum covers
//! its chunks). A batch changes the sum by the difference of what it writes, so it costs a hash for each write, and a
//! lost value stays in the sum. The ids and the kinds that a start reads have sums of their own: they are read through
//! long before everything else is.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    reading::Sled,
    value::{self, Stored},
};
use crate::store::{error::StoreError, key, layout::Layout};

/// The key of the digest of everything: behind all keys that anybody sees, and before the chunks.
const KEY: &[u8] = &[key::CHUNK, 0];
/// The key of the digest of the ids.
const IDS_KEY: &[u8] = &[key::CHUNK, 0, 1];
/// The key of the digest of the kinds that a start reads.
const START_KEY: &[u8] = &[key::CHUNK, 0, 2];

/// Sums of hashes; the order of the summands does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    /// Of everything.
    pub(crate) all: u64,
    /// Of the ids.
    pub(crate) ids: u64,
    /// Of the kinds that a start reads.
    pub(crate) start: u64,
}

impl Digest {
    pub(crate) fn add(&mut self, layout: &Layout, key: &[u8], raw: &[u8]) {
        self.change(layout, key, hash(key, raw));
    }

    /// Adds a hash of this key, or the difference between two.
    pub(crate) fn change(&mut self, layout: &Layout, key: &[u8], difference: u64) {
        if key.starts_with(key::META) {
            return;
        }
        self.all = self.all.wrapping_add(difference);
        if layout.is_id(key) {
            self.ids = self.ids.wrapping_add(difference);
        }
        if layout.is_read_at_start(key) {
            self.start = self.start.wrapping_add(difference);
        }
    }

    /// The sums as they are stored, with their keys.
    pub(crate) fn stored(self) -> [(&'static [u8], Vec<u8>); 3] {
        [(KEY, self.all), (IDS_KEY, self.ids), (START_KEY, self.start)]
            .map(|(key, sum)| (key, value::encode_short(key, &sum.to_be_bytes())))
    }
}

/// By how much a write of this key changes the digest.
pub(crate) fn difference(key: &[u8], before: Option<&[u8]>, after: Option<&[u8]>) -> u64 {
    let of = |raw: Option<&[u8]>| raw.map_or(0, |raw| hash(key, raw));
    of(after).wrapping_sub(of(before))
}

fn hash(key: &[u8], raw: &[u8]) -> u64 {
    xxh3_64_with_seed(raw, xxh3_64_with_seed(key, 0))
}

impl Sled {
    /// The digest that the last batch left; zeros in a new store.
    pub(crate) fn kept_digest(&self) -> Result<Digest, StoreError> {
        Ok(Digest {
            all: self.sum_at(KEY)?,
            ids: self.sum_at(IDS_KEY)?,
            start: self.sum_at(START_KEY)?,
        })
    }

    fn sum_at(&self, key: &[u8]) -> Result<u64, StoreError> {
        let Some(raw) = self.raw(key)? else {
            return Ok(0);
        };
        match value::decode(key, &raw)? {
            Stored::Short(bytes) => bytes
                .try_into()
                .map(u64::from_be_bytes)
                .map_err(|_| StoreError::value(key, "it is no digest")),
            Stored::Long(_) => Err(StoreError::value(key, "it is no digest")),
        }
    }
}

/// The error when the kept digest is not the digest of the values read.
pub(crate) fn differs() -> StoreError {
    StoreError::DamagedFile {
        fault: "values are missing or older than they should be".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::{
        records::{LAYOUT, task::key},
        store::{Batch, Store},
    };

    fn filled(store: &Store) {
        for through in 1..=20_u64 {
            let mut batch = Batch::default();
            batch.put(key::live(through), vec![7; 100]);
            batch.put(key::live(1), through.to_be_bytes().to_vec());
            batch.put(key::done(through), vec![9; 20_000]);
            if through > 10 {
                batch.remove(key::done(through - 5));
            }
            store.apply(batch, through).unwrap();
        }
    }

    #[test]
    fn what_batches_wrote_and_removed_adds_up() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path(), &LAYOUT).unwrap();
        filled(&store);
        store.check().unwrap();
    }

    #[test]
    fn a_value_that_vanished_or_is_an_older_one_is_noticed() {
        for damage in ["vanished", "older"] {
            let dir = TempDir::new().unwrap();
            let store = Store::open(dir.path(), &LAYOUT).unwrap();
            filled(&store);
            let key = key::live(1);
            if damage == "vanished" {
                store.swap_raw(&key, None);
            } else {
                let older = value::encode_short(&key, &3_u64.to_be_bytes());
                store.swap_raw(&key, Some(&older));
            }
            let error = store.check().unwrap_err().to_string();
            assert!(error.contains("missing or older"), "{damage}: {error}");
            // What is written later does not hide it.
            let mut batch = Batch::default();
            batch.put(key.clone(), b"new".to_vec());
            store.apply(batch, 21).unwrap();
            assert!(store.check().is_err(), "{damage}: hidden by a later write");
        }
    }
}
