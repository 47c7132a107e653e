//! Which requests are taken: the store may be behind with its work, or the disk short of space.
//!
//! New work is refused first, then work that would begin, so that work that has begun can end. When the store is
//! behind, submits, claims and other requests are refused in this order, and completions have room reserved. When the
//! disk has little space, submits and claims are refused: the journal has space in reserve for the rest, and the
//! store waits. Heartbeats write next to nothing and are never refused.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use swarm_engine::touches::{TaskChange, Touches};

use crate::program::limits::{
    CLAIM_BACKLOG_EVENTS, CLAIM_FREE_BYTES, OTHER_BACKLOG_EVENTS, OTHER_OUTPUTS_PART,
    OTHER_SPECS_BACKLOG_BYTES, SPECS_BACKLOG_BYTES, SUBMIT_BACKLOG_EVENTS, SUBMIT_FREE_BYTES,
    WORK_OUTPUTS_PART,
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

/// The backlog of the store, and the shortage of the disk.
#[derive(Debug)]
pub struct Admission {
    /// The most bytes of outputs, at which completions are refused.
    most: u64,
    /// Events that are decided and not yet in the store.
    events: AtomicU64,
    /// Bytes of their specs.
    specs: AtomicU64,
    /// Bytes of their outputs.
    outputs: AtomicU64,
    /// A `Shortage`.
    shortage: AtomicU8,
}

impl Admission {
    /// No backlog yet, and at most so many bytes of outputs.
    pub(crate) fn new(most: u64) -> Admission {
        Admission {
            most,
            events: AtomicU64::new(0),
            specs: AtomicU64::new(0),
            outputs: AtomicU64::new(0),
            shortage: AtomicU8::new(Shortage::Nothing as u8),
        }
    }

    /// Whether the backlog has room for such a request.
    pub fn admits(&self, load: Load) -> bool {
        let load_of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (events, specs, outputs) = (
            load_of(&self.events),
            load_of(&self.specs),
            load_of(&self.outputs),
        );
        let (most_events, most_specs, part) = match load {
            Load::Submit => (SUBMIT_BACKLOG_EVENTS, SPECS_BACKLOG_BYTES, WORK_OUTPUTS_PART),
            Load::Claim => (CLAIM_BACKLOG_EVENTS, SPECS_BACKLOG_BYTES, WORK_OUTPUTS_PART),
            Load::Other => (
                OTHER_BACKLOG_EVENTS,
                OTHER_SPECS_BACKLOG_BYTES,
                OTHER_OUTPUTS_PART,
            ),
            Load::Complete => return outputs < self.most,
        };
        events < most_events && specs < most_specs && outputs < self.most / part
    }

    /// Whether the disk has space for such a request.
    pub(crate) fn has_space_for(&self, load: Load) -> bool {
        !Shortage::from(self.shortage.load(Ordering::Relaxed)).refuses(load)
    }

    /// Notes how short of space the disk is.
    pub(crate) fn set_shortage(&self, shortage: Shortage) {
        self.shortage.store(shortage as u8, Ordering::Relaxed);
    }

    /// Counts a decided event, which touches this.
    pub(crate) fn add(&self, touched: &Touches<'_>) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.specs.fetch_add(spec_bytes(touched), Ordering::Relaxed);
        self.outputs.fetch_add(output_bytes(touched), Ordering::Relaxed);
    }

    /// Uncounts the event: the store has it.
    pub(crate) fn remove(&self, touched: &Touches<'_>) {
        self.events.fetch_sub(1, Ordering::Relaxed);
        self.specs.fetch_sub(spec_bytes(touched), Ordering::Relaxed);
        self.outputs.fetch_sub(output_bytes(touched), Ordering::Relaxed);
    }
}

/// Bytes of specs and outputs that an event holds on to.
pub(crate) fn weight(touched: &Touches<'_>) -> u64 {
    spec_bytes(touched) + output_bytes(touched)
}

fn spec_bytes(touched: &Touches<'_>) -> u64 {
    match touched.task.map(|task| task.change) {
        Some(TaskChange::Submitted(record) | TaskChange::Retried { record, .. }) => record.spec.len() as u64,
        Some(TaskChange::Changed | TaskChange::Ended | TaskChange::Removed { .. }) | None => 0,
    }
}

fn output_bytes(touched: &Touches<'_>) -> u64 {
    let bytes = touched
        .output
        .map_or(0, |output| output.stdout.len() + output.stderr.len());
    bytes as u64
}

/// How short of space the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Shortage {
    /// Nothing is refused.
    #[default]
    Nothing,
    /// Submits are refused.
    Submits,
    /// Claims are refused as well.
    Claims,
}

