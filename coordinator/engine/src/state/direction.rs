//! Lists of a state: tasks and jobs by number from either end, and ids by prefix.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use crate::{
    id::{JobId, Number, TaskId},
    noun::{agent::Agent, job::Job, task::Task},
    state::State,
    time::Timestamp,
};

/// The end at which a list begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Rising numbers.
    #[default]
    OldestFirst,
    /// Falling numbers.
    NewestFirst,
}

impl Direction {
    /// A number before those of all tasks and jobs.
    pub fn start(self) -> Number {
        match self {
            Direction::OldestFirst => Number(0),
            Direction::NewestFirst => Number(u64::MAX),
        }
    }

    /// The rank of a number: it rises in this direction.
    pub fn rank(self, number: Number) -> u64 {
        match self {
            Direction::OldestFirst => number.0,
            Direction::NewestFirst => u64::MAX - number.0,
        }
    }

    /// The numbers behind this one.
    fn behind(self, cursor: Number) -> (Bound<Number>, Bound<Number>) {
        match self {
            Direction::OldestFirst => (Bound::Excluded(cursor), Bound::Unbounded),
            Direction::NewestFirst => (Bound::Unbounded, Bound::Excluded(cursor)),
        }
    }

    fn of<'a, T>(self, items: impl DoubleEndedIterator<Item = T> + 'a) -> Box<dyn Iterator<Item = T> + 'a> {
        match self {
            Direction::OldestFirst => Box::new(items),
            Direction::NewestFirst => Box::new(items.rev()),
        }
    }
}

impl State {
    /// The tasks behind a number.
    pub fn tasks_behind(
        &self,
        cursor: Number,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = &Arc<Task>> + '_> {
        direction.of(self.tasks.range(direction.behind(cursor)).map(|(_, task)| task))
    }

    /// The tasks of a job behind a number.
    pub fn job_tasks_behind(
        &self,
        job: &JobId,
        cursor: Number,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = &Arc<Task>> + '_> {
        let Some(tally) = self.derived.jobs.get(job) else {
            return Box::new(std::iter::empty());
        };
        let numbers = tally.tasks.range(direction.behind(cursor));
        direction.of(numbers.filter_map(|number| self.tasks.get(number)))
    }

    /// The jobs behind a number.
    pub fn jobs_behind(
        &self,
        cursor: Number,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = &Arc<Job>> + '_> {
        direction.of(self.jobs.range(direction.behind(cursor)).map(|(_, job)| job))
    }

    /// The ids of tasks with this prefix, and their numbers.
    pub fn task_ids<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a TaskId, Number)> {
        beginning(&self.numbers, prefix, TaskId::as_str).map(|(id, number)| (id, *number))
    }

    /// The ids of jobs with this prefix.
    pub fn job_ids<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a JobId> {
        beginning(&self.job_numbers, prefix, JobId::as_str).map(|(id, _)| id)
    }

    /// The agents whose ids have this prefix.
    pub fn agents_named<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Arc<Agent>> {
        beginning(&self.agents, prefix, |id| id.as_str()).map(|(_, agent)| agent)
    }
}

/// The entries of a map whose names have this prefix.
fn beginning<'a, K: Ord + std::borrow::Borrow<str>, V>(
    map: &'a BTreeMap<K, V>,
    prefix: &'a str,
    text: fn(&K) -> &str,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    map.range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
        .take_while(move |(name, _)| text(name).starts_with(prefix))
}

/// The last number before the first task of this time or later: numbers and times of submission rise together. `next`
/// gives the first task after a number.
///
/// # Errors
///
/// The first error of `next`.
pub fn before_time<E>(
    time: Timestamp,
    mut next: impl FnMut(Number) -> Result<Option<(Number, Timestamp)>, E>,
) -> Result<Number, E> {
    // Tasks up to `early` are too early, tasks behind `late` are not.
    let (mut early, mut late) = (0, u64::MAX);
    while early < late {
        let middle = early + (late - early) / 2;
        match next(Number(middle))? {
            Some((number, created)) if created < time => early = number.0,
            Some(_) | None => late = middle,
        }
    }
    Ok(Number(early))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_found_between_numbers_with_gaps() {
        let tasks = [(3, 10), (4, 10), (9, 20), (1_000_000, 30)];
        let next = |after: Number| -> Result<_, ()> {
            let behind = tasks.iter().find(|(number, _)| *number > after.0);
            Ok(behind.map(|(number, time)| (Number(*number), Timestamp(*time))))
        };
        for (time, expected) in [
            (5, 0),
            (10, 0),
            (11, 4),
            (20, 4),
            (21, 9),
            (30, 9),
            (31, 1_000_000),
        ] {
            let found = before_time(Timestamp(time), next).unwrap();
            let first = next(found).unwrap().map(|(number, _)| number.0);
            let wanted = tasks.iter().find(|(_, created)| *created >= time);
            assert_eq!(first, wanted.map(|(number, _)| *number), "at {time}");
            assert!(found.0 >= expected, "at {time}: {found:?}");
        }
        assert_eq!(before_time(Timestamp(1), |_| Ok::<_, ()>(None)), Ok(Number(0)));
    }

    #[test]
    fn ranks_rise_from_the_start_in_either_direction() {
        for (direction, numbers) in [
            (Direction::OldestFirst, [1, 2, 9]),
            (Direction::NewestFirst, [9, 2, 1]),
        ] {
            let mut before = direction.rank(direction.start());
            for number in numbers {
                let rank = direction.rank(Number(number));
                assert!(rank > before, "{direction:?}");
                before = rank;
            }
        }
    }
}
