//! Checking the whole store: every value, every chunk, and that each chunk has its value.

use super::error::{StoreError, at_sled};
use super::key::FIRST_CHUNK;
use super::{Store, sweep, value};

impl Store {
    /// Reads everything and compares all checksums; returns the number of values, those in `meta/`
    /// included. Nothing is repaired. It takes about a second per million values, and is meant for a
    /// store that nobody writes at the time.
    pub fn check(&self) -> Result<u64, StoreError> {
        let mut values = 0;
        let mut chunks_expected = 0;
        for entry in self.scan(&[], &[]) {
            let (_, value) = entry?;
            chunks_expected += value::chunk_count(value.len());
            values += 1;
        }
        let mut chunks = 0;
        for entry in self.db.range(FIRST_CHUNK..) {
            let (chunk_key, raw) = entry.map_err(at_sled("read"))?;
            value::decode_chunk(&chunk_key, &raw)?;
            if !sweep::has_value(&self.db, &chunk_key)? {
                return Err(StoreError::value(&chunk_key, "it has no value"));
            }
            chunks += 1;
        }
        if chunks != chunks_expected {
            return Err(StoreError::DamagedFile {
                fault: format!("it has {chunks} chunks of long values, and should have {chunks_expected}"),
            });
        }
        self.check_digest()?;
        Ok(values)
    }
}
