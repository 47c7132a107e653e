//! The rate at which tasks end, and how long the rest will take. There is no estimate before enough tasks have ended.

use std::{collections::VecDeque, time::Duration};

use swarm_proto::duration::format_duration;

/// The least number of ends for an estimate.
const LEAST_ENDS: u64 = 3;

/// The least time for an estimate; less may be chance.
const LEAST_TIME: Duration = Duration::from_secs(2);

/// Ends longer ago than this are not counted.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// The least time between two samples, so that the window has a few hundred.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Recent samples of the number of ended tasks.
#[derive(Debug, Default)]
pub struct Rate {
    /// Times with the number of ends since the first sample.
    seen: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// Adds a sample: the tasks that have ended by now.
    pub fn sample(&mut self, now: Duration, ended: u64) {
        if let Some((last, _)) = self.seen.back()
            && now < *last + SAMPLE_INTERVAL
        {
            return;
        }
        self.seen.push_back((now, ended));
        while let Some((next, _)) = self.seen.get(1)
            && *next + WINDOW < now
        {
            self.seen.pop_front();
        }
    }

    /// How long the rest will take.
    pub fn left(&self, now: Duration, ended: u64, rest: u64) -> Option<Duration> {
        let (since, before) = *self.seen.front()?;
        left(now.saturating_sub(since), ended.saturating_sub(before), rest)
    }
}

/// How long `rest` more tasks take at the rate of `ended` tasks in `took`.
pub fn left(took: Duration, ended: u64, rest: u64) -> Option<Duration> {
    if ended < LEAST_ENDS || took < LEAST_TIME || rest == 0 {
        return None;
    }
    Some(Duration::from_secs_f64(
        took.as_secs_f64() / ended as f64 * rest as f64,
    ))
}

/// An estimate in about two digits, as precise as it is: `about 3m left`.
pub fn in_words(left: Duration) -> String {
    let seconds = left.as_secs();
    let unit = match seconds {
        0..60 => 5,
        60..600 => 30,
        600..36_000 => 60,
        36_000..864_000 => 3_600,
        _ => 86_400,
    };
    let rounded = seconds.div_ceil(unit).max(1) * unit;
    format!("about {} left", format_duration(Duration::from_secs(rounded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_said_before_there_is_a_basis() {
        let mut rate = Rate::default();
        assert_eq!(rate.left(seconds(9), 9, 10), None);
        rate.sample(seconds(0), 40);
        assert_eq!(rate.left(seconds(100), 42, 58), None);
        assert_eq!(rate.left(seconds(1), 60, 40), None);
        assert_eq!(rate.left(seconds(10), 50, 50), Some(seconds(50)));
        assert_eq!(rate.left(seconds(10), 100, 0), None);
    }

    #[test]
    fn what_is_long_past_is_forgotten_and_a_standstill_shows() {
        let mut rate = Rate::default();
        for second in 0..1_000 {
            rate.sample(seconds(second), second.min(700));
        }
        assert!(rate.seen.len() <= 302, "{}", rate.seen.len());
        // One a second until 700, of which the last one of the window is at 699 or so.
        let left = rate.left(seconds(999), 700, 100);
        assert_eq!(left, None);
        let mut slow = Rate::default();
        slow.sample(seconds(0), 0);
        slow.sample(seconds(50), 10);
        assert!(slow.left(seconds(100), 10, 10) > slow.left(seconds(50), 10, 10));
    }

    #[test]
    fn a_guess_is_not_told_more_exactly_than_it_is() {
        for (exact, told) in [
            (0, "about 5s left"),
            (41, "about 45s left"),
            (61, "about 1m 30s left"),
            (170, "about 3m left"),
            (4_000, "about 1h 7m left"),
            (100_000, "about 1d 4h left"),
        ] {
            assert_eq!(in_words(seconds(exact)), told, "{exact}");
        }
    }
}
