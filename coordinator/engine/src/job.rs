//! Jobs: tasks submitted together.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    id::{JobId, Number},
    time::Timestamp,
};

/// A job's record. How far its tasks are is counted from them, never stored.
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
}
