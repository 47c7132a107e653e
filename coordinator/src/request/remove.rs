//! Ended tasks are removed by name.

use swarm_engine::command::remove::{self, Remove};
use swarm_proto::v1;

use super::{
    Context, Refusal,
    change::{changed, changes, read_named},
};

/// Removes tasks that have ended and that no other task needs.
///
/// # Errors
///
/// When an id is none. What is refused of one task is in the answer.
pub(crate) async fn tasks(
    cx: &Context,
    request: v1::RemoveTasksRequest,
) -> Result<v1::RemoveTasksResponse, Refusal> {
    let requested = request.tasks;
    let tasks = read_named(requested.iter().map(|each| (&each.task_id, each.revision)))?;
    let tasks: Vec<Remove> = tasks
        .into_iter()
        .map(|(task, revision)| Remove { task, revision })
        .collect();
    let named = tasks.iter().map(|each| each.task.clone()).collect();
    let answer = cx
        .core
        .execute_naming(named, |draft| {
            let results = remove::decide(draft, &tasks);
            Ok(changed(draft, tasks.iter().map(|each| &each.task), results))
        })
        .await?;
    let ids = requested.into_iter().map(|each| each.task_id).collect();
    Ok(v1::RemoveTasksResponse {
        as_of: cx.as_of(&answer),
        results: changes(ids, answer.value),
    })
}
