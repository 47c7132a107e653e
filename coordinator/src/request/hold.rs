//! Holds: no work is given of everything, of a queue, or to an agent, until somebody lifts the hold.

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    command::hold::{self, LiftHold, PlaceHold, Wanted},
    id::{AgentId, QueueName},
    limits::MAX_TIMEOUT,
    noun::{
        hold::{Hold, Scope},
        task::TaskState,
    },
    rejection::{Faults, Rejection},
};
use swarm_proto::{
    limits::{MAX_NAME_BYTES, MAX_REASON_BYTES},
    v1,
};

use super::{Context, Refusal};
use crate::{
    core::Answer,
    wire::{
        field::{Fields, unless_faulty},
        hold::hold_message,
        time::describe,
    },
};

/// Places a pause.
///
/// # Errors
///
/// When a field is faulty.
pub(crate) async fn pause(cx: &Context, request: v1::PauseRequest) -> Result<v1::PauseResponse, Refusal> {
    let command = read_place(request.scope.into(), Wanted::Pause, request.actor, request.reason)?;
    let answer = cx.core.execute(|draft| hold::place(draft, command)).await?;
    Ok(v1::PauseResponse {
        as_of: cx.as_of(&answer),
        hold: Some(hold_message(&answer.value)),
    })
}

/// Lifts whatever holds everything, a queue or an agent.
///
/// # Errors
///
/// When a field is faulty.
pub(crate) async fn resume(cx: &Context, request: v1::ResumeRequest) -> Result<v1::ResumeResponse, Refusal> {
    let answer = lift(cx, request.scope.into(), request.actor).await?;
    Ok(v1::ResumeResponse {
        as_of: cx.as_of(&answer),
        lifted: answer.value.as_deref().map(hold_message),
    })
}

/// Stops everything: what runs is ended and given back.
///
/// # Errors
///
/// When a field is faulty.
pub(crate) async fn stop_all(
    cx: &Context,
    request: v1::StopAllRequest,
) -> Result<v1::StopAllResponse, Refusal> {
    let command = read_place(Named::Everything, Wanted::Stop, request.actor, request.reason)?;
    let answer = cx
        .core
        .execute(|draft| {
            let leases = draft.counts().of(TaskState::Running);
            Ok((hold::place(draft, command)?, leases))
        })
        .await?;
    Ok(v1::StopAllResponse {
        as_of: cx.as_of(&answer),
        hold: Some(hold_message(&answer.value.0)),
        leases: answer.value.1,
    })
}

/// Drains an agent: it ends what it runs, or gives it back when its time is over.
///
/// # Errors
///
/// When a field is faulty, or there is no such agent.
pub(crate) async fn drain_agent(
    cx: &Context,
    request: v1::DrainAgentRequest,
) -> Result<v1::DrainAgentResponse, Refusal> {
    let timeout = read_timeout(request.timeout.as_ref())?;
    let command = read_place(
        Named::Agent(request.agent_id),
        Wanted::Drain { timeout },
        request.actor,
        request.reason,
    )?;
    let answer = cx
        .core
        .execute(|draft| {
            let leases = match &command.scope {
                Scope::Agent(agent) => draft.leased_to(agent).count(),
                Scope::Everything | Scope::Queue(_) => 0,
            };
            Ok((hold::place(draft, command)?, leases))
        })
        .await?;
    Ok(v1::DrainAgentResponse {
        as_of: cx.as_of(&answer),
        hold: Some(hold_message(&answer.value.0)),
        leases: u32::try_from(answer.value.1).unwrap_or(u32::MAX),
    })
}

/// Lifts whatever holds an agent.
///
/// # Errors
///
/// When a field is faulty, or there is no such agent.
pub(crate) async fn undrain_agent(
    cx: &Context,
    request: v1::UndrainAgentRequest,
) -> Result<v1::UndrainAgentResponse, Refusal> {
    let answer = lift(cx, Named::Agent(request.agent_id), request.actor).await?;
    Ok(v1::UndrainAgentResponse {
        as_of: cx.as_of(&answer),
        lifted: answer.value.as_deref().map(hold_message),
    })
}

async fn lift(cx: &Context, named: Named, actor: String) -> Result<Answer<Option<Arc<Hold>>>, Refusal> {
    let command = read_lift(named, actor)?;
    Ok(cx.core.execute(|draft| hold::lift(draft, command)).await?)
}

/// What a request names: everything, a queue or an agent.
enum Named {
    Everything,
    Queue(String),
    Agent(String),
}

impl From<Option<v1::pause_request::Scope>> for Named {
    fn from(scope: Option<v1::pause_request::Scope>) -> Named {
        match scope {
            None => Named::Everything,
            Some(v1::pause_request::Scope::Queue(queue)) => Named::Queue(queue),
            Some(v1::pause_request::Scope::AgentId(agent)) => Named::Agent(agent),
        }
    }
}

impl From<Option<v1::resume_request::Scope>> for Named {
    fn from(scope: Option<v1::resume_request::Scope>) -> Named {
        match scope {
            None => Named::Everything,
            Some(v1::resume_request::Scope::Queue(queue)) => Named::Queue(queue),
            Some(v1::resume_request::Scope::AgentId(agent)) => Named::Agent(agent),
        }
    }
}

fn read_place(named: Named, kind: Wanted, actor: String, reason: String) -> Result<PlaceHold, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let scope = read_scope(named, &mut fields);
    fields.text("actor", &actor, MAX_NAME_BYTES);
    fields.text("reason", &reason, MAX_REASON_BYTES);
    Ok(PlaceHold {
        scope: unless_faulty(scope, faults)?,
        kind,
        actor: actor.into(),
        reason: reason.into(),
    })
}

/// Reads the time that a drained agent has.
fn read_timeout(timeout: Option<&prost_types::Duration>) -> Result<Option<Duration>, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let read = fields.duration("timeout", timeout);
    if let Some(read) = read.filter(|read| *read > MAX_TIMEOUT) {
        let (read, most) = (describe(read), describe(MAX_TIMEOUT));
        fields.refuse("timeout", format!("is {read}, at most {most} are allowed"));
    }
    if faults.is_empty() {
        Ok(read)
    } else {
        Err(Rejection::Invalid(faults))
    }
}

fn read_lift(named: Named, actor: String) -> Result<LiftHold, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let scope = read_scope(named, &mut fields);
    fields.text("actor", &actor, MAX_NAME_BYTES);
    Ok(LiftHold {
        scope: unless_faulty(scope, faults)?,
        actor: actor.into(),
    })
}

fn read_scope(named: Named, fields: &mut Fields<'_>) -> Option<Scope> {
    match named {
        Named::Everything => Some(Scope::Everything),
        Named::Queue(queue) => fields.name("queue", &queue, QueueName::parse).map(Scope::Queue),
        Named::Agent(agent) => fields.name("agent_id", &agent, AgentId::parse).map(Scope::Agent),
    }
}
