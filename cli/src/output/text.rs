//! Times, sizes and counts as text for people.

use std::collections::BTreeMap;

use prost_types::{Duration, Timestamp};
use swarm_proto::duration::{format_duration, read_duration};

use crate::program::clock;

/// In place of a value that is not there.
pub const ABSENT: &str = "-";

/// A time of this zone, to the second: `2026-01-02 03:04:05 CET`; `-` when absent.
pub fn time(time: Option<&Timestamp>) -> String {
    match time.and_then(moment) {
        Some(moment) => clock::here(moment).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        None => ABSENT.to_owned(),
    }
}

/// A time in a sentence: `03:04:05 CET` on the same day, the whole of it on others; `-` when absent.
pub fn at(time: Option<&Timestamp>) -> String {
    match time.and_then(moment) {
        Some(moment) => at_moment(moment),
        None => ABSENT.to_owned(),
    }
}

fn at_moment(moment: jiff::Timestamp) -> String {
    let (there, now) = (clock::here(moment), clock::here(clock::now()));
    let format = match there.date() == now.date() {
        true => "%H:%M:%S %Z",
        false => "%Y-%m-%d %H:%M:%S %Z",
    };
    there.strftime(format).to_string()
}

/// A time in a list in the order of time: `03:04:05` today, and `2026-01-02 03:04:05` on other days; `-` when absent.
pub fn time_of_day(time: Option<&Timestamp>) -> String {
    let Some(there) = time.and_then(moment).map(clock::here) else {
        return ABSENT.to_owned();
    };
    let format = match there.date() == clock::here(clock::now()).date() {
        true => "%H:%M:%S",
        false => "%Y-%m-%d %H:%M:%S",
    };
    there.strftime(format).to_string()
}

/// How long ago a time was, in one unit: `42s ago`, `3h ago`; `in 5m` when it is still to come; `-` when absent.
pub fn ago(time: Option<&Timestamp>) -> String {
    let Some(moment) = time.and_then(moment) else {
        return ABSENT.to_owned();
    };
    let since = clock::now().duration_since(moment);
    let length = in_one_unit(since.unsigned_abs());
    match since.as_secs() {
        0 => "now".to_owned(),
        1.. => format!("{length} ago"),
        _ => format!("in {length}"),
    }
}

/// A time with its age: `2m ago, 2026-01-02 03:04:05 CET`; `-` when absent.
pub fn time_and_age(at: Option<&Timestamp>) -> String {
    match at.and_then(moment) {
        Some(_) => format!("{}, {}", ago(at), time(at)),
        None => ABSENT.to_owned(),
    }
}

