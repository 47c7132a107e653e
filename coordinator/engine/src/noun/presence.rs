//! Presences: what is known of an agent until the coordinator restarts.

use std::sync::Arc;

use crate::{noun::needs::Wants, time::Timestamp};

/// What is known of an agent at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// When it was heard of last.
    pub seen: Timestamp,
    /// It finishes what it holds and claims nothing more.
    pub draining: bool,
    /// What it asked for with its newest claim; `None` before the first.
    pub wants: Option<Arc<Wants>>,
}
