//! Reading many values in the order of their keys, a page at a time.

use std::vec;

use super::error::{StoreError, at_sled};
use super::{Store, key};

/// A page ends after so many values: writing waits while it is read.
const PAGE_VALUES: usize = 128;

/// A page ends when its values have so many bytes, so that a scan takes little memory.
const PAGE_BYTES: usize = 256 * 1024;

/// A key and its whole value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Keys and whole values, in the order of keys; made by `Store::scan`.
pub struct Scan {
    store: Store,
    /// Where the next page begins, and before which key the last one ends; nothing is left when they meet.
    next: Vec<u8>,
    end: Vec<u8>,
    page: vec::IntoIter<Entry>,
}

impl Scan {
    pub(super) fn new(store: Store, prefix: &[u8], from: &[u8]) -> Scan {
        let next = prefix.max(from).to_vec();
        Scan {
            store,
            next,
            end: key::end_of(prefix),
            page: Vec::new().into_iter(),
        }
    }

    fn read_page(&mut self) -> Result<Vec<Entry>, StoreError> {
        let _exact = self.store.exact();
        let mut page = Vec::new();
        let mut bytes = 0;
        for entry in self.store.db.range(self.next.as_slice()..self.end.as_slice()) {
            let (key, raw) = entry.map_err(at_sled("read"))?;
            let value = self.store.whole(&key, &raw)?;
            bytes += value.len();
            page.push((key.to_vec(), value));
            if page.len() == PAGE_VALUES || bytes >= PAGE_BYTES {
                // The first key that could follow.
                self.next = [&key, [0].as_slice()].concat();
                return Ok(page);
            }
        }
        self.next.clone_from(&self.end);
        Ok(page)
    }
}

impl Iterator for Scan {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.page.next() {
            return Some(Ok(entry));
        }
        if self.next >= self.end {
            return None;
        }
        match self.read_page() {
            Ok(page) => {
                self.page = page.into_iter();
                self.page.next().map(Ok)
            }
            Err(error) => {
                self.next.clone_from(&self.end);
                Some(Err(error))
            }
        }
    }
}
