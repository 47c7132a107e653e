//! Values of the settings, each read from its text.

use std::time::Duration;

use swarm_program::log::{LEVELS, level};
use swarm_proto::{
    duration::{format_duration, parse_duration},
    limits::{MAX_KEY_BYTES, MAX_RULE_PATTERN_BYTES, MAX_SLOTS, MAX_WAIT},
};

use super::file_name::is_file_name;

/// The longest duration of a setting: clocks cannot count for ever.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// The most slots of `--slots auto`. A larger machine's owner should choose.
const MAX_AUTO_SLOTS: usize = 10;
/// Bytes of an agent's name: it names a directory, so it is shorter than the protocol's names.
const MAX_NAME_BYTES: usize = 100;

/// An agent's name.
pub(super) fn name(text: &str) -> Result<String, String> {
    if is_file_name(text, MAX_NAME_BYTES) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "a name is 1 to {MAX_NAME_BYTES} of [A-Za-z0-9._:-] and begins with a letter or digit"
    ))
}

/// A label, with or without a value.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    match key.len() {
        0 => Err("a label is KEY=VALUE, or KEY alone".to_owned()),
        1..=MAX_KEY_BYTES => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("a label's key has at most {MAX_KEY_BYTES} bytes")),
    }
}

/// The name of a queue.
pub(super) fn queue(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a queue has a name; leave --queues out for all".to_owned());
    }
    Ok(text.to_owned())
}

/// A pattern of programs.
pub(super) fn pattern(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("a pattern names programs; leave --allow-command out for all".to_owned()),
        1..=MAX_RULE_PATTERN_BYTES => Ok(text.to_owned()),
        _ => Err(format!("a pattern has at most {MAX_RULE_PATTERN_BYTES} bytes")),
    }
}

/// The number of slots.
pub(super) fn slots(text: &str) -> Result<u32, String> {
    if text == "auto" {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let slots = processors.saturating_sub(1).clamp(1, MAX_AUTO_SLOTS);
        return Ok(u32::try_from(slots).unwrap_or(1));
    }
    match text.parse() {
        Ok(slots) if (1..=MAX_SLOTS).contains(&slots) => Ok(slots),
        _ => Err(format!("expected auto, or a number from 1 to {MAX_SLOTS}")),
    }
}

/// The wait of a claim.
pub(super) fn claim_wait(text: &str) -> Result<Duration, String> {
    let wait = duration(text)?;
    if wait > MAX_WAIT {
        return Err(format!("a claim waits at most {}", format_duration(MAX_WAIT)));
    }
    Ok(wait)
}

/// A duration, as every program reads it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration > LONGEST {
        return Err(format!("'{text}' is longer than a year"));
    }
    Ok(duration)
}

/// The level of the log.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    level(text).ok_or_else(|| {
        format!(
            "write one of {}, or directives such as warn,swarm_agent=debug",
            LEVELS.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_every_program_up_to_a_year() {
        assert_eq!(duration("2d"), Ok(Duration::from_secs(2 * 24 * 3600)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        for text in ["1e15", "20000w", "-5s", "soon"] {
            assert!(duration(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn slots_are_a_number_or_what_the_machine_has() {
        assert_eq!(slots("3"), Ok(3));
        for text in ["0", "1001", "-1", "many"] {
            assert!(slots(text).is_err(), "{text:?} was accepted");
        }
        let processors = std::thread::available_parallelism().unwrap().get();
        assert_eq!(slots("auto"), Ok((processors - 1).clamp(1, 10) as u32));
    }

    #[test]
    fn a_claim_waits_half_a_minute_at_most() {
        assert_eq!(claim_wait("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(claim_wait("0"), Ok(Duration::ZERO));
        assert!(claim_wait("31s").is_err());
    }

    #[test]
    fn names_that_are_no_file_names_are_refused() {
        for text in ["", "..", "a/b", ".hidden", "-x", "with space"] {
            assert!(name(text).is_err(), "{text:?} was accepted");
        }
        assert_eq!(name("lab-3.example").as_deref(), Ok("lab-3.example"));
    }
}
