//! The verbs that change tasks, by ids or by a filter.

pub mod cancel;
pub mod lease;
pub mod remove;
pub mod retry;

mod bulk;
mod changes;
mod named;
