//! Stand-ins for a whole coordinator in unit tests: a core on real files, and a data directory with a past.

pub(crate) mod fixture;
pub(crate) mod requests;
pub(crate) mod scene;
