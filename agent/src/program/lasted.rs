//! How long something lasted, for the log.

use std::time::Duration;

use swarm_proto::duration::format_duration;

/// A length to about two digits: `12 ms`, `3.1 s`, `42 s`, `2m 5s`.
pub(crate) fn length(lasted: Duration) -> String {
    match lasted.as_secs() {
        0 => format!("{} ms", lasted.as_millis()),
        1..10 => format!("{:.1} s", (lasted.as_millis() / 100) as f64 / 10.0),
        10..60 => format!("{} s", lasted.as_secs()),
        seconds => format_duration(Duration::from_secs(seconds)),
    }
}

/// What is said behind the end of something: ` after 75 s`, and nothing about less than a second.
pub(crate) fn after(lasted: Duration) -> String {
    match lasted.as_secs() {
        0 => String::new(),
        seconds => format!(" after {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_about_two_digits_and_a_unit() {
        let shown = [0, 12, 999, 3_149, 42_900, 125_000]
            .map(Duration::from_millis)
            .map(length);
        assert_eq!(shown, ["0 ms", "12 ms", "999 ms", "3.1 s", "42 s", "2m 5s"]);
    }

    #[test]
    fn nothing_lasts_for_no_seconds() {
        let shown = [0, 999, 1_000, 75_900].map(Duration::from_millis).map(after);
        assert_eq!(shown, ["", "", " after 1 s", " after 75 s"]);
    }
}
