//! Queues: named lines of tasks. A queue is there when a task names it; only its limit is a record.

use std::sync::Arc;

use crate::{
    id::QueueName,
    noun::{
        counts::Counts,
        hold::Scope,
        task::{Task, TaskState},
    },
    state::State,
};

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

impl State {
    /// How many tasks of a queue may run at a time; `None` when there is no limit.
    pub fn queue_limit(&self, queue: &QueueName) -> Option<&Arc<QueueLimit>> {
        self.limits.get(queue)
    }

    /// How many tasks of a queue have not ended, by state.
    pub fn queue_counts(&self, queue: &QueueName) -> Counts {
        self.derived.queues.get(queue).copied().unwrap_or_default()
    }

    /// The queues with tasks that have not ended, in order, and how many are in each state.
    pub fn queues(&self) -> impl Iterator<Item = (&QueueName, &Counts)> {
        self.derived.queues.iter()
    }

    /// The queues with tasks that have not ended, with a limit or a hold, after this name and in order.
    pub fn queues_after(&self, name: &str) -> impl Iterator<Item = QueueName> {
        let held = self.holds().filter_map(|hold| match &hold.scope {
            Scope::Queue(queue) => Some(queue),
            Scope::Everything | Scope::Agent(_) => None,
        });
        let all: std::collections::BTreeSet<&QueueName> = self
            .derived
            .queues
            .keys()
            .chain(self.limits.keys())
            .chain(held)
            .filter(|queue| queue.as_str() > name)
            .collect();
        all.into_iter().cloned()
    }

    /// Whether tasks of this queue may be granted: it is not paused, and fewer run than may.
    pub fn is_open(&self, queue: &QueueName) -> bool {
        self.hold(&Scope::Queue(queue.clone())).is_none() && !self.is_at_limit(queue)
    }

    /// Whether as many tasks of this queue run as may.
    pub fn is_at_limit(&self, queue: &QueueName) -> bool {
        self.queue_limit(queue).is_some_and(|limit| {
            self.queue_counts(queue).of(TaskState::Running) >= u64::from(limit.max_running)
        })
    }

    pub(crate) fn count_in_queue(&mut self, task: &Task, count: impl Fn(&mut Counts)) {
        let queue = task.queue();
        if let Some(counts) = self.derived.queues.get_mut(queue) {
            count(counts);
            if counts.total() == 0 {
                self.derived.queues.remove(queue);
            }
        } else {
            let mut counts = Counts::default();
            count(&mut counts);
            self.derived.queues.insert(queue.clone(), counts);
        }
    }
}
