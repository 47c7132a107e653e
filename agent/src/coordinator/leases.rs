//! The leases that this agent holds: one list for registrations, heartbeats and orders.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use swarm_proto::{duration::write_duration, v1::LeaseRef};
use tokio::sync::watch;

use super::{
    lease::{BootTime, TrustWindow},
    order::Order,
};
use crate::attempt_key::AttemptKey;

/// All leases of this agent.
#[derive(Default)]
pub(crate) struct Leases(Mutex<BTreeMap<AttemptKey, HeldLease>>);

struct HeldLease {
    lease: LeaseRef,
    stage: LeaseStage,
}

enum LeaseStage {
    /// An attempt runs under the lease.
    Running {
        trust: TrustWindow,
        orders: watch::Sender<Order>,
        /// When it began.
        begun: BootTime,
        /// The attempt must never overlap with another one of its exclusive group.
        exclusive: bool,
    },
    /// The attempt has ended, and its outcome is not confirmed yet.
    Reported,
}

impl HeldLease {
    /// The lease as the coordinator is told of it, with how long the attempt has run.
    fn listed(&self) -> LeaseRef {
        let run_time = match self.stage {
            LeaseStage::Running { begun, .. } => write_duration(BootTime::now().since(begun)),
            LeaseStage::Reported => None,
        };
        LeaseRef {
            run_time,
            ..self.lease.clone()
        }
    }
}

/// An attempt whose trust window has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Untrusted {
    pub(crate) key: AttemptKey,
    /// The time since the last renewal was sent.
    pub(crate) silence: Duration,
    /// How long ago the window ended.
    pub(crate) ended: Duration,
    pub(crate) exclusive: bool,
}

impl Leases {
    /// Adds the lease of a new attempt, which listens to the returned orders. `None` when the lease is held already.
    pub(crate) fn take(
        &self,
        lease: LeaseRef,
        trust: TrustWindow,
        exclusive: bool,
    ) -> Option<watch::Receiver<Order>> {
        let key = AttemptKey::of(&lease);
        let mut leases = self.lock();
        if leases.contains_key(&key) {
            return None;
        }
        let (orders, listener) = watch::channel(Order::GoOn);
        leases.insert(
            key,
            HeldLease {
                lease,
                stage: LeaseStage::Running {
                    trust,
                    orders,
                    begun: BootTime::now(),
                    exclusive,
                },
            },
        );
        Some(listener)
    }

    /// The attempt has ended; its outcome waits for confirmation.
    pub(crate) fn report(&self, lease: LeaseRef) {
        self.lock().insert(
            AttemptKey::of(&lease),
            HeldLease {
                lease,
                stage: LeaseStage::Reported,
            },
        );
    }

    /// Drops a lease: its outcome is confirmed, or of no use.
    pub(crate) fn forget(&self, key: &AttemptKey) {
        self.lock().remove(key);
    }

    /// Whether a lease is held: its attempt runs, or its outcome is not confirmed.
    pub(crate) fn holds(&self, key: &AttemptKey) -> bool {
        self.lock().contains_key(key)
    }

    /// The number of running attempts.
    pub(crate) fn running(&self) -> usize {
        self.lock()
            .values()
            .filter(|held| matches!(held.stage, LeaseStage::Running { .. }))
            .count()
    }

    /// At most this many leases, running attempts first.
    pub(crate) fn listed(&self, limit: usize) -> Vec<LeaseRef> {
        let leases = self.lock();
        let (running, reported): (Vec<_>, Vec<_>) = leases
            .values()
            .partition(|held| matches!(held.stage, LeaseStage::Running { .. }));
        running
            .into_iter()
            .chain(reported)
            .take(limit)
            .map(HeldLease::listed)
            .collect()
    }

    /// Gives an order to one attempt. Returns when the lease was last renewed; `None` when the attempt has this order
    /// already.
    pub(crate) fn order(&self, key: &AttemptKey, order: Order) -> Option<BootTime> {
        let leases = self.lock();
        let LeaseStage::Running { trust, orders, .. } = &leases.get(key)?.stage else {
            return None;
        };
        raise(orders, order).then(|| trust.renewed())
    }

    /// Gives an order to every running attempt.
    pub(crate) fn order_all(&self, order: Order) {
        for held in self.lock().values() {
            if let LeaseStage::Running { orders, .. } = &held.stage {
                raise(orders, order);
            }
        }
    }

    /// Renews the trust window of a running attempt.
    pub(crate) fn renew(&self, key: &AttemptKey, renewal: TrustWindow) {
        if let Some(HeldLease {
            stage: LeaseStage::Running { trust, .. },
            ..
        }) = self.lock().get_mut(key)
        {
            trust.renew(renewal);
        }
    }

