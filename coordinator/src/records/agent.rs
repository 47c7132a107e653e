//! The records of agents.

use std::sync::Arc;

use swarm_engine::{id::AgentId, noun::agent::Agent};

use super::load::load_all;
use crate::{
    store::{Batch, Store},
    stored,
};

/// The kind of their keys.
pub(crate) const KIND: &[u8] = b"agent/";

/// The key of an agent.
pub(crate) fn key(id: &str) -> Vec<u8> {
    [KIND, id.as_bytes()].concat()
}

/// Adds an agent as it is right after an event that touched it; `None` when the event removed it.
pub(super) fn write(batch: &mut Batch, id: &AgentId, agent: Option<&Agent>) {
    let key = key(id.as_str());
    match agent {
        Some(agent) => batch.put(key, stored::encode_agent(agent)),
        None => batch.remove(key),
    }
}

/// Every agent.
pub(super) fn load(store: &Store) -> Result<Vec<Arc<Agent>>, String> {
    load_all(store, KIND, stored::decode_agent)
}
