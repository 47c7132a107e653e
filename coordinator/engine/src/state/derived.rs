//! What follows from the records: counts, queues, times and work lists.
//!
//! Looking for it would be slow, so it is kept; it can always be built anew from the records, and `check`
//! compares the two.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{AgentId, JobId, Number, QueueName, Seq, TaskId},
    noun::counts::Counts,
    state::ready::Ready,
    time::Timestamp,
};

/// Everything that follows from the records; kept up to date because looking for it would be slow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Derived {
    /// Tasks that have not ended, by state.
    pub(crate) counts: Counts,
    /// Tasks by job.
    pub(crate) jobs: BTreeMap<JobId, Tally>,
    /// Queued tasks.
    pub(crate) ready: Ready,
    /// Pending tasks that wait for a time.
    pub(crate) due: BTreeSet<(Timestamp, Number)>,
    /// Pending tasks that have a deadline.
    pub(crate) deadlines: BTreeSet<(Timestamp, Number)>,
    /// For each task, the pending tasks with an unmet dependency on it.
    pub(crate) dependents: BTreeMap<TaskId, BTreeSet<Number>>,
    /// For each task, the tasks that were skipped because of it.
    pub(crate) skipped: BTreeMap<TaskId, BTreeSet<Number>>,
    /// Tasks whose last change still has consequences for others: the work list.
    pub(crate) unsettled: BTreeSet<Number>,
    /// How many tasks that have not ended, or are skipped, depend on each task, met or not.
    pub(crate) needed: BTreeMap<TaskId, u32>,
    /// Tasks that have ended, are not skipped and not needed, in the order of their last events.
    pub(crate) finished: BTreeSet<(Seq, Number)>,
    /// How many tasks of each queue have not ended, by state.
    pub(crate) queues: BTreeMap<QueueName, Counts>,
    /// The running tasks of each agent.
    pub(crate) leases: BTreeMap<AgentId, BTreeSet<Number>>,
}

/// The tasks of a job that are in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many of those that have not ended are in each state.
    pub(crate) counts: Counts,
    /// All of them.
    pub(crate) tasks: BTreeSet<Number>,
}
