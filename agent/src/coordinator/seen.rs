//! The newest position of the journal in an answer. The coordinator is told of it, so that it notices when its data are
//! older than what it has answered.

use std::sync::{Mutex, PoisonError};

use swarm_proto::v1::AsOf;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Option<AsOf>>);

impl Seen {
    /// Notes the position of an answer. Answers may come in another order than they were given.
    pub(super) fn note(&self, answered: Option<&AsOf>) {
        let Some(answered) = answered else { return };
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_older = newest
            .as_ref()
            .is_some_and(|newest| newest.history == answered.history && newest.seq >= answered.seq);
        if !is_older {
            *newest = Some(answered.clone());
        }
    }

    /// The newest position.
    pub(super) fn newest(&self) -> Option<AsOf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
