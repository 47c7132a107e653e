//! Tasks that the state has forgotten: what a store would hold.

use std::{collections::BTreeMap, sync::Arc};

use swarm_engine::{
    event::{Event, Fact},
    id::{Number, TaskId},
    state::State,
    task::Task,
};

use crate::Random;

/// Forgets at random, and gives back what a request names. Its chances are its own, so a world goes the
/// same way with and without it.
pub(crate) struct Shelf {
    random: Random,
    kept: BTreeMap<TaskId, Arc<Task>>,
    pub(crate) forgotten: usize,
    pub(crate) recalled: usize,
}

impl Shelf {
    pub(crate) fn new(seed: u64) -> Shelf {
        Shelf {
            random: Random { seed, drawn: 1 << 32 },
            kept: BTreeMap::new(),
            forgotten: 0,
            recalled: 0,
        }
    }

    /// Forgets about every other task that may be forgotten.
    pub(crate) fn forget_some(&mut self, state: &mut State) {
        let finished: Vec<Arc<Task>> = state.finished(state.seq()).cloned().collect();
        for task in finished {
            if self.random.one_in(2) {
                assert!(
                    state.forget(task.number),
                    "{} is finished and stays in memory",
                    task.id
                );
                self.kept.insert(task.id.clone(), task);
                self.forgotten += 1;
            }
        }
    }

    /// Puts those of the tasks back that the state does not have.
    pub(crate) fn recall<'a>(&mut self, state: &mut State, ids: impl IntoIterator<Item = &'a TaskId>) {
        for id in ids {
            if state.task(id).is_none()
                && let Some(task) = self.kept.remove(id)
            {
                state.recall(task);
                self.recalled += 1;
            }
        }
    }

    /// A removed task is nowhere.
    pub(crate) fn note(&mut self, event: &Event) {
        if let Fact::TaskRemoved { task, .. } = &event.fact {
            self.kept.remove(&task.id);
        }
    }

    /// Every kept task of a world, in order. What a replay brought back by itself is newer than the shelf's.
    pub(crate) fn all(&self, state: &State) -> BTreeMap<Number, Arc<Task>> {
        let here = state.tasks_after(Number(0));
        self.kept
            .values()
            .chain(here)
            .map(|task| (task.number, task.clone()))
            .collect()
    }
}
