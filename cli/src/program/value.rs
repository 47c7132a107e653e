//! Single values as people write them, in job files and flags: priorities, times and ids.

use jiff::Timestamp;
use swarm_proto::{
    duration::parse_duration,
    limits::{self, MAX_ID_BYTES},
    terminal::steers,
};

use super::{
    clock,
    when::{self, Side},
};

/// The word for what this person has submitted last.
pub(crate) const LAST: &str = "last";

/// Times as people may type them.
pub(crate) const TIMES: &str =
    "18:00, tomorrow 2am, 2026-03-01 (of this machine's zone) or 2026-03-01T10:00:00Z";

/// Characters of a generated id: 50 random bits, so that a million ids collide with a chance of one in two thousand.
const GENERATED_ID_LENGTH: usize = 10;

/// RFC 4648, in lower case: no capital letters to mistype, and safe in file names.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Names of priorities, with their numbers.
pub(crate) const PRIORITIES: &[(&str, i32)] = &[("low", -50), ("normal", 0), ("high", 50), ("critical", 100)];

/// Reads `low`, `normal`, `high`, `critical`, or a number from -100 to 100.
///
/// # Errors
///
/// A sentence that quotes the text.
pub fn parse_priority(text: &str) -> Result<i32, String> {
    let trimmed = text.trim();
    if let Some((_, number)) = PRIORITIES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(trimmed))
    {
        return Ok(*number);
    }
    let (lowest, highest) = (limits::PRIORITIES.start(), limits::PRIORITIES.end());
    match trimmed.parse::<i32>() {
        Ok(number) if limits::PRIORITIES.contains(&number) => Ok(number),
        Ok(_) => Err(format!(
            "priority {trimmed} is out of range: {lowest} to {highest}"
        )),
        Err(_) => Err(format!(
            "'{text}' is not a priority: low, normal, high, critical, or {lowest} to {highest}"
        )),
    }
}

/// Reads a time that is to come, such as `2026-03-01 10:00`, `18:00` or `tomorrow 2am`, in the zone of this machine
/// unless it has an offset.
///
/// # Errors
///
/// A sentence that quotes the text.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time = when::moment(text, &clock::here(clock::now()), Side::Ahead)
        .ok_or_else(|| format!("'{text}' is not a time, such as {TIMES}"))?;
    if time < Timestamp::UNIX_EPOCH {
        return Err(format!("'{text}' is before 1970"));
    }
    Ok(time)
}

/// Reads a time, or a duration that is counted from `now`. It is ahead.
///
/// # Errors
///
/// A sentence that quotes the text.
pub fn parse_deadline(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let deadline = match parse_duration(text) {
        Ok(duration) => now
            .checked_add(duration)
            .map_err(|_| format!("'{text}' from now is too far ahead")),
        Err(_) => parse_time(text).map_err(|_| {
            format!("'{text}' is neither a time, such as {TIMES}, nor a duration from now, such as 2h")
        }),
    }?;
    if deadline <= now {
        return Err(format!("'{text}' has passed: the task would fail at once"));
    }
    Ok(deadline)
}

/// Checks that a text can be the id of a task, job or agent.
///
/// # Errors
///
/// A sentence that quotes the text.
pub fn check_id(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("an id has at least one character".to_owned());
    }
    if text.len() > MAX_ID_BYTES {
        return Err(format!(
            "an id has at most {MAX_ID_BYTES} characters, and this one has {}",
            text.chars().count()
        ));
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    if let Some(bad) = text.chars().find(|c| !allowed(c)) {
        return Err(format!(
            "'{text}' is not an id: {} is not among A-Z a-z 0-9 . _ : -",
            quote(bad)
        ));
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(format!(
            "'{text}' is not an id: the first character is a letter or a digit"
        ));
    }
    Ok(())
}

/// Checks that a text can be the id of a new task or job.
///
/// # Errors
///
/// A sentence that quotes the text.
pub(crate) fn check_new_id(text: &str) -> Result<(), String> {
    check_id(text)?;
    check_new_name(text)
}

