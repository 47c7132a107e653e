//! What the store is told about the keys that it is given.

/// Kinds of keys, each by what its keys begin with, through the first slash.
#[derive(Debug)]
pub struct Layout {
    /// The kinds that a start reads into memory. They have a sum of their own: decisions follow from all of it at once.
    pub start: &'static [&'static [u8]],
    /// The kind whose keys are the ids. It has a sum of its own, so that soon after a start none is known to be missing.
    pub ids: &'static [u8],
    /// The kinds of which a quick check reads some.
    pub sampled: &'static [&'static [u8]],
    /// Those of them whose keys begin with a number that rises with the seq.
    pub numbered: &'static [&'static [u8]],
}

impl Layout {
    pub(super) fn is_read_at_start(&self, key: &[u8]) -> bool {
        self.start.iter().any(|kind| key.starts_with(kind))
    }

    pub(super) fn is_id(&self, key: &[u8]) -> bool {
        key.starts_with(self.ids)
    }
}
