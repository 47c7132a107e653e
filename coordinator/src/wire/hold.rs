//! Holds and queues as others see them.

use swarm_engine::{
    id::QueueName,
    noun::{
        counts::Counts,
        hold::{Hold, HoldKind, Scope},
    },
};
use swarm_proto::v1;

use super::{state::counts_message, time::timestamp};

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
