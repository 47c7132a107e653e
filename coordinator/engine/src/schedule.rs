//! Which queued task is next.
//!
//! Tasks with the same needs share a class, and a claim looks at the first task
//! of each class: its cost does not grow with the number of queued tasks.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    id::{Number, QueueName},
    task::Task,
};

/// What an agent must offer to be given a task of a class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The line that its tasks wait in.
    pub queue: QueueName,
}

impl Class {
    fn of(task: &Task) -> Class {
        Class {
            queue: task.queue.clone(),
        }
    }
}

/// What an agent asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wants {
    /// Only tasks of these queues; of all when empty.
    pub queues: BTreeSet<QueueName>,
}

/// The queued tasks of a class by priority, the higher one first, and then by age. A priority without tasks
/// does not exist.
type Line = BTreeMap<Reverse<i16>, BTreeSet<Number>>;

/// The place of a task: higher priority first, then the older one.
type Place = (Reverse<i16>, Number);

fn first_of(line: &Line) -> Option<Place> {
    let (priority, numbers) = line.first_key_value()?;
    Some((*priority, *numbers.first()?))
}

/// All queued tasks, by class and in order. A class without tasks does not exist.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    classes: BTreeMap<Class, Line>,
    insertions: u64,
}

/// How often tasks were queued is history, not contents.
impl PartialEq for Ready {
    fn eq(&self, other: &Ready) -> bool {
        self.classes == other.classes
    }
}

impl Eq for Ready {}

impl Ready {
    pub(crate) fn insert(&mut self, task: &Task) {
        self.insertions += 1;
        self.classes
            .entry(Class::of(task))
            .or_default()
            .entry(Reverse(task.priority))
            .or_default()
            .insert(task.number);
    }

    pub(crate) fn remove(&mut self, task: &Task) {
        let class = Class::of(task);
        let Some(line) = self.classes.get_mut(&class) else {
            return;
        };
        let priority = Reverse(task.priority);
        if let Some(numbers) = line.get_mut(&priority) {
            numbers.remove(&task.number);
            if numbers.is_empty() {
                line.remove(&priority);
            }
        }
        if line.is_empty() {
            self.classes.remove(&class);
        }
    }

    /// The name of a queue, shared with the tasks that wait in it when there are some: a million tasks of one
    /// queue have one name.
    pub(crate) fn shared_name(&self, queue: QueueName) -> QueueName {
        let class = Class { queue };
        match self.classes.get_key_value(&class) {
            Some((known, _)) => known.queue.clone(),
            None => class.queue,
        }
    }

    /// The task that comes first among those that the agent would take.
    pub fn first(&self, wants: &Wants) -> Option<Number> {
        let first = if wants.queues.is_empty() {
            self.classes.values().filter_map(first_of).min()
        } else {
            let class = |queue: &QueueName| Class { queue: queue.clone() };
            wants
                .queues
                .iter()
                .filter_map(|queue| first_of(self.classes.get(&class(queue))?))
                .min()
        };
        first.map(|(_, number)| number)
    }

    /// How often a task was queued: while it stays the same, nobody can be given anything new.
    pub fn insertions(&self) -> u64 {
        self.insertions
    }

    /// The oldest queued task, whatever its class and priority.
    pub fn oldest(&self) -> Option<Number> {
        let lines = self.classes.values().flat_map(BTreeMap::values);
        lines.filter_map(BTreeSet::first).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(of: &[(i16, u64)]) -> Line {
        let mut line = Line::new();
        for (priority, number) in of {
            line.entry(Reverse(*priority))
                .or_default()
                .insert(Number(*number));
        }
        line
    }

    fn ready(classes: &[(&str, &[(i16, u64)])]) -> Ready {
        let class = |name: &str| Class {
            queue: QueueName::stored(name),
        };
        Ready {
            classes: classes.iter().map(|(name, of)| (class(name), line(of))).collect(),
            insertions: 0,
        }
    }

    fn wants(queues: &[&str]) -> Wants {
        Wants {
            queues: queues.iter().map(|name| QueueName::stored(name)).collect(),
        }
    }

    #[test]
    fn priority_goes_before_age_across_queues() {
        let ready = ready(&[("build", &[(0, 2), (0, 5)]), ("test", &[(0, 1), (50, 9)])]);
        assert_eq!(ready.first(&wants(&[])), Some(Number(9)));
        assert_eq!(ready.first(&wants(&["build"])), Some(Number(2)));
        assert_eq!(ready.first(&wants(&["deploy"])), None);
    }

    #[test]
    fn the_oldest_task_is_found_behind_higher_priorities() {
        let ready = ready(&[
            ("build", &[(100, 7), (0, 3), (0, 4), (-100, 2)]),
            ("test", &[(0, 5)]),
        ]);
        assert_eq!(ready.oldest(), Some(Number(2)));
        assert_eq!(Ready::default().oldest(), None);
    }
}
