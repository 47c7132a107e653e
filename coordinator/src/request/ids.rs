//! Ids by their beginning.

use swarm_proto::{limits::MAX_ID_BYTES, v1};

use super::{Context, Refusal};
use crate::core::recall::Refused;

/// Ids of each kind unless asked otherwise.
const DEFAULT_IDS: usize = 10;

/// Ids of each kind in one answer: people cannot choose among more.
const MAX_IDS: usize = 100;

/// Finds the ids of tasks, jobs, agents and queues that begin like this.
///
/// # Errors
///
/// When the beginning is longer than any id.
pub(crate) async fn find(cx: &Context, request: v1::FindIdsRequest) -> Result<v1::FindIdsResponse, Refusal> {
    let most = match usize::try_from(request.limit).unwrap_or(usize::MAX) {
        0 => DEFAULT_IDS,
        most => most.min(MAX_IDS),
    };
    if request.prefix.len() > MAX_ID_BYTES {
        return Err(Refusal::invalid(
            "prefix",
            format!(
                "has {} bytes, no id has more than {MAX_ID_BYTES}",
                request.prefix.len()
            ),
        ));
    }
    let answer = cx
        .core
        .ids(request.prefix, most)
        .await
        .map_err(Refused::Unreadable)?;
    let as_of = cx.as_of(&answer);
    let found = answer.value;
    Ok(v1::FindIdsResponse {
        as_of,
        task_ids: found.tasks.iter().map(ToString::to_string).collect(),
        job_ids: found.jobs.iter().map(ToString::to_string).collect(),
        agent_ids: found.agents.iter().map(ToString::to_string).collect(),
        queues: found.queues.iter().map(ToString::to_string).collect(),
    })
}
