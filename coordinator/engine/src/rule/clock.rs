//! The time with which a coordinator goes on after a start, when the wall clock of its machine may be wrong.
//!
//! A wrong clock that is believed makes finished tasks old, lets deadlines pass and cannot be taken back, for the
//! journal's time never goes backwards. So a wall clock that is more than [`MAX_CLOCK_JUMP`] past the last event is
//! believed only when something confirms it:
//!
//! - the operator says so;
//! - the machine runs since the last start, whose clock was believed, and its boot-time clock has gone on by as much;
//! - the last start, at least [`CLOCK_CONFIRMED_AFTER`] ago by this clock, found the wall clock as far ahead.
//!
//! Otherwise the time goes on from the last event: nothing gets older than it surely is.

use std::time::Duration;

use crate::{
    limits::{CLOCK_CONFIRMED_AFTER, CLOCK_TOLERANCE, MAX_CLOCK_JUMP},
    state::Identity,
    time::{Clocks, Timestamp},
};

/// The time of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartTime {
    /// The coordinator's time from which it goes on.
    pub time: Timestamp,
    /// How far the wall clock is ahead of that and not believed; zero when it is believed.
    pub doubt: Duration,
}

/// The time of a start whose machine has these clocks. `last` is the time of the last event, and `before` the start
/// that was last in the journal.
pub fn start_time(
    last: Timestamp,
    before: Option<&Identity>,
    clocks: &Clocks,
    is_accepted: bool,
) -> StartTime {
    let wall = clocks.wall;
    let Some(before) = before.filter(|_| !is_accepted && wall > last + MAX_CLOCK_JUMP) else {
        return believed(wall.max(last));
    };
    let Some(noted) = &before.clocks else {
        return doubted(last, wall);
    };
    let was_believed = differ(noted.wall, before.started) <= CLOCK_TOLERANCE;
    if was_believed && is_as_boot_clock_says(noted, clocks) {
        return believed(wall);
    }
    // The clock of the last start, as far as the coordinator ran since then.
    let confirmed = noted.wall + (last - before.started);
    let is_confirmed = noted.wall > before.started + MAX_CLOCK_JUMP
        && wall >= noted.wall + CLOCK_CONFIRMED_AFTER
        && wall + CLOCK_TOLERANCE >= confirmed;
    match is_confirmed {
        true if wall <= confirmed + MAX_CLOCK_JUMP => believed(wall),
        // It was down for more than a day again: two starts say that it is at least this late.
        true => doubted(confirmed, wall),
        false => doubted(last, wall),
    }
}

fn believed(time: Timestamp) -> StartTime {
    StartTime {
        time,
        doubt: Duration::ZERO,
    }
}

fn doubted(time: Timestamp, wall: Timestamp) -> StartTime {
    StartTime {
        time,
        doubt: wall - time,
    }
}

/// Whether wall clock and boot-time clock have gone on by the same time since an earlier start of the same boot.
fn is_as_boot_clock_says(noted: &Clocks, clocks: &Clocks) -> bool {
    let is_same_boot = !clocks.boot.is_empty() && clocks.boot == noted.boot;
    let gone_on = clocks.since_boot.saturating_sub(noted.since_boot);
    is_same_boot && differ(noted.wall + gone_on, clocks.wall) <= CLOCK_TOLERANCE
}

fn differ(one: Timestamp, other: Timestamp) -> Duration {
    (one - other).max(other - one)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);
    /// The time of the last event in each story.
    const LAST: Timestamp = Timestamp(1_700_000_000_000);

    fn clocks(wall: Timestamp, boot: &str, since_boot: Duration) -> Clocks {
        Clocks {
            wall,
            boot: boot.into(),
            since_boot,
        }
    }

    /// The start before, an hour before the last event, with a wall clock that was ahead by this much.
    fn before(ahead: Duration) -> Identity {
        let started = Timestamp(LAST.0 - 3_600_000);
        Identity {
            epoch: 1,
            cluster_id: "cluster".into(),
            history: "history".into(),
            started,
            clocks: Some(clocks(started + ahead, "boot", HOUR)),
        }
    }

    fn at(before: &Identity, clocks: &Clocks) -> StartTime {
        start_time(LAST, Some(before), clocks, false)
    }

    #[test]
    fn a_clock_within_a_day_is_believed_and_time_never_goes_backwards() {
        let other = |wall| clocks(wall, "other", HOUR);
        assert_eq!(
            at(&before(Duration::ZERO), &other(LAST + DAY)),
            believed(LAST + DAY)
        );
        assert_eq!(at(&before(Duration::ZERO), &other(Timestamp(5))), believed(LAST));
        let new = start_time(Timestamp(0), None, &other(LAST), false);
        assert_eq!(new, believed(LAST));
    }

    #[test]
    fn a_clock_that_is_more_than_a_day_ahead_is_doubted_unless_the_operator_accepts_it() {
        let wrong = clocks(LAST + 30 * DAY, "other", HOUR);
        assert_eq!(at(&before(Duration::ZERO), &wrong), doubted(LAST, wrong.wall));
        let accepted = start_time(LAST, Some(&before(Duration::ZERO)), &wrong, true);
        assert_eq!(accepted, believed(wrong.wall));
        let unknown = Identity {
            clocks: None,
            ..before(Duration::ZERO)
        };
        assert_eq!(at(&unknown, &wrong), doubted(LAST, wrong.wall));
    }

    #[test]
    fn the_boot_time_clock_of_the_same_boot_confirms_it_and_no_other() {
        let wall = LAST + 30 * DAY;
        let since = |boot, gone_on: Duration| clocks(wall, boot, HOUR + gone_on);
        let fine = before(Duration::ZERO);
        assert_eq!(at(&fine, &since("boot", HOUR + 30 * DAY)), believed(wall));
        assert_eq!(at(&fine, &since("boot", HOUR)), doubted(LAST, wall), "it was set");
        assert_eq!(at(&fine, &since("other", HOUR + 30 * DAY)), doubted(LAST, wall));
        // It goes on as it was, and it was wrong.
        let wrong = before(60 * DAY);
        assert_eq!(at(&wrong, &since("boot", HOUR + 30 * DAY)), doubted(LAST, wall));
    }

    #[test]
    fn a_second_start_confirms_the_clock_of_the_first_after_a_while() {
        let first = before(30 * DAY);
        let noted = first.clocks.clone().unwrap().wall;
        let again = |wall| at(&first, &clocks(wall, "other", HOUR));
        // It ran for an hour, and was started again at once: that confirms, for it ran for longer than a loop does.
        assert_eq!(again(noted + HOUR), believed(noted + HOUR));
        assert_eq!(again(noted + DAY), believed(noted + DAY));
        let behind = noted + HOUR / 2;
        assert_eq!(again(behind), doubted(LAST, behind), "the clock went back");
        let longer = noted + 3 * DAY;
        assert_eq!(
            again(longer),
            doubted(noted + HOUR, longer),
            "only the first is confirmed"
        );

        let in_a_loop = Identity {
            started: LAST,
            clocks: Some(clocks(LAST + 30 * DAY, "boot", HOUR)),
            ..first
        };
        let soon = LAST + 30 * DAY + Duration::from_secs(5);
        assert_eq!(at(&in_a_loop, &clocks(soon, "boot", HOUR)), doubted(LAST, soon));
    }
}
