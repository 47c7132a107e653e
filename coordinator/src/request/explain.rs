//! Why a task is where it is, and what would change that.

use std::collections::BTreeSet;

use swarm_engine::{
    id::TaskId,
    limits::{MAX_EXPLAINED_DEPTH, MAX_FOLLOWED, MAX_VISITED},
    rejection::Rejection,
    rule::explain::{EndedTasks, explain},
};
use swarm_proto::v1;

use super::{Context, Refusal};
use crate::{wire::field, words::explanation::explanation_message};

/// Explains a task.
///
/// # Errors
///
/// When there is none with this id.
pub(crate) async fn task(
    cx: &Context,
    request: v1::ExplainTaskRequest,
) -> Result<v1::ExplainTaskResponse, Refusal> {
    let id = field::task_id("task_id", &request.task_id)?;
    let mut found = cx.core.find(std::slice::from_ref(&id)).await?.value;
    find_ended_dependencies(cx, &mut found).await;
    let liveness = cx.liveness();
    let answer = cx
        .core
        .read(|state| {
            // What memory has is newer than what was found a moment ago.
            let task = state.task(&id).or_else(|| found.get(&id))?;
            Some(explain(state, task, &found, liveness))
        })
        .await;
    let as_of = cx.as_of(&answer);
    let (happened, seconds) = cx.core.last_minute();
    let pace = (happened.succeeded + happened.failed) as f64 / seconds;
    let explanation = answer.value.ok_or(Rejection::TaskNotFound(id))?;
    Ok(v1::ExplainTaskResponse {
        as_of,
        explanation: Some(explanation_message(&explanation, liveness, pace)),
    })
}

/// Adds what ended tasks waited for: it may have left memory. An explanation does without what cannot be read.
async fn find_ended_dependencies(cx: &Context, found: &mut EndedTasks) {
    let mut last: Vec<TaskId> = found.keys().cloned().collect();
    for _ in 0..MAX_EXPLAINED_DEPTH {
        let ended = last.iter().filter_map(|id| found.get(id));
        let waited_for = ended
            .filter(|task| task.is_finished())
            .flat_map(|task| task.unmet_dependencies())
            .take(MAX_FOLLOWED);
        let new = waited_for.map(|dependency| &dependency.task);
        let new: BTreeSet<TaskId> = new.filter(|id| !found.contains_key(*id)).cloned().collect();
        if new.is_empty() || found.len() + new.len() > MAX_VISITED {
            return;
        }
        last = new.into_iter().collect();
        let Ok(more) = cx.core.find(&last).await else {
            return;
        };
        found.extend(more.value);
    }
}
