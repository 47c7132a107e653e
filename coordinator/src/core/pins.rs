//! The tasks that requests under way have named: they stay in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_engine::id::{Number, TaskId};

/// See the module. There are at most as many pins as store readers.
#[derive(Default)]
pub(super) struct Pins {
    held: BTreeMap<u64, Pin>,
    next: u64,
}

/// The tasks that one request has named.
struct Pin {
    ids: Arc<BTreeSet<TaskId>>,
    /// Those of them that another request has removed since.
    removed: BTreeSet<Number>,
}

impl Pins {
    /// Keeps these tasks in memory until the pin that this answers is taken out.
    pub(super) fn put_in(&mut self, ids: Arc<BTreeSet<TaskId>>) -> u64 {
        let pin = self.next;
        self.next += 1;
        let removed = BTreeSet::new();
        self.held.insert(pin, Pin { ids, removed });
        pin
    }

    pub(super) fn take_out(&mut self, pin: u64) {
        self.held.remove(&pin);
    }

    /// Whether a request has named the task.
    pub(super) fn holds(&self, task: &TaskId) -> bool {
        self.held.values().any(|pin| pin.ids.contains(task))
    }

    /// Whether a request other than the one with this pin has named the task.
    pub(super) fn holds_for_others(&self, pin: u64, task: &TaskId) -> bool {
        self.held
            .iter()
            .any(|(other, held)| *other != pin && held.ids.contains(task))
    }

    /// A task was removed: what requests have read of it in the store is out of date.
    pub(super) fn note_removed(&mut self, task: &TaskId, number: Number) {
        for pin in self.held.values_mut().filter(|pin| pin.ids.contains(task)) {
            pin.removed.insert(number);
        }
    }

    /// Whether the task was removed since this pin was put in.
    pub(super) fn was_removed(&self, pin: u64, number: Number) -> bool {
        self.held
            .get(&pin)
            .is_some_and(|pin| pin.removed.contains(&number))
    }
}
