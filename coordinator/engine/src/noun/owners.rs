//! Owners: the agents to which the coordinator gave shards.

use std::collections::BTreeMap;

use crate::{id::AgentId, time::Timestamp};

/// The owners of the shards of each count: a soft fact, kept because giving shards out anew visits every agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    /// The time at which the shards of all counts were given out; `None` before that.
    assigned: Option<Timestamp>,
    /// The owner of each shard.
    by_count: BTreeMap<u16, Vec<AgentId>>,
}

impl Owners {
    /// The owner of each shard of this count; nothing before the shards were given out.
    pub(crate) fn of(&self, count: u16) -> &[AgentId] {
        self.by_count.get(&count).map_or(&[][..], |owners| owners)
    }

    /// The time at which shards were given out; `None` before that.
    pub(crate) fn assigned_at(&self) -> Option<Timestamp> {
        self.assigned
    }

    /// Gives out all shards: the owner of each, by count.
    pub(crate) fn assign(&mut self, now: Timestamp, by_count: BTreeMap<u16, Vec<AgentId>>) {
        self.assigned = Some(now);
        self.by_count = by_count;
    }
}
