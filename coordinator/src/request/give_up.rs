//! Machines that are gone: a person releases the lease of a task, or forgets an agent.

use swarm_engine::{
    command::{
        forget::{self, Forget},
        release::{self, Release},
    },
    id::{AgentId, AttemptNumber, TaskId},
    rejection::{Faults, Rejection},
};
use swarm_proto::{limits::MAX_NAME_BYTES, v1};

use super::{Context, Refusal};
use crate::{
    machine::random,
    wire::{
        field::{Fields, unless_faulty},
        state::state_message,
    },
};

/// Ends the lease of a task.
///
/// # Errors
///
/// When there is no such task, or nobody or another attempt has its lease.
pub(crate) async fn release_lease(
    cx: &Context,
    request: v1::ReleaseLeaseRequest,
) -> Result<v1::ReleaseLeaseResponse, Refusal> {
    let mut faults = Faults::default();
    let task = Fields::of_request(&mut faults).name("task_id", &request.task_id, TaskId::parse);
    let task = unless_faulty(task, faults)?;
    let command = Release {
        task: task.clone(),
        attempt: Some(AttemptNumber(request.attempt)).filter(|attempt| attempt.0 > 0),
        jitter: random::number(),
    };
    let answer = cx
        .core
        .execute_naming([task].into(), |draft| release::decide(draft, &command))
        .await?;
    Ok(v1::ReleaseLeaseResponse {
        as_of: cx.as_of(&answer),
        task_id: command.task.to_string(),
        attempt: answer.value.attempt.0,
        agent_id: answer.value.agent.to_string(),
        state: state_message(answer.value.state).into(),
    })
}

/// Ends all leases of an agent, which is gone until it registers again.
///
/// # Errors
///
/// When a field is faulty, or there is no such agent.
pub(crate) async fn forget_agent(
    cx: &Context,
    request: v1::ForgetAgentRequest,
) -> Result<v1::ForgetAgentResponse, Refusal> {
    let command = read_forget(request)?;
    let agent = command.agent.clone();
    let answer = cx.core.execute(|draft| forget::decide(draft, command)).await?;
    Ok(v1::ForgetAgentResponse {
        as_of: cx.as_of(&answer),
        agent_id: agent.to_string(),
        leases: u32::try_from(answer.value).unwrap_or(u32::MAX),
    })
}

fn read_forget(request: v1::ForgetAgentRequest) -> Result<Forget, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let agent = fields.name("agent_id", &request.agent_id, AgentId::parse);
    fields.text("actor", &request.actor, MAX_NAME_BYTES);
    Ok(Forget {
        agent: unless_faulty(agent, faults)?,
        actor: request.actor.into(),
        jitter: random::number(),
    })
}
