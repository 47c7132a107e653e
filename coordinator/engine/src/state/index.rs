//! Keeping the indexes up to date, one task's record at a time.

use std::sync::Arc;

use crate::{
    id::{Number, TaskId},
    noun::{
        counts::Counts,
        task::{End, Phase, Task, TaskState},
    },
    state::{State, weight::Weight},
};

impl State {
    /// Notes that a task went from one state that is not final to another.
    pub(crate) fn recount(&mut self, task: &Task, before: TaskState, after: TaskState) {
        self.derived.counts.remove(before);
        self.derived.counts.add(after);
        self.count_in_queue(task, |counts| {
            counts.remove(before);
            counts.add(after);
        });
        if let Some(tally) = task.job.as_ref().and_then(|job| self.derived.jobs.get_mut(job)) {
            tally.counts.remove(before);
            tally.counts.add(after);
        }
    }

    /// Adds a record to all indexes but `needed`.
    pub(crate) fn index(&mut self, task: &Arc<Task>) {
        self.derived.bytes += task.weight() as u64;
        let state = task.state();
        let number = task.number;
        let has_ended = task.end().is_some();
        if !has_ended {
            self.derived.counts.add(state);
            self.count_in_queue(task, |counts| counts.add(state));
        }
        if let Some(job) = &task.job {
            let tally = self.derived.jobs.entry(job.clone()).or_default();
            if !has_ended {
                tally.counts.add(state);
            }
            tally.tasks.insert(number);
        }
        match &task.phase {
            Phase::Pending { due } => {
                if let Some(due) = due {
                    self.derived.waiting_mut(task, *due).insert((*due, number));
                }
                if let Some(deadline) = task.times.deadline {
                    self.derived.deadlines.insert((deadline, number));
                }
                if state == TaskState::Queued {
                    self.derived.ready.insert(task);
                }
                for dependency in task.unmet_dependencies() {
                    self.derived
                        .dependents
                        .entry(dependency.task.clone())
                        .or_default()
                        .insert(number);
                    self.refresh_unsettled(&dependency.task);
                }
            }
            Phase::Running(lease) => {
                self.derived
                    .leases
                    .entry(lease.agent.clone())
                    .or_default()
                    .insert(number);
                if let Some(group) = &task.needs.group {
                    self.derived.ready.take_group(group, number);
                }
                if self.expiry(number).is_none() {
                    self.soft
                        .set_expiry(number, (self.time + lease.ttl).min(lease.ends_by));
                }
            }
            Phase::Ended(ended) => match &ended.end {
                End::Skipped { because } => {
                    self.derived
                        .skipped
                        .entry(because.clone())
                        .or_default()
                        .insert(number);
                    self.refresh_unsettled(because);
                }
                End::Succeeded | End::Failed { .. } | End::Cancelled => {
                    if !self.is_needed(&task.id) {
                        self.derived.finished.insert((task.revision, number));
                    }
                }
            },
        }
        self.refresh_unsettled(&task.id);
    }

    /// Takes a record out of all indexes but `needed`.
    pub(crate) fn unindex(&mut self, task: &Arc<Task>) {
        self.derived.bytes -= task.weight() as u64;
        let state = task.state();
        let number = task.number;
        if task.end().is_none() {
            self.derived.counts.remove(state);
            self.count_in_queue(task, |counts| counts.remove(state));
            if let Some(tally) = task.job.as_ref().and_then(|job| self.derived.jobs.get_mut(job)) {
                tally.counts.remove(state);
            }
        }
        match &task.phase {
            Phase::Pending { due } => {
                if let Some(due) = due {
                    self.derived.waiting_mut(task, *due).remove(&(*due, number));
                }
                if let Some(deadline) = task.times.deadline {
                    self.derived.deadlines.remove(&(deadline, number));
                }
                if state == TaskState::Queued {
                    self.derived.ready.remove(task);
                }
                for dependency in task.unmet_dependencies() {
                    self.remove_dependent(&dependency.task, number);
                }
            }
            Phase::Running(lease) => {
                if let Some(group) = &task.needs.group {
                    self.derived.ready.free_group(group);
                }
                // A queue at its limit may run one more task now.
                if self.queue_limit(task.queue()).is_some() {
                    self.derived.ready.open_queue(task.queue());
                }
                if let Some(held) = self.derived.leases.get_mut(&lease.agent) {
                    held.remove(&number);
                    if held.is_empty() {
                        self.derived.leases.remove(&lease.agent);
                    }
                }
            }
            Phase::Ended(ended) => match &ended.end {
                End::Skipped { because } => {
                    if let Some(skipped) = self.derived.skipped.get_mut(because) {
                        skipped.remove(&number);
                        if skipped.is_empty() {
                            self.derived.skipped.remove(because);
                        }
                    }
                    self.refresh_unsettled(because);
                }
                End::Succeeded | End::Failed { .. } | End::Cancelled => {
                    self.derived.finished.remove(&(task.revision, number));
                }
            },
        }
    }

    pub(crate) fn remove_dependent(&mut self, dependency: &TaskId, dependent: Number) {
        if let Some(dependents) = self.derived.dependents.get_mut(dependency) {
            dependents.remove(&dependent);
            if dependents.is_empty() {
                self.derived.dependents.remove(dependency);
            }
        }
        self.refresh_unsettled(dependency);
    }

    /// Notes whether a task has consequences left: dependents that still wait for an ended task, or that are still
    /// skipped because of a task that came back.
    pub(crate) fn refresh_unsettled(&mut self, id: &TaskId) {
        let Some(task) = self.task(id) else { return };
        let (number, ended) = (task.number, task.end().is_some());
        let succeeded = matches!(task.end(), Some(End::Succeeded));
        let unsettled = (ended && self.derived.dependents.contains_key(id))
            || ((!ended || succeeded) && self.derived.skipped.contains_key(id));
        if unsettled {
            self.derived.unsettled.insert(number);
        } else {
            self.derived.unsettled.remove(&number);
        }
    }

    fn count_in_queue(&mut self, task: &Task, count: impl Fn(&mut Counts)) {
        let queue = task.queue();
        if let Some(counts) = self.derived.queues.get_mut(queue) {
            count(counts);
            if counts.total() == 0 {
                self.derived.queues.remove(queue);
            }
        } else {
            let mut counts = Counts::default();
            count(&mut counts);
            self.derived.queues.insert(queue.clone(), counts);
        }
    }
}
