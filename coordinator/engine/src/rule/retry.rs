//! Verdicts after a failure or loss: whether and when a task is tried again.

use std::{sync::Arc, time::Duration};

use crate::{
    limits::{
        INITIAL_BACKOFF, MAX_BACKOFF, MAX_LOSSES, MAX_LOST_ON, MAX_PROVIDER_WAIT, MAX_UNDELIVERED,
        PROVIDER_BACKOFF,
    },
    noun::{
        outcome::{Blame, Failure, Loss},
        task::Task,
        tries::Tries,
    },
    time::{Timestamp, millis},
};

/// The verdict on a task after a failure or loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The task is tried again, at this time or at once.
    Again(Option<Timestamp>),
    /// The task is not tried again, for this reason.
    Enough(Arc<str>),
}

/// The verdict after a failure, which the counts include already. The deadline is one of the coordinator's clock.
pub fn after_failure(
    task: &Task,
    tries: &Tries,
    failure: &Failure,
    retry_after: Option<Duration>,
    deadline: Option<Timestamp>,
    now: Timestamp,
    jitter: u64,
) -> Verdict {
    if deadline.is_some_and(|deadline| deadline <= now) {
        return Verdict::Enough("its deadline has passed".into());
    }
    let policy = &task.retry;
    match failure.blame {
        Blame::Task if tries.failures > policy.max_retries => {
            Verdict::Enough(format!("failed {}", times(tries.failures)).into())
        }
        Blame::Task => {
            let most = policy.max_backoff.into();
            let upper = doubled(policy.initial_backoff.into(), tries.failures, most);
            let delay = spread(upper, jitter).max(retry_after.unwrap_or_default().min(most));
            Verdict::Again(Some(now + delay))
        }
        Blame::Machine => match after_machine_loss(tries, now, jitter) {
            // Another machine can take it at once: this one passes it over.
            Verdict::Again(_) if failure.is_not_started() => Verdict::Again(Some(now)),
            verdict => verdict,
        },
        Blame::Provider => {
            let least = doubled(PROVIDER_BACKOFF, tries.provider_limits, Duration::MAX);
            let wait = least.max(retry_after.unwrap_or_default());
            let due = now + wait;
            if wait > MAX_PROVIDER_WAIT {
                Verdict::Enough(format!("met a provider's limit {}", times(tries.provider_limits)).into())
            } else if deadline.is_some_and(|deadline| deadline <= due) {
                Verdict::Enough("a provider's limit lasts beyond its deadline".into())
            } else {
                Verdict::Again(Some(due))
            }
        }
    }
}

/// The verdict after a loss, which the counts include already. The deadline is one of the coordinator's clock.
pub fn after_loss(
    deadline: Option<Timestamp>,
    tries: &Tries,
    loss: Loss,
    now: Timestamp,
    jitter: u64,
) -> Verdict {
    if deadline.is_some_and(|deadline| deadline <= now) {
        return Verdict::Enough("its deadline has passed".into());
    }
    match loss {
        Loss::Silent | Loss::Overdue | Loss::Died => after_machine_loss(tries, now, jitter),
        Loss::Undelivered if tries.undelivered >= MAX_UNDELIVERED => {
            Verdict::Enough(format!("its lease reached no agent {}", times(tries.undelivered)).into())
        }
        Loss::Undelivered | Loss::Replaced | Loss::Deregistered | Loss::GivenUp => Verdict::Again(None),
    }
}

fn after_machine_loss(tries: &Tries, now: Timestamp, jitter: u64) -> Verdict {
    if tries.lost_on.len() >= MAX_LOST_ON {
        Verdict::Enough(format!("lost on {MAX_LOST_ON} different agents").into())
    } else if tries.losses >= MAX_LOSSES {
        Verdict::Enough(format!("lost {}", times(tries.losses)).into())
    } else {
        Verdict::Again(Some(
            now + spread(doubled(INITIAL_BACKOFF, tries.losses, MAX_BACKOFF), jitter),
        ))
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

/// `first` for a count of one, doubled with each further one, at most `most`.
fn doubled(first: Duration, count: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most)
}

/// Full jitter: anywhere between zero and `upper`, so that tasks that failed together do not come back together.
fn spread(upper: Duration, jitter: u64) -> Duration {
    let upper = millis(upper);
    Duration::from_millis(((u128::from(jitter) * (u128::from(upper) + 1)) >> 64) as u64)
}

/// A number of the random sequence of a seed (splitmix64, Steele et al. 2014): so one random number from the edge is
/// enough for a request with many items.
pub fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AgentId;

    #[test]
    fn the_upper_end_doubles_up_to_its_limit() {
        let seconds = |n| doubled(INITIAL_BACKOFF, n, MAX_BACKOFF).as_secs();
        assert_eq!(
            [1, 2, 3, 6, 7, 8, 40, u32::MAX].map(seconds),
            [5, 10, 20, 160, 300, 300, 300, 300]
        );
    }

    #[test]
    fn jitter_covers_the_whole_range() {
        let upper = Duration::from_secs(10);
        assert_eq!(spread(upper, 0), Duration::ZERO);
        assert_eq!(spread(upper, u64::MAX), upper);
        let below = (0..1000)
            .filter(|&n| spread(upper, mix(42, n)) < upper / 2)
            .count();
        assert!(
            (400..600).contains(&below),
            "{below} of 1000 delays are in the lower half"
        );
    }

    #[test]
    fn losses_end_a_task_only_after_many_or_on_many_machines() {
        let lost = |losses, on: &[&str]| {
            let lost_on = on.iter().map(|id| AgentId::stored(id)).collect();
            let tries = Tries {
                losses,
                lost_on,
                ..Tries::default()
            };
            after_machine_loss(&tries, Timestamp(0), 0)
        };
        assert_eq!(lost(1, &["a"]), Verdict::Again(Some(Timestamp(0))));
        assert_eq!(lost(19, &["a", "b"]), Verdict::Again(Some(Timestamp(0))));
        assert_eq!(lost(20, &["a", "b"]), Verdict::Enough("lost 20 times".into()));
        assert_eq!(
            lost(3, &["a", "b", "c"]),
            Verdict::Enough("lost on 3 different agents".into())
        );
    }

    #[test]
    fn the_longest_duration_does_not_overflow() {
        assert_eq!(spread(Duration::MAX, u64::MAX), Duration::from_millis(u64::MAX));
    }
}
