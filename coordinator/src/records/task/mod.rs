//! The records of tasks: how events change them, and how they are loaded and found.
//!
//! Tasks that a start loads into memory have keys apart from the many others: tasks that have not ended, and skipped
//! ones, which return with the task that caused the skip.

pub(crate) mod key;

pub(crate) mod aging;
pub(crate) mod find;

use std::sync::Arc;

use swarm_engine::{
    noun::task::{PastEnd, Task, TaskState},
    touches::{TaskChange, TouchedTask},
};

use super::load::load_all;
use crate::{
    program::failure::chain,
    store::{Batch, Store},
    stored,
};

/// Adds the change of a task to a batch. `record` is the task right after the event; a removed task has none.
pub(super) fn write(batch: &mut Batch, touched: &TouchedTask<'_>, record: Option<&Task>) {
    let number = touched.number.0;
    match touched.change {
        TaskChange::Submitted(_) => {
            batch.put(key::id(touched.id.as_str()), number.to_be_bytes().to_vec());
        }
        TaskChange::Changed | TaskChange::Ended => {}
        TaskChange::Retried { was, .. } => remove_end(batch, touched, was),
        TaskChange::Removed { was } => {
            remove_end(batch, touched, was);
            batch.remove(key::live(number));
            batch.remove(key::id(touched.id.as_str()));
        }
    }
    if let Some(record) = record {
        put(batch, record);
    }
}

/// Every task that has to be in memory.
pub(super) fn load(store: &Store) -> Result<Vec<Arc<Task>>, String> {
    load_all(store, key::LIVE, stored::decode_task)
}

fn put(batch: &mut Batch, task: &Task) {
    let number = task.number.0;
    let record = stored::encode_task(task);
    if task.is_finished() {
        batch.remove(key::live(number));
        batch.put(key::done(number), record);
        if let Some(job) = &task.job {
            batch.add_number(key::task_of(job.as_str(), number));
        }
    } else {
        batch.put(key::live(number), record);
    }
    if let Some(end) = task.past_end() {
        batch.add_number(key::age(end.at.0, number));
    }
}

/// Removes the keys that a task has because it ended.
fn remove_end(batch: &mut Batch, task: &TouchedTask<'_>, was: PastEnd) {
    let number = task.number.0;
    batch.take_number(key::age(was.at.0, number));
    if was.state != TaskState::Skipped {
        batch.remove(key::done(number));
        if let Some(job) = task.job {
            batch.take_number(key::task_of(job.as_str(), number));
        }
    }
}

/// Reads the record of a task.
///
/// # Errors
///
/// A sentence when it is damaged, or one that a newer coordinator wrote.
fn decode(record: &[u8]) -> Result<Arc<Task>, String> {
    stored::decode_task(record)
        .map(Arc::new)
        .map_err(|error| chain(&error))
}
