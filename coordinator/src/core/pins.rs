//! The tasks that requests under way have named: they stay in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_engine::id::TaskId;

/// See the module. There are at most as many pins as store readers.
#[derive(Default)]
pub(super) struct Pins {
    held: BTreeMap<u64, Arc<BTreeSet<TaskId>>>,
    next: u64,
}

impl Pins {
    /// Keeps these tasks in memory until the pin that this answers is taken out.
    pub(super) fn put_in(&mut self, ids: Arc<BTreeSet<TaskId>>) -> u64 {
        let pin = self.next;
        self.next += 1;
        self.held.insert(pin, ids);
        pin
    }

    pub(super) fn take_out(&mut self, pin: u64) {
        self.held.remove(&pin);
    }

    /// Whether a request has named the task.
    pub(super) fn holds(&self, task: &TaskId) -> bool {
        self.held.values().any(|ids| ids.contains(task))
    }

    /// Whether a request other than the one with this pin has named the task.
    pub(super) fn holds_for_others(&self, pin: u64, task: &TaskId) -> bool {
        self.held
            .iter()
            .any(|(other, ids)| *other != pin && ids.contains(task))
    }
}
