//! Times and durations. The engine counts whole milliseconds, and so does what is stored: what is finer
//! is dropped here, so that a record is the same before and after a restart.

use std::time::Duration;

use swarm_engine::time::Timestamp;

/// A time as it goes out.
pub(crate) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(time.0 / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(time.0 % 1000 * 1_000_000).unwrap_or(0),
    }
}

/// A duration as it goes out.
pub(crate) fn duration(length: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(length.subsec_nanos()).unwrap_or(0),
    }
}

/// A time that came in.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn read_timestamp(time: &prost_types::Timestamp) -> Result<Timestamp, String> {
    let (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) =
        (u64::try_from(time.seconds), u32::try_from(time.nanos))
    else {
        return Err(
            "must not be before 1970, nor have negative or more than 999,999,999 nanoseconds".to_owned(),
        );
    };
    Ok(Timestamp(
        seconds
            .saturating_mul(1000)
            .saturating_add(u64::from(nanos / 1_000_000)),
    ))
}

/// A duration that came in. `Duration::try_from` of prost-types is not for strangers: it panics at the smallest one.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn read_duration(length: &prost_types::Duration) -> Result<Duration, String> {
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(length.seconds), u64::try_from(length.nanos)) else {
        return Err("must not be negative".to_owned());
    };
    Ok(Duration::from_millis(
        seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000),
    ))
}

/// A duration for people, in whole seconds where it has any.
pub(crate) fn describe(length: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match length.as_secs() {
        0 => format!("{} ms", length.as_millis()),
        seconds if seconds % DAY == 0 => format!("{} d", seconds / DAY),
        seconds if seconds % HOUR == 0 => format!("{} h", seconds / HOUR),
        seconds if seconds % MINUTE == 0 => format!("{} min", seconds / MINUTE),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_back_as_it_went_out() {
        for time in [0, 1, 999, 1000, 1_764_072_000_123] {
            assert_eq!(read_timestamp(&timestamp(Timestamp(time))), Ok(Timestamp(time)));
        }
        assert_eq!(
            timestamp(Timestamp(1_500)).to_string(),
            "1970-01-01T00:00:01.500Z"
        );
        assert!(!timestamp(Timestamp(u64::MAX)).to_string().is_empty());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (seconds, nanos) in [(-1, 0), (i64::MIN, 0), (0, -1), (0, 1_000_000_000), (0, i32::MAX)] {
            assert!(
                read_timestamp(&prost_types::Timestamp { seconds, nanos }).is_err(),
                "{seconds} {nanos}"
            );
        }
        assert!(
            read_timestamp(&prost_types::Timestamp {
                seconds: i64::MAX,
                nanos: 0
            })
            .is_ok()
        );
    }

    #[test]
    fn durations_are_whole_milliseconds_and_never_negative() {
        let read = |seconds, nanos| read_duration(&prost_types::Duration { seconds, nanos });
        assert_eq!(read(1, 2_999_999), Ok(Duration::from_millis(1002)));
        assert_eq!(read(0, 999_999), Ok(Duration::ZERO));
        for (seconds, nanos) in [(-1, 0), (0, -1), (1, -1), (i64::MIN, 0), (i64::MIN, i32::MIN)] {
            assert!(read(seconds, nanos).is_err(), "{seconds} {nanos}");
        }
        assert!(read(i64::MAX, i32::MAX).is_ok_and(|length| length > Duration::from_secs(1 << 50)));
        assert_eq!(
            duration(Duration::from_millis(1500)),
            prost_types::Duration {
                seconds: 1,
                nanos: 500_000_000
            }
        );
    }

    #[test]
    fn durations_are_described_in_their_largest_unit() {
        for (seconds, expected) in [(30 * 86_400, "30 d"), (7200, "2 h"), (90, "90 s"), (120, "2 min")] {
            assert_eq!(describe(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(describe(Duration::from_millis(1)), "1 ms");
    }
}
