//! The hold on this agent. The log tells of its beginning and end, and claims go on soon after its end.
//!
//! Claims and heartbeats both tell of a hold, but only heartbeats say who placed it and why. When the two disagree,
//! the next heartbeat goes out at once.

use swarm_proto::v1::{EmptyReason, Hold};
use tokio::{sync::watch, time::Instant};

use crate::{coordinator::hold, program::lasted::after};

/// The hold on this agent or on everything, as the log knows it.
pub(super) struct CurrentHold {
    hold: Option<Hold>,
    /// When the log first told of it.
    since: Option<Instant>,
    /// The hold in the last heartbeat.
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

    /// Waits for a heartbeat with another hold than before.
    pub(super) async fn changed(&mut self) {
        // Fails only without a sender, and the session outlives this.
        let _ = self.heartbeats.changed().await;
    }

    /// Takes up the hold of the last heartbeat and logs a change; true when a hold was lifted.
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
                tracing::info!("work may be given to this agent again{}", after(since.elapsed()));
            }
        }
        self.hold = hold;
        self.is_asked_for = false;
        is_lifted
    }

    /// Whether the last heartbeat told of a hold.
    pub(super) fn is_placed(&self) -> bool {
        self.hold.is_some()
    }

    /// For a claim that brought nothing because of a hold: whether the log has the hold's reason, or gets it from the
    /// next heartbeat.
    pub(super) fn is_told(&mut self) -> bool {
        let is_told = self.hold.is_some() || !self.is_asked_for;
        self.is_asked_for |= is_told;
        is_told
    }
}

/// Whether the reason is a hold, on everything or on this agent.
pub(super) fn is_by_hold(reason: EmptyReason) -> bool {
    matches!(
        reason,
        EmptyReason::Paused | EmptyReason::Drained | EmptyReason::Stopped
    )
}
