//! The leases this agent holds: one list for registrations, heartbeats and orders.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use swarm_proto::v1::LeaseRef;
use tokio::sync::watch;

use super::{
    lease::{BootTime, TrustWindow},
    order::Order,
};
use crate::attempt_key::AttemptKey;

/// All held leases.
#[derive(Default)]
pub(crate) struct Leases(Mutex<BTreeMap<AttemptKey, HeldLease>>);

struct HeldLease {
    lease: LeaseRef,
    stage: LeaseStage,
}

enum LeaseStage {
    /// An attempt is at work under it.
    Running {
        trust: TrustWindow,
        orders: watch::Sender<Order>,
        /// It must never overlap with another attempt of its group.
        exclusive: bool,
    },
    /// Its outcome is known here and not yet confirmed.
    Reported,
}

/// An attempt whose trust window has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Untrusted {
    pub(crate) key: AttemptKey,
    /// For how long it had no renewal.
    pub(crate) silence: Duration,
    /// How long ago the window ended.
    pub(crate) ended: Duration,
    pub(crate) exclusive: bool,
}

impl Leases {
    /// Takes up a lease; its attempt listens to the returned orders. `None` when it is held already.
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
                    exclusive,
                },
            },
        );
        Some(listener)
    }

    /// The attempt has ended and its outcome waits to be confirmed.
    pub(crate) fn report(&self, lease: LeaseRef) {
        self.lock().insert(
            AttemptKey::of(&lease),
            HeldLease {
                lease,
                stage: LeaseStage::Reported,
            },
        );
    }

    /// Nothing is left to do about it.
    pub(crate) fn forget(&self, key: &AttemptKey) {
        self.lock().remove(key);
    }

    /// How many attempts are at work.
    pub(crate) fn running(&self) -> usize {
        self.lock()
            .values()
            .filter(|held| matches!(held.stage, LeaseStage::Running { .. }))
            .count()
    }

    /// At most this many leases, those at work before those that wait for confirmation.
    pub(crate) fn listed(&self, limit: usize) -> Vec<LeaseRef> {
        let leases = self.lock();
        let (running, reported): (Vec<_>, Vec<_>) = leases
            .values()
            .partition(|held| matches!(held.stage, LeaseStage::Running { .. }));
        running
            .into_iter()
            .chain(reported)
            .take(limit)
            .map(|held| held.lease.clone())
            .collect()
    }

    /// Gives an order to one attempt; says since when its lease was not renewed if the order is news to it.
    pub(crate) fn order(&self, key: &AttemptKey, order: Order) -> Option<BootTime> {
        let leases = self.lock();
        let LeaseStage::Running { trust, orders, .. } = &leases.get(key)?.stage else {
            return None;
        };
        raise(orders, order).then(|| trust.renewed())
    }

    /// Gives an order to every attempt at work.
    pub(crate) fn order_all(&self, order: Order) {
        for held in self.lock().values() {
            if let LeaseStage::Running { orders, .. } = &held.stage {
                raise(orders, order);
            }
        }
    }

    /// The lease was renewed.
    pub(crate) fn renew(&self, key: &AttemptKey, renewal: TrustWindow) {
        if let Some(HeldLease {
            stage: LeaseStage::Running { trust, .. },
            ..
        }) = self.lock().get_mut(key)
        {
            trust.renew(renewal);
        }
    }

    /// The attempts whose trust window has ended since this was last asked.
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

    /// The shortest trust window of the exclusive attempts at work: their renewals must be known before it ends.
    pub(crate) fn exclusive_window(&self) -> Option<Duration> {
        self.exclusive_trusts(|trust| trust.length())
    }

    /// When the first open trust window of an exclusive attempt ends, from now on.
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
