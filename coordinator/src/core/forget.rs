//! Finished tasks leave memory once the store has them, and their ids are remembered.

use std::sync::Arc;

use swarm_engine::{id::Seq, noun::task::Task};

use super::Core;
use crate::{
    program::{
        failure::chain,
        limits::{FORGET_STEP, STORED_IDS_STEP},
    },
    records::task::key,
};

impl Core {
    /// Forgets finished tasks that the store has and that nothing needs, in steps that keep the lock for a short time.
    /// A task under the id of a removed one stays until it is noted that the store has the removal: until then, memory
    /// alone is asked for that id.
    pub(super) fn forget_finished(&self) {
        loop {
            let applied = Seq(self.store.applied_seq());
            let mut inner = self.lock();
            let step: Vec<Arc<Task>> = inner
                .state
                .finished(applied)
                .filter(|task| !inner.pins.holds(&task.id) && !inner.leaving.contains_key(&task.id))
                .take(FORGET_STEP)
                .cloned()
                .collect();
            for task in &step {
                if inner.state.forget(task.number) {
                    inner.stored_ids.add(task.id.as_str());
                }
            }
            drop(inner);
            // The records are freed here, not under the lock.
            if step.len() < FORGET_STEP {
                return;
            }
        }
    }

    /// Remembers every id in the store; those of tasks that are forgotten meanwhile are remembered as well. When the
    /// store cannot be read, every id may be in it, as before.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) fn fill_stored_ids(&self) -> Result<(), String> {
        self.lock().stored_ids.begin();
        let added = self.add_stored_ids();
        if added.is_err() {
            self.lock().stored_ids.give_up();
        }
        added
    }

    fn add_stored_ids(&self) -> Result<(), String> {
        let mut keys = self.store.scan(key::ID, key::ID);
        loop {
            let step: Vec<Vec<u8>> = keys
                .by_ref()
                .take(STORED_IDS_STEP)
                .map(|entry| entry.map(|(key, _)| key))
                .collect::<Result<_, _>>()
                .map_err(|error| chain(&error))?;
            let mut inner = self.lock();
            if inner.is_closed() {
                return Ok(());
            }
            if step.is_empty() {
                inner.stored_ids.end();
                return Ok(());
            }
            for key in &step {
                let id = key
                    .strip_prefix(key::ID)
                    .and_then(|id| std::str::from_utf8(id).ok());
                inner
                    .stored_ids
                    .add(id.ok_or("a task's id in the store is no text")?);
            }
        }
    }

    /// Whether the store has everything that was decided, and every task that may be forgotten is.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        let inner = self.lock();
        let seq = inner.state.seq();
        let mut finished = inner.state.finished(seq);
        self.store.applied_seq() == seq.0 && finished.all(|task| inner.pins.holds(&task.id))
    }

    /// Whether the ids of the store have to be remembered anew.
    pub(crate) fn are_stored_ids_outgrown(&self) -> bool {
        let inner = self.lock();
        inner.stored_ids.is_to_be_filled(inner.state.ended().total())
    }
}
