//! Where the records of tasks lie in the store: what each event changes there, and how they are found again.
//!
//! Tasks that have to be in memory after a start are apart from the many that do not: those that have not
//! ended, and skipped ones, which come back with what they were skipped for.

use std::sync::Arc;

use swarm_engine::{
    event::{Fact, Subject},
    id::{JobId, Number, TaskId},
    limits::{FIRST_ATTEMPTS, LAST_ATTEMPTS},
    noun::task::{PastEnd, Task, TaskState},
    state::direction::Direction,
    time::Timestamp,
};

use crate::{
    failure::chain,
    limits::RECALL_BYTES,
    store::{Batch, NumberSet, Scan, Store, StoreError, key},
    stored,
};

/// A record with its size in bytes, or what is wrong with it.
type Listed = Result<(Arc<Task>, usize), String>;

/// Keys that are read as of one moment: writing waits meanwhile.
const READ_TOGETHER: usize = 128;

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
    order: Direction,
) -> Box<dyn Iterator<Item = Listed>> {
    let Some(job) = job else {
        let records = behind(store, key::DONE, key::done, cursor, order);
        return Box::new(records.map(|entry| {
            let (_, record) = entry.map_err(|error| chain(&error))?;
            Ok((decode(&record)?, record.len()))
        }));
    };
    let (store, sets) = (store.clone(), sets_behind(store, job, cursor, order));
    let numbers = sets.flat_map(
        move |entry| -> Box<dyn Iterator<Item = Result<u64, StoreError>>> {
            let numbers = entry.and_then(|(key, set)| {
                let index = key::set_of_job(&key).unwrap_or_default();
                Ok(NumberSet::stored(&key, &set)?.numbers(index))
            });
            match (numbers, order) {
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
            // It was retried or removed since its set was read.
            Ok(None) => None,
            Err(error) => Some(Err(chain(&error))),
        }
    }))
}

/// The sets of a job's ended tasks, from that of a number on.
fn sets_behind(store: &Store, job: &JobId, cursor: Number, order: Direction) -> Scan {
    let (prefix, of_cursor) = (key::tasks_of(job.as_str()), key::task_of(job.as_str(), cursor.0));
    match order {
        Direction::OldestFirst => store.scan(&prefix, &of_cursor.key),
        // The first key that could follow that of the cursor's set.
        Direction::NewestFirst => store.scan_back(&prefix, &[of_cursor.key.as_slice(), &[0]].concat()),
    }
}

fn behind(
    store: &Store,
    prefix: &[u8],
    key: impl Fn(u64) -> Vec<u8>,
    cursor: Number,
    order: Direction,
) -> Scan {
    match (order, cursor.0.checked_add(1)) {
        (Direction::OldestFirst, Some(first)) => store.scan(prefix, &key(first)),
        // Nothing is behind the largest number.
        (Direction::OldestFirst, None) => store.scan_back(prefix, prefix),
        (Direction::NewestFirst, _) => store.scan_back(prefix, &key(cursor.0)),
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

/// An ended task.
#[derive(Clone, Debug)]
pub(crate) struct Aged {
    pub(crate) number: Number,
    pub(crate) id: TaskId,
    /// Its place among all by age: the second of its end, and its number.
    pub(crate) place: (u64, Number),
}

/// Ended tasks that are old enough.
#[derive(Debug, Default)]
pub(crate) struct Aging {
    /// In the order of their places.
    pub(crate) due: Vec<Aged>,
    /// When the first of the others ended, to the second. Unknown when there are more that are due.
    pub(crate) next: Option<Timestamp>,
}

/// Tasks that ended by `ended_by`, from this place on, at most `most`.
pub(crate) fn aging(
    store: &Store,
    from: (u64, Number),
    ended_by: Timestamp,
    most: usize,
) -> Result<Aging, String> {
    let first = key::age(from.0.saturating_mul(1000), from.1.0).key;
    let mut aging = Aging::default();
    for entry in store.scan(key::AGE, &first) {
        let (place, set) = entry.map_err(|error| chain(&error))?;
        let (second, index) =
            key::split_age(&place).ok_or("the store's list of ended tasks has an entry that cannot be")?;
        let began = Timestamp(second.saturating_mul(1000));
        if began > ended_by {
            aging.next = Some(aging.next.map_or(began, |next| next.min(began)));
            break;
        }
        let set = NumberSet::stored(&place, &set).map_err(|error| chain(&error))?;
        for number in set
            .numbers(index)
            .map(Number)
            .filter(|number| (second, *number) >= from)
        {
            if aging.due.len() == most {
                return Ok(aging);
            }
            match ended(store, number)? {
                Some((_, end)) if end > ended_by => {
                    aging.next = Some(aging.next.map_or(end, |next| next.min(end)));
                }
                Some((id, _)) => aging.due.push(Aged {
                    number,
                    id,
                    place: (second, number),
                }),
                // It was retried or removed since its set was read.
                None => {}
            }
        }
    }
    Ok(aging)
}

/// The id of a task, and when it ended.
fn ended(store: &Store, number: Number) -> Result<Option<(TaskId, Timestamp)>, String> {
    let failed = |error: StoreError| chain(&error);
    let record = match store.get(&key::done(number.0)).map_err(failed)? {
        Some(record) => Some(record),
        None => store.get(&key::live(number.0)).map_err(failed)?,
    };
    let task = record.map(|record| decode(&record)).transpose()?;
    Ok(task.and_then(|task| Some((task.id.clone(), task.past_end()?.at))))
}

fn decode(record: &[u8]) -> Result<Arc<Task>, String> {
    stored::decode_task(record)
        .map(Arc::new)
        .map_err(|error| chain(&error))
}
