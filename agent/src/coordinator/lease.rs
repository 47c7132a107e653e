//! The trust window of a lease: the time that an agent may act on the lease without a word from the coordinator.
//!
//! The window begins when a renewal is *sent*, because the coordinator counts the lease from the renewal's arrival.
//! It is shorter than the lease by a margin, because ending an attempt takes time. The clock goes on while the
//! machine sleeps. At the window's end only attempts of an exclusive group are ended.

use std::time::Duration;

/// The least margin, for an agent with a shorter kill grace.
const LEAST_MARGIN: Duration = Duration::from_secs(5);

/// Time since the machine was started, sleep included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BootTime(Duration);

impl BootTime {
    /// Reads the clock.
    pub(crate) fn now() -> BootTime {
        use nix::time::{ClockId, clock_gettime};
        // On macOS CLOCK_MONOTONIC goes on during sleep.
        #[cfg(target_os = "linux")]
        let clock = ClockId::CLOCK_BOOTTIME;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::CLOCK_MONOTONIC;
        let now = clock_gettime(clock).expect("the boot-time clock can be read");
        BootTime(Duration::from(now))
    }

    /// The time from an earlier reading to this one.
    pub(crate) fn since(self, earlier: BootTime) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The time for which one lease is trusted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrustWindow {
    renewed: BootTime,
    length: Duration,
    end_noticed: bool,
}

impl TrustWindow {
    /// The window of a grant or renewal that was asked for at `sent` and lasts `lease_ttl`.
    pub(crate) fn new(sent: BootTime, lease_ttl: Duration, kill_grace: Duration) -> TrustWindow {
        TrustWindow {
            renewed: sent,
            length: lease_ttl.saturating_sub(margin(lease_ttl, kill_grace)),
            end_noticed: false,
        }
    }

    /// Replaces the window by that of a renewal, unless that one ends earlier.
    pub(crate) fn renew(&mut self, renewal: TrustWindow) {
        if renewal.renewed.0 + renewal.length >= self.renewed.0 + self.length {
            *self = renewal;
        }
    }

    /// When the last renewal was sent.
    pub(crate) fn renewed(&self) -> BootTime {
        self.renewed
    }

    /// The length of the window from the sending of the renewal.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    /// Whether the window has ended by now.
    pub(crate) fn has_ended(&self, now: BootTime) -> bool {
        now.since(self.renewed) >= self.length
    }

    /// The time until the window ends; zero when it has ended.
    pub(crate) fn rest(&self, now: BootTime) -> Duration {
        self.length.saturating_sub(now.since(self.renewed))
    }

    /// Whether the window has ended since the last renewal; true once.
    pub(crate) fn notice_end(&mut self, now: BootTime) -> bool {
        let first = self.has_ended(now) && !self.end_noticed;
        self.end_noticed |= first;
        first
    }
}

/// The part of a lease behind its trust window. Of a lease of a few seconds, as in a test, it is half.
pub(crate) fn margin(lease_ttl: Duration, kill_grace: Duration) -> Duration {
    kill_grace.max(LEAST_MARGIN).min(lease_ttl / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(90);
    const GRACE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    #[test]
    fn the_window_is_the_ttl_from_sending_less_the_kill_grace() {
        let window = TrustWindow::new(at(100), TTL, GRACE);
        assert!(!window.has_ended(at(179)));
        assert!(window.has_ended(at(180)));
    }

    #[test]
    fn a_short_grace_leaves_a_margin_of_five_seconds() {
        let window = TrustWindow::new(at(0), TTL, Duration::ZERO);
        assert!(!window.has_ended(at(84)));
        assert!(window.has_ended(at(85)));
    }

    #[test]
    fn of_a_ttl_within_the_margin_half_is_trusted() {
        let window = TrustWindow::new(at(7), Duration::from_secs(4), GRACE);
        assert!(!window.has_ended(at(8)) && window.has_ended(at(9)));
        assert_eq!(
            (window.rest(at(8)), window.rest(at(20))),
            (Duration::from_secs(1), Duration::ZERO)
        );
    }

    #[test]
    fn renewals_lengthen_and_late_answers_never_shorten() {
        let mut window = TrustWindow::new(at(0), TTL, GRACE);
        window.renew(TrustWindow::new(at(30), TTL, GRACE));
        assert!(!window.has_ended(at(109)));
        window.renew(TrustWindow::new(at(10), TTL, GRACE));
        assert!(!window.has_ended(at(109)));
        assert!(window.has_ended(at(110)));
    }

    #[test]
    fn the_end_is_noticed_once_per_renewal() {
        let mut window = TrustWindow::new(at(0), TTL, GRACE);
        assert!(!window.notice_end(at(79)));
        assert!(window.notice_end(at(80)));
        assert!(!window.notice_end(at(500)));
        window.renew(TrustWindow::new(at(500), TTL, GRACE));
        assert!(window.notice_end(at(900)));
    }

    #[test]
    fn the_clock_moves_forward() {
        let before = BootTime::now();
        assert!(BootTime::now() >= before);
    }
}
