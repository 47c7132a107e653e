//! A leaf: neighbouring keys and their raw bytes, which sled keeps as one value.
//!
//! For each key sled copies a node of up to 16 keys, writes to its log, and now and then splits the node. Leaves make
//! it do so once for many keys of ours.
//!
//! A leaf is stored under its name, which is its first key at the time of the split. A key belongs to the last leaf of
//! its kind (`live/`) whose name is not greater. The first leaf of a kind has the kind as its name. A leaf that grows
//! too large is split, and an empty one is removed; leaves are never merged.
//!
//! ```text
//! leaf     4 | crc32c | entries in the order of keys
//! entry    key length u8 | length u16 | key | its raw bytes, as `value.rs` writes them
//! ```

use std::{cmp::Ordering, ops::Range};

use sled::IVec;

use super::{
    value::{self, HEADER_BYTES, MAX_RAW_BYTES},
    window::RawWrite,
};
use crate::store::error::StoreError;

/// A key and its raw bytes.
pub(crate) type Entry = (IVec, IVec);

/// Bytes of a leaf's entries. Larger leaves cost sled less where keys rise or fall, and more where keys change at
/// random. A larger entry has a leaf of its own.
pub(crate) const LEAF_BYTES: usize = MAX_RAW_BYTES - HEADER_BYTES;

/// Bytes of the two lengths before each entry.
const LENGTHS_BYTES: usize = 3;

/// The entries of the leaf with this name.
pub(crate) fn entries(name: &[u8], leaf: &IVec) -> Result<Vec<Entry>, StoreError> {
    let places = Places::new(name, leaf)?;
    let part = |place: Range<usize>| leaf.subslice(place.start, place.len());
    places
        .map(|places| places.map(|(key, raw)| (part(key), part(raw))))
        .collect()
}

/// The raw bytes of a key in the leaf with this name.
pub(crate) fn find(name: &[u8], leaf: &IVec, key: &[u8]) -> Result<Option<IVec>, StoreError> {
    for places in Places::new(name, leaf)? {
        let (place, raw) = places?;
        match leaf[place].cmp(key) {
            Ordering::Less => {}
            Ordering::Equal => return Ok(Some(leaf.subslice(raw.start, raw.len()))),
            Ordering::Greater => break,
        }
    }
    Ok(None)
}

/// The leaves for these entries, of which the first has this name; there is at least one entry.
///
/// When keys rise, as numbers do, all leaves but the last are full. Otherwise each has space left.
pub(crate) fn split(name: &[u8], entries: &[Entry], is_rising: bool) -> Vec<RawWrite> {
    let total: usize = entries.iter().map(bytes_of).sum();
    let enough = if is_rising {
        LEAF_BYTES
    } else {
        total.div_ceil(total.div_ceil(LEAF_BYTES))
    };
    let mut leaves = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for (index, entry) in entries.iter().enumerate() {
        let more = bytes + bytes_of(entry);
        if first < index && (more > LEAF_BYTES || bytes >= enough) {
            leaves.push(&entries[first..index]);
            (first, bytes) = (index, 0);
        }
        bytes += bytes_of(entry);
    }
    leaves.push(&entries[first..]);
    let named = leaves.into_iter().enumerate().map(|(index, leaf)| match index {
        0 => (name.to_vec(), Some(whole(name, leaf))),
        _ => (leaf[0].0.to_vec(), Some(whole(&leaf[0].0, leaf))),
    });
    named.collect()
}

/// A leaf of all these entries.
pub(crate) fn whole(name: &[u8], entries: &[Entry]) -> Vec<u8> {
    let bytes = entries.iter().map(bytes_of).sum();
    value::encode_leaf(name, bytes, |leaf| {
        for (key, raw) in entries {
            leaf.push(key.len() as u8);
            leaf.extend_from_slice(&(raw.len() as u16).to_le_bytes());
            leaf.extend_from_slice(key);
            leaf.extend_from_slice(raw);
        }
    })
}

fn bytes_of((key, raw): &Entry) -> usize {
    LENGTHS_BYTES + key.len() + raw.len()
}

