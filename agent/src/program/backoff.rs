//! Pauses between tries: the only file that names the `backoff` crate.
//!
//! The crate only calculates intervals. By default it gives up after 15 minutes and has a jitter of ±50 %; both are
//! switched off.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff as _};

use super::random;

/// The upper end of the first random pause.
const FIRST: Duration = Duration::from_millis(200);

/// Growing random pauses, for ever.
pub(crate) struct Backoff {
    intervals: ExponentialBackoff,
    cap: Duration,
    jitter_max: Duration,
}

impl Backoff {
    /// Pauses of at most `cap`: a random part of an interval that doubles from 200 ms, and up to `jitter_max` on top.
    pub(crate) fn new(cap: Duration, jitter_max: Duration) -> Backoff {
        let intervals = ExponentialBackoffBuilder::new()
            .with_initial_interval(FIRST.min(cap))
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_interval(cap)
            .with_max_elapsed_time(None)
            .build();
        Backoff {
            intervals,
            cap,
            jitter_max,
        }
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        // `None` would mean to give up, but there is no limit here.
        let interval = self.intervals.next_backoff().unwrap_or(self.cap);
        (random::part_of(interval) + random::part_of(self.jitter_max)).min(self.cap)
    }

    /// Begins again with short pauses.
    pub(crate) fn reset(&mut self) {
        self.intervals.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_cap_and_never_end() {
        let cap = Duration::from_secs(5);
        let mut backoff = Backoff::new(cap, Duration::from_millis(500));
        let pauses: Vec<_> = (0..2000).map(|_| backoff.pause()).collect();
        assert!(pauses[0] <= Duration::from_millis(700));
        assert!(pauses.iter().all(|pause| *pause <= cap));
        let late: Duration = pauses[1000..].iter().sum::<Duration>() / 1000;
        assert!(
            late > Duration::from_secs(2) && late < Duration::from_secs(4),
            "mean pause {late:?}"
        );
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(700));
    }

    #[test]
    fn a_cap_of_nothing_is_no_pause() {
        assert_eq!(
            Backoff::new(Duration::ZERO, Duration::from_secs(1)).pause(),
            Duration::ZERO
        );
    }
}
