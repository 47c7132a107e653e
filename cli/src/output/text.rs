//! Times, sizes and counts as text for people.

use std::collections::BTreeMap;

use prost_types::{Duration, Timestamp};
use swarm_proto::duration::{format_duration, read_duration};

/// A time in UTC, to the second: `2026-01-02 03:04:05Z`; `-` when absent.
pub fn time(time: Option<&Timestamp>) -> String {
    match time.and_then(moment) {
        Some(moment) => moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        None => "-".to_owned(),
    }
}

/// A protobuf time; `None` when no calendar has it.
pub fn moment(time: &Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::new(time.seconds, time.nanos).ok()
}

/// A duration: `1h 2m 3s`, or `1.234s` below a minute. A negative duration counts as zero.
pub fn duration(duration: &Duration) -> String {
    format_duration(read_duration(duration).unwrap_or_default())
}

/// The time between two moments; `-` when one is absent.
pub fn span(start: Option<&Timestamp>, end: Option<&Timestamp>) -> String {
    let (Some(start), Some(end)) = (start.and_then(moment), end.and_then(moment)) else {
        return "-".to_owned();
    };
    let took = end.duration_since(start);
    duration(&Duration {
        seconds: took.as_secs(),
        nanos: took.subsec_nanos(),
    })
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
        .map(|(key, value)| format!("{key}={value}"))
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
    fn sizes_and_durations_read_well() {
        assert_eq!(
            [bytes(12), bytes(65_536), bytes(1_600_000)],
            ["12 B", "64 KiB", "1.5 MiB"]
        );
        let shown = |seconds, nanos| duration(&Duration { seconds, nanos });
        assert_eq!([shown(3_723, 0), shown(i64::MIN, 0)], ["1h 2m 3s", "0s"]);
    }
}
