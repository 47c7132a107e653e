//! Durations as people write and read them, the same in every program, and as the wire carries them.

use std::time::Duration;

use jiff::{SpanRelativeTo, fmt::friendly::SpanParser};

/// Reads `90s`, `500ms`, `1h 30m`, `2d`, or a number of seconds.
///
/// # Errors
///
/// A sentence that quotes the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    if let Ok(seconds) = trimmed.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds)
            .map_err(|_| format!("'{text}' is not a number of seconds from 0 upwards"));
    }
    let nonsense = || format!("'{text}' is not a duration, such as 90s, 10m or 1h 30m");
    let span = SpanParser::new().parse_span(trimmed).map_err(|_| nonsense())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(format!(
            "'{text}' has years or months, which differ in length: use days"
        ));
    }
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| nonsense())?;
    Duration::try_from(duration).map_err(|_| format!("'{text}' is negative; a duration is at least 0"))
}

/// Writes `1h 2m 3s`, or with three digits after the point below a minute: `1.500s`.
pub fn format_duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    if seconds < 60 && millis > 0 {
        return format!("{seconds}.{millis:03}s");
    }
    let parts: Vec<String> = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds % 60, "s")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

/// Reads a duration of the wire; nothing when it is negative or not well formed.
///
/// `Duration::try_from` of prost-types is not safe for the input of strangers: it panics at the smallest duration.
pub fn read_duration(length: &prost_types::Duration) -> Option<Duration> {
    let seconds = u64::try_from(length.seconds).ok()?;
    let nanos = u32::try_from(length.nanos).ok()?;
    (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
}

/// Writes a duration for the wire; nothing when its seconds do not fit there.
pub fn write_duration(length: Duration) -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: i64::try_from(length.as_secs()).ok()?,
        // Always below 1,000,000,000.
        nanos: i32::try_from(length.subsec_nanos()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("10m", 600.0),
            ("1h 30m", 5_400.0),
            ("1h30m", 5_400.0),
            ("500ms", 0.5),
            ("2 minutes", 120.0),
            ("2d", 172_800.0),
            ("1w", 604_800.0),
            ("45", 45.0),
            ("1.5", 1.5),
            ("0.2s", 0.2),
            ("0", 0.0),
            (" 5s ", 5.0),
        ] {
            assert_eq!(
                parse_duration(text).map(|d| d.as_secs_f64()),
                Ok(seconds),
                "{text}"
            );
        }
        for text in [
            "",
            "ten",
            "5 parsecs",
            "-5s",
            "-1",
            "5s ago",
            "1y",
            "2mo",
            "inf",
            "NaN",
            "1e300",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        for (millis, expected) in [
            (0, "0s"),
            (1_500, "1.500s"),
            (59_000, "59s"),
            (3_723_000, "1h 2m 3s"),
            (86_400_000, "1d"),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(format_duration(duration), expected);
            assert_eq!(parse_duration(expected), Ok(duration));
        }
        assert_eq!(format_duration(Duration::new(86_400, 5)), "1d");
    }

    #[test]
    fn no_duration_of_the_wire_is_too_strange_to_be_read() {
        let read = |seconds, nanos| read_duration(&prost_types::Duration { seconds, nanos });
        assert_eq!(read(1, 5), Some(Duration::new(1, 5)));
        assert_eq!(read(i64::MAX, 0), Some(Duration::from_secs(i64::MAX as u64)));
        for (seconds, nanos) in [
            (i64::MIN, 0),
            (i64::MIN, i32::MIN),
            (-1, 0),
            (0, -1),
            (0, 1_000_000_000),
        ] {
            assert_eq!(read(seconds, nanos), None, "{seconds} s {nanos} ns");
        }
        assert_eq!(write_duration(Duration::MAX), None);
        let written = write_duration(Duration::new(7, 9)).unwrap();
        assert_eq!((written.seconds, written.nanos), (7, 9));
    }
}
