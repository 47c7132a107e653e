//! The way out: its reason, its urgency, its deadlines and the ending.

use std::{mem, time::Duration};

use tokio::{sync::watch, time::Instant};

use crate::{coordinator::session::SessionEnd, program::shutdown::Stage};

/// How long the last reports are sent again, by the stage of the shutdown.
const FAREWELL_DRAINING: Duration = Duration::from_secs(10);
const FAREWELL_ENDING: Duration = Duration::from_secs(5);
const FAREWELL_STOPPING: Duration = Duration::from_secs(2);
/// How long attempts have to end that were told to stop at once. What goes on longer hangs on a disk.
const LAST_ATTEMPTS: Duration = Duration::from_secs(45);

/// The end of the work for one coordinator.
pub(crate) enum Ending {
    /// Everything is done and confirmed.
    Done,
    /// All work is done, but so many results could not be delivered.
    Unconfirmed(usize),
    /// A signal ended the work: there was no time to deliver so many results, and so many attempts did not end.
    Interrupted { results: usize, attempts: usize },
    /// The session has ended.
    Session(SessionEnd),
    /// The state directory is gone, for this reason, and so many results are not confirmed.
    Stateless(String, usize),
}

/// How far an agent is on its way out.
pub(super) struct Leaving {
    /// The last stage that was acted on.
    stage: Stage,
    /// Nothing is left to do, and the agent was started to leave then.
    is_idle: bool,
    session_end: Option<SessionEnd>,
    /// Why there is no state directory any more.
    stateless: Option<String>,
    /// When running attempts are ended.
    drain_deadline: Option<Instant>,
    /// When attempts are left that were told to stop at once.
    attempts_deadline: Option<Instant>,
    /// When the last reports are given up.
    farewell: Option<Instant>,
    /// Tells the heartbeat when nothing more is claimed.
    draining: watch::Sender<bool>,
}

impl Leaving {
    pub(super) fn new() -> Leaving {
        Leaving {
            stage: Stage::Working,
            is_idle: false,
            session_end: None,
            stateless: None,
            drain_deadline: None,
            attempts_deadline: None,
            farewell: None,
            draining: watch::channel(false).0,
        }
    }

    /// Whether nothing more is claimed, for the heartbeat.
    pub(super) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Tells the heartbeat whether nothing more is claimed.
    pub(super) fn tell_heartbeat(&self, is_draining: bool) {
        self.draining
            .send_if_modified(|draining| mem::replace(draining, is_draining) != is_draining);
    }

    /// Takes up a stage of the shutdown; says whether it is a new one.
    pub(super) fn enter(&mut self, stage: Stage, drain_timeout: Duration) -> bool {
        if stage == self.stage {
            return false;
        }
        self.stage = stage;
        self.farewell = None;
        self.drain_deadline = (stage == Stage::Draining).then(|| Instant::now() + drain_timeout);
        self.attempts_deadline = (stage == Stage::Stopping).then(|| Instant::now() + LAST_ATTEMPTS);
        true
    }

    /// Leaves because nothing is left to do; says whether that is news.
    pub(super) fn leave_idle(&mut self) -> bool {
        !mem::replace(&mut self.is_idle, true)
    }

    /// Whether it leaves because nothing is left to do.
    pub(super) fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// Leaves because the session has ended. The first reason counts.
    pub(super) fn end_session(&mut self, end: SessionEnd) {
        self.session_end.get_or_insert(end);
    }

    /// Leaves because the state directory is gone; says whether that is news.
    pub(super) fn lose_state(&mut self, why: String) -> bool {
        let is_news = self.stateless.is_none();
        self.stateless.get_or_insert(why);
        is_news
    }

    /// Whether the agent is on its way out, for whatever reason. Nothing is claimed then.
    pub(super) fn has_begun(&self) -> bool {
        self.stage != Stage::Working || self.session_end.is_some() || self.is_idle || self.stateless.is_some()
    }

    /// Whether the agent sends nothing more, because another coordinator answers or another agent has its identity.
    pub(super) fn is_silent(&self) -> bool {
        matches!(
            self.session_end,
            Some(SessionEnd::Replaced(_) | SessionEnd::Elsewhere { .. } | SessionEnd::OtherCluster(_))
        )
    }

