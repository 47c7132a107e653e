//! Lease references: what an agent is told, and what it shows to prove it.

use swarm_engine::{
    id::{AttemptNumber, LeaseToken, TaskId},
    noun::lease::{Held, Lease, Proof},
};
use swarm_proto::{duration::read_duration, v1};

/// What a caller shows. Nothing is refused here: a lease that cannot exist is simply not the caller's.
pub(crate) fn proof(lease: &v1::LeaseRef) -> Proof {
    Proof {
        task: TaskId::stored(&lease.task_id),
        attempt: AttemptNumber(lease.attempt),
        token: lease.lease_token.as_slice().try_into().ok().map(LeaseToken),
    }
}

/// The same with how long the attempt has run. A length that makes no sense is none.
pub(crate) fn held(lease: &v1::LeaseRef) -> Held {
    Held {
        proof: proof(lease),
        ran: lease.run_time.as_ref().and_then(read_duration),
    }
}

/// A lease as its caller showed it, back to the same caller.
pub(crate) fn shown_again(proof: &Proof) -> v1::LeaseRef {
    v1::LeaseRef {
        task_id: proof.task.to_string(),
        attempt: proof.attempt.0,
        lease_token: proof.token.map(|token| token.0.to_vec()).unwrap_or_default(),
        run_time: None,
    }
}

/// The lease with its token: for the agent that it was granted to, and for nobody else.
pub(crate) fn secret(task: &TaskId, lease: &Lease) -> v1::LeaseRef {
    v1::LeaseRef {
        task_id: task.to_string(),
        attempt: lease.attempt.0,
        lease_token: lease.token.0.to_vec(),
        run_time: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sample;

    #[test]
    fn a_granted_lease_proves_itself_when_it_comes_back() {
        let task = sample::running();
        let lease = task.lease().unwrap();
        let shown = proof(&secret(&task.id, lease));
        assert!(lease.is_proven_by(&lease.agent, &shown));
        assert_eq!(shown_again(&shown), secret(&task.id, lease));
    }

    #[test]
    fn a_token_of_another_length_is_none() {
        for length in [0, 15, 17] {
            let lease = v1::LeaseRef {
                lease_token: vec![7; length],
                ..v1::LeaseRef::default()
            };
            assert_eq!(proof(&lease).token, None);
        }
    }
}
