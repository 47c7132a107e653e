//! Shards that the coordinator gives to agents.
//!
//! Every shard of a count goes to the live agent of that count with the highest hash of agent and shard
//! (rendezvous hashing, Thaler and Ravishankar 1996): when an agent is lost, only its shards move.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    hold::Scope,
    id::AgentId,
    limits::SHARDS_KEPT,
    needs::{Buckets, Shard, Wants},
    retry::mix,
    state::{Presence, State},
    time::Timestamp,
};

/// Who has which shard of a count: a soft fact. It is kept because finding it anew looks at every agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    by_count: BTreeMap<u16, Assigned>,
}

#[derive(Clone, Debug)]
struct Assigned {
    at: Timestamp,
    /// The owner of each shard.
    owners: Vec<AgentId>,
}

impl Owners {
    /// An agent came, went or asks for something else: nothing that is kept holds any longer.
    pub(crate) fn forget(&mut self) {
        self.by_count.clear();
    }
}

impl State {
    /// The buckets of an agent that asks for these tasks.
    pub fn buckets(&self, agent: &AgentId, wants: &Wants) -> Buckets {
        match wants.shard {
            None | Some(Shard { count: 0 | 1, .. }) => Buckets::ALL,
            Some(Shard {
                count,
                index: Some(index),
            }) => Buckets::of(count, index),
            Some(Shard { count, index: None }) => self
                .shards(agent, count)
                .into_iter()
                .fold(Buckets::NONE, |all, index| all.plus(Buckets::of(count, index))),
        }
    }

    /// The shards of this count that were given to an agent which asks for whichever the coordinator gives it.
    pub fn shards(&self, agent: &AgentId, count: u16) -> Vec<u16> {
        let assigned = self.soft.owners.by_count.get(&count);
        let owners = assigned.map_or(&[][..], |assigned| &assigned.owners);
        (0..)
            .zip(owners)
            .filter(|(_, owner)| *owner == agent)
            .map(|(index, _)| index)
            .collect()
    }

    /// The agent that a shard of this count was given to.
    pub(crate) fn shard_owner(&self, count: u16, index: u16) -> Option<&AgentId> {
        self.soft
            .owners
            .by_count
            .get(&count)?
            .owners
            .get(usize::from(index))
    }

    /// Gives every shard of a count to some live agent, unless that was done a moment ago.
    pub(crate) fn assign_shards(&mut self, count: u16, now: Timestamp, ttl: Duration) {
        let known = self.soft.owners.by_count.get(&count);
        if known.is_some_and(|known| now - known.at < SHARDS_KEPT) {
            return;
        }
        let any = Shard { count, index: None };
        let takers: Vec<(u64, &AgentId)> = self
            .soft
            .presences
            .iter()
            .filter(|(_, presence)| is_live(presence, now, ttl) && asks_for(presence, any))
            .filter(|(agent, _)| self.agent(agent).is_some_and(|known| !known.gone))
            .filter(|(agent, _)| self.hold(&Scope::Agent((*agent).clone())).is_none())
            .map(|(agent, _)| (hash(agent), agent))
            .collect();
        let owner = |index: u16| {
            let rank = |hash| mix(hash, u64::from(index));
            let first = takers
                .iter()
                .max_by(|one, other| (rank(one.0), one.1).cmp(&(rank(other.0), other.1)));
            first.map(|(_, agent)| (*agent).clone())
        };
        let owners = (0..count).filter_map(owner).collect();
        self.soft
            .owners
            .by_count
            .insert(count, Assigned { at: now, owners });
    }
}

fn is_live(presence: &Presence, now: Timestamp, ttl: Duration) -> bool {
    now - presence.seen <= ttl && !presence.draining
}

fn asks_for(presence: &Presence, shard: Shard) -> bool {
    presence
        .wants
        .as_ref()
        .is_some_and(|wants| wants.shard == Some(shard))
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
fn hash(agent: &AgentId) -> u64 {
    agent.as_str().bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
