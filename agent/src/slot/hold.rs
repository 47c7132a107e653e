//! The hold on this agent: said when it begins and ends, and not slept through when it ends.
//!
//! Claims and heartbeats both tell of a hold, only heartbeats who placed it and
//! why. When the two disagree, the next heartbeat goes out at once.

use swarm_proto::v1::{EmptyReason, Hold};
use tokio::{sync::watch, time::Instant};

use crate::coordinator::hold;

/// The hold on this agent or on everything, as the log knows it.
pub(super) struct CurrentHold {
    hold: Option<Hold>,
    /// When the log first told of it.
    since: Option<Instant>,
    /// What the heartbeats bring.
    heartbeats: watch::Receiver<Option<Hold>>,
    /// A claim told of a hold, and a heartbeat was sent to ask for it.
    is_asked_for: bool,
}

impl CurrentHold {
    pub(super) fn new(heartbeats: watch::Receiver<Option<Hold>>) -> CurrentHold {
        CurrentHold {
            hold: None,
            since: None,
            heartbeats,
            is_asked_for: false,
        }
    }

    /// Waits for a heartbeat that says something else than the one before.
    pub(super) async fn changed(&mut self) {
        // The session has the sender, and outlives this.
        let _ = self.heartbeats.changed().await;
    }

    /// Takes up what the last heartbeat says, and logs what is new; true when a hold was lifted.
    pub(super) fn update(&mut self) -> bool {
        let hold = self.heartbeats.borrow_and_update().clone();
        if hold == self.hold {
            return false;
        }
        let is_lifted = hold.is_none();
        match &hold {
            Some(hold) => {
                self.since.get_or_insert_with(Instant::now);
                tracing::warn!(
                    reason = hold::shown(&hold.reason),
                    "{}; nothing is given to this agent until that is lifted",
                    hold::sentence(hold)
                );
            }
            None => {
                let since = self.since.take().unwrap_or_else(Instant::now);
                tracing::info!(
                    "work may be given to this agent again after {} s",
                    since.elapsed().as_secs()
                );
            }
        }
        self.hold = hold;
        self.is_asked_for = false;
        is_lifted
    }

    /// Whether there is a hold, as far as is known.
    pub(super) fn is_placed(&self) -> bool {
        self.hold.is_some()
    }

    /// A claim brought nothing because of a hold: whether the log has its reason, or is about to have it.
    pub(super) fn is_told(&mut self) -> bool {
        let is_told = self.hold.is_some() || !self.is_asked_for;
        self.is_asked_for |= is_told;
        is_told
    }
}

/// Whether people keep the work back, for all or for this agent.
pub(super) fn is_by_hold(reason: EmptyReason) -> bool {
    matches!(
        reason,
        EmptyReason::Paused | EmptyReason::Drained | EmptyReason::Stopped
    )
}
