//! A digest of everything stored, kept beside it: sled can lose a page, or keep an old one, without a word.
//!
//! It is the sum of a hash of each key with its stored value, `meta/` and chunks left out (a long value's own
//! checksum covers its chunks). A batch changes it by what it writes, so it costs a hash for each write; what
//! was lost since stays in the sum.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    Store,
    error::{StoreError, at_sled},
    key,
    value::{self, Stored},
};

/// Where it is kept: behind all keys that anybody sees, and before the chunks.
const KEY: &[u8] = &[key::CHUNK, 0];

/// A sum of hashes; the order of the summands does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(u64);

impl Digest {
    pub(super) fn add(&mut self, key: &[u8], raw: &[u8]) {
        if !key.starts_with(key::META) {
            self.0 = self.0.wrapping_add(hash(key, raw));
        }
    }

    pub(super) fn remove(&mut self, key: &[u8], raw: &[u8]) {
        if !key.starts_with(key::META) {
            self.0 = self.0.wrapping_sub(hash(key, raw));
        }
    }

    /// Its key, and it as it is stored.
    pub(super) fn stored(self) -> (&'static [u8], Vec<u8>) {
        (KEY, value::encode_short(KEY, &self.0.to_be_bytes()))
    }
}

fn hash(key: &[u8], raw: &[u8]) -> u64 {
    xxh3_64_with_seed(raw, xxh3_64_with_seed(key, 0))
}

impl Store {
    /// The digest as the last batch left it; that of nothing in a new store.
    pub(super) fn kept_digest(&self) -> Result<Digest, StoreError> {
        let Some(raw) = self.db.get(KEY).map_err(at_sled("read"))? else {
            return Ok(Digest::default());
        };
        match value::decode(KEY, &raw)? {
            Stored::Short(bytes) => bytes
                .try_into()
                .map(|bytes| Digest(u64::from_be_bytes(bytes)))
                .map_err(|_| StoreError::value(KEY, "it is no digest")),
            Stored::Long(_) => Err(StoreError::value(KEY, "it is no digest")),
        }
    }

    /// Adds up everything stored, and compares.
    pub(super) fn check_digest(&self) -> Result<(), StoreError> {
        let mut found = Digest::default();
        for entry in self.db.range(..[key::CHUNK].as_slice()) {
            let (key, raw) = entry.map_err(at_sled("read"))?;
            found.add(&key, &raw);
        }
        if found == self.kept_digest()? {
            return Ok(());
        }
        Err(StoreError::DamagedFile {
            fault: "values are missing or older than they should be".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::Batch;

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
        let store = Store::open(dir.path()).unwrap();
        filled(&store);
        store.check().unwrap();
    }

    #[test]
    fn a_value_that_vanished_or_is_an_older_one_is_noticed() {
        for damage in ["vanished", "older"] {
            let dir = TempDir::new().unwrap();
            let store = Store::open(dir.path()).unwrap();
            filled(&store);
            let key = key::live(1);
            if damage == "vanished" {
                store.db.remove(&key).unwrap();
            } else {
                let older = value::encode_short(&key, &3_u64.to_be_bytes());
                store.db.insert(&key, older).unwrap();
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
