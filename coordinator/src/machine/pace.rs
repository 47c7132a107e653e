//! A pace for long work beside serving: it rests in between, so that it takes at most a share of the processors and of
//! the disk.

use std::{thread, time::Duration};

use super::clock::Stopwatch;

/// The share of all processors that such work may take: with what it makes others do, a tenth.
const SHARE: f64 = 0.08;

/// The longest rest without a look at whether it should go on.
const LONGEST_REST: Duration = Duration::from_millis(50);

/// See the module.
pub(crate) struct Pace {
    /// Rests for each second of work.
    rests: f64,
    work: Stopwatch,
}

impl Pace {
    /// A pace for one thread of this machine.
    pub(crate) fn start() -> Pace {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Pace {
            rests: rests(processors),
            work: Stopwatch::start(),
        }
    }

    /// Rests for the work since the last rest. `haste` is asked again and again: 0 is without, with 1 there is no rest.
    pub(crate) fn rest(&mut self, haste: impl Fn() -> f64) {
        self.rest_for(self.work.elapsed(), haste);
        self.work = Stopwatch::start();
    }

    fn rest_for(&self, worked: Duration, haste: impl Fn() -> f64) {
        let rest = Stopwatch::start();
        loop {
            let due = worked.mul_f64(self.rests * (1.0 - haste().clamp(0.0, 1.0)));
            let left = due.saturating_sub(rest.elapsed());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(LONGEST_REST));
        }
    }
}

/// How long a thread rests for each second of work to take its share of so many processors.
fn rests(processors: usize) -> f64 {
    let share = (SHARE * processors as f64).min(1.0);
    (1.0 - share) / share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_takes_its_share_of_all_processors() {
        assert!((rests(1) - 11.5).abs() < 1e-9 && (rests(2) - 5.25).abs() < 1e-9);
        assert!(rests(13).abs() < 1e-9 && rests(64).abs() < 1e-9);
    }

    #[test]
    fn a_rest_is_as_long_as_the_work_asks_for_and_ends_with_haste() {
        let mut pace = Pace {
            rests: 4.0,
            work: Stopwatch::start(),
        };
        let worked = Duration::from_millis(5);
        let rest = Stopwatch::start();
        pace.rest_for(worked, || 0.0);
        assert!(rest.elapsed() >= 4 * worked, "{:?}", rest.elapsed());
        pace.rests = 1e9;
        let looks = std::cell::Cell::new(0);
        pace.rest_for(worked, || {
            looks.set(looks.get() + 1);
            f64::from(looks.get() > 2)
        });
        assert_eq!(looks.get(), 3);
    }
}
