//! The kinds of keys that the store's checks know.

/// Kinds of keys, each given by its prefix, slash included.
#[derive(Debug)]
pub struct Layout {
    /// The kinds that a start reads into memory. They have a sum of their own: decisions depend on all of them at once.
    pub start: &'static [&'static [u8]],
    /// The kind whose keys are ids. It has a sum of its own, so that a missing id is noticed soon after a start.
    pub ids: &'static [u8],
    /// The kinds of which a quick check reads some keys.
    pub sampled: &'static [&'static [u8]],
    /// The sampled kinds whose keys begin with a number that rises with the seq.
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
