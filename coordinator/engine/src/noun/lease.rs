//! Leases: the right of an agent to an attempt, for a time.

use std::{sync::Arc, time::Duration};

use crate::{
    id::{AgentId, AttemptNumber, LeaseToken, TaskId},
    limits::END_AFTER_TTLS,
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

/// A lease that an agent works on, and how long its attempt has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The proof of the lease.
    pub proof: Proof,
    /// The time since the attempt began, by its agent's clock; `None` when the agent does not say.
    pub ran: Option<Duration>,
}

/// The end of an attempt that has run for `ran`, when its lease was granted and ended as these say. Clocks that were
/// set in between are of no account.
pub(crate) fn end_by_its_run(
    granted: Timestamp,
    ends_by: Timestamp,
    ran: Duration,
    now: Timestamp,
) -> Timestamp {
    now + (ends_by - granted).saturating_sub(ran)
}

impl Lease {
    /// For how long its attempt may run: what is left of the time until its end without the TTLs behind that.
    pub fn time_limit(&self) -> Duration {
        (self.ends_by - self.granted).saturating_sub(self.ttl * END_AFTER_TTLS)
    }

    /// Whether the proof shows that the agent holds this lease.
    pub fn is_proven_by(&self, agent: &AgentId, proof: &Proof) -> bool {
        self.attempt == proof.attempt && self.agent == *agent && Some(self.token) == proof.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_has_what_the_lease_leaves_of_its_timeout() {
        let ttl = Duration::from_secs(90);
        let lasting = |seconds| Lease {
            attempt: AttemptNumber(1),
            agent: AgentId::stored("a"),
            token: LeaseToken([7; 16]),
            request_id: "".into(),
            granted: Timestamp(1_000),
            ttl,
            ends_by: Timestamp(1_000) + Duration::from_secs(seconds) + ttl * END_AFTER_TTLS,
            cancel_asked: false,
        };
        assert_eq!(lasting(5).time_limit(), Duration::from_secs(5));
        assert_eq!(lasting(0).time_limit(), Duration::ZERO);
        let ran = |seconds| {
            let lease = lasting(60);
            end_by_its_run(
                lease.granted,
                lease.ends_by,
                Duration::from_secs(seconds),
                Timestamp(0),
            )
        };
        assert_eq!(ran(20), Timestamp(40_000) + ttl * END_AFTER_TTLS);
        assert_eq!(ran(1_000), Timestamp(0));
    }
}
