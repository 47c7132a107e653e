//! Time as the engine sees it: milliseconds that come in as an argument.

use std::{
    ops::{Add, Sub},
    sync::Arc,
    time::Duration,
};

/// Milliseconds since the epoch, on the coordinator's clock, which never goes backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// The clocks of the coordinator's machine at a start, which the next start compares with its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The wall clock, which may have been set.
    pub wall: Timestamp,
    /// Names the boot of the system; empty when the system does not say.
    pub boot: Arc<str>,
    /// The time since that boot, which no setting of a clock changes.
    pub since_boot: Duration,
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(millis(duration)))
    }
}

impl Sub for Timestamp {
    type Output = Duration;

    /// The time since `earlier`; zero when `earlier` is the later one.
    fn sub(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A duration in four bytes: at most 49 days, longer than any limit of a task may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(u32);

impl From<Duration> for Millis {
    /// A longer duration becomes the longest possible.
    fn from(duration: Duration) -> Millis {
        Millis(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX))
    }
}

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Duration {
        Duration::from_millis(millis.0.into())
    }
}

/// Whole milliseconds of a duration, as records store it.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
