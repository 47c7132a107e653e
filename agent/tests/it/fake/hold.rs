//! Holds of the fake, and its empty answers.

use swarm_proto::v1::{ClaimResponse, EmptyReason, Hold, HoldKind, hold::Scope};

use super::{seconds, world::World};

impl World {
    /// Whether a claim is held back. During a hold every claim is answered at once.
    pub(super) fn waits(&self) -> bool {
        self.hold.is_none() && self.queue.is_empty() && self.passed.is_empty() && self.retry_after.is_none()
    }

    /// An empty answer to a claim.
    pub(super) fn nothing(&self) -> ClaimResponse {
        let reason = match self.hold.as_ref().map(Hold::kind) {
            Some(HoldKind::Stop) => EmptyReason::Stopped,
            Some(HoldKind::Drain) => EmptyReason::Drained,
            Some(_) => EmptyReason::Paused,
            None if self.passed.is_empty() => EmptyReason::NothingQueued,
            None => EmptyReason::NothingFits,
        };
        ClaimResponse {
            empty_reason: reason.into(),
            retry_after: self.retry_after.and_then(seconds),
            passed: self.passed.clone(),
            ..ClaimResponse::default()
        }
    }
}

/// A hold: a drain is on the agent, any other kind on everything.
pub(crate) fn hold(kind: HoldKind) -> Hold {
    let scope = (kind == HoldKind::Drain).then(|| Scope::AgentId("a".to_owned()));
    Hold {
        kind: kind.into(),
        scope,
        actor: "ann@desk".to_owned(),
        reason: "new disks".to_owned(),
        ..Hold::default()
    }
}
