//! The coordinator's clock: the only reader of system time. While it goes, it never goes backwards.
//!
//! A start finds its time by [`swarm_engine::rule::clock`]. From there it goes on with the boot-time clock, which
//! counts while the machine sleeps, and which steps of the wall clock do not move.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};
use swarm_engine::{
    rule::clock::start_time,
    state::Identity,
    time::{Clocks, Timestamp},
};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Timestamp,
    boot: Duration,
    doubt: Duration,
}

/// How far a start believes the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// When it is near the last event, or confirmed.
    Confirmed,
    /// However far it is ahead: the operator accepts it.
    Accepted,
    /// Also when it is behind the last event: the operator sets the time back.
    SetBack,
}

impl Clock {
    /// A clock that goes on after `last`, the time of the last journaled event, and the clocks of the machine.
    /// `before` is the start before this one.
    ///
    /// # Errors
    ///
    /// When the machine has no boot-time clock.
    pub fn start(
        last: Timestamp,
        before: Option<&Identity>,
        belief: Belief,
    ) -> std::io::Result<(Clock, Clocks)> {
        let clocks = Clocks {
            wall: wall()?,
            boot: boot_id().into(),
            since_boot: since_boot()?,
        };
        let last = match belief {
            Belief::SetBack => last.min(clocks.wall),
            Belief::Confirmed | Belief::Accepted => last,
        };
        let start = start_time(last, before, &clocks, belief != Belief::Confirmed);
        let clock = Clock {
            anchor: start.time,
            boot: clocks.since_boot,
            doubt: start.doubt,
        };
        Ok((clock, clocks))
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

    /// How far this clock is ahead of the machine's wall clock.
    pub fn ahead_of_wall(&self) -> Duration {
        Duration::from_millis(self.wall_ahead_ms().min(0).unsigned_abs())
    }

    /// How far the wall clock was ahead at the start, and was not believed; zero when it was.
    pub fn doubt(&self) -> Duration {
        self.doubt
    }

    /// How long this clock has been going.
    pub fn uptime(&self) -> Duration {
        self.now() - self.anchor
    }
}

/// The machine's wall clock; the earliest time when it cannot be read.
pub(crate) fn wall_now() -> Timestamp {
    wall().unwrap_or_default()
}

/// How far a time is ahead of the machine's wall clock.
pub(crate) fn ahead_of_wall(time: Timestamp) -> Duration {
    wall().map_or(Duration::ZERO, |wall| time - wall)
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

/// Names the boot of the system; empty where the system does not say.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
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
    fn it_starts_no_earlier_than_the_last_event_unless_it_is_set_back() {
        let ahead = wall().unwrap() + Duration::from_secs(3600);
        let (clock, _) = Clock::start(ahead, None, Belief::Confirmed).unwrap();
        assert!(clock.now() >= ahead);
        assert!(
            clock.wall_ahead_ms() <= -3_590_000,
            "{} ms",
            clock.wall_ahead_ms()
        );
        assert!(clock.ahead_of_wall() > Duration::from_secs(3_590));
        let (set_back, clocks) = Clock::start(ahead, None, Belief::SetBack).unwrap();
        assert_eq!(
            (set_back.started(), set_back.doubt()),
            (clocks.wall, Duration::ZERO)
        );
    }
}
