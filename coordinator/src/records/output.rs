//! What attempts printed.

use std::sync::Arc;

use swarm_engine::{
    event::Fact,
    id::{AttemptNumber, Number},
    noun::outcome::Output,
};

/// The output that a fact carries, with the attempt that printed it.
pub(crate) fn of(fact: &Fact) -> Option<(Number, AttemptNumber, &Arc<Output>)> {
    match fact {
        Fact::AttemptFailed {
            task,
            attempt,
            output,
            ..
        }
        | Fact::TaskSucceeded {
            task,
            attempt,
            output,
            ..
        } => Some((task.number, *attempt, output)),
        Fact::TaskCancelled {
            task,
            attempt: Some(attempt),
        } => Some((task.number, attempt.number, &attempt.output)),
        _ => None,
    }
}
