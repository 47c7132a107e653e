//! Ended tasks in the order of their ends: retention removes the first of them.

use swarm_engine::{
    id::{Number, TaskId},
    time::Timestamp,
};

use super::{decode, key};
use crate::{
    program::failure::chain,
    store::{NumberSet, Store, StoreError},
};

/// An ended task.
#[derive(Clone, Debug)]
pub(crate) struct Aged {
    pub(crate) number: Number,
    pub(crate) id: TaskId,
    /// Its position in the order of ends: the second of its end, and its number.
    pub(crate) place: (u64, Number),
}

/// Ended tasks that are old enough, and when the next one will be.
#[derive(Debug, Default)]
pub(crate) struct Aging {
    /// In the order of ends.
    pub(crate) due: Vec<Aged>,
    /// When the next task ended, to the second; `None` without one, or when more tasks are due.
    pub(crate) next: Option<Timestamp>,
}

/// Tasks that ended by `ended_by`, from this position in the order of ends on, at most `most`.
pub(crate) fn due(
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
                // The task was retried or removed since its set was read.
                None => {}
            }
        }
    }
    Ok(aging)
}

/// The id of a task and the time of its end; `None` when it has not ended, or is not there.
fn ended(store: &Store, number: Number) -> Result<Option<(TaskId, Timestamp)>, String> {
    let failed = |error: StoreError| chain(&error);
    let record = match store.get(&key::done(number.0)).map_err(failed)? {
        Some(record) => Some(record),
        None => store.get(&key::live(number.0)).map_err(failed)?,
    };
    let task = record.map(|record| decode(&record)).transpose()?;
    Ok(task.and_then(|task| Some((task.id.clone(), task.past_end()?.at))))
}
