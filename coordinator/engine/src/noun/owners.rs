//! Owners: the agents to which the coordinator gave shards.

use std::collections::BTreeMap;

use crate::{id::AgentId, time::Timestamp};

/// The owners of the shards of each count: a soft fact, kept because giving shards out anew visits every agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    by_count: BTreeMap<u16, Assigned>,
}

#[derive(Clone, Debug)]
struct Assigned {
    /// The time at which the shards were given out; `None` when that is outdated.
    at: Option<Timestamp>,
    /// The owner of each shard.
    owners: Vec<AgentId>,
}

impl Owners {
    /// The owner of each shard of this count; nothing before the shards were given out.
    pub(crate) fn of(&self, count: u16) -> &[AgentId] {
        self.by_count
            .get(&count)
            .map_or(&[][..], |assigned| &assigned.owners)
    }

    /// The time at which the shards of this count were given out; `None` when that is outdated.
    pub(crate) fn assigned_at(&self, count: u16) -> Option<Timestamp> {
        self.by_count.get(&count)?.at
    }

    /// Gives out the shards of this count.
    pub(crate) fn assign(&mut self, count: u16, now: Timestamp, owners: Vec<AgentId>) {
        let at = Some(now);
        self.by_count.insert(count, Assigned { at, owners });
    }

    /// Notes that an agent came, went or asks for another shard: the next claim gives all shards out anew.
    pub(crate) fn outdate(&mut self) {
        for assigned in self.by_count.values_mut() {
            assigned.at = None;
        }
    }
}
