//! Where the records of tasks lie in the store: what each event changes there, and how they are found again.
//!
//! Tasks that have to be in memory after a start are apart from the many that do not: those that have not
//! ended, and skipped ones, which come back with what they were skipped for.

use std::sync::Arc;

use swarm_engine::{
    event::{Fact, Subject},
    id::{JobId, Number, TaskId},
    limits::{FIRST_ATTEMPTS, LAST_ATTEMPTS},
    order::Order,
    task::{PastEnd, Task, TaskState},
    time::Timestamp,
};

use crate::{
    failure::chain,
    limits::RECALL_BYTES,
    store::{Batch, Scan, Store, StoreError, key},
    stored,
};

/// A key and its value; none to remove it.
pub(crate) type Write = (Vec<u8>, Option<Vec<u8>>);

/// A record with its size in bytes, or what is wrong with it.
type Listed = Result<(Arc<Task>, usize), String>;

/// Keys that are read as of one moment: writing waits meanwhile.
const READ_TOGETHER: usize = 128;

/// What an event does to the record of its task, which is as it is right after it.
pub(crate) fn writes(task: &Task, fact: &Fact) -> Vec<Write> {
    let number = task.number.0;
    let mut writes = Vec::new();
    match fact {
        Fact::TaskSubmitted(_) => {
            writes.push((key::id(task.id.as_str()), Some(number.to_be_bytes().to_vec())));
        }
        Fact::TaskRetried { was, .. } => writes.extend(ended_keys(&Subject::of(task), *was)),
        _ => {}
    }
    let record = Some(stored::encode_task(task));
    if task.is_finished() {
        writes.push((key::live(number), None));
        writes.push((key::done(number), record));
        if let Some(job) = &task.job {
            writes.push((key::task_of(job.as_str(), number), Some(Vec::new())));
        }
    } else {
        writes.push((key::live(number), record));
    }
    if let Some(end) = task.past_end() {
        writes.push((
            key::age(end.at.0, number),
            Some(task.id.as_str().as_bytes().to_vec()),
        ));
    }
    if let Some(attempt) = forgotten_attempt(task) {
        writes.push((key::output(number, attempt), None));
    }
    writes
}

/// What the removal of a task does: nothing of it is left. `batch` is what the store is about to be given.
pub(crate) fn removal(
    store: &Store,
    batch: &Batch,
    task: &Subject,
    was: PastEnd,
) -> Result<Vec<Write>, StoreError> {
    let mut writes = ended_keys(task, was);
    writes.push((key::live(task.number.0), None));
    writes.push((key::id(task.id.as_str()), None));
    let outputs = key::outputs_of(task.number.0);
    writes.extend(store.keys(&outputs)?.into_iter().map(|key| (key, None)));
    writes.extend(batch.puts(&outputs).map(|key| (key.to_vec(), None)));
    Ok(writes)
}

/// Takes away what is there because a task has ended.
fn ended_keys(task: &Subject, was: PastEnd) -> Vec<Write> {
    let number = task.number.0;
    let mut keys = vec![(key::age(was.at.0, number), None)];
    if was.state != TaskState::Skipped {
        keys.push((key::done(number), None));
        keys.extend(
            task.job
                .as_ref()
                .map(|job| (key::task_of(job.as_str(), number), None)),
        );
    }
    keys
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

/// Why records could not be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// They are more than one request may bring into memory.
    #[error("they are more than one request may bring into memory")]
    TooLarge,
    /// It cannot be said yet that one does not exist.
    #[error("the coordinator has just started and is still reading which tasks there are")]
    TooSoon,
    /// The store cannot be read; the sentence says what is wrong with it.
    #[error("{0}")]
    Store(String),
}

/// The records of those of these tasks that the store has.
pub(crate) fn find(store: &Store, ids: &[TaskId]) -> Result<Vec<Arc<Task>>, FindError> {
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
            bytes += record.len();
            if bytes > RECALL_BYTES {
                return Err(FindError::TooLarge);
            }
            found.push(decode(&record).map_err(FindError::Store)?);
        }
    }
    Ok(found)
}

/// Finished tasks behind a number, of one job or all; each with the bytes of its record.
pub(crate) fn finished_behind(
    store: &Store,
    job: Option<&JobId>,
    cursor: Number,
    order: Order,
) -> Box<dyn Iterator<Item = Listed>> {
    let Some(job) = job else {
        let records = behind(store, key::DONE, key::done, cursor, order);
        return Box::new(records.map(|entry| {
            let (_, record) = entry.map_err(|error| chain(&error))?;
            Ok((decode(&record)?, record.len()))
        }));
    };
    let of_job = |number| key::task_of(job.as_str(), number);
    let keys = behind(store, &key::tasks_of(job.as_str()), of_job, cursor, order);
    let store = store.clone();
    Box::new(keys.filter_map(move |entry| {
        let record = entry.and_then(|(key, _)| {
            let number = key.last_chunk().map_or(0, |number| u64::from_be_bytes(*number));
            store.get(&key::done(number))
        });
        match record {
            Ok(Some(record)) => Some(decode(&record).map(|task| (task, record.len()))),
            // It was retried or removed since its key was read.
            Ok(None) => None,
            Err(error) => Some(Err(chain(&error))),
        }
    }))
}

fn behind(store: &Store, prefix: &[u8], key: impl Fn(u64) -> Vec<u8>, cursor: Number, order: Order) -> Scan {
    match (order, cursor.0.checked_add(1)) {
        (Order::OldestFirst, Some(first)) => store.scan(prefix, &key(first)),
        // Nothing is behind the largest number.
        (Order::OldestFirst, None) => store.scan_back(prefix, prefix),
        (Order::NewestFirst, _) => store.scan_back(prefix, &key(cursor.0)),
    }
}

/// The first finished task behind a number, of all, and when it was submitted.
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

/// Ids of stored tasks that begin so, in alphabetical order, each with its task's number.
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

/// An ended task's place among all by age.
#[derive(Clone, Debug)]
pub(crate) struct Aged {
    pub(crate) ended: Timestamp,
    pub(crate) number: Number,
    pub(crate) id: TaskId,
}

/// Ended tasks in the order of their ends, from this place on.
pub(crate) fn aged(store: &Store, from: (Timestamp, Number), most: usize) -> Result<Vec<Aged>, String> {
    let places = store.scan(key::AGE, &key::age(from.0.0, from.1.0));
    places
        .take(most)
        .map(|entry| {
            let (place, id) = entry.map_err(|error| chain(&error))?;
            let place = key::split_age(&place);
            let id = std::str::from_utf8(&id).ok().filter(|id| !id.is_empty());
            let ((ended, number), id) = place
                .zip(id)
                .ok_or("the store's list of ended tasks has an entry that cannot be")?;
            Ok(Aged {
                ended: Timestamp(ended),
                number: Number(number),
                id: TaskId::stored(id),
            })
        })
        .collect()
}

fn decode(record: &[u8]) -> Result<Arc<Task>, String> {
    stored::decode_task(record)
        .map(Arc::new)
        .map_err(|error| chain(&error))
}
