//! Writing the journal: segments are made, prepared ahead and appended to.

pub(crate) mod active;
pub(crate) mod reserve;
pub(crate) mod segment;