/// The positions of each key and of its raw bytes in a leaf; ends after an error.
struct Places<'a> {
    name: &'a [u8],
    leaf: &'a [u8],
    next: usize,
}

impl<'a> Places<'a> {
    fn new(name: &'a [u8], leaf: &'a [u8]) -> Result<Places<'a>, StoreError> {
        value::check_leaf(name, leaf)?;
        Ok(Places {
            name,
            leaf,
            next: HEADER_BYTES,
        })
    }
}

impl Iterator for Places<'_> {
    type Item = Result<(Range<usize>, Range<usize>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.leaf.get(self.next..).filter(|rest| !rest.is_empty())?;
        let ends = rest.first_chunk().and_then(|[key, low, high]| {
            let key_begin = self.next + LENGTHS_BYTES;
            let key_end = key_begin + usize::from(*key);
            let end = key_end + usize::from(u16::from_le_bytes([*low, *high]));
            (end <= self.leaf.len()).then_some((key_begin..key_end, key_end..end))
        });
        self.next = ends.as_ref().map_or(self.leaf.len(), |(_, raw)| raw.end);
        Some(ends.ok_or_else(|| StoreError::value(self.name, "an entry of it is cut short")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(numbers: impl IntoIterator<Item = u32>, bytes: usize) -> Vec<Entry> {
        let entry = |number: u32| (IVec::from(&number.to_be_bytes()), IVec::from(vec![7; bytes]));
        numbers.into_iter().map(entry).collect()
    }

    fn read(leaves: &[RawWrite]) -> Vec<Vec<Entry>> {
        let leaves = leaves.iter().map(|(name, leaf)| {
            let leaf = IVec::from(leaf.as_deref().unwrap());
            let entries = entries(name, &leaf).unwrap();
            for (key, raw) in &entries {
                assert_eq!(find(name, &leaf, key).unwrap().as_ref(), Some(raw));
            }
            assert_eq!(find(name, &leaf, b"none").unwrap(), None);
            entries
        });
        leaves.collect()
    }

    #[test]
    fn entries_come_back_in_leaves_that_are_named_by_their_first_keys() {
        for bytes in [0, 40, 300, MAX_RAW_BYTES] {
            for count in [1, 2, 13, 500] {
                for is_rising in [false, true] {
                    let entries = numbered(0..count, bytes);
                    let leaves = split(b"kind/", &entries, is_rising);
                    let read = read(&leaves);
                    assert_eq!(read.concat(), entries);
                    assert_eq!(leaves[0].0, b"kind/");
                    for ((name, leaf), entries) in leaves.iter().zip(&read) {
                        assert!(name == b"kind/" || name.as_slice() == entries[0].0.as_ref());
                        let lone = HEADER_BYTES + bytes_of(&entries[0]);
                        assert!(leaf.as_ref().unwrap().len() <= lone.max(MAX_RAW_BYTES));
                    }
                }
            }
        }
    }

    #[test]
    fn leaves_are_full_where_keys_rise_and_half_full_where_one_came_in_between() {
        let entries = numbered(0..12, 350);
        let counts = |is_rising| {
            read(&split(b"kind/", &entries, is_rising))
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(true), [11, 1]);
        assert_eq!(counts(false), [6, 6]);
    }

    #[test]
    fn a_leaf_that_is_cut_short_is_an_error_and_no_panic() {
        let entries = numbered(0..3, 20);
        let leaf = split(b"kind/", &entries, true).remove(0).1.unwrap();
        for length in HEADER_BYTES + 1..leaf.len() {
            let part = &leaf[HEADER_BYTES..length];
            let cut = value::encode_leaf(b"kind/", part.len(), |cut| cut.extend_from_slice(part));
            let cut = IVec::from(cut);
            let read = super::entries(b"kind/", &cut);
            let is_between = (length - HEADER_BYTES).is_multiple_of(LENGTHS_BYTES + 4 + 20);
            assert_eq!(read.is_ok(), is_between, "{length}");
        }
    }
}
