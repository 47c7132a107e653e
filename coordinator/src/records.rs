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
    store::{
        Batch, Group, Scan, Store, StoreError,
        key::{self, Place},
    },
    stored,
};

/// A change of the store.
pub(crate) enum Write {
    /// A key that the store does not have gets its first value.
    New(Vec<u8>, Vec<u8>),
    /// A key gets a value.
    Put(Vec<u8>, Vec<u8>),
    /// A key goes.
    Remove(Vec<u8>),
    /// A number is in its group from now on, or not any more.
    Group(Place, bool),
}

impl Write {
    pub(crate) fn add_to(self, batch: &mut Batch) {
        match self {
            Write::New(key, value) => batch.put_new(key, value),
            Write::Put(key, value) => batch.put(key, value),
            Write::Remove(key) => batch.remove(key),
            Write::Group(place, is_in) => batch.set_in_group(place, is_in),
        }
    }
}

/// A record with its size in bytes, or what is wrong with it.
type Listed = Result<(Arc<Task>, usize), String>;

/// Keys that are read as of one moment: writing waits meanwhile.
const READ_TOGETHER: usize = 128;

/// What an event does to the record of its task, which is as it is right after it.
pub(crate) fn writes(task: &Task, fact: &Fact) -> Vec<Write> {
    let number = task.number.0;
    let mut writes = Vec::new();
    let record = stored::encode_task(task);
    let is_new = matches!(fact, Fact::TaskSubmitted(_));
    match fact {
        Fact::TaskSubmitted(_) => {
            writes.push(Write::New(
                key::id(task.id.as_str()),
                number.to_be_bytes().to_vec(),
            ));
        }
        Fact::TaskRetried { was, .. } => writes.extend(ended_keys(&Subject::of(task), *was)),
        _ => {}
    }
    if task.is_finished() {
        // Nothing else happens to a task that has ended, so its record was not under done/ before.
        writes.push(Write::Remove(key::live(number)));
        writes.push(Write::New(key::done(number), record));
        if let Some(job) = &task.job {
            writes.push(Write::Group(key::task_of(job.as_str(), number), true));
        }
    } else if is_new {
        writes.push(Write::New(key::live(number), record));
    } else {
        writes.push(Write::Put(key::live(number), record));
    }
    if let Some(end) = task.past_end() {
        writes.push(Write::Group(key::age(end.at.0, number), true));
    }
    if let Some(attempt) = forgotten_attempt(task) {
        writes.push(Write::Remove(key::output(number, attempt)));
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
    writes.push(Write::Remove(key::live(task.number.0)));
    writes.push(Write::Remove(key::id(task.id.as_str())));
    let outputs = key::outputs_of(task.number.0);
    writes.extend(store.keys(&outputs)?.into_iter().map(Write::Remove));
    writes.extend(batch.puts(&outputs).map(|key| Write::Remove(key.to_vec())));
    Ok(writes)
}

/// Takes away what is there because a task has ended.
fn ended_keys(task: &Subject, was: PastEnd) -> Vec<Write> {
    let number = task.number.0;
    let mut keys = vec![Write::Group(key::age(was.at.0, number), false)];
    if was.state != TaskState::Skipped {
        keys.push(Write::Remove(key::done(number)));
        keys.extend(
            task.job
                .as_ref()
                .map(|job| Write::Group(key::task_of(job.as_str(), number), false)),
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
    let (store, groups) = (store.clone(), groups_behind(store, job, cursor, order));
    let numbers = groups.flat_map(
        move |entry| -> Box<dyn Iterator<Item = Result<u64, StoreError>>> {
            let numbers = entry.and_then(|(key, group)| {
                let index = key::group_of_job(&key).unwrap_or_default();
                Ok(Group::stored(&key, &group)?.numbers(index))
            });
            match (numbers, order) {
                (Ok(numbers), Order::OldestFirst) => Box::new(numbers.filter(move |n| *n > cursor.0).map(Ok)),
                (Ok(numbers), Order::NewestFirst) => {
                    Box::new(numbers.rev().filter(move |n| *n < cursor.0).map(Ok))
                }
                (Err(error), _) => Box::new(std::iter::once(Err(error))),
            }
        },
    );
    Box::new(numbers.filter_map(move |number| {
        match number.and_then(|number| store.get(&key::done(number))) {
            Ok(Some(record)) => Some(decode(&record).map(|task| (task, record.len()))),
            // It was retried or removed since its group was read.
            Ok(None) => None,
            Err(error) => Some(Err(chain(&error))),
        }
    }))
}

/// The groups of a job's ended tasks, from that of a number on.
fn groups_behind(store: &Store, job: &JobId, cursor: Number, order: Order) -> Scan {
    let (prefix, of_cursor) = (key::tasks_of(job.as_str()), key::task_of(job.as_str(), cursor.0));
    match order {
        Order::OldestFirst => store.scan(&prefix, &of_cursor.key),
        // The first key that could follow that of the cursor's group.
        Order::NewestFirst => store.scan_back(&prefix, &[of_cursor.key.as_slice(), &[0]].concat()),
    }
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

impl Aged {
    /// Its place, and with the next number the one behind it.
    pub(crate) fn place(&self) -> (u64, Number) {
        (self.ended.0 / 1000, self.number)
    }
}

/// Ended tasks in the order of the seconds in which they ended and of their numbers, from this place on.
pub(crate) fn aged(store: &Store, from: (u64, Number), most: usize) -> Result<Vec<Aged>, String> {
    let (second, number) = from;
    let first = key::age(second.saturating_mul(1000), number.0).key;
    let mut found = Vec::new();
    for entry in store.scan(key::AGE, &first) {
        let (place, group) = entry.map_err(|error| chain(&error))?;
        let (ended, index) =
            key::split_age(&place).ok_or("the store's list of ended tasks has an entry that cannot be")?;
        let group = Group::stored(&place, &group).map_err(|error| chain(&error))?;
        for number in group
            .numbers(index)
            .filter(|number| (ended, *number) >= (second, from.1.0))
        {
            if found.len() == most {
                return Ok(found);
            }
            found.extend(aged_task(store, number)?);
        }
    }
    Ok(found)
}

/// Nothing when it was retried or removed since its group was read.
fn aged_task(store: &Store, number: u64) -> Result<Option<Aged>, String> {
    let failed = |error: StoreError| chain(&error);
    let record = match store.get(&key::done(number)).map_err(failed)? {
        Some(record) => Some(record),
        None => store.get(&key::live(number)).map_err(failed)?,
    };
    let task = record.map(|record| decode(&record)).transpose()?;
    Ok(task.and_then(|task| {
        task.past_end().map(|end| Aged {
            ended: end.at,
            number: task.number,
            id: task.id.clone(),
        })
    }))
}

fn decode(record: &[u8]) -> Result<Arc<Task>, String> {
    stored::decode_task(record)
        .map(Arc::new)
        .map_err(|error| chain(&error))
}
