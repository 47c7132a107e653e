//! Clocks: the coordinator's, that of its machine, and ours.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use swarm_proto::{duration::format_duration, v1::GetStatusResponse};

use super::report::Report;

/// The largest difference of clocks without a warning. Beyond it, times in different logs are hard to compare.
const MAX_SKEW: Duration = Duration::from_secs(2);

/// A coordinator whose time is ahead of the wall clock by more than this removes nothing.
const MAX_TIME_AHEAD_MS: u64 = 60_000;

/// Compares the clocks by a status that was asked for and answered at these times.
pub(super) fn compare_clocks(
    report: &mut Report,
    status: &GetStatusResponse,
    asked: SystemTime,
    answered: SystemTime,
) {
    let millis = |time: SystemTime| {
        time.duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    };
    let Some(theirs) = &status.server_time else { return };
    let theirs = theirs
        .seconds
        .saturating_mul(1_000)
        .saturating_add(i64::from(theirs.nanos) / 1_000_000);
    let skew = skew(millis(asked), millis(answered), theirs);
    let ahead = status.wall_clock_ahead_ms;
    let limit = i64::try_from(MAX_SKEW.as_millis()).unwrap_or(i64::MAX);
    if status.clock_doubt_ms > 0 {
        report.notable(
            "coordinator's clock",
            format!(
                "this coordinator's clock is {} ahead of its last event before the start: it is not believed, \
                 nothing is removed, and its time goes on from that event",
                length(status.clock_doubt_ms)
            ),
            "look at date on its machine: if that is right, start it with --accept-clock, or once more after ten \
             minutes; if it is wrong, set it and start the coordinator again",
        );
    } else if status.time_ahead_ms > MAX_TIME_AHEAD_MS {
        report.notable(
            "coordinator's clock",
            format!(
                "this coordinator's time is {} ahead of its machine's clock, because that was wrong once: nothing is \
                 removed, and deadlines and start times wait for the clock",
                length(status.time_ahead_ms)
            ),
            "look at date on its machine: if that is right, stop the coordinator and run coordinator repair \
             --set-time-back; if it is wrong, set it",
        );
    } else if ahead.abs() > limit {
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        report.notable(
            "wall clock",
            format!(
                "the wall clock of the coordinator's machine is {} {direction} the time it counts by",
                seconds(ahead)
            ),
            "the clock was set while it ran: times that it gives are off until the coordinator is started again",
        );
    }
    if skew.abs() > limit {
        let direction = if skew > 0 { "behind" } else { "ahead of" };
        report.notable(
            "clock",
            format!(
                "this machine's clock is {} {direction} the coordinator's",
                seconds(skew)
            ),
            "have both machines set by the same time servers, such as with: timedatectl set-ntp true",
        );
    } else {
        report.well(
            "clock",
            format!("within {} of the coordinator's", format_duration(MAX_SKEW)),
        );
    }
}

/// How far the coordinator's clock is surely ahead of ours, in milliseconds: 0 when the time that the answer took may
/// explain the difference.
fn skew(asked: i64, answered: i64, theirs: i64) -> i64 {
    match theirs {
        theirs if theirs > answered => theirs - answered,
        theirs if theirs < asked => theirs - asked,
        _ => 0,
    }
}

fn seconds(millis: i64) -> String {
    length(millis.unsigned_abs())
}

fn length(millis: u64) -> String {
    format_duration(Duration::from_secs(millis / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(asked: u64, answered: u64, theirs: i64, ahead: i64) -> String {
        let mut report = Report::default();
        let status = GetStatusResponse {
            server_time: Some(prost_types::Timestamp {
                seconds: theirs,
                nanos: 0,
            }),
            wall_clock_ahead_ms: ahead,
            ..GetStatusResponse::default()
        };
        let time = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        compare_clocks(&mut report, &status, time(asked), time(answered));
        report.to_string()
    }

    #[test]
    fn a_difference_of_clocks_is_told_unless_the_way_explains_it() {
        assert!(clocks(100, 100, 101, 0).starts_with("✔ clock"));
        assert!(clocks(100, 110, 100, 0).starts_with("✔ clock"));
        let behind = clocks(100, 101, 200, 0);
        assert!(
            behind.starts_with("! clock: this machine's clock is 1m 39s behind the coordinator's\n"),
            "{behind}"
        );
        assert!(clocks(100, 101, 10, 0).contains("1m 30s ahead of"));
        assert!(clocks(100, 100, 100, -7_000).contains("is 7s behind the time it counts by"));
    }

    #[test]
    fn a_clock_in_doubt_and_a_time_ahead_of_it_are_told_with_what_mends_them() {
        let told = |clock_doubt_ms, time_ahead_ms| {
            let mut report = Report::default();
            let status = GetStatusResponse {
                server_time: Some(prost_types::Timestamp {
                    seconds: 100,
                    nanos: 0,
                }),
                wall_clock_ahead_ms: 7_000,
                clock_doubt_ms,
                time_ahead_ms,
                ..GetStatusResponse::default()
            };
            let now = UNIX_EPOCH + Duration::from_secs(100);
            compare_clocks(&mut report, &status, now, now);
            report.to_string()
        };
        let doubt = told(30 * 86_400_000, 0);
        assert!(
            doubt.contains("this coordinator's clock is 30d ahead of its last event"),
            "{doubt}"
        );
        assert!(doubt.contains("--accept-clock"), "{doubt}");
        let ahead = told(0, 30 * 86_400_000);
        assert!(ahead.contains("this coordinator's time is 30d ahead"), "{ahead}");
        assert!(ahead.contains("--set-time-back"), "{ahead}");
        assert!(told(0, 500).contains("wall clock"));
    }
}
