//! Finding keys in the leaves, and changing them.

use std::{iter::Peekable, marker::PhantomData, ops::Bound, vec};

use sled::IVec;

use super::{
    error::at_sled,
    leaf::{self, Entry},
    reading::Sled,
    window::RawWrite,
};
use crate::store::{
    StoreError,
    key::{self, kind_of},
};

impl Sled {
    /// The leaf that a key belongs to, with its name; `None` when its kind has none that early.
    fn leaf_of(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let before = self.db()?.range(..=key).next_back().transpose();
        let found = before.map_err(at_sled("read"))?;
        Ok(found.filter(|(name, _)| name.starts_with(kind_of(key))))
    }

    /// The raw bytes of a key, chunks left out.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        match self.leaf_of(key)? {
            Some((name, leaf)) => leaf::find(&name, &leaf, key),
            None => Ok(None),
        }
    }

    /// The keys from `from` to before `to` and their raw bytes, in order; chunks have no place between the two.
    pub(crate) fn range(&self, from: &[u8], to: &[u8]) -> Result<Range<'_>, StoreError> {
        let first = self.leaf_of(from)?.map(|(name, _)| name);
        let first = first.as_deref().unwrap_or(from);
        Ok(Range {
            leaves: self.db()?.range(first..to),
            from: from.to_vec(),
            to: to.to_vec(),
            front: Vec::new().into_iter(),
            back: Vec::new().into_iter(),
            _open: PhantomData,
        })
    }
}

/// Keys and their raw bytes; made by `Sled::range`. It must not outlive the `Reading`, because sled's iterator keeps
/// the files open.
pub(crate) struct Range<'a> {
    leaves: sled::Iter,
    from: Vec<u8>,
    to: Vec<u8>,
    /// Entries of the leaves read so far from either end.
    front: vec::IntoIter<Entry>,
    back: vec::IntoIter<Entry>,
    _open: PhantomData<&'a Sled>,
}

impl Range<'_> {
    fn entries(&self, leaf: sled::Result<Entry>) -> Result<vec::IntoIter<Entry>, StoreError> {
        let (name, leaf) = leaf.map_err(at_sled("read"))?;
        let mut entries = leaf::entries(&name, &leaf)?;
        entries.retain(|(key, _)| (self.from.as_slice()..self.to.as_slice()).contains(&key.as_ref()));
        Ok(entries.into_iter())
    }
}

impl Iterator for Range<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.front.next() {
                return Some(Ok(entry));
            }
            let Some(leaf) = self.leaves.next() else {
                return self.back.next().map(Ok);
            };
            match self.entries(leaf) {
                Ok(entries) => self.front = entries,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.back.next_back() {
                return Some(Ok(entry));
            }
            let Some(leaf) = self.leaves.next_back() else {
                return self.front.next_back().map(Ok);
            };
            match self.entries(leaf) {
                Ok(entries) => self.back = entries,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Leaves that are being changed. Keys are taken and put in their order.
pub(crate) struct Changing<'a> {
    sled: &'a Sled,
    open: Option<Open>,
    /// The writes for the leaves so far.
    writes: Vec<RawWrite>,
}

/// The leaf that is being changed.
struct Open {
    name: Vec<u8>,
    /// The first key that belongs to a later leaf.
    end: Vec<u8>,
    is_stored: bool,
    is_changed: bool,
    /// Its entries before the key that was taken last, and behind it.
    before: Vec<Entry>,
    behind: Peekable<vec::IntoIter<Entry>>,
    /// Whether the last entry of `before` is a new key.
    ends_new: bool,
}

impl<'a> Changing<'a> {
    pub(crate) fn new(sled: &'a Sled) -> Changing<'a> {
        Changing {
            sled,
            open: None,
            writes: Vec::new(),
        }
    }

    /// Takes a key out and returns its raw bytes. The key sorts behind all that were taken before.
    pub(crate) fn take(&mut self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        let leaf = match self.open.take() {
            Some(leaf) if key < leaf.end.as_slice() => leaf,
            left => {
                self.close(left);
                Open::new(self.sled, key)?
            }
        };
        let leaf = self.open.insert(leaf);
        while let Some(entry) = leaf.behind.next_if(|(other, _)| other.as_ref() < key) {
            leaf.before.push(entry);
            leaf.ends_new = false;
        }
        let taken = leaf.behind.next_if(|(other, _)| other.as_ref() == key);
        leaf.is_changed |= taken.is_some();
        Ok(taken.map(|(_, raw)| raw))
    }

    /// Puts raw bytes under the key that was taken last.
    pub(crate) fn put(&mut self, key: &[u8], raw: Vec<u8>, is_new: bool) {
        if let Some(leaf) = &mut self.open {
            leaf.before.push((key.into(), raw.into()));
            leaf.is_changed = true;
            leaf.ends_new = is_new;
        }
    }

    /// The writes for sled.
    pub(crate) fn finish(mut self) -> Vec<RawWrite> {
        let left = self.open.take();
        self.close(left);
        self.writes
    }

    fn close(&mut self, leaf: Option<Open>) {
        let Some(mut leaf) = leaf.filter(|leaf| leaf.is_changed) else {
            return;
        };
        let is_rising = leaf.ends_new && leaf.behind.len() == 0;
        leaf.before.extend(leaf.behind);
        if !leaf.before.is_empty() {
            self.writes
                .extend(leaf::split(&leaf.name, &leaf.before, is_rising));
        } else if leaf.is_stored {
            self.writes.push((leaf.name, None));
        }
    }
}

impl Open {
    /// The leaf that a key belongs to, or a new one for it.
    fn new(sled: &Sled, key: &[u8]) -> Result<Open, StoreError> {
        let kind = kind_of(key);
        let found = sled.leaf_of(key)?;
        let later = (Bound::Excluded(key), Bound::Unbounded);
        let next = sled.db()?.range::<&[u8], _>(later).next().transpose();
        let next = next.map_err(at_sled("read"))?.map(|(name, _)| name);
        let entries = match &found {
            Some((name, leaf)) => leaf::entries(name, leaf)?,
            None => Vec::new(),
        };
        Ok(Open {
            name: found.as_ref().map_or(kind, |(name, _)| name).to_vec(),
            end: match next.filter(|name| name.starts_with(kind)) {
                Some(name) => name.to_vec(),
                None => key::end_of(kind),
            },
            is_stored: found.is_some(),
            is_changed: false,
            before: Vec::new(),
            behind: entries.into_iter().peekable(),
            ends_new: false,
        })
    }
}
