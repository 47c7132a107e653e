//! Open queues: neither paused nor at their limit.

use crate::{
    id::QueueName,
    limits::MAX_RULES,
    noun::{hold::Scope, task::TaskState},
    rejection::{Full, Rejection},
    state::State,
};

impl State {
    /// Whether tasks of this queue may be granted: it is neither paused nor at its limit.
    pub fn is_open(&self, queue: &QueueName) -> bool {
        self.hold(&Scope::Queue(queue.clone())).is_none() && !self.is_at_limit(queue)
    }

    /// Whether the queue may get a hold or a limit that it does not have: those of queues without tasks are bounded.
    pub(crate) fn check_new_rule(&self, queue: &QueueName) -> Result<(), Rejection> {
        let most = self.holds.len() + self.limits.len();
        if most < MAX_RULES || self.queue_counts(queue).total() > 0 {
            return Ok(());
        }
        let of_queues = |scope: &&Scope| matches!(scope, Scope::Queue(_));
        if self.limits.len() + self.holds.keys().filter(of_queues).count() >= MAX_RULES {
            return Err(Rejection::Full(Full::Rules(queue.clone())));
        }
        Ok(())
    }

    /// Whether as many tasks of this queue run as its limit allows.
    pub fn is_at_limit(&self, queue: &QueueName) -> bool {
        self.queue_limit(queue).is_some_and(|limit| {
            self.queue_counts(queue).of(TaskState::Running) >= u64::from(limit.max_running)
        })
    }
}