impl Shortage {
    /// The shortage with so many free bytes. Refused requests are taken again only when there is a quarter more space,
    /// so that the answer does not change every second.
    pub(crate) fn with(self, free: u64) -> Shortage {
        let below = |bytes: u64, was_below: bool| free < if was_below { bytes / 4 * 5 } else { bytes };
        if below(CLAIM_FREE_BYTES, self >= Shortage::Claims) {
            Shortage::Claims
        } else if below(SUBMIT_FREE_BYTES, self >= Shortage::Submits) {
            Shortage::Submits
        } else {
            Shortage::Nothing
        }
    }

    /// Whether such a request is refused.
    pub(crate) fn refuses(self, load: Load) -> bool {
        match load {
            Load::Submit => self >= Shortage::Submits,
            Load::Claim => self >= Shortage::Claims,
            Load::Other | Load::Complete => false,
        }
    }
}

impl From<u8> for Shortage {
    fn from(level: u8) -> Shortage {
        match level {
            0 => Shortage::Nothing,
            1 => Shortage::Submits,
            _ => Shortage::Claims,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submits_are_refused_before_claims_and_taken_again_after_them() {
        let mut shortage = Shortage::Nothing;
        let mut after = |free: u64| {
            shortage = shortage.with(free);
            (shortage.refuses(Load::Submit), shortage.refuses(Load::Claim))
        };
        assert_eq!(after(SUBMIT_FREE_BYTES), (false, false));
        assert_eq!(after(SUBMIT_FREE_BYTES - 1), (true, false));
        assert_eq!(after(CLAIM_FREE_BYTES - 1), (true, true));
        assert_eq!(after(0), (true, true));
        assert_eq!(after(CLAIM_FREE_BYTES), (true, true));
        assert_eq!(after(CLAIM_FREE_BYTES / 4 * 5), (true, false));
        assert_eq!(after(SUBMIT_FREE_BYTES), (true, false));
        assert_eq!(after(SUBMIT_FREE_BYTES / 4 * 5), (false, false));
        assert!(!Shortage::Claims.refuses(Load::Complete) && !Shortage::Claims.refuses(Load::Other));
        for level in [Shortage::Nothing, Shortage::Submits, Shortage::Claims] {
            assert_eq!(Shortage::from(level as u8), level);
        }
    }

    #[test]
    fn a_backlog_refuses_new_work_before_work_that_has_ended() {
        let admission = Admission::new(1000);
        let admitted = |specs: u64, outputs: u64| {
            admission.specs.store(specs, Ordering::Relaxed);
            admission.outputs.store(outputs, Ordering::Relaxed);
            [Load::Submit, Load::Claim, Load::Other, Load::Complete].map(|load| admission.admits(load))
        };
        assert_eq!(admitted(0, 249), [true; 4]);
        assert_eq!(admitted(0, 250), [false, false, true, true]);
        assert_eq!(admitted(0, 500), [false, false, false, true]);
        assert_eq!(admitted(0, 1000), [false; 4]);
        assert_eq!(admitted(SPECS_BACKLOG_BYTES, 0), [false, false, true, true]);
        assert_eq!(
            admitted(OTHER_SPECS_BACKLOG_BYTES, 0),
            [false, false, false, true]
        );
    }
}