    /// The attempts whose trust window has ended since the last call.
    pub(crate) fn newly_untrusted(&self, now: BootTime) -> Vec<Untrusted> {
        let mut leases = self.lock();
        let mut untrusted = Vec::new();
        for (key, held) in leases.iter_mut() {
            if let LeaseStage::Running { trust, exclusive, .. } = &mut held.stage
                && trust.notice_end(now)
            {
                let silence = now.since(trust.renewed());
                untrusted.push(Untrusted {
                    key: key.clone(),
                    silence,
                    ended: silence.saturating_sub(trust.length()),
                    exclusive: *exclusive,
                });
            }
        }
        untrusted
    }

    /// The shortest trust window of the exclusive attempts. Their renewals must be known here before it ends.
    pub(crate) fn exclusive_window(&self) -> Option<Duration> {
        self.exclusive_trusts(|trust| trust.length())
    }

    /// The time until the first trust window of an exclusive attempt ends.
    pub(crate) fn exclusive_rest(&self, now: BootTime) -> Option<Duration> {
        self.exclusive_trusts(|trust| trust.rest(now))
    }

    fn exclusive_trusts(&self, length: impl Fn(&TrustWindow) -> Duration) -> Option<Duration> {
        let leases = self.lock();
        let trusts = leases.values().filter_map(|held| match &held.stage {
            LeaseStage::Running {
                trust,
                exclusive: true,
                ..
            } => Some(length(trust)),
            _ => None,
        });
        trusts.filter(|length| !length.is_zero()).min()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AttemptKey, HeldLease>> {
        self.0
            .lock()
            .expect("nothing panics while it changes the held leases")
    }
}

fn raise(orders: &watch::Sender<Order>, order: Order) -> bool {
    orders.send_if_modified(|current| {
        let stronger = order > *current;
        if stronger {
            *current = order;
        }
        stronger
    })
}

#[cfg(test)]
mod tests {
    use super::super::order::Why;
    use super::*;

    fn lease(task_id: &str) -> LeaseRef {
        LeaseRef {
            task_id: task_id.to_owned(),
            attempt: 1,
            lease_token: vec![7; 16],
            run_time: None,
        }
    }

    fn trust() -> TrustWindow {
        TrustWindow::new(BootTime::now(), Duration::from_secs(90), Duration::from_secs(10))
    }

    #[test]
    fn a_lease_that_comes_twice_is_taken_once() {
        let leases = Leases::default();
        assert!(leases.take(lease("a"), trust(), false).is_some());
        assert!(leases.take(lease("a"), trust(), false).is_none());
        leases.report(lease("a"));
        assert!(leases.take(lease("a"), trust(), false).is_none());
    }

    #[test]
    fn orders_only_grow_stronger_and_are_news_once() {
        let leases = Leases::default();
        let orders = leases.take(lease("a"), trust(), false).unwrap();
        let key = AttemptKey::of(&lease("a"));
        let stop = Order::Stop(Why::Leaving);
        assert!(leases.order(&key, stop).is_some());
        assert!(leases.order(&key, Order::Cancel).is_none());
        assert!(leases.order(&key, Order::Release(Why::Silence)).is_none());
        assert!(leases.order(&key, stop).is_none());
        assert_eq!(*orders.borrow(), stop);
    }

    #[test]
    fn a_reported_attempt_takes_no_orders_and_is_listed_last() {
        let leases = Leases::default();
        leases.report(lease("a"));
        leases.take(lease("b"), trust(), true).unwrap();
        assert_eq!(leases.order(&AttemptKey::of(&lease("a")), Order::Lost), None);
        let listed: Vec<_> = leases.listed(10).into_iter().map(|lease| lease.task_id).collect();
        assert_eq!(listed, ["b", "a"]);
        assert_eq!((leases.listed(1).len(), leases.running()), (1, 1));
    }

    #[test]
    fn only_exclusive_attempts_ask_for_renewals_in_time() {
        let leases = Leases::default();
        let (begun, window) = (BootTime::now(), Duration::from_secs(80));
        let _other = leases.take(lease("a"), trust(), false).unwrap();
        assert_eq!(
            (leases.exclusive_window(), leases.exclusive_rest(begun)),
            (None, None)
        );
        let _exclusive = leases.take(lease("b"), trust(), true).unwrap();
        assert_eq!(leases.exclusive_window(), Some(window));
        assert!(leases.exclusive_rest(begun) <= Some(window));
    }
}
