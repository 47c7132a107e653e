//! What becomes of each task that a request is to change.

use swarm_engine::{limits::MAX_ITEMS, noun::task::TaskState, rejection::Rejection};
use swarm_proto::v1;

use super::{Refusal, refusal::of_item};
use crate::wire::state::state_message;

/// Refuses a request for no task, or for too many.
pub(super) fn check_count(field: &str, count: usize) -> Result<(), Refusal> {
    if (1..=MAX_ITEMS).contains(&count) {
        return Ok(());
    }
    let fault = format!("has {count} tasks, it must have 1 to {MAX_ITEMS}");
    Err(Refusal::invalid(field, fault))
}

/// One answer for each id, in their order.
pub(super) fn changes(ids: Vec<String>, results: Vec<Result<TaskState, Rejection>>) -> Vec<v1::TaskChange> {
    ids.into_iter()
        .zip(results)
        .map(|(task_id, result)| match result {
            Ok(state) => v1::TaskChange {
                task_id,
                state: state_message(state).into(),
                refusal: None,
            },
            Err(rejection) => v1::TaskChange {
                task_id,
                state: v1::TaskState::Unspecified.into(),
                refusal: Some(of_item(&rejection)),
            },
        })
        .collect()
}
