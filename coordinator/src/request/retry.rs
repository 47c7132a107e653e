//! Ended tasks are tried again.

use std::collections::BTreeSet;

use swarm_engine::{
    command::retry::{self, Retry},
    id::TaskId,
};
use swarm_proto::v1;

use super::{
    Context, Refusal,
    change::{changed, changes, read_named},
};

/// Gives tasks that have ended another round.
///
/// # Errors
///
/// When an id is none, or memory is full. What is refused of one task is in the answer.
pub(crate) async fn tasks(
    cx: &Context,
    request: v1::RetryTasksRequest,
) -> Result<v1::RetryTasksResponse, Refusal> {
    // Tasks that come back take memory like new ones.
    cx.check_room()?;
    let requested = request.tasks;
    let tasks = read_named(requested.iter().map(|each| (&each.task_id, each.revision)))?;
    let tasks: Vec<Retry> = tasks
        .into_iter()
        .map(|(task, revision)| Retry { task, revision })
        .collect();
    let named = named_in(cx, &tasks).await?;
    let answer = cx
        .core
        .execute_naming(named, |draft| {
            let results = retry::decide(draft, &tasks);
            Ok(changed(draft, tasks.iter().map(|each| &each.task), results))
        })
        .await?;
    let ids = requested.into_iter().map(|each| each.task_id).collect();
    Ok(v1::RetryTasksResponse {
        as_of: cx.as_of(&answer),
        results: changes(ids, answer.value),
    })
}

/// The tasks, and what they wait for as soon as they are back. An ended task's dependencies stay as they
/// are until somebody retries it, and are in memory from then on.
async fn named_in(cx: &Context, tasks: &[Retry]) -> Result<BTreeSet<TaskId>, Refusal> {
    let ids: Vec<TaskId> = tasks.iter().map(|each| each.task.clone()).collect();
    let found = cx.core.find(&ids).await?;
    let unmet = found.value.values().flat_map(|task| task.unmet_dependencies());
    let unmet = unmet.map(|dependency| dependency.task.clone());
    Ok(ids.into_iter().chain(unmet).collect())
}
