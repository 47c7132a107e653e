//! The records of agents.

use std::sync::Arc;

use swarm_engine::noun::agent::Agent;

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

/// Adds an agent as it is right after an event.
pub(super) fn write(batch: &mut Batch, agent: &Agent) {
    batch.put(key(agent.id.as_str()), stored::encode_agent(agent));
}

/// Every agent.
pub(super) fn load(store: &Store) -> Result<Vec<Arc<Agent>>, String> {
    load_all(store, KIND, stored::decode_agent)
}
