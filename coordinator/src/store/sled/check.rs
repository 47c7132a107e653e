//! Checking a store nobody writes to: every value and chunk, or a sample.

use super::{
    digest::{self, Digest},
    reading::Sled,
    value::{self, Stored},
};
use crate::store::{Store, StoreError, key};

/// Values that a sample reads at each end of a kind, and between the two.
const SAMPLED: u64 = 250;

impl Store {
    /// Reads everything and compares all checksums and sums; returns the number of values, those in `meta/` included.
    /// Nothing is repaired. It takes some seconds per million values.
    pub fn check(&self) -> Result<u64, StoreError> {
        let mut values = 0;
        let mut chunks_expected = 0;
        let mut found = Digest::default();
        let reading = self.reading();
        let mut last = None;
        for entry in reading.range(&[], &[key::CHUNK])? {
            let (key, raw) = entry?;
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(StoreError::value(&key, "it is there twice, or in a wrong place"));
            }
            last = Some(key.clone());
            found.add(self.shared.layout, &key, &raw);
            chunks_expected += value::chunk_count(reading.whole(&key, &raw)?.len());
            values += 1;
        }
        let mut chunks = 0;
        for entry in reading.chunks()? {
            let (chunk_key, raw) = entry?;
            value::decode_chunk(&chunk_key, &raw)?;
            if !reading.has_value(&chunk_key)? {
                return Err(value::damaged(&chunk_key, "it has no value"));
            }
            chunks += 1;
        }
        if chunks != chunks_expected {
            return Err(StoreError::DamagedFile {
                fault: format!("it has {chunks} chunks of long values, and should have {chunks_expected}"),
            });
        }
        if found != reading.kept_digest()? {
            return Err(digest::differs());
        }
        Ok(values)
    }

    /// Reads the kinds that a start reads, and of the others, which may be a thousand times as large, a sample: the
    /// first and the last values of each kind, and some in between where keys are numbered.
    pub(super) fn check_sample(&self) -> Result<(), StoreError> {
        self.scan(key::META, &[]).try_for_each(|entry| entry.map(drop))?;
        self.check_start()?;
        let reading = self.reading();
        for kind in self.shared.layout.sampled {
            let range = || reading.range(kind, &key::end_of(kind));
            let ends = range()?
                .take(SAMPLED as usize)
                .chain(range()?.rev().take(SAMPLED as usize));
            for entry in ends {
                let (key, raw) = entry?;
                reading.whole(&key, &raw)?;
            }
        }
        for number in (1..=SAMPLED).map(|part| self.applied_seq() / SAMPLED * part) {
            for kind in self.shared.layout.numbered {
                let from = key::numbered(kind, number);
                if let Some(entry) = reading.range(&from, &key::end_of(kind))?.next() {
                    let (key, raw) = entry?;
                    reading.whole(&key, &raw)?;
                }
            }
        }
        Ok(())
    }

    /// Reads the kinds that a start reads into memory, and compares them with their sum.
    pub(crate) fn check_start(&self) -> Result<(), StoreError> {
        let mut found = Digest::default();
        let reading = self.reading();
        for prefix in self.shared.layout.start {
            for entry in reading.range(prefix, &key::end_of(prefix))? {
                let (key, raw) = entry?;
                found.add(self.shared.layout, &key, &raw);
                reading.whole(&key, &raw)?;
            }
        }
        // Decisions from a state that lacks something may contradict the journal.
        if found.start != reading.kept_digest()?.start {
            return Err(digest::differs());
        }
        Ok(())
    }
}

impl Sled {
    /// Whether a chunk is part of the value under its key.
    fn has_value(&self, chunk_key: &[u8]) -> Result<bool, StoreError> {
        let Some((key, index)) = value::split_chunk_key(chunk_key) else {
            return Err(value::damaged(chunk_key, "it is not a key of ours"));
        };
        let Some(raw) = self.raw(key)? else {
            return Ok(false);
        };
        Ok(match value::decode(key, &raw)? {
            Stored::Short(_) => false,
            Stored::Long(long) => index < long.chunks(),
        })
    }
}
