//! The verbs that change tasks, by their ids or many at once.

pub mod cancel;
pub mod retry;

mod bulk;
mod changes;
