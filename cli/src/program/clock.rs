//! The clock and the time zone of the person in front: ages are counted from now, and times are shown and read in the
//! zone of this machine.

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// This moment.
pub fn now() -> Timestamp {
    #[cfg(debug_assertions)]
    if let Some(fixed) = of_tests() {
        return fixed;
    }
    Timestamp::now()
}

/// The moment that a test's pictures are of. Whatever is released knows no such variable.
#[cfg(debug_assertions)]
fn of_tests() -> Option<Timestamp> {
    std::env::var("SWARM_NOW").ok()?.parse().ok()
}

/// The zone of `TZ` or of the machine; UTC when neither says one.
pub fn zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// A moment as this zone's clocks show it.
pub fn here(moment: Timestamp) -> Zoned {
    moment.to_zoned(zone())
}
