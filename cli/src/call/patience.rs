//! How long a request is repeated, and the pauses between the tries.

use std::time::{Duration, Instant};

/// Upper end of the first random pause. It doubles with every failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Upper end of every random pause, within which a restarted coordinator is found again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The least time that an answer gets, however little patience is left: nobody could answer in less.
const SHORTEST_ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Doubling pauses with full jitter. The limit counts from the first try, or from the first failure after an answer.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Option<Duration>,
    since: Option<Instant>,
    failures: u32,
    told: bool,
}

impl Patience {
    /// Patience with a time limit, or without end.
    pub(crate) fn new(limit: Option<Duration>) -> Patience {
        Patience {
            limit,
            since: None,
            failures: 0,
            told: false,
        }
    }

    /// How long the next answer may take: `longest`, or the rest of the limit if that is shorter.
    pub(crate) fn answer_limit(&mut self, longest: Duration) -> Duration {
        match self.left() {
            Some(left) => longest.min(left.max(SHORTEST_ANSWER_LIMIT)),
            None => longest,
        }
    }

    /// Whether to tell a person of the silence now: once, and not of a single short loss.
    pub(crate) fn tell_now(&mut self, at_once: bool) -> bool {
        let tell = !self.told && (at_once || self.failures > 1);
        self.told |= tell;
        tell
    }

    /// Counts a failure and gives the pause before the next try, or `None` when the limit is over.
    pub(crate) fn pause(&mut self, at_least: Duration) -> Option<Duration> {
        let left = self.left();
        let upper = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let pause = upper.mul_f64(random_fraction()).max(at_least);
        match left {
            None => Some(pause),
            Some(left) => (!left.is_zero()).then(|| pause.min(left)),
        }
    }

    /// Notes an answer. Returns whether a person was told of the silence before it.
    pub(crate) fn answered(&mut self) -> bool {
        self.since = None;
        self.failures = 0;
        std::mem::take(&mut self.told)
    }

    /// The rest of the limit, which begins to run with the first question.
    fn left(&mut self) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.limit.map(|limit| limit.saturating_sub(since.elapsed()))
    }
}

/// A random number between 0 and 1; 1, the longest pause, when the system gives no random bytes.
fn random_fraction() -> f64 {
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_their_bounds() {
        let mut patience = Patience::new(None);
        for _ in 0..100 {
            assert!(
                patience
                    .pause(Duration::ZERO)
                    .is_some_and(|pause| pause <= LONGEST_PAUSE)
            );
        }
        assert_eq!(
            patience.pause(Duration::from_secs(9)),
            Some(Duration::from_secs(9))
        );
    }

    #[test]
    fn a_silence_is_told_once_and_its_end_too() {
        let mut patience = Patience::new(None);
        patience.pause(Duration::ZERO);
        assert!(!patience.tell_now(false), "a single loss was told");
        patience.pause(Duration::ZERO);
        assert!(patience.tell_now(false) && !patience.tell_now(false));
        assert!(patience.answered() && !patience.answered());
    }

    #[test]
    fn an_answer_may_take_what_is_left() {
        let longest = Duration::from_secs(20);
        let limit = |limit| Patience::new(limit).answer_limit(longest);
        assert_eq!(limit(None), longest);
        assert_eq!(limit(Some(Duration::from_secs(60))), longest);
        let short = limit(Some(Duration::from_secs(5)));
        assert!(
            short > Duration::from_secs(4) && short <= Duration::from_secs(5),
            "{short:?}"
        );
        assert_eq!(limit(Some(Duration::ZERO)), SHORTEST_ANSWER_LIMIT);
    }

    #[test]
    fn no_patience_means_no_second_try() {
        assert_eq!(Patience::new(Some(Duration::ZERO)).pause(Duration::ZERO), None);
        assert!(
            Patience::new(Some(Duration::from_secs(60)))
                .pause(Duration::ZERO)
                .is_some()
        );
    }
}
