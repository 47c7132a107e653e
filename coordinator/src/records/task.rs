//! The records of tasks: where they lie, and what each event changes there.
//!
//! Tasks that have to be in memory after a start are apart from the many that do not: those that have not
//! ended, and skipped ones, which come back with what they were skipped for.

use std::sync::Arc;

use swarm_engine::{
    event::{Fact, Subject},
    limits::{FIRST_ATTEMPTS, LAST_ATTEMPTS},
    noun::task::{PastEnd, Task, TaskState},
};

use super::key;
use crate::{
    failure::chain,
    store::{Batch, Store, StoreError},
    stored,
};

/// Adds what an event does to the record of its task, which is as it is right after it.
pub(crate) fn write(batch: &mut Batch, task: &Task, fact: &Fact) {
    let number = task.number.0;
    let record = stored::encode_task(task);
    match fact {
        Fact::TaskSubmitted(_) => batch.put(key::id(task.id.as_str()), number.to_be_bytes().to_vec()),
        Fact::TaskRetried { was, .. } => remove_end(batch, &Subject::of(task), *was),
        _ => {}
    }
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
    if let Some(attempt) = forgotten_attempt(task) {
        batch.remove(key::output(number, attempt));
    }
}

/// Adds the removal of a task: nothing of it is left.
pub(crate) fn remove(
    store: &Store,
    batch: &mut Batch,
    task: &Subject,
    was: PastEnd,
) -> Result<(), StoreError> {
    remove_end(batch, task, was);
    batch.remove(key::live(task.number.0));
    batch.remove(key::id(task.id.as_str()));
    let outputs = key::outputs_of(task.number.0);
    let on_their_way: Vec<Vec<u8>> = batch.puts(&outputs).map(<[u8]>::to_vec).collect();
    for output in store.keys(&outputs)?.into_iter().chain(on_their_way) {
        batch.remove(output);
    }
    Ok(())
}

/// Takes away what is there because a task has ended.
fn remove_end(batch: &mut Batch, task: &Subject, was: PastEnd) {
    let number = task.number.0;
    batch.take_number(key::age(was.at.0, number));
    if was.state != TaskState::Skipped {
        batch.remove(key::done(number));
        if let Some(job) = &task.job {
            batch.take_number(key::task_of(job.as_str(), number));
        }
    }
}

/// The attempt that the record may just have forgotten; nobody can ask for its output any more.
fn forgotten_attempt(task: &Task) -> Option<u32> {
    if task.attempts.len() < FIRST_ATTEMPTS + LAST_ATTEMPTS {
        return None;
    }
    let (first, last) = task.attempts.split_at(FIRST_ATTEMPTS);
    let before = last.first()?.number.0.checked_sub(1)?;
    (first.last()?.number.0 < before).then_some(before)
}

/// Reads the record of a task.
///
/// # Errors
///
/// A sentence when it is damaged, or one that a newer coordinator wrote.
pub(super) fn decode(record: &[u8]) -> Result<Arc<Task>, String> {
    stored::decode_task(record)
        .map(Arc::new)
        .map_err(|error| chain(&error))
}
