//! A scan: many values, read a page at a time in the order of their keys or in reverse.

use std::vec;

use super::{PAGE_BYTES, PAGE_VALUES, Store, error::StoreError, key};

/// A key and its whole value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Keys and values in the order of keys or in reverse; made by `Store::scan` and `Store::scan_back`.
pub struct Scan {
    store: Store,
    /// Keys from `from` to before `to` are still to be read.
    from: Vec<u8>,
    to: Vec<u8>,
    backwards: bool,
    page: vec::IntoIter<Entry>,
}

impl Store {
    /// The keys that begin with `prefix` and sort before `before`, the last one first, and their values. Read as `scan`
    /// is.
    pub fn scan_back(&self, prefix: &[u8], before: &[u8]) -> Scan {
        Scan {
            store: self.clone(),
            from: prefix.to_vec(),
            to: key::end_of(prefix).as_slice().min(before).to_vec(),
            backwards: true,
            page: Vec::new().into_iter(),
        }
    }

    /// The first key that begins with `prefix`, from `from` on (inclusive), and its value.
    pub fn first(&self, prefix: &[u8], from: &[u8]) -> Result<Option<Entry>, StoreError> {
        let (from, to) = (prefix.max(from), key::end_of(prefix));
        if from >= to.as_slice() {
            return Ok(None);
        }
        let reading = self.reading();
        match reading.range(from, &to)?.next().transpose()? {
            Some((key, raw)) => Ok(Some((key.to_vec(), reading.whole(&key, &raw)?))),
            None => Ok(None),
        }
    }
}

impl Scan {
    pub(super) fn new(store: Store, prefix: &[u8], from: &[u8]) -> Scan {
        Scan {
            store,
            from: prefix.max(from).to_vec(),
            to: key::end_of(prefix),
            backwards: false,
            page: Vec::new().into_iter(),
        }
    }

    fn is_done(&self) -> bool {
        self.from >= self.to
    }

    fn read_page(&mut self) -> Result<Vec<Entry>, StoreError> {
        let reading = self.store.reading();
        let mut page = Vec::new();
        let mut bytes = 0;
        let mut left = reading.range(&self.from, &self.to)?;
        while let Some(entry) = if self.backwards {
            left.next_back()
        } else {
            left.next()
        } {
            let (key, raw) = entry?;
            let value = reading.whole(&key, &raw)?;
            bytes += value.len();
            page.push((key.to_vec(), value));
            if page.len() == PAGE_VALUES || bytes >= PAGE_BYTES {
                if self.backwards {
                    self.to = key.to_vec();
                } else {
                    self.from = key::next(&key);
                }
                return Ok(page);
            }
        }
        self.from.clone_from(&self.to);
        Ok(page)
    }
}

impl Iterator for Scan {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.page.next() {
            return Some(Ok(entry));
        }
        if self.is_done() {
            return None;
        }
        match self.read_page() {
            Ok(page) => {
                self.page = page.into_iter();
                self.page.next().map(Ok)
            }
            Err(error) => {
                self.from.clone_from(&self.to);
                Some(Err(error))
            }
        }
    }
}
