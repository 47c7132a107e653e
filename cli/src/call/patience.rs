//! How long a lost answer is tried again, and the pauses between the tries.

use std::time::{Duration, Instant};

/// Upper end of the first random pause; it doubles with every failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Upper end of every random pause: a restarted coordinator is found again within this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Even without patience an answer gets this long: a request that nobody can answer in time would be for nothing.
const SHORTEST_ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Full jitter over doubling pauses, until a time after the request was first sent, or an answer first lost.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Option<Duration>,
    since: Option<Instant>,
    failures: u32,
    told: bool,
}

impl Patience {
    /// Ends this long after it was first tried; never without a limit.
    pub(crate) fn new(limit: Option<Duration>) -> Patience {
        Patience {
            limit,
            since: None,
            failures: 0,
            told: false,
        }
    }

    /// How long the next answer may take: this long, or what is left when that is less.
    pub(crate) fn answer_limit(&mut self, longest: Duration) -> Duration {
        match self.left() {
            Some(left) => longest.min(left.max(SHORTEST_ANSWER_LIMIT)),
            None => longest,
        }
    }

    /// Whether a person should hear of the silence now: once, and not of a single short loss.
    pub(crate) fn tell_now(&mut self, at_once: bool) -> bool {
        let tell = !self.told && (at_once || self.failures > 1);
        self.told |= tell;
        tell
    }

    /// Counts a failure. How long to pause before the next try; nothing when patience has ended.
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

    /// An answer came. Whether a person was told of a silence before it.
    pub(crate) fn answered(&mut self) -> bool {
        self.since = None;
        self.failures = 0;
        std::mem::take(&mut self.told)
    }

    /// What is left of the limit, which begins to run with the first question.
    fn left(&mut self) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.limit.map(|limit| limit.saturating_sub(since.elapsed()))
    }
}

/// Between 0 and 1. Without randomness the pauses are merely longer.
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
