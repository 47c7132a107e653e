//! The writes of a batch: leaves, chunks and sums.

use sled::IVec;

use super::{
    digest,
    leaves::Changing,
    reading::Sled,
    value::{self, Encoded, Stored},
    window::RawWrite,
};
use crate::store::{
    Store,
    batch::{Batch, Write},
    error::StoreError,
    key,
    number_set::NumberSet,
};

/// The writes of a batch, and the keys that change.
pub(crate) struct Changes {
    pub(crate) writes: Vec<RawWrite>,
    /// Chunks are left out.
    pub(crate) changed: Vec<Changed>,
}

/// A key that changes.
pub(crate) struct Changed {
    pub(crate) key: Vec<u8>,
    /// Its raw bytes before.
    pub(crate) before: Option<IVec>,
    /// By how much the digest changes.
    pub(crate) difference: u64,
}

impl Store {
    /// The writes of a batch. The caller is the only writer.
    pub(crate) fn changes(&self, mut batch: Batch, through: u64) -> Result<Changes, StoreError> {
        batch.set_meta(key::APPLIED_SEQ, through.to_be_bytes().to_vec());
        let mut changed = Vec::with_capacity(batch.operations());
        let mut chunks = Vec::new();
        let reading = self.reading();
        let mut leaves = Changing::new(&reading);
        let mut digest = reading.kept_digest()?;
        for (key, write) in batch.into_writes() {
            let before = leaves.take(&key)?;
            let value = reading.value_after(&key, before.as_deref(), write)?;
            if value.is_none() && before.is_none() {
                continue;
            }
            let after = value.map(|value| value::encode(&key, &value));
            let parts = after.as_ref().map_or(0, |after| after.chunks.len() as u32);
            for surplus in parts..chunks_of(&key, before.as_deref())? {
                chunks.push((value::chunk_key(&key, surplus), None));
            }
            let raw = after.map(|Encoded { raw, chunks: parts }| {
                chunks.extend(parts.into_iter().map(|(key, part)| (key, Some(part))));
                raw
            });
            let difference = digest::difference(&key, before.as_deref(), raw.as_deref());
            digest.change(self.shared.layout, &key, difference);
            if let Some(raw) = raw {
                leaves.put(&key, raw, before.is_none());
            }
            changed.push(Changed {
                key,
                before,
                difference,
            });
        }
        let mut writes = leaves.finish();
        writes.append(&mut chunks);
        let sums = digest.stored();
        writes.extend(sums.map(|(key, sum)| (key.to_vec(), Some(sum))));
        Ok(Changes { writes, changed })
    }
}

impl Sled {
    /// The value of a key after a write; `None` when there is none then.
    fn value_after(
        &self,
        key: &[u8],
        before: Option<&[u8]>,
        write: Write,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (more, less) = match write {
            Write::Put(value) => return Ok(Some(value)),
            Write::Remove => return Ok(None),
            Write::Change { more, less } => (more, less),
        };
        let set = match before {
            Some(raw) => NumberSet::stored(key, &self.whole(key, raw)?)?,
            None => NumberSet::default(),
        };
        let set = set.changed(more, less);
        Ok((!set.is_empty()).then(|| set.bytes()))
    }
}

/// How many chunks the stored value of a key has.
fn chunks_of(key: &[u8], stored: Option<&[u8]>) -> Result<u32, StoreError> {
    let Some(raw) = stored else { return Ok(0) };
    Ok(match value::decode(key, raw)? {
        Stored::Short(_) => 0,
        Stored::Long(long) => long.chunks(),
    })
}
