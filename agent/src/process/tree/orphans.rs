//! Orphans: processes of attempts whose parents ended. The agent is a subreaper, so they become its children, also
//! those that left the attempt's group and cleaned the mark from their environment.
//!
//! No trace leads from such an orphan to its attempt, but an orphan is younger than its attempt. So it is left alone as
//! long as an attempt runs that began before it, and is killed with the last one of them. What began while no attempt
//! ran comes from elsewhere: from `docker exec`, or from the program that became the agent. It is spared.

use std::collections::BTreeMap;

use super::mark::Mark;

/// The attempts whose processes are not gone yet, and when each began.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    began: BTreeMap<String, u64>,
    /// When the first of them began, or an earlier one that could not be ended whole. `None` while there are none.
    busy_since: Option<u64>,
}

/// What becomes of an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It comes from no attempt.
    Spared,
    /// It may belong to an attempt that runs.
    Kept,
    /// Every attempt that it may belong to has ended.
    Ended,
}

impl Attempts {
    /// An attempt begins.
    pub(super) fn begin(&mut self, mark: &Mark, now: u64) {
        self.began.insert(mark.as_str().to_owned(), now);
        self.busy_since.get_or_insert(now);
    }

    /// An attempt has ended; whether with all its processes.
    pub(super) fn end(&mut self, mark: &str, is_gone: bool) {
        self.began.remove(mark);
        if self.began.is_empty() && is_gone {
            self.busy_since = None;
        }
    }

    /// What becomes of an orphan that began then, while these attempts are ending.
    pub(super) fn fate(&self, began: u64, is_ending: impl Fn(&str) -> bool) -> Fate {
        if self.busy_since.is_none_or(|since| began < since) {
            return Fate::Spared;
        }
        let mut older = self.began.iter().filter(|(_, since)| **since <= began);
        if older.any(|(mark, _)| !is_ending(mark)) {
            Fate::Kept
        } else {
            Fate::Ended
        }
    }

    /// Whether an orphan that began then may belong to this attempt.
    pub(super) fn may_own(&self, mark: &str, began: u64) -> bool {
        self.began.get(mark).is_some_and(|since| *since <= began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_lives_as_long_as_an_attempt_that_it_may_belong_to() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.fate(5, |_| false), Fate::Spared);
        let [one, two, late] = [(); 3].map(|()| Mark::new("series"));
        attempts.begin(&one, 10);
        attempts.begin(&two, 20);
        attempts.begin(&late, 40);
        let ending = |marks: &[&Mark]| {
            let marks: Vec<_> = marks.iter().map(|mark| mark.as_str().to_owned()).collect();
            move |mark: &str| marks.iter().any(|ending| ending == mark)
        };
        assert_eq!(attempts.fate(9, ending(&[])), Fate::Spared);
        // Only the first attempt can have started what began before the second.
        assert_eq!(attempts.fate(15, ending(&[&two])), Fate::Kept);
        assert_eq!(attempts.fate(15, ending(&[&one])), Fate::Ended);
        assert_eq!(attempts.fate(30, ending(&[&one])), Fate::Kept);
        assert_eq!(attempts.fate(30, ending(&[&one, &two])), Fate::Ended);
        assert!(attempts.may_own(two.as_str(), 30) && !attempts.may_own(late.as_str(), 30));
        attempts.end(one.as_str(), true);
        attempts.end(two.as_str(), true);
        assert_eq!(attempts.fate(30, ending(&[])), Fate::Ended);
    }

    #[test]
    fn what_could_not_be_ended_is_tried_again_with_the_next_attempt() {
        let mut attempts = Attempts::default();
        let mark = Mark::new("series");
        attempts.begin(&mark, 10);
        attempts.end(mark.as_str(), false);
        attempts.begin(&mark, 50);
        assert_eq!(attempts.fate(20, |_| false), Fate::Ended);
        attempts.end(mark.as_str(), true);
        assert_eq!(attempts.fate(20, |_| false), Fate::Spared);
    }
}
