//! Eviction: ended tasks leave memory, and come back when a request names them.
//!
//! No decision may differ because of it. So a task stays in memory while it has a dependent that has not ended, or
//! that is skipped and may come back.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    id::{Number, Seq, TaskId},
    noun::task::Task,
    state::State,
};

impl State {
    /// Ended tasks that no task in memory needs and whose last event is at most `through`. They may be forgotten once
    /// the store has that event.
    pub fn finished(&self, through: Seq) -> impl Iterator<Item = &Arc<Task>> {
        let through = (through, Number(u64::MAX));
        self.derived
            .finished
            .range(..=through)
            .filter_map(|(_, number)| self.tasks.get(number))
    }

    /// Drops an ended task from memory, which the store has as it is. False when another task needs it: then it
    /// stays.
    pub fn forget(&mut self, number: Number) -> bool {
        let Some(task) = self.tasks.get(&number).cloned() else {
            return false;
        };
        if !self.derived.finished.contains(&(task.revision, number)) {
            return false;
        }
        self.drop_task(&task);
        true
    }

    /// Takes an ended task back into memory, as the store has it. A record in memory is newer and stays.
    ///
    /// # Panics
    ///
    /// When the record cannot be one that was forgotten.
    pub fn recall(&mut self, task: Arc<Task>) {
        if self.numbers.contains_key(&task.id) {
            return;
        }
        assert!(task.is_finished(), "only a finished task was forgotten");
        assert!(task.revision <= self.seq, "a record is not newer than the state");
        self.numbers.insert(task.id.clone(), task.number);
        self.tasks.insert(task.number, task.clone());
        self.index(&task);
    }

    /// Tasks that must be in memory and are not: dependencies of waiting and of skipped tasks. There are none but after
    /// loading and replay.
    pub fn missing(&self) -> BTreeSet<TaskId> {
        let skipped = self.derived.skipped.values().flatten();
        let of_skipped = skipped
            .filter_map(|number| self.tasks.get(number))
            .flat_map(|task| task.unmet_dependencies())
            .map(|dependency| &dependency.task);
        self.derived
            .dependents
            .keys()
            .chain(of_skipped)
            .filter(|id| !self.numbers.contains_key(*id))
            .cloned()
            .collect()
    }

    /// Whether a dependent of this task has not ended or is skipped, met or not.
    pub fn is_needed(&self, task: &TaskId) -> bool {
        self.derived.needed.contains_key(task)
    }

    /// Takes a task out of memory and out of the indexes.
    pub(crate) fn drop_task(&mut self, task: &Arc<Task>) {
        self.unindex(task);
        self.numbers.remove(&task.id);
        self.tasks.remove(&task.number);
        if let Some(job) = &task.job
            && let Some(tally) = self.derived.jobs.get_mut(job)
        {
            tally.tasks.remove(&task.number);
            if tally.tasks.is_empty() {
                self.derived.jobs.remove(job);
            }
        }
    }

    /// Notes that this task has not ended for itself: it needs its dependencies, and its class is in use.
    pub(crate) fn note_unfinished(&mut self, task: &Task) {
        self.derived.classes.add(&task.needs.class);
        for dependency in task.dependencies.iter() {
            if let Some(holders) = self.derived.needed.get_mut(&dependency.task) {
                *holders += 1;
            } else {
                self.derived.needed.insert(dependency.task.clone(), 1);
                self.refresh_finished(&dependency.task);
            }
        }
    }

    /// Notes that this task, which had not ended for itself, has now or is gone.
    pub(crate) fn note_finished(&mut self, task: &Task) {
        self.derived.classes.remove(&task.needs.class);
        for dependency in task.dependencies.iter() {
            let holders = self
                .derived
                .needed
                .get_mut(&dependency.task)
                .expect("a released dependency was held");
            *holders -= 1;
            if *holders == 0 {
                self.derived.needed.remove(&dependency.task);
                self.refresh_finished(&dependency.task);
            }
        }
    }

    fn refresh_finished(&mut self, id: &TaskId) {
        let Some(task) = self.task(id) else { return };
        let (place, is_finished) = ((task.revision, task.number), task.is_finished());
        if is_finished && !self.is_needed(id) {
            self.derived.finished.insert(place);
        } else {
            self.derived.finished.remove(&place);
        }
    }
}
