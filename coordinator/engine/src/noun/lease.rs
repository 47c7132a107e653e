//! Leases: the right of an agent to an attempt, for a time.

use std::{sync::Arc, time::Duration};

use crate::{
    id::{AgentId, AttemptNumber, LeaseToken, TaskId},
    time::Timestamp,
};

/// The durable side of a lease. Its expiry is a soft fact, which the state keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The leased attempt.
    pub attempt: AttemptNumber,
    /// The agent that holds it.
    pub agent: AgentId,
    /// Proves that a caller was given it.
    pub token: LeaseToken,
    /// The claim that asked for it: a repeat of that claim returns the same lease.
    pub request_id: Arc<str>,
    /// When it was granted.
    pub granted: Timestamp,
    /// Its length, from the grant or a renewal.
    pub ttl: Duration,
    /// The durable end of the attempt: no renewal promises anything beyond it.
    pub ends_by: Timestamp,
    /// The task is cancelled as soon as the attempt ends.
    pub cancel_asked: bool,
}

/// A caller's proof that it holds a lease. Every part must equal the lease's own; time decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The leased task.
    pub task: TaskId,
    /// The leased attempt.
    pub attempt: AttemptNumber,
    /// The token that came with the grant; `None` when the caller sent no valid token.
    pub token: Option<LeaseToken>,
}

impl Lease {
    /// Whether a whole TTL is left before the durable end. An agent trusts a renewed lease for that long. Later it is
    /// told that the lease is lost, long after it had to end the attempt by itself.
    pub fn is_renewable(&self, now: Timestamp) -> bool {
        now + self.ttl <= self.ends_by
    }

    /// Whether the proof shows that the agent holds this lease.
    pub fn is_proven_by(&self, agent: &AgentId, proof: &Proof) -> bool {
        self.attempt == proof.attempt && self.agent == *agent && Some(self.token) == proof.token
    }
}
