//! A batch: the changes that take the store from one seq to a later one.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    key,
    number_set::{NumberSet, SetMember},
    sled::value,
};

/// Changes that become visible together. The last change of a key wins.
#[derive(Debug, Default)]
pub struct Batch {
    writes: BTreeMap<Vec<u8>, Write>,
    operations: usize,
    bytes: usize,
}

/// How a key changes.
#[derive(Debug)]
pub(super) enum Write {
    /// The key gets this value.
    Put(Vec<u8>),
    /// The key is removed.
    Remove,
    /// The set of numbers under the key gets some and loses others.
    Change { more: NumberSet, less: NumberSet },
}

impl Batch {
    /// Sets the value of a key.
    ///
    /// # Panics
    ///
    /// When the key is empty, longer than `key::MAX_KEY_BYTES`, or begins like a chunk's.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.write(key, Write::Put(value));
    }

    /// Removes a key, if there is one.
    ///
    /// # Panics
    ///
    /// As `put`.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.write(key, Write::Remove);
    }

    /// Adds a number to its set.
    ///
    /// # Panics
    ///
    /// As `put`; and when the key was put or removed in this batch.
    pub fn add_number(&mut self, member: SetMember) {
        self.change_set(member, true);
    }

    /// Takes a number out of its set. A set without numbers is removed.
    ///
    /// # Panics
    ///
    /// As `add_number`.
    pub fn take_number(&mut self, member: SetMember) {
        self.change_set(member, false);
    }

    fn change_set(&mut self, member: SetMember, is_in: bool) {
        let SetMember { key, number } = member;
        let (mut more, mut less) = match self.writes.get(&key) {
            Some(Write::Change { more, less }) => (*more, *less),
            None => Default::default(),
            Some(_) => panic!("a key has a set or a value"),
        };
        more.set(number, is_in);
        less.set(number, !is_in);
        self.write(key, Write::Change { more, less });
    }

    /// Sets a fact about the store itself. `Store::apply` sets `applied_seq`, and callers do not.
    pub fn set_meta(&mut self, name: &str, value: Vec<u8>) {
        self.put(key::meta(name), value);
    }

    /// The number of keys and chunks that change.
    pub fn operations(&self) -> usize {
        self.operations
    }

    /// Bytes of the keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The keys that begin with `prefix` and get a value.
    pub fn puts<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.writes
            .range(prefix.to_vec()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter(|(_, write)| matches!(write, Write::Put(_)))
            .map(|(key, _)| key.as_slice())
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn into_writes(self) -> impl Iterator<Item = (Vec<u8>, Write)> {
        self.writes.into_iter()
    }

    fn write(&mut self, key: Vec<u8>, write: Write) {
        key::assert_valid(&key);
        self.operations += write.operations();
        self.bytes += key.len() + write.bytes();
        match self.writes.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(write);
            }
            Entry::Occupied(mut entry) => {
                let replaced = entry.insert(write);
                let key = entry.key().len();
                self.operations -= replaced.operations();
                self.bytes -= key + replaced.bytes();
            }
        }
    }
}

impl Write {
    fn operations(&self) -> usize {
        match self {
            Write::Put(value) => operations_for(value.len()),
            Write::Remove | Write::Change { .. } => 1,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Write::Put(value) => value.len(),
            Write::Remove => 0,
            Write::Change { .. } => size_of::<NumberSet>(),
        }
    }
}

/// How many operations it takes to put a value of so many bytes.
pub fn operations_for(value_len: usize) -> usize {
    1 + value::chunk_count(value_len)
}
