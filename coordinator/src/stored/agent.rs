//! The record of an agent.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;
use swarm_engine::{
    id::{AgentId, Session, SessionToken},
    noun::{
        agent::{Agent, AgentLoss},
        needs::Executor,
        process::{Process, Twin},
        rules::Rules,
    },
    time::Timestamp,
};
use swarm_proto::store;

use super::{
    error::{Fault, StoredError},
    field::{filled, known, sixteen_bytes},
};

/// An agent's record as stored.
pub fn encode_agent(agent: &Agent) -> Vec<u8> {
    write_agent(agent).encode_to_vec()
}

/// Reads an agent's record.
///
/// # Errors
///
/// When the bytes are no record of an agent.
pub fn decode_agent(bytes: &[u8]) -> Result<Agent, StoredError> {
    store::AgentRecord::decode(bytes)
        .map_err(Fault::from)
        .and_then(read_agent)
        .map_err(StoredError::reading("the record of an agent"))
}

pub(super) fn write_agent(agent: &Agent) -> store::AgentRecord {
    store::AgentRecord {
        agent_id: agent.id.to_string(),
        name: agent.name.to_string(),
        labels: agent.labels.clone(),
        slots: agent.slots,
        executors: write_executors(&agent.executors),
        version: agent.version.to_string(),
        session: agent.session.0,
        history: agent.history.to_string(),
        registered_ms: agent.registered.0,
        gone: agent.gone,
        // What is absent is the time of the registration.
        changed_ms: (agent.changed != agent.registered).then_some(agent.changed.0),
        process: agent.process.as_ref().map(|process| store::AgentProcessRecord {
            host: process.host.to_string(),
            place: process.place.to_string(),
        }),
        twin: agent.twin.as_ref().map(|twin| store::TwinRecord {
            host: twin.host.to_string(),
            refused_ms: twin.refused.0,
        }),
        rules: write_rules(&agent.rules),
        token: agent
            .token
            .map_or_else(Bytes::new, |token| Bytes::copy_from_slice(&token.0)),
        lost: agent
            .lost
            .map_or(store::AgentLossKind::Unspecified, write_agent_loss)
            .into(),
    }
}

fn write_rules(rules: &Rules) -> Option<store::OwnerRulesRecord> {
    (!rules.are_none()).then(|| store::OwnerRulesRecord {
        no_commands: *rules == Rules::NoCommands,
        programs: rules.patterns().map(str::to_owned).collect(),
    })
}

fn read_rules(stored: Option<store::OwnerRulesRecord>) -> Rules {
    match stored {
        None => Rules::Everything,
        Some(rules) if rules.no_commands => Rules::NoCommands,
        Some(rules) => Rules::programs(&rules.programs),
    }
}

pub(super) fn write_agent_loss(loss: AgentLoss) -> store::AgentLossKind {
    match loss {
        AgentLoss::Silent => store::AgentLossKind::Silent,
        AgentLoss::Died => store::AgentLossKind::Died,
    }
}

/// The cause for which an agent is lost; `None` when it is not.
pub(super) fn read_agent_loss(stored: store::AgentLossKind) -> Option<AgentLoss> {
    match stored {
        store::AgentLossKind::Unspecified => None,
        store::AgentLossKind::Silent => Some(AgentLoss::Silent),
        store::AgentLossKind::Died => Some(AgentLoss::Died),
    }
}

/// Stands for an agent without executors: an empty list stands for commands alone. No executor has this name.
const NONE: &str = "none";

/// An agent that runs commands only has the empty list.
fn write_executors(executors: &BTreeSet<Executor>) -> Vec<String> {
    if executors.iter().eq(&[Executor::Command]) {
        return Vec::new();
    }
    if executors.is_empty() {
        return vec![NONE.to_owned()];
    }
    executors.iter().map(ToString::to_string).collect()
}

pub(super) fn read_agent(stored: store::AgentRecord) -> Result<Agent, Fault> {
    let lost = known("why the agent is lost", stored.lost)?;
    let token = match &stored.token {
        none if none.is_empty() => None,
        token => Some(SessionToken(sixteen_bytes("the session's token", token)?)),
    };
    Ok(Agent {
        id: AgentId::stored(filled("the agent's id", &stored.agent_id)?),
        name: stored.name.into(),
        labels: stored.labels,
        slots: stored.slots,
        executors: match stored.executors.as_slice() {
            [] => [Executor::Command].into(),
            named => named.iter().filter_map(|name| Executor::named(name)).collect(),
        },
        version: stored.version.into(),
        session: Session(stored.session),
        history: stored.history.into(),
        token,
        registered: Timestamp(stored.registered_ms),
        gone: stored.gone,
        lost: read_agent_loss(lost),
        changed: Timestamp(stored.changed_ms.unwrap_or(stored.registered_ms)),
        process: stored.process.map(|process| Process {
            host: process.host.into(),
            place: process.place.into(),
        }),
        twin: stored.twin.map(|twin| Twin {
            host: twin.host.into(),
            refused: Timestamp(twin.refused_ms),
        }),
        rules: read_rules(stored.rules),
    })
}
