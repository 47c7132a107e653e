//! The coordinator's clock: the only reader of system time. It never goes backwards.
//!
//! It starts with the time of the wall clock, or the last journaled time when that is later. From there it goes on with
//! the boot-time clock, which counts while the machine sleeps, and which steps of the wall clock do not move.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};
use swarm_engine::time::Timestamp;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Timestamp,
    boot: Duration,
}

impl Clock {
    /// A clock that is at least at `last`, the time of the last journaled event.
    ///
    /// # Errors
    ///
    /// When the machine has no boot-time clock.
    pub fn start(last: Timestamp) -> std::io::Result<Clock> {
        Ok(Clock {
            anchor: wall()?.max(last),
            boot: since_boot()?,
        })
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        // The clock was read at the start, so it can be read.
        self.anchor + since_boot().unwrap_or(self.boot).saturating_sub(self.boot)
    }

    /// The time at which this clock began.
    pub fn started(&self) -> Timestamp {
        self.anchor
    }

    /// Milliseconds that the machine's wall clock is ahead of this one.
    pub fn wall_ahead_ms(&self) -> i64 {
        let wall = wall().map_or(self.now().0, |wall| wall.0);
        i64::try_from(i128::from(wall) - i128::from(self.now().0)).unwrap_or(i64::MAX)
    }

    /// How long this clock has been going.
    pub fn uptime(&self) -> Duration {
        self.now() - self.anchor
    }
}

/// Measures durations for figures; no decision depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since its start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Lets a line that others can cause at any time through at most once a second.
#[derive(Debug)]
pub(crate) struct Seldom(Mutex<Option<Stopwatch>>);

impl Seldom {
    /// Nothing was let through yet.
    pub(crate) const fn new() -> Seldom {
        Seldom(Mutex::new(None))
    }

    /// Whether it is time for the line again.
    pub(crate) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(1));
        if is_due {
            *last = Some(Stopwatch::start());
        }
        is_due
    }
}

fn wall() -> std::io::Result<Timestamp> {
    let time = clock_gettime(ClockId::CLOCK_REALTIME)?;
    Ok(Timestamp(
        u64::try_from(Duration::from(time).as_millis()).unwrap_or(u64::MAX),
    ))
}

fn since_boot() -> std::io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_BOOTTIME)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_let_through_once_in_a_while() {
        let line = Seldom::new();
        assert!(line.is_due());
        assert!(!(0..1000).any(|_| line.is_due()));
    }

    #[test]
    fn it_starts_no_earlier_than_the_last_event() {
        let ahead = wall().unwrap() + Duration::from_secs(3600);
        let clock = Clock::start(ahead).unwrap();
        assert!(clock.now() >= ahead);
        assert!(
            clock.wall_ahead_ms() <= -3_590_000,
            "{} ms",
            clock.wall_ahead_ms()
        );
    }
}
