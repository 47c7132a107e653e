//! Orders by people that no work is given: said when they begin and end, and not slept through when they end.
//!
//! Claims and heartbeats both tell of a hold, only heartbeats who placed it and
//! why. When the two disagree, the next heartbeat goes out at once.

use std::time::Duration;

use swarm_proto::v1::{ClaimResponse, EmptyReason};
use tokio::time::Instant;

use super::Worker;
use crate::{coordinator::hold, program::random};

/// During a hold claims are this far apart at most, unless the coordinator names a time: its end may go unheard.
pub(super) const HELD_PAUSE: Duration = Duration::from_secs(5);

impl Worker {
    /// Takes up what the last heartbeat says about a hold.
    pub(super) fn take_hold(&mut self) {
        let hold = self.holds.borrow_and_update().clone();
        if hold == self.hold {
            return;
        }
        match &hold {
            Some(hold) => {
                self.held_since.get_or_insert_with(Instant::now);
                tracing::warn!(
                    reason = hold::shown(&hold.reason),
                    "{}; nothing is given to this agent until that is lifted",
                    hold::sentence(hold)
                );
            }
            None => {
                let since = self.held_since.take().unwrap_or_else(Instant::now);
                tracing::info!(
                    "work may be given to this agent again after {} s",
                    since.elapsed().as_secs()
                );
                self.claim_pauses.reset();
                // Not all agents in the same moment.
                let soon = Instant::now() + random::part_of(self.context.config.jitter_max);
                self.claim_not_before = self.claim_not_before.min(soon);
            }
        }
        self.hold = hold;
        self.was_hold_asked_for = false;
    }

    /// Says why a claim brought nothing, unless the hold that keeps it is known already.
    pub(super) fn explain_nothing(&mut self, answer: &ClaimResponse) {
        let is_held = is_by_hold(answer.empty_reason());
        if is_held != self.hold.is_some() {
            self.context.session.beat_now.notify_one();
        }
        if is_held && (self.hold.is_some() || !self.was_hold_asked_for) {
            self.was_hold_asked_for = true;
            return;
        }
        // That nothing is left for a free slot goes without saying while others work.
        let is_plain = answer.empty_reason() == EmptyReason::NothingQueued && answer.passed.is_empty();
        if is_plain && self.context.session.held.running() > 0 {
            return;
        }
        if let Some(line) = self.no_work.note(answer, Instant::now()) {
            tracing::info!("{line}");
        }
    }

    /// Notes that there is work.
    pub(super) fn note_work(&mut self) {
        if self.hold.is_some() {
            self.context.session.beat_now.notify_one();
        }
        if let Some(line) = self.no_work.end(Instant::now()) {
            tracing::info!("{line}");
        }
    }
}

/// Whether people keep the work back, for all or for this agent.
pub(super) fn is_by_hold(reason: EmptyReason) -> bool {
    matches!(
        reason,
        EmptyReason::Paused | EmptyReason::Drained | EmptyReason::Stopped
    )
}
