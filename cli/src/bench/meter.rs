//! The counts and times of a running phase.

use std::{cell::RefCell, time::Duration};

use hdrhistogram::Histogram;

use super::bar::Bar;

/// The longest measured time, in microseconds: more than any answer may take.
const LONGEST_MICROS: u64 = 120_000_000;

/// Significant digits of a time.
const DIGITS: u8 = 3;

/// The counts of a phase, shared by its workers.
pub(super) struct Meter {
    counts: RefCell<Counts>,
    bar: Bar,
}

/// See [`Meter`].
#[derive(Clone)]
pub(super) struct Counts {
    /// Done things: tasks, agents or calls, as the phase has it.
    pub(super) done: u64,
    /// Calls with a good answer.
    pub(super) answers: u64,
    /// Calls that were refused with BUSY and sent again.
    pub(super) busy: u64,
    /// Calls whose answer was lost and that were sent again.
    pub(super) lost: u64,
    /// The answers' times, in microseconds.
    latency: Histogram<u64>,
}

impl Meter {
    /// A meter without a bar.
    pub(super) fn new() -> Meter {
        Meter::with_bar(Bar::none())
    }

    /// The same meter with a bar that it moves.
    pub(super) fn with_bar(bar: Bar) -> Meter {
        Meter {
            counts: RefCell::new(Counts::new()),
            bar,
        }
    }

    /// Counts from the beginning.
    pub(super) fn clear(&self) {
        *self.counts.borrow_mut() = Counts::new();
    }

    /// Counts done things.
    pub(super) fn did(&self, count: u64) {
        self.counts.borrow_mut().done += count;
        self.bar.advance(count);
    }

    /// Counts an answer and its time.
    pub(super) fn answered(&self, latency: Duration) {
        let mut counts = self.counts.borrow_mut();
        counts.answers += 1;
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        counts.latency.saturating_record(micros.max(1));
    }

    /// Counts a call that was refused with BUSY.
    pub(super) fn was_busy(&self) {
        self.counts.borrow_mut().busy += 1;
    }

    /// Counts a lost answer.
    pub(super) fn was_lost(&self) {
        self.counts.borrow_mut().lost += 1;
    }

    /// Ends the counting and removes the bar.
    pub(super) fn read(&self) -> Counts {
        self.bar.finish();
        self.counts.borrow().clone()
    }
}

impl Counts {
    fn new() -> Counts {
        let latency = Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS);
        Counts {
            done: 0,
            answers: 0,
            busy: 0,
            lost: 0,
            latency: latency.expect("the bounds are apart"),
        }
    }

    /// The time within which a part of all answers came, in microseconds; 0 without answers.
    pub(super) fn latency(&self, quantile: f64) -> u64 {
        self.latency.value_at_quantile(quantile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_those_of_the_answers() {
        let meter = Meter::new();
        for millis in 1..=1_000 {
            meter.answered(Duration::from_millis(millis));
        }
        meter.answered(Duration::MAX);
        meter.did(7);
        meter.was_busy();
        let counts = meter.read();
        assert_eq!(
            (counts.done, counts.answers, counts.busy, counts.lost),
            (7, 1_001, 1, 0)
        );
        assert_eq!(counts.latency(0.5) / 10_000, 50);
        assert_eq!(Meter::new().read().latency(0.99), 0);
        assert!(counts.latency(1.0) >= LONGEST_MICROS);
    }
}
