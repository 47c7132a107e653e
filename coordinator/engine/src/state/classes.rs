//! The classes of the tasks that have not ended for themselves, whatever they wait for.

use std::collections::BTreeMap;

use crate::{id::QueueName, noun::needs::Class};

/// How many tasks are in each class, by queue. A queue or class without tasks does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    queues: BTreeMap<QueueName, BTreeMap<Class, u64>>,
    count: usize,
}

impl Classes {
    pub(crate) fn add(&mut self, class: &Class) {
        if let Some(tasks) = self.tasks(class) {
            *tasks += 1;
            return;
        }
        let classes = self.queues.entry(class.queue.clone()).or_default();
        classes.insert(class.clone(), 1);
        self.count += 1;
    }

    pub(crate) fn remove(&mut self, class: &Class) {
        let tasks = self.tasks(class).expect("a removed task was added");
        *tasks -= 1;
        if *tasks > 0 {
            return;
        }
        self.count -= 1;
        if let Some(classes) = self.queues.get_mut(&class.queue) {
            classes.remove(class);
            if classes.is_empty() {
                self.queues.remove(&class.queue);
            }
        }
    }

    fn tasks(&mut self, class: &Class) -> Option<&mut u64> {
        self.queues.get_mut(&class.queue)?.get_mut(class)
    }

    /// Whether a task is in the class.
    pub(crate) fn has(&self, class: &Class) -> bool {
        let classes = self.queues.get(&class.queue);
        classes.is_some_and(|classes| classes.contains_key(class))
    }

    /// The number of classes of a queue.
    pub(crate) fn of_queue(&self, queue: &QueueName) -> usize {
        self.queues.get(queue).map_or(0, BTreeMap::len)
    }

    /// The number of all classes.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}
