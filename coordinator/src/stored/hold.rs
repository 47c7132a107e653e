//! The record of a hold.

use prost::Message as _;
use swarm_engine::{
    id::{AgentId, QueueName},
    noun::hold::{Hold, HoldKind, Scope},
    time::Timestamp,
};
use swarm_proto::store;

use super::{
    error::{Fault, StoredError},
    field::{known, optional},
};

/// A hold as stored.
pub fn encode_hold(hold: &Hold) -> Vec<u8> {
    write_hold(hold).encode_to_vec()
}

/// Reads a hold.
///
/// # Errors
///
/// When the bytes are no hold, or one that a newer coordinator wrote.
pub fn decode_hold(bytes: &[u8]) -> Result<Hold, StoredError> {
    store::HoldRecord::decode(bytes)
        .map_err(Fault::from)
        .and_then(read_hold)
        .map_err(StoredError::reading("a hold"))
}

pub(super) fn write_hold(hold: &Hold) -> store::HoldRecord {
    let (queue, agent_id) = match &hold.scope {
        Scope::Everything => (String::new(), String::new()),
        Scope::Queue(queue) => (queue.to_string(), String::new()),
        Scope::Agent(agent) => (String::new(), agent.to_string()),
    };
    let (kind, deadline) = match hold.kind {
        HoldKind::Pause => (store::HoldKind::Pause, None),
        HoldKind::Drain { deadline } => (store::HoldKind::Drain, deadline),
        HoldKind::Stop => (store::HoldKind::Stop, None),
    };
    store::HoldRecord {
        kind: kind.into(),
        queue,
        agent_id,
        actor: hold.actor.to_string(),
        reason: hold.reason.to_string(),
        placed_ms: hold.placed.0,
        deadline_ms: deadline.map(|deadline| deadline.0),
    }
}

pub(super) fn read_hold(stored: store::HoldRecord) -> Result<Hold, Fault> {
    const KIND: &str = "the kind of a hold";
    let scope = match (optional(&stored.queue), optional(&stored.agent_id)) {
        (Some(queue), _) => Scope::Queue(QueueName::stored(queue)),
        (None, Some(agent)) => Scope::Agent(AgentId::stored(agent)),
        (None, None) => Scope::Everything,
    };
    let kind = match known(KIND, stored.kind)? {
        store::HoldKind::Unspecified => return Err(Fault::Missing { field: KIND }),
        store::HoldKind::Pause => HoldKind::Pause,
        store::HoldKind::Drain => HoldKind::Drain {
            deadline: stored.deadline_ms.map(Timestamp),
        },
        store::HoldKind::Stop => HoldKind::Stop,
    };
    Ok(Hold {
        scope,
        kind,
        actor: stored.actor.into(),
        reason: stored.reason.into(),
        placed: Timestamp(stored.placed_ms),
    })
}
