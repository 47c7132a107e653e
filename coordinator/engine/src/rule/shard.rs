//! Shards that the coordinator gives to agents.
//!
//! Every shard of a count goes to a live agent that asks for any shard of that count. The numbers of shards of two
//! agents differ by one at most, so no agent is without a shard while there are enough. Agents keep their shards as far
//! as that allows, so few shards move when an agent comes or goes. Among agents with equally many shards the hash of
//! agent and shard decides (rendezvous hashing, Thaler and Ravishankar 1996).

use std::{collections::BTreeMap, time::Duration};

use crate::{
    draft::Draft,
    id::AgentId,
    limits::SHARDS_KEPT,
    noun::{
        hold::Scope,
        needs::{Buckets, Shard, Wants},
        presence::Presence,
    },
    rule::retry::mix,
    state::State,
    time::Timestamp,
};

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

    /// The shards of this count that the coordinator gave to an agent.
    pub fn shards(&self, agent: &AgentId, count: u16) -> Vec<u16> {
        (0..)
            .zip(self.soft.owners.of(count))
            .filter(|(_, owner)| *owner == agent)
            .map(|(index, _)| index)
            .collect()
    }

    /// The owner of a shard, if it still asks for any shard of this count.
    pub(crate) fn shard_owner(&self, count: u16, index: u16) -> Option<&AgentId> {
        let owner = self.soft.owners.of(count).get(usize::from(index))?;
        let presence = self.soft.presences.get(owner)?;
        asks_for(presence, Shard { count, index: None }).then_some(owner)
    }
}

impl Draft<'_> {
    /// Notes the wishes of a claim: a soft fact, not an event.
    pub fn wants(&mut self, agent: &AgentId, wants: &Wants, ttl: Duration) {
        self.soft_mut().wants(agent, wants);
        if let Some(Shard { index: None, .. }) = wants.shard {
            self.assign_shards(ttl);
        }
    }

    /// Gives each shard of each count to a live agent that asks for it, unless that was done a moment ago.
    fn assign_shards(&mut self, ttl: Duration) {
        let now = self.now();
        let at = self.soft.owners.assigned_at();
        if at.is_some_and(|at| now - at < SHARDS_KEPT) {
            return;
        }
        let mut takers: BTreeMap<u16, Vec<&AgentId>> = BTreeMap::new();
        for (agent, presence) in &self.soft.presences {
            let wanted = presence.wants.as_ref().and_then(|wants| wants.shard);
            let Some(Shard { count, index: None }) = wanted else {
                continue;
            };
            if is_live(presence, now, ttl)
                && self.agent(agent).is_some_and(|known| !known.gone)
                && self.hold(&Scope::Agent(agent.clone())).is_none()
            {
                takers.entry(count).or_default().push(agent);
            }
        }
        let owners = takers
            .into_iter()
            .map(|(count, takers)| (count, share(count, &takers, self.soft.owners.of(count))))
            .collect();
        self.soft_mut().owners.assign(now, owners);
    }
}

/// The owner of each shard among these agents, which are in the order of their ids. Agents keep their shards as far as
/// equal numbers allow. Without agents there are no owners.
fn share(count: u16, takers: &[&AgentId], before: &[AgentId]) -> Vec<AgentId> {
    let shards = usize::from(count);
    let Some(most) = shards.checked_div(takers.len()) else {
        return Vec::new();
    };
    let mut with_one_more = shards % takers.len();
    let mut has = vec![0; takers.len()];
    let mut owners: Vec<Option<usize>> = vec![None; shards];
    for (owner, agent) in owners.iter_mut().zip(before) {
        let Ok(taker) = takers.binary_search(&agent) else {
            continue;
        };
        if has[taker] == most && with_one_more > 0 {
            with_one_more -= 1;
        } else if has[taker] >= most {
            continue;
        }
        has[taker] += 1;
        *owner = Some(taker);
    }
    let hashes: Vec<u64> = takers.iter().map(|agent| hash(agent)).collect();
    for (index, owner) in (0..).zip(&mut owners) {
        if owner.is_none() {
            let fewest = (0..takers.len()).min_by_key(|taker| (has[*taker], mix(hashes[*taker], index)));
            let taker = fewest.expect("there is an agent");
            has[taker] += 1;
            *owner = Some(taker);
        }
    }
    owners
        .into_iter()
        .flatten()
        .map(|taker| takers[taker].clone())
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(numbers: impl Iterator<Item = usize>) -> Vec<AgentId> {
        numbers
            .map(|number| AgentId::parse(&format!("agent-{number:03}")).unwrap())
            .collect()
    }

    fn shared(count: u16, takers: &[AgentId], before: &[AgentId]) -> Vec<AgentId> {
        share(count, &takers.iter().collect::<Vec<_>>(), before)
    }

    #[test]
    fn each_agent_has_as_many_shards_as_any_other_but_one() {
        for count in [1_u16, 2, 3, 4, 7, 256] {
            let mut before = Vec::new();
            for number in (1..20).chain([300, 5, 1]) {
                let takers = agents(0..number);
                before = shared(count, &takers, &before);
                let has = |agent| before.iter().filter(|owner| *owner == agent).count();
                let counts = takers.iter().map(has);
                let (least, most) = (counts.clone().min().unwrap(), counts.max().unwrap());
                assert!(
                    most - least <= 1,
                    "{count} shards of {number} agents: {least} to {most}"
                );
                assert_eq!(before.len(), usize::from(count), "every shard has an owner");
            }
        }
    }

    #[test]
    fn only_shards_of_whom_goes_or_for_whom_comes_move() {
        let all = agents(0..8);
        let before = shared(64, &all, &[]);
        let moved = |after: &[AgentId]| {
            before
                .iter()
                .zip(after)
                .filter(|(one, other)| one != other)
                .count()
        };
        assert_eq!(moved(&shared(64, &all, &before)), 0);
        assert_eq!(moved(&shared(64, &all[1..], &before)), 8);
        assert_eq!(moved(&shared(64, &agents(0..9), &before)), 7);
        assert!(shared(64, &[], &before).is_empty());
    }
}
