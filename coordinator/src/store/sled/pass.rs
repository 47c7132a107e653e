//! Reading the store through from beginning to end, a page at a time, while it is written to.
//!
//! What was read is added up; a batch that changes something behind the place where the next page begins
//! changes the sum too. So at the end the sum is that of the store at that moment, and must be the digest.

use super::changes::Changed;
use super::digest::{self, Digest};
use crate::store::error::StoreError;
use crate::store::layout::Layout;
use crate::store::{PAGE_BYTES, PAGE_VALUES, Store, WHOLE, key};

/// What to read through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Which ids there are.
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

/// How far the store was read; where none is under way, nothing was.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// Where it began, and where the next page begins.
    from: Vec<u8>,
    next: Vec<u8>,
    sum: Digest,
}

impl Pass {
    /// For `apply`: these keys' hashes have just changed by so much.
    pub(crate) fn take_in(&mut self, layout: &Layout, changed: &[Changed]) {
        for Changed { key, difference, .. } in changed {
            if (&self.from..&self.next).contains(&key) {
                self.sum.change(layout, key, *difference);
            }
        }
    }
}

impl Store {
    /// Begins to read through; what an earlier one has read is forgotten.
    pub(crate) fn begin_pass(&self, extent: Extent) {
        let from = extent.prefix(self.shared.layout).to_vec();
        *self.shared.pass.lock().expect(WHOLE) = Pass {
            next: from.clone(),
            from,
            sum: Digest::default(),
        };
    }

    /// Reads a page more. True when that was the last one, and all of what should be there was.
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
