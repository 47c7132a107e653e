//! How much is decided and not yet in the store, and what is refused because of it.
//!
//! Shed in this order: submits, claims, other requests. Heartbeats write
//! next to nothing and are never refused; completions have room reserved.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use swarm_engine::{draft::Change, event::Fact};

use crate::{
    limits::{
        BACKLOG_BYTES, CLAIM_BACKLOG_EVENTS, COMPLETE_BACKLOG_BYTES, OTHER_BACKLOG_BYTES,
        OTHER_BACKLOG_EVENTS, SUBMIT_BACKLOG_EVENTS,
    },
    space::Shortage,
};

/// Which requests are refused first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// New work: the first to be refused.
    Submit,
    /// Work that would begin.
    Claim,
    /// Everything else that writes.
    Other,
    /// Work that has ended.
    Complete,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Backlog {
    events: AtomicU64,
    bytes: AtomicU64,
    /// A `Shortage`.
    shortage: AtomicU8,
}

impl Backlog {
    /// Whether there is room for such a request.
    pub fn admits(&self, load: Load) -> bool {
        let (events, bytes) = (
            self.events.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        );
        match load {
            Load::Submit => events < SUBMIT_BACKLOG_EVENTS && bytes < BACKLOG_BYTES,
            Load::Claim => events < CLAIM_BACKLOG_EVENTS && bytes < BACKLOG_BYTES,
            Load::Other => events < OTHER_BACKLOG_EVENTS && bytes < OTHER_BACKLOG_BYTES,
            Load::Complete => bytes < COMPLETE_BACKLOG_BYTES,
        }
    }

    /// Whether the disk has space for such a request.
    pub(crate) fn has_space_for(&self, load: Load) -> bool {
        !Shortage::from(self.shortage.load(Ordering::Relaxed)).refuses(load)
    }

    /// How short of space the disk is from now on.
    pub(crate) fn set_shortage(&self, shortage: Shortage) {
        self.shortage.store(shortage as u8, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, change: &Change) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(weight(&change.event.fact), Ordering::Relaxed);
    }

    /// The store has this one.
    pub(crate) fn remove(&self, fact: &Fact) {
        self.events.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(weight(fact), Ordering::Relaxed);
    }
}

/// Bytes that an event holds on to beyond what every event does.
pub(crate) fn weight(fact: &Fact) -> u64 {
    let bytes = match fact {
        Fact::TaskSubmitted(task) | Fact::TaskRetried { record: task, .. } => task.spec.len(),
        _ => crate::outputs::of(fact).map_or(0, |(_, _, output)| output.stdout.len() + output.stderr.len()),
    };
    bytes as u64
}
