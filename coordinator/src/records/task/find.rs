//! Reading tasks from the store: by id, by job, or all.

use std::sync::Arc;

use swarm_engine::{
    id::{JobId, Number, TaskId},
    noun::task::Task,
    state::direction::Direction,
    time::Timestamp,
};

use super::{decode, key};
use crate::{
    program::failure::chain,
    store::{self, NumberSet, Scan, Store, StoreError},
};

/// A task with the bytes of its record, or a sentence about damage.
type Listed = Result<(Arc<Task>, usize), String>;

/// Ids that are looked up as of one batch: writing waits meanwhile.
const READ_TOGETHER: usize = 128;

/// Why tasks could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// They are larger than one request may bring into memory.
    #[error("they are more than the {most} bytes that one request may bring into memory")]
    TooLarge { most: u64 },
    /// The ids were not read through since the start, so a missing id proves nothing yet.
    #[error("the coordinator has just started and is still reading which tasks there are")]
    TooSoon,
    /// The store cannot be read; the sentence says why.
    #[error("{0}")]
    Store(String),
}

/// These tasks, as far as the store has them; their records have at most so many bytes.
pub(crate) fn tasks(store: &Store, ids: &[TaskId], most: u64) -> Result<Vec<Arc<Task>>, FindError> {
    let mut found = Vec::new();
    let mut bytes = 0;
    for some in ids.chunks(READ_TOGETHER) {
        let reading = store.reading();
        for id in some {
            let failed = |error: StoreError| FindError::Store(chain(&error));
            let Some(number) = reading.get(&key::id(id.as_str())).map_err(failed)? else {
                continue;
            };
            let number = <[u8; 8]>::try_from(number)
                .map(u64::from_be_bytes)
                .map_err(|_| FindError::Store(format!("the store's number of task {id} is not a number")))?;
            let record = match reading.get(&key::done(number)).map_err(failed)? {
                Some(record) => Some(record),
                None => reading.get(&key::live(number)).map_err(failed)?,
            };
            let Some(record) = record else {
                return Err(FindError::Store(format!("the store has lost task {id}")));
            };
            bytes += record.len() as u64;
            if bytes > most {
                return Err(FindError::TooLarge { most });
            }
            found.push(decode(&record).map_err(FindError::Store)?);
        }
    }
    Ok(found)
}

/// Finished tasks behind a number in this direction, of one job or all; each with the bytes of its record.
pub(crate) fn finished_behind(
    store: &Store,
    job: Option<&JobId>,
    cursor: Number,
    direction: Direction,
) -> Box<dyn Iterator<Item = Listed>> {
    let Some(job) = job else {
        let records = behind(store, key::DONE, key::done, cursor, direction);
        return Box::new(records.map(|entry| {
            let (_, record) = entry.map_err(|error| chain(&error))?;
            Ok((decode(&record)?, record.len()))
        }));
    };
    let (store, sets) = (store.clone(), sets_behind(store, job, cursor, direction));
    let numbers = sets.flat_map(
        move |entry| -> Box<dyn Iterator<Item = Result<u64, StoreError>>> {
            let numbers = entry.and_then(|(key, set)| {
                let index = key::set_of_job(&key).unwrap_or_default();
                Ok(NumberSet::stored(&key, &set)?.numbers(index))
            });
            match (numbers, direction) {
                (Ok(numbers), Direction::OldestFirst) => {
                    Box::new(numbers.filter(move |n| *n > cursor.0).map(Ok))
                }
                (Ok(numbers), Direction::NewestFirst) => {
                    Box::new(numbers.rev().filter(move |n| *n < cursor.0).map(Ok))
                }
                (Err(error), _) => Box::new(std::iter::once(Err(error))),
            }
        },
    );
    Box::new(numbers.filter_map(move |number| {
        match number.and_then(|number| store.get(&key::done(number))) {
            Ok(Some(record)) => Some(decode(&record).map(|task| (task, record.len()))),
            // The task was retried or removed since its set was read.
            Ok(None) => None,
            Err(error) => Some(Err(chain(&error))),
        }
    }))
}

/// The sets of a job's ended tasks, from the set of a number on in this direction.
fn sets_behind(store: &Store, job: &JobId, cursor: Number, direction: Direction) -> Scan {
    let (prefix, of_cursor) = (key::tasks_of(job.as_str()), key::task_of(job.as_str(), cursor.0));
    match direction {
        Direction::OldestFirst => store.scan(&prefix, &of_cursor.key),
        Direction::NewestFirst => store.scan_back(&prefix, &store::key::next(&of_cursor.key)),
    }
}

fn behind(
    store: &Store,
    prefix: &[u8],
    key: impl Fn(u64) -> Vec<u8>,
    cursor: Number,
    direction: Direction,
) -> Scan {
    match (direction, cursor.0.checked_add(1)) {
        (Direction::OldestFirst, Some(first)) => store.scan(prefix, &key(first)),
        // Nothing is behind the largest number.
        (Direction::OldestFirst, None) => store.scan_back(prefix, prefix),
        (Direction::NewestFirst, _) => store.scan_back(prefix, &key(cursor.0)),
    }
}

/// The first finished task behind a number, and when it was submitted.
pub(crate) fn next_finished(store: &Store, after: Number) -> Result<Option<(Number, Timestamp)>, String> {
    let Some(first) = after.0.checked_add(1) else {
        return Ok(None);
    };
    let found = store.first(key::DONE, &key::done(first));
    let Some((_, record)) = found.map_err(|error| chain(&error))? else {
        return Ok(None);
    };
    let task = decode(&record)?;
    Ok(Some((task.number, task.created)))
}

/// Ids of stored tasks with this prefix, in alphabetical order, each with its task's number.
pub(crate) fn ids(store: &Store, prefix: &str, most: usize) -> Result<Vec<(TaskId, Number)>, String> {
    let found = store.scan(&key::id(prefix), b"").take(most);
    found
        .map(|entry| {
            let (key, number) = entry.map_err(|error| chain(&error))?;
            let id = key
                .strip_prefix(key::ID)
                .and_then(|id| std::str::from_utf8(id).ok());
            let number = <[u8; 8]>::try_from(number).ok();
            let (id, number) = id
                .zip(number)
                .ok_or("the store's list of ids has an entry that cannot be")?;
            Ok((TaskId::stored(id), Number(u64::from_be_bytes(number))))
        })
        .collect()
}
