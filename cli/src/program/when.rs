//! Moments as people type them: `18:00`, `tomorrow 2am`, `2026-03-01 10:00`. Without an offset they are in the zone of
//! this machine.

use jiff::{
    Timestamp, ToSpan as _, Zoned,
    civil::{self, Date, Time},
    tz::{AmbiguousOffset, TimeZone},
};

/// Which one is meant by a time of day alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The last one that has passed.
    Past,
    /// The next one.
    Ahead,
}

/// Reads a moment; nothing when the text is none. A day is its midnight. The zone is that of `now`.
pub fn moment(text: &str, now: &Zoned, side: Side) -> Option<Timestamp> {
    let text = text.trim();
    // The parsers would ignore a zone's name.
    if text.contains('[') {
        return None;
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    if let Some(time) = time_of_day(text) {
        return nearest(now, time, side);
    }
    let local = |date: Date, time: Time| {
        let zoned = date.to_datetime(time).to_zoned(now.time_zone().clone());
        zoned.ok().map(|zoned| zoned.timestamp())
    };
    if let Some((day, rest)) = named_day(text, now.date()) {
        return match rest {
            "" => local(day?, Time::midnight()),
            rest => local(day?, time_of_day(rest)?),
        };
    }
    let written = text.parse::<civil::DateTime>().ok()?;
    local(written.date(), written.time())
}

/// The next or last moment with this time of day.
fn nearest(now: &Zoned, time: Time, side: Side) -> Option<Timestamp> {
    let today = now.date();
    let days = [today.checked_sub(1.day()), Ok(today), today.checked_add(1.day())];
    let days = days.into_iter().flatten();
    let moments = days.flat_map(|day| moments(day.to_datetime(time), now.time_zone()));
    let now = now.timestamp();
    match side {
        Side::Past => moments.filter(|moment| *moment <= now).max(),
        Side::Ahead => moments.filter(|moment| *moment > now).min(),
    }
}

/// The moments at which clocks show this: two in the hour that comes twice. In the hour that is missing, it is counted
/// from the time before.
fn moments(shown: civil::DateTime, zone: &TimeZone) -> Vec<Timestamp> {
    let zoned = || zone.to_ambiguous_zoned(shown);
    let moments = match zoned().offset() {
        AmbiguousOffset::Fold { .. } => vec![zoned().earlier(), zoned().later()],
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => vec![zoned().compatible()],
    };
    moments
        .into_iter()
        .flatten()
        .map(|zoned| zoned.timestamp())
        .collect()
}

/// `today`, `tomorrow` or `yesterday`, and what follows it. The day is missing where the calendar ends.
fn named_day(text: &str, today: Date) -> Option<(Option<Date>, &str)> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let day = match word.to_ascii_lowercase().as_str() {
        "today" => Some(today),
        "tomorrow" => today.checked_add(1.day()).ok(),
        "yesterday" => today.checked_sub(1.day()).ok(),
        _ => return None,
    };
    Some((day, rest.strip_prefix("at ").unwrap_or(rest)))
}

/// `18:00`, `18:00:05`, `2am`, `2:30 pm`.
fn time_of_day(text: &str) -> Option<Time> {
    let text = text.trim().to_ascii_lowercase();
    for (suffix, later) in [("am", 0), ("pm", 12)] {
        if let Some(twelve) = text.strip_suffix(suffix) {
            let (hour, minute) = match twelve.trim().split_once(':') {
                Some((hour, minute)) => (number(hour)?, number(minute)?),
                None => (number(twelve.trim())?, 0),
            };
            let hour = (1..=12).contains(&hour).then(|| hour % 12 + later)?;
            return Time::new(hour, minute, 0, 0).ok();
        }
    }
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().map_or(Some(0), number)?;
    Time::new(hour, minute, second, 0).ok()
}

/// One or two digits.
fn number(text: &str) -> Option<i8> {
    let is_short = matches!(text.len(), 1..=2) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use jiff::tz::offset;

    use super::*;

    fn read(text: &str, side: Side) -> Option<String> {
        let now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let now = now.to_zoned(TimeZone::fixed(offset(2)));
        moment(text, &now, side).map(|moment| moment.to_string())
    }

    #[test]
    fn moments_are_in_the_zone_at_hand_unless_they_say_otherwise() {
        // It is noon.
        for (text, expected) in [
            ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"),
            ("2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00Z"),
            ("2026-03-01 10:00", "2026-03-01T08:00:00Z"),
            (" 2026-03-01 ", "2026-02-28T22:00:00Z"),
            ("today", "2026-03-01T22:00:00Z"),
            ("tomorrow 2am", "2026-03-03T00:00:00Z"),
            ("Tomorrow at 14:30", "2026-03-03T12:30:00Z"),
            ("yesterday 12am", "2026-02-28T22:00:00Z"),
            ("today 12:05 PM", "2026-03-02T10:05:00Z"),
        ] {
            for side in [Side::Past, Side::Ahead] {
                assert_eq!(read(text, side).as_deref(), Some(expected), "{text}");
            }
        }
    }

    #[test]
    fn a_time_of_day_is_the_last_or_the_next_one() {
        for (text, last, next) in [
            ("18:00", "2026-03-01T16:00:00Z", "2026-03-02T16:00:00Z"),
            ("02:00", "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"),
            ("9am", "2026-03-02T07:00:00Z", "2026-03-03T07:00:00Z"),
            ("12:00", "2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z"),
        ] {
            assert_eq!(read(text, Side::Past).as_deref(), Some(last), "{text}");
            assert_eq!(read(text, Side::Ahead).as_deref(), Some(next), "{text}");
        }
    }

    #[test]
    fn a_time_of_day_may_come_twice_or_not_at_all() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let read = |now: &str, side| {
            let now = now.parse::<Timestamp>().unwrap().to_zoned(zone.clone());
            moment("2:30", &now, side).unwrap().to_string()
        };
        // On 25 October 2026 clocks go from 3:00 back to 2:00, at 1:00 of UTC.
        for (now, last, next) in [
            (
                "2026-10-25T00:15:00Z",
                "2026-10-24T00:30:00Z",
                "2026-10-25T00:30:00Z",
            ),
            (
                "2026-10-25T00:45:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ),
            (
                "2026-10-25T01:15:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ),
            (
                "2026-10-25T01:45:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-26T01:30:00Z",
            ),
            // On 29 March they go from 2:00 to 3:00, at 1:00 of UTC.
            (
                "2026-03-29T00:15:00Z",
                "2026-03-28T01:30:00Z",
                "2026-03-29T01:30:00Z",
            ),
        ] {
            assert_eq!(
                (read(now, Side::Past), read(now, Side::Ahead)),
                (last.to_owned(), next.to_owned()),
                "{now}"
            );
        }
    }

    #[test]
    fn what_is_no_moment_is_not_taken_for_one() {
        for text in [
            "",
            "soon",
            "24:00",
            "7:60",
            "13pm",
            "0am",
            "1:2:3:4",
            "+1:00",
            "tomorrow soon",
            "today now",
            "2026-13-01",
            "2026-03-01[Asia/Tokyo]",
        ] {
            assert_eq!(read(text, Side::Ahead), None, "{text}");
        }
    }
}
