//! A pass: reads the store through, a page at a time, while batches are applied.
//!
//! The pass adds up the digest of the values that it reads. A batch that changes a value already read changes that
//! digest too. So at the end it is the digest of the store as it is then, and must equal the kept one.

use super::{
    changes::Changed,
    digest::{self, Digest},
};
use crate::store::{PAGE_BYTES, PAGE_VALUES, Store, WHOLE, error::StoreError, key, layout::Layout};

/// The part of the store that a pass reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The ids.
    Ids,
    /// Everything.
    All,
}

impl Extent {
    fn prefix(self, layout: &Layout) -> &'static [u8] {
        match self {
            Extent::Ids => layout.ids,
            Extent::All => &[],
        }
    }

    fn sum(self, digest: Digest) -> u64 {
        match self {
            Extent::Ids => digest.ids,
            Extent::All => digest.all,
        }
    }
}

/// How far the pass is. Without a pass under way nothing is read.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// The keys read so far are those from `from` to before `next`.
    from: Vec<u8>,
    next: Vec<u8>,
    sum: Digest,
}

impl Pass {
    /// For `apply`: takes in the differences of keys that were read already.
    pub(crate) fn take_in(&mut self, layout: &Layout, changed: &[Changed]) {
        for Changed { key, difference, .. } in changed {
            if (&self.from..&self.next).contains(&key) {
                self.sum.change(layout, key, *difference);
            }
        }
    }
}

impl Store {
    /// Begins a pass, in place of an earlier one.
    pub(crate) fn begin_pass(&self, extent: Extent) {
        let from = extent.prefix(self.shared.layout).to_vec();
        *self.shared.pass.lock().expect(WHOLE) = Pass {
            next: from.clone(),
            from,
            sum: Digest::default(),
        };
    }

    /// Reads a page more. True when it was the last one, and nothing was missing or older.
    pub(crate) fn read_on(&self, extent: Extent) -> Result<bool, StoreError> {
        let reading = self.reading();
        let mut pass = self.shared.pass.lock().expect(WHOLE);
        let end = key::end_of(extent.prefix(self.shared.layout));
        let mut bytes = 0;
        for (values, entry) in reading.range(&pass.next, &end)?.enumerate() {
            if values == PAGE_VALUES || bytes >= PAGE_BYTES {
                return Ok(false);
            }
            let (key, raw) = entry?;
            bytes += reading.whole(&key, &raw)?.len();
            pass.sum.add(self.shared.layout, &key, &raw);
            pass.next = key::next(&key);
        }
        if extent.sum(pass.sum) != extent.sum(reading.kept_digest()?) {
            return Err(digest::differs());
        }
        *pass = Pass::default();
        Ok(true)
    }
}
