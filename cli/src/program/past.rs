//! Past times as people type them: `2h` ago, or a date.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use swarm_proto::duration::parse_duration;

use super::value;

/// Reads a duration that is counted back from now (`90m`), or a time: `2026-03-01T10:00:00Z`, `2026-03-01 10:00`,
/// `2026-03-01`, `today` and `yesterday` (in UTC, as times are shown; a day is its beginning).
///
/// # Errors
///
/// A sentence that quotes the text.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    parse_at(text, Timestamp::now())
}

fn parse_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let trimmed = text.trim();
    if let Ok(ago) = parse_duration(trimmed) {
        let time = now
            .checked_sub(ago)
            .map_err(|_| format!("'{text}' ago is too long ago"))?;
        return not_before_1970(text, time);
    }
    let day = match trimmed {
        "today" => Some(0.days()),
        "yesterday" => Some(1.day()),
        _ => None,
    };
    if let Some(days) = day {
        let beginning = now.to_zoned(TimeZone::UTC).start_of_day();
        return beginning
            .and_then(|today| today.checked_sub(days))
            .map(|time| time.timestamp())
            .map_err(|_| format!("'{text}' is too long ago"));
    }
    match value::time(trimmed) {
        Some(time) => not_before_1970(text, time),
        None => Err(format!(
            "'{text}' is neither a duration that has passed, such as 2h, nor a time, such as yesterday, \
             2026-03-01 or 2026-03-01T10:00:00Z"
        )),
    }
}

fn not_before_1970(text: &str, time: Timestamp) -> Result<Timestamp, String> {
    if time < Timestamp::UNIX_EPOCH {
        return Err(format!("'{text}' is before 1970"));
    }
    Ok(time)
}

/// The time as a protobuf message.
pub fn wire(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_named_by_how_long_ago_it_was_or_by_its_day() {
        let now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("90m", "2026-03-02T08:30:00Z"),
            ("2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00Z"),
            ("2026-03-01 09:00:05Z", "2026-03-01T09:00:05Z"),
            ("2026-03-01 09:00", "2026-03-01T09:00:00Z"),
            (" 2026-03-01 ", "2026-03-01T00:00:00Z"),
            ("today", "2026-03-02T00:00:00Z"),
            ("yesterday", "2026-03-01T00:00:00Z"),
        ] {
            assert_eq!(parse_at(text, now).unwrap().to_string(), expected, "{text}");
        }
        for bad in ["", "someday", "2026-13-01", "100000d", "1969-12-31"] {
            let sentence = parse_at(bad, now).unwrap_err();
            assert!(sentence.starts_with(&format!("'{bad}'")), "{sentence}");
        }
    }
}
