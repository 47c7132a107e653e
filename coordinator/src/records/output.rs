//! The records of attempts' outputs. They are not loaded at a start, but read when somebody asks for them.

use std::sync::Arc;

use swarm_engine::{
    id::{AttemptNumber, Number},
    limits::{FIRST_ATTEMPTS, LAST_ATTEMPTS},
    noun::{outcome::Output, task::Task},
    touches::{TaskChange, TouchedTask, Touches},
};

use crate::{
    program::failure::chain,
    store::{Batch, Store, StoreError, key::numbered},
    stored,
};

/// The kind of their keys.
pub(crate) const KIND: &[u8] = b"output/";

/// The key of an attempt's output.
pub(crate) fn key(number: u64, attempt: u32) -> Vec<u8> {
    [KIND, &number.to_be_bytes(), &attempt.to_be_bytes()].concat()
}

/// The output that an event carries, with the attempt that printed it.
pub(crate) fn of<'a>(touched: &Touches<'a>) -> Option<(Number, AttemptNumber, &'a Arc<Output>)> {
    Some((touched.task?.number, touched.attempt?.number, touched.output?))
}

/// Adds the output that an event carries to a batch.
pub(super) fn write(batch: &mut Batch, number: Number, attempt: AttemptNumber, output: &Output) {
    batch.put(key(number.0, attempt.0), stored::encode_output(output));
}

/// Removes outputs that nobody can ask for any more after an event: all of a removed task, and the output of an attempt
/// that the task's record has just forgotten.
pub(super) fn remove(
    store: &Store,
    batch: &mut Batch,
    touched: &TouchedTask<'_>,
    record: Option<&Task>,
) -> Result<(), StoreError> {
    let number = touched.number.0;
    if let TaskChange::Removed { .. } = touched.change {
        let outputs = numbered(KIND, number);
        let on_their_way: Vec<Vec<u8>> = batch.puts(&outputs).map(<[u8]>::to_vec).collect();
        for output in store.keys(&outputs)?.into_iter().chain(on_their_way) {
            batch.remove(output);
        }
    }
    if let Some(attempt) = record.and_then(forgotten_attempt) {
        batch.remove(key(number, attempt));
    }
    Ok(())
}

/// The output of an attempt; `None` when the store has none.
///
/// # Errors
///
/// A sentence when the store cannot be read.
pub(crate) fn read(
    store: &Store,
    number: Number,
    attempt: AttemptNumber,
) -> Result<Option<Arc<Output>>, String> {
    let bytes = store
        .get(&key(number.0, attempt.0))
        .map_err(|error| chain(&error))?;
    let output = bytes.map(|bytes| stored::decode_output(&bytes)).transpose();
    Ok(output.map_err(|error| chain(&error))?.map(Arc::new))
}

/// The attempt that the record may just have forgotten.
fn forgotten_attempt(task: &Task) -> Option<u32> {
    if task.attempts.len() < FIRST_ATTEMPTS + LAST_ATTEMPTS {
        return None;
    }
    let (first, last) = task.attempts.split_at(FIRST_ATTEMPTS);
    let before = last.first()?.number.0.checked_sub(1)?;
    (first.last()?.number.0 < before).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outputs_of_a_task_lie_together_in_the_order_of_attempts() {
        assert!(key(1, 256) < key(2, 1) && key(1, 2) < key(1, 256));
        assert!(key(7, 3).starts_with(&numbered(KIND, 7)));
    }
}
