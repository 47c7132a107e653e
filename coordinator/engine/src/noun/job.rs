//! Jobs: tasks submitted together.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    id::{JobId, Number},
    noun::counts::Counts,
    time::Timestamp,
};

/// A job's record. It counts the job's ended tasks, which need not be in memory; pending and running tasks always
/// are in memory, and are counted there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its place in the order of creation.
    pub number: Number,
    /// Its id, chosen by the submitter.
    pub id: JobId,
    /// Its name, for people.
    pub name: Arc<str>,
    /// Labels, for people and filters.
    pub labels: BTreeMap<String, String>,
    /// The number of tasks that came with it.
    pub task_count: u32,
    /// The time of its submit.
    pub created: Timestamp,
    /// Its ended tasks by final state, without removed ones.
    pub ended: Counts,
}
