//! Reading the store: the one way to sled, which stays open meanwhile.

use std::{ops::Deref, sync::RwLockReadGuard};

use sled::IVec;

use super::{
    error::at_sled,
    value::{self, Stored},
};
use crate::store::{
    Store, StoreError, WHOLE,
    key::{self, CHUNK, FIRST_CHUNK},
};

/// Reads as of one batch; made by `Store::reading`. Nobody takes a second one beside it: a writer may wait in between.
pub struct Reading<'a> {
    sled: RwLockReadGuard<'a, Sled>,
}

/// The open database, or nothing while it is being reopened.
pub struct Sled {
    db: Option<sled::Db>,
    /// The end of sled's log when sled was opened.
    opened_at: u64,
}

impl Store {
    /// For several values as of one batch: writing waits until the reading is dropped. This waits while a batch is
    /// applied, and while sled is opened again, which takes half a second with a million tasks and some seconds with
    /// ten.
    pub fn reading(&self) -> Reading<'_> {
        Reading {
            sled: self.shared.sled.read().expect(WHOLE),
        }
    }
}

impl Deref for Reading<'_> {
    type Target = Sled;

    fn deref(&self) -> &Sled {
        &self.sled
    }
}

impl Sled {
    pub(crate) fn new(db: sled::Db) -> Sled {
        Sled {
            opened_at: end_of_log(&db),
            db: Some(db),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(raw) = self.raw(key)? else {
            return Ok(None);
        };
        self.whole(key, &raw).map(Some)
    }

    /// The seq that the files reflect, read from them; 0 when they are new.
    pub(crate) fn applied_seq(&self) -> Result<u64, StoreError> {
        let key = key::meta(key::APPLIED_SEQ);
        let Some(value) = self.get(&key)? else {
            return Ok(0);
        };
        match value.try_into() {
            Ok(seq) => Ok(u64::from_be_bytes(seq)),
            Err(_) => Err(StoreError::value(&key, "it is not a seq")),
        }
    }

    /// Bytes of sled's log since it was opened, which its next opening has to read.
    pub(crate) fn written(&self) -> u64 {
        let end = self.db.as_ref().map_or(0, end_of_log);
        end.saturating_sub(self.opened_at)
    }

    /// Takes the database out, to close it.
    pub(crate) fn take(&mut self) -> Option<sled::Db> {
        self.db.take()
    }

    /// The open database. A clone would keep the files from being closed, so whoever clones it holds `flushing`.
    pub(crate) fn db(&self) -> Result<&sled::Db, StoreError> {
        self.db.as_ref().ok_or(StoreError::Closed)
    }

    /// The raw bytes under a key.
    pub(crate) fn raw(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        match key.first() {
            Some(&CHUNK) => self.db()?.get(key).map_err(at_sled("read")),
            _ => self.find(key),
        }
    }

    /// All chunks, in the order of their keys.
    pub(crate) fn chunks(
        &self,
    ) -> Result<impl Iterator<Item = Result<(IVec, IVec), StoreError>>, StoreError> {
        let chunks = self.db()?.range(FIRST_CHUNK..);
        Ok(chunks.map(|chunk| chunk.map_err(at_sled("read"))))
    }

    /// The value that the raw bytes under a key stand for, with its chunks.
    pub(crate) fn whole(&self, key: &[u8], raw: &[u8]) -> Result<Vec<u8>, StoreError> {
        match value::decode(key, raw)? {
            Stored::Short(value) => Ok(value.to_vec()),
            Stored::Long(long) => value::join(key, &long, |chunk_key| self.raw(chunk_key)),
        }
    }
}

/// The end of sled's log. sled has no function for it, and keeps it in fields that can be read. It is never negative.
fn end_of_log(db: &sled::Db) -> u64 {
    u64::try_from(db.context.pagecache.log.stable_offset()).unwrap_or_default()
}
