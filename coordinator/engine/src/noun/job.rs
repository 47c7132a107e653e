//! Jobs: tasks submitted together.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    id::{JobId, Number},
    noun::counts::Counts,
    time::Timestamp,
};

/// A job's record. Of its tasks it knows how many have ended, so that they need not be in memory; the others
/// are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its place in the order of creation.
    pub number: Number,
    /// What the submitter calls it.
    pub id: JobId,
    /// For people.
    pub name: Arc<str>,
    /// For people and filters.
    pub labels: BTreeMap<String, String>,
    /// How many tasks came with it.
    pub task_count: u32,
    /// When it was submitted.
    pub created: Timestamp,
    /// How many of its kept tasks have ended, by final state.
    pub ended: Counts,
}
