//! Queues: named lines of tasks. A queue exists while a task names it; only its limit is a record.

use std::sync::Arc;

use crate::id::QueueName;

/// The limit of a queue: the number of its tasks that may run at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// The queue.
    pub queue: QueueName,
    /// The number, at least one.
    pub max_running: u32,
    /// The person who set it, as the calling program said.
    pub actor: Arc<str>,
}
