//! Shards that the coordinator gives to agents.
//!
//! Every shard of a count goes to the live agent of that count with the highest hash of agent and shard
//! (rendezvous hashing, Thaler and Ravishankar 1996): when an agent is lost, only its shards move.

use std::time::Duration;

use crate::{
    id::AgentId,
    needs::{Buckets, Shard, Wants},
    retry::mix,
    state::{Presence, State},
    time::Timestamp,
};

impl State {
    /// Whether an agent can be counted on: it was heard of within one TTL and has not said goodbye.
    pub fn is_live(&self, agent: &AgentId, now: Timestamp, ttl: Duration) -> bool {
        self.agent(agent).is_some_and(|known| !known.gone)
            && self
                .soft
                .presences
                .get(agent)
                .is_some_and(|presence| is_recent(presence, now, ttl))
    }

    /// The buckets of an agent that asks for these tasks.
    pub fn buckets(&self, agent: &AgentId, wants: &Wants, now: Timestamp, ttl: Duration) -> Buckets {
        match wants.shard {
            None => Buckets::ALL,
            Some(Shard { count: 0 | 1, .. }) => Buckets::ALL,
            Some(Shard {
                count,
                index: Some(index),
            }) => Buckets::of(count, index),
            Some(Shard { count, index: None }) => self
                .shards(agent, count, now, ttl)
                .into_iter()
                .fold(Buckets::NONE, |all, index| all.plus(Buckets::of(count, index))),
        }
    }

    /// The shards of this count that are given to an agent which asks for whichever the coordinator gives it.
    pub fn shards(&self, agent: &AgentId, count: u16, now: Timestamp, ttl: Duration) -> Vec<u16> {
        let own = hash(agent);
        let others: Vec<u64> = self
            .soft
            .presences
            .iter()
            .filter(|(other, presence)| {
                *other != agent && is_recent(presence, now, ttl) && takes_any_of(presence, count)
            })
            .filter(|(other, _)| self.agent(other).is_some_and(|known| !known.gone))
            .map(|(other, _)| hash(other))
            .collect();
        (0..count)
            .filter(|index| {
                let rank = |agent| (mix(agent, u64::from(*index)), agent);
                others.iter().all(|other| rank(*other) < rank(own))
            })
            .collect()
    }
}

fn is_recent(presence: &Presence, now: Timestamp, ttl: Duration) -> bool {
    now - presence.seen <= ttl && !presence.draining
}

fn takes_any_of(presence: &Presence, count: u16) -> bool {
    let any = Shard { count, index: None };
    presence
        .wants
        .as_ref()
        .is_some_and(|wants| wants.shard == Some(any))
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
fn hash(agent: &AgentId) -> u64 {
    agent.as_str().bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
