//! What becomes of each task that a request is to change.

use swarm_engine::{
    id::TaskId, limits::MAX_ITEMS, noun::task::TaskState, rejection::Rejection, state::State,
};
use swarm_proto::v1;

use super::{Refusal, refusal::of_item};
use crate::wire::state::state_message;

/// What became of a task.
pub(super) struct Changed {
    /// Its state now; `None` when there is no such task.
    state: Option<TaskState>,
    refusal: Option<Rejection>,
}

/// Refuses a request for no task, or for too many.
pub(super) fn check_count(field: &str, count: usize) -> Result<(), Refusal> {
    if (1..=MAX_ITEMS).contains(&count) {
        return Ok(());
    }
    let fault = format!("has {count} tasks, it must have 1 to {MAX_ITEMS}");
    Err(Refusal::invalid(field, fault))
}

/// What became of each task, with the states of those that were refused.
pub(super) fn changed<'t>(
    state: &State,
    tasks: impl Iterator<Item = &'t TaskId>,
    results: Vec<Result<TaskState, Rejection>>,
) -> Vec<Changed> {
    tasks
        .zip(results)
        .map(|(task, result)| match result {
            Ok(state) => Changed {
                state: Some(state),
                refusal: None,
            },
            Err(rejection) => Changed {
                state: state.task(task).map(|task| task.state()),
                refusal: Some(rejection),
            },
        })
        .collect()
}

/// One answer for each id, in their order.
pub(super) fn changes(ids: Vec<String>, changed: Vec<Changed>) -> Vec<v1::TaskChange> {
    ids.into_iter()
        .zip(changed)
        .map(|(task_id, Changed { state, refusal })| v1::TaskChange {
            task_id,
            state: state.map_or(v1::TaskState::Unspecified, state_message).into(),
            refusal: refusal.as_ref().map(of_item),
        })
        .collect()
}
