//! Presences: an agent's last call and wishes, forgotten when the coordinator restarts.

use std::sync::Arc;

use crate::{noun::needs::Wants, time::Timestamp};

/// An agent's last call and wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The time of its last call.
    pub seen: Timestamp,
    /// It finishes its attempts and claims nothing more.
    pub draining: bool,
    /// The wishes of its newest claim; `None` before the first claim.
    pub wants: Option<Arc<Wants>>,
}
