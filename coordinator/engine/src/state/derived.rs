//! Indexes over the records: counts, queues, times and work lists.
//!
//! Loading builds them from the records, and `check` compares the kept indexes with new ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{AgentId, JobId, Number, QueueName, Seq, TaskId},
    noun::{counts::Counts, task::Task},
    state::{classes::Classes, ready::Ready},
    time::Timestamp,
};

/// The indexes, kept up to date because searching all records would be slow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Derived {
    /// The weight of all records in memory.
    pub(crate) bytes: u64,
    /// The number of tasks that have not ended, by state.
    pub(crate) counts: Counts,
    /// Tasks by job.
    pub(crate) jobs: BTreeMap<JobId, Tally>,
    /// Queued tasks.
    pub(crate) ready: Ready,
    /// The classes of tasks that have not ended or are skipped.
    pub(crate) classes: Classes,
    /// Pending tasks that wait for a time of the coordinator's clock, to be tried again.
    pub(crate) due: BTreeSet<(Timestamp, Number)>,
    /// Pending tasks that wait for a time of the calendar, which their submitters chose.
    pub(crate) not_before: BTreeSet<(Timestamp, Number)>,
    /// Pending tasks that have a deadline, which is a time of the calendar.
    pub(crate) deadlines: BTreeSet<(Timestamp, Number)>,
    /// For each task, the pending tasks with an unmet dependency on it.
    pub(crate) dependents: BTreeMap<TaskId, BTreeSet<Number>>,
    /// For each task, the tasks that were skipped because of it.
    pub(crate) skipped: BTreeMap<TaskId, BTreeSet<Number>>,
    /// The work list: tasks whose last change still has consequences for others.
    pub(crate) unsettled: BTreeSet<Number>,
    /// For each task, the number of its dependents that have not ended or are skipped, met or not.
    pub(crate) needed: BTreeMap<TaskId, u32>,
    /// Ended tasks that are neither skipped nor needed, in the order of their last events.
    pub(crate) finished: BTreeSet<(Seq, Number)>,
    /// For each queue, the number of tasks that have not ended, by state.
    pub(crate) queues: BTreeMap<QueueName, Counts>,
    /// The running tasks of each agent.
    pub(crate) leases: BTreeMap<AgentId, BTreeSet<Number>>,
}

impl Derived {
    /// The index with this time of a task: one that its submitter chose is of the calendar.
    pub(crate) fn waiting_mut(&mut self, task: &Task, due: Timestamp) -> &mut BTreeSet<(Timestamp, Number)> {
        if task.times.not_before == Some(due) {
            &mut self.not_before
        } else {
            &mut self.due
        }
    }
}

/// The tasks of a job that are in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The number of tasks that have not ended, by state.
    pub(crate) counts: Counts,
    /// The tasks, ended ones too.
    pub(crate) tasks: BTreeSet<Number>,
}
