//! Owners: which agent the coordinator gave each shard.

use std::collections::BTreeMap;

use crate::{id::AgentId, time::Timestamp};

/// Who has which shard of a count: a soft fact. It is kept because finding it anew looks at every agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    by_count: BTreeMap<u16, Assigned>,
}

#[derive(Clone, Debug)]
struct Assigned {
    /// When that was; `None` when something has happened since that may change it.
    at: Option<Timestamp>,
    /// The owner of each shard.
    owners: Vec<AgentId>,
}

impl Owners {
    /// The owner of each shard of this count; of none before they were given out.
    pub(crate) fn of(&self, count: u16) -> &[AgentId] {
        self.by_count
            .get(&count)
            .map_or(&[][..], |assigned| &assigned.owners)
    }

    /// When the shards of this count were given out; `None` when that has to be done anew.
    pub(crate) fn assigned_at(&self, count: u16) -> Option<Timestamp> {
        self.by_count.get(&count)?.at
    }

    /// Gives out the shards of this count.
    pub(crate) fn assign(&mut self, count: u16, now: Timestamp, owners: Vec<AgentId>) {
        let at = Some(now);
        self.by_count.insert(count, Assigned { at, owners });
    }

    /// An agent came, went or asks for something else: the next claim gives the shards out anew.
    pub(crate) fn outdate(&mut self) {
        for assigned in self.by_count.values_mut() {
            assigned.at = None;
        }
    }
}
