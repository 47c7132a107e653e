//! Agents as people see them.

use swarm_engine::rejection::Rejection;
use swarm_proto::v1;

use super::{Context, Refusal, page};
use crate::wire::{
    agent::{Seen, agent_message},
    field,
};

/// Lists agents by their ids.
///
/// # Errors
///
/// When the selector is faulty.
pub(crate) async fn list(
    cx: &Context,
    request: v1::ListAgentsRequest,
) -> Result<v1::ListAgentsResponse, Refusal> {
    let size = page::size(request.page_size);
    let selector = field::selector("labels", &request.labels)?;
    let liveness = cx.liveness();
    let answer = cx
        .core
        .read(|state| {
            state
                .agents_after(&request.page_token)
                .filter(|agent| request.include_gone || agent.is_expected())
                .filter(|agent| selector.matches(&agent.labels))
                .take(size + 1)
                .map(|agent| Seen::of(state, agent, liveness))
                .collect::<Vec<Seen>>()
        })
        .await;
    let as_of = cx.as_of(&answer);
    let mut agents = answer.value;
    let more = agents.len() > size;
    agents.truncate(size);
    let next = agents
        .last()
        .filter(|_| more)
        .map(|last| last.agent.id.to_string());
    let agents = agents.iter().map(|seen| agent_message(seen, liveness));
    let (agents, next_page_token) = page::fit(agents, next, |agent: &v1::Agent| agent.agent_id.clone());
    Ok(v1::ListAgentsResponse {
        as_of,
        agents,
        next_page_token,
    })
}

/// Shows an agent.
///
/// # Errors
///
/// When there is none with this id.
pub(crate) async fn get(cx: &Context, request: v1::GetAgentRequest) -> Result<v1::GetAgentResponse, Refusal> {
    let id = field::agent_id("agent_id", &request.agent_id)?;
    let liveness = cx.liveness();
    let answer = cx
        .core
        .read(|state| state.agent(&id).map(|agent| Seen::of(state, agent, liveness)))
        .await;
    let as_of = cx.as_of(&answer);
    let seen = answer.value.ok_or(Rejection::AgentNotFound(id))?;
    Ok(v1::GetAgentResponse {
        as_of,
        agent: Some(agent_message(&seen, liveness)),
    })
}
