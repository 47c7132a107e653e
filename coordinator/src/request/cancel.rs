//! Tasks are cancelled by name.

use swarm_engine::{command::cancel, id::TaskId, rejection::Rejection};
use swarm_proto::v1;

use super::{
    Context, Refusal,
    change::{changed, changes, check_count},
};
use crate::wire::field;

/// Cancels tasks: those that wait end at once, those that run when their agents have ended them.
///
/// # Errors
///
/// When an id is none. What is refused of one task is in the answer.
pub(crate) async fn tasks(
    cx: &Context,
    request: v1::CancelTasksRequest,
) -> Result<v1::CancelTasksResponse, Refusal> {
    let ids = request.task_ids;
    check_count("task_ids", ids.len())?;
    let tasks = ids
        .iter()
        .enumerate()
        .map(|(index, id)| field::task_id(format!("task_ids[{index}]"), id))
        .collect::<Result<Vec<TaskId>, Rejection>>()?;
    let answer = cx
        .core
        .execute_naming(tasks.iter().cloned().collect(), |draft| {
            let results = cancel::decide(draft, &tasks);
            Ok(changed(draft, tasks.iter(), results))
        })
        .await?;
    Ok(v1::CancelTasksResponse {
        as_of: cx.as_of(&answer),
        results: changes(ids, answer.value),
    })
}
