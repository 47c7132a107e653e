//! Open queues: neither paused nor at their limit.

use crate::{
    id::QueueName,
    noun::{hold::Scope, task::TaskState},
    state::State,
};

impl State {
    /// Whether tasks of this queue may be granted: it is neither paused nor at its limit.
    pub fn is_open(&self, queue: &QueueName) -> bool {
        self.hold(&Scope::Queue(queue.clone())).is_none() && !self.is_at_limit(queue)
    }

    /// Whether as many tasks of this queue run as its limit allows.
    pub fn is_at_limit(&self, queue: &QueueName) -> bool {
        self.queue_limit(queue).is_some_and(|limit| {
            self.queue_counts(queue).of(TaskState::Running) >= u64::from(limit.max_running)
        })
    }
}
