//! Holds and queues: their requests as they come in, and how others see them.

use std::time::Duration;

use swarm_engine::{
    command::{
        hold::{LiftHold, PlaceHold, Wanted},
        limit::Limit,
    },
    id::{AgentId, QueueName},
    noun::{
        counts::Counts,
        hold::{Hold, HoldKind, Scope},
    },
    rejection::{Faults, Rejection},
};
use swarm_proto::{
    limits::{MAX_NAME_BYTES, MAX_REASON_BYTES, MAX_TIMEOUT},
    v1,
};

use super::{
    field::{Fields, unless_faulty},
    state::counts_message,
    time::{describe, timestamp},
};

/// What a request names: everything, a queue or an agent.
pub(crate) enum Named {
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

/// Reads an order that no work is given.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
pub(crate) fn place(
    named: Named,
    kind: Wanted,
    actor: String,
    reason: String,
) -> Result<PlaceHold, Rejection> {
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
///
/// # Errors
///
/// [`Rejection::Invalid`].
pub(crate) fn drain_timeout(timeout: Option<&prost_types::Duration>) -> Result<Option<Duration>, Rejection> {
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

/// Reads an order that work is given again.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
pub(crate) fn lift(named: Named, actor: String) -> Result<LiftHold, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let scope = read_scope(named, &mut fields);
    fields.text("actor", &actor, MAX_NAME_BYTES);
    Ok(LiftHold {
        scope: unless_faulty(scope, faults)?,
        actor: actor.into(),
    })
}

/// Reads a limit of a queue.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
pub(crate) fn limit(request: v1::LimitQueueRequest) -> Result<Limit, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let queue = fields.name("queue", &request.queue, QueueName::parse);
    if request.max_running == Some(0) {
        fields.refuse("max_running", "must be at least 1: pause the queue to run none");
    }
    fields.text("actor", &request.actor, MAX_NAME_BYTES);
    Ok(Limit {
        queue: unless_faulty(queue, faults)?,
        max_running: request.max_running,
        actor: request.actor.into(),
    })
}

fn read_scope(named: Named, fields: &mut Fields<'_>) -> Option<Scope> {
    match named {
        Named::Everything => Some(Scope::Everything),
        Named::Queue(queue) => fields.name("queue", &queue, QueueName::parse).map(Scope::Queue),
        Named::Agent(agent) => fields.name("agent_id", &agent, AgentId::parse).map(Scope::Agent),
    }
}

/// A hold as others see it.
pub(crate) fn hold_message(hold: &Hold) -> v1::Hold {
    let (kind, deadline) = match hold.kind {
        HoldKind::Pause => (v1::HoldKind::Pause, None),
        HoldKind::Drain { deadline } => (v1::HoldKind::Drain, deadline),
        HoldKind::Stop => (v1::HoldKind::Stop, None),
    };
    v1::Hold {
        kind: kind.into(),
        scope: match &hold.scope {
            Scope::Everything => None,
            Scope::Queue(queue) => Some(v1::hold::Scope::Queue(queue.to_string())),
            Scope::Agent(agent) => Some(v1::hold::Scope::AgentId(agent.to_string())),
        },
        actor: hold.actor.to_string(),
        reason: hold.reason.to_string(),
        place_time: Some(timestamp(hold.placed)),
        deadline: deadline.map(timestamp),
    }
}

/// A hold in words: `queue nightly was paused by ann@laptop (maintenance)`.
pub(crate) fn describe_hold(hold: &Hold) -> String {
    format!("{} {}", hold.scope, done_by(hold))
}

/// The same without what is held: `was paused by ann (the disk is full)`.
pub(crate) fn done_by(hold: &Hold) -> String {
    let done = match hold.kind {
        HoldKind::Pause => "paused",
        HoldKind::Drain { .. } => "drained",
        HoldKind::Stop => "stopped",
    };
    let mut text = format!("was {done}");
    if !hold.actor.is_empty() {
        text += &format!(" by {}", hold.actor);
    }
    if !hold.reason.is_empty() {
        text += &format!(" ({})", hold.reason);
    }
    text
}

/// The command that lifts a hold.
pub(crate) fn lifting_command(hold: &Hold) -> String {
    match (&hold.scope, hold.kind) {
        (Scope::Everything, _) => "swarmctl resume".to_owned(),
        (Scope::Queue(queue), _) => format!("swarmctl resume --queue {queue}"),
        (Scope::Agent(agent), HoldKind::Drain { .. }) => format!("swarmctl undrain {agent}"),
        (Scope::Agent(agent), _) => format!("swarmctl resume --agent {agent}"),
    }
}

/// A queue as others see it.
pub(crate) fn queue_message(
    name: &QueueName,
    max_running: Option<u32>,
    hold: Option<&Hold>,
    counts: &Counts,
) -> v1::Queue {
    v1::Queue {
        name: name.to_string(),
        max_running,
        hold: hold.map(hold_message),
        counts: Some(counts_message(counts)),
    }
}
