//! Parts that any program has: settings, signals, panics, pauses, randomness.

pub(crate) mod config;
pub(crate) mod labels;
mod shard;
mod values;

pub(crate) mod bug;
pub(crate) mod shutdown;

pub(crate) mod backoff;
pub(crate) mod file_name;
pub(crate) mod lasted;
pub(crate) mod random;