    /// Whether it is time to end running attempts.
    pub(super) fn has_drained(&self, now: Instant) -> bool {
        self.drain_deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether it is time to leave attempts that do not end.
    pub(super) fn leaves_attempts(&self, now: Instant) -> bool {
        self.attempts_deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether it is time to give up the last reports. The first call starts the clock.
    pub(super) fn gives_up(&mut self, drain_timeout: Duration) -> bool {
        let patience = match self.stage {
            Stage::Working if self.stateless.is_some() => FAREWELL_ENDING,
            Stage::Working => drain_timeout,
            Stage::Draining => FAREWELL_DRAINING,
            Stage::Ending => FAREWELL_ENDING,
            Stage::Stopping => FAREWELL_STOPPING,
        };
        let now = Instant::now();
        *self.farewell.get_or_insert(now + patience) <= now
    }

    /// The next deadlines.
    pub(super) fn wakes(&self) -> [Option<Instant>; 3] {
        [self.drain_deadline, self.attempts_deadline, self.farewell]
    }

    /// The ending, with so many results unconfirmed and so many attempts left.
    pub(super) fn ending(self, results: usize, attempts: usize) -> Ending {
        if let Some(why) = self.stateless {
            return Ending::Stateless(why, results);
        }
        match self.session_end {
            Some(end) => Ending::Session(end),
            None if results + attempts == 0 => Ending::Done,
            None if self.stage == Stage::Working => Ending::Unconfirmed(results),
            None => Ending::Interrupted { results, attempts },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_out_has_an_ending_of_its_own() {
        assert!(matches!(Leaving::new().ending(0, 0), Ending::Done));
        assert!(matches!(Leaving::new().ending(2, 0), Ending::Unconfirmed(2)));
        let mut leaving = Leaving::new();
        assert!(
            leaving.enter(Stage::Stopping, Duration::ZERO) && !leaving.enter(Stage::Stopping, Duration::ZERO)
        );
        assert!(matches!(
            leaving.ending(0, 1),
            Ending::Interrupted {
                results: 0,
                attempts: 1
            }
        ));
        let mut leaving = Leaving::new();
        leaving.end_session(SessionEnd::OtherCluster("c".to_owned()));
        leaving.end_session(SessionEnd::Replaced("later".to_owned()));
        assert!(leaving.is_silent());
        assert!(matches!(
            leaving.ending(2, 0),
            Ending::Session(SessionEnd::OtherCluster(_))
        ));
    }

    #[test]
    fn a_more_urgent_end_gives_the_last_reports_a_time_of_their_own() {
        let mut leaving = Leaving::new();
        assert!(leaving.gives_up(Duration::ZERO));
        leaving.enter(Stage::Draining, Duration::from_secs(300));
        assert!(leaving.has_begun() && !leaving.gives_up(Duration::ZERO));
        assert!(!leaving.has_drained(Instant::now()));
        assert!(leaving.wakes().iter().filter(|wake| wake.is_some()).count() == 2);
        leaving.enter(Stage::Ending, Duration::from_secs(300));
        assert_eq!(leaving.wakes(), [None; 3]);
    }

    #[test]
    fn only_a_stop_at_once_leaves_attempts_that_do_not_end() {
        let mut leaving = Leaving::new();
        let much_later = Instant::now() + LAST_ATTEMPTS * 2;
        leaving.enter(Stage::Ending, Duration::ZERO);
        assert!(!leaving.leaves_attempts(much_later));
        leaving.enter(Stage::Stopping, Duration::ZERO);
        assert!(!leaving.leaves_attempts(Instant::now()) && leaving.leaves_attempts(much_later));
        assert!(leaving.wakes().iter().any(Option::is_some));
    }

    #[test]
    fn an_agent_whose_identity_is_at_work_elsewhere_is_silent() {
        let mut leaving = Leaving::new();
        leaving.end_session(SessionEnd::Elsewhere {
            sentence: "it is in use".to_owned(),
            rest: Duration::ZERO,
        });
        assert!(leaving.is_silent());
    }

    #[test]
    fn an_idle_agent_leaves_once() {
        let mut leaving = Leaving::new();
        assert!(!leaving.has_begun());
        assert!(leaving.leave_idle() && !leaving.leave_idle());
        assert!(leaving.has_begun());
    }
}
