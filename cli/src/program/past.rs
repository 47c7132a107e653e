//! Past times as people type them: `2h` ago, a time of day, or a date.

use jiff::{Timestamp, Zoned};
use swarm_proto::duration::parse_duration;

use super::{
    clock,
    when::{self, Side},
};

/// Reads a duration that is counted back from now (`90m`), or a time: `14:49`, `yesterday`, `2026-03-01 10:00` in the
/// zone of this machine, or `2026-03-01T10:00:00Z`. A day is its beginning.
///
/// # Errors
///
/// A sentence that quotes the text.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    parse_at(text, &clock::here(clock::now()))
}

fn parse_at(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    if let Ok(ago) = parse_duration(text.trim()) {
        let time = now
            .timestamp()
            .checked_sub(ago)
            .map_err(|_| format!("'{text}' ago is too long ago"))?;
        return not_before_1970(text, time);
    }
    match when::moment(text, now, Side::Past) {
        Some(time) => not_before_1970(text, time),
        None => Err(format!(
            "'{text}' is neither a duration that has passed, such as 2h, nor a time, such as 14:49, yesterday, \
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
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn a_time_is_named_by_how_long_ago_it_was_or_by_its_day() {
        let now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let now = now.to_zoned(TimeZone::UTC);
        for (text, expected) in [
            ("90m", "2026-03-02T08:30:00Z"),
            ("2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00Z"),
            ("2026-03-01 09:00:05Z", "2026-03-01T09:00:05Z"),
            ("2026-03-01 09:00", "2026-03-01T09:00:00Z"),
            (" 2026-03-01 ", "2026-03-01T00:00:00Z"),
            ("14:49", "2026-03-01T14:49:00Z"),
            ("today", "2026-03-02T00:00:00Z"),
            ("yesterday", "2026-03-01T00:00:00Z"),
        ] {
            assert_eq!(parse_at(text, &now).unwrap().to_string(), expected, "{text}");
        }
        for bad in ["", "someday", "2026-13-01", "100000d", "1969-12-31"] {
            let sentence = parse_at(bad, &now).unwrap_err();
            assert!(sentence.starts_with(&format!("'{bad}'")), "{sentence}");
        }
    }
}
