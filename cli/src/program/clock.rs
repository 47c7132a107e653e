//! The clock and the time zone of the person in front: ages are counted from now, and times are shown and read in the
//! zone of this machine.

use std::env;

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// Stands for now in pictures that should not change, such as those of the tests.
const VARIABLE: &str = "SWARM_NOW";

/// This moment.
pub fn now() -> Timestamp {
    let fixed = env::var(VARIABLE).ok().and_then(|now| now.parse().ok());
    fixed.unwrap_or_else(Timestamp::now)
}

/// The zone of `TZ` or of the machine; UTC when neither says one.
pub fn zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// A moment as this zone's clocks show it.
pub fn here(moment: Timestamp) -> Zoned {
    moment.to_zoned(zone())
}
