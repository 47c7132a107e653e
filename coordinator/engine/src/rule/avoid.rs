//! Agents that should not be given a task for a while, because they failed or refused it.
//!
//! A preference only: it decays, and one that failed a task is given it again when nobody else could be.

use std::time::Duration;

use crate::{
    id::AgentId,
    limits::{AVOIDED, MAX_AVOIDED},
    noun::{
        attempt::Attempt,
        outcome::{Blame, Outcome},
        task::Task,
    },
    time::Timestamp,
};

/// Until when an agent should not be given a task, and what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avoided {
    /// Until then.
    pub until: Timestamp,
    /// It refused the task, so that asking it again is pointless; otherwise it failed it, and is asked again
    /// when no other agent could be given the task.
    pub refused: bool,
}

/// Whether this agent should not be given the task now.
pub fn avoided(task: &Task, agent: &AgentId, now: Timestamp) -> Option<Avoided> {
    let by_agent = |attempt: &&Attempt| attempt.agent == *agent && attempt.round == task.round;
    let (mut times, mut ended, mut refused) = (0, Timestamp(0), false);
    for attempt in task.attempts.iter().filter(by_agent) {
        let blamed = match &attempt.outcome {
            Outcome::Failed(failure) => failure.blame != Blame::Provider,
            Outcome::Released { refused, .. } => *refused,
            Outcome::Succeeded | Outcome::Cancelled | Outcome::Lost(_) => false,
        };
        if blamed {
            times += 1;
            ended = attempt.ended;
            refused = matches!(attempt.outcome, Outcome::Released { .. });
        }
    }
    let until = ended + pause(times)?;
    (until > now).then_some(Avoided { until, refused })
}

/// How long after so many times; `None` after none.
fn pause(times: u32) -> Option<Duration> {
    let doublings = times.checked_sub(1)?;
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    Some(AVOIDED.saturating_mul(factor).min(MAX_AVOIDED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_an_hour() {
        let minutes = |times| pause(times).map(|pause| pause.as_secs() / 60);
        assert_eq!(minutes(0), None);
        assert_eq!(
            [1, 2, 3, 6, 7, 40, u32::MAX].map(minutes),
            [1, 2, 4, 32, 60, 60, 60].map(Some)
        );
    }
}
