//! The time without work, for the owner's log: a new reason at once, each reason once a minute, and the end.

use std::{collections::BTreeMap, time::Duration};

use swarm_proto::v1::{ClaimResponse, EmptyReason, Passed};
use tokio::time::Instant;

use crate::{coordinator::hold::shown, program::lasted::after};

/// How often the same reason is logged.
const AGAIN: Duration = Duration::from_secs(60);
/// Reasons that are remembered. If the coordinator finds more, some are logged more often.
const MAX_REMEMBERED: usize = 32;

/// The time without work, and its reasons in the log.
#[derive(Default)]
pub(super) struct NoWork {
    /// When the log first told of it; `None` while there is work.
    told: Option<Instant>,
    /// When each reason was last logged, by its text without numbers.
    said: BTreeMap<String, Instant>,
}

impl NoWork {
    /// The log line about a claim that brought nothing; `None` when it was logged within the last minute.
    pub(super) fn note(&mut self, answer: &ClaimResponse, now: Instant) -> Option<String> {
        let sentence = sentence(answer);
        let key = without_numbers(&sentence);
        if self.said.get(&key).is_some_and(|said| now < *said + AGAIN) {
            return None;
        }
        if self.said.len() >= MAX_REMEMBERED {
            self.said.clear();
        }
        self.said.insert(key, now);
        self.told.get_or_insert(now);
        Some(sentence)
    }

    /// The log line about new work; `None` when the log did not tell of a lack of work.
    pub(super) fn end(&mut self, now: Instant) -> Option<String> {
        let told = self.told.take()?;
        Some(format!("work again{}", after(now.duration_since(told))))
    }
}

/// Why a claim brought nothing, in one line.
fn sentence(answer: &ClaimResponse) -> String {
    let passed: Vec<String> = answer.passed.iter().map(passed).collect();
    if !passed.is_empty() {
        return format!("nothing fits: {}", passed.join("; "));
    }
    match answer.empty_reason() {
        EmptyReason::NothingQueued => "nothing is queued that this agent could take; waiting".to_owned(),
        EmptyReason::NothingFits => {
            "nothing fits: there are queued tasks, and none for this agent".to_owned()
        }
        EmptyReason::Paused => "somebody paused everything, or this agent".to_owned(),
        EmptyReason::ScanLimit => {
            "none of the tasks that the last claim looked at is for this agent; the next one looks at others"
                .to_owned()
        }
        EmptyReason::Drained => "somebody drains this agent".to_owned(),
        EmptyReason::Stopped => "somebody stopped all agents".to_owned(),
        EmptyReason::MachineSlowed | EmptyReason::Unspecified => {
            "the coordinator gives this agent nothing for now".to_owned()
        }
    }
}

fn passed(passed: &Passed) -> String {
    if passed.message.is_empty() {
        let plural = if passed.tasks == 1 { "" } else { "s" };
        return format!("{} task{plural} ({})", passed.tasks, shown(&passed.kind));
    }
    shown(&passed.message)
}

/// The text without digits: 11 tasks after 12 tasks are no news.
fn without_numbers(sentence: &str) -> String {
    sentence.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(reason: EmptyReason, messages: &[&str]) -> ClaimResponse {
        let passed = |message: &&str| Passed {
            message: (*message).to_owned(),
            ..Passed::default()
        };
        ClaimResponse {
            empty_reason: reason.into(),
            passed: messages.iter().map(passed).collect(),
            ..ClaimResponse::default()
        }
    }

    #[test]
    fn a_reason_is_said_when_it_is_news_and_then_once_a_minute() {
        let (mut no_work, start) = (NoWork::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let gpu = |count| {
            answer(
                EmptyReason::NothingFits,
                &[&format!("{count} tasks need label gpu")],
            )
        };
        assert_eq!(
            no_work.note(&gpu(12), at(0)).as_deref(),
            Some("nothing fits: 12 tasks need label gpu")
        );
        assert_eq!(no_work.note(&gpu(11), at(59)), None);
        let both = answer(
            EmptyReason::NothingFits,
            &["11 tasks need label gpu", "3 wait in paused queue nightly"],
        );
        assert_eq!(
            no_work.note(&both, at(59)).as_deref(),
            Some("nothing fits: 11 tasks need label gpu; 3 wait in paused queue nightly")
        );
        assert!(no_work.note(&gpu(10), at(60)).is_some());
        assert_eq!(no_work.end(at(75)).as_deref(), Some("work again after 75 s"));
        assert_eq!(no_work.end(at(75)), None);
        assert!(no_work.note(&gpu(9), at(200)).is_some());
        assert_eq!(no_work.end(at(200)).as_deref(), Some("work again"));
    }

    #[test]
    fn work_that_comes_and_goes_does_not_fill_the_log() {
        let (mut no_work, now) = (NoWork::default(), Instant::now());
        let nothing = answer(EmptyReason::NothingQueued, &[]);
        assert!(no_work.note(&nothing, now).is_some());
        assert!(no_work.end(now).is_some());
        assert!(no_work.note(&nothing, now).is_none() && no_work.end(now).is_none());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut no_work, now) = (NoWork::default(), Instant::now());
        for n in 0..u8::MAX {
            let name: String = (0..n).map(|_| 'x').collect();
            assert!(
                no_work
                    .note(&answer(EmptyReason::NothingFits, &[&name]), now)
                    .is_some()
            );
        }
        assert!(no_work.said.len() <= MAX_REMEMBERED);
    }
}
