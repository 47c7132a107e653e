//! The journal grows: segments are made, reserved and appended to.

pub(crate) mod active;
pub(crate) mod reserve;
pub(crate) mod segment;
