//! Rules that several requests share: questions to a state, and consequences for other tasks.

pub mod dependency;

pub mod avoid;
mod class;
pub mod fit;
mod hold;
mod queue;
pub mod shard;
mod slow;
pub mod unmatched;

pub(crate) mod blame;
pub mod retry;

pub mod clock;

pub mod explain;
mod retry_order;
