//! Avoiding: an agent that failed or refused a task should not be given it again for a while.
//!
//! This is only a preference, and it decays. When no other agent could be given a failed task, the same agent is.

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

/// The time for which an agent avoids a task, and the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avoided {
    /// The end of that time.
    pub until: Timestamp,
    /// It refused the task, so asking again is pointless. Otherwise it failed the task, and is given it again when no
    /// other agent could be.
    pub refused: bool,
    /// It could not start the task's command.
    pub not_started: bool,
}

/// The time for which this agent avoids the task; `None` when it may be given it now.
pub fn avoided(task: &Task, agent: &AgentId, now: Timestamp) -> Option<Avoided> {
    let by_agent = |attempt: &&Attempt| attempt.agent == *agent && attempt.round == task.round;
    let (mut times, mut ended, mut refused, mut not_started) = (0, Timestamp(0), false, false);
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
            not_started = matches!(&attempt.outcome, Outcome::Failed(failure) if failure.is_not_started());
        }
    }
    let until = ended + pause(times)?;
    (until > now).then_some(Avoided {
        until,
        refused,
        not_started,
    })
}

/// The length of the time after this many failures and refusals; `None` after none.
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
