//! sled 0.34 with its hazards, and what is done about each.

pub(crate) mod changes;
pub(crate) mod closing;
pub(crate) mod digest;
pub(crate) mod leaf;
pub(crate) mod leaves;
pub(crate) mod open;
pub(crate) mod pass;
pub(crate) mod probe;
pub(crate) mod reading;
mod renew;
pub(crate) mod value;
pub(crate) mod window;
