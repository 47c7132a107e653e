//! Classes: how many different demands on agents the tasks that have not ended may make. Claims look at each.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::QueueName,
    limits::{MAX_CLASSES, MAX_QUEUE_CLASSES},
    noun::needs::Class,
    rejection::Full,
    state::State,
};

impl State {
    /// Checks that there is room for the classes of tasks that are to come, one for each task.
    pub(crate) fn check_new_classes<'a>(
        &self,
        of_tasks: impl Iterator<Item = &'a Class>,
    ) -> Result<(), Full> {
        let classes = &self.derived.classes;
        let mut fresh: BTreeMap<&QueueName, BTreeSet<&Class>> = BTreeMap::new();
        let mut count = classes.count();
        let mut last = None;
        for class in of_tasks {
            // Most tasks of a request are in one class.
            let is_known = last == Some(class) || classes.has(class);
            last = Some(class);
            if is_known || !fresh.entry(&class.queue).or_default().insert(class) {
                continue;
            }
            count += 1;
            if classes.of_queue(&class.queue) + fresh[&class.queue].len() > MAX_QUEUE_CLASSES {
                return Err(Full::Classes(class.queue.clone()));
            }
            if count > MAX_CLASSES {
                return Err(Full::AllClasses);
            }
        }
        Ok(())
    }
}
