//! How often tasks and attempts began and ended in the last minute.

use std::time::Duration;

use swarm_engine::{
    time::Timestamp,
    touches::{AttemptChange, TaskChange, Touches},
};

/// Over how many seconds rates are taken.
const WINDOW: usize = 60;

/// The counts of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Happened {
    pub(crate) submitted: u64,
    pub(crate) granted: u64,
    pub(crate) succeeded: u64,
    /// Attempts that failed or were lost.
    pub(crate) failed: u64,
}

impl Happened {
    fn note(&mut self, touched: &Touches<'_>) {
        match touched.attempt.map(|attempt| attempt.change) {
            Some(AttemptChange::Granted) => self.granted += 1,
            Some(AttemptChange::Succeeded) => self.succeeded += 1,
            Some(AttemptChange::Failed | AttemptChange::Lost) => self.failed += 1,
            Some(
                AttemptChange::Resumed
                | AttemptChange::Released
                | AttemptChange::CancelAsked
                | AttemptChange::Cancelled,
            )
            | None => {}
        }
        match touched.task.map(|task| task.change) {
            Some(TaskChange::Submitted(_)) => self.submitted += 1,
            Some(
                TaskChange::Changed
                | TaskChange::Ended
                | TaskChange::Retried { .. }
                | TaskChange::Removed { .. },
            )
            | None => {}
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Rates {
    /// The counts of each of the last seconds; those of the present one are at `second % WINDOW`.
    seconds: [Happened; WINDOW],
    second: u64,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            seconds: [Happened::default(); WINDOW],
            second: 0,
        }
    }
}

impl Rates {
    /// Counts an event.
    pub(crate) fn note(&mut self, touched: &Touches<'_>, now: Timestamp) {
        self.pass(now);
        self.seconds[self.second as usize % WINDOW].note(touched);
    }

    /// The counts of the last minute, or since the start when that is shorter, and of how many seconds they are: whole
    /// seconds, without the present one.
    pub(crate) fn last_minute(&mut self, now: Timestamp, uptime: Duration) -> (Happened, f64) {
        self.pass(now);
        let whole = (WINDOW as u64 - 1).min(uptime.as_secs());
        let mut sum = Happened::default();
        for second in self.second.saturating_sub(whole)..self.second {
            let one = &self.seconds[second as usize % WINDOW];
            sum.submitted += one.submitted;
            sum.granted += one.granted;
            sum.succeeded += one.succeeded;
            sum.failed += one.failed;
        }
        (sum, whole.max(1) as f64)
    }

    /// Forgets the seconds that have left the window.
    fn pass(&mut self, now: Timestamp) {
        let second = now.0 / 1000;
        if second.saturating_sub(self.second) >= WINDOW as u64 {
            self.seconds = [Happened::default(); WINDOW];
        } else {
            for passed in self.second + 1..=second {
                self.seconds[passed as usize % WINDOW] = Happened::default();
            }
        }
        self.second = self.second.max(second);
    }
}

#[cfg(test)]
mod tests {
    use swarm_engine::{
        event::{Fact, Subject},
        id::{AgentId, AttemptNumber, Number, TaskId},
        noun::outcome::Loss,
    };

    use super::*;

    fn expired() -> Fact {
        Fact::LeaseExpired {
            task: Subject {
                number: Number(1),
                id: TaskId::stored("t"),
                job: None,
            },
            attempt: AttemptNumber(1),
            agent: AgentId::stored("a"),
            cause: Loss::Silent,
            due: None,
        }
    }

    #[test]
    fn rates_are_those_of_the_last_minute() {
        let mut rates = Rates::default();
        let fact = expired();
        for second in 100..200 {
            rates.note(&fact.touches(), Timestamp(second * 1000));
        }
        let (sum, seconds) = rates.last_minute(Timestamp(200_000), Duration::from_secs(100));
        assert_eq!((sum.failed, seconds), (59, 59.0));
        let (sum, _) = rates.last_minute(Timestamp(230_000), Duration::from_secs(130));
        assert_eq!(sum.failed, 29);
        let (sum, _) = rates.last_minute(Timestamp(300_000), Duration::from_secs(200));
        assert_eq!(sum.failed, 0);
    }

    #[test]
    fn a_coordinator_that_has_just_started_divides_by_what_has_passed() {
        let mut rates = Rates::default();
        rates.note(&expired().touches(), Timestamp(100_500));
        let (sum, seconds) = rates.last_minute(Timestamp(102_000), Duration::from_secs(2));
        assert_eq!((sum.failed, sum.granted, seconds), (1, 0, 2.0));
        let (_, seconds) = rates.last_minute(Timestamp(102_000), Duration::ZERO);
        assert_eq!(seconds, 1.0);
    }
}
