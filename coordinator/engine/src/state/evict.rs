//! Ended tasks leave memory, and come back when a request names them.
//!
//! No decision may differ because of it. So a task stays while something in memory may still ask for it:
//! while a task that depends on it has not ended, or is skipped and may be brought back.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    id::{Number, Seq, TaskId},
    noun::task::Task,
    state::State,
};

impl State {
    /// Ended tasks that nothing in memory needs, whose last event is not after `through`: they may be
    /// forgotten once the store holds that event.
    pub fn finished(&self, through: Seq) -> impl Iterator<Item = &Arc<Task>> {
        let through = (through, Number(u64::MAX));
        self.derived
            .finished
            .range(..=through)
            .filter_map(|(_, number)| self.tasks.get(number))
    }

    /// Drops an ended task from memory; false when something needs it, so that it stays. The store holds it
    /// as it is.
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

    /// Takes an ended task back into memory, as the store holds it. What State has is newer and stays.
    ///
    /// # Panics
    ///
    /// When the record is not one that was forgotten.
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

    /// Tasks that are not in memory and have to be: something here waits for them, or was skipped because of
    /// one. There are some after loading and replay only.
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

    /// Whether a task that has not ended depends on this one, met or not, or one that is skipped.
    pub fn is_needed(&self, task: &TaskId) -> bool {
        self.derived.needed.contains_key(task)
    }

    /// Takes a task out of memory with everything that follows from it.
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

    /// Notes that what this task depends on is needed, when it begins to be.
    pub(crate) fn hold_dependencies(&mut self, task: &Task) {
        for dependency in task.dependencies.iter() {
            if let Some(holders) = self.derived.needed.get_mut(&dependency.task) {
                *holders += 1;
            } else {
                self.derived.needed.insert(dependency.task.clone(), 1);
                self.refresh_finished(&dependency.task);
            }
        }
    }

    /// Notes that this task needs its dependencies no longer.
    pub(crate) fn release_dependencies(&mut self, task: &Task) {
        for dependency in task.dependencies.iter() {
            let holders = self
                .derived
                .needed
                .get_mut(&dependency.task)
                .expect("what is released was held");
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