/// Checks that a text can be the name of a new job: it means the job wherever its id does.
///
/// # Errors
///
/// A sentence that quotes the text.
pub(crate) fn check_new_name(text: &str) -> Result<(), String> {
    match text {
        LAST => Err(format!(
            "'{LAST}' stands for what was submitted last, so no task or job can be called so"
        )),
        _ => Ok(()),
    }
}

/// A new random id, such as `k3v7q2mzdh`.
///
/// # Errors
///
/// A sentence when the system gives no random bytes.
pub fn generate_id() -> Result<String, String> {
    let mut bytes = [0; GENERATED_ID_LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| format!("cannot make an id: no random bytes: {error}"))?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(BASE32[usize::from(byte % 32)]))
        .collect())
}

/// An id of the same form, derived from the texts: the same texts give the same id.
pub(crate) fn derive_id<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for text in texts {
        hasher.update(text.as_bytes());
        // No id contains a line end, so "a", "b" and "ab" differ.
        hasher.update(b"\n");
    }
    let hash = hasher.digest();
    (0..GENERATED_ID_LENGTH)
        .map(|n| char::from(BASE32[(hash >> (5 * n)) as usize % 32]))
        .collect()
}

/// A character in quotes, or its code when it is invisible.
fn quote(c: char) -> String {
    if steers(c) {
        format!("character U+{:04X}", u32::from(c))
    } else {
        format!("'{c}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_names_or_numbers_in_range() {
        for (text, number) in [
            ("low", -50),
            ("normal", 0),
            ("High", 50),
            ("critical", 100),
            ("-7", -7),
            ("+3", 3),
            ("100", 100),
        ] {
            assert_eq!(parse_priority(text), Ok(number), "{text}");
        }
        for text in ["", "urgent", "101", "-101", "1.5", "99999999999"] {
            assert!(parse_priority(text).is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn a_time_says_its_offset_or_is_of_this_machine() {
        assert_eq!(
            parse_time("2026-03-01T12:00:00+02:00").unwrap().as_second(),
            1_772_359_200
        );
        let here = clock::here("2026-03-01T10:00:00Z".parse().unwrap());
        let written = here.strftime("%Y-%m-%d %H:%M").to_string();
        assert_eq!(parse_time(&written).unwrap(), here.timestamp());
        for text in ["2026-03-01[Asia/Tokyo]", "someday", "", "1969-01-01T00:00:00Z"] {
            assert!(parse_time(text).is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn a_deadline_may_count_from_now() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        assert_eq!(
            parse_deadline("2h", now).unwrap().to_string(),
            "2026-03-01T12:00:00Z"
        );
        assert_eq!(
            parse_deadline("2026-04-01T00:00:00Z", now).unwrap().to_string(),
            "2026-04-01T00:00:00Z"
        );
        for passed in ["2020-01-01", "0", "2026-03-01T10:00:00Z"] {
            assert!(
                parse_deadline(passed, now).unwrap_err().contains("has passed"),
                "{passed}"
            );
        }
        assert!(parse_deadline("soon", now).is_err());
        assert!(parse_deadline("99999999999999", now).is_err());
    }

    #[test]
    fn ids_are_checked_and_made() {
        for text in ["a", "9", "a.b_c:d-e", &"x".repeat(128)] {
            assert_eq!(check_id(text), Ok(()), "{text}");
        }
        for text in ["", "-a", ".a", "a b", "ä", "a/b", "a\u{1b}", &"x".repeat(129)] {
            assert!(check_id(text).is_err(), "{text:?} was accepted");
        }
        let (one, other) = (generate_id().unwrap(), generate_id().unwrap());
        assert_eq!((one.len(), check_id(&one)), (10, Ok(())));
        assert_ne!(one, other);
        assert_eq!(
            derive_id(["a", "b"].into_iter()),
            derive_id(["a", "b"].into_iter())
        );
        assert_ne!(derive_id(["a", "b"].into_iter()), derive_id(["ab"].into_iter()));
    }
}