fn in_one_unit(length: std::time::Duration) -> String {
    const UNITS: &[(u64, &str)] = &[(2 * 86_400, "d"), (3_600, "h"), (60, "m")];
    let seconds = length.as_secs();
    match UNITS.iter().find(|(least, _)| seconds >= *least) {
        Some((_, "d")) => format!("{}d", seconds / 86_400),
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// How long something took, to about two digits: `35ms`, `3.1s`, `42s`, `2m 5s`, `1h 12m`, `3d 4h`.
pub fn took(length: std::time::Duration) -> String {
    let (seconds, millis) = (length.as_secs(), length.as_millis());
    match seconds {
        0 => format!("{millis}ms"),
        1..10 => format!("{:.1}s", (millis / 100) as f64 / 10.0),
        10..60 => format!("{seconds}s"),
        60..3_600 => in_two_units(seconds, 60, "m", 1, "s"),
        3_600..86_400 => in_two_units(seconds, 3_600, "h", 60, "m"),
        _ => in_two_units(seconds, 86_400, "d", 3_600, "h"),
    }
}

fn in_two_units(seconds: u64, large: u64, large_name: &str, small: u64, small_name: &str) -> String {
    match (seconds / large, seconds % large / small) {
        (whole, 0) => format!("{whole}{large_name}"),
        (whole, rest) => format!("{whole}{large_name} {rest}{small_name}"),
    }
}

/// A sentence of the coordinator, whose times are in UTC, with the times of this zone.
pub fn with_local_times(sentence: &str) -> String {
    let mut told = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some(place) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(place);
        told.push_str(before);
        let digits = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (kept, length) = match utc_time_at_start(from) {
            Some((moment, length)) => (at_moment(moment), length),
            None => (from[..digits].to_owned(), digits),
        };
        told.push_str(&kept);
        rest = &from[length..];
    }
    told + rest
}

/// The time that a text begins with, such as `2026-01-02T03:04:05Z`, and its length.
fn utc_time_at_start(text: &str) -> Option<(jiff::Timestamp, usize)> {
    /// A time with nanoseconds.
    const LONGEST: usize = 30;
    let end = text.bytes().take(LONGEST).position(|byte| byte == b'Z')? + 1;
    let written = text.get(..end)?;
    let is_time = |c: char| c.is_ascii_digit() || "-T :.Z".contains(c);
    let moment = written.chars().all(is_time).then(|| written.parse().ok())??;
    Some((moment, end))
}

/// A protobuf time; `None` when no calendar has it.
pub fn moment(time: &Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::new(time.seconds, time.nanos).ok()
}

/// A duration: `1h 2m 3s`, or `1.234s` below a minute. A negative duration counts as zero.
pub fn duration(duration: &Duration) -> String {
    format_duration(read_duration(duration).unwrap_or_default())
}

/// A duration in whole seconds: `49s`.
pub fn seconds_of(duration: &Duration) -> String {
    let length = read_duration(duration).unwrap_or_default();
    format_duration(std::time::Duration::from_secs(length.as_secs()))
}

/// The time between two moments, not below zero; nothing when one is absent.
pub fn between(start: Option<&Timestamp>, end: Option<&Timestamp>) -> Option<std::time::Duration> {
    let (start, end) = (start.and_then(moment)?, end.and_then(moment)?);
    Some(std::time::Duration::try_from(end.duration_since(start)).unwrap_or_default())
}

/// How long something took between two moments; `-` when one is absent.
pub fn span(start: Option<&Timestamp>, end: Option<&Timestamp>) -> String {
    between(start, end).map_or_else(|| ABSENT.to_owned(), took)
}

/// How long ago something started; nothing when that is absent.
pub fn since(start: Option<&Timestamp>) -> Option<std::time::Duration> {
    between(start, Some(&wire(clock::now())))
}

/// How long ago something started, as a length: `2m 5s`; `-` when that is absent.
pub fn elapsed(start: Option<&Timestamp>) -> String {
    since(start).map_or_else(|| ABSENT.to_owned(), took)
}

/// A time as seconds since 1970, to sort by.
pub fn seconds(time: &Timestamp) -> f64 {
    time.seconds as f64 + f64::from(time.nanos) / 1e9
}

fn wire(moment: jiff::Timestamp) -> Timestamp {
    Timestamp {
        seconds: moment.as_second(),
        nanos: moment.subsec_nanosecond(),
    }
}

/// A number of bytes: `512 B`, `64 KiB`, `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: &[(u64, &str)] = &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) if count.is_multiple_of(*size) => format!("{} {unit}", count / size),
        Some((size, unit)) => {
            let tenths = count.saturating_mul(10) / size;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{count} B"),
    }
}

/// `1 task`, `2 tasks`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// Labels and their like on one line: `os=linux zone=eu`.
pub fn pairs(pairs: &BTreeMap<String, String>) -> String {
    pairs
        .iter()
        .map(|(key, value)| match value.as_str() {
            "" => key.clone(),
            value => format!("{key}={value}"),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word quoted for a shell, if need be.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_to_about_two_digits() {
        let told = |millis| took(std::time::Duration::from_millis(millis));
        assert_eq!(
            [4, 999, 3_149, 42_900, 120_000, 125_000, 4_320_000, 273_600_000].map(told),
            ["4ms", "999ms", "3.1s", "42s", "2m", "2m 5s", "1h 12m", "3d 4h"]
        );
        let unit = |seconds| in_one_unit(std::time::Duration::from_secs(seconds));
        assert_eq!(
            [59, 119, 7_199, 172_799, 172_800].map(unit),
            ["59s", "1m", "1h", "47h", "2d"]
        );
    }

    #[test]
    fn times_in_sentences_are_found_and_nothing_else_is_touched() {
        let moment: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let here = at_moment(moment);
        for (said, told) in [
            (
                "again at 2026-01-02T03:04:05Z: exit",
                format!("again at {here}: exit"),
            ),
            ("since 2026-01-02 03:04:05Z", format!("since {here}")),
            (
                "2026-01-02T03:04:05.250Z",
                at_moment("2026-01-02T03:04:05.25Z".parse().unwrap()),
            ),
            (
                "10 of 12Z, 2026-01-02, 7ä",
                "10 of 12Z, 2026-01-02, 7ä".to_owned(),
            ),
            ("2026-13-02T03:04:05Z", "2026-13-02T03:04:05Z".to_owned()),
            ("", String::new()),
        ] {
            assert_eq!(with_local_times(said), told, "{said}");
        }
    }

    #[test]
    fn sizes_and_durations_read_well() {
        assert_eq!(
            [bytes(12), bytes(65_536), bytes(1_600_000)],
            ["12 B", "64 KiB", "1.5 MiB"]
        );
        let shown = |seconds, nanos| duration(&Duration { seconds, nanos });
        assert_eq!([shown(3_723, 0), shown(i64::MIN, 0)], ["1h 2m 3s", "0s"]);
    }
}
