//! Avoiding: an agent that failed or refused a task, or was given up with it, should not be given it again for a while.
//!
//! This is only a preference, and it decays. When no other agent could be given a failed task, the same agent is.

use std::time::Duration;

use crate::{
    id::AgentId,
    limits::{AVOIDED, MAX_AVOIDED},
    noun::{
        outcome::{Blame, Loss, Outcome},
        task::Task,
    },
    time::Timestamp,
};

/// The time for which an agent avoids a task, and the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avoided {
    /// The end of that time.
    pub until: Timestamp,
    /// What happened last.
    pub why: Why,
}

/// The cause for which an agent avoids a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It failed the task, and is given it again when no other agent could be given it now.
    Failed,
    /// It could not start the task's command, which other agents may have: even a busy one is waited for.
    NotStarted,
    /// Somebody gave it up when it ran the task: even a busy agent is waited for.
    GivenUp,
    /// It refused the task, so asking again is pointless.
    Refused,
}

/// The time for which this agent avoids the task; `None` when it may be given it now.
pub fn avoided(task: &Task, agent: &AgentId, now: Timestamp) -> Option<Avoided> {
    let by_agent = task
        .attempts
        .iter()
        .filter(|attempt| attempt.agent == *agent && attempt.round == task.round);
    let blamed = by_agent.filter_map(|attempt| Some((why(&attempt.outcome)?, attempt.ended)));
    let (times, last) = blamed.fold((0, None), |(times, _), last| (times + 1, Some(last)));
    let (why, ended) = last?;
    let until = ended + pause(times)?;
    // An end that is still to come is by a clock that was set back since: nobody knows how long ago it was.
    (ended <= now && until > now).then_some(Avoided { until, why })
}

fn why(outcome: &Outcome) -> Option<Why> {
    match outcome {
        Outcome::Failed(failure) if failure.blame == Blame::Provider => None,
        Outcome::Failed(failure) if failure.is_not_started() => Some(Why::NotStarted),
        Outcome::Failed(_) => Some(Why::Failed),
        Outcome::Released { refused: true, .. } => Some(Why::Refused),
        Outcome::Lost(Loss::GivenUp) => Some(Why::GivenUp),
        Outcome::Released { refused: false, .. }
        | Outcome::Lost(_)
        | Outcome::Succeeded
        | Outcome::Cancelled => None,
    }
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
