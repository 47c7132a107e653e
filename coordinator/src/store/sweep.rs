//! Removing the chunks that no value has any more, a bounded number at a time.
//!
//! The removal of one long value is one operation to the caller and dozens to sled. When a batch has
//! no room for them all, it leaves a mark instead, and the chunks go in batches of their own right
//! after. No reader sees a chunk without its value, so it does not matter that this is later; and if
//! the process ends in between, the mark makes the next start finish the work.

use super::MAX_BATCH_OPERATIONS;
use super::error::{StoreError, at_sled};
use super::key::{CHUNK, FIRST_CHUNK};
use super::value::{self, Stored};

/// Stands in the store while there may be chunks without a value. No chunk's key is as short.
pub(super) const MARK: &[u8] = &[CHUNK];

/// Adds the removals to the batch if they fit into it, or else the mark. Returns what is left to remove.
pub(super) fn plan(batch: &mut sled::Batch, operations: usize, surplus: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if operations + surplus.len() > MAX_BATCH_OPERATIONS {
        batch.insert(MARK, &[]);
        return surplus;
    }
    for chunk_key in surplus {
        batch.remove(chunk_key);
    }
    Vec::new()
}

/// Removes chunks, and after the last of them the mark.
pub(super) fn remove(db: &sled::Db, chunk_keys: &[Vec<u8>]) -> Result<(), StoreError> {
    for some in chunk_keys.chunks(MAX_BATCH_OPERATIONS) {
        let mut batch = sled::Batch::default();
        for chunk_key in some {
            batch.remove(chunk_key.as_slice());
        }
        db.apply_batch(batch).map_err(at_sled("write"))?;
    }
    db.remove(MARK).map_err(at_sled("write"))?;
    Ok(())
}

/// Finishes, at the start, what a killed process has left.
pub(super) fn finish(db: &sled::Db) -> Result<(), StoreError> {
    if db.get(MARK).map_err(at_sled("read"))?.is_none() {
        return Ok(());
    }
    let mut orphans = Vec::new();
    for entry in db.range(FIRST_CHUNK..).keys() {
        let chunk_key = entry.map_err(at_sled("read"))?;
        if !has_value(db, &chunk_key)? {
            orphans.push(chunk_key.to_vec());
        }
    }
    tracing::info!(
        "removing {} chunks that an earlier run left in the store",
        orphans.len()
    );
    remove(db, &orphans)
}

/// Whether a chunk is part of the value under its key.
pub(super) fn has_value(db: &sled::Db, chunk_key: &[u8]) -> Result<bool, StoreError> {
    let Some((key, index)) = value::split_chunk_key(chunk_key) else {
        return Err(StoreError::value(chunk_key, "it is not a key of ours"));
    };
    let Some(raw) = db.get(key).map_err(at_sled("read"))? else {
        return Ok(false);
    };
    Ok(match value::decode(key, &raw)? {
        Stored::Short(_) => false,
        Stored::Long(long) => index < long.chunks(),
    })
}
