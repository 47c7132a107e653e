//! What tests hold in place of a whole coordinator: a core on real files, and a past on disk.

pub(crate) mod fixture;
pub(crate) mod scene;
