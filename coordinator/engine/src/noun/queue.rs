//! Queues: named lines of tasks. A queue is there when a task names it; only its limit is a record.

use std::sync::Arc;

use crate::id::QueueName;

/// How many tasks of a queue may run at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// The queue.
    pub queue: QueueName,
    /// So many at most, at least one.
    pub max_running: u32,
    /// Who set it, as their program said.
    pub actor: Arc<str>,
}
