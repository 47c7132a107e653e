//! A batch: what changes in the store from one seq to a later one.

use std::collections::BTreeMap;

use super::{key, value};

/// Puts and removals that become visible together. The last one for a key wins.
#[derive(Debug, Default)]
pub struct Batch {
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    operations: usize,
}

impl Batch {
    /// Sets the value of a key.
    ///
    /// # Panics
    ///
    /// When the key is empty, longer than `key::MAX_KEY_BYTES`, or begins like a chunk's.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.write(key, Some(value));
    }

    /// Removes a key; without effect when it does not exist.
    ///
    /// # Panics
    ///
    /// As `put`.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.write(key, None);
    }

    /// Sets a fact about the store itself. `applied_seq` is not for the caller to set: `apply` does.
    pub fn set_meta(&mut self, name: &str, value: Vec<u8>) {
        self.put(key::meta(name), value);
    }

    /// Operations that sled will be given, chunks counted; at most `MAX_BATCH_OPERATIONS` when applied.
    pub fn operations(&self) -> usize {
        self.operations
    }

    /// The keys that begin with `prefix` and are given a value.
    pub fn puts<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.writes
            .range(prefix.to_vec()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter(|(_, value)| value.is_some())
            .map(|(key, _)| key.as_slice())
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn into_writes(self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        self.writes.into_iter()
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        key::assert_valid(&key);
        self.operations += cost(value.as_deref());
        if let Some(replaced) = self.writes.insert(key, value) {
            self.operations -= cost(replaced.as_deref());
        }
    }
}

/// Operations that putting a value of so many bytes takes.
pub fn operations_for(value_len: usize) -> usize {
    1 + value::chunk_count(value_len)
}

fn cost(value: Option<&[u8]>) -> usize {
    operations_for(value.map_or(0, <[u8]>::len))
}
