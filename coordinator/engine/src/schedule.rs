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

impl Wants {
    fn accepts(&self, class: &Class) -> bool {
        self.queues.is_empty() || self.queues.contains(&class.queue)
    }
}

/// The place of a task in its class: higher priority first, then the older one.
type Place = (Reverse<i16>, Number);

fn place(task: &Task) -> Place {
    (Reverse(task.priority), task.number)
}

/// All queued tasks, by class and in order. A class without tasks does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    classes: BTreeMap<Class, BTreeSet<Place>>,
}

impl Ready {
    pub(crate) fn insert(&mut self, task: &Task) {
        self.classes
            .entry(Class::of(task))
            .or_default()
            .insert(place(task));
    }

    pub(crate) fn remove(&mut self, task: &Task) {
        let class = Class::of(task);
        if let Some(places) = self.classes.get_mut(&class) {
            places.remove(&place(task));
            if places.is_empty() {
                self.classes.remove(&class);
            }
        }
    }

    /// The task that comes first among those that the agent would take.
    pub fn first(&self, wants: &Wants) -> Option<Number> {
        self.classes
            .iter()
            .filter(|(class, _)| wants.accepts(class))
            .filter_map(|(_, places)| places.first())
            .min()
            .map(|(_, number)| *number)
    }

    /// The oldest queued task, whatever its class.
    pub fn oldest(&self) -> Option<Number> {
        // The first of each priority in a class would be exact; the first of each class is what is served next.
        self.classes
            .values()
            .filter_map(|places| places.first())
            .map(|(_, number)| *number)
            .min()
    }
}
