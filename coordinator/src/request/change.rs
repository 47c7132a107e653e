//! What becomes of each task that a request is to change.

use swarm_engine::{
    id::{Seq, TaskId},
    limits::MAX_ITEMS,
    noun::task::TaskState,
    rejection::Rejection,
    state::State,
};
use swarm_proto::v1;

use super::{Refusal, refusal::of_item};
use crate::wire::{field, state::state_message};

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

/// The tasks that a request names, each with the revision that its caller saw.
pub(super) fn read_named<'r>(
    tasks: impl ExactSizeIterator<Item = (&'r String, Option<u64>)>,
) -> Result<Vec<(TaskId, Option<Seq>)>, Refusal> {
    check_count("tasks", tasks.len())?;
    let read = tasks.enumerate().map(|(index, (id, revision))| {
        let task = field::task_id(format!("tasks[{index}].task_id"), id)?;
        Ok((task, revision.map(Seq)))
    });
    read.collect::<Result<_, Rejection>>().map_err(Refusal::from)
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
