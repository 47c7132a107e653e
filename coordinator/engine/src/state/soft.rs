//! Soft facts: the expiry of leases, and the last calls of agents. A restart forgets them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    id::{AgentId, Number},
    noun::{needs::Wants, owners::Owners, presence::Presence, slow::Slow},
    state::{State, weight::Weight},
    time::Timestamp,
};

/// Soft facts: never journaled, and no promise depends on them.
#[derive(Clone, Debug, Default)]
pub struct Soft {
    /// The expiry of each lease without a renewal, never after its durable end.
    expiries: BTreeMap<Number, Timestamp>,
    pub(super) by_expiry: BTreeSet<(Timestamp, Number)>,
    /// Leases that were renewed at least once: their agents know of them.
    renewed: BTreeSet<Number>,
    pub(crate) presences: BTreeMap<AgentId, Presence>,
    /// The weight of the wishes among them.
    pub(crate) wants_bytes: u64,
    /// The owners of shards.
    pub(crate) owners: Owners,
    /// Agents whose machines failed the last reported attempts.
    pub(crate) slowed: BTreeMap<AgentId, Slow>,
}

impl State {
    /// The expiry of a running task's lease without a renewal.
    pub fn expiry(&self, number: Number) -> Option<Timestamp> {
        self.soft.expiries.get(&number).copied()
    }

    /// Whether the lease of a running task was renewed after its grant or after loading.
    pub fn is_renewed(&self, number: Number) -> bool {
        self.soft.renewed.contains(&number)
    }

    /// Leases that have expired by `now`, earliest first.
    pub(crate) fn expired(&self, now: Timestamp) -> impl Iterator<Item = Number> {
        let through = (now, Number(u64::MAX));
        self.soft.by_expiry.range(..=through).map(|(_, number)| *number)
    }

    /// Gives every lease at least one full TTL from `now` on, within its durable end. After a pause of the coordinator
    /// the silence of agents proves nothing.
    pub fn grace(&mut self, now: Timestamp, ttl: Duration) {
        let running: Vec<Number> = self.soft.expiries.keys().copied().collect();
        for number in running {
            self.extend(number, now, ttl);
        }
    }

    /// The same after a start, even beyond durable ends. A clock that was set meanwhile may say that an end has passed,
    /// but an agent still trusts the TTL that it was promised before.
    pub fn grace_at_start(&mut self, now: Timestamp, ttl: Duration) {
        let running: Vec<Number> = self.soft.expiries.keys().copied().collect();
        for number in running {
            if let Some(lease) = self.tasks.get(&number).and_then(|task| task.lease()) {
                let until = now + ttl.max(lease.ttl);
                self.lengthen(number, until);
            }
        }
    }

    /// The time for which an agent may trust all its leases after a renewal: the shortest TTL of their grants, and at
    /// most `ttl`, which may have been set since.
    pub fn trust_of(&self, agent: &AgentId, ttl: Duration) -> Duration {
        let leases = self.leased_to(agent).filter_map(|task| task.lease());
        leases.map(|lease| lease.ttl).fold(ttl, Duration::min)
    }

    /// Renews the lease of a running task after a call of its agent. False when its durable end is too near: the agent
    /// must not be told to go on.
    pub(crate) fn renew(&mut self, number: Number, now: Timestamp, ttl: Duration) -> bool {
        self.soft.renewed.insert(number);
        self.extend(number, now, ttl)
    }

    pub(crate) fn extend(&mut self, number: Number, now: Timestamp, ttl: Duration) -> bool {
        let Some(lease) = self.tasks.get(&number).and_then(|task| task.lease()) else {
            return false;
        };
        let is_renewable = lease.is_renewable(now);
        let until = (now + ttl.max(lease.ttl)).min(lease.ends_by);
        self.lengthen(number, until);
        is_renewable
    }

    /// Only the end of a lease moves its expiry earlier.
    fn lengthen(&mut self, number: Number, until: Timestamp) {
        let until = self.expiry(number).map_or(until, |current| until.max(current));
        self.soft.set_expiry(number, until);
    }

    /// The running tasks with an expiry; for `check`.
    pub(crate) fn soft_leases(&self) -> BTreeSet<Number> {
        assert_eq!(
            self.soft.expiries.len(),
            self.soft.by_expiry.len(),
            "each lease has one expiry, kept in two orders"
        );
        self.soft.expiries.keys().copied().collect()
    }

    /// The presence of an agent; `None` when it has not called since the start.
    pub fn presence(&self, agent: &AgentId) -> Option<Presence> {
        self.soft.presences.get(agent).cloned()
    }
}

impl Soft {
    pub(crate) fn set_expiry(&mut self, number: Number, at: Timestamp) {
        if let Some(before) = self.expiries.insert(number, at) {
            self.by_expiry.remove(&(before, number));
        }
        self.by_expiry.insert((at, number));
    }

    pub(crate) fn clear_expiry(&mut self, number: Number) {
        if let Some(before) = self.expiries.remove(&number) {
            self.by_expiry.remove(&(before, number));
        }
        self.renewed.remove(&number);
    }

    /// Notes a call of an agent.
    pub(crate) fn seen(&mut self, agent: &AgentId, now: Timestamp, draining: Option<bool>) {
        if let Some(presence) = self.presences.get_mut(agent) {
            presence.seen = now;
            if presence.draining != draining.unwrap_or(presence.draining) {
                presence.draining = !presence.draining;
            }
        } else {
            let presence = Presence {
                seen: now,
                draining: draining.unwrap_or_default(),
                wants: None,
            };
            self.presences.insert(agent.clone(), presence);
        }
    }

    /// Notes the wishes of a claim.
    pub(crate) fn wants(&mut self, agent: &AgentId, wants: &Wants) {
        if let Some(presence) = self.presences.get_mut(agent)
            && presence.wants.as_deref() != Some(wants)
        {
            let before = presence.wants.replace(Arc::new(wants.clone()));
            self.wants_bytes += wants.weight() as u64;
            self.wants_bytes -= before.map_or(0, |before| before.weight() as u64);
        }
    }

    pub(crate) fn forget_presence(&mut self, agent: &AgentId) {
        let presence = self.presences.remove(agent);
        let wants = presence.and_then(|presence| presence.wants);
        self.wants_bytes -= wants.map_or(0, |wants| wants.weight() as u64);
    }
}
