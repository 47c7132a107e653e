//! The key of one attempt, by which its files, processes, lease and report are found.

use std::fmt;

use swarm_proto::v1::LeaseRef;

/// One attempt of one task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttemptKey {
    /// The task.
    pub(crate) task_id: String,
    /// Its attempt.
    pub(crate) attempt: u32,
}

impl AttemptKey {
    /// The attempt that a lease is for.
    pub(crate) fn of(lease: &LeaseRef) -> AttemptKey {
        AttemptKey {
            task_id: lease.task_id.clone(),
            attempt: lease.attempt,
        }
    }
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.task_id, self.attempt)
    }
}
