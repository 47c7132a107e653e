//! The outputs of attempts: in memory until the store has them, in the store from then on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use swarm_engine::{
    id::{AttemptNumber, Number},
    noun::outcome::Output,
    touches::Touches,
};

use crate::{records::output, store::Store};

/// See the module.
pub(super) struct Outputs {
    fresh: Mutex<BTreeMap<(Number, AttemptNumber), Arc<Output>>>,
    store: Store,
}

impl Outputs {
    pub(super) fn new(store: Store) -> Outputs {
        Outputs {
            fresh: Mutex::default(),
            store,
        }
    }

    /// Keeps the output that an event carries, if there is one.
    pub(super) fn keep(&self, touched: &Touches<'_>) {
        if let Some((number, attempt, output)) = output::of(touched) {
            self.fresh().insert((number, attempt), output.clone());
        }
    }

    /// The store has the output that the event carries.
    pub(super) fn release(&self, touched: &Touches<'_>) {
        if let Some((number, attempt, _)) = output::of(touched) {
            self.fresh().remove(&(number, attempt));
        }
    }

    /// The output of an attempt; `None` when it reported nothing.
    ///
    /// # Errors
    ///
    /// A sentence when the store cannot be read.
    pub(super) fn get(&self, number: Number, attempt: AttemptNumber) -> Result<Option<Arc<Output>>, String> {
        // Memory first: an output leaves it only after the store has the output.
        if let Some(output) = self.fresh().get(&(number, attempt)) {
            return Ok(Some(output.clone()));
        }
        output::read(&self.store, number, attempt)
    }

    fn fresh(&self) -> MutexGuard<'_, BTreeMap<(Number, AttemptNumber), Arc<Output>>> {
        // A map of finished values: a panic elsewhere cannot leave it half changed.
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
