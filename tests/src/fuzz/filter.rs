//! The short texts that people and programs choose by: label terms, ids, durations, times, priorities, addresses.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use swarm_engine::noun::selector::{Selector, Term};
use swarm_proto::{
    channel::Address,
    duration::{format_duration, parse_duration},
};
use swarmctl::program::value;

/// Longer than any that is taken; days beyond some millions are not read again.
const LONGEST: Duration = Duration::from_secs(1_000 * 366 * 24 * 3600);

/// Each line is a term of one selector, and everything else that a line can be.
pub(super) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines {
        if let Ok(term) = Term::parse(line) {
            assert_eq!(Term::parse(&term.to_string()), Ok(term.clone()));
            if let Some((key, value)) = term.example().as_deref().and_then(|label| label.split_once('=')) {
                let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
                assert!(term.is_met_by(&labels), "{labels:?} is no example of {term}");
            }
        }
        if let Ok(duration) = parse_duration(line)
            && duration <= LONGEST
        {
            let written = format_duration(duration);
            // Parts of a second may be left out of what is written.
            let lost = parse_duration(&written).map(|again| duration.checked_sub(again));
            let is_close = matches!(lost, Ok(Some(lost)) if lost < Duration::from_secs(1));
            assert!(is_close, "{line:?} became {written:?}");
        }
        let _ = value::check_id(line);
        let _ = value::parse_priority(line);
        let _ = value::parse_time(line);
        let _ = value::parse_deadline(line, Timestamp::UNIX_EPOCH);
        let _ = line.parse::<Address>();
    }
    if let Ok(selector) = Selector::parse(&lines) {
        let again: Vec<String> = selector.terms().iter().map(Term::to_string).collect();
        assert_eq!(Selector::parse(&again), Ok(selector.clone()));
        assert_eq!(
            selector.matches(&BTreeMap::new()),
            selector.first_unmet(&BTreeMap::new()).is_none()
        );
    }
}
