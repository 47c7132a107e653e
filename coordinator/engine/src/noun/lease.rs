//! Leases: the right of one agent to one attempt until a time.

use std::{sync::Arc, time::Duration};

use crate::{
    id::{AgentId, AttemptNumber, LeaseToken, TaskId},
    time::Timestamp,
};

/// The durable side of a lease. When it expires is soft and lives in [`crate::state::soft::Soft`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The attempt it is for.
    pub attempt: AttemptNumber,
    /// Who holds it.
    pub agent: AgentId,
    /// Proves that a caller was given it.
    pub token: LeaseToken,
    /// The claim that asked for it; a repeat of that claim returns it.
    pub request_id: Arc<str>,
    /// When it was granted.
    pub granted: Timestamp,
    /// How long it lasts from the grant or a renewal.
    pub ttl: Duration,
    /// When the attempt ends whatever is renewed: no renewal is promised that would last beyond it.
    pub ends_by: Timestamp,
    /// The task is cancelled as soon as the attempt ends.
    pub cancel_asked: bool,
}

/// What a caller shows to prove that it holds a lease. All of it must be equal; time decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The leased task.
    pub task: TaskId,
    /// The leased attempt.
    pub attempt: AttemptNumber,
    /// The token told with the grant; `None` when the caller sent something that is no token.
    pub token: Option<LeaseToken>,
}

impl Lease {
    /// Whether a renewal has its whole TTL before the durable end. An agent that is told to go on trusts the lease
    /// for that long; a later one is told that the lease is lost, long after it had to end the attempt by itself.
    pub fn is_renewable(&self, now: Timestamp) -> bool {
        now + self.ttl <= self.ends_by
    }

    /// Whether this is the lease that the agent proves to hold.
    pub fn is_proven_by(&self, agent: &AgentId, proof: &Proof) -> bool {
        self.attempt == proof.attempt && self.agent == *agent && Some(self.token) == proof.token
    }
}
